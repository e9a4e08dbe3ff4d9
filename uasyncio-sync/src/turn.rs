//! Fairness and waking, for all that waits here.

use uasyncio_core::WaitList;

/// Takes one operation from the budget of the task, before it succeeds without having waited.
pub(crate) use uasyncio_core::budget::poll_proceed;
/// The same for several operations at a time.
#[cfg(feature = "alloc")]
pub(crate) use uasyncio_core::budget::poll_proceed_many;

/// Does something at the end of a scope, also when a foreign waker panics before.
pub(crate) struct Finally<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for Finally<F> {
    #[inline]
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Wakes those who wait longest, `count` of them if there are so many. If a waker panics, the others are woken all the same.
pub(crate) fn wake_some(list: &WaitList, count: usize) {
    let left = core::cell::Cell::new(count);
    let wake = || {
        while left.get() > 0 {
            // Counted first: even if the waker panics, its waiter has been told.
            left.set(left.get() - 1);
            if !list.wake_one() {
                left.set(0);
            }
        }
    };
    let _after_a_panic = Finally(wake);
    wake();
}
