//! RingbufQueue: the newest items, first come first served.

#![cfg(feature = "std")]

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{CountingWaker, Drops, Trace, Waiter, at_both_starts, block_on, panics, poll_once, waker_that_panics};
use crate::counting::{Heap, heap_during};
use futures_core::Stream;
use uasyncio_core::{Task, create_task, run, sleep_ms, yield_now};
use uasyncio_sync::{RingbufGet, RingbufQueue, wait_for_ms};

fn getter<const N: usize>(queue: &Rc<RingbufQueue<u32, N>>, trace: &Trace, name: &'static str) -> Task<()> {
    let (queue, trace) = (queue.clone(), trace.clone());
    create_task(async move {
        let item = queue.get().await;
        trace.log(format_args!("{name} {item}"));
    })
}

/// The test of the original, whose buffer has ten cells: after three puts, five of eleven drop an item, and the newest nine stay.
#[test]
fn the_original_s_test() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let queue = Rc::new(RingbufQueue::<u32, 9>::new());
                let reader = queue.clone();
                for item in 1..4 {
                    assert_eq!(queue.put(item), None);
                    sleep_ms(10).await;
                }
                let fallen: Vec<_> = (4..15).filter_map(|item| queue.put_nowait(item).err()).map(|error| error.0).collect();
                assert_eq!(fallen, [1, 2, 3, 4, 5]);
                assert!(queue.full());
                let task = create_task(async move {
                    let mut items = Vec::new();
                    let mut stream = pin!(reader.stream());
                    while items.len() < 10 {
                        items.extend(poll_fn(|cx| stream.as_mut().poll_next(cx)).await);
                    }
                    items
                });
                sleep_ms(10).await;
                assert!(queue.empty());
                queue.put(15);
                assert_eq!(task.await.unwrap(), (6..16).collect::<Vec<_>>());
                trace.log("done");
            })
            .unwrap();
        trace.expect(&["40 done"]);
    });
}

/// Against a plain list, with every mixture of puts and gets.
#[test]
fn as_a_list_that_is_cut() {
    let mut random = crate::common::Random::seeded(7);
    for _ in 0..if cfg!(miri) { 2 } else { 100 } {
        let queue = RingbufQueue::<u32, 5>::new();
        let mut list = std::collections::VecDeque::new();
        for item in 0..200 {
            if random.chance(60) {
                list.push_back(item);
                let fallen = if list.len() > 5 { list.pop_front() } else { None };
                assert_eq!(queue.put(item), fallen);
            } else {
                assert_eq!(queue.get_nowait(), list.pop_front());
            }
            assert_eq!((queue.qsize(), queue.empty(), queue.full()), (list.len(), list.is_empty(), list.len() == 5));
            assert_eq!(queue.peek(), list.front().copied());
        }
    }
}

#[test]
fn waiters_are_served_in_order() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let queue = Rc::new(RingbufQueue::<u32, 4>::new());
                let tasks = ["first", "second", "third"].map(|name| getter(&queue, trace, name));
                sleep_ms(5).await;
                queue.put(1);
                queue.put(2);
                // Both are promised: nobody overtakes.
                assert_eq!((queue.get_nowait(), queue.qsize()), (None, 2));
                let late = getter(&queue, trace, "late");
                sleep_ms(5).await;
                queue.put(3);
                queue.put(4);
                assert_eq!(queue.get_nowait(), None);
                for task in tasks {
                    task.await.unwrap();
                }
                late.await.unwrap();
            })
            .unwrap();
        trace.expect(&["5 first 1", "5 second 2", "10 third 3", "10 late 4"]);
    });
}

/// What falls out while it is promised is replaced by the next oldest.
#[test]
fn promises_are_kept_when_items_fall_out() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let queue = Rc::new(RingbufQueue::<u32, 2>::new());
                let tasks = ["first", "second"].map(|name| getter(&queue, trace, name));
                yield_now().await;
                let fallen: Vec<_> = (1..6).filter_map(|item| queue.put(item)).collect();
                assert_eq!(fallen, [1, 2, 3]);
                for task in tasks {
                    task.await.unwrap();
                }
                assert!(queue.empty());
                assert!(wait_for_ms(queue.get(), 5).await.is_err());
            })
            .unwrap();
        trace.expect(&["0 first 4", "0 second 5"]);
    });
}

