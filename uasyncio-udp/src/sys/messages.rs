//! Many datagrams in one call of Linux, and what comes along with a datagram, by `nix`.
//!
//! * `recvmmsg` fills many buffers. Its headers are kept in the batch, so that it allocates nothing; but when something is
//!   to come along, they are made anew for each call, because nix does not restore the room for it (its pull request 2813).
//! * `UDP_SEGMENT` (GSO): the kernel makes many datagrams of one buffer. `UDP_GRO`: it makes one of many.
//! * `IP_PKTINFO`: the address that a datagram was sent to, or is to be sent from.

use std::array::from_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage,
    getsockopt, recvmmsg, recvmsg, sendmsg, setsockopt, sockopt,
};

use crate::options::Ancillary;
use crate::recv_batch::{Filled, MOST};
use crate::{Family, Local, Received};

/// What a batch keeps between calls: headers for each family, because the kernel leaves the length of the address in them.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    v4: Option<MultiHeaders<SockaddrIn>>,
    v6: Option<MultiHeaders<SockaddrIn6>>,
}

/// The address of a family, as the kernel gives it.
trait Address: SockaddrLike + Copy {
    fn to_std(self) -> SocketAddr;
}

impl Address for SockaddrIn {
    #[inline]
    fn to_std(self) -> SocketAddr {
        SocketAddrV4::new(self.ip(), self.port()).into()
    }
}

impl Address for SockaddrIn6 {
    #[inline]
    fn to_std(self) -> SocketAddr {
        SocketAddrV6::new(self.ip(), self.port(), self.flowinfo(), self.scope_id()).into()
    }
}

pub(crate) fn set_packet_info(socket: &UdpSocket, family: Family, on: bool) -> io::Result<()> {
    match family {
        Family::V4 => setsockopt(socket, sockopt::Ipv4PacketInfo, &on)?,
        // That of an IPv4 datagram comes as a mapped address.
        Family::V6 | Family::Dual => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &on)?,
    }
    Ok(())
}

pub(crate) fn set_gro(socket: &UdpSocket, on: bool) -> io::Result<()> {
    setsockopt(socket, sockopt::UdpGroSegment, &on).map_err(|error| match error {
        Errno::ENOPROTOOPT => io::Error::new(io::ErrorKind::Unsupported, "this kernel does not join datagrams"),
        error => error.into(),
    })
}

/// Room for what may come along: the address and the segment size.
#[repr(align(16))]
struct Control([u8; 128]);

