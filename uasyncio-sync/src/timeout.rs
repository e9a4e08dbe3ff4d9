//! A time limit over a block, which can be moved while the block runs.
//!
//! The limit is written down in the [`Timeout`]; the timer is in the future of [`Timeout::run`], which looks at the limit after
//! each poll of the block and, if it was moved, sets the timer anew. Who moves it from outside wakes that future for it.

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use uasyncio_core::{Ticks, time};

use crate::TimeoutError;
use crate::timer::{Limited, LimitedProjection, Timer};

/// A time limit over a block of code. asyncio's `timeout`.
///
/// [`run`](Timeout::run) runs the block; [`reschedule`](Timeout::reschedule), from inside it or from another task, moves the
/// limit. For a fixed limit over one future [`wait_for`](crate::wait_for()) is shorter.
///
/// A length counts from the first poll of the block, rounded up to whole milliseconds; zero lets the block run until it first
/// has to wait, and [`Duration::MAX`] means no limit.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::{TimeoutError, timeout};
///
/// run(async {
///     let scope = timeout(Duration::from_millis(5));
///     let end = scope
///         .run(async {
///             sleep_ms(1).await;
///             scope.reschedule(Some(Duration::from_millis(2))); // 3 ms since the start
///             sleep_ms(60_000).await;
///         })
///         .await;
///     assert_eq!(end, Err(TimeoutError));
///     assert!(scope.expired());
/// });
/// ```
pub fn timeout(length: Duration) -> Timeout {
    Timeout {
        limit: Cell::new(Limit { start: None, length }),
        moved: Cell::new(true),
        stage: Cell::new(Stage::New),
        waker: Cell::new(None),
    }
}

/// As [`timeout`], with the length in milliseconds.
///
/// ```
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::timeout_ms;
///
/// run(async {
///     assert!(timeout_ms(1).run(sleep_ms(60_000)).await.is_err());
/// });
/// ```
pub fn timeout_ms(millis: u32) -> Timeout {
    timeout(Duration::from_millis(millis.into()))
}

/// A time limit that can be moved; see [`timeout`].
#[must_use = "a time limit does nothing unless something is run in it"]
pub struct Timeout {
    limit: Cell<Limit>,
    /// The timer does not know the present limit yet.
    moved: Cell<bool>,
    stage: Cell<Stage>,
    /// Wakes the task that runs the block, while that waits.
    waker: Cell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    /// When the length began to count, once it has.
    start: Option<Ticks>,
    length: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Running,
    Ended,
    Expired,
}

