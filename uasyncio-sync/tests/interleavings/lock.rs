//! `Lock`.

use std::collections::VecDeque;
use std::task::Poll;

use uasyncio_sync::{Lock, LockGuard};

use crate::explorer::{Model, PATHS, Primitive, STATES, explore, explore_teams};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// 1.
    Lock,
    /// 1: got it.
    TryLock,
    /// 1: held it.
    Unlock,
}

use Op::{Lock as L, TryLock as T, Unlock as U};

impl Primitive for Lock<()> {
    type Op = Op;
    type Held<'p> = Option<LockGuard<'p, ()>>;

    async fn perform<'p>(&'p self, held: &mut Self::Held<'p>, op: Op) -> i32 {
        match op {
            Op::Lock => *held = Some(self.lock().await),
            Op::TryLock => match self.try_lock() {
                Some(guard) => *held = Some(guard),
                None => return 0,
            },
            Op::Unlock => return i32::from(held.take().is_some()),
        }
        1
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.locked())]
    }
}

/// Who has it, who will when it runs, and who waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Naive {
    owner: Option<usize>,
    handed_to: Option<usize>,
    line: VecDeque<usize>,
}

impl Naive {
    pub(crate) fn locked(&self) -> bool {
        self.owner.is_some() || self.handed_to.is_some()
    }

    /// Whether it is locked now; else the task stands in line.
    pub(crate) fn lock(&mut self, task: usize) -> bool {
        let locks = self.try_lock(task);
        if !locks {
            self.line.push_back(task);
        }
        locks
    }

    fn try_lock(&mut self, task: usize) -> bool {
        let is_free = !self.locked();
        if is_free {
            self.owner = Some(task);
        }
        is_free
    }

    pub(crate) fn unlock(&mut self, task: usize) -> bool {
        let held = self.owner == Some(task);
        if held {
            self.owner = None;
            self.handed_to = self.line.pop_front();
        }
        held
    }

    pub(crate) fn owns(&self, task: usize) -> bool {
        self.owner == Some(task)
    }

    pub(crate) fn is_handed_to(&self, task: usize) -> bool {
        self.handed_to == Some(task)
    }

    pub(crate) fn take(&mut self) {
        self.owner = self.handed_to.take();
    }

    pub(crate) fn drop_task(&mut self, task: usize) {
        self.line.retain(|other| *other != task);
        if self.is_handed_to(task) {
            self.handed_to = self.line.pop_front();
        }
        self.unlock(task);
    }
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        match op {
            Op::Lock => {
                if !self.lock(task) {
                    return Poll::Pending;
                }
                Poll::Ready(1)
            }
            Op::TryLock => Poll::Ready(i32::from(self.try_lock(task))),
            Op::Unlock => Poll::Ready(i32::from(self.unlock(task))),
        }
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.is_handed_to(task)
    }

    fn go_on(&mut self, _: usize, _: Op) -> Poll<i32> {
        self.take();
        Poll::Ready(1)
    }

    fn leave(&mut self, task: usize) {
        self.drop_task(task);
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.locked())]
    }
}

fn start() -> Lock<()> {
    Lock::new(())
}

/// The search itself: a model that is wrong is found out.
#[test]
#[should_panic(expected = "gives Taken { result: Some(1), ends: true }, should be Taken { result: Some(0), ends: true }")]
fn a_difference_is_found() {
    let locked = Naive { owner: Some(9), ..Naive::default() };
    explore(start, &locked, &[&[T]], STATES);
}

#[test]
fn lock_four_tasks() {
    explore(
        start,
        &Naive::default(),
        &[&[L, U, L, U, L, U], &[L, U, L, U, L, U], &[L, U, T, L, U, T], &[T, U, L, U, L, U]],
        STATES,
    );
}

#[test]
fn lock_every_path_of_three_tasks() {
    explore(start, &Naive::default(), &[&[L, U, L, U], &[L, U, T], &[L, U, L]], PATHS);
}

#[test]
fn lock_all_programs() {
    explore_teams(start, &Naive::default(), &[L, T, U], 3, 2);
    explore_teams(start, &Naive::default(), &[L, T, U], 2, 3);
}
