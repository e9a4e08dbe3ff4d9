//! What tasks are called, where they came from and what they wait for.
//!
//! With the feature `trace` each task carries a name, the place that created it, and the reason that its leaf future gave for
//! waiting; `Loop::tasks`, [`for_each_task`] and [`Deadlock`](crate::Deadlock) show them. Without the feature nothing is
//! stored and [`waiting`] is empty. The tasks of a [`StaticLoop`](crate::StaticLoop) have neither name nor place.

#[cfg(all(feature = "alloc", feature = "trace"))]
use alloc::boxed::Box;
#[cfg(feature = "alloc")]
use alloc::string::String;
use core::fmt;
use core::panic::Location;

#[cfg(feature = "alloc")]
use crate::slot::SlotRef;

/// Says what the task that is being polled waits for, for the time until its next poll. For leaf futures.
///
/// ```
/// use std::future::poll_fn;
/// use std::task::Poll;
/// use uasyncio_core::{create_task, get_event_loop, run, trace, yield_now};
///
/// run(async {
///     let _task = create_task(poll_fn(|_| {
///         trace::waiting("a sign");
///         Poll::<()>::Pending
///     }));
///     yield_now().await;
///     let task = get_event_loop().tasks().pop().unwrap();
///     assert_eq!(task.waiting_for(), cfg!(feature = "trace").then_some("a sign"));
/// });
/// ```
#[inline]
pub fn waiting(reason: &'static str) {
    #[cfg(all(feature = "alloc", feature = "trace"))]
    if let Some(state) = crate::current::get() {
        if let Some(slot) = state.current_task() {
            with_info(slot, |info| info.waiting_for = Some(reason));
        }
        return;
    }
    #[cfg(feature = "trace")]
    crate::current::with_turn(|turn| turn.waiting(reason));
    #[cfg(not(feature = "trace"))]
    let _ = reason;
}

/// Shows each task of the loop that runs here, in the order of their numbers: a `ps` that needs no heap. Nothing, outside a loop.
///
/// The numbers in a [`StaticLoop`](crate::StaticLoop) are the places in the array that was given to `run`, and after them those of spawned
/// tasks.
///
/// ```
/// use std::pin::pin;
/// use uasyncio_core::{StaticLoop, TaskState, ThreadPark, sleep_ms, trace, yield_now};
///
/// static LOOP: StaticLoop<2> = StaticLoop::new();
///
/// let ps = async {
///     yield_now().await;
///     let mut states = Vec::new();
///     trace::for_each_task(|task| states.push(task.state()));
///     assert_eq!(states, [TaskState::Running, TaskState::Waiting]);
/// };
/// LOOP.run(&ThreadPark::new(), [pin!(ps), pin!(sleep_ms(2))]);
/// ```
pub fn for_each_task(show: impl FnMut(&TaskInfo)) {
    #[cfg(feature = "alloc")]
    if let Some(state) = crate::current::get() {
        state.tasks().iter().for_each(show);
        return;
    }
    crate::current::with_turn(|turn| turn.for_each_task(show));
}

/// The task that is being polled by the loop of this thread. asyncio's `current_task`.
///
/// `None` outside a loop, also after it has ended. A callback counts as a task of its own.
///
/// ```
/// use uasyncio_core::{create_task, current_task, run};
///
/// assert!(current_task().is_none());
/// run(async {
///     let task = create_task(async { current_task() });
///     let id = task.id();
///     assert_eq!(task.await.unwrap(), id);
/// });
/// ```
pub fn current_task() -> Option<TaskId> {
    #[cfg(feature = "alloc")]
    if let Some(state) = crate::current::get() {
        return state.current_task().map(TaskId::of);
    }
    crate::current::with_turn(|turn| turn.current_task()).flatten().map(TaskId::in_table)
}

/// A number that no other task of the loop has while this one lives; later tasks may get it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u32);

impl TaskId {
    #[cfg(feature = "alloc")]
    pub(crate) fn of(slot: SlotRef) -> TaskId {
        TaskId(slot.number())
    }

    /// That of a task in a static loop.
    pub(crate) fn in_table(index: usize) -> TaskId {
        TaskId(index as u32)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0)
    }
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is the one that asks.
    Running,
    /// It is in the run queue.
    Ready,
    /// It waits to be woken.
    Waiting,
}

/// One task in a snapshot: a line of asyncio's `ps`.
#[derive(Clone, Debug)]
pub struct TaskInfo {
    id: TaskId,
    state: TaskState,
    #[cfg(feature = "alloc")]
    name: Option<String>,
    location: Option<&'static Location<'static>>,
    waiting_for: Option<&'static str>,
    polls: Option<u64>,
}

