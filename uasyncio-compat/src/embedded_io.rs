//! Streams for the traits of embedded-io-async, and the reverse.
//!
//! [`AsEmbedded`] gives a reader, a writer, or both, the traits that drivers and protocol crates for microcontrollers ask for, so that they
//! run on a desk, too. [`FromEmbedded`] makes a [`Transport`](uasyncio_streams::Transport) of a driver. (This crate needs `std`. On a
//! microcontroller itself, a transport over a UART is a few lines; see the firmware examples.)
//!
//! ```
//! use embedded_io_async::{Read, Write};
//! use uasyncio_compat::embedded_io::{AsEmbedded, FromEmbedded};
//! use uasyncio_streams::{duplex, split};
//!
//! uasyncio_core::run(async {
//!     let (near, far) = duplex(64);
//!     let (reader, writer) = split(near);
//!     // A stream over the two halves of a driver; here they are a stream themselves.
//!     let (mut reader, mut writer) = split(FromEmbedded::new(AsEmbedded::new(reader), AsEmbedded::new(writer)));
//!     let mut far = AsEmbedded::new(split(far));
//!     far.write_all(b"hello\n").await?;
//!     assert_eq!(reader.readline().await?, b"hello\n");
//!     writer.awritestr("hi").await?;
//!     let mut answer = [0; 2];
//!     far.read_exact(&mut answer).await?;
//!     assert_eq!(&answer, b"hi");
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })
//! .unwrap();
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::embedded_io_async::{BufRead, Error, ErrorType, Read, Write};

use crate::adopted::{Adopted, Foreign, sealed::Sealed};
use crate::halves::{ReadHalf, WriteHalf};

/// A stream of ours with the traits of embedded-io-async; its error is [`io::Error`].
///
/// It wraps a [`StreamReader`](uasyncio_streams::StreamReader) (`Read`, `BufRead`), a [`StreamWriter`](uasyncio_streams::StreamWriter)
/// (`Write`), or the pair that [`split`](uasyncio_streams::split) and `open_connection` give (all three).
///
/// # Cancel safety
///
/// A dropped read has taken nothing, a dropped write has written nothing.
#[derive(Debug)]
pub struct AsEmbedded<S> {
    stream: S,
}

impl<S> AsEmbedded<S> {
    /// Wraps a reader, a writer, or a pair of them.
    pub fn new(stream: S) -> AsEmbedded<S> {
        AsEmbedded { stream }
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

impl<S> ErrorType for AsEmbedded<S> {
    type Error = io::Error;
}

impl<S: ReadHalf> Read for AsEmbedded<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.stream.poll_read(cx, buffer)).await
    }
}

impl<S: ReadHalf> BufRead for AsEmbedded<S> {
    async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // What is there stays there, so the second call gives the same without waiting.
        poll_fn(|cx| self.stream.poll_fill(cx).map_ok(|_| ())).await?;
        let mut stream = Some(&mut self.stream);
        poll_fn(move |cx| match stream.take() {
            Some(stream) => stream.poll_fill(cx),
            None => Poll::Pending,
        })
        .await
    }

    fn consume(&mut self, count: usize) {
        self.stream.consume(count);
    }
}

impl<S: WriteHalf> Write for AsEmbedded<S> {
    async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.stream.poll_write(cx, data)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.stream.poll_flush(cx)).await
    }
}

/// How many bytes go to a driver, or come from it, at a time.
const ROOM: usize = 512;

/// A driver with the traits of embedded-io-async as a transport of ours; [`Adopted`] says how it behaves.
///
/// A read of a driver may lose bytes when it is dropped, so none is: it goes on when the stream's read is dropped, and what it
/// gives is kept for the next one. Drivers have no way to end one direction: `write_eof` waits until everything is flushed, and ends
/// the writing on this side.
pub type FromEmbedded<R, W> = Adopted<EmbeddedObject<R, W>>;

