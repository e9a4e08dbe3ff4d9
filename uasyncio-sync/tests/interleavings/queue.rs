//! `Queue`, `LifoQueue` and `PriorityQueue`, which have no quick way; with a bound and without.

use std::collections::{BTreeSet, VecDeque};
use std::task::Poll;

use uasyncio_sync::{GetNowaitError, LifoQueue, PriorityQueue, PutNowaitError, Queue, QueueOrder};

use crate::explorer::{Model, PATHS, Primitive, STATES, explore, explore_teams};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// 0; -1: shut down.
    Put(i32),
    /// 0; -1: shut down; -2: full.
    PutNowait(i32),
    /// The item; -1: shut down.
    Get,
    /// The item; -1: shut down; -2: empty.
    GetNowait,
    /// For an item that the task has got; -1: it has none.
    Done,
    Join,
    /// At once, or when it is empty.
    Shutdown(bool),
}

use Op::{Done as D, Get as G, GetNowait as Gn, Join as J, Put as P, PutNowait as Pn, Shutdown as S};

/// Which item comes out next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Order {
    #[default]
    Fifo,
    Lifo,
    SmallestFirst,
}

const ORDERS: [Order; 3] = [Order::Fifo, Order::Lifo, Order::SmallestFirst];

enum Tested {
    Fifo(Queue<i32>),
    Lifo(LifoQueue<i32>),
    SmallestFirst(PriorityQueue<i32>),
}

impl Primitive for Tested {
    type Op = Op;
    /// How many items are still to be reported as done.
    type Held<'p> = u32;

    async fn perform(&self, held: &mut u32, op: Op) -> i32 {
        match self {
            Tested::Fifo(queue) => perform(queue, held, op).await,
            Tested::Lifo(queue) => perform(queue, held, op).await,
            Tested::SmallestFirst(queue) => perform(queue, held, op).await,
        }
    }

    fn observe(&self) -> Vec<i32> {
        match self {
            Tested::Fifo(queue) => observe(queue),
            Tested::Lifo(queue) => observe(queue),
            Tested::SmallestFirst(queue) => observe(queue),
        }
    }
}

async fn perform(queue: &Queue<i32, impl QueueOrder<i32>>, held: &mut u32, op: Op) -> i32 {
    let got = match op {
        Op::Put(item) => return if queue.put(item).await.is_ok() { 0 } else { -1 },
        Op::PutNowait(item) => match queue.put_nowait(item) {
            Ok(()) => return 0,
            Err(PutNowaitError::QueueFull(back)) if back == item => return -2,
            Err(_) => return -1,
        },
        Op::Get => queue.get().await.map_err(|_| -1),
        Op::GetNowait => queue.get_nowait().map_err(|error| if error == GetNowaitError::QueueEmpty { -2 } else { -1 }),
        Op::Done if *held == 0 => return -1,
        Op::Done => {
            *held -= 1;
            queue.task_done();
            return 0;
        }
        Op::Join => {
            queue.join().await;
            return 0;
        }
        Op::Shutdown(immediate) => {
            queue.shutdown(immediate);
            return 0;
        }
    };
    got.inspect(|_| *held += 1).unwrap_or_else(|error| error)
}

fn observe(queue: &Queue<i32, impl QueueOrder<i32>>) -> Vec<i32> {
    vec![queue.qsize() as i32, i32::from(queue.full()), i32::from(queue.is_shut_down())]
}

/// The items, and who waits or has been promised an item or a place but has not run yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    order: Order,
    maxsize: usize,
    items: VecDeque<i32>,
    is_shut_down: bool,
    getting: VecDeque<usize>,
    may_get: BTreeSet<usize>,
    putting: VecDeque<usize>,
    may_put: BTreeSet<usize>,
    unfinished: usize,
    held: [u32; 4],
    joining: BTreeSet<usize>,
    joined: BTreeSet<usize>,
}

impl Naive {
    /// Items that nobody was promised.
    fn free_items(&self) -> usize {
        self.items.len() - self.may_get.len()
    }

    fn free_places(&self) -> usize {
        self.maxsize - self.items.len() - self.may_put.len()
    }

    fn promise(&mut self) {
        if self.is_shut_down {
            return;
        }
        while self.free_items() > 0 && !self.getting.is_empty() {
            self.may_get.extend(self.getting.pop_front());
        }
        while self.free_places() > 0 && !self.putting.is_empty() {
            self.may_put.extend(self.putting.pop_front());
        }
    }

    fn insert(&mut self, item: i32) -> i32 {
        self.items.push_back(item);
        self.unfinished += 1;
        self.promise();
        0
    }

    fn remove(&mut self, task: usize) -> i32 {
        let next = match self.order {
            Order::Fifo => self.items.pop_front(),
            Order::Lifo => self.items.pop_back(),
            Order::SmallestFirst => {
                self.items.make_contiguous().sort_unstable();
                self.items.pop_front()
            }
        };
        let Some(item) = next else { return -1 };
        self.held[task] += 1;
        self.promise();
        item
    }

    /// So many items are done with.
    fn finish(&mut self, count: usize) {
        self.unfinished -= count;
        if self.unfinished == 0 {
            self.joined.append(&mut self.joining);
        }
    }

