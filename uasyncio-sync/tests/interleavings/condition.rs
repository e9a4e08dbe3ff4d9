//! `Condition`, with the lock that it goes with.

use std::collections::{BTreeSet, VecDeque};
use std::task::Poll;

use uasyncio_sync::{Condition, Lock, LockGuard};

use crate::explorer::{Model, PATHS, Primitive, STATES, explore, explore_teams};
use crate::lock;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Lock,
    Unlock,
    /// For these three: -1, the lock is not held.
    Wait,
    /// Waits until the number is above zero, and takes one off it.
    WaitFor,
    /// Adds one to the number.
    Add,
    Notify(usize),
    NotifyAll,
}

use Op::{Add, Lock as L, Notify as N, NotifyAll, Unlock as U, Wait as W, WaitFor as F};

#[derive(Default)]
struct Watched {
    number: Lock<i32>,
    changed: Condition,
}

impl Primitive for Watched {
    type Op = Op;
    type Held<'p> = Option<LockGuard<'p, i32>>;

    async fn perform<'p>(&'p self, held: &mut Self::Held<'p>, op: Op) -> i32 {
        match op {
            Op::Lock => *held = Some(self.number.lock().await),
            Op::Unlock => drop(held.take()),
            Op::Wait => {
                let Some(guard) = held.take() else { return -1 };
                *held = Some(self.changed.wait(guard).await);
            }
            Op::WaitFor => {
                let Some(guard) = held.take() else { return -1 };
                let mut guard = self.changed.wait_for(guard, |number| *number > 0).await;
                *guard -= 1;
                *held = Some(guard);
            }
            Op::Add => {
                let Some(guard) = held else { return -1 };
                **guard += 1;
            }
            Op::Notify(count) => self.changed.notify(count),
            Op::NotifyAll => self.changed.notify_all(),
        }
        0
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.number.locked())]
    }
}

/// Who waits, who was notified and has not run since, who has and stands in line for the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    lock: lock::Naive,
    number: i32,
    waiting: VecDeque<usize>,
    notified: BTreeSet<usize>,
    locking: BTreeSet<usize>,
}

impl Naive {
    fn notify(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        self.notified.extend(self.waiting.drain(..count));
    }

    fn wait(&mut self, task: usize) {
        self.waiting.push_back(task);
        self.lock.unlock(task);
    }

    /// With the lock: whether the predicate of `WaitFor` holds; else it waits.
    fn take_one(&mut self, task: usize) -> Poll<i32> {
        if self.number > 0 {
            self.number -= 1;
            return Poll::Ready(0);
        }
        self.wait(task);
        Poll::Pending
    }
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        match op {
            Op::Wait | Op::WaitFor | Op::Add if !self.lock.owns(task) => return Poll::Ready(-1),
            Op::Wait => {
                self.wait(task);
                return Poll::Pending;
            }
            Op::WaitFor => return self.take_one(task),
            Op::Add => self.number += 1,
            Op::Lock if self.lock.lock(task) => {}
            Op::Lock => return Poll::Pending,
            Op::Unlock => drop(self.lock.unlock(task)),
            Op::Notify(count) => self.notify(count),
            Op::NotifyAll => self.notify(usize::MAX),
        }
        Poll::Ready(0)
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.notified.contains(&task) || self.lock.is_handed_to(task)
    }

    fn go_on(&mut self, task: usize, op: Op) -> Poll<i32> {
        if self.notified.remove(&task) {
            if !self.lock.lock(task) {
                self.locking.insert(task);
                return Poll::Pending;
            }
        } else {
            self.lock.take();
            self.locking.remove(&task);
        }
        if let Op::WaitFor = op { self.take_one(task) } else { Poll::Ready(0) }
    }

    fn leave(&mut self, task: usize) {
        self.waiting.retain(|other| *other != task);
        if self.notified.remove(&task) || self.locking.remove(&task) {
            self.notify(1);
        }
        self.lock.drop_task(task);
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.lock.locked())]
    }
}

#[test]
fn condition_four_tasks() {
    explore(Watched::default, &Naive::default(), &[&[L, W, U], &[L, W, U], &[L, W, U], &[N(1), L, N(1), U, N(1)]], STATES);
    explore(Watched::default, &Naive::default(), &[&[L, W, W, U], &[L, W, U], &[N(2), L, NotifyAll, U, N(0)]], STATES);
}

#[test]
fn condition_four_tasks_of_six_operations() {
    let programs: [&[Op]; 4] =
        [&[L, W, U, L, W, U], &[L, F, U, L, W, U], &[L, Add, N(1), W, U, NotifyAll], &[N(1), L, Add, N(2), U, NotifyAll]];
    explore(Watched::default, &Naive::default(), &programs, STATES);
}

/// Producers and consumers: each thing that was added is taken, whoever is dropped on the way.
#[test]
fn condition_wait_for() {
    let add = [L, Add, N(1), U, L, Add];
    explore(Watched::default, &Naive::default(), &[&[L, F, U], &[L, F, U], &add, &[N(1), L, Add, U, NotifyAll]], STATES);
}

#[test]
fn condition_every_path_of_three_tasks() {
    explore(Watched::default, &Naive::default(), &[&[L, W, U], &[L, F, U], &[L, Add, N(1), U]], PATHS);
}

#[test]
fn condition_all_programs() {
    explore_teams(Watched::default, &Naive::default(), &[L, U, W, N(1)], 3, 2);
    explore_teams(Watched::default, &Naive::default(), &[L, F, Add, N(1)], 3, 2);
}