/// The mark of [`FromEmbedded`] that tells [`Adopted`] which traits to use.
pub struct EmbeddedObject<R, W> {
    reading: Half<R, usize>,
    /// What was read and lies in the room.
    unread: Range<usize>,
    writing: Half<W, ()>,
    ended: bool,
}

/// A half of a driver, and room for bytes. Both are lent to the operation while there is one.
struct Half<D, T> {
    idle: Option<(D, Vec<u8>)>,
    operation: Option<Operation<D, T>>,
}

type Operation<D, T> = Pin<Box<dyn Future<Output = ((D, Vec<u8>), io::Result<T>)>>>;

impl<D, T> Half<D, T> {
    fn new(driver: D) -> Half<D, T> {
        Half { idle: Some((driver, Vec::with_capacity(ROOM))), operation: None }
    }

    /// Goes on with the operation, if there is one. `None`: there was none.
    fn poll_operation(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<T>>> {
        let Some(operation) = &mut self.operation else { return Poll::Ready(None) };
        let (idle, result) = ready!(operation.as_mut().poll(cx));
        self.operation = None;
        self.idle = Some(idle);
        Poll::Ready(Some(result))
    }

    fn room(&self) -> &[u8] {
        self.idle.as_ref().map_or(&[], |(_, room)| room)
    }
}

fn error_of<E: Error>(error: E) -> io::Error {
    io::Error::new(error.kind().into(), error.to_string())
}

impl<R: Read + 'static, W: Write + 'static> FromEmbedded<R, W> {
    /// Makes a transport of the two halves of a driver.
    pub fn new(reader: R, writer: W) -> FromEmbedded<R, W> {
        Adopted::adopt(EmbeddedObject { reading: Half::new(reader), unread: 0..0, writing: Half::new(writer), ended: false })
    }

    /// Gives the two halves back; `None` if it was closed, and while a read or a write of the driver is going on.
    pub fn into_inner(self) -> Option<(R, W)> {
        let EmbeddedObject { reading, writing, .. } = self.into_object()?;
        Some((reading.idle?.0, writing.idle?.0))
    }
}

impl<R, W> Sealed for EmbeddedObject<R, W> {}

// Nothing is pinned but what is in a box.
impl<R, W> Unpin for EmbeddedObject<R, W> {}

impl<R: Read + 'static, W: Write + 'static> Foreign for EmbeddedObject<R, W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.unread.is_empty() && !buffer.is_empty() {
            if let Some((mut driver, mut room)) = self.reading.idle.take() {
                room.resize(ROOM, 0);
                self.reading.operation = Some(Box::pin(async move {
                    let result = driver.read(&mut room).await.map_err(error_of);
                    ((driver, room), result)
                }));
            }
            if let Some(result) = ready!(self.reading.poll_operation(cx)) {
                self.unread = 0..result?;
            }
        }
        let count = buffer.len().min(self.unread.len());
        buffer[..count].copy_from_slice(&self.reading.room()[self.unread.start..self.unread.start + count]);
        self.unread.start += count;
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        // One piece at a time: the one before has to be out.
        ready!(self.poll_flush(cx))?;
        if self.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = data.len().min(ROOM);
        if let Some((mut driver, mut room)) = self.writing.idle.take() {
            room.clear();
            room.extend_from_slice(&data[..count]);
            self.writing.operation = Some(Box::pin(async move {
                let mut result = driver.write_all(&room).await;
                if result.is_ok() {
                    result = driver.flush().await;
                }
                ((driver, room), result.map_err(error_of))
            }));
        }
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The flush that follows each write waits for it.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => self.poll_write(cx, slice),
            None => Poll::Ready(Ok(0)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(ready!(self.writing.poll_operation(cx)).unwrap_or(Ok(())))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.ended = true;
        Poll::Ready(Ok(()))
    }
}

impl<R, W> fmt::Debug for EmbeddedObject<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedObject").field("unread", &self.unread.len()).finish_non_exhaustive()
    }
}
