//! The event loop without a heap.
//!
//! ```text
//! static, 8 bytes and 2 a slot (32-bit)        the stack of `run`, while it lasts
//! ┌────────────────────────────────┐           ┌────────────────────────────────────────┐
//! │ queue: first, last, running,   │           │ table: a pointer to each task          │
//! │        whom to wake            │  same     │ timers, clock and budget (`Turn`)      │
//! │ slot 0 │ slot 1 │ ... slot N-1 │ ◄──────── │ the futures, which the caller has lent │
//! └────────────────────────────────┘  indices  └────────────────────────────────────────┘
//!        ▲                                          ▲
//!      wakers, from anywhere, at any time        `current`, from where the loop runs
//! ```
//!
//! What wakers lead to is never freed; everything else ends with the run. So no pointer to a lent future is left behind, whether the
//! run returns or unwinds, and there is nothing to keep apart between the runs, which may be on different threads or cores.

use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::error::{Deadlock, RunError};
use crate::{Platform, current};

mod line;
mod turn;

#[cfg(not(loom))]
use line::MOST_SLOTS;
use line::{Line, Slots};
pub(crate) use turn::Turn;
use turn::{Entry, Lent};

/// An event loop of `N` tasks in a `static`, which needs no heap.
///
/// The futures are the caller's: pinned on its stack and lent to the loop for one call. Whatever needs the loop that is running,
/// such as [`sleep`](crate::sleep()), finds it while the call lasts; [`spawn_pinned`] adds tasks meanwhile if there are free slots.
///
/// ```
/// use std::pin::pin;
/// use uasyncio_core::{StaticLoop, ThreadPark, sleep_ms};
///
/// static LOOP: StaticLoop<2> = StaticLoop::new();
///
/// async fn blink(times: u32, millis: u32) {
///     for _ in 0..times {
///         println!("on, after {millis} ms off");
///         sleep_ms(millis).await;
///     }
/// }
///
/// LOOP.run(&ThreadPark::new(), [pin!(blink(3, 2)), pin!(blink(2, 5))]);
/// ```
///
/// # Order
///
/// That of [`EventLoop`](crate::EventLoop): the run queue is a FIFO, and a task is in it once however often it is woken. A pass polls at most
/// 61 tasks, fires the timers that are due, in the order of their deadlines, and lets the platform look or wait.
///
/// # Wakers
///
/// They may be used on any thread and in any interrupt, also after the run and in the next one, where they cost at most a
/// poll of whatever task has the slot. Cloning and dropping them does nothing. Waking one takes a critical section with the feature
/// `critical-section` (without `std`), else a few atomic operations, for which the target must have compare-and-swap; without either there
/// is no `StaticLoop`.
///
/// # Without `std`
///
/// The platform has to tell where the loop runs: [`Platform::loop_context`]. Programs that run code on several cores, or in threads, switch
/// on the feature `multi-core` and tell them apart by `set_core_id`; each core runs a loop of its own.
pub struct StaticLoop<const N: usize> {
    line: Line<N>,
}

impl<const N: usize> StaticLoop<N> {
    /// A loop with `N` slots for tasks, at most 254. On a machine of 32 bits it is 8 bytes and 2 a slot with the feature
    /// `critical-section`, all of them 0 before the first run.
    #[cfg(not(loom))]
    pub const fn new() -> StaticLoop<N> {
        const { assert!(N <= MOST_SLOTS, "a StaticLoop has at most 254 slots") };
        StaticLoop { line: Line::new() }
    }

    /// A loop with `N` slots.
    #[cfg(loom)]
    pub fn new() -> StaticLoop<N> {
        StaticLoop { line: Line::new() }
    }

    /// Runs tasks until all are done: these, and those spawned meanwhile. They are polled first in the order in which they are here,
    /// but that wakers left from an earlier run, if they were woken since, may bring some forward.
    ///
    /// That there are enough slots is checked when the program is compiled. Meanwhile the table of tasks is on the stack, two words a slot.
    ///
    /// # Panics
    ///
    /// When a loop is running here already, or this one elsewhere; and when the tasks wait for what cannot happen (see
    /// [`Platform::closed_world`]). [`try_run`](StaticLoop::try_run) gives these as errors.
    ///
    /// A panic of a task goes on here. Then all tasks have left the loop, which may be run again.
    #[track_caller]
    pub fn run<P: Platform, const M: usize>(&'static self, platform: &P, mut tasks: [Pin<&mut dyn Future<Output = ()>>; M]) {
        match self.start::<P, M, false>(platform, &mut tasks) {
            Ok(()) => {}
            Err(error) => fail(&error),
        }
    }

