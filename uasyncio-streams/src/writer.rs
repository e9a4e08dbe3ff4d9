//! The writing half of a stream.

use core::fmt;
use core::task::{Context, Poll, ready};

use uasyncio_core::budget;

use crate::io::{self, IoSlice};
use crate::storage::{BufferedWrites, Heap, Storage};
use crate::transport::{Transport, TryError, WRITING, poll_attempt, poll_further};
use crate::write::{AClose, AWrite, AWriteIter, AWriteV, WriteEof};

/// The writing half of a stream. asyncio's `StreamWriter`, with writes as asynchronous as reads.
///
/// Made by `split`, by `open_connection`, or given to the handler of a server; without a heap, by [`split_with`](crate::split_with).
///
/// `awrite` and its like complete when the transport has accepted every byte. They copy nothing, buffer nothing and allocate
/// nothing; while the peer does not read, they wait. So memory stays flat however much is written, and there is
/// no `drain` to forget.
///
/// For code that cannot wait there are [`write`](Self::write) and [`drain`](Self::drain), with a buffer of bounded size.
///
/// Dropping the writer and its reader closes the connection. So does [`aclose`](Self::aclose) on either of them.
///
/// The second parameter says how it holds its transport: `StreamWriter<T>` is a writer on the heap, and
/// [`LentWriter<'_, T>`](crate::LentWriter) one for programs without a heap, which has no `write` and `drain`.
pub struct StreamWriter<T, S: Storage<T> = Heap> {
    pub(crate) transport: S::Handle,
    written: u64,
    pub(crate) buffer: S::WriteBuffer,
}

impl<T: Transport, S: Storage<T>> StreamWriter<T, S> {
    pub(crate) fn with(transport: S::Handle, buffer: S::WriteBuffer) -> Self {
        StreamWriter { transport, written: 0, buffer }
    }

