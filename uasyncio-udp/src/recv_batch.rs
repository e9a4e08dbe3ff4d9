//! Receiving many datagrams at once.

use std::fmt;
use std::future::Future;
use std::io;
use std::net;
use std::pin::Pin;
use std::task::{Context, Poll};

use uasyncio_io::Interest;

use crate::operation::{Operation, pay_for};
use crate::{Family, Received, UdpSocket, sys};

/// So many buffers are filled at once.
pub(crate) const MOST: usize = 64;

/// Buffers for many datagrams, and what is known of those in them.
///
/// The memory is taken once, by [`new`](RecvBatch::new); receiving into it again and again allocates nothing (but for a
/// few words for each batch after [`set_packet_info`](UdpSocket::set_packet_info) or [`set_gro`](UdpSocket::set_gro)).
///
/// ```
/// use uasyncio_udp::{RecvBatch, UdpSocket};
///
/// # uasyncio_io::run(async {
/// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
/// for text in ["one", "two", "three"] {
///     socket.send_to(text.as_bytes(), socket.local_addr()?).await?;
/// }
/// let mut batch = RecvBatch::new(16, 1_500);
/// assert_eq!(socket.recv_many(&mut batch).await?, 3);
/// let texts: Vec<_> = batch.iter().map(|datagram| datagram.data).collect();
/// assert_eq!(texts, [&b"one"[..], b"two", b"three"]);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub struct RecvBatch {
    /// One after the other, each of `size` bytes.
    buffers: Box<[u8]>,
    size: usize,
    filled: Vec<Filled>,
    headers: sys::Headers,
}

/// What a buffer was filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled {
    pub(crate) received: Received,
    /// The length of the datagrams that the system joined; 0: it is one datagram.
    pub(crate) segment: usize,
}

impl Filled {
    #[inline]
    fn datagrams(&self) -> usize {
        if self.segment == 0 { 1 } else { self.received.len.div_ceil(self.segment).max(1) }
    }

    /// One of the datagrams that the buffer holds.
    #[inline]
    fn datagram<'b>(&self, buffer: &'b [u8], index: usize) -> Datagram<'b> {
        let whole = &self.received;
        if self.segment == 0 {
            return Datagram { data: &buffer[..whole.len], received: *whole };
        }
        let start = index * self.segment;
        let len = self.segment.min(whole.len - start);
        let full_len = self.segment.min(whole.full_len - start);
        // Those that were lost whole leave their mark on the last one.
        let truncated = whole.truncated && index + 1 == self.datagrams();
        Datagram { data: &buffer[start..start + len], received: Received { len, full_len, truncated, ..*whole } }
    }
}

/// A datagram of a [`RecvBatch`].
///
/// ```
/// # use uasyncio_udp::{RecvBatch, UdpSocket};
/// # uasyncio_io::run(async {
/// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
/// socket.send_to(b"hello", socket.local_addr()?).await?;
/// let mut batch = RecvBatch::new(4, 4);
/// socket.recv_many(&mut batch).await?;
/// let datagram = batch.iter().next().unwrap();
/// assert_eq!(datagram.data, b"hell");
/// assert!(datagram.received.truncated);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// Its bytes, as far as they fitted.
    pub data: &'a [u8],
    /// What is known of it.
    pub received: Received,
}

impl RecvBatch {
    /// Makes `count` buffers of `size` bytes: for so many datagrams, each so long. A batch has at most 64 buffers and at
    /// least one; a buffer has at least one byte.
    ///
    /// ```
    /// let batch = uasyncio_udp::RecvBatch::new(32, 1_500);
    /// assert!(batch.is_empty());
    /// ```
    #[must_use]
    pub fn new(count: usize, size: usize) -> RecvBatch {
        let (count, size) = (count.clamp(1, MOST), size.max(1));
        RecvBatch {
            buffers: vec![0; count * size].into_boxed_slice(),
            size,
            filled: Vec::with_capacity(count),
            headers: Default::default(),
        }
    }

