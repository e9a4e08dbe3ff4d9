//! A waker for each member of a future: who is ready, in which order, and who wakes the parent (T-17, T-18, T-20, T-21).

#![cfg(feature = "std")]

#[path = "it/common/mod.rs"]
mod common;
#[path = "it/common/counting.rs"]
mod counting;

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use common::{CallingWaker, CountingWaker};
use counting::{CountingAllocator, Heap, heap, heap_during, since};
use uasyncio_core::{SubWakers, run, yield_now};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Members that are not ready any more, and their parent.
fn asleep(members: usize) -> (SubWakers, Arc<CountingWaker>) {
    let (parent, waker) = CountingWaker::new();
    let wakers = SubWakers::new(members);
    wakers.register(&waker);
    assert_eq!(ready(&wakers), (0..members).collect::<Vec<_>>());
    assert_eq!(ready(&wakers), []);
    (wakers, parent)
}

fn ready(wakers: &SubWakers) -> Vec<usize> {
    wakers.ready().collect()
}

fn wake(wakers: &SubWakers, members: &[usize]) {
    members.iter().for_each(|member| wakers.waker(*member).wake_by_ref());
}

/// First all are ready, then those that were woken, in the order of the first wake of each; the first wake of a round wakes the parent.
#[test]
fn members_are_ready_in_the_order_of_their_wakes() {
    let (wakers, parent) = asleep(5);
    wake(&wakers, &[3, 1, 3, 4, 1]);
    assert_eq!(parent.wakes(), 1);
    assert_eq!(ready(&wakers), [3, 1, 4]);
    assert_eq!(ready(&wakers), []);
    wake(&wakers, &[4]);
    assert_eq!((parent.wakes(), ready(&wakers)), (2, vec![4]));
}

/// A member woken during its own poll, and another one that had its turn, come in the next round, and the parent is woken for them.
#[test]
fn a_wake_during_a_round_belongs_to_the_next() {
    let (wakers, parent) = asleep(3);
    wake(&wakers, &[0, 1, 2]);
    let mut round = wakers.ready();
    assert_eq!(round.next(), Some(0));
    assert_eq!(round.next(), Some(1));
    wake(&wakers, &[1, 2, 0]);
    assert_eq!(parent.wakes(), 2);
    assert_eq!((round.next(), round.next(), round.next()), (Some(2), None, None));
    assert_eq!(ready(&wakers), [1, 0], "2 was woken before its turn");
}

/// What is not taken from the iterator stays ready, before those that are woken later.
#[test]
fn a_round_may_be_left_early() {
    let (wakers, _) = asleep(4);
    wake(&wakers, &[3, 2, 1]);
    assert_eq!(wakers.ready().next(), Some(3));
    wake(&wakers, &[0, 3]);
    assert_eq!(wakers.ready().next(), Some(2));
    assert_eq!(ready(&wakers), [1, 0, 3]);
}

#[test]
fn rounds_inside_each_other_share_the_members() {
    let (wakers, _) = asleep(4);
    wake(&wakers, &[0, 1, 2]);
    let mut outer = wakers.ready();
    assert_eq!(outer.next(), Some(0));
    wake(&wakers, &[3]);
    assert_eq!(ready(&wakers), [1, 2, 3]);
    assert_eq!(outer.next(), None);
    wake(&wakers, &[0]);
    let mut later = wakers.ready();
    assert_eq!((outer.next(), later.next()), (None, Some(0)), "what is over stays over");
}

#[test]
fn no_members() {
    let (mut wakers, parent) = asleep(0);
    assert!(wakers.is_empty());
    assert_eq!((wakers.add(), wakers.len(), parent.wakes()), (0, 1, 1));
    assert_eq!(ready(&wakers), [0]);
}

