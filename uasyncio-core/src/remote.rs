//! Wakes from elsewhere: other threads and interrupts.
//!
//! Two parties meet here. The *owner* is the thread that runs a loop. A *visitor* is anyone else who holds a waker. A waker
//! points at a slot, a slot lies in a page, and each page has a [`Mark`]: one bit for each slot, and the [`Gate`] of the loop
//! that the page belongs to at present. Pages and gates are never freed, only used again (invariant U1), so a visitor may
//! look at them at any time; what it must not do is act on a gate whose loop is gone, or for a page that has moved on.
//!
//! ```text
//! visitor                                        owner
//! 1  gate := mark.home            null: stop
//! 2  visitors += 1                closed: 6      close:  closed := true, wait until visitors = 0,
//! 3  mark.home = gate?            no: 6                  drop the notifier, home := null, give pages back
//! 4  set the bit; was the page clean?
//!    push it on gate.dirty                       sleep:  asleep := true, then look at dirty once more
//! 5  asleep was true? notify                     wake:   asleep := false, take the whole of dirty,
//! 6  visitors -= 1                                       and of each page its bits
//! ```
//!
//! * Not lost (U7): steps 4 and 5 are a push on `dirty` and then a read of `asleep`; the owner writes `asleep` and then looks at
//!   `dirty` by a compare-and-swap of null for null. Both touch `dirty` by read-modify-writes, so one of them comes first. If it
//!   is the push, the owner sees it; if it is the owner's, the push takes its word from there, and with it (release, acquire)
//!   sees `asleep`. A visitor that finds the page marked already leaves both to the one who marked it first.
//! * Not too late: the owner closes the gate and waits for the visitors who are inside. A visitor that comes in later sees the
//!   gate closed, or open again for another loop; then step 3 sees that the page is not that loop's, because `home` was made
//!   null before the gate could open again. If the page has come back to the same gate, the wake is a spurious one for
//!   whatever is in the slot now, which the contract of `Future` allows.
//! * Never blocked, never allocating: a fixed number of steps, a push that is retried only against other pushes, no lock.
//! * Visible (U6): what the visitor wrote before it set the bit is visible to the owner, who takes the bit by a swap.
//!
//! The design is the slot arena of the project's notes; the push is Treiber's stack (IBM RJ 5118, 1986), emptied only as a
//! whole, so that it knows no ABA problem.

use core::ptr::{self, NonNull};
use core::task::Waker;

use crate::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, UnsafeCell, relax};

/// Set in [`Gate::visitors`] while no loop owns the gate; the count goes in steps of [`VISIT`].
const CLOSED: usize = 1;
const VISIT: usize = 2;

/// The part of a loop that visitors may touch.
#[repr(C)]
pub(crate) struct Gate {
    visitors: AtomicUsize,
    dirty: AtomicPtr<Mark>,
    asleep: AtomicBool,
    /// Written by the owner while the gate is closed and empty, read by visitors inside.
    notifier: UnsafeCell<Option<Waker>>,
}

/// The part of a page that visitors may touch.
#[repr(C)]
pub(crate) struct Mark {
    home: AtomicPtr<Gate>,
    bits: AtomicUsize,
    next_dirty: AtomicPtr<Mark>,
}

