//! What the adapters ask of our streams: one attempt at a time, for traits that say how much was done.
//!
//! The futures of a reader keep nothing that a dropped one would lose, so they are made anew for each poll. A write is the
//! exception: it goes on until everything is accepted. Here it is polled once, and what was accepted is the answer.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use uasyncio_streams::{StreamReader, StreamWriter, Transport};

mod sealed {
    use uasyncio_streams::{StreamReader, StreamWriter};

    pub trait Sealed {}
    impl<T> Sealed for StreamReader<T> {}
    impl<T> Sealed for StreamWriter<T> {}
    impl<T> Sealed for (StreamReader<T>, StreamWriter<T>) {}
}

/// What the adapters can read from: a [`StreamReader`], or the two halves of a stream.
pub trait ReadHalf: sealed::Sealed + Unpin {
    #[doc(hidden)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    #[doc(hidden)]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;

    #[doc(hidden)]
    fn consume(&mut self, count: usize);
}

/// What the adapters can write to: a [`StreamWriter`], or the two halves of a stream.
pub trait WriteHalf: sealed::Sealed + Unpin {
    #[doc(hidden)]
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    #[doc(hidden)]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    #[doc(hidden)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    #[doc(hidden)]
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<T: Transport> ReadHalf for StreamReader<T> {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.read(buffer)).poll(cx)
    }

    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.fill_buf()).poll(cx)
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        StreamReader::consume(self, count);
    }
}

impl<T: Transport> WriteHalf for StreamWriter<T> {
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut write = self.awrite(data);
        let done = Pin::new(&mut write).poll(cx);
        outcome(done, write.written(), data.len())
    }

    #[inline]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut write = self.awritev(slices);
        let done = Pin::new(&mut write).poll(cx);
        let written = write.written();
        outcome(done, written, written)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unwritten().is_empty() && self.transport().try_flush().is_ok() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.drain()).poll(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write_eof()).poll(cx)
    }
}

/// What a write has come to. One that failed, or has to wait, after it was accepted in part has been accepted in part; the next one
/// meets the same obstacle.
#[inline]
fn outcome(done: Poll<io::Result<()>>, written: usize, total: usize) -> Poll<io::Result<usize>> {
    match done {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(total)),
        _ if written > 0 => Poll::Ready(Ok(written)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}

impl<T: Transport> ReadHalf for (StreamReader<T>, StreamWriter<T>) {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }

    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.0.poll_fill(cx)
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

impl<T: Transport> WriteHalf for (StreamReader<T>, StreamWriter<T>) {
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.1.poll_write(cx, data)
    }

    #[inline]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.1.poll_write_vectored(cx, slices)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.1.poll_flush(cx)
    }

    #[inline]
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.1.poll_shutdown(cx)
    }
}
