//! A one-shot timer that can be triggered again while it runs.
//!
//! The delay itself is a point in time and nothing else, so triggering it is a store. The timers are in the futures that wait for
//! it. A waiter whose timer fires for a point that has been moved to a later time sets it anew. If the point is moved to an
//! earlier time, or taken away, the waiters are woken to look at it. When one of several sets its timer anew, all are woken to do so, in
//! their order, in which the timers will then fire.
//!
//! ```text
//!            trigger                the point has come, and somebody looks
//!   idle ─────────────► running ─────────────────────────────────────────► idle, one more expiry
//!    ▲                  │  │  ▲
//!    └──────────────────┘  └──┘
//!           stop          trigger
//! ```
//!
//! A grant of the wait list means no more than "look again". Whether there was an expiry is seen by their number. The demand of
//! a waiter is its ticket, which tells it whether it is the first in line: the first goes on at once, and the others behind it.

use core::cell::Cell;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;
use uasyncio_core::trace::waiting;
use uasyncio_core::{Sleep, Ticks, WaitList, WaitNode, sleep_until, time, time_rounded_up};

use crate::deadline::{Deadline, millis};
use crate::turn::poll_proceed;

/// A timer that runs once each time it is triggered, and can be triggered again while it runs. `Delay_ms` of Peter Hinch's
/// library for MicroPython.
///
/// To switch something off some time after the last sign of life: each sign [`trigger`](Delay::trigger)s the delay, and
/// [`wait`](Delay::wait) or [`run`](Delay::run) tells when none came in time. Triggering costs a look at the clock and a store; nothing
/// is allocated, and there is no timer or task for a trigger that another one has replaced.
///
/// An expiry lets all go who wait at that moment, in the order in which they came; but whoever had to look anew because the delay was
/// triggered for an earlier or a later time, or stopped, has come at that look, and may stand behind others that came meanwhile. If
/// nobody waits, it is kept for the next who does, until the delay is triggered again or stopped; for 24 days (2^31 ms) at most. At the very
/// millisecond of the expiry, and on a loop that is late, the expiry comes first and a trigger after it.
///
/// Unlike the original's, it is not for interrupts: let those set a `ThreadSafeFlag`, and trigger the delay in a task that waits for it. It has
/// no duration of its own, and no value that a callback returned.
///
/// ```
/// use std::rc::Rc;
/// use uasyncio_core::{run, sleep_ms, spawn};
/// use uasyncio_sync::Delay;
///
/// run(async {
///     let light = Rc::new(Delay::new());
///     let motion = light.clone();
///     motion.trigger_ms(20);
///     spawn(async move {
///         sleep_ms(5).await;
///         motion.trigger_ms(20); // somebody is still there
///     });
///     light.wait().await;
///     println!("light off");
/// });
/// ```
pub struct Delay {
    deadline: Cell<Option<Deadline>>,
    expiries: Cell<u32>,
    next_ticket: Cell<u32>,
    waiting: WaitList,
}

impl Delay {
    /// A delay that does not run.
    ///
    /// ```
    /// assert!(!uasyncio_sync::Delay::new().running());
    /// ```
    pub const fn new() -> Delay {
        Delay { deadline: Cell::new(None), expiries: Cell::new(0), next_ticket: Cell::new(0), waiting: WaitList::new() }
    }

    /// Starts the delay, or starts it anew: it expires `duration` from now, rounded up to whole milliseconds.
    ///
    /// # Panics
    ///
    /// Outside a running event loop.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use uasyncio_sync::Delay;
    /// # uasyncio_core::run(async {
    /// let delay = Delay::new();
    /// delay.trigger(Duration::from_secs(3_600));
    /// delay.trigger(Duration::from_millis(1)); // shorter or longer: the last one counts
    /// delay.wait().await;
    /// # });
    /// ```
    pub fn trigger(&self, duration: Duration) {
        self.trigger_in(millis(duration));
    }

