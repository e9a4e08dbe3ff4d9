//! Each model runs the protocol under every interleaving (up to loom's bounds) of two or three threads.
//!
//! The pool's part, that memory outlives every thread and that whoever takes something from it sees what its last user wrote,
//! is played by an `Arc` and a mutex.

use super::{Gate, Mark};
use crate::sync::models::{Park, model};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr::{self, NonNull};
use core::task::Waker;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use std::task::Wake;

/// Gates and marks that outlive every thread of a model.
#[derive(Clone)]
struct World {
    gates: Arc<Vec<Gate>>,
    marks: Arc<Vec<Mark>>,
}

impl World {
    fn new(gates: usize, marks: usize) -> World {
        let gates = Arc::new((0..gates).map(|_| Gate::new()).collect());
        World { gates, marks: Arc::new((0..marks).map(|_| Mark::new()).collect()) }
    }

    /// A loop on gate 0 that has all pages, and its parked thread.
    fn with_a_loop(marks: usize) -> (World, Park) {
        let (world, park) = (World::new(1, marks), Park::default());
        world.gate(0).open(park.waker());
        world.marks.iter().for_each(|mark| mark.settle(world.gate(0)));
        (world, park)
    }

    fn gate(&self, index: usize) -> &'static Gate {
        // SAFETY: U1. A thread holds the world while it runs, so for it the gates are never freed.
        unsafe { &*ptr::from_ref(&self.gates[index]) }
    }

    fn wake(&self, mark: usize, bit: usize) {
        // SAFETY: U1, as above.
        unsafe { Mark::wake(NonNull::from(&self.marks[mark]), bit) }
    }

    /// A thread that does one thing in the world.
    fn visit(&self, work: impl FnOnce(&World) + 'static) -> thread::JoinHandle<()> {
        let world = self.clone();
        thread::spawn(move || work(&world))
    }

    fn is_mark(&self, mark: NonNull<Mark>, index: usize) -> bool {
        ptr::eq(mark.as_ptr(), &self.marks[index])
    }
}

fn join(visitors: [thread::JoinHandle<()>; 2]) {
    visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
}

/// What the owner does with nothing in its queue: the bits of all pages, once there are any.
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

/// U6 and U7: the owner is never left parked, and sees what the visitor wrote before its wake, each time.
#[test]
fn loom_remote_wake_against_park() {
    model(6, || {
        let (world, park) = World::with_a_loop(1);
        let data = Arc::new(AtomicUsize::new(0));
        let visitor = world.visit({
            let data = data.clone();
            move |world| {
                data.store(1, Ordering::Relaxed);
                world.wake(0, 3);
                data.store(2, Ordering::Relaxed);
                world.wake(0, 3);
            }
        });
        while data.load(Ordering::Relaxed) < 2 {
            assert_eq!(sleep_until_marked(world.gate(0), &park), 1 << 3);
            assert_ne!(data.load(Ordering::Relaxed), 0);
        }
        visitor.join().unwrap();
        assert!(park.notices() <= 2);
        world.gate(0).close();
    });
}

/// Two visitors of one page, one of them held up between its bit and its push: delay is allowed, loss is not.
#[test]
fn loom_two_remote_wakes_of_one_page() {
    model(3, || {
        let (world, park) = World::with_a_loop(1);
        let visitors = [0, 1].map(|bit| world.visit(move |world| world.wake(0, bit)));
        let mut seen = 0;
        while seen != 0b11 {
            seen |= sleep_until_marked(world.gate(0), &park);
        }
        join(visitors);
        world.gate(0).close();
    });
}

/// Two pages at a time are on the list, and none of them falls off it.
#[test]
fn loom_remote_wakes_of_two_pages() {
    model(3, || {
        let (world, park) = World::with_a_loop(2);
        let visitors = [0, 1].map(|page| world.visit(move |world| world.wake(page, page)));
        let mut seen = 0;
        while seen != 0b11 {
            seen |= sleep_until_marked(world.gate(0), &park);
        }
        join(visitors);
        world.gate(0).close();
    });
}

/// A page is marked again while the owner works through the list that it is on: what was behind it there is not lost.
#[test]
fn loom_page_is_marked_again_while_it_is_taken() {
    model(6, || {
        let (world, park) = World::with_a_loop(2);
        world.wake(0, 0);
        world.wake(1, 1);
        let visitor = world.visit(|world| world.wake(1, 2));
        let mut seen = 0;
        while seen != 0b111 {
            seen |= sleep_until_marked(world.gate(0), &park);
        }
        visitor.join().unwrap();
        world.gate(0).close();
    });
}

/// One waker on two threads: both wake the same slot, and the poll that follows sees what either wrote.
#[test]
fn loom_one_waker_on_two_threads() {
    model(3, || {
        let (world, park) = World::with_a_loop(1);
        let data = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let visitors = [0, 1].map(|which| {
            let data = data.clone();
            world.visit(move |world| {
                data[which].store(true, Ordering::Relaxed);
                world.wake(0, 7);
            })
        });
        while !data.iter().all(|written| written.load(Ordering::Relaxed)) {
            assert_eq!(sleep_until_marked(world.gate(0), &park), 1 << 7);
        }
        join(visitors);
        world.gate(0).close();
    });
}

