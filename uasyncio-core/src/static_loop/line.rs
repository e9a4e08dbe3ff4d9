//! The run queue of a static loop, and the wakers of its slots.
//!
//! A loop's queue and its slots lie one behind the other in a `static`, so that a waker is a pointer to a slot, and nothing else: the slot
//! knows how far it is from the first one, and the queue lies before that (U20). It owns nothing; its clone is a copy and its
//! drop does nothing. Tasks are not here: they are on the stack of who runs the loop, and a waker never leads to one.
//!
//! There are two queues, both first in, first out, with a task in line once however often it is woken: one of atomics, and one for
//! targets without compare-and-swap and for who asks for the smallest program, in critical sections.

use core::mem::offset_of;
use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};

#[cfg(not(all(feature = "critical-section", not(feature = "std"))))]
mod atomic;
#[cfg(all(feature = "critical-section", not(feature = "std")))]
mod critical;

#[cfg(not(all(feature = "critical-section", not(feature = "std"))))]
use atomic::{Queue, Slot};
#[cfg(all(feature = "critical-section", not(feature = "std")))]
use critical::{Queue, Slot};

/// The most slots that a loop may have.
#[cfg(not(loom))]
pub(crate) const MOST_SLOTS: usize = 254;

/// The queue and the slots of a loop.
#[repr(C)]
pub(crate) struct Line<const N: usize> {
    queue: Queue,
    slots: [Slot; N],
}

/// A slot in a line that is never freed.
#[derive(Clone, Copy)]
pub(crate) struct SlotRef(*const Slot);

impl<const N: usize> Line<N> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Line<N> {
        Line { queue: Queue::new(), slots: [const { Slot::new() }; N] }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Line<N> {
        Line { queue: Queue::new(), slots: core::array::from_fn(|_| Slot::new()) }
    }

    /// Takes the line for a run of the first `tasks` slots. `None`: there is a run.
    #[inline]
    pub(crate) fn claim(&'static self, tasks: usize) -> Option<Slots> {
        // By way of the whole line, for a slot leads back to the queue.
        let first = SlotRef(ptr::from_ref(self).cast::<u8>().wrapping_add(offset_of!(Line<N>, slots)).cast());
        self.queue.claim(first, N, tasks).then_some(Slots { queue: &self.queue, first })
    }
}

/// The slots of a line that is taken for a run.
#[derive(Clone, Copy)]
pub(crate) struct Slots {
    queue: &'static Queue,
    first: SlotRef,
}

impl Slots {
    /// The run is over.
    pub(crate) fn release(self) {
        self.queue.release(self.first);
    }

    /// Takes the first in line. `None`: there is none, and the loop counts as asleep from now on, so that the first that comes into the
    /// line wakes the notifier.
    ///
    /// # Safety
    ///
    /// The notifier stays where it is until this is called again, or the line is released.
    #[inline]
    pub(crate) unsafe fn pop(self, notifier: Option<&Waker>) -> Option<usize> {
        // SAFETY: the caller's promise.
        unsafe { self.queue.pop(self.first, notifier) }
    }

    /// Whether the loop counts as asleep: nothing has come into the line since that was found empty.
    pub(crate) fn is_asleep(self) -> bool {
        self.queue.is_asleep()
    }

    /// Puts a slot, which there is, at the end of the line, unless it stands in it.
    #[inline]
    pub(crate) fn push(self, index: usize) {
        self.first.at(index).wake();
    }

    /// Whether a slot, which there is, stands in line.
    pub(crate) fn is_queued(self, index: usize) -> bool {
        self.first.at(index).get().is_queued()
    }

    /// The waker of a slot, which there is.
    #[inline]
    pub(crate) fn waker(self, index: usize) -> Waker {
        // SAFETY: U20. The table's functions take such a pointer, and may be called from anywhere at any time.
        unsafe { Waker::new(self.first.at(index).0.cast(), &VTABLE) }
    }
}

impl SlotRef {
    #[inline]
    fn get(self) -> &'static Slot {
        // SAFETY: U20. Lines that were taken for a run are never freed.
        unsafe { &*self.0 }
    }

    /// For the first slot: another one, which there is.
    #[inline]
    fn at(self, index: usize) -> SlotRef {
        // SAFETY: U20. Only indices of slots of this line are asked for.
        SlotRef(unsafe { self.0.add(index) })
    }
}

impl SlotRef {
    #[inline]
    fn wake(self) {
        // SAFETY: U20. It is a slot.
        unsafe { wake(self.0.cast()) }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_nothing);

unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

unsafe fn drop_nothing(_: *const ()) {}

/// One copy of the code, for wakers and for us.
#[inline(never)]
unsafe fn wake(data: *const ()) {
    Queue::wake(SlotRef(data.cast())); // U20: `waker` or `SlotRef::wake` put it there
}

#[cfg(all(test, loom))]
mod loom_models;