    /// How many datagrams it holds.
    ///
    /// ```
    /// assert_eq!(uasyncio_udp::RecvBatch::new(32, 1_500).len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.filled.iter().map(Filled::datagrams).sum()
    }

    /// Whether it holds none.
    ///
    /// ```
    /// assert!(uasyncio_udp::RecvBatch::new(32, 1_500).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// The datagrams, in the order in which they arrived.
    ///
    /// ```
    /// assert_eq!(uasyncio_udp::RecvBatch::new(32, 1_500).iter().count(), 0);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let mut rest = self.filled.iter().zip(self.buffers.chunks_exact(self.size));
        let mut joined: Option<(&Filled, &[u8], usize)> = None;
        std::iter::from_fn(move || {
            let (filled, buffer, index) = match joined.take() {
                Some(next) => next,
                None => rest.next().map(|(filled, buffer)| (filled, buffer, 0))?,
            };
            if index + 1 < filled.datagrams() {
                joined = Some((filled, buffer, index + 1));
            }
            Some(filled.datagram(buffer, index))
        })
    }
}

impl fmt::Debug for RecvBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffers = self.buffers.len() / self.size;
        f.debug_struct("RecvBatch").field("buffers", &buffers).field("size", &self.size).field("len", &self.len()).finish()
    }
}

impl UdpSocket {
    /// Waits until there is a datagram, and takes as many as are there and have room in the batch. Gives their number.
    ///
    /// The batch is emptied first. On Linux and Android it is one system call (`recvmmsg`; with the feature `batch`),
    /// elsewhere one for each datagram.
    ///
    /// # Errors
    ///
    /// As [`recv`](UdpSocket::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has taken no datagram.
    ///
    /// ```
    /// use uasyncio_udp::{RecvBatch, UdpSocket};
    ///
    /// # async fn example(socket: UdpSocket) -> std::io::Result<()> {
    /// let mut batch = RecvBatch::new(32, 1_500);
    /// loop {
    ///     socket.recv_many(&mut batch).await?;
    ///     for datagram in batch.iter() {
    ///         println!("{} bytes from {}", datagram.data.len(), datagram.received.from);
    ///     }
    /// }
    /// # }
    /// ```
    #[doc(alias = "recvmmsg")]
    pub fn recv_many<'a>(&'a self, batch: &'a mut RecvBatch) -> RecvMany<'a> {
        RecvMany { operation: Operation::new(self, Interest::Read), batch }
    }

    /// [`recv_many`](UdpSocket::recv_many) without waiting.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no datagram; else as `recv_many`.
    ///
    /// ```
    /// # use uasyncio_udp::{RecvBatch, UdpSocket};
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let error = socket.try_recv_many(&mut RecvBatch::new(16, 1_500)).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_recv_many(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        self.try_operation(Interest::Read, |socket| self.receive_many(socket, batch))
    }

    fn receive_many(&self, socket: &net::UdpSocket, batch: &mut RecvBatch) -> io::Result<usize> {
        let RecvBatch { buffers, size, filled, headers } = batch;
        filled.clear();
        loop {
            let before = filled.len();
            let result = self.icmp().skip(Interest::Read, || {
                sys::receive_some(socket, self.family(), self.ancillary(), headers, (buffers, *size), filled)
            });
            match result {
                Ok(()) if filled.len() > before => {}
                Ok(()) => break,
                Err(error) if filled.is_empty() => return Err(error),
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.icmp().keep(error);
                    }
                    break;
                }
            }
        }
        if self.family() == Family::Dual {
            for filled in filled.iter_mut() {
                filled.received.from = self.family().normalise(filled.received.from);
            }
        }
        Ok(batch.len())
    }
}

/// The future of [`UdpSocket::recv_many`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct RecvMany<'a> {
    operation: Operation<'a>,
    batch: &'a mut RecvBatch,
}

impl Future for RecvMany<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let RecvMany { operation, batch } = self.get_mut();
        let udp = operation.socket;
        let polled = operation.poll(cx, |socket| udp.receive_many(socket, batch));
        if let Poll::Ready(Ok(datagrams)) = polled {
            pay_for(datagrams, cx);
        }
        polled
    }
}
