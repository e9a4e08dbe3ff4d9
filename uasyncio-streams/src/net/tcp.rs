//! TCP connections as transports.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::task::{Context, Poll};

use uasyncio_core::trace;
use uasyncio_io::{AsyncFd, Interest};

use super::sys;
use crate::transport::{Direction, READING, Transport, TryError, closed_error};
use crate::{StreamReader, StreamWriter};

/// The reading half of a TCP connection.
pub type TcpReader = StreamReader<TcpTransport>;

/// The writing half of a TCP connection.
pub type TcpWriter = StreamWriter<TcpTransport>;

/// A TCP connection as a [`Transport`].
///
/// [`open_connection`](crate::open_connection) and [`start_server`](crate::start_server) make it; for a socket that comes
/// from elsewhere there is [`from_std`](TcpTransport::from_std).
///
/// Writing to a peer that is gone gives the error `BrokenPipe` or `ConnectionReset`. On Linux it never raises `SIGPIPE`;
/// elsewhere that is up to the program, and programs in Rust ignore the signal.
#[derive(Debug)]
pub struct TcpTransport {
    /// Gone once the connection was closed.
    socket: RefCell<Option<AsyncFd<TcpStream>>>,
    peer: SocketAddr,
}

impl TcpTransport {
    pub(crate) fn new(socket: AsyncFd<TcpStream>, peer: SocketAddr) -> Self {
        TcpTransport { socket: RefCell::new(Some(socket)), peer }
    }

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
        let peer = stream.peer_addr()?;
        Ok(TcpTransport::new(AsyncFd::new(stream)?, peer))
    }

    /// The address of the peer. Known without a system call, also after the connection has ended. asyncio's
    /// `get_extra_info("peername")`.
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
        self.with_socket(TcpStream::local_addr)
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
        self.with_socket(TcpStream::try_clone)
    }

    fn with_socket<R>(&self, function: impl FnOnce(&TcpStream) -> io::Result<R>) -> io::Result<R> {
        match &*self.socket.borrow() {
            Some(socket) => function(socket.get_ref()),
            None => Err(closed_error()),
        }
    }

    /// Moves bytes in one direction. `is_short` says of their number whether more were asked for.
    #[inline(always)]
    pub(super) fn attempt(
        &self,
        direction: Direction,
        is_short: impl FnOnce(usize) -> bool,
        operation: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Result<usize, TryError> {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else {
            return Err(TryError::Failed(closed_error()));
        };
        let interest = interest_of(direction);
        match socket.try_io(interest, operation) {
            Ok(count) => {
                if count > 0 && is_short(count) {
                    socket.drained(interest);
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(TryError::Blocked(direction)),
            Err(error) => Err(TryError::Failed(error)),
        }
    }
}

#[inline]
fn interest_of(direction: Direction) -> Interest {
    match direction {
        Direction::Read => Interest::Read,
        Direction::Write => Interest::Write,
    }
}

impl Transport for TcpTransport {
    #[inline(always)]
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        let room = buffer.len();
        self.attempt(Direction::Read, |count| count < room, |stream| sys::read(stream, buffer))
    }

    #[inline(always)]
    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        self.attempt(Direction::Write, |count| count < data.len(), |stream| sys::write(stream, data))
    }

    #[inline]
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Result<usize, TryError> {
        let is_short = |mut count: usize| {
            // A sum of the lengths would do; this leaves off early.
            for slice in slices {
                if count < slice.len() {
                    return true;
                }
                count -= slice.len();
            }
            false
        };
        self.attempt(Direction::Write, is_short, |stream| sys::write_vectored(stream, slices))
    }

    #[inline(always)]
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else {
            return Poll::Ready(Err(closed_error()));
        };
        let done = socket.poll_io(cx, Interest::Read, |stream| sys::read(stream, buffer));
        match done {
            Poll::Ready(Ok(count)) if count > 0 && count < buffer.len() => socket.drained(Interest::Read),
            Poll::Pending => trace::waiting(READING),
            _ => {}
        }
        done
    }

    #[inline(always)]
    fn poll_unblocked(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        // The reactor knows.
        self.poll_ready(cx, direction)
    }

    #[inline(always)]
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        match &*self.socket.borrow() {
            Some(socket) => socket.poll_ready(cx, interest_of(direction)),
            None => Poll::Ready(Err(closed_error())),
        }
    }

    fn close_write(&self) -> Result<(), TryError> {
        match self.with_socket(|stream| stream.shutdown(Shutdown::Write)) {
            // The peer has reset the connection: it will see no more bytes from here, as was asked.
            Err(error) if error.kind() == io::ErrorKind::NotConnected && self.socket.borrow().is_some() => Ok(()),
            result => Ok(result?),
        }
    }

    fn discard(&self, most: usize) {
        // Past the reactor, which may not have heard of the latest bytes.
        let _ = self.with_socket(|stream| {
            let (mut room, mut discarded) = ([0; 1024], 0);
            while discarded < most {
                match sys::read(stream, &mut room)? {
                    0 => break,
                    count => discarded += count,
                }
            }
            Ok(())
        });
    }

    fn close(&self) {
        // Wakes both directions; dropped while the cell is not borrowed, because a waker may run anything.
        let socket = self.socket.borrow_mut().take();
        drop(socket);
    }

    fn abort(&self) {
        // If it fails, the connection has ended already, and closing it is all that is left.
        let _ = self.with_socket(sys::close_by_reset);
        self.close();
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
