//! Sockets by `socket2` and the standard library, everywhere else.
//!
//! The systems disagree on how a datagram that does not fit is told, and some do not tell its length. So a buffer that
//! could be too short is never given to them: the datagram is received into 64 KB of the thread's own and copied.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, SockRef, Socket, Type};

use crate::{Family, Outgoing, Received};

/// No datagram is longer.
const LONGEST: usize = 65_535;

/// What else an ICMP message may leave behind, by number. On Windows `WSAENETRESET`: it lived too long.
pub(crate) const ICMP_ERRORS: &[i32] = if cfg!(windows) { &[10052] } else { &[] };

pub(crate) fn open(family: Family) -> io::Result<UdpSocket> {
    let socket = match family {
        Family::V4 => Socket::new(Domain::IPV4, Type::DGRAM, None)?,
        Family::V6 | Family::Dual => {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
            socket.set_only_v6(family == Family::V6)?;
            socket
        }
    };
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

pub(crate) fn bind(socket: &UdpSocket, address: &SocketAddr) -> io::Result<()> {
    SockRef::from(socket).bind(&(*address).into())
}

pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    thread_local!(static WHOLE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });

    if buffer.len() >= LONGEST {
        let (len, from) = socket.recv_from(buffer)?;
        return Ok(Received::new(len, buffer.len(), from));
    }
    WHOLE.with_borrow_mut(|whole| {
        whole.resize(LONGEST, 0);
        let (full_len, from) = socket.recv_from(whole)?;
        let received = Received::new(full_len, buffer.len(), from);
        buffer[..received.len].copy_from_slice(&whole[..received.len]);
        Ok(received)
    })
}

pub(crate) fn send(socket: &UdpSocket, data: &[u8]) -> io::Result<()> {
    socket.send(data)?;
    Ok(())
}

pub(crate) fn send_to(socket: &UdpSocket, data: &[u8], to: &SocketAddr) -> io::Result<()> {
    socket.send_to(data, to)?;
    Ok(())
}

/// Sends the first of the datagrams.
pub(crate) fn send_some(socket: &UdpSocket, family: Family, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
    let Some(datagram) = datagrams.first() else { return Ok(0) };
    match datagram.to {
        Some(to) => send_to(socket, datagram.data, &family.to_system(to))?,
        None => send(socket, datagram.data)?,
    }
    Ok(1)
}

/// A hop limit or the like; the systems give -1 for "as configured".
fn byte(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

pub(crate) fn only_v6(socket: &UdpSocket) -> io::Result<bool> {
    SockRef::from(socket).only_v6()
}

pub(crate) fn set_ttl_v4(socket: &UdpSocket, hops: u8) -> io::Result<()> {
    SockRef::from(socket).set_ttl_v4(hops.into())
}

pub(crate) fn set_hops_v6(socket: &UdpSocket, hops: u8) -> io::Result<()> {
    SockRef::from(socket).set_unicast_hops_v6(hops.into())
}

pub(crate) fn hops_v6(socket: &UdpSocket) -> io::Result<u8> {
    SockRef::from(socket).unicast_hops_v6().map(byte)
}

#[cfg(not(any(target_os = "solaris", target_os = "fuchsia", target_os = "redox", target_os = "haiku")))]
pub(crate) fn set_tos_v4(socket: &UdpSocket, tos: u8) -> io::Result<()> {
    SockRef::from(socket).set_tos_v4(tos.into())
}

#[cfg(not(any(target_os = "solaris", target_os = "fuchsia", target_os = "redox", target_os = "haiku")))]
pub(crate) fn tos_v4(socket: &UdpSocket) -> io::Result<u8> {
    SockRef::from(socket).tos_v4().map(byte)
}

#[cfg(any(target_os = "solaris", target_os = "fuchsia", target_os = "redox", target_os = "haiku"))]
pub(crate) fn set_tos_v4(_: &UdpSocket, _: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "solaris", target_os = "fuchsia", target_os = "redox", target_os = "haiku"))]
pub(crate) fn tos_v4(_: &UdpSocket) -> io::Result<u8> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_vendor = "apple", target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
pub(crate) fn set_tclass_v6(socket: &UdpSocket, tos: u8) -> io::Result<()> {
    SockRef::from(socket).set_tclass_v6(tos.into())
}

