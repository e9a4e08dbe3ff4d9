//! The budget that keeps an operation which is always ready from starving everything else.
//!
//! A stream that always has data, or a queue that is never empty, would let its task run on for ever, because nothing that it
//! awaits ever waits. So each task has 128 operations a poll. The operations of the uasyncio crates take theirs from it; do
//! the same in leaf futures of your own. MicroPython's rule "a tight loop of write and drain must not block the scheduler".

use core::task::{Context, Poll, Waker};

pub(crate) use self::counter::Budget;
#[cfg(feature = "std")]
pub(crate) use self::counter::Outer;
use self::counter::{give_back, spend};

/// Takes one operation from the budget of the task that is being polled.
///
/// `Pending`, when none is left: the task has been woken, so return `Pending` too, and the task goes on behind the others that
/// are ready, and behind a look at timers and I/O. If the operation then would block, [`refund`] it. Outside a loop there is no budget, and it is always `Ready`.
///
/// ```
/// use std::future::poll_fn;
/// use uasyncio_core::{budget, run};
///
/// run(async {
///     let mut polls = 1;
///     let mut operations = 0;
///     poll_fn(|cx| {
///         while operations < 1_000 {
///             if budget::poll_proceed(cx).is_pending() {
///                 polls += 1;
///                 return std::task::Poll::Pending;
///             }
///             operations += 1;
///         }
///         std::task::Poll::Ready(())
///     })
///     .await;
///     assert_eq!(polls, 8); // 7 × 128 operations, and the rest
/// });
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    if spend(1) { Poll::Ready(()) } else { exhausted(cx.waker()) }
}

/// The same for several operations at once, of which all but one were done before without asking.
///
/// For what is so quick that asking would be felt. It is `Ready` if only one operation is left, so there must be a bound to how
/// many are done until the next time.
///
/// ```
/// use std::task::Context;
/// use uasyncio_core::{budget, run};
///
/// run(async {
///     let mut cx = Context::from_waker(std::task::Waker::noop());
///     assert!(budget::poll_proceed_many(&mut cx, 100).is_ready()); // 28 are left
///     assert!(budget::poll_proceed_many(&mut cx, 100).is_ready());
///     assert!(budget::poll_proceed(&mut cx).is_pending());
/// });
/// ```
#[inline]
pub fn poll_proceed_many(cx: &mut Context<'_>, operations: usize) -> Poll<()> {
    if spend(operations.min(PER_POLL.into()) as u8) { Poll::Ready(()) } else { exhausted(cx.waker()) }
}

/// Gives back what [`poll_proceed`] took, for an operation that then had to wait.
///
/// Without it a task that waits for more than 128 things at a time would spend all of its budget on asking the first of them
/// again and again, and never come to the others.
///
/// ```
/// use std::task::Context;
/// use uasyncio_core::{budget, run};
///
/// run(async {
///     let mut cx = Context::from_waker(std::task::Waker::noop());
///     for _ in 0..1_000 {
///         assert!(budget::poll_proceed(&mut cx).is_ready());
///         budget::refund(); // "would block"
///     }
/// });
/// ```
#[inline]
pub fn refund() {
    give_back();
}

#[cold]
fn exhausted(waker: &Waker) -> Poll<()> {
    crate::trace::waiting("its turn");
    waker.wake_by_ref();
    Poll::Pending
}

/// How many operations a task may do in one poll.
const PER_POLL: u8 = 128;

/// With threads: a counter for each, so that an operation costs one subtraction, whatever kind of loop runs there, or none.
#[cfg(feature = "std")]
mod counter {
    use super::PER_POLL;
    use crate::current;
    use core::cell::Cell;

    std::thread_local! {
        /// What the current poll has left. Where no loop runs it begins with so many that it hardly ever ends.
        static LEFT: Cell<isize> = const { Cell::new(isize::MAX) };
    }

    #[inline]
    pub(super) fn spend(operations: u8) -> bool {
        let left = LEFT.get();
        LEFT.set(left.wrapping_sub(isize::from(operations)));
        // Whether one was left. For one operation that is the sign of what was stored just now.
        left.wrapping_sub(1) >= 0 || is_unlimited()
    }

    #[inline]
    pub(super) fn give_back() {
        let left = LEFT.get();
        if left < isize::from(PER_POLL) {
            LEFT.set(left + 1);
        }
    }

    /// When nothing is left: whether that is no matter, because no loop runs here.
    #[cold]
    fn is_unlimited() -> bool {
        let is_unlimited = current::is_free();
        LEFT.set(if is_unlimited { isize::MAX } else { 0 });
        is_unlimited
    }

    /// What a loop has to do with the counter of its thread.
    pub(crate) struct Budget;

    impl Budget {
        pub(crate) const fn new() -> Budget {
            Budget
        }

        /// A poll begins.
        #[inline]
        pub(crate) fn refill(&self) {
            LEFT.set(isize::from(PER_POLL));
        }
    }

    /// Keeps what was left before a loop began to run, and brings it back.
    pub(crate) struct Outer(isize);

    impl Outer {
        /// What runs until it is dropped has a budget of its own.
        pub(crate) fn keep() -> Outer {
            Outer(LEFT.replace(isize::from(PER_POLL)))
        }
    }

    impl Drop for Outer {
        fn drop(&mut self) {
            LEFT.set(self.0);
        }
    }

    #[test]
    fn what_is_left_where_no_loop_runs_does_not_end() {
        LEFT.set(1);
        assert!((0..1_000).all(|_| spend(1)));
        assert!(LEFT.get() > isize::MAX - 1_000);
    }
}

/// Without threads: one in each loop. What runs elsewhere, such as in an interrupt, is no matter of theirs.
#[cfg(not(feature = "std"))]
mod counter {
    use super::PER_POLL;
    use crate::current;
    use core::cell::Cell;

    #[inline]
    pub(super) fn spend(operations: u8) -> bool {
        #[cfg(feature = "alloc")]
        if let Some(state) = current::get() {
            return state.budget().spend(operations);
        }
        current::with_turn(|turn| turn.budget().spend(operations)).unwrap_or(true)
    }

    #[inline]
    pub(super) fn give_back() {
        #[cfg(feature = "alloc")]
        if let Some(state) = current::get() {
            return state.budget().give_back();
        }
        current::with_turn(|turn| turn.budget().give_back());
    }

    /// What the current poll has left.
    pub(crate) struct Budget(Cell<u8>);

    impl Budget {
        pub(crate) const fn new() -> Budget {
            Budget(Cell::new(0))
        }

        /// A poll begins.
        #[inline]
        pub(crate) fn refill(&self) {
            self.0.set(PER_POLL);
        }

        #[inline]
        fn spend(&self, operations: u8) -> bool {
            let left = self.0.get();
            self.0.set(left.saturating_sub(operations));
            left > 0
        }

        #[inline]
        fn give_back(&self) {
            self.0.set((self.0.get() + 1).min(PER_POLL));
        }
    }
}
