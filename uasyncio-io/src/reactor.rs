//! The reactor: a platform that waits for descriptors.
//!
//! It belongs to the loop that owns it. There is no thread behind it and no global: a thread-local variable knows which
//! reactor's loop is running now (`current.rs`), and that is all.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use uasyncio_core::{Platform, Ticks};

use crate::Interest;
use crate::callbacks::Callback;
use crate::current;
use crate::offload::{Limits, Offload};
use crate::source::Sources;
use crate::sys::{Poller, SourceNumber, SystemPoller};

/// Waits for sockets and descriptors: the platform of an event loop that does I/O.
///
/// [`run`](crate::run) makes one and drops it at the end. Make it yourself to keep a loop, to drive it from another
/// loop, or to look at its [`stats`](Reactor::stats). A `Reactor` is a handle: clones are the same reactor. It holds an
/// epoll instance and an eventfd (elsewhere a kqueue, a completion port ...) and 2 KB of memory (elsewhere 4 KB).
///
/// It is asyncio's *selector event loop* without the loop, and `PollEventLoop`'s poller.
///
/// ```
/// use uasyncio_core::EventLoop;
/// use uasyncio_io::Reactor;
///
/// let event_loop = EventLoop::with_platform(Reactor::new()?);
/// let sum = event_loop.run_until_complete(async { 40 + 2 });
/// assert_eq!(sum.ok(), Some(42));
/// assert_eq!(event_loop.platform().stats().registrations, 0);
/// # std::io::Result::Ok(())
/// ```
///
/// # In another event loop
///
/// [`EventLoop::turn`](uasyncio_core::EventLoop::turn) runs one pass without blocking. On Unix the reactor is one
/// descriptor (`AsFd`) that becomes readable when there is something to do: put it into the `poll` or `epoll` of the
/// host, wait at most as long as `turn` said, and call `turn` again.
#[derive(Clone)]
pub struct Reactor {
    pub(crate) inner: Rc<Inner>,
}

/// What all handles of a reactor share.
pub(crate) struct Inner {
    pub(crate) poller: SystemPoller,
    pub(crate) sources: Sources,
    pub(crate) callbacks: RefCell<HashMap<(SourceNumber, Interest), Rc<Callback>>>,
    pub(crate) offload: OnceCell<Offload>,
    pub(crate) offload_limits: Cell<Limits>,
    /// Wakers that are parked in sources.
    pub(crate) parked: Cell<usize>,
    pub(crate) registrations: Cell<u64>,
    events: RefCell<<SystemPoller as Poller>::Events>,
    waits: Cell<u64>,
    reported: Cell<u64>,
    stale: Cell<u64>,
    start: Instant,
    start_ticks: Ticks,
}

impl Reactor {
    /// Opens a reactor whose clock starts at 0.
    ///
    /// # Errors
    ///
    /// What the operating system says, most likely that the process has no free descriptors.
    ///
    /// ```
    /// let reactor = uasyncio_io::Reactor::new()?;
    /// assert_eq!(reactor.stats().waits, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> io::Result<Reactor> {
        Reactor::starting_at(Ticks::from_millis(0))
    }

    /// Opens a reactor whose clock starts at `ticks`: for tests of what happens when the clock wraps.
    ///
    /// # Errors
    ///
    /// As [`Reactor::new`].
    ///
    /// ```
    /// use uasyncio_core::{Platform, Ticks};
    ///
    /// let reactor = uasyncio_io::Reactor::starting_at(Ticks::from_millis(u32::MAX))?;
    /// assert!(reactor.now().diff(Ticks::from_millis(u32::MAX)) >= 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn starting_at(ticks: Ticks) -> io::Result<Reactor> {
        Ok(Reactor {
            inner: Rc::new(Inner {
                poller: SystemPoller::new()?,
                sources: Sources::new(),
                callbacks: RefCell::new(HashMap::new()),
                offload: OnceCell::new(),
                offload_limits: Cell::new(Limits::default()),
                parked: Cell::new(0),
                registrations: Cell::new(0),
                events: RefCell::new(SystemPoller::events()),
                waits: Cell::new(0),
                reported: Cell::new(0),
                stale: Cell::new(0),
                start: Instant::now(),
                start_ticks: ticks,
            }),
        })
    }

    /// The reactor of the loop that is running now on this thread.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] outside a loop, and on a loop whose platform is no reactor (`uasyncio_core::run`).
    ///
    /// ```
    /// use uasyncio_io::Reactor;
    ///
    /// assert!(Reactor::current().is_err());
    /// uasyncio_io::run(async { assert!(Reactor::current().is_ok()) });
    /// ```
    pub fn current() -> io::Result<Reactor> {
        match current::get() {
            Some(inner) => Ok(Reactor { inner }),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "no reactor: the running event loop does no I/O, or none is running; use uasyncio_io::run",
            )),
        }
    }

    /// Sets the size of the pool behind [`to_thread`](crate::to_thread), before its first call: at most `threads`
    /// threads (default 4), `queue` calls that wait for one (default 64), and how long a thread stays without work
    /// (default 5 s). A figure of 0 counts as 1. No effect once the pool has started.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let reactor = uasyncio_io::Reactor::new()?;
    /// reactor.set_thread_limits(1, 16, Duration::from_millis(100));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_thread_limits(&self, threads: usize, queue: usize, idle: Duration) {
        self.inner.offload_limits.set(Limits { threads: threads.max(1), queue: queue.max(1), idle });
    }

    /// What the reactor has done so far. For tests and curiosity.
    ///
    /// ```
    /// uasyncio_io::run(async {
    ///     let stats = uasyncio_io::Reactor::current()?.stats();
    ///     assert_eq!(stats.events, 0);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let inner = &*self.inner;
        Stats {
            waits: inner.waits.get(),
            events: inner.reported.get(),
            stale_events: inner.stale.get(),
            registrations: inner.registrations.get(),
            parked: inner.parked.get(),
        }
    }
}