/// T-19, trap 53: who was promised an item and is dropped before it runs passes it on.
#[test]
fn cancel_passes_the_item_on() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let queue = Rc::new(RingbufQueue::<u32, 2>::new());
                let [waiting, promised, next] = ["waiting", "promised", "next"].map(|name| getter(&queue, trace, name));
                yield_now().await;
                assert!(waiting.cancel());
                yield_now().await;
                queue.put(1);
                assert!(promised.cancel());
                next.await.unwrap();
                assert!(waiting.await.is_err() && promised.await.is_err());
                // With nobody else there it stays.
                let (counting, waker) = CountingWaker::new();
                let mut get = Box::pin(queue.get());
                assert!(poll_once(&mut get, &waker).is_pending());
                queue.put(2);
                assert_eq!((counting.wakes(), queue.get_nowait()), (1, None));
                drop(get);
                assert_eq!(queue.get_nowait(), Some(2));
                // T-18: a stream and gets that are never served leave nothing behind.
                for _ in 0..1_000 {
                    assert!(poll_once(&mut Box::pin(queue.get()), &waker).is_pending());
                }
                queue.put(3);
                assert_eq!((counting.wakes(), queue.get().await), (1, 3));
            })
            .unwrap();
        trace.expect(&["0 next 1"]);
    });
}

/// T-20: the waker of the first getter panics; he has his item, and the second one has the next.
#[test]
fn a_waker_that_panics_loses_no_item() {
    let queue = RingbufQueue::<u32, 2>::new();
    let mut first = Waiter::new(queue.get());
    assert!(first.poll_with(&waker_that_panics().1).is_pending());
    let mut second = Waiter::waiting(queue.get());
    assert!(panics(|| _ = queue.put(1)));
    assert_eq!((queue.qsize(), queue.get_nowait(), second.is_woken()), (1, None, false));
    assert_eq!(queue.put(2), None);
    assert_eq!((second.take(), first.now(), queue.qsize()), (1, 2, 0));
    // Its item goes to the next if it is dropped, and the waker of that one panics.
    let promised = Waiter::waiting(queue.get());
    let mut next = Waiter::new(queue.get());
    assert!(next.poll_with(&waker_that_panics().1).is_pending());
    assert_eq!(queue.put(3), None);
    assert!(panics(|| drop(promised)));
    assert_eq!((queue.get_nowait(), next.now(), queue.qsize()), (None, 3, 0));
    assert_eq!((queue.put(4), queue.get_nowait()), (None, Some(4)));
}

/// T-18: its cells are part of it, and those who wait in vain leave nothing behind.
#[test]
fn nothing_is_allocated() {
    let rounds = if cfg!(miri) { 50 } else { 100_000 };
    let queue = RingbufQueue::<u32, 2>::new();
    let mut cx = Context::from_waker(Waker::noop());
    let (heap, ()) = heap_during(|| {
        for item in 0..rounds {
            assert!(pin!(queue.get()).poll(&mut cx).is_pending());
            assert!(pin!(queue.stream()).poll_next(&mut cx).is_pending());
            assert_eq!((queue.put(item), queue.put(item + 1)), (None, None));
            assert_eq!(queue.put(item + 2), Some(item));
            assert_eq!(pin!(queue.get()).poll(&mut cx), Poll::Ready(item + 1));
            assert_eq!(queue.get_nowait(), Some(item + 2));
        }
    });
    assert_eq!(heap, Heap::default());
}

#[test]
fn items_are_dropped_once() {
    let drops = Drops::default();
    let queue = RingbufQueue::<_, 2>::new();
    for count in 0..5_usize {
        drop(queue.put(drops.child()));
        assert_eq!(drops.count(), count.saturating_sub(1));
    }
    drop(queue.get_nowait());
    assert_eq!(drops.count(), 4);
    drop(queue);
    assert_eq!(drops.count(), 5);
}

/// T-24: a queue that is never empty does not keep the others waiting.
#[test]
#[cfg(feature = "alloc")] // which the budget needs
fn an_endless_loop_gives_way() {
    run(async {
        let queue = RingbufQueue::<u32, 4>::new();
        let child = create_task(async {});
        let mut rounds = 0;
        while !child.done() {
            queue.put(rounds);
            assert_eq!(queue.get().await, rounds);
            rounds += 1;
        }
        assert!((100..200).contains(&rounds), "{rounds}");
    });
}

/// One item in one cell, on an executor that is not ours.
#[test]
fn any_executor() {
    let queue = RingbufQueue::<_, 1>::default();
    queue.put("old");
    assert_eq!(queue.put_nowait("new").unwrap_err().to_string(), "the queue was full; its oldest item was dropped");
    assert_eq!(block_on(queue.get()), "new");
    let mut get: std::pin::Pin<Box<RingbufGet<'_, RingbufQueue<&str, 1>>>> = Box::pin(queue.get());
    assert_eq!(poll_once(&mut get, Waker::noop()), Poll::Pending);
    assert!(format!("{queue:?} {get:?}").contains("waiting: true"));
}
