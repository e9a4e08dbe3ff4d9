//! The writing half of a stream.

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use uasyncio_core::budget;

use crate::read::AClose;
use crate::transport::{Transport, TryError, WRITING, poll_attempt, poll_further};
use crate::write::{AWrite, AWriteIter, AWriteV, WriteEof};

/// The writing half of a stream. asyncio's `StreamWriter`, with writes as asynchronous as reads.
///
/// Made by [`split`](crate::split), by `open_connection`, or given to the handler of a server.
///
/// A write completes when the transport has accepted every byte. It copies nothing, buffers nothing and allocates
/// nothing; while the peer does not read, it waits. So memory stays flat however much is written, and there is
/// no `drain` to forget.
///
/// Dropping the writer and its reader closes the connection. So does [`aclose`](Self::aclose) on either of them.
#[derive(Debug)]
pub struct StreamWriter<T> {
    transport: Rc<T>,
    written: u64,
}

impl<T: Transport> StreamWriter<T> {
    pub(crate) fn new(transport: Rc<T>) -> Self {
        StreamWriter { transport, written: 0 }
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
    pub fn awrite<'a>(&'a mut self, data: &'a [u8]) -> AWrite<'a, T> {
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
    pub fn awritev<'a>(&'a mut self, slices: &'a [IoSlice<'a>]) -> AWriteV<'a, T> {
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
    pub fn awriteiter<I>(&mut self, pieces: I) -> AWriteIter<'_, T, I::IntoIter>
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
    pub fn awritestr<'a>(&'a mut self, text: &'a str) -> AWrite<'a, T> {
        self.awrite(text.as_bytes())
    }

    /// Tells the peer that nothing more will be written; it reads to the end of the stream. Reading from the peer
    /// goes on. asyncio's `write_eof`. The second call does nothing.
    ///
    /// # Errors
    /// The transport's error. Writing afterwards fails too, as the transport decides.
    pub fn write_eof(&mut self) -> WriteEof<'_, T> {
        WriteEof { writer: self }
    }

    /// Closes the connection, both directions of it, at once. Closing twice, or closing the reader too, does nothing.
    /// uasyncio's `aclose`.
    ///
    /// There is no buffer of ours that could be lost: everything that was written is still delivered. TCP has one exception:
    /// when bytes from the peer were not read, it resets the connection, and the peer may lose what it has not read
    /// either. So read to the end first, or at least [`write_eof`](Self::write_eof) and wait for the end.
    ///
    /// A task that waits for the other half is woken with an error of the kind `NotConnected`.
    pub fn aclose(&mut self) -> AClose<'_, T> {
        AClose { transport: &*self.transport }
    }

    /// How many bytes the transport has accepted from this writer in all.
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
    fn accepted(&mut self, count: usize) -> io::Result<usize> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += count as u64;
        Ok(count)
    }

    pub(crate) fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_attempt(&*self.transport, cx, WRITING, T::close_write)
    }
}
