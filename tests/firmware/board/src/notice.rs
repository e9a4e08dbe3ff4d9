//! The notice that ends the clock's wait, and the waker that gives it.

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::task::{RawWaker, RawWakerVTable, Waker};

/// Somebody has woken a task since the last wait.
static GIVEN: AtomicBool = AtomicBool::new(false);

/// Whether the present wait is to end, or not to begin.
pub(crate) fn is_given() -> bool {
    GIVEN.load(Relaxed)
}

/// The wait is over.
pub(crate) fn forget() {
    GIVEN.store(false, Relaxed);
}

/// Ends the present wait, or else the next one; from an interrupt or from the program.
fn give() {
    GIVEN.store(true, Relaxed);
}

/// The waker that gives notice.
pub(crate) fn notifier() -> Waker {
    // SAFETY: F5.
    unsafe { Waker::from_raw(NOTIFIER) }
}

const NOTIFIER: RawWaker = RawWaker::new(ptr::null(), &RawWakerVTable::new(|_| NOTIFIER, |_| give(), |_| give(), |_| {}));
