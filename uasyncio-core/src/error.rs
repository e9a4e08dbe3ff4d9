//! What can go wrong: the ends of tasks and the errors of running a loop.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

use crate::TaskInfo;

/// Why a loop could not run, or stopped before the future was done.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// A loop is running on this thread already. Await the future there, or drive the other loop by
    /// [`turn`](crate::EventLoop::turn).
    Nested,
    /// [`stop`](crate::Loop::stop) was called before the future was done. Tasks stay where they are; the next run goes on.
    Stopped,
    /// Every task waits, and nothing is left that could wake one.
    Deadlock(Deadlock),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Nested => f.write_str(
                "an event loop is running on this thread already: await the future in it, \
                 or drive the other loop by `turn`",
            ),
            RunError::Stopped => f.write_str("the event loop was stopped before the future was done"),
            RunError::Deadlock(deadlock) => deadlock.fmt(f),
        }
    }
}

impl core::error::Error for RunError {}

/// All tasks that wait for something that nobody is left to do.
///
/// ```
/// use std::future::pending;
/// use uasyncio_core::{EventLoop, RunError};
///
/// let event_loop = EventLoop::new();
/// event_loop.set_closed_world(true); // no thread holds a waker of this loop
/// let error = event_loop.run_until_complete(pending::<()>()).unwrap_err();
/// assert!(matches!(error, RunError::Deadlock(deadlock) if deadlock.tasks().len() == 1));
/// ```
#[derive(Debug)]
pub struct Deadlock {
    #[cfg(feature = "alloc")]
    tasks: Vec<TaskInfo>,
}

impl Deadlock {
    #[cfg(feature = "alloc")]
    pub(crate) fn new(tasks: Vec<TaskInfo>) -> Deadlock {
        Deadlock { tasks }
    }

    /// That of a static loop.
    #[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
    pub(crate) fn of(turn: &crate::static_loop::Turn<'_, '_>) -> Deadlock {
        #[cfg(feature = "alloc")]
        {
            let mut tasks = Vec::new();
            turn.for_each_task(|task| tasks.push(task.clone()));
            Deadlock { tasks }
        }
        #[cfg(not(feature = "alloc"))]
        {
            let _ = turn;
            Deadlock {}
        }
    }

    /// The tasks, with names and what they wait for if the feature `trace` is on. None of them without the feature `alloc`.
    pub fn tasks(&self) -> &[TaskInfo] {
        #[cfg(feature = "alloc")]
        return &self.tasks;
        #[cfg(not(feature = "alloc"))]
        &[]
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(not(feature = "alloc"))]
        f.write_str("deadlock: nothing can wake any of the tasks")?;
        #[cfg(feature = "alloc")]
        write!(f, "deadlock: nothing can wake any of {} tasks", self.tasks().len())?;
        for task in self.tasks() {
            write!(f, "\n  {task}")?;
        }
        if cfg!(not(feature = "trace")) {
            f.write_str("\n  (the feature `trace` of uasyncio-core adds names and what they wait for)")?;
        }
        Ok(())
    }
}
