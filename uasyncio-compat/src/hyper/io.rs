//! Streams as hyper's `Read` and `Write`, and the reverse.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use crate::adopted::{Adopted, Foreign, sealed::Sealed};
use crate::halves::{ReadHalf, WriteHalf};

/// A stream of ours for hyper: its `Read` and `Write`.
///
/// It wraps the pair that [`split`](uasyncio_streams::split), `open_connection` and the handler of a server have: TCP, TLS, a Unix
/// socket, [`duplex`](uasyncio_streams::duplex). Bytes come through the reader's buffer, which is there only while there are some.
///
/// `poll_shutdown` ends the writing, as `write_eof` does; dropping it closes the connection.
#[derive(Debug)]
pub struct HyperIo<S> {
    stream: S,
}

impl<S> HyperIo<S> {
    /// Wraps a pair of a reader and a writer.
    ///
    /// ```
    /// use uasyncio_compat::hyper::HyperIo;
    /// use uasyncio_streams::{duplex, split};
    ///
    /// let (near, _far) = duplex(64);
    /// let connection = HyperIo::new(split(near));
    /// let (reader, writer) = connection.into_inner();
    /// # drop((reader, writer));
    /// ```
    pub fn new(stream: S) -> HyperIo<S> {
        HyperIo { stream }
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// What was wrapped, to be used for itself meanwhile.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Unwraps it: after an upgrade, `downcast` gives this back.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: ReadHalf> Read for HyperIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        // There is no safe way to say how much of hyper's buffer was filled but to copy into it.
        let stream = &mut self.get_mut().stream;
        let bytes = ready!(stream.poll_fill(cx))?;
        let count = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..count]);
        stream.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: WriteHalf> Write for HyperIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.poll_write(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.get_mut().stream.poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_shutdown(cx)
    }
}

/// A connection of hyper's, such as `hyper::upgrade::Upgraded`, as a transport of ours; [`Adopted`] says how it behaves.
///
/// ```no_run
/// use uasyncio_compat::hyper::FromHyper;
/// use uasyncio_streams::split;
///
/// # async fn upgrade(response: hyper::Response<hyper::body::Incoming>) -> Result<(), Box<dyn std::error::Error>> {
/// let upgraded = hyper::upgrade::on(response).await?;
/// let (mut reader, mut writer) = split(FromHyper::new(upgraded));
/// writer.awritestr("no HTTP any more\n").await?;
/// assert_eq!(reader.readline().await?, b"so be it\n");
/// # Ok(()) }
/// ```
pub type FromHyper<T> = Adopted<HyperObject<T>>;

/// The mark of [`FromHyper`] that tells [`Adopted`] which traits to use.
#[derive(Debug)]
pub struct HyperObject<T> {
    object: T,
}

impl<T: Read + Write + Unpin> FromHyper<T> {
    /// Makes a transport of the object.
    pub fn new(object: T) -> FromHyper<T> {
        Adopted::adopt(HyperObject { object })
    }

    /// Gives the object back; `None` if it was closed.
    pub fn into_inner(self) -> Option<T> {
        Some(self.into_object()?.object)
    }
}

impl<T> Sealed for HyperObject<T> {}

impl<T: Read + Write + Unpin> Foreign for HyperObject<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.object).poll_read(cx, buffer.unfilled()))?;
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
