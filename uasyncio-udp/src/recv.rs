//! Receiving a datagram.

use std::future::Future;
use std::io;
use std::net;
use std::pin::Pin;
use std::task::{Context, Poll};

use uasyncio_io::Interest;

use crate::operation::Operation;
use crate::{Received, UdpSocket, sys};

impl UdpSocket {
    /// Waits for a datagram. pycopy's `recv` and `recvfrom`, asyncio's `sock_recvfrom`, in one.
    ///
    /// A connected socket receives from its peer alone. ICMP errors do not end the wait; see the [crate](crate)'s docs.
    ///
    /// # Errors
    ///
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy) while another task waits for a datagram of this socket.
    /// [`NotConnected`](io::ErrorKind::NotConnected) after [`close`](UdpSocket::close). [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// after [`set_gro(true)`](UdpSocket::set_gro). Else what the operating system says.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has taken no datagram.
    ///
    /// ```
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.send_to(b"hello", socket.local_addr()?).await?;
    /// let mut buffer = [0; 2048];
    /// let received = socket.recv(&mut buffer).await?;
    /// assert_eq!(&buffer[..received.len], b"hello");
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "recvfrom")]
    #[doc(alias = "sock_recvfrom")]
    pub fn recv<'a>(&'a self, buffer: &'a mut [u8]) -> RecvDatagram<'a> {
        RecvDatagram { operation: Operation::new(self, Interest::Read), buffer }
    }

    /// [`recv`](UdpSocket::recv), by the name that the standard library has for sockets that are not connected.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.send_to(b"", socket.local_addr()?).await?;
    /// let received = socket.recv_from(&mut [0; 16]).await?;
    /// assert_eq!((received.len, received.from), (0, socket.local_addr()?));
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "recvfrom")]
    pub fn recv_from<'a>(&'a self, buffer: &'a mut [u8]) -> RecvDatagram<'a> {
        self.recv(buffer)
    }

    /// Takes a datagram that is there already. Does not wait.
    ///
    /// It may be used while a task waits in [`recv`](UdpSocket::recv): the datagram then goes to whoever comes first.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is none; else as `recv`.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let error = socket.try_recv(&mut [0; 16]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.try_operation(Interest::Read, |socket| self.receive(socket, buffer))
    }

    fn receive(&self, socket: &net::UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
        let mut received = self.icmp().skip(Interest::Read, || match self.ancillary() {
            ancillary if ancillary.any() => sys::receive_with_ancillary(socket, self.family(), ancillary, buffer),
            _ => sys::receive(socket, buffer),
        })?;
        received.from = self.family().normalise(received.from);
        Ok(received)
    }
}

/// The future of [`UdpSocket::recv`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct RecvDatagram<'a> {
    operation: Operation<'a>,
    buffer: &'a mut [u8],
}

impl Future for RecvDatagram<'_> {
    type Output = io::Result<Received>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        let RecvDatagram { operation, buffer } = self.get_mut();
        let udp = operation.socket;
        operation.poll(cx, |socket| udp.receive(socket, buffer))
    }
}
