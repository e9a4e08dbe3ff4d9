//! What a stream needs from the thing that carries its bytes.
//!
//! A transport is asked first and waited for second: a stream tries the operation, and only when the answer is
//! [`TryError::Blocked`] does it wait, in the direction that the answer names. The direction need not be the
//! obvious one. A TLS session that renegotiates must *read* before it can write; it answers a write with
//! `Blocked(Direction::Read)`, and the stream waits for that.
//!
//! ```text
//!            try_read / try_write
//!   stream ───────────────────────► transport      Ok(count)            done, or tried again for the rest
//!          ◄───────────────────────                Blocked(direction)   poll_ready(direction), then tried again
//!                                                  Failed(error)        given to the caller
//! ```
//!
//! All methods take `&self`, because the two halves of a stream share one transport through an `Rc` or a reference.

use core::fmt;
use core::task::{Context, Poll, ready};

use uasyncio_core::{budget, trace};

use crate::io::{self, IoSlice};

/// The direction in which a transport is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Until the transport has bytes to read, has ended, or has failed.
    Read,
    /// Until the transport has room for bytes to write, or has failed.
    Write,
}

/// Why an attempt at a transport moved no byte.
#[derive(Debug)]
pub enum TryError {
    /// Not now: try again when the transport is ready in this direction.
    Blocked(Direction),
    /// The transport failed.
    Failed(io::Error),
}

impl fmt::Display for TryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryError::Blocked(Direction::Read) => f.write_str("would block until the transport is readable"),
            TryError::Blocked(Direction::Write) => f.write_str("would block until the transport is writable"),
            TryError::Failed(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TryError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            TryError::Blocked(_) => None,
            TryError::Failed(error) => error.source(),
        }
    }
}

impl From<io::Error> for TryError {
    fn from(error: io::Error) -> Self {
        TryError::Failed(error)
    }
}

/// A two-way carrier of bytes that never blocks: a TCP socket, one end of a [`duplex`](crate::duplex()) pipe, a UART, a
/// TLS session over another transport.
///
/// [`split`](crate::split) makes a reader and a writer of it. Dropping a transport closes it, so a connection ends
/// when both of its halves are gone.
///
/// A wrapper that counts what is written:
///
/// ```
/// use std::cell::Cell;
/// use std::io;
/// use std::task::{Context, Poll};
/// use uasyncio_streams::{Direction, Transport, TryError, duplex, split};
///
/// struct Counted<T> {
///     inner: T,
///     writes: Cell<usize>,
/// }
///
/// impl<T: Transport> Transport for Counted<T> {
///     fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
///         self.inner.try_read(buffer)
///     }
///     fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
///         self.writes.set(self.writes.get() + 1);
///         self.inner.try_write(data)
///     }
///     fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
///         self.inner.poll_ready(cx, direction)
///     }
///     fn close_write(&self) -> Result<(), TryError> {
///         self.inner.close_write()
///     }
///     fn close(&self) {
///         self.inner.close();
///     }
/// }
///
/// uasyncio_core::run(async {
///     let (near, _far) = duplex(64);
///     let (_reader, mut writer) = split(Counted { inner: near, writes: Cell::new(0) });
///     writer.awritestr("hello").await?;
///     assert_eq!(writer.transport().writes.get(), 1);
///     Ok::<_, io::Error>(())
/// })?;
/// # Ok::<_, io::Error>(())
/// ```
///
/// A UART whose interrupts move the bytes, as a `static` of a program without a heap. What is particular to a microcontroller is
/// left out:
///
/// ```
/// use core::task::{Context, Poll};
/// use uasyncio_core::{SharedRing, SharedWaker};
/// use uasyncio_streams::{Direction, Transport, TryError, io, split_with};
///
/// struct Uart {
///     received: SharedRing<u8, 64>,
///     readable: SharedWaker,
///     to_send: SharedRing<u8, 64>,
///     writable: SharedWaker,
/// }
///
/// static UART: Uart = Uart {
///     received: SharedRing::new(),
///     readable: SharedWaker::new(),
///     to_send: SharedRing::new(),
///     writable: SharedWaker::new(),
/// };
///
/// impl Uart {
///     /// The interrupt when a byte has come.
///     fn on_received(&self, byte: u8) {
///         // When nobody reads, the byte is lost.
///         let _ = self.received.push(byte);
///         self.readable.wake();
///     }
///
///     /// The interrupt when a byte may be sent: that byte, or `None` to switch this interrupt off.
///     fn on_sendable(&self) -> Option<u8> {
///         let byte = self.to_send.pop();
///         self.writable.wake();
///         byte
///     }
/// }
///
/// impl Transport for Uart {
///     fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
///         let mut count = 0;
///         for (place, byte) in buffer.iter_mut().zip(core::iter::from_fn(|| self.received.pop())) {
///             *place = byte;
///             count += 1;
///         }
///         // A UART has no end of the stream, which 0 would be.
///         if count == 0 { Err(TryError::Blocked(Direction::Read)) } else { Ok(count) }
///     }
///
///     fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
///         let count = data.iter().take_while(|byte| self.to_send.push(**byte).is_ok()).count();
///         // Here the interrupt for sending is switched on.
///         if count == 0 { Err(TryError::Blocked(Direction::Write)) } else { Ok(count) }
///     }
///
///     fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
///         // The waker first, then the look: an interrupt that comes in between is not missed.
///         let ready = match direction {
///             Direction::Read => {
///                 self.readable.register(cx.waker());
///                 !self.received.is_empty()
///             }
///             Direction::Write => {
///                 self.writable.register(cx.waker());
///                 self.to_send.len() < self.to_send.capacity()
///             }
///         };
///         if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
///     }
///
///     fn close_write(&self) -> Result<(), TryError> {
///         Ok(())
///     }
///
///     fn close(&self) {}
/// }
///
/// uasyncio_core::run(async {
///     let mut line = [0; 80];
///     let (mut reader, mut writer) = split_with(&UART, &mut line);
///     // The other side of the line.
///     std::thread::spawn(|| b"led on\n".iter().for_each(|byte| UART.on_received(*byte)));
///
///     assert_eq!(reader.readline().await?, b"led on\n");
///     writer.awritestr("ok\n").await?;
///     assert_eq!(UART.on_sendable(), Some(b'o'));
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })
/// .unwrap();
/// ```
pub trait Transport {
    /// Reads up to `buffer.len()` bytes. `Ok(0)` for a non-empty buffer means that the peer will send no more.
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError>;

