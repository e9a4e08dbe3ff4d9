//! TCP connections as transports.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

use uasyncio_io::AsyncFd;

use super::sys;
use super::system_transport::{SystemStream, SystemTransport};
use crate::{StreamReader, StreamWriter};

/// The reading half of a TCP connection.
pub type TcpReader = StreamReader<TcpTransport>;

/// The writing half of a TCP connection.
pub type TcpWriter = StreamWriter<TcpTransport>;

/// A TCP connection as a [`Transport`](crate::Transport).
///
/// [`open_connection`](crate::open_connection) and [`start_server`](crate::start_server) make it; for a socket that comes
/// from elsewhere there is [`from_std`](TcpTransport::from_std).
///
/// Writing to a peer that is gone gives the error `BrokenPipe` or `ConnectionReset`. It never raises `SIGPIPE`, whatever the
/// program has made of that signal, but for [`send_file`](crate::StreamWriter::send_file), and on Apple's systems for a socket from elsewhere.
pub type TcpTransport = SystemTransport<TcpStream>;

impl SystemStream for TcpStream {
    type Peer = SocketAddr;

    #[inline(always)]
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::read(self, buffer)
    }

    #[inline(always)]
    fn write(&self, data: &[u8]) -> io::Result<usize> {
        sys::write(self, data)
    }

    #[inline(always)]
    fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        sys::write_vectored(self, slices)
    }

    fn end_writing(&self) -> io::Result<bool> {
        self.shutdown(Shutdown::Write).map(|()| false)
    }

    fn before_abort(&self) -> io::Result<()> {
        sys::close_by_reset(self)
    }
}

/// An IPv4 address that a socket for both families shows as an IPv6 one, as the IPv4 address that it is.
#[inline]
pub(super) fn plain_address(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mapped) => match mapped.ip().to_canonical() {
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, mapped.port()),
            IpAddr::V6(_) => address,
        },
        SocketAddr::V4(_) => address,
    }
}

impl TcpTransport {
    /// Takes over a connected socket, and sets it to non-blocking mode.
    ///
    /// ```
    /// use std::net::{TcpListener, TcpStream};
    /// use uasyncio_streams::{TcpTransport, split};
    ///
    /// # uasyncio_io::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let socket = TcpStream::connect(listener.local_addr()?)?;
    /// let (_reader, mut writer) = split(TcpTransport::from_std(socket)?);
    /// writer.awritestr("hello").await?;
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// When the socket is not connected, or when no loop with a reactor is running; `uasyncio_io::run` starts one.
    pub fn from_std(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let peer = plain_address(stream.peer_addr()?);
        Ok(TcpTransport::new(AsyncFd::new(stream)?, peer))
    }

    /// The address of the peer. Known without a system call, also after the connection has ended. A client that came by IPv4 to
    /// a socket for both families has its IPv4 address here. asyncio's `get_extra_info("peername")`.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address of this end. asyncio's `get_extra_info("sockname")`.
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_stream(TcpStream::local_addr).map(plain_address)
    }

    /// A second descriptor of the same connection: to set socket options, or to make a second pair of streams with
    /// [`from_std`](Self::from_std). asyncio's `get_extra_info("socket")`.
    ///
    /// The connection stays open until both descriptors are closed.
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here; the system's error when it has no descriptor left.
    #[doc(alias = "get_extra_info")]
    pub fn try_clone_std(&self) -> io::Result<TcpStream> {
        self.with_stream(TcpStream::try_clone)
    }
}

impl TcpReader {
    /// The address of the peer; see [`TcpTransport::peer_addr`].
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> SocketAddr {
        self.transport().peer_addr()
    }

    /// The address of this end; see [`TcpTransport::local_addr`].
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.transport().local_addr()
    }
}

impl TcpWriter {
    /// The address of the peer; see [`TcpTransport::peer_addr`].
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> SocketAddr {
        self.transport().peer_addr()
    }

    /// The address of this end; see [`TcpTransport::local_addr`].
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.transport().local_addr()
    }
}
