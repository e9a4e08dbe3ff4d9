//! A loop as the code that runs in it sees it.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::time::Duration;

use crate::cell::{Callback, Detached, Runnable};
use crate::exception::ExceptionContext;
use crate::sleep::{Later, Sleep, millis, sleep_until};
use crate::state::LoopState;
use crate::trace::Origin;
use crate::{Task, TaskInfo, Ticks, current};

/// A loop, by reference: what [`get_event_loop`] gives, and what an [`EventLoop`](crate::EventLoop) dereferences to.
///
/// It may be copied and kept, on the loop's thread. After the loop has been closed, tasks and callbacks that are given to it are
/// dropped at once, and the tasks count as cancelled.
///
/// ```
/// use uasyncio_core::{get_event_loop, run, yield_now};
///
/// run(async {
///     let event_loop = get_event_loop();
///     event_loop.call_soon(|| println!("second"));
///     println!("first");
///     yield_now().await;
/// });
/// ```
#[derive(Clone, Copy)]
pub struct Loop {
    state: &'static LoopState,
    life: u32,
}

/// The loop that is running on this thread; the innermost, if turns of several nest. asyncio's `get_event_loop`.
///
/// # Panics
///
/// When no loop is running. [`try_get_event_loop`] gives `None` then.
#[track_caller]
pub fn get_event_loop() -> Loop {
    Loop::of(current::expect())
}

/// The loop that is running on this thread, if any.
///
/// ```
/// assert!(uasyncio_core::try_get_event_loop().is_none());
/// ```
pub fn try_get_event_loop() -> Option<Loop> {
    current::get().map(Loop::of)
}

impl Loop {
    pub(crate) fn of(state: &'static LoopState) -> Loop {
        Loop { state, life: state.life() }
    }

