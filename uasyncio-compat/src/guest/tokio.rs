//! tokio as a host.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use ::tokio::time::{Instant, Sleep, sleep};

use super::{Guest, Host};

/// Our event loop as a future inside tokio.
///
/// The future runs as the main task of the loop; `create_task`, `sleep`, our streams and sockets work in it and in its tasks, and so does
/// what is tokio's: `tokio::time`, `tokio::net`, `tokio::spawn` (whose futures run beside ours, and have no loop of ours).
///
/// # Errors
///
/// When the system has no descriptor left.
///
/// # Panics
///
/// Outside a tokio runtime, and in one without its I/O and time drivers (`enable_all`). The guest's panics are in [`Guest`].
///
/// ```
/// use uasyncio_compat::guest::on_tokio;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// let answer = runtime.block_on(async {
///     on_tokio(async {
///         let ours = uasyncio_core::create_task(async {
///             uasyncio_core::sleep_ms(2).await;
///             40
///         });
///         tokio::time::sleep(std::time::Duration::from_millis(1)).await;
///         ours.await.unwrap() + 2
///     })?
///     .await;
///     std::io::Result::Ok(42)
/// })?;
/// assert_eq!(answer, 42);
/// # Ok(()) }
/// ```
pub fn on_tokio<F>(future: F) -> io::Result<Guest<TokioHost, F::Output>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Guest::new(TokioHost::new, future)
}

/// How tokio watches a guest's reactor.
pub struct TokioHost {
    descriptor: AsyncFd<OwnedFd>,
    timer: Pin<Box<Sleep>>,
}

impl TokioHost {
    /// Registers a descriptor with the runtime that is entered.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor left, or the runtime cannot watch this one.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and in one without its I/O and time drivers.
    #[allow(deprecated, reason = "an `OwnedFd` is what the newer function, which is unsafe, asks for a promise of")]
    pub fn new(descriptor: BorrowedFd<'_>) -> io::Result<TokioHost> {
        let descriptor = AsyncFd::with_interest(descriptor.try_clone_to_owned()?, Interest::READABLE)?;
        Ok(TokioHost { descriptor, timer: Box::pin(sleep(Duration::ZERO)) })
    }
}

impl Host for TokioHost {
    fn poll_wait(&mut self, cx: &mut Context<'_>, timeout: Option<Duration>) -> Poll<io::Result<()>> {
        // Without a timeout an earlier timer stays, and wakes the guest once for nothing.
        if let Some(timeout) = timeout {
            self.timer.as_mut().reset(Instant::now() + timeout);
            if self.timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        // tokio has edges: what comes after this is told, and the guest looks for what came before.
        ready!(self.descriptor.poll_read_ready(cx))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for TokioHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioHost").field("descriptor", &self.descriptor).finish_non_exhaustive()
    }
}
