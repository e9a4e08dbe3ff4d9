//! `Watch`, one receiver for each task.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

use uasyncio_sync::{Watch, WatchReceiver};

use crate::explorer::{Model, PATHS, Primitive, STATES, explore, explore_teams};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The value after the change; -1: closed.
    Changed,
    /// The value, which counts as seen.
    Look,
    /// The value before.
    Set(i32),
    Close,
}

use Op::{Changed as W, Close, Look as L, Set as S};

impl Primitive for Watch<i32> {
    type Op = Op;
    /// There from the first operation on that needs it.
    type Held<'p> = Option<WatchReceiver<'p, i32>>;

    async fn perform<'p>(&'p self, held: &mut Self::Held<'p>, op: Op) -> i32 {
        match op {
            Op::Changed => {
                let changed = held.get_or_insert_with(|| self.receiver()).changed().await;
                changed.map_or(-1, |()| self.get())
            }
            Op::Look => held.get_or_insert_with(|| self.receiver()).get(),
            Op::Set(value) => self.set(value),
            Op::Close => {
                self.close();
                0
            }
        }
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.get(), i32::from(self.is_closed())]
    }
}

/// Whether each receiver has something to see, and who waits for that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    value: i32,
    closed: bool,
    has_news: BTreeMap<usize, bool>,
    waiting: BTreeSet<usize>,
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        if let Op::Changed | Op::Look = op {
            self.has_news.entry(task).or_insert(false);
        }
        Poll::Ready(match op {
            Op::Changed => {
                self.waiting.insert(task);
                if !self.can_go_on(task) {
                    return Poll::Pending;
                }
                return self.go_on(task, op);
            }
            Op::Look => {
                self.has_news.insert(task, false);
                self.value
            }
            Op::Set(value) => {
                let closed = self.closed;
                self.has_news.values_mut().for_each(|news| *news |= !closed);
                std::mem::replace(&mut self.value, value)
            }
            Op::Close => {
                self.closed = true;
                0
            }
        })
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.waiting.contains(&task) && (self.closed || self.has_news[&task])
    }

    fn go_on(&mut self, task: usize, _: Op) -> Poll<i32> {
        self.waiting.remove(&task);
        let has_news = self.has_news.insert(task, false) == Some(true);
        Poll::Ready(if has_news { self.value } else { -1 })
    }

    fn leave(&mut self, task: usize) {
        self.waiting.remove(&task);
        self.has_news.remove(&task);
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.value, i32::from(self.closed)]
    }
}

fn start() -> Watch<i32> {
    Watch::new(0)
}

#[test]
fn watch_four_tasks() {
    explore(start, &Naive::default(), &[&[W, W, W], &[W, L, W], &[S(1), S(2), S(3)], &[L, S(4), W, Close]], STATES);
}

#[test]
fn watch_four_tasks_of_six_operations() {
    let programs: [&[Op]; 4] =
        [&[W, W, W, W, W, W], &[W, L, S(1), L, S(2), W], &[S(1), S(2), W, S(1), S(2), L], &[L, S(1), L, S(2), L, Close]];
    explore(start, &Naive::default(), &programs, STATES);
}

#[test]
fn watch_every_path_of_three_tasks() {
    explore(start, &Naive::default(), &[&[W, W], &[W, S(1), W], &[S(2), Close]], PATHS);
}

#[test]
fn watch_all_programs() {
    explore_teams(start, &Naive::default(), &[W, L, S(1), Close], 3, 2);
    explore_teams(start, &Naive::default(), &[W, S(1), Close], 2, 3);
}
