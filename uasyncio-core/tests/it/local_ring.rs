//! The ring of one thread: beside a `VecDeque`, its memory, its drops, and what runs in between.

#![cfg(feature = "std")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use crate::common::Random;
use uasyncio_core::LocalRing;

#[test]
fn it_does_what_a_deque_does() {
    for seed in 0..if cfg!(miri) { 3 } else { 100 } {
        let (ring, mut deque) = (LocalRing::new(), VecDeque::new());
        let (mut limit, mut pops) = (0, 0);
        let mut random = Random::seeded(seed);
        for item in 0..if cfg!(miri) { 150 } else { 1_000 } {
            // Now and then it is mostly pushed, now and then mostly popped, so that it goes round, grows, and is empty again.
            let pushes = if item / 40 % 2 == 0 { 70 } else { 30 };
            if random.chance(pushes) {
                let item = Box::new(item);
                if random.chance(50) {
                    deque.push_back(item.clone());
                    ring.push_back(item);
                } else if ring.push_quickly(item.clone()).is_ok() {
                    deque.push_back(item);
                    assert!(deque.len() <= limit);
                }
            } else if random.chance(10) {
                let item = Box::new(item);
                deque.push_front(item.clone());
                ring.push_front(item);
                (limit, pops) = (0, 0);
            } else if random.chance(20) {
                assert_eq!(ring.pop_back(), deque.pop_back());
                pops = 0;
            } else if random.chance(50) {
                assert_eq!(ring.pop_front(), deque.pop_front());
                pops = 0;
            } else if let Some(item) = ring.pop_quickly() {
                assert_eq!(Some(item), deque.pop_front());
                assert_ne!(pops, 0);
                pops -= 1;
            }
            if random.chance(30) {
                limit = item / 20;
                ring.allow_pushes(limit);
            }
            if random.chance(30) {
                let keep = random.below(6);
                ring.allow_pops(keep);
                pops = deque.len().saturating_sub(keep);
            }
            if random.chance(1) {
                pops = 0;
                let taken = ring.take();
                assert_eq!(std::iter::from_fn(|| taken.pop_front()).collect::<VecDeque<_>>(), deque);
                deque.clear();
            }
            assert_eq!((ring.len(), ring.is_empty()), (deque.len(), deque.is_empty()));
        }
    }
}

#[test]
fn quick_pushes_end_at_the_limit_and_when_the_ring_grows_or_is_taken() {
    let ring = LocalRing::new();
    ring.allow_pushes(usize::MAX);
    assert_eq!(ring.push_quickly(0), Err(0), "there are no slots");
    ring.push_back(0);
    assert_eq!(ring.push_quickly(1), Err(1), "the limit was set before the ring grew");
    ring.allow_pushes(2);
    assert_eq!((ring.push_quickly(1), ring.push_quickly(2)), (Ok(()), Err(2)));
    ring.allow_pushes(1);
    assert_eq!(ring.push_quickly(2), Err(2), "there are more than that already");
    ring.allow_pushes(3);
    assert_eq!(ring.pop_front(), Some(0));
    assert_eq!((ring.push_quickly(2), ring.push_quickly(3)), (Ok(()), Err(3)), "there was room for one when it was opened");
    ring.allow_pushes(0);
    assert_eq!(ring.push_quickly(3), Err(3));
    ring.allow_pushes(usize::MAX);
    let pushed = (3..100).take_while(|item| ring.push_quickly(*item).is_ok()).count();
    assert_eq!(ring.len(), 2 + pushed, "no more than there are slots");
    assert!(ring.len().is_power_of_two());
    assert_eq!(ring.pop_front(), Some(1));
    ring.allow_pushes(usize::MAX);
    let taken = ring.take();
    assert_eq!(ring.push_quickly(5), Err(5), "there are no slots any more");
    assert_eq!((taken.push_quickly(5), taken.pop_back(), taken.pop_front()), (Ok(()), Some(5), Some(2)));
}