    /// Writes all of `data`. asyncio has no such method; uasyncio's `awrite`.
    ///
    /// If everything is accepted at once, it completes without waiting. Part of a buffer is written as a slice:
    /// `awrite(&data[offset..offset + size])`. Empty data touches nothing.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (_reader, mut writer) = split(near);
    /// writer.awrite(b"hello\n").await?;
    /// assert_eq!(writer.written(), 6);
    /// assert_eq!(split(far).0.readline().await?, b"hello\n");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The transport's error, for example [`BrokenPipe`](io::ErrorKind::BrokenPipe) or
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset) when the peer is gone.
    ///
    /// # Cancel safety
    /// When the future is dropped, or fails, the transport has accepted a prefix of the data. Its length is in
    /// [`AWrite::written`] before the drop and in the difference of [`written`](Self::written) after it. Go on with
    /// the rest, or close the stream.
    pub fn awrite<'a>(&'a mut self, data: &'a [u8]) -> AWrite<'a, T, S> {
        AWrite { writer: self, data, offset: 0 }
    }

    /// Writes all of several slices in order, with one vectored operation while the transport accepts everything.
    ///
    /// ```
    /// # use std::io::IoSlice;
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (_reader, mut writer) = split(near);
    /// writer.awritev(&[IoSlice::new(b"head\n"), IoSlice::new(b"body")]).await?;
    /// assert_eq!(split(far).0.readexactly(9).await?, b"head\nbody");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As for [`awrite`](Self::awrite).
    ///
    /// # Cancel safety
    /// As for [`awrite`](Self::awrite): a prefix of the slices, taken as one sequence, was accepted.
    pub fn awritev<'a>(&'a mut self, slices: &'a [IoSlice<'a>]) -> AWriteV<'a, T, S> {
        AWriteV::new(self, slices)
    }

    /// Writes each piece of an iterator in turn. uasyncio's `awriteiter`. Only one piece is held at a time.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(64);
    /// let (_reader, mut writer) = split(near);
    /// writer.awriteiter((1..=3).map(|number| format!("{number}\n"))).await?;
    /// assert_eq!(split(far).0.readexactly(6).await?, b"1\n2\n3\n");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As for [`awrite`](Self::awrite); the iterator is not asked for more after an error.
    ///
    /// # Cancel safety
    /// As for [`awrite`](Self::awrite): a prefix of the pieces, taken as one sequence, was accepted. The rest of the piece
    /// that was being written is lost.
    pub fn awriteiter<I>(&mut self, pieces: I) -> AWriteIter<'_, T, I::IntoIter, S>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        AWriteIter { writer: self, pieces: pieces.into_iter(), piece: None, offset: 0, written: 0 }
    }

    /// Writes a string as UTF-8. uasyncio's `awritestr`.
    ///
    /// # Errors
    /// As for [`awrite`](Self::awrite).
    ///
    /// # Cancel safety
    /// As for [`awrite`](Self::awrite).
    pub fn awritestr<'a>(&'a mut self, text: &'a str) -> AWrite<'a, T, S> {
        self.awrite(text.as_bytes())
    }

    /// Whether `write` has had to buffer something, now or before.
    #[inline(always)]
    pub(crate) fn has_buffer(&self) -> bool {
        self.buffer.is_there()
    }

    /// Tells the peer that nothing more will be written; it reads to the end of the stream. Reading from the peer
    /// goes on. asyncio's `write_eof`. The second call does nothing.
    ///
    /// # Errors
    /// The transport's error. Writing afterwards fails too, as the transport decides.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: call it again.
    pub fn write_eof(&mut self) -> WriteEof<'_, T, S> {
        WriteEof { writer: self }
    }

    /// Closes the connection, both directions of it. Closing twice, or closing the reader too, does nothing.
    /// uasyncio's `aclose`.
    ///
    /// What [`write`](Self::write) has buffered, and the farewell of a protocol such as TLS, is written first, and waited for; without
    /// those it closes at once. asyncio does that part in the background. A peer that does not read can make it wait for ever, so
    /// give it a time limit, and [`abort`](Self::abort) after that.
    ///
    /// Everything that was written is still delivered. TCP has one exception:
    /// when bytes from the peer were not read, it resets the connection, and the peer may lose what it has not read
    /// either. So read to the end first, or at least [`write_eof`](Self::write_eof) and wait for the end.
    ///
    /// A task that waits for the other half is woken with an error of the kind `NotConnected`.
    ///
    /// # Errors
    /// The transport's error, when what was buffered could not be written. The connection is closed nevertheless.
    ///
    /// # Cancel safety
    /// When the future is dropped before it completes, the connection is open, and no byte is lost: call it again.
    pub fn aclose(&mut self) -> AClose<'_, T, S> {
        AClose { writer: self }
    }

    /// Closes the connection, both directions of it, without a proper end: over TCP the peer gets a reset. What was written and
    /// is still on its way may be lost, and what `write` has buffered is thrown away. asyncio's `transport.abort()`.
    ///
    /// A task that waits for the other half is woken with an error of the kind `NotConnected`. Does nothing after `aclose`.
    ///
    /// ```
    /// # use uasyncio_streams::{duplex, split};
    /// let (near, far) = duplex(64);
    /// let (_reader, mut writer) = split(near);
    /// writer.abort();
    /// # drop(far);
    /// ```
    pub fn abort(&mut self) {
        self.buffer.clear();
        self.transport.abort();
    }

    /// How many bytes the transport has accepted from this writer in all. Those that `write` has buffered are not among them.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The transport that this writer shares with its reader.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Makes one write of the transport succeed, and gives the number of bytes.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&T) -> Result<usize, TryError>,
    ) -> Poll<io::Result<usize>> {
        let count = ready!(poll_attempt(&*self.transport, cx, WRITING, attempt))?;
        Poll::Ready(self.accepted(count))
    }

    /// The same for plain bytes, in line.
    #[inline(always)]
    pub(crate) fn poll_first_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(budget::poll_proceed(cx));
        let first = self.transport.try_write(data);
        let count = ready!(poll_further(first, &*self.transport, cx, WRITING, |transport| transport.try_write(data)))?;
        Poll::Ready(self.accepted(count))
    }

    #[inline(always)]
    pub(crate) fn accepted(&mut self, count: usize) -> io::Result<usize> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += count as u64;
        Ok(count)
    }

    /// Writes what is buffered.
    #[inline(always)]
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_buffer() { self.poll_drain_buffer(cx) } else { Poll::Ready(Ok(())) }
    }

    #[cold]
    fn poll_drain_buffer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.bytes().is_empty() {
            let StreamWriter { transport, buffer, .. } = self;
            let bytes = buffer.bytes();
            let count = ready!(poll_attempt(&**transport, cx, WRITING, |transport| transport.try_write(bytes)))?;
            let count = self.accepted(count)?;
            self.buffer.consume(count);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the transport holds nothing back, which for most is a matter of course.
    #[inline(always)]
    pub(crate) fn is_flushed(&self) -> bool {
        self.transport.try_flush().is_ok()
    }

    /// Completes when the transport holds nothing back.
    #[inline(always)]
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_rarely_blocked(cx, T::try_flush)
    }

    /// For what most transports have nothing to do for: it takes part in the budget only if it has to be waited for.
    #[inline(always)]
    fn poll_rarely_blocked(&self, cx: &mut Context<'_>, attempt: fn(&T) -> Result<(), TryError>) -> Poll<io::Result<()>> {
        match attempt(&self.transport) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(TryError::Failed(error)) => Poll::Ready(Err(error)),
            Err(TryError::Blocked(_)) => poll_attempt(&*self.transport, cx, WRITING, attempt),
        }
    }

    pub(crate) fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        poll_attempt(&*self.transport, cx, WRITING, T::close_write)
    }

    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let drained = match ready!(self.poll_drain(cx)) {
            Ok(()) => ready!(self.poll_rarely_blocked(cx, T::try_finish)),
            error => error,
        };
        // What could not be written is in the error; nobody has to hear of it again when the writer is dropped.
        self.buffer.clear();
        self.transport.close();
        Poll::Ready(drained)
    }
}

impl<T: fmt::Debug, S: Storage<T>> fmt::Debug for StreamWriter<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamWriter { transport, written, buffer } = self;
        let unwritten = buffer.bytes().len();
        f.debug_struct("StreamWriter")
            .field("transport", &**transport)
            .field("written", written)
            .field("unwritten", &unwritten)
            .finish()
    }
}
