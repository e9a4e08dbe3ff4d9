//! The clock of the loop that is running here, whichever kind of loop that is.

use crate::{Ticks, current};

/// The time now on the clock of the loop that is running here, rounded down. asyncio's `loop.time()`, the originals' `ticks_ms`.
///
/// # Panics
///
/// When no event loop is running here.
///
/// ```
/// use uasyncio_core::{run, sleep_ms, time};
///
/// run(async {
///     let start = time();
///     sleep_ms(2).await;
///     assert!(time().diff(start) >= 2);
/// });
/// ```
#[track_caller]
pub fn time() -> Ticks {
    #[cfg(feature = "alloc")]
    if current::get().is_some() {
        return crate::get_event_loop().time();
    }
    match current::with_turn(|turn| turn.now()) {
        Some(now) => now,
        None => current::no_loop(),
    }
}

/// The same, rounded up: what is due so many milliseconds after this is not due too early.
///
/// # Panics
///
/// When no event loop is running here.
///
/// ```
/// use uasyncio_core::{run, sleep_until, time_rounded_up};
///
/// run(async {
///     let timeout = time_rounded_up().wrapping_add(5);
///     sleep_until(timeout).await; // at least 5 ms
/// });
/// ```
#[track_caller]
pub fn time_rounded_up() -> Ticks {
    #[cfg(feature = "alloc")]
    if current::get().is_some() {
        return crate::get_event_loop().time_rounded_up();
    }
    match current::with_turn(|turn| turn.read_rounded_up()) {
        Some(now) => now,
        None => current::no_loop(),
    }
}
