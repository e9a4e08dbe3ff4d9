//! The futures of [`StreamWriter`]'s methods.
//!
//! They borrow the writer and the data, and hold nothing but a position.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use uasyncio_core::budget;

use crate::io::{self, IoSlice};
use crate::storage::{Heap, Storage};
use crate::transport::Transport;
use crate::writer::StreamWriter;

/// The future of [`StreamWriter::awrite`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct AWrite<'a, T, S: Storage<T> = Heap> {
    pub(crate) writer: &'a mut StreamWriter<T, S>,
    /// Empty as soon as the transport has it all, and only has to pass it on.
    pub(crate) data: &'a [u8],
    pub(crate) offset: usize,
}

impl<T, S: Storage<T>> AWrite<'_, T, S> {
    /// How many bytes of the data were accepted so far.
    pub fn written(&self) -> usize {
        self.offset
    }
}

impl<T: Transport, S: Storage<T>> Future for AWrite<'_, T, S> {
    type Output = io::Result<()>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let AWrite { writer, data, offset } = self.get_mut();
        poll_rest(writer, cx, data, offset)
    }
}

/// Writes `data` from `offset` on.
#[inline(always)]
fn poll_rest<T: Transport, S: Storage<T>>(
    writer: &mut StreamWriter<T, S>,
    cx: &mut Context<'_>,
    data: &mut &[u8],
    offset: &mut usize,
) -> Poll<io::Result<()>> {
    if data.is_empty() {
        return poll_end(writer, cx, *offset);
    }
    // What `write` has buffered comes first.
    if writer.has_buffer() {
        return poll_more(writer, cx, data, offset);
    }
    *offset += ready!(writer.poll_first_write(cx, &data[*offset..]))?;
    if *offset == data.len() && writer.is_flushed() { Poll::Ready(Ok(())) } else { poll_more(writer, cx, data, offset) }
}

/// Goes on after a write that was accepted in part.
#[cold]
#[inline(never)]
fn poll_more<T: Transport, S: Storage<T>>(
    writer: &mut StreamWriter<T, S>,
    cx: &mut Context<'_>,
    data: &mut &[u8],
    offset: &mut usize,
) -> Poll<io::Result<()>> {
    ready!(writer.poll_drain(cx))?;
    while *offset < data.len() {
        *offset += ready!(writer.poll_write(cx, |transport| transport.try_write(&data[*offset..])))?;
    }
    *data = &[];
    writer.poll_flush(cx)
}

/// Goes on when there is nothing to write, or nothing left.
#[cold]
#[inline(never)]
fn poll_end<T: Transport, S: Storage<T>>(
    writer: &mut StreamWriter<T, S>,
    cx: &mut Context<'_>,
    written: usize,
) -> Poll<io::Result<()>> {
    if written == 0 { budget::poll_proceed(cx).map(Ok) } else { writer.poll_flush(cx) }
}

/// The future of [`StreamWriter::awritev`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct AWriteV<'a, T, S: Storage<T> = Heap> {
    writer: &'a mut StreamWriter<T, S>,
    /// Those that are not completely written.
    slices: &'a [IoSlice<'a>],
    /// How many bytes of the first of them were written.
    offset: usize,
    written: usize,
    total: usize,
}

impl<'a, T, S: Storage<T>> AWriteV<'a, T, S> {
    pub(crate) fn new(writer: &'a mut StreamWriter<T, S>, slices: &'a [IoSlice<'a>]) -> Self {
        let total = slices.iter().map(|slice| slice.len()).sum();
        AWriteV { writer, slices, offset: 0, written: 0, total }
    }

    /// How many bytes of the slices, taken as one sequence, were accepted so far.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Passes over bytes that were written, up to the first one that was not.
    fn advance(&mut self, mut count: usize) {
        while let Some((first, rest)) = self.slices.split_first() {
            let left = first.len() - self.offset;
            if count < left {
                self.offset += count;
                return;
            }
            count -= left;
            self.slices = rest;
            self.offset = 0;
        }
    }
}

impl<T: Transport, S: Storage<T>> Future for AWriteV<'_, T, S> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.total == 0 {
            return budget::poll_proceed(cx).map(Ok);
        }
        ready!(this.writer.poll_drain(cx))?;
        while this.written < this.total {
            let (slices, offset) = (this.slices, this.offset);
            let count = ready!(this.writer.poll_write(cx, |transport| match offset {
                0 => transport.try_write_vectored(slices),
                // A slice that was cut is finished alone; the next operation is vectored again.
                _ => transport.try_write(&slices[0][offset..]),
            }))?;
            this.written += count;
            if this.written < this.total {
                this.advance(count);
            }
        }
        this.writer.poll_flush(cx)
    }
}

/// The future of [`StreamWriter::awriteiter`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct AWriteIter<'a, T, I: Iterator, S: Storage<T> = Heap> {
    pub(crate) writer: &'a mut StreamWriter<T, S>,
    pub(crate) pieces: I,
    pub(crate) piece: Option<I::Item>,
    pub(crate) offset: usize,
    pub(crate) written: u64,
}

impl<T, I: Iterator, S: Storage<T>> AWriteIter<'_, T, I, S> {
    /// How many bytes of the pieces, taken as one sequence, were accepted so far.
    pub fn written(&self) -> u64 {
        self.written + self.offset as u64
    }
}

// Neither the iterator nor a piece is ever pinned.
impl<T, I: Iterator, S: Storage<T>> Unpin for AWriteIter<'_, T, I, S> {}

impl<T: Transport, I: Iterator, S: Storage<T>> Future for AWriteIter<'_, T, I, S>
where
    I::Item: AsRef<[u8]>,
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if let Some(piece) = &this.piece {
                let mut rest = piece.as_ref();
                if this.offset == rest.len() {
                    ready!(poll_end(this.writer, cx, this.offset))?;
                } else {
                    ready!(poll_rest(this.writer, cx, &mut rest, &mut this.offset))?;
                }
                this.written += core::mem::take(&mut this.offset) as u64;
            }
            this.piece = this.pieces.next();
            if this.piece.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// The future of [`StreamWriter::write_eof`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct WriteEof<'a, T, S: Storage<T> = Heap> {
    pub(crate) writer: &'a mut StreamWriter<T, S>,
}

impl<T: Transport, S: Storage<T>> Future for WriteEof<'_, T, S> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().writer.poll_close_write(cx)
    }
}

/// The future of [`StreamWriter::drain`].
#[cfg(feature = "alloc")]
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Drain<'a, T> {
    pub(crate) writer: &'a mut StreamWriter<T>,
}

#[cfg(feature = "alloc")]
impl<T: Transport> Future for Drain<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let writer = &mut *self.get_mut().writer;
        if writer.unwritten().is_empty() {
            // A loop of `write` and `drain` gives way, too.
            ready!(budget::poll_proceed(cx));
        }
        ready!(writer.poll_drain(cx))?;
        writer.poll_flush(cx)
    }
}

/// The future of [`StreamWriter::aclose`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct AClose<'a, T, S: Storage<T> = Heap> {
    pub(crate) writer: &'a mut StreamWriter<T, S>,
}

impl<T: Transport, S: Storage<T>> Future for AClose<'_, T, S> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().writer.poll_close(cx)
    }
}