/// Added members are ready behind those that were woken before, and wake the parent as a wake does.
#[test]
fn members_come_and_go() {
    let (mut wakers, parent) = asleep(2);
    wake(&wakers, &[1]);
    assert_eq!((wakers.add(), wakers.add(), wakers.len()), (2, 3, 4));
    assert_eq!((ready(&wakers), parent.wakes()), (vec![1, 2, 3], 1));
    let late = wakers.waker(2).clone();
    wakers.remove(2);
    wakers.remove(0);
    assert_eq!(wakers.len(), 2);
    late.wake_by_ref();
    assert_eq!((ready(&wakers), parent.wakes()), (vec![], 1), "a wake of what is gone does nothing");
    let mut reused = [wakers.add(), wakers.add()];
    reused.sort_unstable();
    assert_eq!((reused, wakers.add()), ([0, 2], 4));
    assert_eq!(parent.wakes(), 2);
    assert_eq!(ready(&wakers).len(), 3);
    late.wake();
    assert_eq!(ready(&wakers), [2], "for nothing, as wakes may be");
}

/// One that is removed while it is ready is not given out, and its index only once it is off the list.
#[test]
fn a_ready_member_is_removed() {
    let (mut wakers, _) = asleep(3);
    wake(&wakers, &[2, 0, 1]);
    wakers.remove(0);
    let new = wakers.add();
    assert!(new > 2);
    assert_eq!(ready(&wakers), [2, 1, new]);
    assert_eq!(wakers.add(), 0);
    assert_eq!(ready(&wakers), [0]);
}

/// Indices and wakers stay good however many members are added.
#[test]
fn many_members_are_added() {
    let (mut wakers, _) = asleep(3);
    let mut clones: Vec<Waker> = (0..3).map(|index| wakers.waker(index).clone()).collect();
    let members = if cfg!(miri) { 50 } else { 1_000 };
    for index in 3..members {
        assert_eq!(wakers.add(), index);
        clones.push(wakers.waker(index).clone());
    }
    assert_eq!(ready(&wakers), (3..members).collect::<Vec<_>>());
    clones.iter().rev().for_each(Waker::wake_by_ref);
    assert_eq!(ready(&wakers), (0..members).rev().collect::<Vec<_>>());
    assert!(clones.iter().enumerate().all(|(index, waker)| waker.will_wake(&wakers.waker(index))));
    assert!(!clones[0].will_wake(&clones[1]));
}

#[test]
fn there_is_no_such_member() {
    let mut wakers = SubWakers::new(2);
    wakers.remove(1);
    for index in [1, 2, usize::MAX] {
        assert!(catch_unwind(AssertUnwindSafe(|| _ = wakers.waker(index))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| wakers.remove(index))).is_err());
    }
    assert_eq!((wakers.len(), ready(&wakers)), (1, vec![0]));
}

/// T-17: a waker of a member that is kept somewhere does not keep the parent's, and may be used and dropped when all is over.
#[test]
fn wakers_outlive_their_owner() {
    let before = heap();
    let (wakers, parent) = asleep(2);
    let clones = [wakers.waker(0).clone(), wakers.waker(1).clone()];
    drop(wakers);
    assert_eq!(Arc::strong_count(&parent), 1);
    for waker in clones {
        waker.wake_by_ref();
        let another = waker.clone();
        another.wake();
        waker.wake();
    }
    assert_eq!(parent.wakes(), 0);
    drop(parent);
    assert_eq!(since(before).bytes, 0);
}

/// One block for all; then nothing is allocated but by `add`, which doubles the room.
#[test]
fn allocations() {
    let (of_header, header) = heap_during(|| SubWakers::new(0));
    drop(header);
    let (of_all, mut wakers) = heap_during(|| SubWakers::new(100));
    assert_eq!(of_all, Heap { allocations: 1, bytes: of_header.bytes + 100 * (8 + size_of::<usize>() as isize) });
    assert!(of_header.bytes <= 8 * size_of::<usize>() as isize, "{of_header:?}");
    let (none, ()) = heap_during(|| {
        for _ in 0..3 {
            wakers.register(Waker::noop());
            for index in 0..100 {
                let waker = wakers.waker(index).clone();
                waker.wake();
            }
            for index in 0..50 {
                wakers.remove(index);
            }
            assert_eq!(wakers.ready().count(), 50);
            for _ in 0..50 {
                wakers.add();
            }
        }
    });
    assert_eq!(none, Heap::default());
    let (of_adding, ()) = heap_during(|| (0..1_000).for_each(|_| _ = wakers.add()));
    assert!(of_adding.allocations <= 5, "room for 200, 400, 800 and 1 600, and the list of these: {of_adding:?}");
    assert_eq!(wakers.len(), 1_100);
}

