//! Somebody else's object as a [`Transport`].
//!
//! Their traits are asked with a waker and keep it when they have to wait; ours is tried without one and waited for afterwards. So
//! an object is asked with a waker of its own, one for each direction, which outlives the attempt:
//!
//! ```text
//!   stream ── try_read ──►  Adopted  ── poll_read(waker of "read") ──►  object
//!          ◄── Blocked ───           ◄── Pending, keeps the waker ────
//!   stream ── poll_ready ─►  stores the task's waker in "read"
//!                            "read" is woken: marks the direction ready, wakes the task
//! ```
//!
//! The mark makes the order of the last two steps indifferent. An object that wakes its waker and says `Pending` at once asks to be left
//! alone until others have run, so then the task yields before the next attempt.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use uasyncio_core::SharedWaker;
use uasyncio_streams::{Direction, Transport, TryError};

pub(crate) mod sealed {
    #[allow(unreachable_pub, reason = "a public trait has it for its supertrait")]
    pub trait Sealed {}
}

/// An object of another ecosystem, in the wrapping that says which: what [`Adopted`] can make a transport of.
///
/// Sealed: the modules of this crate implement it, for `FromTokio` and its kin.
pub trait Foreign: sealed::Sealed + Unpin {
    #[doc(hidden)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    #[doc(hidden)]
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    #[doc(hidden)]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    #[doc(hidden)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    #[doc(hidden)]
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// An object with the traits of another ecosystem as a [`Transport`], so that [`split`](uasyncio_streams::split) makes a reader and
/// a writer of it.
///
/// Made by `FromTokio::new` and its like. The object's own runtime must be there, if it needs one: a `tokio::net::TcpStream` works
/// where [`guest`](crate::guest) or `tokio::run` has brought the two together.
///
/// * A write of ours completes when the object has accepted the bytes and was flushed, so an object that holds bytes back, such as a TLS
///   session or a `BufWriter`, holds none back for ever.
/// * `write_eof` is the object's shutdown (`close` in futures-io). Whether reading goes on after it is up to the object.
/// * `aclose` is the shutdown, if there was none, and then the object is dropped. `abort` only drops it.
pub struct Adopted<O> {
    /// Gone once it was closed.
    object: RefCell<Option<O>>,
    closed: Cell<bool>,
    ending: Cell<Ending>,
    /// An operation was refused because another one was going on.
    refused: Cell<bool>,
    reading: Side,
    writing: Side,
}

/// How far the object's shutdown has come. A flush that was completed is not begun again: it might have to wait again.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    Open,
    Flushed,
    ShutDown,
}

/// One direction: the waker that the object gets, and whom it wakes.
struct Side {
    waker: Waker,
    signal: Arc<Signal>,
    /// The object woke its waker before it said that it has to wait.
    yields: Cell<bool>,
}

struct Signal {
    /// Worth a try.
    ready: AtomicBool,
    waiter: SharedWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.store(true, Ordering::Release);
        self.waiter.wake();
    }
}

impl Side {
    fn new() -> Side {
        let signal = Arc::new(Signal { ready: AtomicBool::new(true), waiter: SharedWaker::new() });
        Side { waker: signal.clone().into(), signal, yields: Cell::new(false) }
    }
}

impl<O: Foreign> Adopted<O> {
    pub(crate) fn adopt(object: O) -> Adopted<O> {
        Adopted {
            object: RefCell::new(Some(object)),
            closed: Cell::new(false),
            ending: Cell::new(Ending::Open),
            refused: Cell::new(false),
            reading: Side::new(),
            writing: Side::new(),
        }
    }

    pub(crate) fn into_object(self) -> Option<O> {
        self.object.into_inner()
    }

    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.reading,
            Direction::Write => &self.writing,
        }
    }

    fn wake_both(&self) {
        self.reading.waker.wake_by_ref();
        self.writing.waker.wake_by_ref();
    }

    fn attempt<R>(
        &self,
        direction: Direction,
        operation: impl FnOnce(&mut O, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Result<R, TryError> {
        // A waker that is foreign code may have come back here in the midst of an operation: it waits for the end of that.
        let Ok(mut object) = self.object.try_borrow_mut() else {
            self.side(direction).signal.ready.store(false, Ordering::Relaxed);
            self.refused.set(true);
            return Err(TryError::Blocked(direction));
        };
        let Some(present) = &mut *object else {
            return Err(TryError::Failed(closed_error()));
        };
        let side = self.side(direction);
        // Whoever has set it did so after what he tells of: the attempt sees that.
        side.signal.ready.swap(false, Ordering::AcqRel);
        let outcome = operation(present, &mut Context::from_waker(&side.waker));
        drop(object);
        if self.closed.get() {
            self.close();
        }
        if self.refused.take() {
            self.wake_both();
        }
        match outcome {
            Poll::Ready(result) => {
                // Whoever waits without a try of his own is to try.
                side.signal.ready.store(true, Ordering::Relaxed);
                result.map_err(TryError::Failed)
            }
            Poll::Pending => {
                side.yields.set(side.signal.ready.load(Ordering::Relaxed));
                Err(TryError::Blocked(direction))
            }
        }
    }

    fn shut_down(&self) -> Result<(), TryError> {
        if self.ending.get() == Ending::Open {
            self.attempt(Direction::Write, O::poll_flush)?;
            self.ending.set(Ending::Flushed);
        }
        if self.ending.get() == Ending::Flushed {
            self.attempt(Direction::Write, O::poll_shutdown)?;
            self.ending.set(Ending::ShutDown);
        }
        Ok(())
    }

    fn has_more_to_flush(&self) {
        if self.ending.get() == Ending::Flushed {
            self.ending.set(Ending::Open);
        }
    }
}

fn closed_error() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the stream was closed by `aclose`")
}

impl<O: Foreign> Transport for Adopted<O> {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        self.attempt(Direction::Read, |object, cx| object.poll_read(cx, buffer))
    }

    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        self.has_more_to_flush();
        self.attempt(Direction::Write, |object, cx| object.poll_write(cx, data))
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Result<usize, TryError> {
        self.has_more_to_flush();
        self.attempt(Direction::Write, |object, cx| object.poll_write_vectored(cx, slices))
    }

    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let Side { signal, yields, .. } = self.side(direction);
        if yields.take() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // First whom to wake, then the look.
        signal.waiter.register(cx.waker());
        if signal.ready.load(Ordering::Acquire) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn try_flush(&self) -> Result<(), TryError> {
        if self.ending.get() == Ending::ShutDown {
            return Ok(());
        }
        self.attempt(Direction::Write, O::poll_flush)
    }

    fn close_write(&self) -> Result<(), TryError> {
        self.shut_down()
    }

    fn try_finish(&self) -> Result<(), TryError> {
        match self.shut_down() {
            // There is nobody to say farewell to.
            Err(TryError::Failed(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    fn close(&self) {
        self.closed.set(true);
        // In the midst of an operation of the object, that operation ends with this.
        let object = self.object.try_borrow_mut().ok().and_then(|mut object| object.take());
        // Dropped while nothing is borrowed: that may run anything.
        drop(object);
        self.wake_both();
    }
}

impl<O> fmt::Debug for Adopted<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adopted").field("closed", &self.closed.get()).finish_non_exhaustive()
    }
}
