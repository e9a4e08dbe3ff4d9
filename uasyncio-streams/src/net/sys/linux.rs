//! Sockets on Linux and Android: as few system calls as can be.
//!
//! An accepted socket needs one call: `accept4` sets the flags and gives the peer's address, and `TCP_NODELAY` is
//! inherited from the listener. Writes carry `MSG_NOSIGNAL`, so they never raise `SIGPIPE`, whatever the program has
//! set for it.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    acceptfrom_with, bind, connect as connect_to, listen as listen_on, recv, send, sendmsg, socket_with, sockopt,
};

use crate::net::{ConnectOptions, ServerOptions};

/// Errors of one connection that `accept` may report, beyond those that `io::ErrorKind` names; see accept(2).
pub(crate) const OF_ONE_CONNECTION: &[i32] =
    &[Errno::PROTO.raw_os_error(), Errno::NOPROTOOPT.raw_os_error(), Errno::HOSTDOWN.raw_os_error(), Errno::NONET.raw_os_error()];

/// The descriptor is no socket any more.
pub(crate) const NO_SOCKET: &[i32] = &[Errno::BADF.raw_os_error(), Errno::NOTSOCK.raw_os_error()];

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

fn socket_for(address: &SocketAddr) -> io::Result<rustix::fd::OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    Ok(socket_with(family, SocketType::STREAM, FLAGS, None)?)
}

pub(crate) fn listen(address: &SocketAddr, only_v6: bool, options: &ServerOptions) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    sockopt::set_socket_reuseaddr(&socket, options.reuse_address)?;
    if options.reuse_port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, only_v6)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    bind(&socket, address)?;
    listen_on(&socket, i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, address) = acceptfrom_with(listener, FLAGS)?;
    // A TCP listener gives TCP addresses; anything else means that it is none.
    let address = address.and_then(|address| SocketAddr::try_from(address).ok()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok((socket.into(), address))
}

/// Begins a connection; an error may come at once or later.
pub(crate) fn connect(address: &SocketAddr, options: &ConnectOptions) -> io::Result<TcpStream> {
    let socket = socket_for(address)?;
    if options.nodelay {
        sockopt::set_tcp_nodelay(&socket, true)?;
    }
    if let Some(silence) = options.keep_alive {
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, silence)?;
    }
    if let Some(local) = &options.local_addr {
        bind(&socket, local)?;
    }
    match connect_to(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn unix_socket() -> io::Result<UnixStream> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?.into())
}

fn unix_address(path: &Path) -> io::Result<SocketAddrUnix> {
    let address = match path.as_os_str().as_bytes() {
        [0, name @ ..] => SocketAddrUnix::new_abstract_name(name),
        path => SocketAddrUnix::new(path),
    };
    match address {
        Err(Errno::NAMETOOLONG) => Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket")),
        result => Ok(result?),
    }
}

/// Connects at once, or says `WouldBlock`: the server's queue is full, and nothing will tell when it is not.
pub(crate) fn connect_unix(socket: &UnixStream, path: &Path) -> io::Result<()> {
    Ok(connect_to(socket, &unix_address(path)?)?)
}

/// Listens on `path`. `bound` is called when the file is there and nobody can connect yet.
pub(crate) fn listen_unix(path: &Path, backlog: u32, bound: impl FnOnce() -> io::Result<()>) -> io::Result<UnixListener> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    bind(&socket, &unix_address(path)?)?;
    bound()?;
    listen_on(&socket, i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

pub(crate) fn accept_unix(listener: &UnixListener) -> io::Result<UnixStream> {
    Ok(accept_with(listener, FLAGS)?.into())
}

/// `recv`, not `read`: the kernel goes to the socket at once, not by way of what files have (4 % of hyper's time for a request).
#[inline]
pub(crate) fn read(stream: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    // Without `TRUNC` the second figure is the first one.
    Ok(recv(stream, buffer, RecvFlags::empty())?.1)
}

#[inline]
pub(crate) fn write(stream: impl AsFd, data: &[u8]) -> io::Result<usize> {
    Ok(send(stream, data, SendFlags::NOSIGNAL)?)
}

/// Closing the socket will send a reset, and not wait for what is on its way.
pub(crate) fn close_by_reset(stream: &TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO))?)
}

/// Sends bytes of a file. `Unsupported`: not of this file.
pub(crate) fn send_file(stream: &TcpStream, file: &File, mut offset: u64, count: usize) -> io::Result<usize> {
    match rustix::fs::sendfile(stream, file, Some(&mut offset), count) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        result => Ok(result?),
    }
}

#[inline]
pub(crate) fn write_vectored(stream: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // The kernel takes no more than this many, and refuses the whole call otherwise.
    const MOST: usize = 1024;
    let slices = &slices[..slices.len().min(MOST)];
    Ok(sendmsg(stream, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
}
