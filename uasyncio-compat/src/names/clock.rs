//! Times in seconds, and ticks.

use std::future::Future;
use std::time::Duration;

use uasyncio_core::{Ticks, get_event_loop};
use uasyncio_sync::TimeoutError;

/// Seconds, as Python has them: what is negative or no number counts as 0, what is too large as never.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { Duration::MAX } else { Duration::ZERO })
}

/// `sleep(seconds)`: [`uasyncio_core::sleep`] with seconds as a number. Rounded up to milliseconds; MicroPython cuts them off.
///
/// ```
/// use uasyncio_compat::names as asyncio;
///
/// asyncio::run(asyncio::sleep(0.002));
/// ```
pub fn sleep(delay: f64) -> uasyncio_core::Sleep {
    uasyncio_core::sleep(seconds(delay))
}

/// `loop.call_later(delay, callback)`: [`uasyncio_core::call_later`] with seconds as a number.
///
/// As there it gives nothing back: to cancel one, have the callback look at a flag.
///
/// # Panics
///
/// Outside a running event loop.
///
/// ```
/// use std::rc::Rc;
/// use uasyncio_compat::names as asyncio;
///
/// asyncio::run(async {
///     let event = Rc::new(asyncio::Event::new());
///     let set = event.clone();
///     asyncio::call_later(0.001, move || set.set());
///     event.wait().await;
/// });
/// ```
pub fn call_later<C: FnOnce() + 'static>(delay: f64, callback: C) {
    uasyncio_core::call_later(seconds(delay), callback);
}

/// `wait_for(aw, timeout)`: [`uasyncio_sync::wait_for`] with seconds as a number; `None` is no limit.
///
/// The awaited future is dropped when the time is over; there, `CancelledError` is raised inside it, and it may go on.
///
/// # Errors
///
/// [`TimeoutError`] when the time was over first.
///
/// # Cancel safety
///
/// As safe as the awaited future.
///
/// ```
/// use uasyncio_compat::names as asyncio;
///
/// asyncio::run(async {
///     assert!(asyncio::wait_for(asyncio::sleep(60.0), 0.002).await.is_err());
///     assert_eq!(asyncio::wait_for(async { 42 }, None).await, Ok(42));
/// });
/// ```
pub async fn wait_for<F: Future>(aw: F, timeout: impl Into<Option<f64>>) -> Result<F::Output, TimeoutError> {
    uasyncio_sync::wait_for(aw, timeout.into().map_or(Duration::MAX, seconds)).await
}

/// `wait_for_ms(aw, timeout)`: [`wait_for`] with milliseconds; `None` is no limit.
///
/// # Errors
///
/// [`TimeoutError`] when the time was over first.
///
/// # Cancel safety
///
/// As safe as the awaited future.
///
/// ```
/// use uasyncio_compat::names as asyncio;
///
/// asyncio::run(async {
///     assert!(asyncio::wait_for_ms(asyncio::sleep_ms(60_000), 2).await.is_err());
/// });
/// ```
pub async fn wait_for_ms<F: Future>(aw: F, timeout: impl Into<Option<u32>>) -> Result<F::Output, TimeoutError> {
    let timeout = timeout.into().map_or(Duration::MAX, |millis| Duration::from_millis(millis.into()));
    uasyncio_sync::wait_for(aw, timeout).await
}

/// `ticks()` of MicroPython's core, and `loop.time()`: the clock of the running loop in milliseconds. It wraps around at 2^32, there at
/// 2^30 on most boards; compare with [`ticks_diff`] only.
///
/// # Panics
///
/// Outside a running event loop.
///
/// ```
/// use uasyncio_compat::names as asyncio;
///
/// asyncio::run(async {
///     let start = asyncio::ticks();
///     asyncio::sleep_ms(2).await;
///     assert!(asyncio::ticks_diff(asyncio::ticks(), start) >= 2);
/// });
/// ```
pub fn ticks() -> Ticks {
    get_event_loop().time()
}

/// `ticks_diff(end, start)`: milliseconds from `start` to `end`, negative if it is the other way round. Right across the wrap, up to 24 days.
///
/// ```
/// use uasyncio_compat::names::{ticks_add, ticks_diff};
/// use uasyncio_core::Ticks;
///
/// let start = Ticks::from_millis(u32::MAX);
/// assert_eq!(ticks_diff(ticks_add(start, 5), start), 5);
/// ```
pub fn ticks_diff(end: Ticks, start: Ticks) -> i32 {
    end.diff(start)
}

/// `ticks_add(ticks, delta)`: a point in time so many milliseconds later, or earlier.
///
/// ```
/// use uasyncio_compat::names::{ticks_add, ticks_diff};
/// use uasyncio_core::Ticks;
///
/// let ticks = Ticks::from_millis(3);
/// assert_eq!(ticks_diff(ticks_add(ticks, -5), ticks), -5);
/// ```
pub fn ticks_add(ticks: Ticks, delta: i32) -> Ticks {
    ticks.wrapping_add(delta as u32)
}