    pub(crate) fn state(&self) -> &'static LoopState {
        self.state
    }

    /// The state, while it still serves this loop.
    pub(crate) fn open(&self) -> Option<&'static LoopState> {
        (self.life == self.state.life() && self.life != 0).then_some(self.state)
    }

    /// The same, but also while its futures are being dropped.
    fn open_or_closing(&self) -> Option<&'static LoopState> {
        self.open().or_else(|| current::get().filter(|running| core::ptr::eq(*running, self.state)))
    }

    /// Whether the loop has been closed.
    pub fn is_closed(&self) -> bool {
        self.open().is_none()
    }

    /// As the free function [`create_task`].
    #[cfg_attr(feature = "trace", track_caller)]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Task::create(self.open(), future, Origin::caller())
    }

    /// As the free function [`spawn`].
    #[cfg_attr(feature = "trace", track_caller)]
    pub fn spawn<F: Future<Output = ()> + 'static>(&self, future: F) {
        self.insert(Box::new(Detached::new(future)), Origin::caller());
    }

    /// As the free function [`call_soon`].
    #[cfg_attr(feature = "trace", track_caller)]
    pub fn call_soon<C: FnOnce() + 'static>(&self, callback: C) {
        self.insert(Box::new(Callback::new(callback)), Origin::caller());
    }

    /// As the free function [`call_later`].
    #[cfg_attr(feature = "trace", track_caller)]
    pub fn call_later<C: FnOnce() + 'static>(&self, delay: Duration, callback: C) {
        self.call_in(millis(delay), callback, Origin::caller());
    }

    /// As the free function [`call_later_ms`].
    #[cfg_attr(feature = "trace", track_caller)]
    pub fn call_later_ms<C: FnOnce() + 'static>(&self, delay: u32, callback: C) {
        self.call_in(u64::from(delay), callback, Origin::caller());
    }

    /// As the free function [`call_at_`].
    #[cfg_attr(feature = "trace", track_caller)]
    pub fn call_at_<C: FnOnce() + 'static>(&self, ticks: Ticks, callback: C) {
        self.call_when(sleep_until(ticks), callback, Origin::caller());
    }

    fn call_in<C: FnOnce() + 'static>(&self, delay: u64, callback: C, origin: Origin) {
        match delay {
            0 => self.insert(Box::new(Callback::new(callback)), origin),
            _ => self.call_when(Sleep::new(delay), callback, origin),
        }
    }

    /// Polls the new task at once, which starts its timer, so that timers set by `call_later` and `sleep` keep their order.
    fn call_when<C: FnOnce() + 'static>(&self, sleep: Sleep, callback: C, origin: Origin) {
        if let Some(state) = self.open() {
            state.insert_started(Box::new(Detached::new(Later::new(sleep, callback))), origin);
        }
    }

    fn insert(&self, task: Box<impl Runnable + 'static>, origin: Origin) {
        if let Some(state) = self.open() {
            state.insert_boxed(task, origin);
        }
    }

    /// What the platform's clock shows. asyncio's `time`.
    pub fn time(&self) -> Ticks {
        self.open_or_closing().and_then(LoopState::platform).map_or(Ticks::default(), |platform| platform.now())
    }

    /// The same, rounded up: what is due so many milliseconds after this is not due too early.
    ///
    /// ```
    /// use uasyncio_core::{get_event_loop, run, sleep_until};
    ///
    /// run(async {
    ///     let timeout = get_event_loop().time_rounded_up().wrapping_add(5);
    ///     sleep_until(timeout).await; // at least 5 ms
    /// });
    /// ```
    pub fn time_rounded_up(&self) -> Ticks {
        self.open_or_closing().and_then(LoopState::platform).map_or(Ticks::default(), |platform| platform.now_rounded_up())
    }

    /// Makes the loop return once everything that is queued now has run. asyncio's `stop`.
    ///
    /// What comes behind stays queued, and the next run goes on with it. Stopping twice is stopping once; stopping before a run
    /// makes that run one pass long.
    pub fn stop(&self) {
        if let Some(state) = self.open() {
            state.stop();
        }
    }

    /// Sets who is told of failures that nobody awaits: panics of tasks without a handle, errors of [`report`](crate::report), a
    /// server's failing handlers. asyncio's `set_exception_handler`.
    ///
    /// Without a handler they are printed to standard error. A handler that panics is reported there.
    pub fn set_exception_handler(&self, handler: impl Fn(&ExceptionContext<'_>) + 'static) {
        if let Some(state) = self.open() {
            state.set_handler(Some(Rc::new(handler)));
        }
    }

    /// Goes back to printing failures to standard error.
    pub fn clear_exception_handler(&self) {
        if let Some(state) = self.open() {
            state.set_handler(None);
        }
    }

    /// Tells the exception handler of a failure. asyncio's `call_exception_handler`.
    ///
    /// ```
    /// use uasyncio_core::{Exception, ExceptionContext, get_event_loop, run};
    ///
    /// run(async {
    ///     let event_loop = get_event_loop();
    ///     event_loop.set_exception_handler(|context| assert_eq!(context.to_string(), "backup failed: disk full"));
    ///     event_loop.call_exception_handler(&ExceptionContext::new("backup failed", Exception::Error(&"disk full")));
    /// });
    /// ```
    pub fn call_exception_handler(&self, context: &ExceptionContext<'_>) {
        match self.open_or_closing() {
            Some(state) => state.call_handler(context),
            None => crate::exception::print(context),
        }
    }

    /// A snapshot of all tasks, in the order of their numbers. asyncio's `all_tasks`, with what CPython's `ps` shows.
    ///
    /// Names, places and wait reasons are there with the feature `trace`.
    ///
    /// ```
    /// use uasyncio_core::{TaskState, create_task, get_event_loop, run, sleep_ms, yield_now};
    ///
    /// run(async {
    ///     let _task = create_task(sleep_ms(60_000));
    ///     yield_now().await;
    ///     let tasks = get_event_loop().tasks();
    ///     let states: Vec<_> = tasks.iter().map(|task| task.state()).collect();
    ///     assert_eq!(states, [TaskState::Running, TaskState::Waiting]);
    /// });
    /// ```
    pub fn tasks(&self) -> Vec<TaskInfo> {
        self.open().map_or_else(Vec::new, LoopState::tasks)
    }
}

