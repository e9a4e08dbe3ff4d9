//! Hyper's timers on our loop. Hyper wants sleeps that are `Send` and `Sync`; the real ones stay on their thread (`kept.rs`).

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::hyper::rt::{Sleep, Timer};

use super::kept::Kept;

/// Time for hyper, from the event loop that runs where hyper is polled.
///
/// For `Builder::timer` of servers and clients: header and keep-alive time limits work then. The clock has milliseconds; a
/// sleep is never early.
///
/// ```
/// use std::time::{Duration, Instant};
/// use hyper::rt::Timer;
/// use uasyncio_compat::hyper::LoopTimer;
///
/// uasyncio_core::run(async {
///     let start = Instant::now();
///     LoopTimer::new().sleep(Duration::from_millis(5)).await;
///     assert!(start.elapsed() >= Duration::from_millis(5));
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LoopTimer;

impl LoopTimer {
    /// The timer; it holds nothing.
    pub fn new() -> LoopTimer {
        LoopTimer
    }
}

impl Timer for LoopTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(TimerSleep { deadline: Instant::now().checked_add(duration), kept: None, stale: false })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(TimerSleep { deadline: Some(deadline), kept: None, stale: false })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<TimerSleep>() {
            Some(sleep) => {
                let sleep = sleep.get_mut();
                sleep.deadline = Some(new_deadline);
                sleep.stale = true;
            }
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

/// The future of [`LoopTimer`]. It may be made, moved and dropped on any thread, and belongs to the one that polls it first.
///
/// Dropping it elsewhere is fine: the timer behind it is then taken back when its thread next starts one.
///
/// # Panics
///
/// When it is polled on another thread than before, and outside a running event loop.
pub struct TimerSleep {
    /// `None`: never.
    deadline: Option<Instant>,
    /// From the first poll on.
    kept: Option<Kept<Pin<Box<uasyncio_core::Sleep>>>>,
    /// The deadline is another one than the kept sleep has.
    stale: bool,
}

impl Future for TimerSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let left = || this.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        let kept = this.kept.get_or_insert_with(|| Kept::new(Box::pin(uasyncio_core::sleep(left()))));
        let done = kept.with(|sleep| {
            if mem::take(&mut this.stale) {
                sleep.as_mut().reset(left());
            }
            sleep.as_mut().poll(cx)
        });
        match done {
            Some(done) => done,
            None => panic!("a sleep of LoopTimer belongs to the thread that polled it first, and this is another one"),
        }
    }
}

impl Sleep for TimerSleep {}

impl fmt::Debug for TimerSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerSleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