impl Inner {
    /// Hands out the events of one wait. Says whether there were any.
    fn dispatch(&self, events: &mut <SystemPoller as Poller>::Events) -> bool {
        let before = self.reported.get();
        while let Some(event) = SystemPoller::next_event(events) {
            self.reported.set(self.reported.get() + 1);
            let Some((reader, writer)) = self.sources.notice(event) else {
                self.stale.set(self.stale.get() + 1);
                continue;
            };
            if let Some(waker) = reader {
                self.wake(waker);
            }
            if let Some(waker) = writer {
                self.wake(waker);
            }
        }
        self.reported.get() != before
    }

    /// Wakes a waker that was parked. It may be foreign code, so nothing may be borrowed that it could want.
    #[inline]
    pub(crate) fn wake(&self, waker: Waker) {
        self.parked.set(self.parked.get() - 1);
        waker.wake();
    }
}

impl Platform for Reactor {
    fn now(&self) -> Ticks {
        let elapsed = self.inner.start.elapsed();
        let milliseconds = elapsed.as_secs().wrapping_mul(1_000) + u64::from(elapsed.subsec_millis());
        // Wraps, as ticks do.
        self.inner.start_ticks.wrapping_add(milliseconds as u32)
    }

    fn wait(&self, timeout: Option<u32>) {
        let inner = &*self.inner;
        // A waker that is foreign code may have started a pass of its own: the events are in good hands already.
        let Ok(mut events) = inner.events.try_borrow_mut() else { return };
        // What a waker that panicked left over comes first, and then there is something to do.
        let timeout = if inner.dispatch(&mut events) { Some(0) } else { timeout };
        inner.waits.set(inner.waits.get() + 1);
        if let Err(error) = inner.poller.wait(&mut events, timeout) {
            panic!("the reactor cannot wait for events any more (was its descriptor closed?): {error}");
        }
        inner.dispatch(&mut events);
    }

    fn notifier(&self) -> Waker {
        self.inner.poller.notifier()
    }

    fn enter(&self) {
        current::enter(&self.inner);
    }

    fn leave(&self) {
        current::leave(&self.inner);
    }

    fn pending_io(&self) -> bool {
        self.inner.parked.get() > 0 || self.inner.offload.get().is_some_and(Offload::is_busy)
    }
}

/// One descriptor that stands for all: readable when a pass has something to do.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "redox",
    target_os = "illumos",
    target_os = "solaris",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    target_vendor = "apple"
))]
impl std::os::fd::AsFd for Reactor {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.poller.as_fd()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What a reactor has done; see [`Reactor::stats`].
///
/// ```
/// let stats = uasyncio_io::Reactor::new()?.stats();
/// assert_eq!((stats.waits, stats.events, stats.parked), (0, 0, 0));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// How often it waited for events, also where it only looked. One `epoll_wait` each on Linux.
    pub waits: u64,
    /// Events that were reported for sources.
    pub events: u64,
    /// Those of them that came too late: for a source that was gone.
    pub stale_events: u64,
    /// How often a source was registered, changed or deregistered. One `epoll_ctl` each on Linux.
    pub registrations: u64,
    /// Wakers that wait for an event now.
    pub parked: usize,
}
