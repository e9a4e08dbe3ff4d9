//! Streams for the traits of futures-io, and the reverse.
//!
//! [`AsFutures`] gives a reader, a writer, or both, the traits that `futures`, `smol`, `async-std` and many protocol crates ask for.
//! [`FromFutures`] makes a [`Transport`](uasyncio_streams::Transport) of what has those traits.
//!
//! ```
//! use uasyncio_compat::futures_io::{AsFutures, FromFutures};
//! use uasyncio_streams::{duplex, split};
//!
//! uasyncio_core::run(async {
//!     let (near, far) = duplex(64);
//!     // There and back again: a stream over the traits over a stream.
//!     let (mut reader, _writer) = split(FromFutures::new(AsFutures::new(split(near))));
//!     split(far).1.awritestr("hello\n").await?;
//!     assert_eq!(reader.readline().await?, b"hello\n");
//!     Ok::<_, std::io::Error>(())
//! })
//! .unwrap();
//! ```

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::adopted::{Adopted, Foreign, sealed::Sealed};
use crate::halves::{ReadHalf, WriteHalf};

/// A stream of ours with the traits of futures-io.
///
/// It wraps a [`StreamReader`](uasyncio_streams::StreamReader) (`AsyncRead`, `AsyncBufRead`), a
/// [`StreamWriter`](uasyncio_streams::StreamWriter) (`AsyncWrite`), or the pair that [`split`](uasyncio_streams::split) and
/// `open_connection` give (all three). What the reader has read ahead comes first.
///
/// `poll_close` ends the writing, as `write_eof` does; dropping both halves closes the connection.
#[derive(Debug)]
pub struct AsFutures<S> {
    stream: S,
}

impl<S> AsFutures<S> {
    /// Wraps a reader, a writer, or a pair of them.
    ///
    /// ```
    /// use uasyncio_compat::futures_io::AsFutures;
    /// use uasyncio_streams::{duplex, split};
    ///
    /// let (near, _far) = duplex(64);
    /// let (reader, writer) = AsFutures::new(split(near)).into_inner();
    /// # drop((reader, writer));
    /// ```
    pub fn new(stream: S) -> AsFutures<S> {
        AsFutures { stream }
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// What was wrapped, to be used for itself meanwhile.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Unwraps it.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: ReadHalf> AsyncRead for AsFutures<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.poll_read(cx, buffer)
    }
}

impl<S: ReadHalf> AsyncBufRead for AsFutures<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().stream.poll_fill(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().stream.consume(count);
    }
}

impl<S: WriteHalf> AsyncWrite for AsFutures<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.poll_write(cx, data)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_shutdown(cx)
    }
}

/// An object with the traits of futures-io as a transport of ours; [`Adopted`] says how it behaves.
pub type FromFutures<T> = Adopted<FuturesObject<T>>;

/// The mark of [`FromFutures`] that tells [`Adopted`] which traits to use.
#[derive(Debug)]
pub struct FuturesObject<T> {
    object: T,
}

impl<T: AsyncRead + AsyncWrite + Unpin> FromFutures<T> {
    /// Makes a transport of the object. One that is not `Unpin` goes into `Box::pin` first.
    pub fn new(object: T) -> FromFutures<T> {
        Adopted::adopt(FuturesObject { object })
    }

    /// Gives the object back; `None` if it was closed.
    pub fn into_inner(self) -> Option<T> {
        Some(self.into_object()?.object)
    }
}

impl<T> Sealed for FuturesObject<T> {}

impl<T: AsyncRead + AsyncWrite + Unpin> Foreign for FuturesObject<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.object).poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.object).poll_write(cx, data)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.object).poll_write_vectored(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.object).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.object).poll_close(cx)
    }
}