#[cfg(any(target_vendor = "apple", target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
pub(crate) fn tclass_v6(socket: &UdpSocket) -> io::Result<u8> {
    SockRef::from(socket).tclass_v6().map(byte)
}

#[cfg(not(any(
    target_vendor = "apple",
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd"
)))]
pub(crate) fn set_tclass_v6(_: &UdpSocket, _: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(
    target_vendor = "apple",
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd"
)))]
pub(crate) fn tclass_v6(_: &UdpSocket) -> io::Result<u8> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn set_reuse_address(socket: &UdpSocket, on: bool) -> io::Result<()> {
    SockRef::from(socket).set_reuse_address(on)
}

pub(crate) fn reuse_address(socket: &UdpSocket) -> io::Result<bool> {
    SockRef::from(socket).reuse_address()
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
pub(crate) fn set_reuse_port(socket: &UdpSocket, on: bool) -> io::Result<()> {
    SockRef::from(socket).set_reuse_port(on)
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
pub(crate) fn reuse_port(socket: &UdpSocket) -> io::Result<bool> {
    SockRef::from(socket).reuse_port()
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
pub(crate) fn set_reuse_port(_: &UdpSocket, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
pub(crate) fn reuse_port(_: &UdpSocket) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn set_recv_buffer_size(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(bytes)
}

pub(crate) fn recv_buffer_size(socket: &UdpSocket) -> io::Result<usize> {
    SockRef::from(socket).recv_buffer_size()
}

pub(crate) fn set_send_buffer_size(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    SockRef::from(socket).set_send_buffer_size(bytes)
}

pub(crate) fn send_buffer_size(socket: &UdpSocket) -> io::Result<usize> {
    SockRef::from(socket).send_buffer_size()
}

pub(crate) fn set_multicast_hops_v6(socket: &UdpSocket, hops: u8) -> io::Result<()> {
    SockRef::from(socket).set_multicast_hops_v6(hops.into())
}

pub(crate) fn multicast_hops_v6(socket: &UdpSocket) -> io::Result<u8> {
    SockRef::from(socket).multicast_hops_v6().map(byte)
}

pub(crate) fn set_multicast_interface_v4(socket: &UdpSocket, interface: Ipv4Addr) -> io::Result<()> {
    SockRef::from(socket).set_multicast_if_v4(&interface)
}

pub(crate) fn multicast_interface_v4(socket: &UdpSocket) -> io::Result<Ipv4Addr> {
    SockRef::from(socket).multicast_if_v4()
}

pub(crate) fn set_multicast_interface_v6(socket: &UdpSocket, interface: u32) -> io::Result<()> {
    SockRef::from(socket).set_multicast_if_v6(interface)
}

pub(crate) fn multicast_interface_v6(socket: &UdpSocket) -> io::Result<u32> {
    SockRef::from(socket).multicast_if_v6()
}

#[cfg(any(
    windows,
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "android",
    target_os = "solaris",
    target_os = "illumos"
))]
pub(crate) fn join_source_v4(socket: &UdpSocket, group: Ipv4Addr, source: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
    SockRef::from(socket).join_ssm_v4(&source, &group, &interface)
}

#[cfg(any(
    windows,
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "android",
    target_os = "solaris",
    target_os = "illumos"
))]
pub(crate) fn leave_source_v4(socket: &UdpSocket, group: Ipv4Addr, source: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
    SockRef::from(socket).leave_ssm_v4(&source, &group, &interface)
}

#[cfg(not(any(
    windows,
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "android",
    target_os = "solaris",
    target_os = "illumos"
)))]
pub(crate) fn join_source_v4(_: &UdpSocket, _: Ipv4Addr, _: Ipv4Addr, _: Ipv4Addr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(
    windows,
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "android",
    target_os = "solaris",
    target_os = "illumos"
)))]
pub(crate) fn leave_source_v4(_: &UdpSocket, _: Ipv4Addr, _: Ipv4Addr, _: Ipv4Addr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
