//! Sending many datagrams at once.

use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use uasyncio_io::Interest;

use crate::operation::{Operation, pay_for};
use crate::{UdpSocket, sys};

/// A datagram to send with [`UdpSocket::send_many`].
///
/// ```
/// use uasyncio_udp::Outgoing;
///
/// let datagram = Outgoing::to(b"hello", ([127, 0, 0, 1], 53));
/// assert_eq!(datagram.to.unwrap().port(), 53);
/// assert!(Outgoing::new(b"hello").to.is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Where it goes; `None`: to the peer that the socket is connected to.
    pub to: Option<SocketAddr>,
}

impl<'a> Outgoing<'a> {
    /// For the peer that the socket is connected to.
    ///
    /// ```
    /// assert_eq!(uasyncio_udp::Outgoing::new(b"hello").data, b"hello");
    /// ```
    #[must_use]
    pub fn new(data: &'a [u8]) -> Outgoing<'a> {
        Outgoing { data, to: None }
    }

    /// For an address.
    ///
    /// ```
    /// assert_eq!(uasyncio_udp::Outgoing::to(b"hello", ([127, 0, 0, 1], 53)).data, b"hello");
    /// ```
    #[must_use]
    pub fn to(data: &'a [u8], to: impl Into<SocketAddr>) -> Outgoing<'a> {
        Outgoing { data, to: Some(to.into()) }
    }
}

impl UdpSocket {
    /// Sends as many of the datagrams as the system has room for, at least one; waits for that. Gives their number.
    ///
    /// On Linux, 32 at a time go with one system call (`sendmmsg`), elsewhere each has one of its own.
    ///
    /// # Errors
    ///
    /// As [`send`](UdpSocket::send), of the first datagram. When a later one fails, those before it were sent: this gives
    /// their number, and the next call, which begins with that one, its error.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has sent nothing.
    ///
    /// ```
    /// use uasyncio_udp::{Outgoing, RecvBatch, UdpSocket};
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let to = socket.local_addr()?;
    /// let datagrams = ["one", "two", "three"].map(|text| Outgoing::to(text.as_bytes(), to));
    /// let mut rest = &datagrams[..];
    /// while !rest.is_empty() {
    ///     let sent = socket.send_many(rest).await?;
    ///     rest = &rest[sent..];
    /// }
    /// assert_eq!(socket.recv_many(&mut RecvBatch::new(16, 1_500)).await?, 3);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "sendmmsg")]
    pub fn send_many<'a>(&'a self, datagrams: &'a [Outgoing<'a>]) -> SendMany<'a> {
        SendMany { operation: Operation::new(self, Interest::Write), datagrams }
    }

    /// [`send_many`](UdpSocket::send_many) without waiting.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the system has no room now; else as `send_many`.
    ///
    /// ```
    /// # use uasyncio_udp::{Outgoing, UdpSocket};
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let to = socket.local_addr()?;
    /// assert_eq!(socket.try_send_many(&[Outgoing::to(b"one", to), Outgoing::to(b"two", to)])?, 2);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_send_many(&self, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        self.try_operation(Interest::Write, |socket| self.transmit_many(socket, datagrams))
    }

    /// Sends a buffer as datagrams of `segment` bytes, the last one of what is left: as many as the system has room for,
    /// at least one; waits for that. Gives the number of bytes, a multiple of `segment` unless it is all of them.
    ///
    /// On Linux and Android (with the feature `batch`) the kernel makes the datagrams, up to 64 of them with one system call (`UDP_SEGMENT`,
    /// or GSO), which is the cheapest way to send many to one address. Where it cannot, this is
    /// [`send_many`](UdpSocket::send_many).
    ///
    /// # Errors
    ///
    /// As [`send_many`](UdpSocket::send_many); [`InvalidInput`](io::ErrorKind::InvalidInput) if `segment` is 0.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has sent nothing.
    ///
    /// ```
    /// use uasyncio_udp::{RecvBatch, UdpSocket};
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let to = Some(socket.local_addr()?);
    /// let mut rest = &[7; 2_500][..];
    /// while !rest.is_empty() {
    ///     let sent = socket.send_segments(rest, 1_000, to).await?;
    ///     rest = &rest[sent..];
    /// }
    /// let mut batch = RecvBatch::new(16, 1_500);
    /// socket.recv_many(&mut batch).await?;
    /// assert_eq!(batch.iter().map(|datagram| datagram.data.len()).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "gso")]
    #[doc(alias = "UDP_SEGMENT")]
    pub fn send_segments<'a>(&'a self, data: &'a [u8], segment: usize, to: Option<SocketAddr>) -> SendSegments<'a> {
        SendSegments { operation: Operation::new(self, Interest::Write), data, segment, to }
    }

    fn transmit_many(&self, socket: &net::UdpSocket, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < datagrams.len() {
            match self.icmp().skip(Interest::Write, || sys::send_some(socket, self.family(), &datagrams[sent..])) {
                Ok(count) => sent += count,
                Err(error) if sent == 0 => return Err(error),
                // The next call meets it again, unless it was about an earlier datagram.
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    fn transmit_segments(
        &self,
        socket: &net::UdpSocket,
        data: &[u8],
        segment: usize,
        to: Option<SocketAddr>,
    ) -> io::Result<usize> {
        if segment == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "datagrams of no bytes: the segment is 0"));
        }
        let at_once = sys::segmentable(socket, segment).filter(|_| data.len() > segment);
        if let (Some(at_once), Ok(size)) = (at_once, u16::try_from(segment)) {
            let part = &data[..data.len().min(at_once)];
            let to = to.map(|to| self.family().to_system(to));
            match self.icmp().skip(Interest::Write, || sys::send_segmented(socket, part, size, to)) {
                Ok(()) => return Ok(part.len()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // A segment that is longer than a packet may be, or a device that cannot do it: one by one they may go,
                // and else one by one they have the same error.
                Err(_) => {}
            }
        }
        let mut parts = data.chunks(segment).map(|data| Outgoing { data, to });
        let datagrams: [_; AT_ONCE] = std::array::from_fn(|_| parts.next());
        let count = datagrams.iter().flatten().count();
        let datagrams = datagrams.map(|datagram| datagram.unwrap_or(Outgoing::new(&[])));
        let sent = self.transmit_many(socket, &datagrams[..count])?;
        Ok(data.len().min(sent * segment))
    }
}

/// So many segments go at once where the kernel does not make them.
const AT_ONCE: usize = 32;

/// The future of [`UdpSocket::send_many`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SendMany<'a> {
    operation: Operation<'a>,
    datagrams: &'a [Outgoing<'a>],
}

impl Future for SendMany<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let SendMany { operation, datagrams } = self.get_mut();
        let udp = operation.socket;
        let polled = operation.poll(cx, |socket| udp.transmit_many(socket, datagrams));
        if let Poll::Ready(Ok(sent)) = polled {
            pay_for(sent, cx);
        }
        polled
    }
}

/// The future of [`UdpSocket::send_segments`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SendSegments<'a> {
    operation: Operation<'a>,
    data: &'a [u8],
    segment: usize,
    to: Option<SocketAddr>,
}

impl Future for SendSegments<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let SendSegments { operation, data, segment, to } = self.get_mut();
        let udp = operation.socket;
        let polled = operation.poll(cx, |socket| udp.transmit_segments(socket, data, *segment, *to));
        if let Poll::Ready(Ok(sent)) = polled {
            pay_for(sent.div_ceil(*segment), cx);
        }
        polled
    }
}
