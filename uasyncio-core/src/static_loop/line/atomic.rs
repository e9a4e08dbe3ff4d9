//! The run queue of a static loop with atomics: a stack of those that were woken, and a list of those that were taken from it. A slot
//! knows how far it is from the first one, and the queue lies before that.
//!
//! ```text
//! push                                         pop
//! 1  mark the slot; it was marked: done        1  the list is empty: take the whole stack, turn it round, that is the list
//! 2  push it on the stack                      2  take the first slot out of the list
//! 3  asleep? clear that, notify                3  clear its mark
//! ```
//!
//! * First in, first out: the stack holds what was woken after all that is in the list, the latest on top.
//! * Visible (U6): marks are set and cleared by read-modify-writes, so whoever finds a slot marked has its writes seen by the poll for
//!   which the mark is cleared.
//! * Not lost (U7): the loop sets `asleep`, then looks at the stack by a read-modify-write. A push before that look is seen by it;
//!   a push behind it reads from it, and so sees `asleep`.
//! * Never blocked: a push is retried only against other pushes. The notifier is kept by a [`SharedWaker`], which no wake
//!   drops. It is registered before each sleep: a wake that is late by a run keeps it from being stored, and wakes it instead,
//!   so that the loop goes round until that wake is over.
//!
//! The stack is Treiber's (IBM RJ 5118, 1986), emptied only as a whole, so that it knows no ABA problem.

use core::mem::offset_of;
use core::task::Waker;

use crate::shared_waker::SharedWaker;
use crate::sync::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use super::{Line, SlotRef};

/// What the slots of a loop have in common.
pub(crate) struct Queue {
    /// The code of the slot woken last; 0 if there is none.
    stack: AtomicUsize,
    /// The code of the first slot in line, as far as that was taken from the stack. Only the loop touches it.
    first: AtomicU8,
    asleep: AtomicBool,
    running: AtomicBool,
    notifier: SharedWaker,
}

/// One task's place in the queue.
pub(crate) struct Slot {
    /// In the queue.
    marked: AtomicBool,
    /// The code of the one below it on the stack, then of the one behind it in line; 0 if there is none. It belongs to who has
    /// set the mark, then to the loop.
    next: AtomicU8,
    /// One more than its index; 0 before the first run.
    code: AtomicU8,
}

impl Queue {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Queue {
        Queue {
            stack: AtomicUsize::new(0),
            first: AtomicU8::new(0),
            asleep: AtomicBool::new(false),
            running: AtomicBool::new(false),
            notifier: SharedWaker::new(),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Queue {
        Queue {
            stack: AtomicUsize::new(0),
            first: AtomicU8::new(0),
            asleep: AtomicBool::new(false),
            running: AtomicBool::new(false),
            notifier: SharedWaker::new(),
        }
    }

    /// Takes the loop for a run, with the first `tasks` slots in line. `false`: it is taken.
    pub(crate) fn claim(&'static self, slots: SlotRef, count: usize, tasks: usize) -> bool {
        if self.running.swap(true, Ordering::Acquire) {
            return false;
        }
        for index in 0..count {
            slots.at(index).get().code.store(index as u8 + 1, Ordering::Relaxed);
        }
        self.clear(slots); // what came between the runs
        for index in 0..tasks {
            self.push(slots, index as u8 + 1);
        }
        true
    }

    /// The run is over. No notice is under way that needs what the run leaves behind.
    pub(crate) fn release(&self, slots: SlotRef) {
        self.asleep.store(false, Ordering::Relaxed);
        self.clear(slots);
        drop(self.notifier.take());
        self.running.store(false, Ordering::Release);
    }

    fn clear(&self, slots: SlotRef) {
        while self.pop_first(slots).is_some() {}
    }

    /// Takes the first slot in line out of it. `None`: there is none, and the loop counts as asleep from now on, so that the first that
    /// comes into the line wakes the notifier. Slots lie one behind the other from `slots` on.
    ///
    /// # Safety
    ///
    /// The notifier stays where it is until this is called again, or the line is released: so it is with critical sections. Here it
    /// is cloned.
    pub(crate) unsafe fn pop(&self, slots: SlotRef, notifier: Option<&Waker>) -> Option<usize> {
        loop {
            let index = self.pop_first(slots);
            if index.is_some() {
                self.asleep.store(false, Ordering::Relaxed);
                return index.map(usize::from);
            }
            // First, for a wake during it comes to nothing: who is that late has cleared `asleep` for an earlier sleep.
            if let Some(notifier) = notifier {
                self.notifier.register(notifier);
            }
            self.asleep.store(true, Ordering::Relaxed);
            if self.stack.compare_exchange(0, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return None;
            }
        }
    }

    /// Whether the loop counts as asleep: nothing has come into the line since that was found empty.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Acquire)
    }

    fn pop_first(&self, slots: SlotRef) -> Option<u8> {
        let mut code = self.first.load(Ordering::Relaxed);
        if code == 0 {
            code = self.take_stack(slots)?;
        }
        let slot = slots.coded(code).get();
        self.first.store(slot.next.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.marked.swap(false, Ordering::AcqRel); // not a store, which would hide from us what the mark's setters wrote
        Some(code - 1)
    }

    /// Makes a line of the stack, and gives the code of its first.
    fn take_stack(&self, slots: SlotRef) -> Option<u8> {
        if self.stack.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut rest = self.stack.swap(0, Ordering::Acquire) as u8;
        let mut first = 0;
        while rest != 0 {
            let slot = slots.coded(rest).get();
            let below = slot.next.load(Ordering::Relaxed);
            slot.next.store(first, Ordering::Relaxed);
            first = rest;
            rest = below;
        }
        Some(first)
    }

    /// Puts a slot into the line, unless it is in it, and tells the loop if that sleeps. From anywhere.
    pub(crate) fn wake(slot: SlotRef) {
        let code = slot.get().code.load(Ordering::Relaxed);
        // SAFETY: U20. Its code says how many slots lie before it.
        let first = SlotRef(unsafe { slot.0.sub(usize::from(code) - 1) });
        // SAFETY: U20. In a line of any length the first slot is as far behind the queue, and the pointer came from the whole line.
        let queue: &Queue = unsafe { &*first.0.cast::<u8>().sub(offset_of!(Line<1>, slots)).cast() };
        queue.push(first, code);
    }

    fn push(&self, slots: SlotRef, code: u8) {
        let slot = slots.coded(code).get();
        if slot.marked.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut top = self.stack.load(Ordering::Relaxed);
        loop {
            slot.next.store(top as u8, Ordering::Relaxed);
            match self.stack.compare_exchange_weak(top, usize::from(code), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => top = now,
            }
        }
        // The second look is the one that counts, and of several who come that far one gets through.
        let asleep = self.asleep.load(Ordering::Relaxed);
        if asleep && self.asleep.compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.notifier.wake();
        }
    }
}

impl Slot {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Slot {
        Slot { marked: AtomicBool::new(false), next: AtomicU8::new(0), code: AtomicU8::new(0) }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Slot {
        Slot { marked: AtomicBool::new(false), next: AtomicU8::new(0), code: AtomicU8::new(0) }
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.marked.load(Ordering::Relaxed)
    }
}

impl SlotRef {
    /// For the first slot: the one with this code, which there is.
    fn coded(self, code: u8) -> SlotRef {
        self.at(usize::from(code) - 1)
    }
}
