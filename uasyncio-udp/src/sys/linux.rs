//! Sockets on Linux and Android: one system call each.
//!
//! `MSG_TRUNC` makes a receive tell the full length of a datagram that did not fit.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind as bind_to, recvfrom, send as send_on, sendto,
    socket_with, sockopt,
};

use crate::{Family, Received};

/// What else an ICMP message may leave behind; see udp(7) and icmp(7).
pub(crate) const ICMP_ERRORS: &[i32] = &[
    Errno::PROTO.raw_os_error(),
    Errno::NOPROTOOPT.raw_os_error(),
    Errno::HOSTDOWN.raw_os_error(),
    Errno::NONET.raw_os_error(),
    Errno::OPNOTSUPP.raw_os_error(),
    Errno::ACCESS.raw_os_error(),
    Errno::MSGSIZE.raw_os_error(),
];

pub(crate) fn open(family: Family) -> io::Result<UdpSocket> {
    let (domain, only_v6) = match family {
        Family::V4 => (AddressFamily::INET, None),
        Family::V6 => (AddressFamily::INET6, Some(true)),
        Family::Dual => (AddressFamily::INET6, Some(false)),
    };
    let socket = socket_with(domain, SocketType::DGRAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    if let Some(only_v6) = only_v6 {
        sockopt::set_ipv6_v6only(&socket, only_v6)?;
    }
    Ok(socket.into())
}

pub(crate) fn bind(socket: &UdpSocket, address: &SocketAddr) -> io::Result<()> {
    Ok(bind_to(socket, address)?)
}

#[inline]
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let room = buffer.len();
    let (_, full_len, from) = recvfrom(socket, buffer, RecvFlags::TRUNC)?;
    // A datagram of UDP has a UDP address.
    let from = from.and_then(|address| SocketAddr::try_from(address).ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Received::new(full_len, room, from))
}

#[inline]
pub(crate) fn send(socket: &UdpSocket, data: &[u8]) -> io::Result<()> {
    send_on(socket, data, SendFlags::NOSIGNAL)?;
    Ok(())
}

#[inline]
pub(crate) fn send_to(socket: &UdpSocket, data: &[u8], to: &SocketAddr) -> io::Result<()> {
    sendto(socket, data, SendFlags::NOSIGNAL, to)?;
    Ok(())
}

/// Sends as many of the datagrams as one call takes; at least one.
#[cfg(target_os = "linux")]
pub(crate) fn send_some(socket: &UdpSocket, family: Family, datagrams: &[crate::Outgoing<'_>]) -> io::Result<usize> {
    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SocketAddrAny, sendmmsg};
    use std::array::from_fn;
    use std::io::IoSlice;

    const AT_ONCE: usize = 32;
    if let [datagram] = datagrams {
        return send_one(socket, family, datagram);
    }
    let addresses: [Option<SocketAddrAny>; AT_ONCE] =
        from_fn(|index| Some(SocketAddrAny::from(family.to_system(datagrams.get(index)?.to?))));
    let slices: [_; AT_ONCE] = from_fn(|index| [IoSlice::new(datagrams.get(index).map_or(&[], |datagram| datagram.data))]);
    let mut controls: [_; AT_ONCE] = from_fn(|_| SendAncillaryBuffer::default());
    let mut controls = controls.each_mut().into_iter().zip(&slices).zip(&addresses);
    let mut messages: [MMsgHdr<'_>; AT_ONCE] = from_fn(|_| match controls.next() {
        Some(((control, slice), Some(address))) => MMsgHdr::new_with_addr(address, slice, control),
        Some(((control, slice), None)) => MMsgHdr::new(slice, control),
        None => unreachable!("there are as many controls as messages"),
    });
    let count = datagrams.len().min(AT_ONCE);
    Ok(sendmmsg(socket, &mut messages[..count], SendFlags::NOSIGNAL)?)
}