pub(crate) fn receive_with_ancillary(
    socket: &UdpSocket,
    family: Family,
    ancillary: &Ancillary,
    buffer: &mut [u8],
) -> io::Result<Received> {
    if ancillary.gro.get() {
        let reason = "this socket joins datagrams (set_gro): use recv_many, which takes them apart";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    match family {
        Family::V4 => receive_one::<SockaddrIn>(socket, buffer),
        Family::V6 | Family::Dual => receive_one::<SockaddrIn6>(socket, buffer),
    }
}

fn receive_one<A: Address>(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let room = buffer.len();
    let mut control = Control([0; 128]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<A>(socket.as_raw_fd(), &mut slices, Some(&mut control.0), MsgFlags::MSG_TRUNC)?;
    Ok(read(&message, room)?.received)
}

/// Receives into the buffers of `size` bytes, if none of them is filled yet.
pub(crate) fn receive_some(
    socket: &UdpSocket,
    family: Family,
    ancillary: &Ancillary,
    headers: &mut Headers,
    (buffers, size): (&mut [u8], usize),
    filled: &mut Vec<Filled>,
) -> io::Result<()> {
    if !filled.is_empty() {
        return Ok(());
    }
    match family {
        Family::V4 => fill(socket, ancillary, &mut headers.v4, (buffers, size), filled),
        Family::V6 | Family::Dual => fill(socket, ancillary, &mut headers.v6, (buffers, size), filled),
    }
}

fn fill<A: Address>(
    socket: &UdpSocket,
    ancillary: &Ancillary,
    kept: &mut Option<MultiHeaders<A>>,
    (buffers, size): (&mut [u8], usize),
    filled: &mut Vec<Filled>,
) -> io::Result<()> {
    let count = buffers.len() / size;
    let mut buffers = buffers.chunks_exact_mut(size);
    let mut slices: [_; MOST] = from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
    let mut fresh;
    let headers = if ancillary.any() {
        let control = cmsg_space!([u8; size_of::<Ipv6Addr>() + 4], i32);
        fresh = MultiHeaders::preallocate(count, Some(control));
        &mut fresh
    } else {
        kept.get_or_insert_with(|| MultiHeaders::preallocate(count, None))
    };
    let messages = recvmmsg(socket.as_raw_fd(), headers, slices[..count].iter_mut(), MsgFlags::MSG_TRUNC, None)?;
    if ancillary.any() {
        for message in messages {
            filled.push(read(&message, size)?);
        }
    } else {
        for message in messages {
            filled.push(read_plain(&message, size)?);
        }
    }
    Ok(())
}

/// With nothing that came along.
#[inline(always)]
fn read_plain<A: Address>(message: &RecvMsg<'_, '_, A>, room: usize) -> io::Result<Filled> {
    let from = message.address.ok_or(io::ErrorKind::InvalidData)?.to_std();
    Ok(Filled { received: Received::new(message.bytes, room, from), segment: 0 })
}

fn read<A: Address>(message: &RecvMsg<'_, '_, A>, room: usize) -> io::Result<Filled> {
    let mut filled = read_plain(message, room)?;
    // What did not fit in its room was not asked for here.
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let address = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                filled.received.local = Some(Local { address: address.into(), interface: info.ipi_ifindex as u32 });
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let address = IpAddr::from(info.ipi6_addr.s6_addr).to_canonical();
                #[allow(clippy::unnecessary_cast, reason = "Android has a signed number")]
                let interface = info.ipi6_ifindex as u32;
                filled.received.local = Some(Local { address, interface });
            }
            ControlMessageOwned::UdpGroSegments(size) => filled.segment = usize::try_from(size).unwrap_or(0),
            _ => {}
        }
    }
    Ok(filled)
}

/// How many bytes the system takes at once, to make datagrams of this length of them. `None`: it does no such thing.
pub(crate) fn segmentable(socket: &UdpSocket, segment: usize) -> Option<usize> {
    /// What the kernel makes of one buffer at most (`UDP_MAX_SEGMENTS`; twice that since Linux 6.9).
    const SEGMENTS: usize = 64;
    /// The longest datagram of IPv6, whose header is the longer one.
    const BYTES: usize = 65_535 - 48;
    // An old kernel would take no notice of the wish, and send one long datagram.
    static KNOWN: OnceLock<bool> = OnceLock::new();

    let segments = (BYTES / segment).min(SEGMENTS);
    let known = || *KNOWN.get_or_init(|| getsockopt(socket, sockopt::UdpGsoSegment).is_ok());
    (segments > 1 && known()).then_some(segments * segment)
}

pub(crate) fn send_segmented(socket: &UdpSocket, data: &[u8], segment: u16, to: Option<SocketAddr>) -> io::Result<()> {
    let to = to.map(SockaddrStorage::from);
    let control = [ControlMessage::UdpGsoSegments(&segment)];
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(data)], &control, MsgFlags::MSG_NOSIGNAL, to.as_ref())?;
    Ok(())
}

/// `to` is in the form that the system wants.
pub(crate) fn send_from(socket: &UdpSocket, data: &[u8], from: IpAddr, to: SocketAddr) -> io::Result<()> {
    let (v4, v6);
    let control = match (from, to) {
        (IpAddr::V4(from), SocketAddr::V4(_)) => {
            let address = in_addr { s_addr: u32::from_ne_bytes(from.octets()) };
            v4 = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: in_addr { s_addr: 0 } };
            ControlMessage::Ipv4PacketInfo(&v4)
        }
        // On a socket for both families, an IPv4 address is a mapped one, like that of the other end.
        (from, _) => {
            let from = match from {
                IpAddr::V4(from) => from.to_ipv6_mapped(),
                IpAddr::V6(from) => from,
            };
            v6 = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: from.octets() }, ipi6_ifindex: 0 };
            ControlMessage::Ipv6PacketInfo(&v6)
        }
    };
    let to = SockaddrStorage::from(to);
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(data)], &[control], MsgFlags::MSG_NOSIGNAL, Some(&to))?;
    Ok(())
}
