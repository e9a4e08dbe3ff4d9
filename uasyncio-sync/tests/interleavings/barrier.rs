//! `Barrier`.

use std::collections::{BTreeSet, VecDeque};
use std::task::Poll;

use uasyncio_sync::Barrier;

use crate::explorer::{Model, PATHS, Primitive, STATES, explore, explore_teams};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The number; -1: broken.
    Wait,
    Abort,
    Reset,
}

use Op::{Abort as A, Reset as R, Wait as W};

impl Primitive for Barrier {
    type Op = Op;
    type Held<'p> = ();

    async fn perform(&self, (): &mut (), op: Op) -> i32 {
        match op {
            Op::Wait => return self.wait().await.map_or(-1, |number| number as i32),
            Op::Abort => self.abort(),
            Op::Reset => self.reset(),
        }
        0
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.n_waiting() as i32, i32::from(self.broken())]
    }
}

/// Who waits for a round to be full, who was let go, and whose round was broken off; the last two have not run since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    parties: usize,
    broken: bool,
    waiting: VecDeque<usize>,
    leaving: BTreeSet<usize>,
    broken_off: BTreeSet<usize>,
    /// How many of the round have gone.
    gone: i32,
}

impl Naive {
    /// A round begins when the last one is over and enough have come.
    fn open_if_full(&mut self) {
        if self.leaving.is_empty() && self.waiting.len() >= self.parties {
            self.leaving.extend(self.waiting.drain(..self.parties));
            self.gone = 0;
        }
    }

    fn break_off(&mut self, broken: bool) {
        self.broken = broken;
        self.broken_off.extend(self.waiting.drain(..));
        self.broken_off.append(&mut self.leaving);
    }
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        match op {
            Op::Wait if self.broken => return Poll::Ready(-1),
            Op::Wait => {
                self.waiting.push_back(task);
                self.open_if_full();
                // The one that fills the round does not wait.
                if !self.leaving.remove(&task) {
                    return Poll::Pending;
                }
                self.open_if_full();
                return Poll::Ready(self.parties as i32 - 1);
            }
            Op::Abort => self.break_off(true),
            Op::Reset => self.break_off(false),
        }
        Poll::Ready(0)
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.leaving.contains(&task) || self.broken_off.contains(&task)
    }

    fn go_on(&mut self, task: usize, _: Op) -> Poll<i32> {
        if self.broken_off.remove(&task) {
            return Poll::Ready(-1);
        }
        self.gone += 1;
        let number = self.gone - 1;
        self.leave(task);
        Poll::Ready(number)
    }

    fn leave(&mut self, task: usize) {
        self.waiting.retain(|other| *other != task);
        self.broken_off.remove(&task);
        if self.leaving.remove(&task) {
            self.open_if_full();
        }
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.waiting.len() as i32, i32::from(self.broken)]
    }
}

fn of(parties: u32) -> (impl Fn() -> Barrier, Naive) {
    (move || Barrier::new(parties), Naive { parties: parties as usize, ..Naive::default() })
}

#[test]
fn barrier_four_tasks() {
    for parties in 1..=4 {
        let (make, model) = of(parties);
        explore(make, &model, &[&[W, W], &[W, W], &[W, W], &[W, W, W]], STATES);
    }
}

#[test]
fn barrier_is_broken() {
    for parties in 2..=3 {
        let (make, model) = of(parties);
        explore(make, &model, &[&[W, W], &[W, A, R], &[W, R], &[W, A, W]], STATES);
    }
}

#[test]
fn barrier_six_rounds() {
    let (make, model) = of(2);
    explore(make, &model, &[&[W, W, W, W, W, W], &[W, W, W, W, W, W], &[W, W, W, W, W, W]], STATES);
}

#[test]
fn barrier_four_tasks_of_six_operations() {
    let (make, model) = of(4);
    explore(make, &model, &[&[W, W, W, W, W, W], &[W, W, W, W, W, W], &[W, W, W, R, W, W], &[W, W, W, W, A, R]], STATES);
}

#[test]
fn barrier_every_path_of_three_tasks() {
    let (make, model) = of(2);
    explore(make, &model, &[&[W, W, W], &[W, W, W], &[W, R]], PATHS);
}

#[test]
fn barrier_all_programs() {
    for parties in 1..=3 {
        let (make, model) = of(parties);
        explore_teams(make, &model, &[W, A, R], 2, 3);
    }
}