#[test]
fn quick_pops_leave_what_is_to_be_kept_and_what_comes_later() {
    let ring = LocalRing::new();
    (0..4).for_each(|item| ring.push_back(item));
    assert_eq!(ring.pop_quickly(), None, "nothing was said yet");
    ring.allow_pops(2);
    ring.push_back(4); // the ring grows
    ring.allow_pops(3);
    ring.push_back(5);
    assert_eq!((ring.pop_quickly(), ring.pop_quickly(), ring.pop_quickly()), (Some(0), Some(1), None));
    ring.allow_pops(9);
    assert_eq!(ring.pop_quickly(), None, "there are not so many");
    ring.allow_pops(0);
    assert_eq!((ring.pop_quickly(), ring.pop_front(), ring.pop_quickly()), (Some(2), Some(3), None), "a pop of another kind");
    ring.allow_pops(0);
    assert_eq!((ring.pop_back(), ring.pop_quickly()), (Some(5), None), "a pop of another kind");
    ring.allow_pops(0);
    assert_eq!((ring.pop_quickly(), ring.pop_quickly(), ring.len()), (Some(4), None, 0));
}

#[test]
fn an_item_may_be_put_at_the_front() {
    let ring = LocalRing::new();
    const SLOTS: i32 = 4; // as many as it has first
    ring.push_front(0); // there are no slots yet
    (1..SLOTS).for_each(|item| ring.push_back(item));
    ring.push_front(-1); // the ring grows
    assert_eq!((ring.len(), ring.end()), (1 + SLOTS as usize, SLOTS as usize - 1));
    ring.allow_pushes(usize::MAX);
    ring.allow_pops(0);
    ring.push_front(-2);
    assert_eq!((ring.push_quickly(9), ring.pop_quickly()), (Err(9), None), "a push of another kind");
    assert!(std::iter::from_fn(|| ring.pop_front()).eq(-2..SLOTS));
    ring.push_front(5); // round the beginning
    assert_eq!((ring.pop_back(), ring.len()), (Some(5), 0));
}

#[test]
fn its_end_counts_what_was_pushed() {
    let ring = LocalRing::new();
    (0..5).for_each(|item| ring.push_back(item));
    ring.pop_front();
    ring.pop_back();
    assert_eq!(ring.end(), 4);
    assert_eq!((ring.take().end(), ring.end(), ring.len()), (4, 4, 0));
    (0..9).for_each(|item| ring.push_back(item));
    assert_eq!((ring.end(), ring.len()), (13, 9));
}

#[test]
fn items_without_a_size_are_counted() {
    let ring = LocalRing::new();
    (0..100).for_each(|_| ring.push_back(()));
    assert_eq!(ring.len(), 100);
    assert_eq!(std::iter::from_fn(|| ring.pop_front()).count(), 100);
}

/// Counts its drops.
struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        assert_ne!(self.0.get(), 3, "the third one");
    }
}

#[test]
fn whatever_is_left_is_dropped_once_also_behind_a_panic() {
    let drops = Rc::new(Cell::new(0));
    let ring = LocalRing::new();
    (0..7).for_each(|_| ring.push_back(Counted(drops.clone())));
    drop(ring.pop_front());
    (0..2).for_each(|_| ring.push_back(Counted(drops.clone()))); // round the end
    assert_eq!(drops.get(), 1);
    catch_unwind(AssertUnwindSafe(|| drop(ring))).unwrap_err();
    assert_eq!((drops.get(), Rc::strong_count(&drops)), (9, 1));
}

/// Uses the ring that it was in when it is dropped.
struct Meddler(Weak<LocalRing<Meddler>>, Rc<RefCell<Vec<usize>>>);

impl Drop for Meddler {
    fn drop(&mut self) {
        if let Some(ring) = self.0.upgrade() {
            self.1.borrow_mut().push(ring.len());
            if ring.len() < 3 {
                (0..9).for_each(|_| ring.push_back(Meddler(Weak::new(), self.1.clone())));
            }
        }
    }
}

#[test]
fn an_item_that_came_out_may_use_the_ring_when_it_is_dropped() {
    let ring = Rc::new(LocalRing::new());
    let lengths = Rc::new(RefCell::new(Vec::new()));
    (0..4).for_each(|_| ring.push_back(Meddler(Rc::downgrade(&ring), lengths.clone())));
    drop(ring.pop_front());
    drop(ring.pop_back());
    assert_eq!((ring.len(), lengths.take()), (11, vec![3, 2]));
    drop(ring.take());
    assert_eq!((ring.len(), lengths.take()), (9, vec![0, 9]));
}
