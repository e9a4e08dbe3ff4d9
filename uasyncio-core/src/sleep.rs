//! Waiting for time to pass.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::state::LoopState;
use crate::wheel::{FARTHEST, Node};
use crate::{Ticks, current, trace};

/// A sleep that never ends.
const FOREVER: u64 = u64::MAX;

/// Waits for a number of milliseconds, counted from the first poll. The original's and MicroPython's `sleep_ms`.
///
/// It never ends early, and ends at most about two milliseconds late if the loop is free. `sleep_ms(0)` gives way once: the
/// task goes on behind all that are ready now. The future is inert until it is polled, allocates nothing, and can be used
/// like any other, in combinators too.
///
/// # Panics
///
/// When it is polled outside a running event loop.
///
/// # Cancel safety
///
/// Dropping the future cancels the timer, in constant time.
///
/// ```
/// use uasyncio_core::{get_event_loop, run, sleep_ms};
///
/// run(async {
///     let start = get_event_loop().time();
///     sleep_ms(5).await;
///     assert!(get_event_loop().time().diff(start) >= 5);
/// });
/// ```
pub fn sleep_ms(millis: u32) -> Sleep {
    Sleep::new(u64::from(millis))
}

/// Waits for a length of time, rounded up to whole milliseconds. asyncio's `sleep`.
///
/// As [`sleep_ms`], and any length will do: what is longer than the clock's range is chained, and [`Duration::MAX`] means never.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_core::{run, sleep};
///
/// run(sleep(Duration::from_micros(900)));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(millis(duration))
}

/// Whole milliseconds, rounded up; what does not fit is [`FOREVER`].
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(FOREVER)
}

/// The future of [`sleep`] and [`sleep_ms`].
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    node: Node,
    /// What is to come, including what the timer is armed for.
    left: u64,
}

impl Sleep {
    fn new(millis: u64) -> Sleep {
        Sleep { node: Node::new(), left: millis }
    }

    /// Starts the sleep anew with another length, counted from the next poll.
    pub fn reset(self: Pin<&mut Self>, duration: Duration) {
        self.node.leave();
        // SAFETY: U9. The node, which is what must not move, stays where it is.
        unsafe { self.get_unchecked_mut() }.left = millis(duration);
    }

    /// What a timer can be armed for at once.
    fn step(&self) -> u32 {
        u32::try_from(self.left).map_or(FARTHEST, |left| left.min(FARTHEST))
    }

    /// Arms the first timer.
    fn start(&self, state: &LoopState, waker: &Waker) {
        match self.left {
            FOREVER => {}
            0 => {
                self.node.join(&state.wheel);
                waker.wake_by_ref();
            }
            _ => {
                self.node.set_waker(waker);
                state.arm_in(&self.node, self.step());
            }
        }
    }

    /// Arms the first timer so that the sleep ends at `deadline`, which may have passed.
    fn start_at(self: Pin<&mut Self>, state: &LoopState, deadline: Ticks, waker: &Waker) {
        // SAFETY: U9. The node, which is what must not move, stays where it is.
        let this = unsafe { self.get_unchecked_mut() };
        this.node.set_waker(waker);
        let left = deadline.diff(state.now_rounded_up()).max(0) as u32;
        this.left = u64::from(left);
        state.arm_at(&this.node, deadline.wrapping_sub(left - this.step()));
    }
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = current::expect();
        // SAFETY: U9. Nothing is moved out; the node is only looked at.
        let this = unsafe { self.get_unchecked_mut() };
        trace::waiting("a sleep");
        if !this.node.is_in(&state.wheel) {
            // The first poll, or the first one in another loop than before: the sleep begins here.
            this.node.disarm();
            this.start(state, cx.waker());
            return Poll::Pending;
        }
        if this.node.is_armed() {
            this.node.set_waker(cx.waker());
            return Poll::Pending;
        }
        this.left -= u64::from(this.step());
        if this.left == 0 {
            return Poll::Ready(());
        }
        // The chain goes on from the last deadline, however late this poll is.
        this.node.set_waker(cx.waker());
        state.arm_at(&this.node, this.node.deadline().wrapping_add(this.step()));
        Poll::Pending
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Sleep");
        if self.node.is_armed() {
            debug.field("deadline", &self.node.deadline());
        }
        debug.field("left", &self.left).finish()
    }
}

/// Gives way once: the task goes on behind all that are ready now. asyncio's `sleep(0)`.
///
/// ```
/// use uasyncio_core::{create_task, run, yield_now};
///
/// run(async {
///     let child = create_task(async {});
///     assert!(!child.done());
///     yield_now().await;
///     assert!(child.done());
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "giving way does nothing unless it is awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pin_project_lite::pin_project! {
    /// A callback that waits for its time; made by `call_later` and its kin.
    pub(crate) struct Later<C> {
        #[pin]
        sleep: Sleep,
        deadline: Option<Ticks>,
        callback: Option<C>,
    }
}

impl<C: FnOnce()> Later<C> {
    /// To be called after `millis` or, if there is a deadline, when that has come.
    pub(crate) fn new(millis: u64, deadline: Option<Ticks>, callback: C) -> Later<C> {
        Later { sleep: Sleep::new(millis), deadline, callback: Some(callback) }
    }
}

impl<C: FnOnce()> Future for Later<C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(deadline) = this.deadline.take() {
            this.sleep.as_mut().start_at(current::expect(), deadline, cx.waker());
            return Poll::Pending;
        }
        if this.sleep.poll(cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(callback) = this.callback.take() {
            callback();
        }
        Poll::Ready(())
    }
}