// SAFETY: U2. `notifier` is the only field that is not atomic, and the protocol above keeps its writes apart from its reads.
unsafe impl Sync for Gate {}
// SAFETY: as above; a `Waker` may be dropped on any thread.
unsafe impl Send for Gate {}

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate {
            visitors: AtomicUsize::new(CLOSED),
            dirty: AtomicPtr::new(ptr::null_mut()),
            asleep: AtomicBool::new(false),
            notifier: UnsafeCell::new(None),
        }
    }

    /// The owner takes the closed gate for a new loop.
    pub(crate) fn open(&self, notifier: Waker) {
        // SAFETY: U2. The gate is closed and was left by the last visitor, so nobody else looks at the notifier.
        let old = self.notifier.with_mut(|slot| unsafe { (*slot).replace(notifier) });
        debug_assert!(old.is_none());
        self.visitors.fetch_and(!CLOSED, Ordering::Release);
    }

    /// The owner gives the gate up: no visitor is inside when this returns, and none acts on it any more.
    pub(crate) fn close(&self) {
        self.visitors.fetch_or(CLOSED, Ordering::Relaxed);
        while self.visitors.load(Ordering::Acquire) != CLOSED {
            relax(); // a visitor is between its steps 2 and 6, none of which waits for anything
        }
        self.dirty.store(ptr::null_mut(), Ordering::Relaxed);
        self.asleep.store(false, Ordering::Relaxed);
        // SAFETY: U2. Closed and empty; the count was read with `Acquire`, so the last visitor's reads are over.
        let notifier = self.notifier.with_mut(|slot| unsafe { (*slot).take() });
        drop(notifier);
    }

    /// Says that the owner is about to sleep. `false`: something is there, do not.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        let null = ptr::null_mut();
        if self.dirty.compare_exchange(null, null, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return true;
        }
        self.asleep.store(false, Ordering::Relaxed);
        false
    }

    /// The owner is awake: no notice is needed.
    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// The owner puts something in its own queue while it does not run, and wants to be told as a visitor would.
    pub(crate) fn notify(&self) {
        // The second look is the one that counts, and of several who come that far one gets through.
        let asleep = self.asleep.load(Ordering::Relaxed);
        if asleep && self.asleep.compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            // SAFETY: U2. Called by the owner of the open gate or by a visitor inside; both exclude a write.
            self.notifier.with(|slot| unsafe {
                if let Some(notifier) = &*slot {
                    notifier.wake_by_ref();
                }
            });
        }
    }

    /// The owner takes all marked pages and calls `each` with a page's mark and its bits.
    pub(crate) fn take(&self, mut each: impl FnMut(NonNull<Mark>, usize)) {
        if self.dirty.load(Ordering::Relaxed).is_null() {
            return;
        }
        let mut next = NonNull::new(self.dirty.swap(ptr::null_mut(), Ordering::Acquire));
        while let Some(mark) = next {
            // SAFETY: U1. A mark on the list is the head of a page, which is never freed.
            let shared = unsafe { mark.as_ref() };
            // Read before the bits are taken: from then on the page may be pushed again.
            next = NonNull::new(shared.next_dirty.load(Ordering::Relaxed));
            each(mark, shared.bits.swap(0, Ordering::AcqRel));
        }
    }

    fn enter(&self) -> Option<Visit<'_>> {
        let visit = Visit(self);
        let before = self.visitors.fetch_add(VISIT, Ordering::AcqRel);
        (before & CLOSED == 0).then_some(visit)
    }

    fn push(&self, mark: NonNull<Mark>, shared: &Mark) {
        let mut head = self.dirty.load(Ordering::Relaxed);
        loop {
            shared.next_dirty.store(head, Ordering::Relaxed);
            let pushed = self.dirty.compare_exchange_weak(head, mark.as_ptr(), Ordering::AcqRel, Ordering::Relaxed);
            match pushed {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

/// A visitor is counted in; dropping this counts it out.
struct Visit<'a>(&'a Gate);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.visitors.fetch_sub(VISIT, Ordering::AcqRel);
    }
}

impl Mark {
    pub(crate) fn new() -> Mark {
        Mark { home: AtomicPtr::new(ptr::null_mut()), bits: AtomicUsize::new(0), next_dirty: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The gate of the loop that owns the page, or null; to compare, not to look at.
    pub(crate) fn home(&self) -> *const Gate {
        self.home.load(Ordering::Relaxed)
    }

    /// The owner of `gate` takes the page, which no loop owns.
    pub(crate) fn settle(&self, gate: &'static Gate) {
        self.home.store(ptr::from_ref(gate).cast_mut(), Ordering::Release);
    }

    /// The owner leaves the page to another loop. Its gate must be closed.
    pub(crate) fn leave(&self) {
        self.home.store(ptr::null_mut(), Ordering::Relaxed);
        self.bits.store(0, Ordering::Relaxed);
    }

    /// Wakes slot `index` of the page from anywhere.
    ///
    /// # Safety
    ///
    /// `mark` must point at a mark that is never freed, and whose homes are gates that are never freed (U1).
    pub(crate) unsafe fn wake(mark: NonNull<Mark>, index: usize) {
        // SAFETY: the caller's promise.
        let shared = unsafe { mark.as_ref() };
        let home = shared.home.load(Ordering::Acquire);
        // SAFETY: the caller's promise.
        let Some(gate) = (unsafe { home.as_ref() }) else {
            return;
        };
        let Some(_visit) = gate.enter() else {
            return;
        };
        // If the gate was closed since, entering has acquired what its new owner released by opening it, hence this too.
        if shared.home.load(Ordering::Relaxed) != home {
            return; // the loop that the waker was made for is gone, and its tasks with it
        }
        if shared.bits.fetch_or(1 << index, Ordering::AcqRel) == 0 {
            gate.push(mark, shared);
            gate.notify();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_models;
