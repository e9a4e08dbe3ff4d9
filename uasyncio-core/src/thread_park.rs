//! The platform of a loop without I/O: a parked thread.

use core::fmt;
use core::task::Waker;
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant;

use crate::{Platform, Ticks};

/// A [`Platform`] that waits by parking its thread and tells the time by the system's monotonic clock.
///
/// What [`run`](crate::run) and [`EventLoop::new`](crate::EventLoop::new) use. It belongs to the thread that made it, as its
/// loop does. Time during which the machine is suspended does not count on Linux.
///
/// ```
/// use uasyncio_core::{EventLoop, ThreadPark, Ticks, sleep_ms};
///
/// let just_before_the_wrap = Ticks::from_millis(u32::MAX);
/// let event_loop = EventLoop::with_platform(ThreadPark::starting_at(just_before_the_wrap));
/// event_loop.run_until_complete(sleep_ms(3)).unwrap();
/// assert!(event_loop.time().diff(just_before_the_wrap) >= 3);
/// ```
pub struct ThreadPark {
    zero: Instant,
    start: Ticks,
    notifier: Arc<Unpark>,
}

/// Ends a park. The loop wakes it only after it has said that it is about to park, and it looks for work between saying so
/// and parking, so a token that other code on this thread takes is never one that the loop still needs.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl ThreadPark {
    /// A platform for loops of the present thread, whose clock shows 0 now.
    pub fn new() -> ThreadPark {
        ThreadPark::starting_at(Ticks::default())
    }

    /// The same with a clock that shows `start` now; for testing what happens when it wraps around.
    pub fn starting_at(start: Ticks) -> ThreadPark {
        ThreadPark { zero: Instant::now(), start, notifier: Arc::new(Unpark(thread::current())) }
    }
}

impl Default for ThreadPark {
    fn default() -> ThreadPark {
        ThreadPark::new()
    }
}

impl fmt::Debug for ThreadPark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPark").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Platform for ThreadPark {
    fn now(&self) -> Ticks {
        let elapsed = self.zero.elapsed();
        let millis = elapsed.as_secs().wrapping_mul(1_000).wrapping_add(u64::from(elapsed.subsec_millis()));
        self.start.wrapping_add(millis as u32)
    }

    fn wait(&self, timeout: Option<u32>) {
        match timeout {
            None => thread::park(),
            Some(0) => {}
            Some(millis) => thread::park_timeout(Duration::from_millis(u64::from(millis))),
        }
    }

    fn notifier(&self) -> Waker {
        Waker::from(self.notifier.clone())
    }
}
