//! Our event loop inside another one, on the same thread.
//!
//! A [`Guest`] is a future that owns an event loop with a reactor. Whoever polls it runs our tasks; while they wait, it waits
//! in the host's way: the reactor's one descriptor and the next deadline are what the host is asked to watch. No thread is involved, and the
//! host's tasks, timers and sockets go on beside ours. Our tasks may use them, too.
//!
//! `on_tokio` (feature `guest-tokio`) and `on_smol` (feature `guest-smol`) are ready to use. For another loop with futures, implement [`Host`].
//!
//! ```text
//!   host's executor ──poll──►  Guest ──turn──►  EventLoop ──wait(0)──►  Reactor
//!         ▲                      │ nothing is ready
//!         │                      ▼
//!         ├──────── Host: the descriptor is readable, or the time has come
//!         └──────── a task of ours was woken from outside a turn, or from another thread
//! ```
//!
//! # Loops without futures
//!
//! A GUI's loop, a game's, or one around `poll(2)` calls [`EventLoop::turn`] itself. The reactor is its descriptor:
//!
//! ```
//! use rustix::event::{PollFd, PollFlags, Timespec, poll};
//! use uasyncio_core::{Attention, EventLoop, sleep_ms};
//! use uasyncio_io::Reactor;
//!
//! let event_loop = EventLoop::with_platform(Reactor::new()?);
//! let task = event_loop.create_task(sleep_ms(5));
//! loop {
//!     let attention = event_loop.turn()?;
//!     if task.done() {
//!         break;
//!     }
//!     let millis = match attention {
//!         Attention::Now => Some(0),
//!         Attention::Within(millis) => Some(i64::from(millis)),
//!         Attention::Idle => None,
//!     };
//!     let timeout = millis.map(|millis| Timespec { tv_sec: millis / 1_000, tv_nsec: millis % 1_000 * 1_000_000 });
//!     // Beside what else the host waits for:
//!     poll(&mut [PollFd::new(event_loop.platform(), PollFlags::IN)], timeout.as_ref())?;
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod platform;
#[cfg(feature = "guest-smol")]
mod smol;
#[cfg(feature = "guest-tokio")]
mod tokio;

#[cfg(feature = "guest-smol")]
#[cfg_attr(docsrs, doc(cfg(feature = "guest-smol")))]
pub use self::smol::{SmolHost, on_smol};
#[cfg(feature = "guest-tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "guest-tokio")))]
pub use self::tokio::{TokioHost, on_tokio};

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use uasyncio_core::{Attention, EventLoop, Loop, Task, TaskError};
use uasyncio_io::Reactor;

use self::platform::{HostWaker, Hosted};

/// How many turns one poll makes before the host gets its turn.
const TURNS: usize = 4;