/// Sends the first of the datagrams.
#[cfg(not(target_os = "linux"))]
pub(crate) fn send_some(socket: &UdpSocket, family: Family, datagrams: &[crate::Outgoing<'_>]) -> io::Result<usize> {
    datagrams.first().map_or(Ok(0), |datagram| send_one(socket, family, datagram))
}

fn send_one(socket: &UdpSocket, family: Family, datagram: &crate::Outgoing<'_>) -> io::Result<usize> {
    match datagram.to {
        Some(to) => send_to(socket, datagram.data, &family.to_system(to))?,
        None => send(socket, datagram.data)?,
    }
    Ok(1)
}

pub(crate) fn only_v6(socket: &UdpSocket) -> io::Result<bool> {
    Ok(sockopt::ipv6_v6only(socket)?)
}

pub(crate) fn set_ttl_v4(socket: &UdpSocket, hops: u8) -> io::Result<()> {
    Ok(sockopt::set_ip_ttl(socket, hops.into())?)
}

pub(crate) fn set_hops_v6(socket: &UdpSocket, hops: u8) -> io::Result<()> {
    Ok(sockopt::set_ipv6_unicast_hops(socket, Some(hops))?)
}

pub(crate) fn hops_v6(socket: &UdpSocket) -> io::Result<u8> {
    Ok(sockopt::ipv6_unicast_hops(socket)?)
}

pub(crate) fn set_tos_v4(socket: &UdpSocket, tos: u8) -> io::Result<()> {
    Ok(sockopt::set_ip_tos(socket, tos)?)
}

pub(crate) fn tos_v4(socket: &UdpSocket) -> io::Result<u8> {
    Ok(sockopt::ip_tos(socket)?)
}

pub(crate) fn set_tclass_v6(socket: &UdpSocket, tos: u8) -> io::Result<()> {
    Ok(sockopt::set_ipv6_tclass(socket, tos.into())?)
}

pub(crate) fn tclass_v6(socket: &UdpSocket) -> io::Result<u8> {
    Ok(u8::try_from(sockopt::ipv6_tclass(socket)?).unwrap_or(u8::MAX))
}

pub(crate) fn set_reuse_address(socket: &UdpSocket, on: bool) -> io::Result<()> {
    Ok(sockopt::set_socket_reuseaddr(socket, on)?)
}

pub(crate) fn reuse_address(socket: &UdpSocket) -> io::Result<bool> {
    Ok(sockopt::socket_reuseaddr(socket)?)
}

pub(crate) fn set_reuse_port(socket: &UdpSocket, on: bool) -> io::Result<()> {
    Ok(sockopt::set_socket_reuseport(socket, on)?)
}

pub(crate) fn reuse_port(socket: &UdpSocket) -> io::Result<bool> {
    Ok(sockopt::socket_reuseport(socket)?)
}

pub(crate) fn set_recv_buffer_size(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    Ok(sockopt::set_socket_recv_buffer_size(socket, bytes)?)
}

pub(crate) fn recv_buffer_size(socket: &UdpSocket) -> io::Result<usize> {
    Ok(sockopt::socket_recv_buffer_size(socket)?)
}

pub(crate) fn set_send_buffer_size(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    Ok(sockopt::set_socket_send_buffer_size(socket, bytes)?)
}

pub(crate) fn send_buffer_size(socket: &UdpSocket) -> io::Result<usize> {
    Ok(sockopt::socket_send_buffer_size(socket)?)
}

pub(crate) fn set_multicast_hops_v6(socket: &UdpSocket, hops: u8) -> io::Result<()> {
    Ok(sockopt::set_ipv6_multicast_hops(socket, hops.into())?)
}

pub(crate) fn multicast_hops_v6(socket: &UdpSocket) -> io::Result<u8> {
    Ok(u8::try_from(sockopt::ipv6_multicast_hops(socket)?).unwrap_or(u8::MAX))
}

pub(crate) fn set_multicast_interface_v4(socket: &UdpSocket, interface: Ipv4Addr) -> io::Result<()> {
    Ok(sockopt::set_ip_multicast_if(socket, &interface)?)
}

pub(crate) fn multicast_interface_v4(socket: &UdpSocket) -> io::Result<Ipv4Addr> {
    Ok(sockopt::ip_multicast_if(socket)?)
}

pub(crate) fn set_multicast_interface_v6(socket: &UdpSocket, interface: u32) -> io::Result<()> {
    Ok(sockopt::set_ipv6_multicast_if(socket, interface)?)
}

pub(crate) fn multicast_interface_v6(socket: &UdpSocket) -> io::Result<u32> {
    Ok(sockopt::ipv6_multicast_if(socket)?)
}

pub(crate) fn join_source_v4(socket: &UdpSocket, group: Ipv4Addr, source: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
    Ok(sockopt::set_ip_add_source_membership(socket, &group, &interface, &source)?)
}

pub(crate) fn leave_source_v4(socket: &UdpSocket, group: Ipv4Addr, source: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
    Ok(sockopt::set_ip_drop_source_membership(socket, &group, &interface, &source)?)
}
