//! What is known of a datagram that was received.

use std::net::{IpAddr, SocketAddr};

/// What is known of a datagram that was received, beside its bytes.
///
/// A length of 0 is an empty datagram, not an end: UDP has none.
///
/// ```
/// use uasyncio_udp::UdpSocket;
///
/// # uasyncio_io::run(async {
/// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
/// socket.send_to(&[7; 1400], socket.local_addr()?).await?;
/// let mut buffer = [0; 512];
/// let received = socket.recv(&mut buffer).await?;
/// assert!(received.truncated);
/// assert_eq!((received.len, received.full_len), (512, 1400));
/// assert_eq!(received.from, socket.local_addr()?);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Received {
    /// How many bytes are in the buffer.
    pub len: usize,
    /// How many bytes the datagram had.
    pub full_len: usize,
    /// Whether the buffer was too short; the bytes that did not fit are lost.
    pub truncated: bool,
    /// Who sent it.
    pub from: SocketAddr,
    /// Which address it was sent to, if that was asked for with [`set_packet_info`](crate::UdpSocket::set_packet_info).
    pub local: Option<Local>,
}

impl Received {
    /// Of a datagram that a buffer with this room received.
    #[inline]
    pub(crate) fn new(full_len: usize, room: usize, from: SocketAddr) -> Received {
        let len = full_len.min(room);
        Received { len, full_len, truncated: len < full_len, from, local: None }
    }
}

/// Where a datagram arrived.
///
/// ```no_run
/// # async fn example(socket: uasyncio_udp::UdpSocket) -> std::io::Result<()> {
/// socket.set_packet_info(true)?;
/// if let Some(local) = socket.recv(&mut [0; 512]).await?.local {
///     println!("sent to {} and arrived at interface {}", local.address, local.interface);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Local {
    /// The address that it was sent to: one of this machine, or that of a group, or of a broadcast.
    pub address: IpAddr,
    /// The number of the interface that it came through.
    pub interface: u32,
}