    /// As [`trigger`](Delay::trigger), in milliseconds.
    ///
    /// ```
    /// # use uasyncio_sync::Delay;
    /// # uasyncio_core::run(async {
    /// let delay = Delay::new();
    /// delay.trigger_ms(2);
    /// assert!(delay.running());
    /// delay.wait().await;
    /// assert!(!delay.running());
    /// # });
    /// ```
    pub fn trigger_ms(&self, duration: u32) {
        self.trigger_in(u64::from(duration));
    }

    fn trigger_in(&self, millis: u64) {
        let new = Deadline::after(time_rounded_up(), millis);
        self.settle();
        let old = self.deadline.replace(Some(new));
        // Timers for an earlier point find out by themselves that it was moved.
        if old.is_none_or(|old| old.next().diff(new.next()) > 0) {
            self.waiting.wake_all();
        }
    }

    /// Stops the delay if it runs, and forgets an expiry that nobody has waited for. Who waits goes on to wait, for the next
    /// trigger.
    ///
    /// # Panics
    ///
    /// If it was triggered, and this is outside a running event loop.
    ///
    /// ```
    /// # use uasyncio_sync::Delay;
    /// # uasyncio_core::run(async {
    /// let delay = Delay::new();
    /// delay.trigger_ms(60_000);
    /// delay.stop();
    /// assert!(!delay.running());
    /// # });
    /// ```
    pub fn stop(&self) {
        self.settle();
        if self.deadline.take().is_some() {
            self.waiting.wake_all(); // they take their timers away
        }
    }

    /// Whether it was triggered and has not expired yet. The original's `running`, and calling it.
    ///
    /// # Panics
    ///
    /// If it was triggered, and this is outside a running event loop.
    ///
    /// ```
    /// # use uasyncio_sync::Delay;
    /// # uasyncio_core::run(async {
    /// let delay = Delay::new();
    /// assert!(!delay.running());
    /// delay.trigger_ms(1);
    /// assert!(delay.running());
    /// # });
    /// ```
    pub fn running(&self) -> bool {
        self.look().is_some_and(|(_, over)| !over)
    }

    /// Waits for the next expiry; counted from the first poll of the future. If there was one that nobody has waited for, that is
    /// it.
    ///
    /// # Panics
    ///
    /// When it is polled outside a running event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the delay or on others that wait, and an expiry that nobody else has waited for is
    /// kept.
    ///
    /// ```
    /// # use uasyncio_sync::Delay;
    /// # uasyncio_core::run(async {
    /// let delay = Delay::new();
    /// delay.trigger_ms(1);
    /// delay.wait().await;
    /// # });
    /// ```
    pub fn wait(&self) -> DelayWait<'_> {
        DelayWait { seen: None, ticket: 0, node: WaitNode::new(self), sleep: sleep_until(Ticks::default()), armed: None }
    }

    /// Calls `callback` at each expiry and polls the future that it gives, to its end, before it waits for the next. Never ready.
    ///
    /// An expiry that falls into that time is not missed: the callback is called once more then. In the original a callback that is a
    /// coroutine becomes a task; here [spawn](uasyncio_core::spawn) one if the calls may overlap.
    ///
    /// # Panics
    ///
    /// When it is polled outside a running event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops that of the callback, if it is at work; the delay runs on.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use uasyncio_core::{create_task, run, sleep_ms};
    /// use uasyncio_sync::Delay;
    ///
    /// run(async {
    ///     let light = Rc::new(Delay::new());
    ///     let off = light.clone();
    ///     let task = create_task(async move { off.run(|| async { println!("light off") }).await });
    ///     light.trigger_ms(2);
    ///     sleep_ms(5).await;
    ///     task.cancel();
    /// });
    /// ```
    pub fn run<C, F>(&self, callback: C) -> DelayRun<'_, C, F>
    where
        C: FnMut() -> F,
        F: Future<Output = ()>,
    {
        DelayRun { wait: self.wait(), callback, at_work: None }
    }

    /// The deadline, and whether it has come; hops on towards it.
    fn look(&self) -> Option<(Deadline, bool)> {
        let mut deadline = self.deadline.get()?;
        let over = deadline.lateness(time()).is_some();
        self.deadline.set(Some(deadline));
        Some((deadline, over))
    }

    /// What has expired, and was only not looked at yet, has expired before what comes now.
    fn settle(&self) {
        if !self.waiting.is_empty() && self.look().is_some_and(|(_, over)| over) {
            self.expire();
        }
    }

    fn expire(&self) {
        self.deadline.set(None);
        self.expiries.set(self.expiries.get().wrapping_add(1));
        self.waiting.wake_all();
    }

    /// Whether more than one may be waiting: the first in line is not the last who came.
    fn may_be_several(&self) -> bool {
        let last = self.next_ticket.get().wrapping_sub(1);
        self.waiting.first_demand().is_some_and(|first| first != last)
    }

    fn take_ticket(&self) -> u32 {
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket.wrapping_add(1));
        ticket
    }
}

