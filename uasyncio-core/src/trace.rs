//! What tasks are called, where they came from and what they wait for.
//!
//! With the feature `trace` each task carries a name, the place that created it, and the reason that its leaf future gave for
//! waiting; [`Loop::tasks`](crate::Loop::tasks) and [`Deadlock`](crate::Deadlock) show them. Without the feature nothing is
//! stored and [`waiting`] is empty.

#[cfg(feature = "trace")]
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::panic::Location;

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
    #[cfg(feature = "trace")]
    if let Some(slot) = crate::current::get().and_then(|state| state.current_task()) {
        with_info(slot, |info| info.waiting_for = Some(reason));
    }
    #[cfg(not(feature = "trace"))]
    let _ = reason;
}

/// A number that no other task of the loop has while this one lives; later tasks may get it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u32);

impl TaskId {
    pub(crate) fn of(slot: SlotRef) -> TaskId {
        TaskId(slot.number())
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
    name: Option<String>,
    location: Option<&'static Location<'static>>,
    waiting_for: Option<&'static str>,
    polls: Option<u64>,
}

impl TaskInfo {
    pub(crate) fn of(slot: SlotRef, is_current: bool) -> TaskInfo {
        let state = match (is_current, slot.is_queued()) {
            (true, _) => TaskState::Running,
            (_, true) => TaskState::Ready,
            _ => TaskState::Waiting,
        };
        #[allow(unused_mut, reason = "without the feature there is nothing to add")]
        let mut task = TaskInfo { id: TaskId::of(slot), state, name: None, location: None, waiting_for: None, polls: None };
        #[cfg(feature = "trace")]
        with_info(slot, |info| {
            task.name.clone_from(&info.name);
            task.location = Some(info.location);
            task.waiting_for = info.waiting_for.filter(|_| state == TaskState::Waiting);
            task.polls = Some(info.polls);
        });
        task
    }

    /// Its number.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// What it is doing.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// The name given by [`Task::set_name`](crate::Task::set_name); `None` without the feature `trace`.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
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
        if let Some(name) = &self.name {
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

/// What a slot remembers of its task.
#[cfg(feature = "trace")]
pub(crate) struct Info {
    name: Option<String>,
    location: &'static Location<'static>,
    waiting_for: Option<&'static str>,
    polls: u64,
}

#[cfg(feature = "trace")]
fn with_info(slot: SlotRef, work: impl FnOnce(&mut Info)) {
    let cell = &slot.get().info;
    if let Some(mut info) = cell.take() {
        work(&mut info);
        cell.set(Some(info));
    }
}

/// The place a task comes from, for those who pass it on. Empty without the feature.
#[derive(Clone, Copy)]
pub(crate) struct Origin(#[cfg(feature = "trace")] &'static Location<'static>);

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

#[cfg(feature = "trace")]
pub(crate) fn begin_poll(slot: SlotRef) {
    with_info(slot, |info| {
        info.waiting_for = None;
        info.polls += 1;
    });
}

pub(crate) fn set_name(slot: SlotRef, name: &str) {
    #[cfg(feature = "trace")]
    with_info(slot, |info| info.name = Some(String::from(name)));
    #[cfg(not(feature = "trace"))]
    let _ = (slot, name);
}