impl Timeout {
    /// Runs a future under this limit: its output, or the error if the limit came first.
    ///
    /// In each poll the block comes first and the limit second, so a value that is there wins a tie. When the time is up, the
    /// block is dropped, then the error is returned. A `Timeout` serves one block.
    ///
    /// # Panics
    ///
    /// When it is polled after the same limit was used for another block, or outside a running event loop, or again after it
    /// has ended.
    ///
    /// # Cancel safety
    ///
    /// As the inner future: dropping this drops it. The limit has ended then, and has not expired.
    ///
    /// ```
    /// use std::time::Duration;
    /// use uasyncio_core::run;
    /// use uasyncio_sync::timeout;
    ///
    /// run(async {
    ///     assert_eq!(timeout(Duration::from_secs(60)).run(async { 42 }).await, Ok(42));
    /// });
    /// ```
    pub fn run<F: Future>(&self, future: F) -> RunTimeout<'_, F> {
        RunTimeout { entered: Entered { scope: self, active: false }, limited: Limited::new(future, Duration::ZERO) }
    }

    /// Moves the limit to so far from now; with `None` there is no limit any more. `false`: it is too late, the block has ended.
    /// asyncio's `reschedule`.
    ///
    /// Before the block runs, this changes the length, which counts from the first poll of the block as ever.
    ///
    /// # Panics
    ///
    /// When the block runs and this is called outside a running event loop.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use uasyncio_core::{create_task, run, sleep_ms};
    /// use uasyncio_sync::timeout;
    ///
    /// run(async {
    ///     let scope = Rc::new(timeout(Duration::from_secs(60)));
    ///     let impatient = scope.clone();
    ///     let _task = create_task(async move {
    ///         impatient.reschedule(Some(Duration::from_millis(1)));
    ///     });
    ///     assert!(scope.run(sleep_ms(60_000)).await.is_err());
    ///     assert!(!scope.reschedule(None)); // too late
    /// });
    /// ```
    pub fn reschedule(&self, length: Option<Duration>) -> bool {
        if matches!(self.stage.get(), Stage::Ended | Stage::Expired) {
            return false;
        }
        self.limit.set(Limit { start: None, length: length.unwrap_or(Duration::MAX) });
        self.moved.set(true);
        self.started_limit();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        true
    }

    /// The point in time at which the block is ended. asyncio's `when`.
    ///
    /// `None` while the block has not begun, if there is no limit, and if that is further off than ticks can tell (24.8 days).
    /// The timer is never early, and up to two milliseconds late if the loop is free.
    ///
    /// ```
    /// use std::time::Duration;
    /// use uasyncio_core::{get_event_loop, run};
    /// use uasyncio_sync::timeout;
    ///
    /// run(async {
    ///     let scope = timeout(Duration::from_millis(100));
    ///     assert_eq!(scope.when(), None);
    ///     let left = scope.run(async { scope.when().unwrap().diff(get_event_loop().time()) }).await;
    ///     assert!(left.unwrap() <= 100);
    /// });
    /// ```
    pub fn when(&self) -> Option<Ticks> {
        let Limit { start, length } = self.started_limit();
        let millis = i32::try_from(length.as_nanos().div_ceil(1_000_000)).ok()?;
        Some(start?.wrapping_add(millis.unsigned_abs()))
    }

    /// Whether the block was ended because its time was up. asyncio's `expired`.
    ///
    /// ```
    /// use uasyncio_core::{run, sleep_ms};
    /// use uasyncio_sync::timeout_ms;
    ///
    /// run(async {
    ///     let scope = timeout_ms(1);
    ///     assert!(scope.run(sleep_ms(60_000)).await.is_err());
    ///     assert!(scope.expired());
    /// });
    /// ```
    pub fn expired(&self) -> bool {
        self.stage.get() == Stage::Expired
    }

    /// The limit; if the block runs, the length counts from now at the latest.
    fn started_limit(&self) -> Limit {
        let mut limit = self.limit.get();
        if self.stage.get() == Stage::Running && limit.start.is_none() && limit.length != Duration::MAX {
            limit.start = Some(time());
            self.limit.set(limit);
        }
        limit
    }

    /// The length of the timer that is to be set now.
    fn left(&self) -> Duration {
        match self.limit.get() {
            Limit { start: Some(start), length } => {
                let passed = time().wrapping_sub(start.as_millis());
                length.saturating_sub(Duration::from_millis(passed.as_millis().into()))
            }
            Limit { start: None, length: Duration::ZERO } => Duration::ZERO,
            Limit { start: None, .. } => self.started_limit().length,
        }
    }

    /// Makes the next [`reschedule`](Timeout::reschedule) wake the task; `known` may be its waker already.
    fn listen(&self, known: Option<Waker>, waker: &Waker) {
        let waker = known.filter(|known| known.will_wake(waker)).unwrap_or_else(|| waker.clone());
        self.waker.set(Some(waker));
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("limit", &self.limit.get()).field("stage", &self.stage.get()).finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Timeout::run`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct RunTimeout<'t, F> {
        entered: Entered<'t>,
        #[pin]
        limited: Limited<F>,
    }
}

impl<F: Future> Future for RunTimeout<'_, F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let LimitedProjection::Running { mut timer, inner } = this.limited.as_mut().project() else {
            panic!("`Timeout::run` was polled after it had ended");
        };
        let scope = this.entered.enter();
        // Moved from inside, the limit is noticed below: nobody need be woken for that.
        let known = scope.waker.take();
        let end = match inner.poll(cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => {
                if scope.moved.take() {
                    timer.set(Timer::new(scope.left()));
                }
                if timer.poll(cx).is_pending() {
                    scope.listen(known, cx.waker());
                    return Poll::Pending;
                }
                Err(TimeoutError)
            }
        };
        this.entered.leave(if end.is_ok() { Stage::Ended } else { Stage::Expired });
        this.limited.set(Limited::Ended);
        Poll::Ready(end)
    }
}

impl<F> fmt::Debug for RunTimeout<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunTimeout")
            .field("scope", self.entered.scope)
            .field("timer", &self.limited.timer())
            .finish_non_exhaustive()
    }
}

/// A block's hold on its limit; ends it when dropped.
struct Entered<'t> {
    scope: &'t Timeout,
    /// This block is the one that the limit serves, and it has not ended.
    active: bool,
}

impl<'t> Entered<'t> {
    fn enter(&mut self) -> &'t Timeout {
        if !self.active {
            assert!(self.scope.stage.get() == Stage::New, "a `Timeout` serves one block: make another one");
            self.scope.stage.set(Stage::Running);
            self.active = true;
        }
        self.scope
    }

    fn leave(&mut self, stage: Stage) {
        self.active = false;
        self.scope.stage.set(stage);
        drop(self.scope.waker.take());
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.active {
            self.leave(Stage::Ended);
        }
    }
}
