//! The run queue of a static loop in critical sections: a list through the slots, with both of its ends.
//!
//! On one core there is one queue for all loops, for one of them runs at a time; a waker that has outlived the run of another loop may put
//! that loop's slot into it, which is thrown away when its turn comes. With the feature `multi-core` each loop has its own.

use core::cell::Cell;
use core::ptr;
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};

use super::SlotRef;

#[cfg(not(feature = "multi-core"))]
static QUEUE: Lists = Lists::new();
#[cfg(not(feature = "multi-core"))]
static SLEEPER: Mutex<Sleeper> = Mutex::new(Sleeper::nobody());

/// What the slots of a loop have in common.
#[cfg(not(feature = "multi-core"))]
pub(crate) struct Queue(());
#[cfg(feature = "multi-core")]
pub(crate) type Queue = Lists;

/// Both ends of the list, and who waits for it.
pub(crate) struct Lists(Mutex<State>);

struct State {
    /// The first slot in line; null if there is none.
    first: Cell<*const Slot>,
    /// The last one; meaningless if there is none.
    last: Cell<*const Slot>,
    #[cfg(feature = "multi-core")]
    sleeper: Sleeper,
    /// Another core may try to run this loop too.
    #[cfg(feature = "multi-core")]
    running: Cell<bool>,
}

// SAFETY: U20. Its pointers are looked at in critical sections, and point at what may be used on any thread for as long as it is there.
unsafe impl Send for State {}

/// Who is to be told when something comes into the queue; null while the loop is awake, and always if its platform needs no notice. On one
/// core it lies by itself, so that the compiler leaves it out of programs in which it is always null.
struct Sleeper(Cell<*const Waker>);

// SAFETY: U20, as above.
unsafe impl Send for Sleeper {}

impl Sleeper {
    const fn nobody() -> Sleeper {
        Sleeper(Cell::new(ptr::null()))
    }
}

/// One task's place in the queue.
pub(crate) struct Slot {
    next: Mutex<Next>,
    #[cfg(feature = "multi-core")]
    queue: core::sync::atomic::AtomicPtr<Lists>,
}

/// Null: not in line. Else the next slot, or whatever for the last one.
struct Next(Cell<*const Slot>);

// SAFETY: U20, as above.
unsafe impl Send for Next {}

#[cfg(not(feature = "multi-core"))]
impl Queue {
    pub(crate) const fn new() -> Queue {
        Queue(())
    }

    fn lists(&self) -> &'static Lists {
        &QUEUE
    }
}

#[cfg(feature = "multi-core")]
impl Queue {
    fn lists(&self) -> &Lists {
        self
    }
}

impl Lists {
    #[inline]
    fn sleeper<'cs>(&'cs self, cs: CriticalSection<'cs>) -> &'cs Cell<*const Waker> {
        #[cfg(not(feature = "multi-core"))]
        let sleeper = SLEEPER.borrow(cs);
        #[cfg(feature = "multi-core")]
        let sleeper = &self.0.borrow(cs).sleeper;
        &sleeper.0
    }

    pub(crate) const fn new() -> Lists {
        Lists(Mutex::new(State {
            first: Cell::new(ptr::null()),
            last: Cell::new(ptr::null()),
            #[cfg(feature = "multi-core")]
            sleeper: Sleeper::nobody(),
            #[cfg(feature = "multi-core")]
            running: Cell::new(false),
        }))
    }
}

impl Queue {
    /// Takes the loop for a run, with the first `tasks` of its slots in line. `false`: it is taken.
    #[inline]
    pub(crate) fn claim(&'static self, slots: SlotRef, count: usize, tasks: usize) -> bool {
        #[cfg(feature = "multi-core")]
        if critical_section::with(|cs| self.0.borrow(cs).running.replace(true)) {
            return false;
        }
        #[cfg(feature = "multi-core")]
        for index in 0..count {
            slots.at(index).get().queue.store(ptr::from_ref(self).cast_mut(), core::sync::atomic::Ordering::Relaxed);
        }
        let _ = count;
        for index in 0..tasks {
            slots.at(index).wake();
        }
        true
    }