/// A sleep is ended by one notice, however many wake: two visitors and the owner itself, between two turns.
#[test]
fn loom_one_notice_for_each_sleep() {
    model(3, || {
        let (world, park) = World::with_a_loop(2);
        assert!(world.gate(0).fall_asleep());
        let visitors = [0, 1].map(|page| world.visit(move |world| world.wake(page, 0)));
        world.gate(0).notify();
        join(visitors);
        assert_eq!(park.notices(), 1);
        world.gate(0).wake_up();
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
    model(4, || {
        let world = World::new(1, 1);
        let alive = Arc::new(AtomicBool::new(true));
        world.gate(0).open(Waker::from(std::sync::Arc::new(Alive(alive.clone()))));
        world.marks[0].settle(world.gate(0));
        let visitors = [0, 1].map(|bit| world.visit(move |world| world.wake(0, bit)));
        let _awake = world.gate(0).fall_asleep();
        world.gate(0).close();
        alive.store(false, Ordering::Relaxed);
        world.marks[0].leave();
        join(visitors);
        // Whatever they did, the next loop on this gate finds nothing of it, and is awake.
        let park = Park::default();
        world.gate(0).open(park.waker());
        world.gate(0).take(|_, _| panic!("a mark of the former loop"));
        world.gate(0).notify();
        assert_eq!(park.notices(), 0);
        assert!(world.gate(0).fall_asleep());
        world.gate(0).close();
    });
}

/// A stale waker while the page and the gate go on to other loops: the page never lands on a gate that is not its own, and
/// a wake of the page's new loop is not lost in between.
#[test]
fn loom_remote_wake_against_reuse() {
    model(4, || {
        let world = World::new(2, 2);
        world.gate(0).open(Waker::noop().clone());
        world.marks[0].settle(world.gate(0));
        let stale = world.visit(|world| world.wake(0, 5));
        // The first loop ends; a second one takes its gate with another page, a third one its page with another gate.
        world.gate(0).close();
        world.marks[0].leave();
        world.gate(0).open(Waker::noop().clone());
        world.marks[1].settle(world.gate(0));
        world.gate(1).open(Waker::noop().clone());
        world.marks[0].settle(world.gate(1));
        let fresh = world.visit(|world| world.wake(0, 6));
        let mut seen = 0;
        let mut look = || {
            world.gate(0).take(|_, _| panic!("a page that is not this loop's"));
            world.gate(1).take(|mark, bits| {
                assert!(world.is_mark(mark, 0));
                seen |= bits;
            });
        };
        look();
        stale.join().unwrap();
        fresh.join().unwrap();
        look();
        assert!(seen == 1 << 6 || seen == (1 << 5 | 1 << 6));
        world.gate(0).close();
        world.gate(1).close();
    });
}

/// The page and the gate come back to each other in a third loop while a visitor of the first one is on its way.
#[test]
fn loom_stale_wake_is_at_most_spurious() {
    model(6, || {
        let (world, _) = World::with_a_loop(1);
        let stale = world.visit(|world| world.wake(0, 5));
        for _ in 0..2 {
            world.gate(0).close();
            world.marks[0].leave();
            world.gate(0).open(Waker::noop().clone());
            world.marks[0].settle(world.gate(0));
        }
        let mut times = 0;
        world.gate(0).take(|_, bits| times += usize::from(bits == 1 << 5));
        stale.join().unwrap();
        world.gate(0).take(|_, bits| times += usize::from(bits == 1 << 5));
        assert!(times <= 1);
        world.gate(0).close();
    });
}

/// A stale waker finds its page with a loop whose gate was made after the waker: it sees that gate whole.
#[test]
fn loom_remote_wake_finds_a_new_gate() {
    model(6, || {
        let world = World::new(0, 1);
        let visitor = world.visit(|world| world.wake(0, 5));
        let gate = Box::new(Gate::new());
        // SAFETY: U1. The visitor, who alone may see it later, is joined before it is freed.
        let shared: &'static Gate = unsafe { &*ptr::from_ref(&*gate) };
        shared.open(Waker::noop().clone());
        world.marks[0].settle(shared);
        visitor.join().unwrap();
        let mut seen = 0;
        shared.take(|_, bits| seen |= bits);
        assert!(seen == 0 || seen == 1 << 5);
        shared.close();
    });
}

/// The question of `Page::belongs_to`: the next owner of a gate never takes a page of the former one for its own, although it
/// asks without any ordering, because the gate came to it through the pool.
#[test]
fn loom_former_pages_of_a_gate_are_not_taken_for_own() {
    loom::model(|| {
        let (world, _) = World::with_a_loop(1);
        let pool = Arc::new(Mutex::new(None));
        let next_owner = world.visit({
            let pool = pool.clone();
            move |world| {
                let taken: Option<usize> = pool.lock().unwrap().take();
                if let Some(gate) = taken {
                    world.gate(gate).open(Waker::noop().clone());
                    assert!(!ptr::eq(world.marks[0].home(), world.gate(gate)));
                    world.gate(gate).close();
                }
            }
        });
        world.gate(0).close();
        world.marks[0].leave();
        *pool.lock().unwrap() = Some(0);
        next_owner.join().unwrap();
    });
}
