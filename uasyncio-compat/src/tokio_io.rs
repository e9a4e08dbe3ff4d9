//! Streams for the traits of tokio, and the reverse.
//!
//! [`AsTokio`] gives a reader, a writer, or both, tokio's traits, for the many crates that ask for them. [`FromTokio`] makes a
//! [`Transport`](uasyncio_streams::Transport) of what has those traits. Neither needs tokio's runtime; an object that lives on it, such as
//! `tokio::net::TcpStream`, does, wherever it is used.
//!
//! ```
//! use uasyncio_compat::tokio_io::FromTokio;
//! use uasyncio_streams::split;
//!
//! uasyncio_core::run(async {
//!     let (near, far) = tokio::io::duplex(64);
//!     let (_reader, mut writer) = split(FromTokio::new(near));
//!     let (mut reader, _writer) = split(FromTokio::new(far));
//!     writer.awritestr("hello\n").await?;
//!     assert_eq!(reader.readline().await?, b"hello\n");
//!     Ok::<_, std::io::Error>(())
//! })
//! .unwrap();
//! ```

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::adopted::{Adopted, Foreign, sealed::Sealed};
use crate::halves::{ReadHalf, WriteHalf};

/// A stream of ours with the traits of tokio.
///
/// It wraps a [`StreamReader`](uasyncio_streams::StreamReader) (`AsyncRead`, `AsyncBufRead`), a
/// [`StreamWriter`](uasyncio_streams::StreamWriter) (`AsyncWrite`), or the pair that [`split`](uasyncio_streams::split) and
/// `open_connection` give (all three). What the reader has read ahead comes first.
///
/// `poll_shutdown` ends the writing, as `write_eof` does; dropping both halves closes the connection.
#[derive(Debug)]
pub struct AsTokio<S> {
    stream: S,
}

impl<S> AsTokio<S> {
    /// Wraps a reader, a writer, or a pair of them.
    ///
    /// ```
    /// use uasyncio_compat::tokio_io::AsTokio;
    /// use uasyncio_streams::{duplex, split};
    ///
    /// let (near, _far) = duplex(64);
    /// let (reader, writer) = AsTokio::new(split(near)).into_inner();
    /// # drop((reader, writer));
    /// ```
    pub fn new(stream: S) -> AsTokio<S> {
        AsTokio { stream }
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

impl<S: ReadHalf> AsyncRead for AsTokio<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // What is not initialised yet is zeroed, once for a buffer that is used again.
        let count = ready!(self.get_mut().stream.poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: ReadHalf> AsyncBufRead for AsTokio<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().stream.poll_fill(cx)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().stream.consume(count);
    }
}

impl<S: WriteHalf> AsyncWrite for AsTokio<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.poll_write(cx, data)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_shutdown(cx)
    }
}

/// An object with tokio's traits as a transport of ours; [`Adopted`] says how it behaves.
pub type FromTokio<T> = Adopted<TokioObject<T>>;

/// The mark of [`FromTokio`] that tells [`Adopted`] which traits to use.
#[derive(Debug)]
pub struct TokioObject<T> {
    object: T,
}

impl<T: AsyncRead + AsyncWrite + Unpin> FromTokio<T> {
    /// Makes a transport of the object. One that is not `Unpin` goes into `Box::pin` first; a reader and a writer that are two objects,
    /// such as the pipes of a child process, go into `tokio::io::join`.
    pub fn new(object: T) -> FromTokio<T> {
        Adopted::adopt(TokioObject { object })
    }

    /// Gives the object back; `None` if it was closed.
    pub fn into_inner(self) -> Option<T> {
        Some(self.into_object()?.object)
    }
}

impl<T> Sealed for TokioObject<T> {}

impl<T: AsyncRead + AsyncWrite + Unpin> Foreign for TokioObject<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.object).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
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
        Pin::new(&mut self.object).poll_shutdown(cx)
    }
}
