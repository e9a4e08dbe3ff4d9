//! `PriorityQueue` and `LifoQueue`: the other orders.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::cmp::{Ordering, Reverse};

use crate::common::{Random, Waiter, panics, waker_that_panics};
use crate::queue::allocates_nothing_in_the_steady_state;
use uasyncio_sync::{LifoQueue, PriorityQueue, Queue, QueueOrder};

fn drain<T, O: QueueOrder<T>>(queue: &Queue<T, O>) -> Vec<T> {
    std::iter::from_fn(|| queue.get_nowait().ok()).collect()
}

/// Ordered by the first field only.
#[derive(Debug, PartialEq, Eq)]
struct Job(u32, usize);

impl Ord for Job {
    fn cmp(&self, other: &Job) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Job) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Against a stable sort of what is in it.
#[test]
fn the_smallest_comes_first_and_equal_ones_in_the_order_in_which_they_were_put() {
    let queue = PriorityQueue::unbounded();
    let mut model: Vec<Job> = Vec::new();
    let mut random = Random::seeded(1);
    for number in 0..if cfg!(miri) { 100 } else { 10_000 } {
        if random.chance(60) {
            let urgency = random.below(5) as u32;
            queue.put_nowait(Job(urgency, number)).unwrap();
            model.push(Job(urgency, number));
            model.sort();
        } else {
            let expected = if model.is_empty() { None } else { Some(model.remove(0)) };
            assert_eq!(queue.get_nowait().ok(), expected);
        }
    }
    assert_eq!(drain(&queue), model);
}

#[test]
fn reverse_gives_the_greatest_first() {
    let queue = PriorityQueue::bounded(3);
    for number in [2, 3, 1] {
        queue.put_nowait(Reverse(number)).unwrap();
    }
    assert_eq!(drain(&queue), [Reverse(3), Reverse(2), Reverse(1)]);
}

#[test]
fn a_promised_item_is_chosen_when_it_is_taken() {
    let queue = PriorityQueue::unbounded();
    let mut getter = Waiter::waiting(queue.get());
    queue.put_nowait(2).unwrap();
    queue.put_nowait(1).unwrap();
    assert_eq!(getter.take(), Ok(1));
    assert_eq!(drain(&queue), [2]);
}

#[test]
fn the_latest_comes_first_in_a_lifo_queue_and_waiters_in_order() {
    let queue = LifoQueue::bounded(2);
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    let mut putters = [3, 4].map(|item| Waiter::waiting(queue.put(item)));
    assert_eq!(queue.get_nowait(), Ok(2));
    assert_eq!(putters[0].take(), Ok(()));
    assert!(!putters[1].is_woken());
    assert_eq!(queue.get_nowait(), Ok(3));
    assert_eq!(putters[1].take(), Ok(()));
    assert_eq!(drain(&queue), [4, 1]);
}

#[test]
fn nothing_is_allocated_in_the_steady_state() {
    allocates_nothing_in_the_steady_state(&PriorityQueue::bounded(4));
    allocates_nothing_in_the_steady_state(&LifoQueue::bounded(4));
}

/// T-19: an item that was promised, and room that was granted, to one who is dropped before he runs.
#[test]
fn promises_to_those_that_are_dropped_go_to_the_next() {
    fn check<O: QueueOrder<u32>>(queue: &Queue<u32, O>) {
        let promised = Waiter::waiting(queue.get());
        let mut next = Waiter::waiting(queue.get());
        queue.put_nowait(1).unwrap();
        assert!(promised.is_woken() && !next.is_woken());
        drop(promised);
        assert_eq!(next.take(), Ok(1));
        queue.put_nowait(2).unwrap();
        let granted = Waiter::waiting(queue.put(3));
        let mut next = Waiter::waiting(queue.put(4));
        assert_eq!(queue.get_nowait(), Ok(2));
        assert!(granted.is_woken() && !next.is_woken());
        drop(granted);
        assert_eq!(next.take(), Ok(()));
        // And with nobody behind them they are free again.
        let granted = Waiter::waiting(queue.put(5));
        assert_eq!(queue.get_nowait(), Ok(4));
        drop(granted);
        let promised = Waiter::waiting(queue.get());
        queue.put_nowait(6).unwrap();
        drop(promised);
        assert_eq!(queue.get_nowait(), Ok(6));
    }
    check(&PriorityQueue::bounded(1));
    check(&LifoQueue::bounded(1));
}

thread_local! {
    static COMPARISON_PANICS: Cell<bool> = const { Cell::new(false) };
}

#[derive(PartialEq, Eq)]
struct Delicate(u32);

impl Ord for Delicate {
    fn cmp(&self, other: &Delicate) -> Ordering {
        assert!(!COMPARISON_PANICS.get(), "the comparison panics");
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Delicate {
    fn partial_cmp(&self, other: &Delicate) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// T-20: afterwards there are as many items to be had as the queue holds, and as much room as is left.
#[test]
fn a_comparison_that_panics_leaves_the_counts_right() {
    let queue = PriorityQueue::bounded(4);
    for number in [3, 1, 2] {
        assert!(queue.put_nowait(Delicate(number)).is_ok());
    }
    COMPARISON_PANICS.set(true);
    assert!(panics(|| drop(queue.put_nowait(Delicate(0)))));
    assert_eq!((queue.qsize(), queue.full()), (4, true));
    assert!(queue.put_nowait(Delicate(9)).is_err());
    assert!(panics(|| drop(queue.get_nowait())));
    COMPARISON_PANICS.set(false);
    assert_eq!(queue.qsize(), 3);
    assert!(queue.put_nowait(Delicate(4)).is_ok());
    assert!(queue.put_nowait(Delicate(5)).is_err());
    assert_eq!(drain(&queue).len(), 4);
}

/// T-20: an item that was got when a waker panics is the next one again, also before an equal one, and none is lost.
#[test]
fn a_waker_that_panics_in_a_get_loses_no_item() {
    fn rest<O: QueueOrder<Job>>(queue: &Queue<Job, O>) -> Vec<usize> {
        queue.put_nowait(Job(1, 0)).unwrap();
        queue.put_nowait(Job(1, 1)).unwrap();
        let mut putter = Waiter::new(queue.put(Job(1, 2)));
        assert!(putter.poll_with(&waker_that_panics().1).is_pending());
        assert!(panics(|| drop(queue.get_nowait())));
        assert_eq!((queue.qsize(), queue.put_nowait(Job(1, 9)).is_err()), (2, true));
        let next = queue.get_nowait().unwrap();
        putter.now().unwrap();
        assert_eq!((queue.qsize(), queue.put_nowait(Job(1, 9)).is_err()), (2, true));
        (0..3).for_each(|_| queue.task_done());
        Waiter::new(queue.join()).now();
        [next].into_iter().chain(drain(queue)).map(|job| job.1).collect()
    }
    assert_eq!(rest(&Queue::bounded(2)), [0, 1, 2]);
    assert_eq!(rest(&PriorityQueue::bounded(2)), [0, 1, 2]);
    assert_eq!(rest(&LifoQueue::bounded(2)), [1, 2, 0]);
}
