//! Tasks and loops.

use std::future::Future;
use std::io;

use uasyncio_core::{EventLoop, Task, create_task};
use uasyncio_io::Reactor;

/// `ensure_future(coro)`: [`create_task`]. Gives a handle to the task, where uasyncio gave the coroutine back. There is no argument
/// for a loop; it was ignored.
///
/// Of a future that is a [`Task`] already it makes a task that awaits that one; asyncio gives the same one back.
///
/// # Panics
///
/// Outside a running event loop.
///
/// ```
/// use uasyncio_compat::names as asyncio;
///
/// asyncio::run(async {
///     let task = asyncio::ensure_future(async { 42 });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
pub fn ensure_future<F>(coro: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    create_task(coro)
}

/// `cancel(task)`: [`Task::cancel`]. `false`: it was done already. The future is dropped on the loop's next pass, where
/// `CancelledError` is raised inside it there; code that catches that uses [`catch_cancel`](uasyncio_core::catch_cancel).
///
/// ```
/// use uasyncio_compat::names as asyncio;
///
/// asyncio::run(async {
///     let task = asyncio::create_task(asyncio::sleep(60.0));
///     assert!(asyncio::cancel(&task));
///     assert!(task.await.unwrap_err().is_cancelled());
/// });
/// ```
pub fn cancel<T>(task: &Task<T>) -> bool {
    task.cancel()
}

/// `new_event_loop()`: another loop, with a reactor of its own; [`uasyncio_core::EventLoop`]. MicroPython's forgets the tasks of its
/// only loop; here the old one, and what it has, lives until it is dropped.
///
/// # Errors
///
/// When the system has no descriptor left for a reactor.
///
/// ```
/// use uasyncio_compat::names as asyncio;
///
/// let event_loop = asyncio::new_event_loop()?;
/// assert_eq!(event_loop.run_until_complete(async { 42 }).ok(), Some(42));
/// # std::io::Result::Ok(())
/// ```
pub fn new_event_loop() -> io::Result<EventLoop<Reactor>> {
    Ok(EventLoop::with_platform(Reactor::new()?))
}
