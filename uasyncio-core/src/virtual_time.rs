//! A platform whose clock jumps.

use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;
use core::task::Waker;

use crate::{LoopContext, Platform, Ticks};

#[cfg(feature = "std")]
use hold::Holds;

/// A [`Platform`] on which waiting takes no time: when nothing can run, the clock jumps to the next deadline.
///
/// For tests that are exact: every timer fires at precisely its tick, a day passes in microseconds, and when all tasks wait and
/// no timer is left, the run ends with [`RunError::Deadlock`](crate::RunError::Deadlock) that names them. It has no I/O; simulate a network by in-memory
/// streams. Clones share the clock.
///
/// While a [`hold`](VirtualTime::hold) lives, the clock stands still and the loop really waits, for work on another thread.
///
/// ```
/// use uasyncio_core::{EventLoop, VirtualTime, get_event_loop, sleep_ms};
///
/// let event_loop = EventLoop::with_platform(VirtualTime::new());
/// let end = event_loop.run_until_complete(async {
///     sleep_ms(24 * 60 * 60 * 1_000).await;
///     get_event_loop().time()
/// });
/// assert_eq!(end.unwrap().as_millis(), 24 * 60 * 60 * 1_000);
/// ```
#[derive(Clone)]
pub struct VirtualTime {
    clock: Rc<Clock>,
    #[cfg(feature = "std")]
    holds: alloc::sync::Arc<Holds>,
    context: fn() -> Option<LoopContext>,
}

struct Clock {
    now: Cell<Ticks>,
    jumps: Cell<u64>,
}

impl VirtualTime {
    /// A clock that shows 0.
    #[cfg(feature = "std")]
    pub fn new() -> VirtualTime {
        VirtualTime::starting_at(Ticks::default())
    }

    /// A clock that shows `start`; for testing what happens when it wraps around.
    #[cfg(feature = "std")]
    pub fn starting_at(start: Ticks) -> VirtualTime {
        VirtualTime::in_context(start, || None)
    }

    /// A clock for a program without threads; `context` is its [`Platform::loop_context`].
    pub fn in_context(start: Ticks, context: fn() -> Option<LoopContext>) -> VirtualTime {
        VirtualTime {
            clock: Rc::new(Clock { now: Cell::new(start), jumps: Cell::new(0) }),
            #[cfg(feature = "std")]
            holds: alloc::sync::Arc::default(),
            context,
        }
    }

    /// Advances the clock by hand, as if a task had taken that long.
    pub fn advance(&self, millis: u32) {
        self.clock.now.set(self.clock.now.get().wrapping_add(millis));
    }

    /// How often the clock has jumped: the number of times an idle processor would have woken up.
    pub fn jumps(&self) -> u64 {
        self.clock.jumps.get()
    }

    /// Stops the clock while something outside the loop is at work for it. The guard may go to another thread.
    ///
    /// ```
    /// use uasyncio_core::{EventLoop, VirtualTime, get_event_loop};
    ///
    /// let virtual_time = VirtualTime::new();
    /// let event_loop = EventLoop::with_platform(virtual_time.clone());
    /// let remote = event_loop.remote();
    /// let hold = virtual_time.hold();
    /// let worker = std::thread::spawn(move || {
    ///     remote.call_soon_threadsafe(|| get_event_loop().stop()).unwrap();
    ///     drop(hold); // after the loop was told: from here on it may be found idle
    /// });
    /// event_loop.run_forever().unwrap();
    /// worker.join().unwrap();
    /// ```
    #[cfg(feature = "std")]
    pub fn hold(&self) -> Hold {
        Hold::new(self.holds.clone())
    }
}

#[cfg(feature = "std")]
impl Default for VirtualTime {
    fn default() -> VirtualTime {
        VirtualTime::new()
    }
}

impl fmt::Debug for VirtualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTime").field("now", &self.clock.now.get()).finish_non_exhaustive()
    }
}

impl Platform for VirtualTime {
    fn now(&self) -> Ticks {
        self.clock.now.get()
    }

    fn now_rounded_up(&self) -> Ticks {
        self.clock.now.get()
    }

    fn wait(&self, timeout: Option<u32>) {
        if timeout == Some(0) {
            return;
        }
        #[cfg(feature = "std")]
        if self.holds.wait() {
            return;
        }
        if let Some(millis) = timeout {
            self.advance(millis);
            self.clock.jumps.set(self.clock.jumps.get() + 1);
        }
    }

    fn notifier(&self) -> Waker {
        #[cfg(feature = "std")]
        {
            Waker::from(self.holds.clone())
        }
        #[cfg(not(feature = "std"))]
        {
            Waker::noop().clone()
        }
    }

    fn closed_world(&self) -> bool {
        #[cfg(feature = "std")]
        {
            !self.holds.any()
        }
        #[cfg(not(feature = "std"))]
        {
            true
        }
    }

    fn loop_context(&self) -> Option<LoopContext> {
        (self.context)()
    }
}

#[cfg(feature = "std")]
pub use hold::Hold;

#[cfg(feature = "std")]
mod hold {
    use alloc::sync::Arc;
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
    use std::task::Wake;

    #[derive(Default)]
    pub(super) struct Holds {
        state: Mutex<State>,
        changed: Condvar,
    }

    #[derive(Default)]
    struct State {
        count: usize,
        notified: bool,
    }

    impl Holds {
        fn lock(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(super) fn any(&self) -> bool {
            let state = self.lock();
            state.count > 0 || state.notified
        }

        /// Waits for a notice or for the last hold's end. `false`: there was nothing to wait for.
        pub(super) fn wait(&self) -> bool {
            let mut state = self.lock();
            let held = state.count > 0 || state.notified;
            while state.count > 0 && !state.notified {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.notified = false;
            held
        }
    }

    impl Wake for Holds {
        fn wake(self: Arc<Self>) {
            self.lock().notified = true;
            self.changed.notify_all();
        }
    }

    /// Keeps a [`VirtualTime`](super::VirtualTime) from jumping while it lives.
    #[must_use = "the clock is free again when the hold is dropped"]
    pub struct Hold {
        holds: Arc<Holds>,
    }

    impl Hold {
        pub(super) fn new(holds: Arc<Holds>) -> Hold {
            holds.lock().count += 1;
            Hold { holds }
        }
    }

    impl Drop for Hold {
        fn drop(&mut self) {
            self.holds.lock().count -= 1;
            self.holds.changed.notify_all();
        }
    }

    impl core::fmt::Debug for Hold {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.debug_struct("Hold").finish_non_exhaustive()
        }
    }
}
