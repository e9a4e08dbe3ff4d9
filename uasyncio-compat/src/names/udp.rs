//! `uasyncio.udp`: the functions of the original, over [`UdpSocket`].
//!
//! Errors that an earlier datagram met with (ICMP) end no receive here, as they did there. A second task that receives from a socket at the
//! same time gets an error; there it took the first one's place, which then waited for ever.
//!
//! ```
//! use uasyncio_compat::names as asyncio;
//! use uasyncio_compat::names::udp;
//!
//! asyncio::run(async {
//!     let server = udp::socket(udp::AF_INET)?;
//!     server.bind_to(([127, 0, 0, 1], 0))?;
//!     let client = udp::socket(udp::AF_INET)?;
//!     udp::sendto(&client, b"hello", server.local_addr()?).await?;
//!     let (question, address) = udp::recvfrom(&server, 1024).await?;
//!     assert_eq!(question, b"hello");
//!     udp::sendto(&server, b"good-bye", address).await?;
//!     assert_eq!(udp::recv(&client, 4).await?, b"good");
//!     udp::close(&client);
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

use std::io;
use std::net::SocketAddr;

pub use uasyncio_udp::{Family, UdpSocket, socket};

/// `usocket.AF_INET`, the default there.
pub const AF_INET: Family = Family::V4;

/// `usocket.AF_INET6`.
pub const AF_INET6: Family = Family::V6;

/// `recv(s, n)`: the first `n` bytes of a datagram; the rest of it is lost. [`UdpSocket::recv`] says how much that was, and needs no allocation.
///
/// # Errors
///
/// The system's error, and [`ResourceBusy`](io::ErrorKind::ResourceBusy) while another task receives.
///
/// # Cancel safety
///
/// No datagram is lost when the future is dropped.
pub async fn recv(s: &UdpSocket, n: usize) -> io::Result<Vec<u8>> {
    Ok(recvfrom(s, n).await?.0)
}

/// `recvfrom(s, n)`: the same, and who has sent it. [`UdpSocket::recv_from`].
///
/// # Errors
///
/// As of [`recv`].
///
/// # Cancel safety
///
/// No datagram is lost when the future is dropped.
pub async fn recvfrom(s: &UdpSocket, n: usize) -> io::Result<(Vec<u8>, SocketAddr)> {
    let mut buffer = vec![0; n];
    let received = s.recv_from(&mut buffer).await?;
    buffer.truncate(received.len);
    Ok((buffer, received.from))
}

/// `sendto(s, buf, addr)`: [`UdpSocket::send_to`]. It waits while the system has no room, where `EAGAIN` was raised there. The
/// address has to be given; for a connected socket there is [`UdpSocket::send`].
///
/// # Errors
///
/// The system's error, such as for a datagram that is too long, and [`ResourceBusy`](io::ErrorKind::ResourceBusy) while another task sends.
///
/// # Cancel safety
///
/// When the future is dropped, the datagram was sent or not; never a part of it.
pub async fn sendto(s: &UdpSocket, buf: &[u8], addr: impl Into<SocketAddr>) -> io::Result<()> {
    s.send_to(buf, addr).await
}

/// `close(s)`: [`UdpSocket::close`]; dropping the socket does it, too. Whoever waits for the socket gets an error.
pub fn close(s: &UdpSocket) {
    s.close();
}
