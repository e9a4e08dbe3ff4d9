//! Unix sockets as transports.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

use uasyncio_core::sleep_ms;
use uasyncio_io::AsyncFd;

use super::connecting::Connecting;
use super::sys;
use super::system_transport::{SystemStream, SystemTransport};
use crate::{StreamReader, StreamWriter, split};

/// The reading half of a connection over a Unix socket. Unix only.
pub type UnixReader = StreamReader<UnixTransport>;

/// The writing half of a connection over a Unix socket. Unix only.
pub type UnixWriter = StreamWriter<UnixTransport>;

/// A connection over a Unix socket as a [`Transport`](crate::Transport). Unix only.
///
/// [`open_unix_connection`] and [`start_unix_server`](crate::start_unix_server) make it; for a socket that comes from elsewhere,
/// such as one of a [pair](UnixStream::pair), there is [`from_std`](UnixTransport::from_std).
///
/// Writing to a peer that is gone gives the error `BrokenPipe`, as over TCP, and never raises `SIGPIPE`. There is no reset here: after
/// [`abort`](crate::StreamWriter::abort) the peer reads what is left and then the end, or `ConnectionReset` on Linux if it had sent bytes that were not read.
///
/// With the feature `credentials`, `peer_credentials` tells which user is at the other end.
pub type UnixTransport = SystemTransport<UnixStream>;

/// How long the first pause is before a server with a full queue is tried again, and the longest one, in milliseconds.
const PAUSES: (u32, u32) = (1, 100);

/// Connects to the Unix socket at `path` and gives the two halves of the stream. asyncio's `open_unix_connection`. Unix only.
///
/// On Linux and Android, a path that begins with a NUL byte is a name in the abstract namespace, which has no files: `"\0name"`, as in asyncio.
///
/// A server whose queue is full (its [backlog](crate::ServerOptions::backlog)) is tried again after pauses of 1, 2, 4 ... and at most 100 ms, for
/// as long as it takes: Linux says so at once, and does not tell when there is room. macOS and the BSDs refuse the connection instead.
///
/// ```
/// use uasyncio_streams::{UnixReader, UnixWriter, open_unix_connection, start_unix_server};
///
/// # uasyncio_io::run(async {
/// let path = std::env::temp_dir().join(format!("hello-{}.socket", std::process::id()));
/// let hello = |_: UnixReader, mut writer: UnixWriter| async move { writer.awritestr("hello\n").await };
/// let server = start_unix_server(hello, &path).await?;
///
/// let (mut reader, _writer) = open_unix_connection(&path).await?;
/// assert_eq!(reader.readline().await?, b"hello\n");
/// # server.close();
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// `NotFound` when there is no such file, `ConnectionRefused` when nobody listens there any more or it is no socket, `PermissionDenied`,
/// `InvalidInput` when the path is too long (107 bytes on Linux) or empty. `Unsupported` when no loop with a reactor is running;
/// `uasyncio_io::run` starts one.
///
/// # Cancel safety
/// When the future is dropped, its socket is closed, so a timeout around it bounds the whole.
pub fn open_unix_connection(path: impl AsRef<Path>) -> Connecting<impl Future<Output = io::Result<(UnixReader, UnixWriter)>>> {
    Connecting::new(async move { open(path.as_ref()).await })
}

async fn open(path: &Path) -> io::Result<(UnixReader, UnixWriter)> {
    let stream = AsyncFd::new(sys::unix_socket()?)?;
    let (mut pause, longest) = PAUSES;
    while let Err(error) = check(path).and_then(|()| sys::connect_unix(stream.get_ref(), path)) {
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(io::Error::new(error.kind(), format!("cannot connect to {path:?}: {error}")));
        }
        sleep_ms(pause).await;
        pause = (pause * 2).min(longest);
    }
    Ok(split(UnixTransport::new(stream, ())))
}

/// Whether a path can be one of a socket.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let name = match path.as_os_str().as_bytes() {
        [] => return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of a socket is empty")),
        [0, ..] if cfg!(any(target_os = "linux", target_os = "android")) => return Ok(()),
        name => name,
    };
    match name.contains(&0) {
        true => Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of a socket has a NUL byte in it")),
        false => Ok(()),
    }
}

/// Whether there is no file behind it.
pub(super) fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().first() == Some(&0)
}

impl SystemStream for UnixStream {
    type Peer = ();

    // A read ends where the peer has sent descriptors along, however many bytes follow.
    const SHORT_MEANS_BLOCKED: bool = false;

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
}

impl UnixTransport {
    /// Takes over a connected socket, and sets it to non-blocking mode.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use uasyncio_streams::{UnixTransport, split};
    ///
    /// # uasyncio_io::run(async {
    /// let (near, far) = UnixStream::pair()?;
    /// let (mut reader, _writer) = split(UnixTransport::from_std(near)?);
    /// let (_reader, mut writer) = split(UnixTransport::from_std(far)?);
    /// writer.awritestr("hello\n").await?;
    /// assert_eq!(reader.readline().await?, b"hello\n");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// When the socket is not connected, or when no loop with a reactor is running; `uasyncio_io::run` starts one.
    pub fn from_std(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.peer_addr()?;
        Ok(UnixTransport::new(AsyncFd::new(stream)?, ()))
    }

    /// The address of the peer: the server's path, seen from a client; mostly a client has none. asyncio's `get_extra_info("peername")`.
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with_stream(UnixStream::peer_addr)
    }

    /// The address of this end. asyncio's `get_extra_info("sockname")`.
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here.
    #[doc(alias = "get_extra_info")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_stream(UnixStream::local_addr)
    }

    /// A second descriptor of the same connection: to set socket options, or to make a second pair of streams with
    /// [`from_std`](Self::from_std). asyncio's `get_extra_info("socket")`.
    ///
    /// The connection stays open until both descriptors are closed.
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here; the system's error when it has no descriptor left.
    #[doc(alias = "get_extra_info")]
    pub fn try_clone_std(&self) -> io::Result<UnixStream> {
        self.with_stream(UnixStream::try_clone)
    }
}