impl TaskInfo {
    fn new(id: TaskId, is_current: bool, is_queued: bool) -> TaskInfo {
        let state = match (is_current, is_queued) {
            (true, _) => TaskState::Running,
            (_, true) => TaskState::Ready,
            _ => TaskState::Waiting,
        };
        TaskInfo {
            id,
            state,
            #[cfg(feature = "alloc")]
            name: None,
            location: None,
            waiting_for: None,
            polls: None,
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn of(slot: SlotRef, is_current: bool) -> TaskInfo {
        let task = TaskInfo::new(TaskId::of(slot), is_current, slot.is_queued());
        #[cfg(feature = "trace")]
        let mut task = task;
        #[cfg(feature = "trace")]
        with_info(slot, |info| {
            task.name.clone_from(&info.name);
            task.location = Some(info.location);
            task.set_waiting_for(info.waiting_for);
            task.polls = Some(info.polls);
        });
        task
    }

    /// A task of a static loop.
    #[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
    pub(crate) fn in_table(index: usize, is_current: bool, is_queued: bool) -> TaskInfo {
        TaskInfo::new(TaskId::in_table(index), is_current, is_queued)
    }

    /// With what its loop remembers of it.
    #[cfg(all(feature = "trace", any(target_has_atomic = "ptr", feature = "critical-section")))]
    pub(crate) fn with(mut self, info: StaticInfo) -> TaskInfo {
        self.set_waiting_for(info.waiting_for);
        self.polls = Some(u64::from(info.polls));
        self
    }

    #[cfg(feature = "trace")]
    fn set_waiting_for(&mut self, reason: Option<&'static str>) {
        self.waiting_for = reason.filter(|_| self.state == TaskState::Waiting);
    }

    /// Its number.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// What it is doing.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// The name given by `Task::set_name`; `None` without the features `alloc` and `trace`.
    pub fn name(&self) -> Option<&str> {
        #[cfg(feature = "alloc")]
        return self.name.as_deref();
        #[cfg(not(feature = "alloc"))]
        None
    }

    /// The line that created it; `None` without the feature `trace`.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// What it waits for, if it waits and its leaf future said so; `None` without the feature `trace`.
    pub fn waiting_for(&self) -> Option<&'static str> {
        self.waiting_for
    }

    /// How often it has been polled; `None` without the feature `trace`.
    pub fn polls(&self) -> Option<u64> {
        self.polls
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(name) = self.name() {
            write!(f, " {name:?}")?;
        }
        match (self.state, self.waiting_for) {
            (TaskState::Waiting, Some(reason)) => write!(f, " waits for {reason}")?,
            (TaskState::Waiting, None) => f.write_str(" waits")?,
            (TaskState::Ready, _) => f.write_str(" is ready")?,
            (TaskState::Running, _) => f.write_str(" is running")?,
        }
        match self.location {
            Some(location) => write!(f, ", created at {location}"),
            None => Ok(()),
        }
    }
}

/// What a static loop remembers of a task.
#[cfg(feature = "trace")]
#[derive(Clone, Copy)]
#[cfg_attr(not(any(target_has_atomic = "ptr", feature = "critical-section")), expect(dead_code, reason = "no such loops"))]
pub(crate) struct StaticInfo {
    waiting_for: Option<&'static str>,
    polls: u32,
}

#[cfg(all(feature = "trace", any(target_has_atomic = "ptr", feature = "critical-section")))]
impl StaticInfo {
    pub(crate) const fn new() -> StaticInfo {
        StaticInfo { waiting_for: None, polls: 0 }
    }

    pub(crate) fn begin_poll(self) -> StaticInfo {
        StaticInfo { waiting_for: None, polls: self.polls.saturating_add(1) }
    }

    pub(crate) fn waiting(self, reason: &'static str) -> StaticInfo {
        StaticInfo { waiting_for: Some(reason), ..self }
    }
}

/// What a slot remembers of its task.
#[cfg(all(feature = "alloc", feature = "trace"))]
pub(crate) struct Info {
    name: Option<String>,
    location: &'static Location<'static>,
    waiting_for: Option<&'static str>,
    polls: u64,
}

#[cfg(all(feature = "alloc", feature = "trace"))]
fn with_info(slot: SlotRef, work: impl FnOnce(&mut Info)) {
    let cell = &slot.get().info;
    if let Some(mut info) = cell.take() {
        work(&mut info);
        cell.set(Some(info));
    }
}

/// The place a task comes from, for those who pass it on. Empty without the feature.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy)]
pub(crate) struct Origin(#[cfg(feature = "trace")] &'static Location<'static>);

#[cfg(feature = "alloc")]
impl Origin {
    #[cfg_attr(feature = "trace", track_caller)]
    #[inline]
    pub(crate) fn caller() -> Origin {
        Origin(
            #[cfg(feature = "trace")]
            Location::caller(),
        )
    }

    #[inline]
    pub(crate) fn record(self, slot: SlotRef) {
        #[cfg(feature = "trace")]
        slot.get().info.set(Some(Box::new(Info { name: None, location: self.0, waiting_for: None, polls: 0 })));
        #[cfg(not(feature = "trace"))]
        let _ = slot;
    }
}

#[cfg(all(feature = "alloc", feature = "trace"))]
pub(crate) fn begin_poll(slot: SlotRef) {
    with_info(slot, |info| {
        info.waiting_for = None;
        info.polls += 1;
    });
}

#[cfg(feature = "alloc")]
pub(crate) fn set_name(slot: SlotRef, name: &str) {
    #[cfg(feature = "trace")]
    with_info(slot, |info| info.name = Some(String::from(name)));
    #[cfg(not(feature = "trace"))]
    let _ = (slot, name);
}