/// A waker of the parent that panics does so in the wake of a member, which stays ready.
#[test]
fn a_parent_that_panics() {
    let (wakers, _) = asleep(2);
    wakers.register(&CallingWaker::waker(|| panic!("a waker that panics")));
    let waker = wakers.waker(1).clone();
    assert!(catch_unwind(|| waker.wake()).is_err());
    let (parent, waker) = CountingWaker::new();
    wakers.register(&waker);
    assert_eq!(ready(&wakers), [1]);
    wake(&wakers, &[0]);
    assert_eq!((parent.wakes(), ready(&wakers)), (1, vec![0]));
}

/// A parent's waker that ends it all: the member's waker that is in use keeps what it needs.
#[test]
fn the_owner_ends_during_a_wake() {
    let wakers = Arc::new(Mutex::new(None));
    let (owner, _) = asleep(1);
    let weak = Arc::downgrade(&wakers);
    owner.register(&CallingWaker::waker(move || drop(weak.upgrade().and_then(|owner| owner.lock().unwrap().take()))));
    let waker = owner.waker(0).clone();
    *wakers.lock().unwrap() = Some(owner);
    waker.wake();
    assert!(wakers.lock().unwrap().is_none());
}

/// Waits for all of its members, and counts their polls.
struct All<F> {
    members: Vec<Option<Pin<Box<F>>>>,
    wakers: SubWakers,
    left: usize,
    polls: usize,
}

impl<F: Future<Output = ()>> All<F> {
    fn new(members: impl Iterator<Item = F>) -> All<F> {
        let members: Vec<_> = members.map(|member| Some(Box::pin(member))).collect();
        All { wakers: SubWakers::new(members.len()), left: members.len(), members, polls: 0 }
    }
}

impl<F: Future<Output = ()>> Future for All<F> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let this = &mut *self;
        this.wakers.register(cx.waker());
        for index in this.wakers.ready() {
            let Some(member) = &mut this.members[index] else { continue };
            this.polls += 1;
            if member.as_mut().poll(&mut Context::from_waker(&this.wakers.waker(index))).is_ready() {
                this.members[index] = None;
                this.left -= 1;
            }
        }
        if this.left == 0 { Poll::Ready(this.polls) } else { Poll::Pending }
    }
}

/// Members that are woken one after the other cost a poll each, not a poll of all.
#[test]
fn a_wake_of_one_member_is_a_poll_of_that_one() {
    let members = if cfg!(miri) { 20 } else { 1_000 };
    let turn = Cell::new(0);
    let waiting = Mutex::new(vec![None::<Waker>; members + 1]);
    let all = All::new((0..members).map(|index| {
        let (turn, waiting) = (&turn, &waiting);
        std::future::poll_fn(move |cx| {
            if turn.get() == index {
                turn.set(index + 1);
                waiting.lock().unwrap()[index + 1].iter().for_each(Waker::wake_by_ref);
                return Poll::Ready(());
            }
            waiting.lock().unwrap()[index] = Some(cx.waker().clone());
            Poll::Pending
        })
    }));
    // In this order each wakes the next one that had its first poll: all but the first are polled twice.
    turn.set(usize::MAX);
    let polls = run(async {
        let mut all = Box::pin(all);
        std::future::poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx).is_pending())).await;
        turn.set(0);
        let first = waiting.lock().unwrap()[0].take();
        first.unwrap().wake();
        all.await
    });
    assert_eq!(polls, 2 * members);
}

/// Members that give way: each is polled once in each round, as tasks are.
#[test]
fn members_that_give_way() {
    assert_eq!(run(All::new((0..10).map(|_| yield_now()))), 20);
}
