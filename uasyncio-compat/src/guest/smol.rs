//! smol, and whatever else async-io serves, as a host.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::{Async, Timer};

use super::{Guest, Host};

/// Our event loop as a future inside smol, or inside any executor: async-io brings its own way to wait.
///
/// The future runs as the main task of the loop; `create_task`, `sleep`, our streams and sockets work in it and in its tasks, and so do
/// async-io's timers and sockets. async-io keeps a thread of its own for whoever does not call its `block_on`; that is none of ours.
///
/// # Errors
///
/// When the system has no descriptor left.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_compat::guest::on_smol;
///
/// # fn main() -> std::io::Result<()> {
/// let answer = async_io::block_on(on_smol(async {
///     let ours = uasyncio_core::create_task(async {
///         uasyncio_core::sleep_ms(2).await;
///         40
///     });
///     async_io::Timer::after(Duration::from_millis(1)).await;
///     ours.await.unwrap() + 2
/// })?);
/// assert_eq!(answer, 42);
/// # Ok(()) }
/// ```
pub fn on_smol<F>(future: F) -> io::Result<Guest<SmolHost, F::Output>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Guest::new(SmolHost::new, future)
}

/// How async-io watches a guest's reactor.
pub struct SmolHost {
    descriptor: Async<OwnedFd>,
    timer: Timer,
}

impl SmolHost {
    /// Registers a descriptor with async-io.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor left, or async-io cannot watch this one.
    pub fn new(descriptor: BorrowedFd<'_>) -> io::Result<SmolHost> {
        Ok(SmolHost { descriptor: Async::new(descriptor.try_clone_to_owned()?)?, timer: Timer::never() })
    }
}

impl Host for SmolHost {
    fn poll_wait(&mut self, cx: &mut Context<'_>, timeout: Option<Duration>) -> Poll<io::Result<()>> {
        // Without a timeout an earlier timer stays, and wakes the guest once for nothing.
        if let Some(timeout) = timeout {
            self.timer.set_after(timeout);
            if Pin::new(&mut self.timer).poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        self.descriptor.poll_readable(cx)
    }
}

impl fmt::Debug for SmolHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmolHost").field("descriptor", &self.descriptor).finish_non_exhaustive()
    }
}
