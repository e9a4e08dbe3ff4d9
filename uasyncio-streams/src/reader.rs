//! The reading half of a stream.

#[cfg(feature = "alloc")]
use alloc::rc::Rc;
#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll, ready};

use uasyncio_core::budget;

#[cfg(feature = "alloc")]
use crate::buffer::ReadBuffer;
use crate::error::ReadError;
use crate::io;
#[cfg(feature = "alloc")]
use crate::lines::Lines;
#[cfg(feature = "alloc")]
use crate::read::ReadInto;
use crate::read::{AClose, FillBuf, FillMore, Read, ReadExactly, ReadLine, ReadToEnd, ReadUntil, SkipUntil};
use crate::scan::find_delimiter;
use crate::storage::{BufferedReads, Heap, Storage};
use crate::transport::{Direction, READING, Transport, poll_attempt, wait_for};

/// How many bytes [`StreamReader::readline`] and the like may buffer on the heap, unless told otherwise: 64 KiB, as in asyncio.
pub const DEFAULT_LIMIT: usize = 64 * 1024;

/// The reading half of a stream. asyncio's `StreamReader`.
///
/// Made by `split`, by `open_connection`, or given to the handler of a server; without a heap, by [`split_with`](crate::split_with).
///
/// What was read ahead is kept in the reader, not in the futures. So **every read is cancel-safe**: a future that
/// is dropped before it completes, by a timeout or in a `select`, has consumed nothing, and the next read goes on
/// with the same bytes.
///
/// `readexactly`, `readline` and `readuntil` lend their result from the reader's buffer, without a copy; the next use of
/// the reader ends the loan. The `_into` methods append it to a `Vec` instead. While a reader on the heap waits for bytes it
/// holds no buffer at all: buffers of 8 KiB (256 bytes without the feature `std`) come from a pool of the thread when bytes
/// arrive, and go back when they were consumed.
///
/// The methods take `&mut self`. So a second task that reads at the same time, which asyncio forbids in its
/// documentation, does not compile:
///
/// ```compile_fail,E0499
/// # use uasyncio_streams::{StreamReader, Duplex};
/// async fn two_readers(mut reader: StreamReader<Duplex>) {
///     let mut first = [0; 8];
///     let mut second = [0; 8];
///     let one = reader.read(&mut first);
///     let two = reader.read(&mut second); // error: `reader` is borrowed by `one`
///     let _ = (one.await, two.await);
/// }
/// ```
///
/// A reader may well be lent to another `async fn`, moved into another task, or used in one task while its writer is
/// used in another.
///
/// The second parameter says where it keeps its buffer: `StreamReader<T>` is a reader on the heap, and
/// [`LentReader<'_, T>`](crate::LentReader) one whose buffer is a slice, for programs without a heap.
pub struct StreamReader<T, S: Storage<T> = Heap> {
    transport: S::Handle,
    buffer: S::ReadBuffer,
    limit: usize,
}

#[cfg(feature = "alloc")]
impl<T: Transport> StreamReader<T> {
    pub(crate) fn new(transport: Rc<T>) -> Self {
        StreamReader { transport, buffer: ReadBuffer::default(), limit: DEFAULT_LIMIT }
    }

    pub(crate) fn beginning_with(transport: Rc<T>, bytes: Vec<u8>) -> Self {
        StreamReader { transport, buffer: ReadBuffer::holding(bytes), limit: DEFAULT_LIMIT }
    }

    pub(crate) fn shared(&self) -> &Rc<T> {
        &self.transport
    }

    pub(crate) fn into_parts(mut self) -> (Rc<T>, Vec<u8>) {
        let read_ahead = self.take_buffered();
        (self.transport, read_ahead)
    }
}

impl<T: Transport, S: Storage<T>> StreamReader<T, S> {
    pub(crate) fn with(transport: S::Handle, buffer: S::ReadBuffer, limit: usize) -> Self {
        StreamReader { transport, buffer, limit }
    }

