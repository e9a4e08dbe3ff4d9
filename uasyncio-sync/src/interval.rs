//! Regular ticks.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;
use uasyncio_core::trace::waiting;
use uasyncio_core::{Sleep, Ticks, sleep_until, time, time_rounded_up};

use crate::deadline::{Deadline, millis};
use crate::turn::poll_proceed;

/// Ticks every `period`; the first one comes at once. asyncio has no such thing; its loops of `sleep` drift.
///
/// The period is rounded up to whole milliseconds, and is at least one. Tick number `n` is due `n` periods after the first one, to
/// the millisecond and for years, whatever the work between takes. What happens to ticks that come too late for that is the
/// [`MissedTickBehavior`]: at first they come in a burst.
///
/// The interval starts with the first poll of a tick, and needs a running event loop then. It allocates nothing, and has no
/// timer while nobody waits for a tick.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_core::{get_event_loop, run};
/// use uasyncio_sync::interval;
///
/// run(async {
///     let mut interval = interval(Duration::from_millis(2));
///     let start = get_event_loop().time();
///     for number in 0..4 {
///         assert_eq!(interval.tick().await.number, number);
///     }
///     assert!(get_event_loop().time().diff(start) >= 6);
/// });
/// ```
pub fn interval(period: Duration) -> Interval {
    Interval::new(millis(period), Schedule::Now)
}

/// As [`interval`], with the period in milliseconds.
///
/// ```
/// # uasyncio_core::run(async {
/// let mut interval = uasyncio_sync::interval_ms(2);
/// interval.tick().await; // at once
/// interval.tick().await; // after two milliseconds
/// # });
/// ```
pub fn interval_ms(period: u32) -> Interval {
    Interval::new(u64::from(period), Schedule::Now)
}

/// As [`interval`], but the first tick is due when the loop's clock shows `start`, less than 2^31 ms from then.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_core::get_event_loop;
/// use uasyncio_sync::interval_at;
///
/// # uasyncio_core::run(async {
/// let start = get_event_loop().time().wrapping_add(3);
/// let mut interval = interval_at(start, Duration::from_millis(2));
/// assert_eq!(interval.tick().await.due, start);
/// # });
/// ```
pub fn interval_at(start: Ticks, period: Duration) -> Interval {
    Interval::new(millis(period), Schedule::At(Deadline::after(start, 0)))
}

/// What [`interval`] gives: await its [`tick`](Interval::tick)s.
#[derive(Debug)]
#[must_use = "an interval does nothing unless its ticks are awaited"]
pub struct Interval {
    period: u64,
    missed_tick_behavior: MissedTickBehavior,
    /// The number of the next tick.
    number: u64,
    schedule: Schedule,
}

/// When the next tick is due.
#[derive(Clone, Copy, Debug)]
enum Schedule {
    /// At the next poll.
    Now,
    /// A period after the next poll.
    InAPeriod,
    At(Deadline),
}

/// What an [`Interval`] does about a tick that is awaited so late that others should have come since.
///
/// With a period of 10 ms, ticks due at 0, 10, 20 ..., and work that keeps the task from 11 to 34:
///
/// ```text
/// Burst   0  10            34 34 40  50    as many as were due
/// Skip    0  10            34    40  50    one for those that were missed
/// Delay   0  10            34    44  54    the schedule moves
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTickBehavior {
    /// They come one after the other without a wait, until there are as many as there should be.
    #[default]
    Burst,
    /// Only the first one comes, late; the others are left out, and the next one comes when it is due.
    Skip,
    /// Only the first one comes, and the next a period after it: never two in less than that. Each tick that is late by a
    /// millisecond or more moves all that follow.
    Delay,
}

/// A tick of an [`Interval`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Counts from zero; those that were left out are counted.
    pub number: u64,
    /// How many ticks after this one were left out, because they were due by now; always 0 with [`MissedTickBehavior::Burst`].
    pub missed: u64,
    /// When it was due.
    pub due: Ticks,
}

impl Interval {
    fn new(period: u64, schedule: Schedule) -> Interval {
        Interval { period: period.max(1), missed_tick_behavior: MissedTickBehavior::Burst, number: 0, schedule }
    }

