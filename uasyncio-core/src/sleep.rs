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

/// A sleep that has not begun, and ends at the deadline that its node has already.
const UNTIL: u64 = u64::MAX - 1;

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

/// Waits until the loop's clock shows `deadline`, which is less than 2^31 ms from then. If it has passed: gives way once.
///
/// For what is to happen at regular times, whatever the time that the work between takes.
///
/// ```
/// use uasyncio_core::{get_event_loop, run, sleep_until};
///
/// run(async {
///     let mut next = get_event_loop().time();
///     for _ in 0..3 {
///         next = next.wrapping_add(2);
///         sleep_until(next).await;
///     }
/// });
/// ```
pub fn sleep_until(deadline: Ticks) -> Sleep {
    let sleep = Sleep::new(UNTIL);
    sleep.node.set_deadline(deadline);
    sleep
}

/// Whole milliseconds, rounded up; what does not fit is [`FOREVER`].
pub(crate) fn millis(duration: Duration) -> u64 {
    let part = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    let millis = duration.as_secs().checked_mul(1_000).and_then(|whole| whole.checked_add(part));
    millis.filter(|millis| *millis < UNTIL).unwrap_or(FOREVER)
}

/// The future of [`sleep`], [`sleep_ms`] and [`sleep_until`].
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    node: Node,
    /// What is to come, including what the timer is armed for.
    left: u64,
}

impl Sleep {
    pub(crate) fn new(millis: u64) -> Sleep {
        Sleep { node: Node::new(), left: millis }
    }

    /// Starts the sleep anew with another length, counted from the next poll.
    pub fn reset(self: Pin<&mut Self>, duration: Duration) {
        self.node.leave();
        // SAFETY: U9. The node, which is what must not move, stays where it is.
        unsafe { self.get_unchecked_mut() }.left = millis(duration);
    }

    /// Starts the sleep anew, to end at a point in time; see [`sleep_until`].
    pub fn reset_at(self: Pin<&mut Self>, deadline: Ticks) {
        self.node.leave();
        self.node.set_deadline(deadline);
        // SAFETY: U9. The node, which is what must not move, stays where it is.
        unsafe { self.get_unchecked_mut() }.left = UNTIL;
    }

    /// What a timer can be armed for at once.
    fn step(&self) -> u32 {
        u32::try_from(self.left).map_or(FARTHEST, |left| left.min(FARTHEST))
    }

    /// Arms the first timer.
    fn start(&mut self, state: &LoopState, waker: &Waker) {
        match self.left {
            FOREVER => {}
            0 => {
                self.node.join(&state.wheel);
                waker.wake_by_ref();
            }
            UNTIL => {
                self.node.set_waker(waker);
                let deadline = self.node.deadline();
                let left = deadline.diff(state.now_rounded_up()).max(0) as u32;
                self.left = u64::from(left);
                state.arm_at(&self.node, deadline.wrapping_sub(left - self.step()));
            }
            _ => {
                self.node.set_waker(waker);
                state.arm_in(&self.node, self.step());
            }
        }
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
        callback: Option<C>,
    }
}

impl<C: FnOnce()> Later<C> {
    /// To be called when the sleep is over.
    pub(crate) fn new(sleep: Sleep, callback: C) -> Later<C> {
        Later { sleep, callback: Some(callback) }
    }
}

impl<C: FnOnce()> Future for Later<C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.sleep.poll(cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(callback) = this.callback.take() {
            callback();
        }
        Poll::Ready(())
    }
}
