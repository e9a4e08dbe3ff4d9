//! Protecting a future from the cancel of its caller.

use core::future::Future;

use uasyncio_core::{Task, create_task};

/// Runs a future as a task of its own, so that it goes on if the caller is cancelled. asyncio's `shield`.
///
/// This is [`create_task`] by the name that says what for. The task is queued at once, also if the handle is never
/// awaited; dropping the handle, as a cancel or a timeout of the caller does, detaches it. A panic of a detached task goes to
/// the loop's exception handler.
///
/// A [`Task`] needs no shield: await it, or `&mut` it.
///
/// # Panics
///
/// When no event loop is running.
///
/// # Cancel safety
///
/// Dropping the handle detaches the task. Awaiting `&mut` it loses nothing.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::{TimeoutError, shield, wait_for_ms};
///
/// run(async {
///     let saved = Rc::new(Cell::new(false));
///     let save = {
///         let saved = saved.clone();
///         async move {
///             sleep_ms(2).await;
///             saved.set(true);
///         }
///     };
///     assert!(matches!(wait_for_ms(shield(save), 1).await, Err(TimeoutError)));
///     sleep_ms(5).await;
///     assert!(saved.get());
/// });
/// ```
#[cfg_attr(feature = "trace", track_caller)]
pub fn shield<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    create_task(future)
}