    /// Waits for the next tick. One that is due already comes without a wait, though a task that gets nothing else gives way after 128
    /// of them.
    ///
    /// If it is awaited more than 24 days (2^31 ms) too late, the clock cannot tell how many ticks were missed.
    ///
    /// # Panics
    ///
    /// When it is polled outside a running event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no tick: the next one to wait gets it.
    ///
    /// ```
    /// # uasyncio_core::run(async {
    /// let mut interval = uasyncio_sync::interval_ms(1);
    /// let tick = interval.tick().await;
    /// assert_eq!((tick.number, tick.missed), (0, 0));
    /// # });
    /// ```
    pub fn tick(&mut self) -> IntervalTick<'_> {
        IntervalTick { interval: self, sleep: sleep_until(Ticks::default()), armed: None }
    }

    /// Begins anew: the next tick comes a period after the poll that waits for it.
    ///
    /// ```
    /// # uasyncio_core::run(async {
    /// # let start = uasyncio_core::get_event_loop().time();
    /// let mut interval = uasyncio_sync::interval_ms(3);
    /// interval.reset();
    /// interval.tick().await; // after three milliseconds
    /// # assert!(uasyncio_core::get_event_loop().time().diff(start) >= 3);
    /// # });
    /// ```
    pub fn reset(&mut self) {
        self.schedule = Schedule::InAPeriod;
    }

    /// Says what to do about ticks that were missed.
    ///
    /// ```
    /// use uasyncio_sync::{MissedTickBehavior, interval_ms};
    ///
    /// let mut interval = interval_ms(10);
    /// interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    /// assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Skip);
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// What it does about ticks that were missed: [`Burst`](MissedTickBehavior::Burst) if nobody said otherwise.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// The time from one tick to the next, as it was rounded.
    ///
    /// ```
    /// use std::time::Duration;
    /// assert_eq!(uasyncio_sync::interval(Duration::from_micros(900)).period(), Duration::from_millis(1));
    /// ```
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.period)
    }

    /// The tick that is due, if one is, and the schedule of the next.
    fn take(&mut self, due: Ticks, late: u32) -> Tick {
        let behind = u64::from(late) / self.period;
        let (missed, next) = match self.missed_tick_behavior {
            MissedTickBehavior::Burst => (0, Deadline::after(due, self.period)),
            MissedTickBehavior::Skip => (behind, Deadline::after(due, (behind + 1).saturating_mul(self.period))),
            MissedTickBehavior::Delay if late == 0 => (0, Deadline::after(due, self.period)),
            MissedTickBehavior::Delay => (behind, Deadline::after(time_rounded_up(), self.period)),
        };
        let number = self.number;
        self.number = number.wrapping_add(missed + 1);
        self.schedule = Schedule::At(next);
        Tick { number, missed, due }
    }
}

pin_project! {
    /// The future of [`Interval::tick`]: a [`Tick`].
    #[must_use = "a tick is waited for only if it is awaited"]
    pub struct IntervalTick<'i> {
        interval: &'i mut Interval,
        #[pin]
        sleep: Sleep,
        // What the sleep is for.
        armed: Option<Ticks>,
    }
}

impl Future for IntervalTick<'_> {
    type Output = Tick;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Tick> {
        let mut this = self.project();
        let interval = &mut **this.interval;
        loop {
            let mut deadline = match interval.schedule {
                Schedule::At(deadline) => deadline,
                Schedule::InAPeriod => Deadline::after(time_rounded_up(), interval.period),
                Schedule::Now => {
                    ready!(poll_proceed(cx));
                    return Poll::Ready(interval.take(time_rounded_up(), 0));
                }
            };
            let lateness = deadline.lateness(time());
            interval.schedule = Schedule::At(deadline);
            if let Some(late) = lateness {
                ready!(poll_proceed(cx));
                return Poll::Ready(interval.take(deadline.next(), late));
            }
            if *this.armed != Some(deadline.next()) {
                *this.armed = Some(deadline.next());
                this.sleep.as_mut().reset_at(deadline.next());
            }
            if this.sleep.as_mut().poll(cx).is_pending() {
                waiting("an interval");
                return Poll::Pending;
            }
            *this.armed = None;
        }
    }
}

impl fmt::Debug for IntervalTick<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntervalTick").field("interval", &self.interval).finish_non_exhaustive()
    }
}