impl Default for Delay {
    fn default() -> Delay {
        Delay::new()
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = self.deadline.get().map(Deadline::next);
        f.debug_struct("Delay").field("deadline", &deadline).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Delay::wait`].
    #[must_use = "it waits for nothing unless it is awaited"]
    pub struct DelayWait<'d> {
        // The number of expiries when the wait began.
        seen: Option<u32>,
        ticket: u32,
        #[pin]
        node: WaitNode<'d, Delay>,
        #[pin]
        sleep: Sleep,
        // What the sleep is for.
        armed: Option<Ticks>,
    }
}

/// What a snapshot of the tasks shows.
const REASON: &str = "a delay";

impl Future for DelayWait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let delay = this.node.owner();
        let expiries = delay.expiries.get();
        if *this.seen.get_or_insert(expiries) != expiries {
            ready!(poll_proceed(cx));
            this.node.cancel();
            return Poll::Ready(());
        }
        if this.node.is_idle() {
            *this.ticket = delay.take_ticket();
        }
        while this.node.as_mut().poll_wait(&delay.waiting, cx, *this.ticket, REASON).is_ready() {
            *this.armed = None; // in its turn
        }
        while let Some((deadline, over)) = delay.look() {
            if over {
                if delay.waiting.first_demand() != Some(*this.ticket) {
                    delay.expire(); // we too are woken, in our turn
                    return Poll::Pending;
                }
                ready!(poll_proceed(cx));
                this.node.cancel();
                delay.expire();
                return Poll::Ready(());
            }
            if *this.armed != Some(deadline.next()) {
                if this.armed.is_some() && delay.may_be_several() {
                    delay.waiting.wake_all();
                    return Poll::Pending;
                }
                *this.armed = Some(deadline.next());
                this.sleep.as_mut().reset_at(deadline.next());
            }
            if this.sleep.as_mut().poll(cx).is_pending() {
                waiting(REASON);
                return Poll::Pending;
            }
            *this.armed = None;
        }
        *this.armed = None;
        this.sleep.reset(Duration::MAX);
        Poll::Pending
    }
}

impl fmt::Debug for DelayWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayWait").field("delay", &self.node.owner()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Delay::run`].
    #[must_use = "it calls nothing unless it is awaited"]
    pub struct DelayRun<'d, C, F> {
        #[pin]
        wait: DelayWait<'d>,
        callback: C,
        #[pin]
        at_work: Option<F>,
    }
}

impl<C, F> Future for DelayRun<'_, C, F>
where
    C: FnMut() -> F,
    F: Future<Output = ()>,
{
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        let mut this = self.project();
        loop {
            if let Some(at_work) = this.at_work.as_mut().as_pin_mut() {
                ready!(at_work.poll(cx));
                this.at_work.set(None);
            }
            ready!(this.wait.as_mut().poll(cx));
            let delay = this.wait.node.owner();
            this.wait.set(DelayWait { seen: Some(delay.expiries.get()), ..delay.wait() });
            this.at_work.set(Some((this.callback)()));
        }
    }
}

impl<C, F> fmt::Debug for DelayRun<'_, C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayRun")
            .field("delay", &self.wait.node.owner())
            .field("at_work", &self.at_work.is_some())
            .finish_non_exhaustive()
    }
}
