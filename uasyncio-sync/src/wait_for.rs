//! Waiting for a future, but not for ever.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use crate::timer::{Limited, LimitedProjection};

/// The time was up before there was a result. asyncio's `TimeoutError`.
///
/// It has nothing to do with [`CancelledError`](uasyncio_core::CancelledError): who catches cancels does not catch timeouts. Each
/// [`wait_for`] and each [`timeout`](crate::timeout()) gives it in a `Result` of its own, so nested ones cannot be mistaken for
/// each other.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::{TimeoutError, wait_for_ms};
///
/// run(async {
///     let inner = wait_for_ms(sleep_ms(60_000), 1); // the inner one is the stricter
///     assert_eq!(wait_for_ms(inner, 30_000).await, Ok(Err(TimeoutError)));
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutError;

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is up")
    }
}

impl core::error::Error for TimeoutError {}

/// For functions that do I/O, so that `?` is enough: [`TimedOut`](std::io::ErrorKind::TimedOut).
#[cfg(feature = "std")]
impl From<TimeoutError> for std::io::Error {
    fn from(error: TimeoutError) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, error)
    }
}

/// Runs a future, and drops it if it is not done after a length of time. asyncio's `wait_for`.
///
/// The time is counted from the first poll and rounded up to whole milliseconds; [`Duration::MAX`] means no limit. In each poll
/// the inner future comes first and the timer second, so a value that is there wins a tie. With a length of zero the inner
/// future is polled once, and the clock is not touched. The timer is set only if the inner future has to wait, and never
/// stays behind. There is no helper task, and no allocation: the future is at most 64 bytes larger than the inner one,
/// or by its alignment if that is more.
///
/// # What comes out
///
/// | the inner future | earlier than the deadline | in the pass of the deadline | later |
/// |---|---|---|---|
/// | finishes | its value | its value, if it is ready when the caller is polled | `Err(TimeoutError)` |
/// | is a [`Task`](uasyncio_core::Task), and is cancelled by another task | `Ok(Err(TaskError::Cancelled))` | the same, if it has ended when the caller is polled | `Err(TimeoutError)` |
/// | never ends | | `Err(TimeoutError)` | |
///
/// If the caller is cancelled, there is no result: the caller is dropped, and the inner future with it. Only what the inner future
/// runs in [`catch_cancel`](uasyncio_core::catch_cancel) catches that; then the wait goes on, with the deadline that it has.
///
/// | the wait | earlier than the cancel | in the pass of the cancel | later |
/// |---|---|---|---|
/// | finishes, inner task is cancelled, times out | as above, then the cancel finds the caller wherever it is by then | the cancel wins, unless the caller was polled before | dropped, the timer disarmed |
///
/// At the deadline the inner future is dropped **before** the error is returned; what it held is free by then. If it is a
/// [`Task`](uasyncio_core::Task), dropping it only detaches: the task runs on. Use
/// [`cancel_on_drop`](uasyncio_core::Task::cancel_on_drop) for a task that is to end too, as it would in asyncio.
///
/// An inner future cannot swallow a timeout: it is dropped, and that cannot be caught.
///
/// # Panics
///
/// When it must set its timer outside a running event loop, and when it is polled again after it has ended.
///
/// # Cancel safety
///
/// As the inner future: dropping this drops it.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::{TimeoutError, wait_for};
///
/// run(async {
///     let length = Duration::from_millis(5);
///     assert_eq!(wait_for(async { 42 }, length).await, Ok(42));
///     assert_eq!(wait_for(sleep_ms(60_000), length).await, Err(TimeoutError));
/// });
/// ```
pub fn wait_for<F: Future>(future: F, length: Duration) -> WaitFor<F> {
    WaitFor { limited: Limited::new(future, length) }
}

/// As [`wait_for`], with the length in milliseconds. The original's and MicroPython's `wait_for_ms`.
///
/// ```
/// use std::future::pending;
/// use uasyncio_core::run;
/// use uasyncio_sync::{TimeoutError, wait_for_ms};
///
/// run(async {
///     assert_eq!(wait_for_ms(pending::<()>(), 5).await, Err(TimeoutError));
/// });
/// ```
pub fn wait_for_ms<F: Future>(future: F, millis: u32) -> WaitFor<F> {
    wait_for(future, Duration::from_millis(millis.into()))
}

pin_project_lite::pin_project! {
    /// The future of [`wait_for`] and [`wait_for_ms`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct WaitFor<F> {
        #[pin]
        limited: Limited<F>,
    }
}

impl<F: Future> Future for WaitFor<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut limited = self.project().limited;
        let LimitedProjection::Running { timer, inner } = limited.as_mut().project() else {
            panic!("`wait_for` was polled after it had ended");
        };
        let end = match inner.poll(cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => {
                ready!(timer.poll(cx));
                Err(TimeoutError)
            }
        };
        limited.set(Limited::Ended);
        Poll::Ready(end)
    }
}

impl<F> fmt::Debug for WaitFor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").field("timer", &self.limited.timer()).finish_non_exhaustive()
    }
}
