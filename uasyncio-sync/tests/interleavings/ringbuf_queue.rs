//! `RingbufQueue`.

use std::collections::{BTreeSet, VecDeque};
use std::task::Poll;

use uasyncio_sync::RingbufQueue;

use crate::explorer::{Model, PATHS, Primitive, STATES, explore, explore_teams};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The item that has fallen out; 0: none.
    Put(i32),
    Get,
    /// The item; 0: there is none.
    GetNowait,
}

use Op::{Get as G, GetNowait as Gn, Put as P};

impl<const N: usize> Primitive for RingbufQueue<i32, N> {
    type Op = Op;
    type Held<'p> = ();

    async fn perform(&self, (): &mut (), op: Op) -> i32 {
        match op {
            Op::Put(item) => self.put(item).unwrap_or(0),
            Op::Get => self.get().await,
            Op::GetNowait => self.get_nowait().unwrap_or(0),
        }
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.qsize() as i32, self.peek().unwrap_or(0)]
    }
}

/// The items, and who waits or has been promised one but has not run yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    maxsize: usize,
    items: VecDeque<i32>,
    getting: VecDeque<usize>,
    may_get: BTreeSet<usize>,
}

impl Naive {
    fn has_free_item(&self) -> bool {
        self.items.len() > self.may_get.len()
    }

    fn promise(&mut self) {
        while self.has_free_item() && !self.getting.is_empty() {
            self.may_get.extend(self.getting.pop_front());
        }
    }

    fn remove(&mut self) -> i32 {
        self.items.pop_front().unwrap_or(0)
    }
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        Poll::Ready(match op {
            Op::Put(item) => {
                let fallen = if self.items.len() == self.maxsize { self.remove() } else { 0 };
                self.items.push_back(item);
                self.promise();
                fallen
            }
            Op::Get | Op::GetNowait if self.has_free_item() => self.remove(),
            Op::GetNowait => 0,
            Op::Get => {
                self.getting.push_back(task);
                return Poll::Pending;
            }
        })
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.may_get.contains(&task)
    }

    fn go_on(&mut self, task: usize, _: Op) -> Poll<i32> {
        self.may_get.remove(&task);
        Poll::Ready(self.remove())
    }

    fn leave(&mut self, task: usize) {
        self.getting.retain(|other| *other != task);
        self.may_get.remove(&task);
        self.promise();
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.items.len() as i32, self.items.front().copied().unwrap_or(0)]
    }
}

fn model(maxsize: usize) -> Naive {
    Naive { maxsize, ..Naive::default() }
}

#[test]
fn ringbuf_queue_four_tasks() {
    let make = RingbufQueue::<i32, 2>::new;
    explore(make, &model(2), &[&[P(1), P(2), P(3)], &[P(4), G, P(5)], &[G, G, P(6)], &[G, Gn, G]], STATES);
    let make = RingbufQueue::<i32, 1>::new;
    explore(make, &model(1), &[&[P(1), P(2), P(3), P(4), P(5), P(6)], &[G, G, G, G], &[G, P(7), G]], STATES);
}

#[test]
fn ringbuf_queue_four_tasks_of_six_operations() {
    let programs: [&[Op]; 4] = [
        &[P(1), P(1), P(1), P(1), P(1), P(1)],
        &[G, G, G, G, G, G],
        &[P(2), G, P(2), Gn, P(2), G],
        &[Gn, P(2), Gn, P(2), Gn, P(2)],
    ];
    explore(RingbufQueue::<i32, 2>::new, &model(2), &programs, STATES);
}

#[test]
fn ringbuf_queue_every_path_of_three_tasks() {
    explore(RingbufQueue::<i32, 2>::new, &model(2), &[&[P(1), P(2), P(3)], &[G, G, G], &[P(4), G]], PATHS);
}

#[test]
fn ringbuf_queue_all_programs() {
    explore_teams(RingbufQueue::<i32, 1>::new, &model(1), &[P(1), G, Gn], 3, 2);
    explore_teams(RingbufQueue::<i32, 2>::new, &model(2), &[P(1), G, P(2)], 2, 3);
}
