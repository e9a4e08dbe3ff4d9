//! The budget that keeps an operation which is always ready from starving everything else.
//!
//! A stream that always has data, or a queue that is never empty, would let its task run on for ever, because nothing that it
//! awaits ever waits. So each task has 128 operations a poll. The operations of the uasyncio crates take theirs from it; do
//! the same in leaf futures of your own. MicroPython's rule "a tight loop of write and drain must not block the scheduler".

use core::task::{Context, Poll};

use crate::current;

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
    #[cfg(feature = "alloc")]
    if let Some(state) = current::get() {
        return if state.spend() { Poll::Ready(()) } else { exhausted(cx) };
    }
    match current::with_turn(|turn| turn.spend()) {
        Some(false) => exhausted(cx),
        _ => Poll::Ready(()),
    }
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
    #[cfg(feature = "alloc")]
    if let Some(state) = current::get() {
        return state.refund();
    }
    current::with_turn(|turn| turn.refund());
}

#[cold]
fn exhausted(cx: &mut Context<'_>) -> Poll<()> {
    crate::trace::waiting("its turn");
    cx.waker().wake_by_ref();
    Poll::Pending
}
