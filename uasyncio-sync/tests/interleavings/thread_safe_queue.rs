//! `ThreadSafeQueue`, used from one thread; what threads do is for loom.

use std::collections::VecDeque;
use std::task::Poll;

use uasyncio_sync::ThreadSafeQueue;

use crate::explorer::{Model, PATHS, Primitive, STATES, explore};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Put(i32),
    /// 1; 0: full.
    TryPut(i32),
    /// The item.
    Get,
    /// The item; 0: none.
    TryGet,
}

use Op::{Get as G, Put as P, TryGet as Tg, TryPut as Tp};

impl<const N: usize> Primitive for ThreadSafeQueue<i32, N> {
    type Op = Op;
    type Held<'p> = ();

    async fn perform(&self, (): &mut (), op: Op) -> i32 {
        match op {
            Op::Put(item) => {
                self.put(item).await;
                1
            }
            Op::TryPut(item) => i32::from(self.try_put(item).is_ok()),
            Op::Get => self.get().await,
            Op::TryGet => self.try_get().unwrap_or(0),
        }
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.len() as i32, i32::from(self.is_full())]
    }
}

/// One that waits, and whether it has been woken since it looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Waiter {
    task: Option<usize>,
    woken: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    maxsize: usize,
    items: VecDeque<i32>,
    getter: Waiter,
    putter: Waiter,
}

impl Naive {
    fn try_put(&mut self, item: i32) -> bool {
        let has_room = self.items.len() < self.maxsize;
        if has_room {
            self.items.push_back(item);
            self.getter.woken = true;
        }
        has_room
    }

    fn try_get(&mut self) -> Option<i32> {
        let item = self.items.pop_front();
        self.putter.woken |= item.is_some();
        item
    }
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        match op {
            Op::TryPut(item) => Poll::Ready(i32::from(self.try_put(item))),
            Op::TryGet => Poll::Ready(self.try_get().unwrap_or(0)),
            Op::Put(_) | Op::Get => self.go_on(task, op),
        }
    }

    fn can_go_on(&self, task: usize) -> bool {
        [&self.getter, &self.putter].iter().any(|waiter| waiter.task == Some(task) && waiter.woken)
    }

    fn go_on(&mut self, task: usize, op: Op) -> Poll<i32> {
        let (result, waiter) = match op {
            Op::Put(item) => (self.try_put(item).then_some(1), &mut self.putter),
            _ => (self.try_get(), &mut self.getter),
        };
        *waiter = Waiter { task: result.is_none().then_some(task), woken: false };
        result.map_or(Poll::Pending, Poll::Ready)
    }

    fn leave(&mut self, task: usize) {
        for waiter in [&mut self.getter, &mut self.putter] {
            if waiter.task == Some(task) {
                *waiter = Waiter::default();
            }
        }
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.items.len() as i32, i32::from(self.items.len() == self.maxsize)]
    }
}

fn model(maxsize: usize) -> Naive {
    Naive { maxsize, ..Naive::default() }
}

#[test]
fn thread_safe_queue_four_tasks() {
    let programs: [&[Op]; 4] = [&[P(1), P(2), P(3), P(4)], &[G, G, G, G, G], &[Tp(5), Tp(6), Tg], &[Tg, Tp(7), Tg]];
    explore(ThreadSafeQueue::<i32, 1>::new, &model(1), &programs, STATES);
    explore(ThreadSafeQueue::<i32, 2>::new, &model(2), &programs, STATES);
}

#[test]
fn thread_safe_queue_four_tasks_of_six_operations() {
    let programs: [&[Op]; 4] = [
        &[P(1), P(2), P(1), P(2), P(1), P(2)],
        &[G, G, G, G, G, G],
        &[Tp(2), Tp(1), Tp(2), Tg, Tp(1), Tp(2)],
        &[Tg, Tg, Tp(1), Tg, Tg, Tg],
    ];
    explore(ThreadSafeQueue::<i32, 1>::new, &model(1), &programs, STATES);
}

#[test]
fn thread_safe_queue_every_path() {
    explore(ThreadSafeQueue::<i32, 1>::new, &model(1), &[&[P(1), P(2), P(3)], &[G, G, G], &[Tp(4), Tg]], PATHS);
}
