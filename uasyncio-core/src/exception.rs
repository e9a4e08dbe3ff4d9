//! Failures that nobody awaits, and who is told.

use alloc::rc::Rc;
use core::fmt;

use crate::TaskId;
use crate::task_error::Panic;

/// What an exception handler is; see [`Loop::set_exception_handler`](crate::Loop::set_exception_handler).
pub(crate) type Handler = Rc<dyn Fn(&ExceptionContext<'_>)>;

/// A failure that no code awaits: the `context` of asyncio's exception handlers.
///
/// Its `Display` is the line that is printed to standard error if no handler is set.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExceptionContext<'a> {
    /// What happened, for people.
    pub message: &'a str,
    /// The failure itself.
    pub exception: Exception<'a>,
    /// The task that failed, if it was one.
    pub task: Option<TaskId>,
}

/// The failure in an [`ExceptionContext`].
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Exception<'a> {
    /// A panic.
    Panic(&'a Panic),
    /// An error value.
    Error(&'a dyn fmt::Display),
}

impl<'a> ExceptionContext<'a> {
    /// A failure that belongs to no task in particular.
    pub fn new(message: &'a str, exception: Exception<'a>) -> ExceptionContext<'a> {
        ExceptionContext { message, exception, task: None }
    }
}

impl fmt::Debug for Exception<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exception::Panic(panic) => panic.fmt(f),
            Exception::Error(error) => write!(f, "Error({error})"),
        }
    }
}

impl fmt::Display for Exception<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exception::Panic(panic) => write!(f, "panic: {panic}"),
            Exception::Error(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ExceptionContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.exception)?;
        match self.task {
            Some(task) => write!(f, " ({task})"),
            None => Ok(()),
        }
    }
}

/// What happens without a handler: a line on standard error, where there is one.
pub(crate) fn print(context: &ExceptionContext<'_>) {
    #[cfg(feature = "std")]
    std::eprintln!("uasyncio: {context}");
    #[cfg(not(feature = "std"))]
    let _ = context;
}
