//! tokio's loop and ours on one thread, for libraries that work with tokio only.
//!
//! tokio offers no way to run one pass of its loop, so ours cannot be the outer one without a second thread. [`run`] turns it round: a
//! current-thread runtime of tokio's is the host, our loop is its [guest](crate::guest), and the runtime is entered wherever our tasks
//! run. What looks for tokio, such as reqwest, redis or tokio-postgres, finds it; nothing needs to be `Send`; and there is one thread.

use std::future::Future;

use ::tokio::runtime::Builder;
use ::tokio::task::LocalSet;
use uasyncio_io::RunError;

use crate::guest::on_tokio;

/// Runs a future on a fresh event loop of ours inside a fresh current-thread runtime of tokio's, and gives its output: in place of
/// [`uasyncio_io::run`] where tokio's libraries are used.
///
/// In the future and in the tasks that it creates, both are there: `create_task`, `sleep`, streams; `tokio::spawn`,
/// `tokio::task::spawn_local`, `tokio::time`, `tokio::net`. A task that `tokio::spawn` or `spawn_local` starts is
/// tokio's: it has no loop of ours, so `create_task` and `sleep` panic there.
///
/// A wake costs more than on our loop alone, since it goes through both; what has no need of tokio is quicker without.
///
/// When the future is done, the tasks that are left on both are dropped. tokio starts threads only for its `spawn_blocking`, which
/// its resolver of host names and its files use.
///
/// # Panics
///
/// Where [`try_run`] gives an error; inside a runtime of tokio's; and when the future panics.
///
/// ```
/// use std::rc::Rc;
///
/// let sum = uasyncio_compat::tokio::run(async {
///     let local = Rc::new(20);
///     let ours = uasyncio_core::create_task(async move { *local });
///     let theirs = tokio::spawn(async { 22 });
///     ours.await.unwrap() + theirs.await.unwrap()
/// });
/// assert_eq!(sum, 42);
/// ```
#[track_caller]
pub fn run<F>(future: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    match try_run(future) {
        Ok(output) => output,
        Err(error) => panic!("{error}"),
    }
}

/// [`run`], with its failures as errors.
///
/// # Errors
///
/// [`RunError::Reactor`] if the operating system has no descriptor left for one of the two loops. [`RunError::Loop`] if a loop of ours is
/// running on this thread already.
///
/// ```
/// assert_eq!(uasyncio_compat::tokio::try_run(async { 42 })?, 42);
/// # Ok::<(), uasyncio_io::RunError>(())
/// ```
#[track_caller]
pub fn try_run<F>(future: F) -> Result<F::Output, RunError>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if uasyncio_core::try_get_event_loop().is_some() {
        return Err(RunError::Loop(uasyncio_core::RunError::Nested));
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(RunError::Reactor)?;
    let both = async { Ok(on_tokio(future).map_err(RunError::Reactor)?.await) };
    LocalSet::new().block_on(&runtime, both)
}
