//! Connections for hyper where it wants them to be `Send`.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::rt::{Read, ReadBufCursor, Write};

use super::kept::Kept;

/// A connection that hyper may take for `Send`, as it asks for before an upgrade (`with_upgrades`), and that is tied to its thread.
///
/// The connection itself never leaves the thread: what is sent is a ticket. Dropped on another thread, it is closed when its own
/// next makes a `TiedIo` or starts a sleep of [`LoopTimer`](super::LoopTimer).
///
/// # Panics
///
/// When it is read or written on another thread than the one that made it.
///
/// ```
/// use uasyncio_compat::hyper::{HyperIo, TiedIo};
/// use uasyncio_streams::{duplex, split};
///
/// fn is_send(_: &impl Send) {}
///
/// let (near, _far) = duplex(64);
/// let connection = TiedIo::new(HyperIo::new(split(near)));
/// is_send(&connection);
/// let connection: HyperIo<_> = connection.into_inner();
/// # drop(connection);
/// ```
pub struct TiedIo<I: 'static> {
    io: Kept<I>,
    vectored: bool,
}

impl<I: Read + Write + Unpin + 'static> TiedIo<I> {
    /// Ties a connection to this thread.
    pub fn new(io: I) -> TiedIo<I> {
        TiedIo { vectored: io.is_write_vectored(), io: Kept::new(io) }
    }

    /// Gives the connection back, after an upgrade for example, when `downcast` has given this.
    ///
    /// # Panics
    ///
    /// On another thread than the one that made it.
    pub fn into_inner(self) -> I {
        match self.io.into_inner() {
            Some(io) => io,
            None => elsewhere(),
        }
    }

    fn with<R>(&self, use_it: impl FnOnce(Pin<&mut I>) -> R) -> R {
        match self.io.with(|io| use_it(Pin::new(io))) {
            Some(result) => result,
            None => elsewhere(),
        }
    }
}

#[cold]
fn elsewhere() -> ! {
    panic!("a TiedIo belongs to the thread that made it, and this is another one")
}

impl<I: Read + Write + Unpin + 'static> Read for TiedIo<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_read(cx, buffer))
    }
}

impl<I: Read + Write + Unpin + 'static> Write for TiedIo<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write(cx, data))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write_vectored(cx, slices))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_shutdown(cx))
    }
}

impl<I> fmt::Debug for TiedIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TiedIo").finish_non_exhaustive()
    }
}
