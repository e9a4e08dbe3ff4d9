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
/// are ready, and behind a look at timers and I/O. Outside a loop there is no budget, and it is always `Ready`.
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
    match current::get() {
        Some(state) if !state.spend() => exhausted(cx),
        _ => Poll::Ready(()),
    }
}

#[cold]
fn exhausted(cx: &mut Context<'_>) -> Poll<()> {
    crate::trace::waiting("its turn");
    cx.waker().wake_by_ref();
    Poll::Pending
}