    /// Writes up to `data.len()` bytes and says how many were accepted. `Ok(0)` for non-empty data is taken as a
    /// failure, [`io::ErrorKind::WriteZero`].
    fn try_write(&self, data: &[u8]) -> Result<usize, TryError>;

    /// Writes from several slices in order, as one operation where the transport can do that, and says how many
    /// bytes were accepted in all.
    ///
    /// Unless it is overridden, this writes from the first slice that is not empty.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Result<usize, TryError> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => self.try_write(slice),
            None => Ok(0),
        }
    }

    /// Reads up to `buffer.len()` bytes, and waits as often as [`try_read`](Transport::try_read) says. Overridden where that
    /// is cheaper in one; [`budget::poll_proceed`](uasyncio_core::budget::poll_proceed) comes before each attempt then, too.
    #[inline]
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_attempt(self, cx, READING, |transport| transport.try_read(buffer))
    }

    /// Waits, as [`poll_ready`](Transport::poll_ready) does, if an attempt in this direction would surely be answered with
    /// `Blocked(direction)`. The reader asks before it takes a buffer. Completes at once unless it is overridden: a transport
    /// that has to be tried before it knows, such as TLS, is tried.
    #[inline]
    fn poll_unblocked(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let _ = (cx, direction);
        Poll::Ready(Ok(()))
    }

    /// Completes when an attempt in this direction is worth making; it may complete too early, never too late.
    ///
    /// There is one waker for each direction, and the newest call replaces it. The reader waits in the direction
    /// [`Read`](Direction::Read) and the writer in [`Write`](Direction::Write), so the two may live in two tasks.
    /// A transport that answers with the opposite direction keeps a waker for each half itself and wakes both.
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>>;

    /// Passes on what [`try_write`](Transport::try_write) accepted and the transport still holds. A write completes after this.
    ///
    /// Unless it is overridden, there is nothing to pass on: what was accepted is on its way.
    #[inline]
    fn try_flush(&self) -> Result<(), TryError> {
        Ok(())
    }

    /// Tells the peer that no more bytes will come; reading goes on. Does nothing the second time.
    fn close_write(&self) -> Result<(), TryError>;

    /// Passes on what is held, as [`try_flush`](Transport::try_flush) does, and the farewell of the protocol if it has one, such as
    /// the `close_notify` of TLS. [`StreamWriter::aclose`](crate::StreamWriter::aclose) does this before [`close`](Transport::close).
    ///
    /// Succeeds when there is nobody to say farewell to, and after `close`. Does nothing unless it is overridden.
    #[inline]
    fn try_finish(&self) -> Result<(), TryError> {
        Ok(())
    }

    /// Throws away up to `most` bytes that have come and were not read, without waiting. A protocol whose last bytes nobody reads, such as
    /// TLS, does this before it closes: TCP answers unread bytes with a reset.
    ///
    /// Unless it is overridden, this tries to read. Overridden where a try may be answered without looking.
    fn discard(&self, most: usize) {
        let (mut room, mut discarded) = ([0; 1024], 0);
        while let Ok(count @ 1..) = self.try_read(&mut room) {
            discarded += count;
            if discarded >= most {
                break;
            }
        }
    }

    /// Closes both directions at once and releases what the transport holds. Does nothing the second time.
    ///
    /// Whoever waits in [`poll_ready`](Transport::poll_ready) is woken, and every later attempt fails with
    /// [`io::ErrorKind::NotConnected`].
    fn close(&self);

    /// Closes both directions and tells the peer, where the transport has a way to, that this is no proper end. What is on its
    /// way may be lost. The same as [`close`](Transport::close) unless it is overridden.
    fn abort(&self) {
        self.close();
    }
}

