//! The event loop as its owner sees it.

use alloc::rc::Rc;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::pin;

use crate::cell::Lent;
use crate::error::{Deadlock, RunError};
use crate::handle::Loop;
use crate::slot::SlotRef;
use crate::state::{LoopState, Pass};
use crate::task_error::resume;
use crate::trace::Origin;
use crate::{Platform, TaskError, current};

#[cfg(feature = "std")]
use crate::ThreadPark;

/// An event loop and the platform that it waits by. asyncio's `EventLoop`.
///
/// It belongs to the thread that made it. All that can be asked of a loop from inside it is on [`Loop`], to which this
/// dereferences. Tasks may be created before it runs, and stay between runs. Dropping the loop drops every future once, on this
/// thread; wakes and spawns during that are harmless.
///
/// A loop takes about half a kilobyte and one page of 1 KB for each 40 tasks (64-bit). Both return to a pool that the process
/// keeps.
///
/// ```
/// use uasyncio_core::{EventLoop, sleep_ms};
///
/// let event_loop = EventLoop::new();
/// let task = event_loop.create_task(async {
///     sleep_ms(1).await;
///     "done"
/// });
/// let answer = event_loop.run_until_complete(task).unwrap();
/// assert_eq!(answer.unwrap(), "done");
/// ```
pub struct EventLoop<#[cfg(feature = "std")] P: Platform = ThreadPark, #[cfg(not(feature = "std"))] P: Platform> {
    handle: Loop,
    platform: Rc<P>,
}

/// When a loop that is driven by [`turn`](EventLoop::turn) needs its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// At once: tasks are ready.
    Now,
    /// In so many milliseconds, for a timer; or when the platform's notifier is woken.
    Within(u32),
    /// When the platform's notifier is woken.
    Idle,
}

#[cfg(feature = "std")]
impl EventLoop {
    /// A loop that waits by parking the present thread.
    pub fn new() -> EventLoop {
        EventLoop::with_platform(ThreadPark::new())
    }
}

#[cfg(feature = "std")]
impl Default for EventLoop {
    fn default() -> EventLoop {
        EventLoop::new()
    }
}

impl<P: Platform> EventLoop<P> {
    /// A loop on a platform.
    pub fn with_platform(platform: P) -> EventLoop<P> {
        let platform = Rc::new(platform);
        let state = LoopState::open(platform.clone());
        EventLoop { handle: Loop::of(state), platform }
    }

