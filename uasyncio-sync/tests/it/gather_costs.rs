//! What `gather` costs: polls, allocations, bytes.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::common::{Signal, at_both_starts, block_on, poll_once};
use crate::counting::{Heap, heap, since};
use uasyncio_core::{EventLoop, VirtualTime, create_task, sleep_ms, yield_now};
use uasyncio_sync::{gather, gather_iter};

const MANY: usize = if cfg!(miri) { 30 } else { 1_000 };

/// 1 000 members, each woken once, one at a time: each is polled twice in all, at first and when it was woken.
#[test]
fn wake_of_a_member_of_many_polls_that_member_only() {
    at_both_starts(|event_loop, _| {
        let signals: Vec<_> = (0..MANY).map(|_| Signal::new()).collect();
        let total = || signals.iter().map(Signal::polls).sum::<u32>() as usize;
        event_loop
            .run_until_complete(async {
                let members = signals.clone();
                let gathering = create_task(gather_iter(members.into_iter().map(|signal| async move { signal.wait().await })));
                yield_now().await;
                assert_eq!(total(), MANY);
                for (count, signal) in signals.iter().enumerate() {
                    signal.open();
                    yield_now().await;
                    assert_eq!(total(), MANY + count + 1);
                }
                assert!(gathering.done());
                assert_eq!(gathering.await.unwrap().len(), MANY);
            })
            .unwrap();
    });
}

/// The same, all of them woken in the same pass, in another order: one poll of the whole does it.
#[test]
fn many_wakes_in_one_pass() {
    at_both_starts(|event_loop, _| {
        let signals: Vec<_> = (0..MANY).map(|_| Signal::new()).collect();
        let order = Rc::new(Cell::new(0));
        event_loop
            .run_until_complete(async {
                let members = signals.clone().into_iter().map(|signal| {
                    let order = order.clone();
                    async move {
                        signal.wait().await;
                        order.replace(order.get() + 1)
                    }
                });
                let gathering = create_task(gather_iter(members));
                yield_now().await;
                signals.iter().rev().for_each(Signal::open);
                yield_now().await;
                assert!(gathering.done());
                // Polled in the order of the wakes.
                assert_eq!(gathering.await.unwrap(), (0..MANY).rev().collect::<Vec<_>>());
            })
            .unwrap();
        assert!(signals.iter().all(|signal| signal.polls() == 2));
    });
}

/// A member that wakes itself does not keep the others from being polled, nor the task from giving way.
#[test]
fn member_that_gives_way() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop
            .run_until_complete(async {
                let other = create_task(async move {
                    for _ in 0..3 {
                        log.log("another task");
                        yield_now().await;
                    }
                });
                let steps = |name: &'static str| {
                    let log = trace.clone();
                    async move {
                        for _ in 0..3 {
                            log.log(name);
                            yield_now().await;
                        }
                    }
                };
                gather(vec![steps("a"), steps("b")]).await;
                other.await.unwrap();
            })
            .unwrap();
        trace.expect(&["0 a", "0 b", "0 another task", "0 a", "0 b", "0 another task", "0 a", "0 b", "0 another task"]);
    });
}

/// `Vec`s: one allocation for the wakers, one for the members, one for the outputs, however many there are and however often
/// they are woken. All of it is given back.
#[test]
fn many_members_allocate_three_times() {
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop
        .run_until_complete(async {
            sleep_ms(100).await; // the wheel's levels
            for count in [1, 10, MANY as u32] {
                let before = heap();
                let outputs = gather_iter((0..count).map(async |number| {
                    for _ in 0..5 {
                        sleep_ms(1 + number % 7).await;
                    }
                    number
                }));
                assert_eq!(outputs.await.len(), count as usize);
                assert_eq!(since(before), Heap { allocations: 3, bytes: 0 });
            }
        })
        .unwrap();
}

/// the sum of the members, each with room for its output, and 8 bytes more for each.
#[test]
fn sizes() {
    fn member<F: Future>(future: &F) -> usize {
        size_of_val(future).max(size_of::<F::Output>()) + 8
    }
    let slow = || async {
        let bytes = [1_u8; 100];
        sleep_ms(1).await;
        bytes[0]
    };
    let expected = member(&slow()) + member(&sleep_ms(1)) + member(&ready([0_u64; 4]));
    assert!(size_of_val(&gather((slow(), sleep_ms(1), ready([0_u64; 4])))) <= expected);
    assert!(size_of_val(&gather([slow(), slow()])) <= 2 * member(&slow()));
    assert!(size_of_val(&gather(vec![pending::<()>()])) <= 80);
    assert_eq!(size_of_val(&gather(())), 0);
}

/// The outputs are there in the very poll in which the last member ends.
#[test]
fn ready_in_the_first_poll() {
    assert_eq!(poll_once(&mut pin!(gather(vec![ready(1), ready(2)])), Waker::noop()), Poll::Ready(vec![1, 2]));
    assert_eq!(poll_once(&mut pin!(gather([ready(1), ready(2)])), Waker::noop()), Poll::Ready([1, 2]));
    assert_eq!(block_on(gather(Vec::<std::future::Pending<()>>::new())), []);
}
