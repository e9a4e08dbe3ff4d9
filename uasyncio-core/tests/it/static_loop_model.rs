//! The run queue of a static loop against a naive one: random wakes from inside, from interrupts and between the passes, tasks that end and
//! tasks that are spawned. A queue of numbers without doubles says who is polled when.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use crate::static_common::{TestClock, alone, interrupt, leaked};
use uasyncio_core::{StaticLoop, current_task, spawn_pinned};

const SLOTS: usize = 6;
const SEEDS: u64 = if cfg!(miri) { 2 } else { 2_000 };
const POLLS: usize = if cfg!(miri) { 60 } else { 150 };

/// splitmix64
struct Random(Cell<u64>);

impl Random {
    fn below(&self, bound: u64) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let state = self.0.get();
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

/// What the naive loop knows. The wakers outlive the tasks, and the runs.
struct Model {
    random: Random,
    queue: RefCell<VecDeque<usize>>,
    alive: RefCell<[bool; SLOTS]>,
    wakers: RefCell<[Option<Waker>; SLOTS]>,
    polls: Cell<usize>,
}

impl Model {
    fn expect(&self, slot: usize) {
        self.queue.borrow_mut().push_back(slot);
    }

    fn wake(&self, slot: usize) {
        let waker = self.wakers.borrow()[slot].clone();
        let Some(waker) = waker else { return };
        if !self.queue.borrow().contains(&slot) {
            self.expect(slot);
        }
        match self.random.below(3) {
            0 => waker.wake(),
            1 => waker.wake_by_ref(),
            _ => interrupt(|| waker.wake()),
        }
    }

    /// Whose turn it is, apart from slots that are empty.
    fn next(&self) -> Option<usize> {
        loop {
            let slot = self.queue.borrow_mut().pop_front()?;
            if self.alive.borrow()[slot] {
                return Some(slot);
            }
        }
    }
}

/// A task: wakes some, spawns one, and ends at some time.
async fn task(model: &'static Model) {
    poll_fn(|cx| {
        let slot = model.next().expect("somebody was woken");
        assert_eq!(current_task().unwrap().to_string(), format!("task {slot}"));
        assert!(model.wakers.borrow()[slot].as_ref().is_none_or(|waker| waker.will_wake(cx.waker())));
        model.wakers.borrow_mut()[slot] = Some(cx.waker().clone());
        model.polls.set(model.polls.get() + 1);
        let done = model.polls.get() > POLLS;
        for _ in 0..model.random.below(4) {
            model.wake(model.random.below(SLOTS as u64) as usize);
        }
        if model.random.below(4) == 0 && !done {
            let free = model.alive.borrow().iter().position(|alive| !alive);
            let spawned = spawn_pinned(leaked(task(model)));
            assert_eq!(spawned.is_ok(), free.is_some());
            if let Some(free) = free {
                model.alive.borrow_mut()[free] = true;
                if !model.queue.borrow().contains(&free) {
                    model.expect(free);
                }
            }
        }
        if done || model.random.below(12) == 0 {
            model.alive.borrow_mut()[slot] = false;
            return Poll::Ready(());
        }
        // Nobody is left to wait for ever.
        if model.queue.borrow().is_empty() {
            model.wake(slot);
        }
        Poll::Pending
    })
    .await;
}

#[test]
fn the_queue_is_the_naive_one_for_tasks_that_are_forgotten() {
    static LOOP: StaticLoop<SLOTS> = StaticLoop::new();
    let _alone = alone();
    for seed in 0..SEEDS {
        let model: &'static Model = Box::leak(Box::new(Model {
            random: Random(Cell::new(seed)),
            queue: RefCell::default(),
            alive: RefCell::default(),
            wakers: RefCell::default(),
            polls: Cell::new(0),
        }));
        let clock = TestClock::new();
        for _ in 0..3 {
            model.polls.set(0);
            // With critical sections, wakes between the runs are not forgotten: a slot is in line before there is a task.
            (0..SLOTS).for_each(|slot| model.wake(slot));
            if !cfg!(all(feature = "critical-section", not(feature = "std"))) {
                model.queue.borrow_mut().clear();
            }
            for slot in 0..3 {
                if !model.queue.borrow().contains(&slot) {
                    model.expect(slot);
                }
            }
            *model.alive.borrow_mut() = std::array::from_fn(|slot| slot < 3);
            // The rest of them wait for one that is done: then it is a deadlock.
            let _ = LOOP.try_run(&clock, [pin!(task(model)), pin!(task(model)), pin!(task(model))]);
            assert!(model.next().is_none());
        }
    }
}