    /// The platform.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    fn state(&self) -> &'static LoopState {
        self.handle.state()
    }

    /// Says whether nothing outside the loop can wake it: no thread, no interrupt, no host. Then a loop in which nothing is
    /// ready, no timer is armed and no I/O is awaited gives [`RunError::Deadlock`] instead of waiting for ever.
    pub fn set_closed_world(&self, closed: bool) {
        self.state().closed_world.set(closed);
    }

    /// Runs the loop until the future is done, and gives its output. asyncio's `run_until_complete`.
    ///
    /// The future need not be `'static`. It is polled like a task, behind those that are ready already. Other tasks stay in the
    /// loop afterwards.
    ///
    /// # Errors
    ///
    /// [`RunError::Nested`], when a loop runs on this thread already; [`RunError::Stopped`], when [`stop`](Loop::stop) was called
    /// first; [`RunError::Deadlock`], when nothing can go on and nothing outside can change that.
    /// The future is dropped then; run `future.as_mut()` of a pinned future, or `&mut task`, to keep it.
    ///
    /// # Panics
    ///
    /// A panic of the future goes on here. Panics of other tasks do not.
    #[cfg_attr(feature = "trace", track_caller)]
    pub fn run_until_complete<F: Future>(&self, future: F) -> Result<F::Output, RunError> {
        if !current::is_free() {
            return Err(RunError::Nested);
        }
        let state = self.state();
        let _entered = state.enter(); // dropped last: the future's destructors still find the loop
        let future = pin!(future);
        let lent = Lent::new(future);
        // SAFETY: U4. `Removed` empties the slot before `lent` goes, on every way out of here.
        let task = unsafe { lent.as_task() };
        let Some(slot) = state.insert(task, true) else {
            return Err(RunError::Stopped);
        };
        Origin::caller().record(slot);
        let end = {
            let _removed = Removed { state, slot };
            self.drive(|| lent.has_result())
        };
        match lent.take_result() {
            Some(Ok(output)) => Ok(output),
            Some(Err(TaskError::Panicked(panic))) => resume(panic),
            Some(Err(TaskError::Cancelled)) => Err(RunError::Stopped),
            None => Err(end.err().unwrap_or(RunError::Stopped)),
        }
    }

    /// Runs the loop until [`stop`](Loop::stop) is called. asyncio's `run_forever`.
    ///
    /// What is queued when the loop stops stays queued; the next run goes on with it.
    ///
    /// # Errors
    ///
    /// [`RunError::Nested`] and [`RunError::Deadlock`], as for [`run_until_complete`](EventLoop::run_until_complete).
    pub fn run_forever(&self) -> Result<(), RunError> {
        if !current::is_free() {
            return Err(RunError::Nested);
        }
        let _entered = self.state().enter();
        self.drive(|| false)
    }

    fn drive(&self, done: impl Fn() -> bool) -> Result<(), RunError> {
        let state = self.state();
        state.gate.wake_up();
        loop {
            match state.pass(&*self.platform, true) {
                Pass::Stopped if done() => {
                    state.overtake_stop();
                    return Ok(());
                }
                Pass::Stopped if state.take_stop() => return Ok(()),
                Pass::Stopped => {}
                Pass::Idle => return Err(RunError::Deadlock(Deadlock::new(state.tasks()))),
                Pass::Ready | Pass::Timer(_) => {}
            }
        }
    }

    /// Runs one pass, never blocks, and says when the next one is needed; for embedding the loop in another one.
    ///
    /// A pass polls at most 61 tasks, then takes wakes from other threads, fires timers and looks at I/O. If there is nothing to
    /// do at once, the first wake, new task or earlier timer from outside wakes the platform's notifier, once; for a reactor that
    /// makes its descriptor readable. Turns of *different* loops may nest.
    ///
    /// # Errors
    ///
    /// [`RunError::Nested`], when called from inside this very loop; [`RunError::Stopped`], when [`stop`](Loop::stop) was
    /// called.
    ///
    /// ```
    /// use uasyncio_core::{Attention, EventLoop, sleep_ms};
    ///
    /// let event_loop = EventLoop::new();
    /// let task = event_loop.create_task(sleep_ms(5));
    /// loop {
    ///     let attention = event_loop.turn().unwrap();
    ///     if task.done() {
    ///         break;
    ///     }
    ///     match attention {
    ///         Attention::Now => {}
    ///         Attention::Within(millis) => std::thread::park_timeout(std::time::Duration::from_millis(millis.into())),
    ///         Attention::Idle => std::thread::park(),
    ///     }
    /// }
    /// ```
    pub fn turn(&self) -> Result<Attention, RunError> {
        let state = self.state();
        if state.is_running() {
            return Err(RunError::Nested);
        }
        let _entered = state.enter();
        state.gate.wake_up();
        let attention = match state.pass(&*self.platform, false) {
            Pass::Stopped if state.take_stop() => return Err(RunError::Stopped),
            Pass::Stopped | Pass::Ready => return Ok(Attention::Now),
            Pass::Timer(millis) => Attention::Within(millis),
            Pass::Idle => Attention::Idle,
        };
        Ok(if state.gate.fall_asleep() { attention } else { Attention::Now })
    }

    /// Ends the loop, as dropping it does. asyncio's `close`.
    pub fn close(self) {}
}

impl<P: Platform> Deref for EventLoop<P> {
    type Target = Loop;

    fn deref(&self) -> &Loop {
        &self.handle
    }
}

impl<P: Platform> Drop for EventLoop<P> {
    fn drop(&mut self) {
        self.state().close();
    }
}

impl<P: Platform + fmt::Debug> fmt::Debug for EventLoop<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// Empties the slot of a lent future.
struct Removed {
    state: &'static LoopState,
    slot: SlotRef,
}

impl Drop for Removed {
    fn drop(&mut self) {
        self.state.remove_lent(self.slot);
    }
}

/// Runs a future on a fresh loop of this thread, and gives its output. asyncio's `run`, for programs without I/O; with I/O,
/// `uasyncio_io::run`.
///
/// When the future is done, the tasks that are left are dropped with the loop.
///
/// # Panics
///
/// When a loop is running on this thread already; when the loop is stopped before the future is done; and when the future
/// panics. [`try_run`] gives the first two as errors.
///
/// ```
/// use uasyncio_core::{run, sleep_ms};
///
/// let answer = run(async {
///     sleep_ms(1).await;
///     42
/// });
/// assert_eq!(answer, 42);
/// ```
#[cfg(feature = "std")]
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    match try_run(future) {
        Ok(output) => output,
        Err(error) => panic!("{error}"),
    }
}

/// [`run`] with its failures as errors.
///
/// ```
/// use uasyncio_core::{RunError, run, try_run};
///
/// run(async {
///     assert!(matches!(try_run(async {}), Err(RunError::Nested)));
/// });
/// ```
///
/// # Errors
///
/// As [`EventLoop::run_until_complete`].
#[cfg(feature = "std")]
#[track_caller]
pub fn try_run<F: Future>(future: F) -> Result<F::Output, RunError> {
    if !current::is_free() {
        return Err(RunError::Nested);
    }
    EventLoop::new().run_until_complete(future)
}
