//! How tasks end that give no result, and how panics become values.

use alloc::boxed::Box;
use alloc::string::String;
use core::any::Any;
use core::fmt;

/// Why a task gave no result.
///
/// ```
/// use uasyncio_core::{TaskError, create_task, run, sleep_ms};
///
/// run(async {
///     let task = create_task(sleep_ms(60_000));
///     task.cancel();
///     assert!(matches!(task.await, Err(TaskError::Cancelled)));
/// });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// The task was cancelled, or its loop is gone. asyncio's `CancelledError`.
    Cancelled,
    /// The task panicked.
    Panicked(Panic),
}

impl TaskError {
    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, TaskError::Cancelled)
    }

    /// The panic, if that was the end.
    pub fn into_panic(self) -> Option<Panic> {
        match self {
            TaskError::Cancelled => None,
            TaskError::Panicked(panic) => Some(panic),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Cancelled => f.write_str("the task was cancelled"),
            TaskError::Panicked(panic) => write!(f, "the task panicked: {panic}"),
        }
    }
}

impl core::error::Error for TaskError {}

/// What a panicking task threw.
///
/// ```
/// use uasyncio_core::{create_task, run};
///
/// run(async {
///     let end = create_task(async { panic!("out of cheese") }).await;
///     let panic = end.unwrap_err().into_panic().unwrap();
///     assert_eq!(panic.message(), Some("out of cheese"));
/// });
/// ```
pub struct Panic(Box<dyn Any + Send>);

impl Panic {
    /// Wraps what `std::panic::catch_unwind` caught.
    pub fn new(payload: Box<dyn Any + Send>) -> Panic {
        Panic(payload)
    }

    /// The message, if the panic had one, as those of `panic!` and `assert!` do.
    pub fn message(&self) -> Option<&str> {
        let payload = &*self.0;
        payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }

    /// What was thrown, as `std::panic::resume_unwind` takes it.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.0
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message()).finish()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().unwrap_or("(a payload that is not text)"))
    }
}

/// Runs `work`; a panic in it comes back as a value. Without `std` nothing can be caught, and it unwinds or aborts.
pub(crate) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, Panic> {
    #[cfg(feature = "std")]
    {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(Panic)
    }
    #[cfg(not(feature = "std"))]
    {
        Ok(work())
    }
}

/// Lets a caught panic go on.
pub(crate) fn resume(panic: Panic) -> ! {
    #[cfg(feature = "std")]
    std::panic::resume_unwind(panic.into_payload());
    #[cfg(not(feature = "std"))]
    panic!("{panic}");
}
