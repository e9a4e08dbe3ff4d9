//! Sockets by `socket2` and the standard library, everywhere else.
//!
//! Writes carry `MSG_NOSIGNAL` on Unix, so they never raise `SIGPIPE`; on Apple's systems `SO_NOSIGPIPE` does the same, which `socket2` sets.

use std::fs::File;
#[cfg(not(unix))]
use std::io::Write;
use std::io::{self, IoSlice, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::{
    os::fd::AsFd,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

#[cfg(unix)]
use socket2::SockAddr;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use crate::net::{ConnectOptions, ServerOptions};

fn socket_for(address: &SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

pub(crate) fn listen(address: &SocketAddr, only_v6: bool, options: &ServerOptions) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    if options.reuse_port {
        reuse_port(&socket)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // On Windows the option of this name would let another program take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(options.reuse_address)?;
    socket.bind(&(*address).into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
fn reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin")))))]
fn reuse_port(_: &Socket) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no SO_REUSEPORT"))
}

pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, address) = SockRef::from(listener).accept()?;
    // A TCP listener gives TCP addresses; anything else means that it is none.
    let address = address.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
    socket.set_nonblocking(true)?;
    let stream = TcpStream::from(socket);
    // Fails when the connection has ended already; its handler will see that.
    let _ = stream.set_nodelay(true);
    Ok((stream, address))
}

/// Begins a connection; an error may come at once or later.
pub(crate) fn connect(address: &SocketAddr, options: &ConnectOptions) -> io::Result<TcpStream> {
    let socket = socket_for(address)?;
    if options.nodelay {
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(silence) = options.keep_alive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence))?;
    }
    if let Some(local) = options.local_addr {
        socket.bind(&local.into())?;
    }
    match socket.connect(&(*address).into()) {
        Ok(()) => Ok(socket.into()),
        Err(error) if in_progress(&error) => Ok(socket.into()),
        Err(error) => Err(error),
    }
}

fn in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(unix)]
fn new_unix_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(unix)]
pub(crate) fn unix_socket() -> io::Result<UnixStream> {
    Ok(new_unix_socket()?.into())
}

/// Connects at once, or says `WouldBlock`: the server's queue is full, and nothing will tell when it is not.
#[cfg(unix)]
pub(crate) fn connect_unix(socket: &UnixStream, path: &Path) -> io::Result<()> {
    SockRef::from(socket).connect(&SockAddr::unix(path)?)
}

/// Listens on `path`. `bound` is called when the file is there and nobody can connect yet.
#[cfg(unix)]
pub(crate) fn listen_unix(path: &Path, backlog: u32, bound: impl FnOnce() -> io::Result<()>) -> io::Result<UnixListener> {
    let socket = new_unix_socket()?;
    socket.bind(&SockAddr::unix(path)?)?;
    bound()?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

#[cfg(unix)]
pub(crate) fn accept_unix(listener: &UnixListener) -> io::Result<UnixStream> {
    let (socket, _) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Errors of one connection that `accept` may report, beyond those that `io::ErrorKind` names.
#[cfg(unix)]
pub(crate) const OF_ONE_CONNECTION: &[i32] = &[libc::EPROTO, libc::ENOPROTOOPT, libc::EHOSTDOWN];
#[cfg(not(unix))]
pub(crate) const OF_ONE_CONNECTION: &[i32] = &[];

/// The descriptor is no socket any more.
#[cfg(unix)]
pub(crate) const NO_SOCKET: &[i32] = &[libc::EBADF, libc::ENOTSOCK];
/// The socket is none any more: `WSAEBADF`, `WSAENOTSOCK`.
#[cfg(not(unix))]
pub(crate) const NO_SOCKET: &[i32] = &[10009, 10038];

#[inline]
pub(crate) fn read(mut stream: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer)
}

/// Of writes: no `SIGPIPE`.
#[cfg(all(unix, not(target_vendor = "apple")))]
const FLAGS: libc::c_int = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const FLAGS: libc::c_int = 0;

#[cfg(unix)]
#[inline]
pub(crate) fn write(stream: impl AsFd, data: &[u8]) -> io::Result<usize> {
    SockRef::from(&stream).send_with_flags(data, FLAGS)
}

#[cfg(not(unix))]
#[inline]
pub(crate) fn write(mut stream: impl Write, data: &[u8]) -> io::Result<usize> {
    stream.write(data)
}

#[cfg(unix)]
#[inline]
pub(crate) fn write_vectored(stream: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // Systems take no more than this many, and refuse the whole call otherwise.
    const MOST: usize = 1024;
    SockRef::from(&stream).send_vectored_with_flags(&slices[..slices.len().min(MOST)], FLAGS)
}

#[cfg(not(unix))]
#[inline]
pub(crate) fn write_vectored(mut stream: impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    stream.write_vectored(slices)
}

/// Closing the socket will send a reset, and not wait for what is on its way.
pub(crate) fn close_by_reset(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO))
}

/// Sends bytes of a file. `Unsupported`: not here.
pub(crate) fn send_file(_: &TcpStream, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