impl<T: Transport + ?Sized> Transport for &T {
    #[inline]
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        (**self).try_read(buffer)
    }

    #[inline]
    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        (**self).try_write(data)
    }

    #[inline]
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Result<usize, TryError> {
        (**self).try_write_vectored(slices)
    }

    #[inline]
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, buffer)
    }

    #[inline]
    fn poll_unblocked(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        (**self).poll_unblocked(cx, direction)
    }

    #[inline]
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        (**self).poll_ready(cx, direction)
    }

    #[inline]
    fn try_flush(&self) -> Result<(), TryError> {
        (**self).try_flush()
    }

    #[inline]
    fn close_write(&self) -> Result<(), TryError> {
        (**self).close_write()
    }

    #[inline]
    fn try_finish(&self) -> Result<(), TryError> {
        (**self).try_finish()
    }

    #[inline]
    fn discard(&self, most: usize) {
        (**self).discard(most);
    }

    #[inline]
    fn close(&self) {
        (**self).close();
    }

    #[inline]
    fn abort(&self) {
        (**self).abort();
    }
}

/// What a task that reads waits for.
pub(crate) const READING: &str = "bytes to read from a stream";

/// What a task that writes waits for.
pub(crate) const WRITING: &str = "room to write to a stream";

/// Repeats an attempt until it succeeds or fails, and waits in between as the transport says. `reason` is what `tasks()` shows.
pub(crate) fn poll_attempt<T: Transport + ?Sized, R>(
    transport: &T,
    cx: &mut Context<'_>,
    reason: &'static str,
    mut attempt: impl FnMut(&T) -> Result<R, TryError>,
) -> Poll<io::Result<R>> {
    // Each attempt counts, so that a transport that is always ready starves nobody.
    ready!(budget::poll_proceed(cx));
    let first = attempt(transport);
    poll_further(first, transport, cx, reason, attempt)
}

/// [`poll_attempt`] after the first attempt, for operations that have that in line.
#[inline(always)]
pub(crate) fn poll_further<T: Transport + ?Sized, R>(
    first: Result<R, TryError>,
    transport: &T,
    cx: &mut Context<'_>,
    reason: &'static str,
    attempt: impl FnMut(&T) -> Result<R, TryError>,
) -> Poll<io::Result<R>> {
    match first {
        Ok(done) => Poll::Ready(Ok(done)),
        Err(TryError::Failed(error)) => Poll::Ready(Err(error)),
        Err(TryError::Blocked(direction)) => poll_blocked(transport, cx, reason, direction, attempt),
    }
}

/// Goes on after an attempt that was blocked. Out of line: a transport that knows that it would be is not even tried.
#[inline(never)]
fn poll_blocked<T: Transport + ?Sized, R>(
    transport: &T,
    cx: &mut Context<'_>,
    reason: &'static str,
    mut direction: Direction,
    mut attempt: impl FnMut(&T) -> Result<R, TryError>,
) -> Poll<io::Result<R>> {
    loop {
        budget::refund();
        ready!(wait_for(reason, transport.poll_ready(cx, direction)))?;
        ready!(budget::poll_proceed(cx));
        match attempt(transport) {
            Ok(done) => return Poll::Ready(Ok(done)),
            Err(TryError::Failed(error)) => return Poll::Ready(Err(error)),
            Err(TryError::Blocked(next)) => direction = next,
        }
    }
}

/// Tells `tasks()` the reason, if it is a wait.
#[inline]
pub(crate) fn wait_for(reason: &'static str, ready: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    if ready.is_pending() {
        trace::waiting(reason);
    }
    ready
}

/// The error of every attempt after [`Transport::close`].
pub(crate) fn closed_error() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the stream was closed by `aclose`; open a new connection")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_two_registers() {
        assert_eq!(size_of::<Result<usize, TryError>>(), 2 * size_of::<usize>());
    }
}