impl PartialEq for Loop {
    fn eq(&self, other: &Loop) -> bool {
        core::ptr::eq(self.state, other.state) && self.life == other.life
    }
}

impl Eq for Loop {}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Gives a future to the running loop as a task of its own. asyncio's `create_task`.
///
/// It is first polled in the order in which it was created, behind the tasks that are ready already; a task that yields after
/// creating a child runs after it. One allocation. The future need not be `Send`.
///
/// # Panics
///
/// When no loop is running; [`Loop::create_task`] works before the loop runs.
///
/// See [`Task`] for the handle.
///
/// ```
/// use std::rc::Rc;
/// use uasyncio_core::{create_task, run};
///
/// let shared = Rc::new(5);
/// let product = run(async move {
///     let task = create_task(async move { *shared * 2 });
///     task.await.unwrap()
/// });
/// assert_eq!(product, 10);
/// ```
#[track_caller]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Task::create(Some(current::expect()), future, Origin::caller())
}

/// Gives a future to the running loop as a task without a handle: [`create_task`] for those who would drop it.
///
/// Costs 24 bytes less. A panic goes to the exception handler; for errors, see [`report`](crate::report).
///
/// # Panics
///
/// When no loop is running.
///
/// ```
/// use uasyncio_core::{run, spawn, yield_now};
///
/// run(async {
///     spawn(async { println!("second") });
///     println!("first");
///     yield_now().await;
/// });
/// ```
#[track_caller]
pub fn spawn<F: Future<Output = ()> + 'static>(future: F) {
    get_event_loop().spawn(future);
}

/// Calls a function from the run queue, in its turn among tasks and other callbacks. asyncio's `call_soon`.
///
/// Like the other `call_` functions it returns nothing: to cancel a callback, let it look at a flag. A panic in it goes to the
/// exception handler.
///
/// # Panics
///
/// When no loop is running.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use uasyncio_core::{call_soon, run, yield_now};
///
/// run(async {
///     let cancelled = Rc::new(Cell::new(false));
///     let flag = cancelled.clone();
///     call_soon(move || assert!(flag.get()));
///     cancelled.set(true);
///     yield_now().await;
/// });
/// ```
#[track_caller]
pub fn call_soon<C: FnOnce() + 'static>(callback: C) {
    get_event_loop().call_soon(callback);
}

/// Calls a function after a delay, counted from now and rounded up to whole milliseconds. asyncio's `call_later`.
///
/// No delay at all is [`call_soon`]; [`Duration::MAX`] is never.
///
/// # Panics
///
/// When no loop is running.
#[track_caller]
pub fn call_later<C: FnOnce() + 'static>(delay: Duration, callback: C) {
    get_event_loop().call_later(delay, callback);
}

/// [`call_later`] in milliseconds. The original's `call_later_ms`.
///
/// # Panics
///
/// When no loop is running.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use uasyncio_core::{call_later_ms, run, sleep_ms};
///
/// let called = Rc::new(Cell::new(false));
/// let flag = called.clone();
/// run(async {
///     call_later_ms(1, move || flag.set(true));
///     sleep_ms(2).await;
/// });
/// assert!(called.get());
/// ```
#[track_caller]
pub fn call_later_ms<C: FnOnce() + 'static>(delay: u32, callback: C) {
    get_event_loop().call_later_ms(delay, callback);
}

/// Calls a function when the loop's clock shows `ticks`; in the next pass, if that has passed. The original's `call_at_`.
///
/// `ticks` must be less than 2^31 ms away from the present [`time`](Loop::time).
///
/// # Panics
///
/// When no loop is running.
#[track_caller]
pub fn call_at_<C: FnOnce() + 'static>(ticks: Ticks, callback: C) {
    get_event_loop().call_at_(ticks, callback);
}
