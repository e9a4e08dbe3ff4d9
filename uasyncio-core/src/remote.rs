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
//! * Not lost (U7): steps 4 and 5 are a write of `dirty` and then a read of `asleep`; the owner writes `asleep` and then reads
//!   `dirty`, all sequentially consistent, so one of the two sees the other. A visitor that finds the page marked already
//!   leaves both to the one who marked it first.
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
        self.visitors.fetch_or(CLOSED, Ordering::AcqRel);
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
        self.asleep.store(true, Ordering::SeqCst);
        if self.dirty.load(Ordering::SeqCst).is_null() {
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
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
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
        let mut next = NonNull::new(self.dirty.swap(ptr::null_mut(), Ordering::SeqCst));
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
            let pushed = self.dirty.compare_exchange_weak(head, mark.as_ptr(), Ordering::SeqCst, Ordering::Relaxed);
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
        self.home.store(ptr::null_mut(), Ordering::Release);
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
        if shared.home.load(Ordering::Acquire) != home {
            return; // the loop that the waker was made for is gone, and its tasks with it
        }
        if shared.bits.fetch_or(1 << index, Ordering::AcqRel) == 0 {
            gate.push(mark, shared);
            gate.notify();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    //! Each model runs the code above under every interleaving (up to loom's bounds) of two or three threads.

    use super::{Gate, Mark};
    use core::ptr::NonNull;
    use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;
    use std::task::{Wake, Waker};

    /// Stands for the parked thread: a token, and a way to wait for it.
    #[derive(Default)]
    struct Park {
        token: Mutex<bool>,
        changed: Condvar,
    }

    impl Park {
        fn park(&self) {
            let mut token = self.token.lock().unwrap();
            while !*token {
                token = self.changed.wait(token).unwrap();
            }
            *token = false;
        }
    }

    struct Notify(Arc<Park>);

    impl Wake for Notify {
        fn wake(self: std::sync::Arc<Self>) {
            *self.0.token.lock().unwrap() = true;
            self.0.changed.notify_one();
        }
    }

    /// Memory of a model: gates and marks that outlive every thread of it, as the pool's do.
    struct World {
        gates: Vec<Box<Gate>>,
        marks: Vec<Box<Mark>>,
    }

    impl World {
        fn new(gates: usize, marks: usize) -> Arc<World> {
            Arc::new(World {
                gates: (0..gates).map(|_| Box::new(Gate::new())).collect(),
                marks: (0..marks).map(|_| Box::new(Mark::new())).collect(),
            })
        }

        /// Threads hold the world while they run, so for them it is never freed.
        fn gate(&self, index: usize) -> &'static Gate {
            // SAFETY: U1, by the `Arc<World>` of each thread.
            unsafe { &*core::ptr::from_ref(&*self.gates[index]) }
        }

        fn wake(&self, mark: usize, bit: usize) {
            // SAFETY: U1, as above.
            unsafe { Mark::wake(NonNull::from(&*self.marks[mark]), bit) }
        }
    }

    fn sleep_until_marked(gate: &Gate, park: &Park) -> usize {
        loop {
            let mut seen = 0;
            gate.take(|_, bits| seen |= bits);
            if seen != 0 {
                return seen;
            }
            if gate.fall_asleep() {
                park.park();
                gate.wake_up();
            }
        }
    }

    /// U6 and U7: the owner is never left parked, and sees what the visitor wrote before its wake.
    #[test]
    fn loom_remote_wake_against_park() {
        loom::model(|| {
            let world = World::new(1, 1);
            let park = Arc::new(Park::default());
            world.gate(0).open(Waker::from(std::sync::Arc::new(Notify(park.clone()))));
            world.marks[0].settle(world.gate(0));
            let data = Arc::new(AtomicUsize::new(0));
            let visitor = thread::spawn({
                let (world, data) = (world.clone(), data.clone());
                move || {
                    data.store(7, Ordering::Relaxed);
                    world.wake(0, 3);
                }
            });
            assert_eq!(sleep_until_marked(world.gate(0), &park), 1 << 3);
            assert_eq!(data.load(Ordering::Relaxed), 7);
            visitor.join().unwrap();
            world.gate(0).close();
        });
    }

    /// Two visitors of one page, one of them held up between its bit and its push: delay is allowed, loss is not.
    #[test]
    fn loom_two_remote_wakes_of_one_page() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new(1, 1);
            let park = Arc::new(Park::default());
            world.gate(0).open(Waker::from(std::sync::Arc::new(Notify(park.clone()))));
            world.marks[0].settle(world.gate(0));
            let visitors: Vec<_> = (0..2)
                .map(|bit| {
                    let world = world.clone();
                    thread::spawn(move || world.wake(0, bit))
                })
                .collect();
            let mut seen = 0;
            while seen != 0b11 {
                seen |= sleep_until_marked(world.gate(0), &park);
            }
            for visitor in visitors {
                visitor.join().unwrap();
            }
            world.gate(0).close();
        });
    }

    /// The notifier is used only while it is there, and nobody is inside after `close`.
    #[test]
    fn loom_remote_wake_against_loop_drop() {
        struct Alive(Arc<AtomicBool>);
        impl Wake for Alive {
            fn wake(self: std::sync::Arc<Self>) {
                assert!(self.0.load(Ordering::Relaxed), "notified after the loop's end");
            }
        }
        loom::model(|| {
            let world = World::new(1, 1);
            let alive = Arc::new(AtomicBool::new(true));
            world.gate(0).open(Waker::from(std::sync::Arc::new(Alive(alive.clone()))));
            world.marks[0].settle(world.gate(0));
            let visitor = thread::spawn({
                let world = world.clone();
                move || world.wake(0, 0)
            });
            world.gate(0).fall_asleep();
            world.gate(0).close();
            alive.store(false, Ordering::Relaxed);
            world.marks[0].leave();
            visitor.join().unwrap();
        });
    }

    /// A stale waker while the page and the gate go on to other loops: the page never lands on a gate that is not its own.
    #[test]
    fn loom_remote_wake_against_reuse() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let world = World::new(2, 2);
            world.gate(0).open(Waker::noop().clone());
            world.marks[0].settle(world.gate(0));
            let visitor = thread::spawn({
                let world = world.clone();
                move || world.wake(0, 5)
            });
            // The first loop ends; a second one takes its gate with another page, a third one its page with another gate.
            world.gate(0).close();
            world.marks[0].leave();
            world.gate(0).open(Waker::noop().clone());
            world.marks[1].settle(world.gate(0));
            world.gate(1).open(Waker::noop().clone());
            world.marks[0].settle(world.gate(1));
            let own = |mark: NonNull<Mark>, index: usize| core::ptr::eq(mark.as_ptr(), &*world.marks[index]);
            world.gate(0).take(|mark, _| assert!(own(mark, 1)));
            world.gate(1).take(|mark, bits| assert!(own(mark, 0) && bits == 1 << 5));
            visitor.join().unwrap();
            world.gate(0).take(|mark, _| assert!(own(mark, 1)));
            world.gate(1).take(|mark, bits| assert!(own(mark, 0) && bits == 1 << 5));
            world.gate(0).close();
            world.gate(1).close();
        });
    }
}
