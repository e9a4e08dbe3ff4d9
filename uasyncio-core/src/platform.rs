//! What an event loop needs from the world.

use core::marker::PhantomData;
use core::task::Waker;

use crate::Ticks;

/// The clock of an event loop and its way to wait.
///
/// The loop decides *what* runs; how to wait until something can run belongs to another layer, and this trait is the seam:
/// a parked thread ([`ThreadPark`](crate::ThreadPark)), a clock that jumps (`VirtualTime`), the
/// reactor of `uasyncio-io`, the sleep instruction of a microcontroller. The original's overridable
/// `EventLoop.time()` and `EventLoop.wait(delay)`.
///
/// All methods but the notifier's wake are called on the loop's thread.
///
/// ```
/// use std::cell::Cell;
/// use std::task::Waker;
/// use uasyncio_core::{EventLoop, Platform, Ticks, sleep_ms};
///
/// /// A clock that advances by exactly the time waited, and remembers the waits.
/// #[derive(Default)]
/// struct Recorder {
///     now: Cell<u32>,
///     waits: Cell<u32>,
/// }
///
/// impl Platform for Recorder {
///     fn now(&self) -> Ticks {
///         Ticks::from_millis(self.now.get())
///     }
///     fn now_rounded_up(&self) -> Ticks {
///         self.now() // this clock stands still between waits, so there is no fraction to round
///     }
///     fn wait(&self, timeout: Option<u32>) {
///         self.now.set(self.now.get() + timeout.unwrap_or(0));
///         self.waits.set(self.waits.get() + 1);
///     }
///     fn notifier(&self) -> Waker {
///         Waker::noop().clone() // no other thread holds a waker here
///     }
/// }
///
/// let event_loop = EventLoop::with_platform(Recorder::default());
/// event_loop.run_until_complete(sleep_ms(1_000)).unwrap();
/// assert_eq!(event_loop.time().as_millis(), 1_000);
/// assert_eq!(event_loop.platform().waits.get(), 1);
/// ```
pub trait Platform: 'static {
    /// The time now, rounded down to a whole millisecond.
    fn now(&self) -> Ticks;

    /// The time now, rounded up: what deadlines are counted from, so that no timer fires early.
    ///
    /// The provided method adds one millisecond to [`now`](Platform::now), which is right for a clock that ticks by
    /// itself. A clock that is always at a whole millisecond, such as a virtual one, gives `now`.
    fn now_rounded_up(&self) -> Ticks {
        self.now().wrapping_add(1)
    }

    /// Waits until the notifier is woken, an event of the platform's own has happened, or `timeout` milliseconds have
    /// passed, and never less than those without one of the former; returning for no reason is allowed.
    ///
    /// `Some(0)` looks for events and returns at once; `None` sets no limit. Events are delivered by waking the wakers that
    /// wait for them. The loop calls this once in each pass.
    fn wait(&self, timeout: Option<u32>);

    /// A waker that ends the present [`wait`](Platform::wait), or else the next one, from any thread.
    ///
    /// Asked for once, when the loop is made. The loop wakes it only while it sleeps: at most once for each sleep, however
    /// many tasks are woken.
    fn notifier(&self) -> Waker;

    /// Whether it takes the [`notifier`](Platform::notifier) to end a wait. `false`: any interrupt does, also one that came after the loop
    /// has looked for work, and nothing but interrupts wakes tasks meanwhile. A [`StaticLoop`](crate::StaticLoop) does without the
    /// notifier then, which makes small programs smaller.
    fn needs_notice(&self) -> bool {
        true
    }

    /// The loop begins to run on this thread. Loops nest (one may be driven from inside another): keep what was there.
    fn enter(&self) {}

    /// The loop has stopped running on this thread: restore what [`enter`](Platform::enter) found.
    fn leave(&self) {}

    /// Whether some task waits for an event of the platform's own, such as readiness of a socket. A loop that has nothing
    /// else to wait for is not deadlocked then.
    fn pending_io(&self) -> bool {
        false
    }

    /// Whether nothing outside the loop can wake it at present, so that "nothing to do" is a deadlock. Asked only then.
    fn closed_world(&self) -> bool {
        false
    }

    /// Without `std`, whether the caller is where the loop runs: not in an interrupt, and on the loop's own core. With
    /// `std` the loop knows its thread, and this is never called.
    ///
    /// `None`, which the provided method says, is always safe: wakes take the way for interrupts and everything that
    /// touches the loop's state refuses. Making a [`LoopContext`] needs `unsafe`, which is where the promise is made.
    fn loop_context(&self) -> Option<LoopContext> {
        None
    }
}

/// The statement that the caller is where the loop runs; see [`Platform::loop_context`].
///
/// ```
/// use uasyncio_core::LoopContext;
///
/// fn on_a_core_without_interrupts() -> Option<LoopContext> {
///     // SAFETY: one core, and no interrupt handler touches the event loop.
///     Some(unsafe { LoopContext::assume() })
/// }
/// # assert!(on_a_core_without_interrupts().is_some());
/// ```
#[derive(Debug)]
pub struct LoopContext {
    not_send: PhantomData<*const ()>,
}

impl LoopContext {
    /// States that the caller is where the loop runs.
    ///
    /// # Safety
    ///
    /// The caller must not be in an interrupt handler, nor on another core or thread than the one that made the loop.
    #[allow(unsafe_code, reason = "the one place where a platform without threads makes its promise")]
    pub const unsafe fn assume() -> LoopContext {
        LoopContext { not_send: PhantomData }
    }
}
