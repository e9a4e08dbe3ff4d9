//! Each model runs the protocol under every interleaving (up to loom's bounds) of two or three threads. That a line is never freed is
//! played by an `Arc`.

use super::{Line, Slots};
use crate::sync::models::{Park, model};
use alloc::vec::Vec;
use core::ptr;
use core::task::Waker;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

const SLOTS: usize = 2;

/// A line, and what the visitors write before they wake: relaxed, for the wake alone makes it visible.
#[derive(Clone)]
struct World {
    line: Arc<Line<SLOTS>>,
    data: Arc<[AtomicUsize; 2]>,
}

impl World {
    fn new() -> World {
        World { line: Arc::new(Line::new()), data: Arc::default() }
    }

    fn claim(&self) -> Slots {
        // SAFETY: U20. A thread holds the world while it runs, so for it the line is never freed.
        let line: &'static Line<SLOTS> = unsafe { &*ptr::from_ref(&*self.line) };
        line.claim(0).expect("nobody else runs it")
    }

    /// A thread that writes, and then wakes.
    fn visit(&self, index: usize, waker: Waker) -> thread::JoinHandle<()> {
        let world = self.clone();
        thread::spawn(move || {
            world.data[index].store(1, Ordering::Relaxed);
            waker.wake();
        })
    }

    fn seen(&self, index: usize) -> bool {
        self.data[index].load(Ordering::Relaxed) == 1
    }
}

/// What a run does: polls what is in line, sleeps when nothing is, until `poll` says that it is the end.
fn run(slots: Slots, park: &Park, notifier: &Waker, mut poll: impl FnMut(usize) -> bool) {
    loop {
        // SAFETY: U20. The caller keeps the notifier until it releases the line.
        match unsafe { slots.pop(Some(notifier)) } {
            Some(index) if poll(index) => return,
            Some(_) => {}
            None => {
                park.park();
                thread::yield_now(); // what has woken it may be a late wake that must come to its end first
            }
        }
    }
}

/// U6 and U7: two visitors wake two tasks; the loop is never left asleep, and each poll sees what its visitor wrote.
#[test]
fn loom_static_loop_two_wakes_against_sleep() {
    model(2, || {
        let (world, park) = (World::new(), Park::default());
        let notifier = park.waker();
        let slots = world.claim();
        let visitors = [world.visit(0, slots.waker(0)), world.visit(1, slots.waker(1))];
        let mut polled = Vec::new();
        run(slots, &park, &notifier, |index| {
            assert!(world.seen(index));
            polled.push(index);
            polled.len() == 2
        });
        assert_ne!(polled[0], polled[1], "once each");
        for visitor in visitors {
            visitor.join().unwrap();
        }
        slots.release();
    });
}

/// U6: two visitors wake the same task; what both wrote is seen by the last poll, also if there is only one.
#[test]
fn loom_static_loop_two_wakes_of_one_task() {
    model(3, || {
        let (world, park) = (World::new(), Park::default());
        let notifier = park.waker();
        let slots = world.claim();
        let visitors = [world.visit(0, slots.waker(1)), world.visit(1, slots.waker(1))];
        let mut polls = 0;
        run(slots, &park, &notifier, |index| {
            polls += 1;
            assert!(index == 1 && polls <= 2);
            world.seen(0) && world.seen(1)
        });
        for visitor in visitors {
            visitor.join().unwrap();
        }
        slots.release();
    });
}

/// The task wakes itself while a visitor wakes it.
#[test]
fn loom_static_loop_wake_from_both_sides() {
    model(3, || {
        let (world, park) = (World::new(), Park::default());
        let notifier = park.waker();
        let slots = world.claim();
        slots.push(0);
        let visitor = world.visit(0, slots.waker(0));
        let mut polls = 0;
        run(slots, &park, &notifier, |_| {
            polls += 1;
            if polls == 1 {
                slots.push(0);
            }
            polls >= 2 && world.seen(0)
        });
        visitor.join().unwrap();
        slots.release();
    });
}

/// A waker of the last run is woken while that ends and another begins: the new run's own wake is not lost, and the old notifier is let go.
#[test]
fn loom_static_loop_wake_against_the_end_of_a_run() {
    model(2, || {
        let (world, park) = (World::new(), Park::default());
        let old = Park::default();
        let notifier = old.waker();
        let slots = world.claim();
        let late = world.visit(0, slots.waker(0));
        // SAFETY: U20. It is released below.
        let _asleep_or_woken = unsafe { slots.pop(Some(&notifier)) };
        slots.release();
        drop(notifier);
        let notifier = park.waker();
        let slots = world.claim();
        let visitor = world.visit(1, slots.waker(1));
        run(slots, &park, &notifier, |index| {
            assert!(world.seen(index));
            index == 1
        });
        late.join().unwrap();
        visitor.join().unwrap();
        slots.release();
        drop(notifier);
        assert_eq!((old.shares(), park.shares()), (0, 0));
    });
}
