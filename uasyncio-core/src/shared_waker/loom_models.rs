//! Each model runs the protocol under every interleaving (up to loom's bounds) of two or three threads.

use super::SharedWaker;
use crate::sync::models::{Park, model};
use core::task::Waker;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

/// What is waited for, one flag for each visitor, and who waits. The flags are relaxed: the waker alone makes them visible.
#[derive(Default)]
struct World {
    flags: [AtomicBool; 2],
    shared: SharedWaker,
}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World::default())
    }

    fn raise(&self, flag: usize) {
        self.flags[flag].store(true, Ordering::Relaxed);
        self.shared.wake();
    }

    fn is_raised(&self, flag: usize) -> bool {
        self.flags[flag].load(Ordering::Relaxed)
    }

    /// The waiter's poll: whether so many flags are up.
    fn poll(&self, waker: &Waker, flags: usize) -> bool {
        self.shared.register(waker);
        (0..flags).all(|flag| self.is_raised(flag))
    }

    /// The waiter: sleeps until they are.
    fn wait(&self, park: &Park, waker: &Waker, flags: usize) {
        while !self.poll(waker, flags) {
            park.park();
        }
    }
}

fn visit(world: &Arc<World>, flag: usize) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || world.raise(flag))
}

/// U6 and U7: the waiter is never left parked, and sees what the visitor wrote.
#[test]
fn loom_shared_waker_wake_against_register() {
    model(6, || {
        let (world, park) = (World::new(), Park::default());
        let visitor = visit(&world, 0);
        world.wait(&park, &park.waker(), 1);
        visitor.join().unwrap();
        assert!(park.notices() <= 2, "one wake, and one for a registration that could not be made");
    });
}

/// The second visitor may find the first one at work, before or after it has woken the waiter, who registers again and again.
#[test]
fn loom_shared_waker_two_wakes() {
    model(2, || {
        let (world, park) = (World::new(), Park::default());
        let waker = park.waker();
        world.shared.register(&waker);
        let visitors = [visit(&world, 0), visit(&world, 1)];
        world.wait(&park, &waker, 2);
        visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    });
}

/// The waiter does not register again after the first wake; the waker that stays must be good for the second.
#[test]
fn loom_shared_waker_stays() {
    model(3, || {
        let (world, park) = (World::new(), Park::default());
        world.shared.register(&park.waker());
        let visitors = [visit(&world, 0), visit(&world, 1)];
        while !(world.is_raised(0) && world.is_raised(1)) {
            park.park();
        }
        visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    });
}

/// A waiter that has moved to another task registers that one's waker, and it is the one that is woken, also when the former one is
/// still being woken: then the new one cannot be put into its place, nor be woken by what comes next.
#[test]
fn loom_shared_waker_of_another_task() {
    model(4, || {
        let (world, before, after) = (World::new(), Park::default(), Park::default());
        assert!(!world.poll(&before.waker(), 2));
        let visitor = visit(&world, 0);
        let waker = after.waker();
        let mut is_done = world.poll(&waker, 2);
        world.raise(1);
        while !is_done {
            // As long as the former waker is being woken, the new one is woken at once: a loop, but not for ever.
            thread::yield_now();
            after.park();
            is_done = world.poll(&waker, 2);
        }
        visitor.join().unwrap();
    });
}

/// Two waiters are one too many, but one of them is woken, and the slot is not torn.
#[test]
fn loom_shared_waker_two_registrations() {
    model(3, || {
        let (world, here, there) = (World::new(), Park::default(), Park::default());
        let visitor = visit(&world, 0);
        let other = thread::spawn({
            let (world, there) = (world.clone(), there.clone());
            move || world.poll(&there.waker(), 1)
        });
        let found_here = world.poll(&here.waker(), 1);
        let found_there = other.join().unwrap();
        visitor.join().unwrap();
        assert!(found_here || found_there || here.notices() + there.notices() > 0);
    });
}

/// A waiter that is taken away was woken before, or the visitor has found nobody.
#[test]
fn loom_shared_waker_take_against_wake() {
    model(6, || {
        let (world, park) = (World::new(), Park::default());
        world.shared.register(&park.waker());
        let visitor = visit(&world, 0);
        let taken = world.shared.take();
        visitor.join().unwrap();
        assert!(taken.is_some() || park.notices() == 1);
        drop(taken);
        let woken = park.notices();
        world.raise(1);
        assert!(woken == 1 || park.notices() == 0, "it is forgotten");
    });
}
