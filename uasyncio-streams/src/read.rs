//! The futures of [`StreamReader`]'s methods.
//!
//! Each is a few words that borrow the reader; what was read is kept there. So they are cheap to make, and dropping one
//! loses nothing. They have names so that they can be stored, and so that a limit can be given for one call.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use uasyncio_core::budget;

use crate::error::ReadError;
use crate::io;
use crate::reader::StreamReader;
use crate::scan::find_delimiter;
use crate::storage::{BufferedReads, Heap, Storage};
use crate::transport::Transport;

const COMPLETED: &str = "a read future was polled after it had completed";

/// The future of [`StreamReader::read`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Read<'a, T, S: Storage<T> = Heap> {
    pub(crate) reader: &'a mut StreamReader<T, S>,
    pub(crate) buffer: &'a mut [u8],
}

impl<T: Transport, S: Storage<T>> Future for Read<'_, T, S> {
    type Output = io::Result<usize>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Read { reader, buffer } = self.get_mut();
        if reader.holds_buffer() || buffer.is_empty() {
            return reader.poll_read_buffered(cx, buffer);
        }
        reader.transport().poll_read(cx, buffer)
    }
}

/// The future of [`StreamReader::fill_buf`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct FillBuf<'a, T, S: Storage<T> = Heap> {
    pub(crate) reader: Option<&'a mut StreamReader<T, S>>,
}

impl<'a, T: Transport, S: Storage<T>> Future for FillBuf<'a, T, S> {
    type Output = io::Result<&'a [u8]>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reader = this.reader.as_mut().expect(COMPLETED);
        if reader.buffered().is_empty() {
            let limit = reader.limit();
            ready!(reader.poll_fill(cx, limit))?;
        } else {
            ready!(budget::poll_proceed(cx));
        }
        Poll::Ready(Ok(this.reader.take().expect(COMPLETED).buffered()))
    }
}

/// The future of [`StreamReader::fill_more`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct FillMore<'a, T, S: Storage<T> = Heap> {
    pub(crate) reader: &'a mut StreamReader<T, S>,
}

impl<T: Transport, S: Storage<T>> Future for FillMore<'_, T, S> {
    type Output = Result<usize, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reader = &mut *self.get_mut().reader;
        let limit = reader.limit();
        if reader.buffered().len() >= limit {
            return Poll::Ready(Err(ReadError::LimitExceeded { limit }));
        }
        reader.poll_fill(cx, limit).map_err(ReadError::Io)
    }
}

/// The future of [`StreamReader::readexactly`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadExactly<'a, T, S: Storage<T> = Heap> {
    reader: Option<&'a mut StreamReader<T, S>>,
    count: usize,
    limit: usize,
}

impl<'a, T: Transport, S: Storage<T>> ReadExactly<'a, T, S> {
    pub(crate) fn new(reader: &'a mut StreamReader<T, S>, count: usize) -> Self {
        ReadExactly { limit: reader.limit(), reader: Some(reader), count }
    }

    /// Uses this limit in bytes for this call instead of the reader's.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = self.reader.as_ref().map_or(limit, |reader| reader.most(limit));
        self
    }
}

impl<'a, T: Transport, S: Storage<T>> Future for ReadExactly<'a, T, S> {
    type Output = Result<&'a [u8], ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reader = this.reader.as_mut().expect(COMPLETED);
        if this.count > this.limit {
            return Poll::Ready(Err(ReadError::LimitExceeded { limit: this.limit }));
        }
        while reader.buffered().len() < this.count {
            if ready!(reader.poll_fill(cx, this.count))? == 0 {
                return Poll::Ready(Err(reader.buffer_mut().incomplete()));
            }
        }
        ready!(budget::poll_proceed(cx));
        let reader = this.reader.take().expect(COMPLETED);
        Poll::Ready(Ok(reader.buffer_mut().take(this.count)))
    }
}

/// The future of [`StreamReader::readline`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadLine<'a, T, S: Storage<T> = Heap> {
    reader: Option<&'a mut StreamReader<T, S>>,
    scanned: usize,
    limit: usize,
}

impl<'a, T: Transport, S: Storage<T>> ReadLine<'a, T, S> {
    pub(crate) fn new(reader: &'a mut StreamReader<T, S>) -> Self {
        ReadLine { limit: reader.limit(), reader: Some(reader), scanned: 0 }
    }

    /// One for a line whose first bytes were searched before.
    #[cfg(feature = "alloc")]
    pub(crate) fn going_on(reader: &'a mut StreamReader<T, S>, scanned: usize, limit: usize) -> Self {
        ReadLine { reader: Some(reader), scanned, limit }
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn scanned(&self) -> usize {
        self.scanned
    }

    /// Uses this limit in bytes for this call instead of the reader's.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = self.reader.as_ref().map_or(limit, |reader| reader.most(limit));
        self
    }
}

