//! The way to start: one loop, one reactor, one future.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;

use uasyncio_core::EventLoop;

use crate::Reactor;

/// Runs a future to its end on a fresh event loop with a fresh reactor, and gives its output. asyncio's `asyncio.run`.
///
/// Tasks that are left over at the end are dropped. A panic of the future goes on to the caller.
///
/// # Panics
///
/// Where [`try_run`] gives an error.
///
/// ```
/// let sum = uasyncio_io::run(async {
///     let task = uasyncio_core::create_task(async { 40 });
///     task.await.unwrap() + 2
/// });
/// assert_eq!(sum, 42);
/// ```
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    match try_run(future) {
        Ok(output) => output,
        Err(error) => panic!("{error}"),
    }
}

/// [`run`], with its failures as errors.
///
/// # Errors
///
/// [`RunError::Reactor`] if the operating system has no descriptor left for the reactor. [`RunError::Loop`] if the loop
/// ends before the future does: it was stopped, or a loop is running on this thread already.
///
/// ```
/// assert_eq!(uasyncio_io::try_run(async { 42 })?, 42);
/// # Ok::<(), uasyncio_io::RunError>(())
/// ```
#[track_caller]
pub fn try_run<F: Future>(future: F) -> Result<F::Output, RunError> {
    if uasyncio_core::try_get_event_loop().is_some() {
        return Err(RunError::Loop(uasyncio_core::RunError::Nested));
    }
    let reactor = Reactor::new().map_err(RunError::Reactor)?;
    EventLoop::with_platform(reactor).run_until_complete(future).map_err(RunError::Loop)
}

/// Why [`try_run`] gave no output.
///
/// ```
/// use uasyncio_io::{RunError, try_run};
///
/// let nested = uasyncio_io::run(async { try_run(async {}) });
/// assert!(matches!(nested, Err(RunError::Loop(uasyncio_core::RunError::Nested))));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The reactor could not be opened.
    Reactor(io::Error),
    /// The loop ended before the future did.
    Loop(uasyncio_core::RunError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Reactor(error) => write!(f, "the reactor could not be opened: {error}"),
            RunError::Loop(error) => error.fmt(f),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RunError::Reactor(error) => Some(error),
            RunError::Loop(_) => None,
        }
    }
}
