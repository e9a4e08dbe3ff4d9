//! Sending a datagram.

use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use uasyncio_io::Interest;

use crate::operation::Operation;
use crate::{UdpSocket, sys};

impl UdpSocket {
    /// Sends a datagram to the peer that the socket is connected to. Waits while the system has no room for it.
    ///
    /// A datagram is accepted whole or not at all, and that it was accepted says nothing of its arrival.
    ///
    /// # Errors
    ///
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy) while another task waits to send through this socket.
    /// [`NotConnected`](io::ErrorKind::NotConnected) after [`close`](UdpSocket::close). Else what the operating system
    /// says of this datagram: no peer, no route, too long. What it says of earlier ones is skipped; see the
    /// [crate](crate)'s docs.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has sent nothing.
    ///
    /// ```
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.connect(socket.local_addr()?)?;
    /// socket.send(b"to myself").await?;
    /// assert_eq!(socket.recv(&mut [0; 16]).await?.len, 9);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send<'a>(&'a self, data: &'a [u8]) -> SendDatagram<'a> {
        SendDatagram { operation: Operation::new(self, Interest::Write), data, to: None }
    }

    /// Sends a datagram to an address. pycopy's `sendto`, asyncio's `sock_sendto`.
    ///
    /// # Errors
    ///
    /// As [`send`](UdpSocket::send).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has sent nothing.
    ///
    /// ```
    /// use uasyncio_udp::{Family, UdpSocket, socket};
    ///
    /// # uasyncio_io::run(async {
    /// let receiver = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket(Family::V4)?.send_to(b"hello", receiver.local_addr()?).await?;
    /// assert_eq!(receiver.recv(&mut [0; 16]).await?.len, 5);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "sendto")]
    #[doc(alias = "sock_sendto")]
    pub fn send_to<'a>(&'a self, data: &'a [u8], to: impl Into<SocketAddr>) -> SendDatagram<'a> {
        let to = Some(self.family().to_system(to.into()));
        SendDatagram { operation: Operation::new(self, Interest::Write), data, to }
    }

    /// [`send`](UdpSocket::send) without waiting.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the system has no room now; else as `send`.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// assert!(socket.try_send(b"to nobody").is_err());
    /// socket.connect(socket.local_addr()?)?;
    /// socket.try_send(b"to myself")?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_send(&self, data: &[u8]) -> io::Result<()> {
        self.try_operation(Interest::Write, |socket| self.transmit(socket, data, None))
    }

    /// [`send_to`](UdpSocket::send_to) without waiting.
    ///
    /// # Errors
    ///
    /// As [`try_send`](UdpSocket::try_send).
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.try_send_to(b"to myself", socket.local_addr()?)?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_send_to(&self, data: &[u8], to: impl Into<SocketAddr>) -> io::Result<()> {
        let to = self.family().to_system(to.into());
        self.try_operation(Interest::Write, |socket| self.transmit(socket, data, Some(to)))
    }

    fn transmit(&self, socket: &net::UdpSocket, data: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        self.icmp().skip(Interest::Write, || match to {
            Some(to) => sys::send_to(socket, data, &to),
            None => sys::send(socket, data),
        })
    }
}

/// The future of [`UdpSocket::send`] and [`UdpSocket::send_to`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SendDatagram<'a> {
    operation: Operation<'a>,
    data: &'a [u8],
    /// In the form that the system wants.
    to: Option<SocketAddr>,
}

impl Future for SendDatagram<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let SendDatagram { operation, data, to } = self.get_mut();
        let udp = operation.socket;
        operation.poll(cx, |socket| udp.transmit(socket, data, *to))
    }
}

/// Loopback always has room for a datagram. A socket of the Unix family is full after a few, and is sent to with the same
/// calls; nothing else of a `UdpSocket` works with one.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::cell::Cell;
    use std::io;
    use std::net;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;
    use std::rc::Rc;

    use uasyncio_core::{create_task, yield_now};
    use uasyncio_io::Reactor;

    use crate::{Family, Outgoing, UdpSocket};

    fn sender() -> (Rc<UdpSocket>, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let ours = UdpSocket::new(net::UdpSocket::from(OwnedFd::from(ours)), Family::V4).unwrap();
        ours.set_send_buffer_size(1).unwrap(); // the least that there is
        (Rc::new(ours), theirs)
    }

    async fn until(mut condition: impl FnMut() -> bool) {
        for _ in 0..10_000_000 {
            if condition() {
                return;
            }
            yield_now().await;
        }
        panic!("the test hangs");
    }

    async fn until_parked() {
        until(|| Reactor::current().unwrap().stats().parked > 0).await;
    }

    #[test]
    fn sending_waits_for_room_and_a_second_sender_is_refused() {
        uasyncio_io::run(async {
            let (sender, receiver) = sender();
            let sent = Rc::new(Cell::new(0_u32));
            let (socket, counter) = (sender.clone(), sent.clone());
            let task = create_task(async move {
                for number in 0..100_u32 {
                    socket.send(&number.to_le_bytes()).await.unwrap();
                    counter.set(number + 1);
                }
            });
            until_parked().await;
            let room = sent.get();
            assert!((1..100).contains(&room), "{room}");
            assert_eq!(sender.try_send(b"more").unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let error = sender.send(b"more").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
            // Each arrives once and in order: the one that waited was sent whole, and only when there was room.
            for number in 0..100_u32 {
                let mut buffer = [0; 16];
                let mut length = 0;
                until(|| {
                    receiver.recv(&mut buffer).is_ok_and(|received| {
                        length = received;
                        true
                    })
                })
                .await;
                assert_eq!(buffer[..length], number.to_le_bytes());
            }
            task.await.unwrap();
            assert!(receiver.recv(&mut [0; 16]).is_err());
        });
    }

    #[test]
    fn a_send_that_is_dropped_while_it_waits_has_sent_nothing() {
        uasyncio_io::run(async {
            let (sender, receiver) = sender();
            let mut room = 0;
            while sender.try_send(b"fill").is_ok() {
                room += 1;
            }
            let socket = sender.clone();
            let task = create_task(async move { socket.send(b"never").await });
            until_parked().await;
            task.cancel();
            assert!(task.await.is_err());
            for _ in 0..room {
                let mut buffer = [0; 16];
                let length = receiver.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], b"fill");
            }
            assert!(receiver.recv(&mut [0; 16]).is_err());
            sender.send(b"now").await.unwrap();
            assert_eq!(receiver.recv(&mut [0; 16]).unwrap(), 3);
        });
    }

    #[test]
    fn a_batch_sends_what_there_is_room_for_and_waits_for_the_first_only() {
        uasyncio_io::run(async {
            let (sender, receiver) = sender();
            let mut sent = 0;
            let datagrams = [Outgoing::new(b"hello"); 100];
            let room = sender.send_many(&datagrams).await.unwrap();
            assert!((1..100).contains(&room), "{room}");
            sent += room;
            let socket = sender.clone();
            let task = create_task(async move { socket.send_many(&[Outgoing::new(b"hello"); 100]).await });
            until_parked().await;
            let mut received = 0;
            while receiver.recv(&mut [0; 16]).is_ok() {
                received += 1;
            }
            assert_eq!(received, room);
            sent += task.await.unwrap().unwrap();
            while receiver.recv(&mut [0; 16]).is_ok() {
                received += 1;
            }
            assert_eq!(received, sent);
        });
    }
}
