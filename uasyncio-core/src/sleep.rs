//! Waiting for time to pass.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::timer_node::{FARTHEST, Node, Timers};
use crate::{Ticks, current, trace};

/// For [`Node::hops`]: a sleep that never ends.
const FOREVER: u16 = u16::MAX;

/// For [`Node::length`]: a sleep that has not begun, and ends at the deadline that its node has already.
const UNTIL: u32 = u32::MAX;

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
    let sleep = Sleep { node: Node::new() };
    let hops = millis.saturating_sub(1) / FARTHEST;
    sleep.node.hops.set(hops as u16);
    sleep.node.length.set(millis - hops * FARTHEST);
    sleep
}

/// Waits for a length of time, rounded up to whole milliseconds. asyncio's `sleep`.
///
/// As [`sleep_ms`], and any length will do: what is longer than the clock's range is chained. What is longer than 2 000 years, such
/// as [`Duration::MAX`], means never.
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
    let sleep = Sleep { node: Node::new() };
    sleep.begin_at(deadline);
    sleep
}

/// Whole milliseconds, rounded up, of which there are at most `u64::MAX`.
pub(crate) fn millis(duration: Duration) -> u64 {
    let part = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    if duration.as_secs() < u64::MAX / 2_000 { duration.as_secs() * 1_000 + part } else { u64::MAX }
}

/// The future of [`sleep`], [`sleep_ms`] and [`sleep_until`].
///
/// Its timer is inside: 48 bytes on a machine of 64 bits, 28 on one of 32 without the feature `alloc`.
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    /// The timer. Its `length` is how long the hop is that is under way or to come first, at most [`FARTHEST`]; its `hops` says
    /// how many of that length follow.
    node: Node,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Sleep>() == 48);
#[cfg(all(target_pointer_width = "32", not(feature = "alloc")))]
const _: () = assert!(size_of::<Sleep>() == 28);

impl Sleep {
    pub(crate) fn new(millis: u64) -> Sleep {
        let sleep = Sleep { node: Node::new() };
        sleep.begin(millis);
        sleep
    }

    /// Starts the sleep anew with another length, counted from the next poll.
    pub fn reset(self: Pin<&mut Self>, duration: Duration) {
        self.node.leave();
        self.begin(millis(duration));
    }

    /// Starts the sleep anew, to end at a point in time; see [`sleep_until`].
    pub fn reset_at(self: Pin<&mut Self>, deadline: Ticks) {
        self.node.leave();
        self.begin_at(deadline);
    }

    /// The first hop is the part that is not a whole one.
    #[inline]
    fn begin(&self, millis: u64) {
        let hops = millis.saturating_sub(1) / u64::from(FARTHEST);
        self.node.hops.set(u16::try_from(hops).unwrap_or(FOREVER));
        self.node.length.set((millis - hops * u64::from(FARTHEST)) as u32);
    }

    fn begin_at(&self, deadline: Ticks) {
        self.node.set_deadline(deadline);
        self.node.length.set(UNTIL);
        self.node.hops.set(0);
    }

    /// In the loop whose timers these are.
    #[inline]
    fn poll_in(&self, timers: &impl Timers, waker: &Waker) -> Poll<()> {
        let node = &self.node;
        if node.hops.get() == FOREVER {
            return Poll::Pending;
        }
        if node.timers() != timers.id() {
            // The first poll, or the first one in another loop than before: the sleep begins here.
            node.disarm();
            self.start(timers, waker);
            return Poll::Pending;
        }
        if node.is_armed() {
            node.set_waker(waker);
            return Poll::Pending;
        }
        if node.hops.get() == 0 {
            return Poll::Ready(());
        }
        // The chain goes on from the last deadline, however late this poll is.
        node.hops.set(node.hops.get() - 1);
        node.length.set(FARTHEST);
        node.set_waker(waker);
        timers.arm(node, node.deadline().wrapping_add(FARTHEST), timers.now_rounded_up());
        Poll::Pending
    }

    /// Arms the first timer.
    fn start(&self, timers: &impl Timers, waker: &Waker) {
        let node = &self.node;
        if node.length.get() == 0 {
            node.join(timers.id());
            waker.wake_by_ref();
            return;
        }
        node.set_waker(waker);
        let now = timers.now_rounded_up();
        let deadline = if node.length.get() == UNTIL {
            let left = node.deadline().diff(now).max(0) as u32;
            let hops = left.saturating_sub(1) / FARTHEST;
            node.hops.set(hops as u16);
            node.length.set(left - hops * FARTHEST);
            node.deadline().wrapping_sub(hops * FARTHEST)
        } else {
            now.wrapping_add(node.length.get())
        };
        timers.arm(node, deadline, now);
    }
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        #[cfg(feature = "alloc")]
        if let Some(state) = current::get() {
            trace::waiting("a sleep");
            return self.poll_in(state, cx.waker());
        }
        trace::waiting("a sleep");
        match current::with_turn(|turn| self.poll_in(turn, cx.waker())) {
            Some(poll) => poll,
            None => current::no_loop(),
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Sleep");
        if self.node.is_armed() || self.node.length.get() == UNTIL {
            debug.field("deadline", &self.node.deadline());
        }
        debug.field("hops", &self.node.hops.get()).finish_non_exhaustive()
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

#[cfg(feature = "alloc")]
pin_project_lite::pin_project! {
    /// A callback that waits for its time; made by `call_later` and its kin.
    pub(crate) struct Later<C> {
        #[pin]
        sleep: Sleep,
        callback: Option<C>,
    }
}

#[cfg(feature = "alloc")]
impl<C: FnOnce()> Later<C> {
    /// To be called when the sleep is over.
    pub(crate) fn new(sleep: Sleep, callback: C) -> Later<C> {
        Later { sleep, callback: Some(callback) }
    }
}

#[cfg(feature = "alloc")]
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