    /// [`run`](StaticLoop::run) with its failures as errors.
    ///
    /// # Errors
    ///
    /// [`RunError::Nested`], when a loop is running here already, or this one elsewhere; [`RunError::Deadlock`], when no task can
    /// go on and nothing outside can change that.
    ///
    /// ```
    /// use std::pin::pin;
    /// use uasyncio_core::{RunError, StaticLoop, ThreadPark};
    ///
    /// static OUTER: StaticLoop<1> = StaticLoop::new();
    /// static INNER: StaticLoop<1> = StaticLoop::new();
    ///
    /// let platform = ThreadPark::new();
    /// let nested = pin!(async {
    ///     let end = INNER.try_run(&platform, [pin!(async {})]);
    ///     assert!(matches!(end, Err(RunError::Nested)));
    /// });
    /// OUTER.run(&platform, [nested]);
    /// ```
    pub fn try_run<P: Platform, const M: usize>(
        &'static self,
        platform: &P,
        mut tasks: [Pin<&mut dyn Future<Output = ()>>; M],
    ) -> Result<(), RunError> {
        self.start::<P, M, false>(platform, &mut tasks)
    }

    /// Runs tasks for ever, as the `main` of firmware does. When all are done it goes on waiting.
    ///
    /// # Panics
    ///
    /// As [`run`](StaticLoop::run).
    ///
    /// ```no_run
    /// use std::pin::pin;
    /// use uasyncio_core::{StaticLoop, ThreadPark, sleep_ms};
    ///
    /// static LOOP: StaticLoop<1> = StaticLoop::new();
    ///
    /// async fn tick() {
    ///     loop {
    ///         sleep_ms(1_000).await;
    ///     }
    /// }
    ///
    /// LOOP.run_forever(&ThreadPark::new(), [pin!(tick())])
    /// ```
    #[track_caller]
    pub fn run_forever<P: Platform, const M: usize>(
        &'static self,
        platform: &P,
        mut tasks: [Pin<&mut dyn Future<Output = ()>>; M],
    ) -> ! {
        match self.start::<P, M, true>(platform, &mut tasks) {
            Ok(()) => unreachable!(),
            Err(error) => fail(&error),
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in three places, of which a program has one")]
    fn start<P: Platform, const M: usize, const FOREVER: bool>(
        &'static self,
        platform: &P,
        tasks: &mut [Lent<'_>; M],
    ) -> Result<(), RunError> {
        const { assert!(M <= N, "a StaticLoop must have a slot for each task") };
        if !current::is_free() {
            return Err(RunError::Nested);
        }
        let notifier = platform.needs_notice().then(|| platform.notifier());
        let Some(slots) = self.line.claim(M) else {
            return Err(RunError::Nested);
        };
        let _release = Release(slots);
        let larger: [Entry<'_>; N];
        let table = match () {
            #[cfg(not(feature = "trace"))]
            // SAFETY: U21. The array was given away to be used here, and is not used elsewhere.
            () if M == N => unsafe { Entry::in_place(tasks) },
            () => {
                larger = Entry::table(tasks);
                &larger
            }
        };
        let turn = Turn::new(slots, table, M, platform);
        platform.enter();
        // SAFETY: U19. `_entered` leaves it, on every way out of here; this is where it was found free.
        unsafe { current::enter(&turn) };
        let _entered = Entered {
            platform,
            turn: &turn,
            #[cfg(feature = "std")]
            _budget: crate::budget::Outer::keep(),
        };
        // Asked again, so that the compiler knows the answer wherever it counts.
        let notifier = notifier.as_ref().filter(|_| platform.needs_notice());
        loop {
            // SAFETY: U20. The notifier stays here until `_release` is dropped, on every way out of here.
            let asleep = unsafe { turn.poll_ready(notifier) };
            if !FOREVER && turn.is_done() {
                return Ok(());
            }
            let next = turn.advance_timers(platform);
            // Last of all, in case that somebody has woken a task and then said that this was the end of it.
            if next.is_none() && platform.closed_world() && !platform.pending_io() && slots.is_asleep() {
                return Err(RunError::Deadlock(Deadlock::of(&turn)));
            }
            platform.wait(if asleep { next } else { Some(0) });
        }
    }
}

impl<const N: usize> Default for StaticLoop<N> {
    fn default() -> StaticLoop<N> {
        StaticLoop::new()
    }
}

impl<const N: usize> fmt::Debug for StaticLoop<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticLoop").field("slots", &N).finish_non_exhaustive()
    }
}

/// The loop may be run again when this is dropped.
struct Release(Slots);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// The run is the current one while this lives.
struct Entered<'r, 't, P: Platform> {
    platform: &'r P,
    turn: &'r Turn<'r, 't>,
    #[cfg(feature = "std")]
    _budget: crate::budget::Outer,
}

impl<P: Platform> Drop for Entered<'_, '_, P> {
    fn drop(&mut self) {
        current::leave();
        self.turn.detach_timers();
        self.platform.leave();
    }
}

#[cold]
#[track_caller]
fn fail(error: &RunError) -> ! {
    #[cfg(feature = "alloc")]
    panic!("{error}");
    #[cfg(not(feature = "alloc"))]
    match error {
        RunError::Nested => panic!("an event loop is running here already"),
        _ => panic!("deadlock: nothing can wake any of the tasks"),
    }
}

/// Adds a task to the loop that is running here. It is polled behind those that are ready, and stays until it is done.
///
/// On a [`StaticLoop`] it takes a free slot; on an [`EventLoop`](crate::EventLoop) it always finds one, as with
/// [`spawn`](crate::spawn()).
///
/// # Errors
///
/// [`TableFull`], with the future, when a [`StaticLoop`] has no free slot.
///
/// # Panics
///
/// When no event loop is running here.
///
/// ```
/// use std::pin::pin;
/// use uasyncio_core::{StaticLoop, ThreadPark, sleep_ms, spawn_pinned};
///
/// static LOOP: StaticLoop<2> = StaticLoop::new();
///
/// let main = pin!(async {
///     // On a heap, or in a cell that hands out the one reference to what is in a `static`.
///     spawn_pinned(Box::leak(Box::new(sleep_ms(3))).pinned()).unwrap();
///     let full = spawn_pinned(Box::leak(Box::new(sleep_ms(1))).pinned()).unwrap_err();
///     full.into_future().await;
/// });
/// LOOP.run(&ThreadPark::new(), [main]);
///
/// # trait Pinned { fn pinned(&'static mut self) -> std::pin::Pin<&'static mut Self>; }
/// # impl<F> Pinned for F { fn pinned(&'static mut self) -> std::pin::Pin<&'static mut F> { std::pin::Pin::static_mut(self) } }
/// ```
#[track_caller]
pub fn spawn_pinned(future: Pin<&'static mut dyn Future<Output = ()>>) -> Result<(), TableFull> {
    #[cfg(feature = "alloc")]
    if current::get().is_some() {
        crate::spawn(future);
        return Ok(());
    }
    match current::with_turn(|turn| turn.spawn(future)) {
        Some(result) => result,
        None => current::no_loop(),
    }
}

/// The loop has no free slot; this gives the future back.
pub struct TableFull {
    future: Pin<&'static mut dyn Future<Output = ()>>,
}

impl TableFull {
    fn new(future: Pin<&'static mut dyn Future<Output = ()>>) -> TableFull {
        TableFull { future }
    }

    /// The future that was to be spawned.
    pub fn into_future(self) -> Pin<&'static mut dyn Future<Output = ()>> {
        self.future
    }
}

impl fmt::Debug for TableFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableFull").finish_non_exhaustive()
    }
}

impl fmt::Display for TableFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the loop has no free slot for another task")
    }
}

impl core::error::Error for TableFull {}