    fn forget(&mut self, task: usize) {
        self.getting.retain(|other| *other != task);
        self.putting.retain(|other| *other != task);
        for set in [&mut self.may_get, &mut self.may_put, &mut self.joining, &mut self.joined] {
            set.remove(&task);
        }
    }
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        Poll::Ready(match op {
            Op::Put(_) | Op::PutNowait(_) if self.is_shut_down => -1,
            Op::Get | Op::GetNowait if self.is_shut_down => self.remove(task),
            Op::Put(item) | Op::PutNowait(item) if self.free_places() > 0 && self.putting.is_empty() => self.insert(item),
            Op::Get | Op::GetNowait if self.free_items() > 0 && self.getting.is_empty() => self.remove(task),
            Op::PutNowait(_) | Op::GetNowait => -2,
            Op::Put(_) => {
                self.putting.push_back(task);
                return Poll::Pending;
            }
            Op::Get => {
                self.getting.push_back(task);
                return Poll::Pending;
            }
            Op::Done if self.held[task] == 0 => -1,
            Op::Done => {
                self.held[task] -= 1;
                self.finish(1);
                0
            }
            Op::Join if self.unfinished == 0 => 0,
            Op::Join => {
                self.joining.insert(task);
                return Poll::Pending;
            }
            Op::Shutdown(immediate) => {
                self.is_shut_down = true;
                if immediate {
                    let dropped = std::mem::take(&mut self.items).len();
                    self.finish(dropped);
                }
                0
            }
        })
    }

    fn can_go_on(&self, task: usize) -> bool {
        let waits = self.getting.contains(&task) || self.putting.contains(&task);
        let granted = [&self.may_get, &self.may_put, &self.joined].iter().any(|set| set.contains(&task));
        granted || waits && self.is_shut_down
    }

    fn go_on(&mut self, task: usize, op: Op) -> Poll<i32> {
        self.forget(task);
        Poll::Ready(match op {
            Op::Get => self.remove(task),
            Op::Put(_) if self.is_shut_down => -1,
            Op::Put(item) => self.insert(item),
            _ => 0,
        })
    }

    fn leave(&mut self, task: usize) {
        self.forget(task);
        self.promise();
    }

    fn observe(&self) -> Vec<i32> {
        let is_full = self.items.len() >= self.maxsize;
        vec![self.items.len() as i32, i32::from(is_full), i32::from(self.is_shut_down)]
    }
}

/// Without a `maxsize` it is unbounded.
fn of(order: Order, maxsize: Option<usize>) -> (impl Fn() -> Tested, Naive) {
    let make = move || match order {
        Order::Fifo => Tested::Fifo(maxsize.map_or_else(Queue::unbounded, Queue::bounded)),
        Order::Lifo => Tested::Lifo(maxsize.map_or_else(LifoQueue::unbounded, LifoQueue::bounded)),
        Order::SmallestFirst => Tested::SmallestFirst(maxsize.map_or_else(PriorityQueue::unbounded, PriorityQueue::bounded)),
    };
    (make, Naive { order, maxsize: maxsize.unwrap_or(usize::MAX), ..Naive::default() })
}

#[test]
fn queue_four_tasks() {
    for order in ORDERS {
        let (make, model) = of(order, Some(1));
        explore(make, &model, &[&[P(1), P(2), P(3)], &[P(4), P(5), Pn(6)], &[G, G, G], &[G, Gn, G]], STATES);
        let (make, model) = of(order, Some(2));
        explore(make, &model, &[&[P(1), P(2), P(3)], &[P(4), G, P(5)], &[G, G, P(6)], &[G, Gn, Pn(7)]], STATES);
    }
}

#[test]
fn queue_six_operations() {
    for order in ORDERS {
        let (make, model) = of(order, Some(1));
        explore(
            make,
            &model,
            &[&[P(1), P(2), P(3), P(4), P(5), P(6)], &[G, G, G, G, G, G], &[P(7), G, P(8), G, P(9), G]],
            STATES,
        );
    }
}

#[test]
fn queue_four_tasks_of_six_operations() {
    let (make, model) = of(Order::Fifo, Some(1));
    let programs: [&[Op]; 4] = [
        &[P(1), P(1), P(1), P(1), P(1), P(1)],
        &[G, G, G, G, G, G],
        &[P(1), G, P(1), G, P(1), G],
        &[Pn(1), Pn(1), Pn(1), Pn(1), Pn(1), Pn(1)],
    ];
    explore(make, &model, &programs, STATES);
}

#[test]
fn queue_without_a_limit() {
    for order in ORDERS {
        let (make, model) = of(order, None);
        explore(&make, &model, &[&[P(3), Pn(1)], &[P(2), G, P(4)], &[G, G], &[G, Gn]], STATES);
        explore(make, &model, &[&[P(2), J, P(1)], &[G, D, G, D], &[Pn(3), S(false), J, S(true)]], STATES);
    }
}

#[test]
fn queue_shutdown_and_join() {
    for order in ORDERS {
        let (make, model) = of(order, Some(1));
        explore(&make, &model, &[&[P(1), P(2)], &[G, D, G, D], &[J, S(true), J], &[G, D, S(false), G]], STATES);
        explore(make, &model, &[&[P(1), J, P(2)], &[G, D, J, G], &[P(3), S(false), J, S(true)]], STATES);
    }
}

#[test]
fn queue_every_path_of_three_tasks() {
    for order in ORDERS {
        let (make, model) = of(order, Some(1));
        explore(make, &model, &[&[P(1), P(2), G], &[G, G], &[P(3), G, P(4)]], PATHS);
    }
}

#[test]
fn queue_all_programs() {
    // With one place it is not the order that makes a difference, but whether there is a quick way.
    for order in [Order::Fifo, Order::SmallestFirst] {
        let (make, model) = of(order, Some(1));
        explore_teams(&make, &model, &[P(1), G, Pn(2), Gn], 3, 2);
        explore_teams(&make, &model, &[P(1), G, D, J, S(false), S(true)], 2, 2);
        explore_teams(make, &model, &[P(1), G, Gn], 2, 3);
    }
}
