//! The errors of a group.

use alloc::vec::{self, Vec};
use core::error::Error;
use core::fmt;
use core::{iter, option};

/// The errors that ended a [`task_group`](crate::task_group()), in the order in which they came; there is at least one. asyncio's
/// `ExceptionGroup`.
///
/// Usually it is one; several have come in the same poll of the group.
///
/// ```
/// use uasyncio_core::run;
/// use uasyncio_sync::task_group;
///
/// let error = run(task_group(async |group| {
///     group.spawn(async { Err("first") });
///     group.spawn(async { Err("second") });
///     Ok(())
/// }))
/// .unwrap_err();
/// assert_eq!(*error.first(), "first");
/// assert_eq!(error.to_string(), "first (and 1 more)");
/// assert_eq!(error.into_iter().collect::<Vec<_>>(), ["first", "second"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskGroupError<E> {
    first: E,
    more: Vec<E>,
}

impl<E> TaskGroupError<E> {
    /// `None` if there is no error.
    pub(super) fn new(errors: Vec<E>) -> Option<TaskGroupError<E>> {
        let mut errors = errors.into_iter();
        Some(TaskGroupError { first: errors.next()?, more: errors.collect() })
    }

    /// The first error in time.
    pub fn first(&self) -> &E {
        &self.first
    }

    /// The first error in time, without the others.
    pub fn into_first(self) -> E {
        self.first
    }

    /// All errors, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        iter::once(&self.first).chain(&self.more)
    }
}

impl<E> IntoIterator for TaskGroupError<E> {
    type Item = E;
    type IntoIter = iter::Chain<option::IntoIter<E>, vec::IntoIter<E>>;

    fn into_iter(self) -> Self::IntoIter {
        Some(self.first).into_iter().chain(self.more)
    }
}

impl<E: fmt::Display> fmt::Display for TaskGroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        match self.more.len() {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl<E: Error + 'static> Error for TaskGroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first.source()
    }
}
