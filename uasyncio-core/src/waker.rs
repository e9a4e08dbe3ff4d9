//! The waker: a pointer to a slot and one table of functions for all tasks of all loops.
//!
//! It owns nothing, so a clone is a copy and a drop does nothing, on any thread and in any interrupt. See
//! [`slot`](crate::slot) for why the slot is always there, and [`remote`](crate::remote) for wakes from elsewhere.

use core::task::{RawWaker, RawWakerVTable, Waker};

use crate::current;
use crate::slot::SlotRef;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_nothing);

/// The waker of a slot.
#[inline]
pub(crate) fn waker(slot: SlotRef) -> Waker {
    // SAFETY: U1. The table's functions take what `into_raw` gives and may be called from any thread at any time.
    unsafe { Waker::from_raw(RawWaker::new(slot.into_raw(), &VTABLE)) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

unsafe fn drop_nothing(_: *const ()) {}

unsafe fn wake(data: *const ()) {
    // SAFETY: U1. `waker` put it there.
    wake_slot(unsafe { SlotRef::from_raw(data) });
}

/// Wakes the task in a slot, from anywhere.
#[inline]
pub(crate) fn wake_slot(slot: SlotRef) {
    let page = slot.page().get();
    match current::get() {
        Some(running) if page.belongs_to(running) => running.enqueue(slot),
        _ => wake_from_outside(slot),
    }
}

/// Not from inside the turn of the slot's own loop.
#[cold]
fn wake_from_outside(slot: SlotRef) {
    match slot.owner() {
        Some(own) => {
            own.enqueue(slot);
            own.gate.notify();
        }
        None => slot.wake_remote(),
    }
}
