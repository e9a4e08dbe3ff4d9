//! Batches without help from the system: a call for each datagram, and nothing that comes along with one.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::receive;
use crate::options::Ancillary;
use crate::recv_batch::Filled;
use crate::{Family, Received};

/// What a batch keeps between calls.
#[derive(Debug, Default)]
pub(crate) struct Headers;

pub(crate) fn set_packet_info(_: &UdpSocket, _: Family, on: bool) -> io::Result<()> {
    if on { Err(unsupported("the local address of a datagram")) } else { Ok(()) }
}

pub(crate) fn set_gro(_: &UdpSocket, on: bool) -> io::Result<()> {
    if on { Err(unsupported("joining datagrams")) } else { Ok(()) }
}

fn unsupported(what: &str) -> io::Error {
    let reason = format!("{what} is not to be had here: it takes Linux and the feature `batch` of uasyncio-udp");
    io::Error::new(io::ErrorKind::Unsupported, reason)
}

pub(crate) fn receive_with_ancillary(socket: &UdpSocket, _: Family, _: &Ancillary, buffer: &mut [u8]) -> io::Result<Received> {
    receive(socket, buffer)
}

/// Receives a datagram into the next free buffer of `size` bytes.
pub(crate) fn receive_some(
    socket: &UdpSocket,
    _: Family,
    _: &Ancillary,
    _: &mut Headers,
    (buffers, size): (&mut [u8], usize),
    filled: &mut Vec<Filled>,
) -> io::Result<()> {
    let Some(buffer) = buffers.chunks_exact_mut(size).nth(filled.len()) else { return Ok(()) };
    filled.push(Filled { received: receive(socket, buffer)?, segment: 0 });
    Ok(())
}

/// How many bytes the system takes at once, to make datagrams of this length of them. `None`: it does no such thing.
pub(crate) fn segmentable(_: &UdpSocket, _: usize) -> Option<usize> {
    None
}

pub(crate) fn send_segmented(_: &UdpSocket, _: &[u8], _: u16, _: Option<SocketAddr>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn send_from(_: &UdpSocket, _: &[u8], _: IpAddr, _: SocketAddr) -> io::Result<()> {
    Err(unsupported("the choice of the address that a datagram is sent from"))
}
