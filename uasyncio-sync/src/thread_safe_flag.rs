//! A flag that threads and interrupts set.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::one_waiter::{OneWaiter, Seat, SharedBool, poll_with};

/// A flag that is set from any thread or interrupt, and that one task waits for. MicroPython's `ThreadSafeFlag`.
///
/// [`set`](ThreadSafeFlag::set) is an atomic operation and a wake: it blocks, allocates and frees nothing. Waiting takes the flag down again, and
/// several sets before that count as one. What was written before a set is visible behind the wait that it ends. The flag can be
/// a `static`.
///
/// For several waiters, let the one task set an [`Event`](crate::Event). On a target without compare-and-swap, such as Cortex-M0, it is there with the
/// feature `critical-section`.
///
/// ```
/// use uasyncio_core::run;
/// use uasyncio_sync::ThreadSafeFlag;
///
/// static PRESSED: ThreadSafeFlag = ThreadSafeFlag::new();
///
/// fn button_interrupt() {
///     PRESSED.set();
/// }
///
/// let other = std::thread::spawn(button_interrupt);
/// run(PRESSED.wait());
/// other.join().unwrap();
/// ```
pub struct ThreadSafeFlag {
    set: SharedBool,
    waiter: OneWaiter,
}

impl ThreadSafeFlag {
    /// A flag that is not set.
    ///
    /// ```
    /// assert!(!uasyncio_sync::ThreadSafeFlag::new().is_set());
    /// ```
    pub const fn new() -> ThreadSafeFlag {
        ThreadSafeFlag { set: SharedBool::new(), waiter: OneWaiter::new() }
    }

    /// Sets the flag and wakes the task that waits, if there is one. From any thread or interrupt.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeFlag;
    /// let flag = ThreadSafeFlag::new();
    /// std::thread::scope(|scope| scope.spawn(|| flag.set()).join()).unwrap();
    /// assert!(flag.is_set());
    /// ```
    pub fn set(&self) {
        self.set.swap(true);
        self.waiter.wake();
    }

    /// Takes the flag down, if it is up from before.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeFlag;
    /// let flag = ThreadSafeFlag::new();
    /// flag.set();
    /// flag.clear();
    /// assert!(!flag.is_set());
    /// ```
    pub fn clear(&self) {
        self.set.swap(false);
    }

    /// Whether the flag is up. While others set it, the answer may be out of date at once.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeFlag;
    /// let flag = ThreadSafeFlag::new();
    /// flag.set();
    /// assert!(flag.is_set());
    /// ```
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Waits until the flag is set, and takes it down. If it is up already there is no wait.
    ///
    /// # Panics
    ///
    /// When it is polled while another future waits for the same flag. That one goes on to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the waiter, and leaves the flag as it is: a set that came before is there for the next who
    /// waits.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeFlag;
    /// # uasyncio_core::run(async {
    /// let flag = ThreadSafeFlag::new();
    /// flag.set();
    /// flag.wait().await;
    /// assert!(!flag.is_set());
    /// # });
    /// ```
    pub fn wait(&self) -> ThreadSafeFlagWait<'_> {
        ThreadSafeFlagWait { flag: self, seat: Seat::new(&self.waiter) }
    }
}

impl Default for ThreadSafeFlag {
    fn default() -> ThreadSafeFlag {
        ThreadSafeFlag::new()
    }
}

impl fmt::Debug for ThreadSafeFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSafeFlag").field("set", &self.is_set()).finish_non_exhaustive()
    }
}

/// The future of [`ThreadSafeFlag::wait`].
#[derive(Debug)]
#[must_use = "it waits for nothing unless it is awaited"]
pub struct ThreadSafeFlagWait<'f> {
    flag: &'f ThreadSafeFlag,
    seat: Seat<'f>,
}

impl Future for ThreadSafeFlagWait<'_> {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.seat.hold("a second task waits for a ThreadSafeFlag, which has room for one");
        poll_with(&mut this.seat, cx, "a thread-safe flag", || this.flag.set.swap(false).then_some(()))
    }
}
