//! Fairness and waking, for all that waits here.

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
        // With `std` another panic does not abort the process.
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            _ = std::panic::catch_unwind(core::panic::AssertUnwindSafe(&mut self.0));
            return;
        }
        (self.0)();
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::Finally;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn what_comes_finally_may_panic_after_a_panic_too() {
        let mut calls = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _third = Finally(|| calls += 1);
            let _second = Finally(|| panic!("the second"));
            panic!("the first");
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"the first"));
        assert_eq!(calls, 1);
        let outcome = catch_unwind(|| drop(Finally(|| panic!("the only one"))));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"the only one"));
    }
}