    /// Reads between 1 and `buffer.len()` bytes, as soon as there are any, and says how many. 0 means that the stream
    /// has ended, or that `buffer` is empty. asyncio's `read(n)` and `readinto`.
    ///
    /// Bytes that were read ahead come first; without those the transport writes straight into `buffer`.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// let (_reader, mut far_writer) = split(far);
    /// far_writer.awrite(b"ping").await?;
    ///
    /// let mut buffer = [0; 16];
    /// let count = reader.read(&mut buffer).await?;
    /// assert_eq!(&buffer[..count], b"ping");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The transport's error. Bytes read before it are delivered first.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub fn read<'a>(&'a mut self, buffer: &'a mut [u8]) -> Read<'a, T, S> {
        Read { reader: self, buffer }
    }

    /// Reads exactly `count` bytes and lends them. asyncio's `readexactly`.
    ///
    /// `readexactly(0)` completes without touching the transport.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split, ReadError};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// split(far).1.awrite(b"\x02hi!").await?; // and the far end is closed
    ///
    /// let length = reader.readexactly(1).await?[0].into();
    /// assert_eq!(reader.readexactly(length).await?, b"hi");
    /// match reader.readexactly(2).await {
    ///     Err(ReadError::Incomplete { partial }) => assert_eq!(partial, b"!"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] with what there is when the stream ends first; [`ReadError::LimitExceeded`] at once,
    /// with nothing read, when `count` is above the limit, so that a length sent by a peer cannot fill the memory;
    /// [`ReadError::Io`] with the transport's error.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub fn readexactly(&mut self, count: usize) -> ReadExactly<'_, T, S> {
        ReadExactly::new(self, count)
    }

    /// Like [`readexactly`](Self::readexactly), but appends the bytes to `target` and gives their number.
    ///
    /// # Cancel safety
    /// `target` is changed only on success, and no byte is lost when the future is dropped.
    #[cfg(feature = "alloc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
    pub fn readexactly_into<'a>(&'a mut self, count: usize, target: &'a mut Vec<u8>) -> ReadInto<'a, ReadExactly<'a, T, S>> {
        ReadInto { read: self.readexactly(count), target }
    }

    /// Reads a line and lends it with its `\n`. At the end of the stream it lends the unterminated rest, and
    /// after that an empty slice. asyncio's `readline`.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// split(far).1.awritestr("one\ntwo").await?; // and the far end is closed
    ///
    /// assert_eq!(reader.readline().await?, b"one\n");
    /// assert_eq!(reader.readline().await?, b"two");
    /// assert_eq!(reader.readline().await?, b"");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ReadError::LimitExceeded`] when the line with its `\n` is longer than the limit: the reader's, or that of
    /// [`ReadLine::limit`]. The bytes stay, see there. [`ReadError::Io`] with the transport's error.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub fn readline(&mut self) -> ReadLine<'_, T, S> {
        ReadLine::new(self)
    }

    /// Like [`readline`](Self::readline), but appends the line to `target` and gives its length.
    ///
    /// # Cancel safety
    /// `target` is changed only on success, and no byte is lost when the future is dropped.
    #[cfg(feature = "alloc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
    pub fn readline_into<'a>(&'a mut self, target: &'a mut Vec<u8>) -> ReadInto<'a, ReadLine<'a, T, S>> {
        ReadInto { read: self.readline(), target }
    }

    /// Reads up to and including `delimiter` and lends it all. asyncio's `readuntil`.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// split(far).1.awritestr("Host: here\r\n\r\nbody").await?;
    ///
    /// assert_eq!(reader.readuntil(b"\r\n\r\n").limit(1024).await?, b"Host: here\r\n\r\n");
    /// assert_eq!(reader.readexactly(4).await?, b"body");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] with the rest when the stream ends first; [`ReadError::LimitExceeded`] when the result
    /// would be longer than the limit: the reader's, or that of [`ReadUntil::limit`]. The bytes stay, see there.
    /// [`ReadError::Io`] with the transport's error.
    ///
    /// # Panics
    /// When `delimiter` is empty.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    #[track_caller]
    pub fn readuntil<'a>(&'a mut self, delimiter: &'a [u8]) -> ReadUntil<'a, T, S> {
        ReadUntil::new(self, delimiter)
    }

    /// Like [`readuntil`](Self::readuntil), but appends the bytes to `target` and gives their number.
    ///
    /// # Panics
    /// When `delimiter` is empty.
    ///
    /// # Cancel safety
    /// `target` is changed only on success, and no byte is lost when the future is dropped.
    #[cfg(feature = "alloc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
    #[track_caller]
    pub fn readuntil_into<'a>(&'a mut self, delimiter: &'a [u8], target: &'a mut Vec<u8>) -> ReadInto<'a, ReadUntil<'a, T, S>> {
        ReadInto { read: self.readuntil(delimiter), target }
    }

    /// Throws away everything up to and including `delimiter`, however much that is, in constant memory. `true` when
    /// the delimiter was found, `false` when the stream ended first.
    ///
    /// The way on after [`ReadError::LimitExceeded`]:
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split, ReadError};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// split(far).1.awritestr("a line that is too long\nnext\n").await?;
    ///
    /// let line = reader.readline().limit(16).await;
    /// assert!(matches!(line, Err(ReadError::LimitExceeded { limit: 16 })));
    /// assert!(reader.skip_until(b"\n").await?);
    /// assert_eq!(reader.readline().await?, b"next\n");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The transport's error.
    ///
    /// # Panics
    /// When `delimiter` is empty.
    ///
    /// # Cancel safety
    /// What was thrown away before the future is dropped is gone; calling it again goes on from there.
    #[track_caller]
    pub fn skip_until<'a>(&'a mut self, delimiter: &'a [u8]) -> SkipUntil<'a, T, S> {
        SkipUntil::new(self, delimiter)
    }

    /// Reads everything up to the end of the stream and lends it, if that is no more than `limit` bytes. asyncio's `read(-1)`.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split, ReadError};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// split(far).1.awritestr("all of it").await?; // and the far end is closed
    ///
    /// assert!(matches!(reader.read_to_end(8).await, Err(ReadError::LimitExceeded { limit: 8 })));
    /// assert_eq!(reader.read_to_end(9).await?, b"all of it");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ReadError::LimitExceeded`] as soon as there are more bytes than `limit`; they stay in the reader.
    /// [`ReadError::Io`] with the transport's error; the bytes before it stay in the reader too.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub fn read_to_end(&mut self, limit: usize) -> ReadToEnd<'_, T, S> {
        ReadToEnd::new(self, limit)
    }

    /// Like [`read_to_end`](Self::read_to_end), but appends the bytes to `target` and gives their number.
    ///
    /// # Cancel safety
    /// `target` is changed only on success, and no byte is lost when the future is dropped.
    #[cfg(feature = "alloc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
    pub fn read_to_end_into<'a>(&'a mut self, limit: usize, target: &'a mut Vec<u8>) -> ReadInto<'a, ReadToEnd<'a, T, S>> {
        ReadInto { read: self.read_to_end(limit), target }
    }

    /// The lines of the stream as a [`Stream`](futures_core::Stream), each as [`readline`](Self::readline) gives it, with its
    /// `\n`. asyncio's `async for line in reader`. See [`Lines`].
    ///
    /// ```
    /// # use std::pin::Pin;
    /// # use futures_core::Stream;
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// split(far).1.awritestr("one\ntwo").await?; // and the far end is closed
    ///
    /// let mut lines = reader.lines();
    /// // `lines.next()` with the `StreamExt` of the crate `futures`.
    /// let mut next = async || std::future::poll_fn(|cx| Pin::new(&mut lines).poll_next(cx)).await.transpose();
    /// assert_eq!(next().await?.as_deref(), Some(&b"one\n"[..]));
    /// assert_eq!(next().await?.as_deref(), Some(&b"two"[..]));
    /// assert_eq!(next().await?, None);
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    #[cfg(feature = "alloc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
    pub fn lines(&mut self) -> Lines<'_, T, S> {
        Lines::new(self)
    }

    /// Lends the bytes that were read ahead; reads some first if there are none. An empty slice means that the stream has
    /// ended. Take what you used with [`consume`](Self::consume).
    ///
    /// The cheapest way to read: the connection needs no buffer of its own while it waits.
    ///
    /// # Errors
    /// The transport's error.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub fn fill_buf(&mut self) -> FillBuf<'_, T, S> {
        FillBuf { reader: Some(self) }
    }

    /// Reads more bytes after those in [`buffered`](Self::buffered) and gives the number of new ones; 0 means that the stream
    /// has ended. For parsers that look at the buffer in place:
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (mut reader, _writer) = split(near);
    /// split(far).1.awrite(b"5:hello").await?;
    ///
    /// let colon = loop {
    ///     match reader.buffered().iter().position(|&byte| byte == b':') {
    ///         Some(position) => break position,
    ///         None => assert!(reader.fill_more().await? > 0, "the end"),
    ///     }
    /// };
    /// assert_eq!(&reader.buffered()[..colon], b"5");
    /// reader.consume(colon + 1);
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ReadError::LimitExceeded`] when as many bytes as the reader's limit are buffered already;
    /// [`ReadError::Io`] with the transport's error.
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub fn fill_more(&mut self) -> FillMore<'_, T, S> {
        FillMore { reader: self }
    }

    /// The bytes that were read ahead and not consumed.
    pub fn buffered(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// Takes the first `count` bytes out of [`buffered`](Self::buffered).
    ///
    /// # Panics
    /// When there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
        self.buffer.release();
    }

    /// Takes all of [`buffered`](Self::buffered) out, for example to hand them to another parser. [`unsplit`](crate::unsplit) gives them
    /// together with the transport.
    #[cfg(feature = "alloc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
    pub fn take_buffered(&mut self) -> Vec<u8> {
        let bytes = self.buffer.bytes().to_vec();
        self.consume(bytes.len());
        bytes
    }

    /// How many bytes a read may buffer; unless changed, 64 KiB, or the length of a lent buffer.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Sets how many bytes a read may buffer, which is never more than the length of a lent buffer. Less than what is buffered now
    /// loses nothing.
    ///
    /// # Panics
    /// When `limit` is 0.
    pub fn set_limit(&mut self, limit: usize) {
        assert!(limit > 0, "a reader with a limit of 0 bytes could never read");
        self.limit = self.most(limit);
    }

    /// How many of `wanted` bytes the buffer may hold.
    #[inline(always)]
    pub(crate) fn most(&self, wanted: usize) -> usize {
        self.buffer.most(wanted)
    }

    /// The transport that this reader shares with its writer.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Closes the connection, both directions of it, at once. Bytes that were read ahead can still be read. Closing twice, or
    /// closing the writer too, does nothing.
    ///
    /// A task that waits for the other half is woken with an error of the kind `NotConnected`. What the transport has accepted
    /// is still delivered, as [`StreamWriter::aclose`](crate::StreamWriter::aclose) says; what `write` has buffered is not,
    /// and the writer's `drain` and `aclose` fail.
    pub fn aclose(&mut self) -> AClose<'_, T> {
        AClose { transport: &*self.transport }
    }

    /// Reads more bytes into the buffer, which holds fewer than `limit`. `Ok(0)`: the stream has ended.
    #[inline(always)]
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        // The end of every burst: nothing is buffered and nothing has come. No buffer is taken for that. In line, and the
        // rest not, because this is half of what a request on a kept connection costs here.
        if self.buffer.is_empty() {
            ready!(self.poll_unblocked(cx))?;
        }
        self.poll_fill_now(cx, limit)
    }

    /// Waits, without a buffer, if reading is known to block.
    #[inline(always)]
    fn poll_unblocked(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ready = self.transport.poll_unblocked(cx, Direction::Read);
        if ready.is_pending() {
            self.buffer.release();
        }
        wait_for(READING, ready)
    }

    #[inline(never)]
    fn poll_fill_now(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        let StreamReader { transport, buffer, .. } = self;
        poll_attempt(&**transport, cx, READING, |transport| {
            let outcome = transport.try_read(buffer.spare(limit));
            match outcome {
                Ok(count) if count > 0 => buffer.filled(count),
                _ => buffer.release(),
            }
            outcome
        })
    }

    /// Whether there is a buffer, empty or not. A reader that waits for bytes mostly has none.
    #[inline]
    pub(crate) fn holds_buffer(&self) -> bool {
        self.buffer.is_held()
    }

    /// Reads into `target` what was read ahead, or past the buffer if that is empty.
    #[inline(never)]
    pub(crate) fn poll_read_buffered(&mut self, cx: &mut Context<'_>, target: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() && !target.is_empty() {
            self.buffer.release();
            return self.transport.poll_read(cx, target);
        }
        ready!(budget::poll_proceed(cx));
        let count = self.buffer.len().min(target.len());
        let bytes = self.buffer.take(count);
        if let Some(target) = target.get_mut(..bytes.len()) {
            target.copy_from_slice(bytes);
        }
        self.buffer.release();
        Poll::Ready(Ok(count))
    }

    /// Fills the buffer until `delimiter` is in it, and gives the length up to its end; `None` at the end of the stream. The
    /// first `scanned` bytes were searched before.
    pub(crate) fn poll_find(
        &mut self,
        cx: &mut Context<'_>,
        delimiter: &[u8],
        scanned: &mut usize,
        limit: usize,
    ) -> Poll<Result<Option<usize>, ReadError>> {
        loop {
            let bytes = self.buffer.bytes();
            let found = find_delimiter(bytes, delimiter, *scanned);
            match found {
                Some(length) if length <= limit => {
                    // What is there already counts too, or a task with a full buffer would never give way.
                    ready!(budget::poll_proceed(cx));
                    return Poll::Ready(Ok(Some(length)));
                }
                None if bytes.len() < limit => {}
                _ => return Poll::Ready(Err(ReadError::LimitExceeded { limit })),
            }
            // The delimiter may have begun in the last bytes.
            *scanned = (bytes.len() + 1).saturating_sub(delimiter.len());
            if ready!(self.poll_fill(cx, limit))? == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }

    pub(crate) fn buffer_mut(&mut self) -> &mut S::ReadBuffer {
        &mut self.buffer
    }
}

impl<T: fmt::Debug, S: Storage<T>> fmt::Debug for StreamReader<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamReader { transport, buffer, limit } = self;
        f.debug_struct("StreamReader")
            .field("transport", &**transport)
            .field("buffered", &buffer.len())
            .field("limit", limit)
            .finish()
    }
}