    /// The run is over. No notice is under way.
    pub(crate) fn release(&self, _slots: SlotRef) {
        critical_section::with(|cs| {
            let state = self.lists().0.borrow(cs);
            self.lists().sleeper(cs).set(ptr::null());
            while state.pop(cs).is_some() {}
            #[cfg(feature = "multi-core")]
            state.running.set(false);
        });
    }

    /// Takes the first slot in line out of it. `None`: there is none, and the loop counts as asleep from now on, so that the first that
    /// comes into the line wakes the notifier. Gives the distance of the slot from the loop's first.
    ///
    /// # Safety
    ///
    /// The notifier stays where it is until this is called again, or the line is released.
    #[inline]
    pub(crate) unsafe fn pop(&self, slots: SlotRef, notifier: Option<&Waker>) -> Option<usize> {
        critical_section::with(|cs| {
            let state = self.lists().0.borrow(cs);
            let slot = state.pop(cs);
            let sleeper = notifier.filter(|_| slot.is_none()).map_or(ptr::null(), ptr::from_ref);
            self.lists().sleeper(cs).set(sleeper);
            slot.map(|slot| slot.addr().wrapping_sub(slots.0.addr()) / size_of::<Slot>())
        })
    }

    /// Whether the loop counts as asleep: nothing has come into the line since that was found empty.
    pub(crate) fn is_asleep(&self) -> bool {
        critical_section::with(|cs| self.lists().0.borrow(cs).first.get().is_null())
    }

    /// Puts a slot into the line, unless it is in it, and tells the loop if that sleeps. From anywhere.
    #[inline]
    pub(crate) fn wake(slot: SlotRef) {
        #[cfg(not(feature = "multi-core"))]
        let lists = &QUEUE;
        #[cfg(feature = "multi-core")]
        let lists = slot.lists();
        critical_section::with(|cs| {
            let (state, next) = (lists.0.borrow(cs), slot.next(cs));
            if !next.get().is_null() {
                return;
            }
            next.set(slot.0);
            if state.first.get().is_null() {
                state.first.set(slot.0);
            } else {
                SlotRef(state.last.get()).next(cs).set(slot.0);
            }
            state.last.set(slot.0);
            let sleeper = lists.sleeper(cs).replace(ptr::null());
            // SAFETY: U20. Who set it takes it back, in a critical section, before the waker goes.
            if let Some(sleeper) = unsafe { sleeper.as_ref() } {
                sleeper.wake_by_ref();
            }
        });
    }
}

impl State {
    #[inline]
    fn pop(&self, cs: CriticalSection<'_>) -> Option<*const Slot> {
        let first = self.first.get();
        if first.is_null() {
            return None;
        }
        let next = SlotRef(first).next(cs).replace(ptr::null());
        self.first.set(if first == self.last.get() { ptr::null() } else { next });
        Some(first)
    }
}

impl Slot {
    pub(crate) const fn new() -> Slot {
        Slot {
            next: Mutex::new(Next(Cell::new(ptr::null()))),
            #[cfg(feature = "multi-core")]
            queue: core::sync::atomic::AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(crate) fn is_queued(&self) -> bool {
        critical_section::with(|cs| !self.next.borrow(cs).0.get().is_null())
    }
}

impl SlotRef {
    #[inline]
    fn next<'cs>(self, cs: CriticalSection<'cs>) -> &'cs Cell<*const Slot> {
        &self.get().next.borrow(cs).0
    }

    #[cfg(feature = "multi-core")]
    fn lists(self) -> &'static Lists {
        // SAFETY: U20. It was claimed before there was a waker, and the pointer came from a reference to what is never freed.
        unsafe { &*self.get().queue.load(core::sync::atomic::Ordering::Relaxed) }
    }
}
