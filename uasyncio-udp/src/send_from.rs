//! Sending from an address of choice.

use std::future::Future;
use std::io;
use std::net::{self, IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use uasyncio_io::Interest;

use crate::operation::Operation;
use crate::{UdpSocket, sys};

impl UdpSocket {
    /// [`send_to`](UdpSocket::send_to) from this address of the machine, in place of the one that the system would choose.
    ///
    /// A server that listens at the unspecified address, on a machine with several, answers this way from the address that
    /// it was asked at ([`Received::local`](crate::Received::local)); a client may refuse an answer that comes from
    /// another. The port is that of the socket. An address of a group or of a broadcast is none to send from.
    ///
    /// # Errors
    ///
    /// As [`send`](UdpSocket::send); [`Unsupported`](io::ErrorKind::Unsupported) without the feature `batch`, and elsewhere
    /// than on Linux and Android; [`InvalidInput`](io::ErrorKind::InvalidInput) when the two addresses are not of one family.
    /// The system says `InvalidInput` or `AddrNotAvailable` of an address that is not one of this machine.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has sent nothing.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # #[cfg(all(target_os = "linux", feature = "batch", not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))))]
    /// # uasyncio_io::run(async {
    /// let server = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    /// server.set_packet_info(true)?;
    /// let client = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// client.send_to(b"hello", ([127, 0, 0, 5], server.local_addr()?.port())).await?;
    ///
    /// let question = server.recv(&mut [0; 16]).await?;
    /// server.send_from(b"hello", question.local.unwrap().address, question.from).await?;
    /// assert_eq!(client.recv(&mut [0; 16]).await?.from.ip(), Ipv4Addr::new(127, 0, 0, 5));
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "IP_PKTINFO")]
    pub fn send_from<'a>(&'a self, data: &'a [u8], from: IpAddr, to: impl Into<SocketAddr>) -> SendFrom<'a> {
        SendFrom { operation: Operation::new(self, Interest::Write), data, from, to: to.into() }
    }

    /// [`send_from`](UdpSocket::send_from) without waiting.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the system has no room now; else as `send_from`.
    pub fn try_send_from(&self, data: &[u8], from: IpAddr, to: impl Into<SocketAddr>) -> io::Result<()> {
        let to = to.into();
        self.try_operation(Interest::Write, |socket| self.transmit_from(socket, data, from, to))
    }

    fn transmit_from(&self, socket: &net::UdpSocket, data: &[u8], from: IpAddr, to: SocketAddr) -> io::Result<()> {
        if from.is_ipv4() != to.is_ipv4() {
            let reason = format!("a datagram from {from} to {to}: the addresses are not of one family");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let to = self.family().to_system(to);
        self.icmp().skip(Interest::Write, || sys::send_from(socket, data, from, to))
    }
}

/// The future of [`UdpSocket::send_from`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SendFrom<'a> {
    operation: Operation<'a>,
    data: &'a [u8],
    from: IpAddr,
    to: SocketAddr,
}

impl Future for SendFrom<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let SendFrom { operation, data, from, to } = self.get_mut();
        let udp = operation.socket;
        operation.poll(cx, |socket| udp.transmit_from(socket, data, *from, *to))
    }
}