/// What a guest needs of its host: to be woken when a descriptor is readable, or when a time has passed.
///
/// The descriptor is the one that was given to the function that made the host. A host with edge-triggered readiness has to
/// forget it when it says so.
pub trait Host: Unpin {
    /// Has the task of `cx` woken as soon as the descriptor is readable or `timeout` has passed, whichever comes first; `None` sets no
    /// time. A later call replaces this one. `Ready`, if one of the two is so already: the guest looks, and asks again.
    ///
    /// Waking it for no reason is allowed.
    ///
    /// # Errors
    ///
    /// When the host cannot watch the descriptor. The guest panics with it, as a reactor that cannot wait does.
    fn poll_wait(&mut self, cx: &mut Context<'_>, timeout: Option<Duration>) -> Poll<io::Result<()>>;
}

/// A future that runs an event loop of ours inside another loop, until its main task is done.
///
/// Its output is that of the main task. Dropping it drops the loop with all of its tasks. It is not `Send`, as its tasks need not be: it
/// goes into the `block_on`, the `LocalSet` or the `LocalExecutor` of its host.
///
/// # Panics
///
/// When the main task panics, with its panic; when the loop is [stopped](Loop::stop) first; and when the host cannot watch the
/// reactor's descriptor.
///
/// # Cancel safety
///
/// Dropping it is as dropping an [`EventLoop`]: every future is dropped once, here.
#[must_use = "a future does nothing until it is awaited"]
pub struct Guest<H, T> {
    // Dropped in this order: what the tasks hold may be the host's, and the descriptor is watched to the end.
    main: Task<T>,
    event_loop: EventLoop<Hosted>,
    waker: Arc<HostWaker>,
    host: H,
}

impl<H: Host, T: 'static> Guest<H, T> {
    /// Makes an event loop with a reactor, and a main task of the future.
    ///
    /// `host` gets the reactor's descriptor; it may have to clone it.
    ///
    /// # Errors
    ///
    /// What `host` says, and what the system says when it has no descriptor left for a reactor.
    ///
    /// ```
    /// use std::task::{Context, Poll};
    /// use std::time::Duration;
    /// use uasyncio_compat::guest::{Guest, Host};
    ///
    /// /// A host that polls its tasks without a pause.
    /// struct Busy;
    ///
    /// impl Host for Busy {
    ///     fn poll_wait(&mut self, cx: &mut Context<'_>, _: Option<Duration>) -> Poll<std::io::Result<()>> {
    ///         cx.waker().wake_by_ref();
    ///         Poll::Pending
    ///     }
    /// }
    ///
    /// let guest = Guest::new(|_| Ok(Busy), async {
    ///     uasyncio_core::sleep_ms(2).await;
    ///     42
    /// })?;
    /// // Any executor will do as one; here it is another loop of ours.
    /// assert_eq!(uasyncio_core::run(guest), 42);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn new<F>(host: impl FnOnce(BorrowedFd<'_>) -> io::Result<H>, future: F) -> io::Result<Guest<H, T>>
    where
        F: Future<Output = T> + 'static,
    {
        let reactor = Reactor::new()?;
        let host = host(std::os::fd::AsFd::as_fd(&reactor))?;
        let waker = Arc::new(HostWaker::default());
        let event_loop = EventLoop::with_platform(Hosted { reactor, waker: waker.clone() });
        Ok(Guest { main: event_loop.create_task(future), event_loop, waker, host })
    }

    /// The loop, for more tasks and callbacks from outside.
    pub fn event_loop(&self) -> &Loop {
        &self.event_loop
    }

    /// Runs a pass. `None`: there may be more to do; else how long there is nothing.
    fn turn(&self) -> Option<Option<Duration>> {
        let reactor = &self.event_loop.platform().reactor;
        let before = reactor.stats().events;
        match self.event_loop.turn() {
            // Events, even if they meant nothing to anybody: others may be there still.
            Ok(_) if reactor.stats().events != before => None,
            Ok(Attention::Now) => None,
            Ok(Attention::Within(millis)) => Some(Some(Duration::from_millis(millis.into()))),
            Ok(Attention::Idle) => Some(None),
            Err(error) => panic!("{error}"),
        }
    }
}

impl<H: Host, T: 'static> Future for Guest<H, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        this.waker.register(cx.waker());
        for _ in 0..TURNS {
            let idle = this.turn();
            if this.main.done() {
                return Pin::new(&mut this.main).poll(cx).map(output);
            }
            let Some(timeout) = idle else { continue };
            match this.host.poll_wait(cx, timeout) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => panic!("the host cannot watch the descriptor of the reactor: {error}"),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn output<T>(result: Result<T, TaskError>) -> T {
    match result {
        Ok(output) => output,
        Err(error) => match error.into_panic() {
            Some(panic) => resume_unwind(panic.into_payload()),
            None => panic!("the main task of a guest was cancelled"),
        },
    }
}

impl<H: fmt::Debug, T> fmt::Debug for Guest<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("host", &self.host).field("event_loop", &self.event_loop).finish_non_exhaustive()
    }
}