impl<'a, T: Transport, S: Storage<T>> Future for ReadLine<'a, T, S> {
    type Output = Result<&'a [u8], ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reader = this.reader.as_mut().expect(COMPLETED);
        let found = ready!(reader.poll_find(cx, b"\n", &mut this.scanned, this.limit))?;
        let length = found.unwrap_or(reader.buffered().len());
        let reader = this.reader.take().expect(COMPLETED);
        Poll::Ready(Ok(reader.buffer_mut().take(length)))
    }
}

/// The future of [`StreamReader::readuntil`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadUntil<'a, T, S: Storage<T> = Heap> {
    reader: Option<&'a mut StreamReader<T, S>>,
    delimiter: &'a [u8],
    scanned: usize,
    limit: usize,
}

impl<'a, T: Transport, S: Storage<T>> ReadUntil<'a, T, S> {
    #[track_caller]
    pub(crate) fn new(reader: &'a mut StreamReader<T, S>, delimiter: &'a [u8]) -> Self {
        assert!(!delimiter.is_empty(), "a delimiter has at least one byte");
        ReadUntil { limit: reader.limit(), reader: Some(reader), delimiter, scanned: 0 }
    }

    /// Uses this limit in bytes for this call instead of the reader's.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = self.reader.as_ref().map_or(limit, |reader| reader.most(limit));
        self
    }
}

impl<'a, T: Transport, S: Storage<T>> Future for ReadUntil<'a, T, S> {
    type Output = Result<&'a [u8], ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reader = this.reader.as_mut().expect(COMPLETED);
        match ready!(reader.poll_find(cx, this.delimiter, &mut this.scanned, this.limit))? {
            None => Poll::Ready(Err(reader.buffer_mut().incomplete())),
            Some(length) => {
                let reader = this.reader.take().expect(COMPLETED);
                Poll::Ready(Ok(reader.buffer_mut().take(length)))
            }
        }
    }
}

/// The future of [`StreamReader::read_to_end`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadToEnd<'a, T, S: Storage<T> = Heap> {
    reader: Option<&'a mut StreamReader<T, S>>,
    limit: usize,
}

impl<'a, T: Transport, S: Storage<T>> ReadToEnd<'a, T, S> {
    pub(crate) fn new(reader: &'a mut StreamReader<T, S>, limit: usize) -> Self {
        // One byte more than the limit tells the end from too much.
        let limit = reader.most(limit.saturating_add(1)) - 1;
        ReadToEnd { reader: Some(reader), limit }
    }
}

impl<'a, T: Transport, S: Storage<T>> Future for ReadToEnd<'a, T, S> {
    type Output = Result<&'a [u8], ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reader = this.reader.as_mut().expect(COMPLETED);
        loop {
            if reader.buffered().len() > this.limit {
                return Poll::Ready(Err(ReadError::LimitExceeded { limit: this.limit }));
            }
            if ready!(reader.poll_fill(cx, this.limit + 1))? == 0 {
                break;
            }
        }
        let reader = this.reader.take().expect(COMPLETED);
        let length = reader.buffered().len();
        Poll::Ready(Ok(reader.buffer_mut().take(length)))
    }
}

/// The future of [`StreamReader::readexactly_into`] and its like.
#[cfg(feature = "alloc")]
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadInto<'a, F> {
    pub(crate) read: F,
    pub(crate) target: &'a mut Vec<u8>,
}

#[cfg(feature = "alloc")]
impl<'a, F> Future for ReadInto<'_, F>
where
    F: Future<Output = Result<&'a [u8], ReadError>> + Unpin,
{
    type Output = Result<usize, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let bytes = ready!(Pin::new(&mut this.read).poll(cx))?;
        this.target.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
}

/// The future of [`StreamReader::skip_until`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct SkipUntil<'a, T, S: Storage<T> = Heap> {
    reader: &'a mut StreamReader<T, S>,
    delimiter: &'a [u8],
}

impl<'a, T: Transport, S: Storage<T>> SkipUntil<'a, T, S> {
    #[track_caller]
    pub(crate) fn new(reader: &'a mut StreamReader<T, S>, delimiter: &'a [u8]) -> Self {
        assert!(!delimiter.is_empty(), "a delimiter has at least one byte");
        SkipUntil { reader, delimiter }
    }
}

impl<T: Transport, S: Storage<T>> Future for SkipUntil<'_, T, S> {
    type Output = io::Result<bool>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let SkipUntil { reader, delimiter } = self.get_mut();
        if reader.most(delimiter.len()) < delimiter.len() {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        loop {
            let bytes = reader.buffered();
            if let Some(length) = find_delimiter(bytes, delimiter, 0) {
                ready!(budget::poll_proceed(cx));
                reader.consume(length);
                return Poll::Ready(Ok(true));
            }
            // The delimiter may have begun in the last bytes.
            reader.consume((bytes.len() + 1).saturating_sub(delimiter.len()));
            if ready!(reader.poll_fill(cx, delimiter.len()))? == 0 {
                reader.consume(reader.buffered().len());
                return Poll::Ready(Ok(false));
            }
        }
    }
}

/// The future of [`StreamReader::aclose`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct AClose<'a, T> {
    pub(crate) transport: &'a T,
}

impl<T: Transport> Future for AClose<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.transport.close();
        Poll::Ready(Ok(()))
    }
}
