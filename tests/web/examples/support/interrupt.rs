//! Ctrl-C, and a polite `kill`, as something to wait for.

use uasyncio_sync::ThreadSafeFlag;

static INTERRUPTED: ThreadSafeFlag = ThreadSafeFlag::new();

/// From now on an interruption no longer ends the process; [`interrupted`] tells of it.
pub(crate) fn catch_interrupts() -> Result<(), ctrlc::Error> {
    // The handler runs on a thread of its own, which is what this flag is for.
    ctrlc::set_handler(|| INTERRUPTED.set())
}

/// Completes with the next interruption.
pub(crate) async fn interrupted() {
    INTERRUPTED.wait().await;
}
