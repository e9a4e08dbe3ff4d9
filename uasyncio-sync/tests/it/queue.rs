//! `Queue`: items and waiters in order, bounds, ends. Trap 53, spec 2.10, T-18, T-19.

#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::common::{Waiter, at_both_starts, panics, poll_once, waker_that};
use crate::counting::{Heap, heap_during};
use futures_core::Stream;
use uasyncio_core::{create_task, sleep_ms, yield_now};
use uasyncio_sync::{Fifo, GetNowaitError, PutNowaitError, Queue, QueueGet, QueueOrder, QueuePut, QueueShutDown};

/// Spec 2.10: there the three got 2, 1, 0 after up to 200 ms, by looking again and again.
#[test]
fn getters_are_served_in_order_and_at_once() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let queue = Rc::new(Queue::unbounded());
            let getters = ["A", "B", "C"].map(|name| {
                let (queue, trace) = (queue.clone(), trace.clone());
                create_task(async move {
                    let item = queue.get().await.unwrap();
                    trace.log(format_args!("{name} {item}"));
                })
            });
            sleep_ms(7).await;
            for item in 0..3 {
                queue.put(item).await.unwrap();
            }
            for getter in getters {
                getter.await.unwrap();
            }
        });
        done.unwrap();
        trace.expect(&["7 A 0", "7 B 1", "7 C 2"]);
    });
}

#[test]
fn putters_wait_for_room_in_order() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let queue = Rc::new(Queue::bounded(1));
            for item in ["a", "b", "c"] {
                let (queue, trace) = (queue.clone(), trace.clone());
                drop(create_task(async move {
                    queue.put(item).await.unwrap();
                    trace.log(format_args!("put {item}"));
                }));
            }
            for _ in 0..3 {
                sleep_ms(2).await;
                trace.log(format_args!("get {}", queue.get().await.unwrap()));
            }
        });
        done.unwrap();
        trace.expect(&["0 put a", "2 get a", "2 put b", "4 get b", "4 put c", "6 get c"]);
    });
}

#[test]
fn sizes_are_as_in_asyncio() {
    let queue = Queue::bounded(2);
    assert_eq!((queue.qsize(), queue.empty(), queue.full(), queue.maxsize()), (0, true, false, Some(2)));
    queue.put_nowait('a').unwrap();
    assert_eq!((queue.qsize(), queue.empty(), queue.full()), (1, false, false));
    queue.put_nowait('b').unwrap();
    assert_eq!((queue.qsize(), queue.empty(), queue.full()), (2, false, true));
    assert_eq!(queue.put_nowait('c'), Err(PutNowaitError::QueueFull('c')));
    assert_eq!((queue.get_nowait(), queue.get_nowait()), (Ok('a'), Ok('b')));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueEmpty));
    let endless = Queue::unbounded();
    for item in 0..1_000 {
        endless.put_nowait(item).unwrap();
    }
    assert_eq!((endless.full(), endless.maxsize(), endless.qsize()), (false, None, 1_000));
    assert!((0..1_000).all(|item| endless.get_nowait() == Ok(item)));
}

#[test]
#[should_panic(expected = "room for one item at least")]
fn a_bound_of_zero_panics() {
    let _queue = Queue::<u8>::bounded(0);
}

/// No barging: what was promised is not given to another, and a newcomer stands behind those that wait.
#[test]
fn nobody_overtakes_those_that_wait() {
    let queue = Queue::bounded(1);
    let mut getter = Waiter::waiting(queue.get());
    queue.put_nowait(1).unwrap();
    assert!(getter.is_woken());
    assert_eq!((queue.get_nowait(), queue.qsize()), (Err(GetNowaitError::QueueEmpty), 1));
    assert_eq!(getter.take(), Ok(1));

    queue.put_nowait(2).unwrap();
    let mut putter = Waiter::waiting(queue.put(3));
    assert_eq!(queue.get_nowait(), Ok(2));
    assert!(putter.is_woken());
    assert_eq!(queue.put_nowait(4), Err(PutNowaitError::QueueFull(4)));
    assert_eq!(putter.take(), Ok(()));
    assert_eq!(queue.get_nowait(), Ok(3));
}

/// T-19, get: waiting, and promised an item.
#[test]
fn an_item_that_was_promised_to_a_dropped_getter_goes_to_the_next() {
    let queue = Queue::unbounded();
    drop(Waiter::waiting(queue.get()));
    let promised = Waiter::waiting(queue.get());
    let mut next = Waiter::waiting(queue.get());
    queue.put_nowait("item").unwrap();
    assert!(promised.is_woken() && !next.is_woken());
    drop(promised);
    assert_eq!(next.take(), Ok("item"));
    let promised = Waiter::waiting(queue.get());
    queue.put_nowait("another").unwrap();
    drop(promised);
    assert_eq!(queue.get_nowait(), Ok("another"));
}

/// T-19, put: waiting, and granted room. The item of a dropped put is dropped with it.
#[test]
fn room_that_was_granted_to_a_dropped_putter_goes_to_the_next() {
    let queue = Queue::bounded(1);
    let counted = Rc::new(());
    queue.put_nowait(counted.clone()).unwrap();
    drop(Waiter::waiting(queue.put(counted.clone())));
    let granted = Waiter::waiting(queue.put(counted.clone()));
    let mut next = Waiter::waiting(queue.put(counted.clone()));
    drop(queue.get_nowait().unwrap());
    assert!(granted.is_woken() && !next.is_woken());
    drop(granted);
    assert_eq!(next.take(), Ok(()));
    assert_eq!((queue.qsize(), Rc::strong_count(&counted)), (1, 2));
    drop(queue.get_nowait());
    queue.put_nowait(counted.clone()).unwrap();
}

/// T-19 with tasks: the getter is cancelled in the pass in which its item came.
#[test]
fn cancelling_a_task_that_was_promised_an_item_loses_no_item() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let queue = Rc::new(Queue::bounded(1));
            let [first, second] = ["first", "second"].map(|name| {
                let (queue, trace) = (queue.clone(), trace.clone());
                create_task(async move {
                    let item = queue.get().await.unwrap();
                    trace.log(format_args!("{name} {item}"));
                })
            });
            yield_now().await;
            queue.put("item").await.unwrap();
            first.cancel();
            second.await.unwrap();
        });
        done.unwrap();
        trace.expect(&["0 second item"]);
    });
}

#[test]
fn join_waits_until_all_that_was_put_is_done() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let queue = Rc::new(Queue::bounded(2));
            queue.join().await;
            let (jobs, log) = (queue.clone(), trace.clone());
            let _worker = create_task(async move {
                while let Ok(job) = jobs.get().await {
                    sleep_ms(job).await;
                    log.log(format_args!("done {job}"));
                    jobs.task_done();
                }
            });
            for job in [1, 2, 3] {
                queue.put(job).await.unwrap();
            }
            queue.join().await;
            trace.log("joined");
        });
        done.unwrap();
        trace.expect(&["1 done 1", "3 done 2", "6 done 3", "6 joined"]);
    });
}

#[test]
fn a_join_ends_even_if_there_is_more_to_do_again_when_it_runs() {
    let queue = Queue::unbounded();
    queue.put_nowait(1).unwrap();
    let mut joining = Waiter::waiting(queue.join());
    queue.task_done();
    queue.put_nowait(2).unwrap();
    joining.take();
    assert!(Waiter::new(queue.join()).poll().is_pending());
}

#[test]
#[should_panic(expected = "more often than items were put")]
fn task_done_too_often_panics() {
    let queue = Queue::unbounded();
    queue.put_nowait(1).unwrap();
    queue.task_done();
    queue.task_done();
}

#[test]
fn a_stream_gives_what_is_put_until_the_queue_is_shut_down() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let queue = Rc::new(Queue::bounded(2));
            let producer = queue.clone();
            let _producer = create_task(async move {
                for item in 0..4 {
                    sleep_ms(1).await;
                    producer.put(item).await.unwrap();
                }
                producer.shutdown(false);
            });
            let mut items = pin!(queue.stream());
            while let Some(item) = poll_fn(|cx| items.as_mut().poll_next(cx)).await {
                trace.log(item);
            }
            assert_eq!(poll_fn(|cx| items.as_mut().poll_next(cx)).await, None);
        });
        done.unwrap();
        trace.expect(&["1 0", "2 1", "3 2", "4 3"]);
    });
}

/// Trap 15: neither side of a queue that is always ready starves the others.
#[test]
#[cfg_attr(miri, ignore = "hundreds of operations, all alike")]
fn a_task_that_only_puts_and_gets_gives_way() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let rounds = Rc::new(Cell::new(0));
            let (log, counted) = (trace.clone(), rounds.clone());
            let other = create_task(async move { log.log(counted.get()) });
            let queue = Queue::unbounded();
            while !other.done() {
                queue.put(()).await.unwrap();
                queue.get().await.unwrap();
                rounds.set(rounds.get() + 1);
            }
            // What is left in one that was shut down is always ready, too.
            for _ in 0..300 {
                queue.put_nowait(()).unwrap();
            }
            queue.shutdown(false);
            let log = trace.clone();
            let other = create_task(async move { log.log("another") });
            while queue.get().await.is_ok() {}
            assert!(other.done());
            // So is that nothing can be put. The first one counts what `put_nowait` has put.
            queue.put(()).await.unwrap_err();
            yield_now().await;
            let other = create_task(async {});
            let mut refused = 0;
            while !other.done() {
                queue.put(()).await.unwrap_err();
                refused += 1;
            }
            trace.log(refused);
        });
        done.unwrap();
        trace.expect(&["0 64", "0 another", "0 129"]);
    });
}

/// The budget is asked for many operations at once, and for all of them.
#[test]
#[cfg_attr(miri, ignore = "hundreds of operations, all alike")]
fn operations_that_go_the_quick_way_are_counted() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let queue = Queue::unbounded();
            let done = Rc::new(Cell::new(0));
            let (log, counted) = (trace.clone(), done.clone());
            let _others = create_task(async move {
                loop {
                    yield_now().await;
                    log.log(counted.get());
                }
            });
            yield_now().await;
            for item in 0..1_000 {
                queue.put(item).await.unwrap();
                done.set(item + 1);
            }
            trace.log("got");
            for item in 0..1_000 {
                assert_eq!(queue.get().await, Ok(item));
                done.set(item + 1);
            }
        });
        done.unwrap();
        trace.expect(&[
            "0 192", "0 320", "0 448", "0 576", "0 704", "0 832", "0 960", "0 got", //
            "0 128", "0 256", "0 384", "0 512", "0 640", "0 768", "0 896",
        ]);
    });
}

/// What cannot give way opens no quick way for those that can: they would never be counted.
#[test]
fn a_task_gives_way_though_every_other_operation_of_it_cannot() {
    at_both_starts(|event_loop, trace| {
        for is_nowait_first in [true, false] {
            let done = event_loop.run_until_complete(async {
                let queue = Queue::bounded(7);
                let other = create_task(async {});
                let mut rounds = 0;
                while !other.done() && rounds < 100 {
                    rounds += 1;
                    for item in 0..7 {
                        if (item % 2 == 0) == is_nowait_first {
                            queue.put_nowait(item).unwrap();
                        } else {
                            queue.put(item).await.unwrap();
                        }
                    }
                    for item in 0..7 {
                        if (item % 2 == 0) == is_nowait_first {
                            assert_eq!(queue.get_nowait(), Ok(item));
                        } else {
                            assert_eq!(queue.get().await, Ok(item));
                        }
                    }
                }
                trace.log(rounds);
            });
            done.unwrap();
        }
        trace.expect(&["0 11", "0 11"]);
    });
}

/// What has to wait takes nothing from the budget: each of them stands in its line after one poll.
#[test]
#[cfg_attr(miri, ignore = "hundreds of operations, all alike")]
fn a_task_may_begin_to_wait_for_any_number_of_queues_in_one_poll() {
    at_both_starts(|event_loop, _| {
        let done = event_loop.run_until_complete(async {
            let queue = Queue::bounded(1);
            let count = 300;
            let mut gets: Vec<_> = (0..count).map(|_| Box::pin(queue.get())).collect();
            poll_fn(|cx| {
                assert!(gets.iter_mut().all(|get| get.as_mut().poll(cx).is_pending()));
                Poll::Ready(())
            })
            .await;
            assert!(gets.iter().all(|get| format!("{get:?}").contains("waiting: true")));
            drop(gets);
            queue.put_nowait(0).unwrap();
            let mut puts: Vec<_> = (0..count).map(|item| Box::pin(queue.put(item))).collect();
            poll_fn(|cx| {
                assert!(puts.iter_mut().all(|put| put.as_mut().poll(cx).is_pending()));
                Poll::Ready(())
            })
            .await;
            assert!(puts.iter().all(|put| format!("{put:?}").contains("waiting: true")));
        });
        done.unwrap();
    });
}

/// Polled while a shutdown wakes others, a put has to let go of its waker; what that does is no reason to lose the item.
#[test]
fn a_refused_put_keeps_its_item_though_its_waker_panics_in_a_leaked_queue() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the drop of a waker panics");
        }
    }
    let queue: &'static Queue<u32> = Box::leak(Box::new(Queue::bounded(1)));
    queue.put_nowait(1).unwrap();
    let put = Rc::new(RefCell::new(Box::pin(queue.put(2))));
    let bomb = Waker::from(Arc::new(Bomb));
    assert!(put.borrow_mut().as_mut().poll(&mut Context::from_waker(&bomb)).is_pending());
    assert!(!panics(move || drop(bomb)), "the put holds another one");
    let refused = put.clone();
    let poll = move || assert!(poll_once(&mut *refused.borrow_mut(), Waker::noop()).is_ready());
    let mut join = Box::pin(queue.join());
    assert!(poll_once(&mut join, &waker_that(move || assert!(panics(&poll)))).is_pending());
    queue.shutdown(true);
    assert_eq!(poll_once(&mut *put.borrow_mut(), Waker::noop()), Poll::Ready(Err(QueueShutDown(2))));
}

/// T-18, for a queue of any order: it has as much memory as it has ever needed for its items, and all else takes nothing.
pub(crate) fn allocates_nothing_in_the_steady_state<O: QueueOrder<u32>>(queue: &Queue<u32, O>) {
    let rounds = if cfg!(miri) { 50 } else { 100_000 };
    let mut cx = Context::from_waker(Waker::noop());
    let mut round = |items: u32| {
        for item in 0..items {
            assert!(pin!(queue.put(item)).poll(&mut cx).is_ready());
        }
        if items == 4 {
            assert!(pin!(queue.put(9)).poll(&mut cx).is_pending());
        }
        for left in (0..items).rev() {
            assert!(matches!(pin!(queue.get()).poll(&mut cx), Poll::Ready(Ok(_))));
            assert!(pin!(queue.join()).poll(&mut cx).is_pending());
            queue.task_done();
            assert_eq!(pin!(queue.join()).poll(&mut cx).is_ready(), left == 0);
        }
        assert!(pin!(queue.get()).poll(&mut cx).is_pending());
    };
    round(4);
    let (heap, ()) = heap_during(|| (0..rounds).for_each(|number| round(number % 5)));
    assert_eq!(heap, Heap::default());
}

#[test]
fn nothing_is_allocated_in_the_steady_state() {
    allocates_nothing_in_the_steady_state(&Queue::bounded(4));
}

#[test]
fn a_future_takes_at_most_72_bytes_beside_its_item() {
    #[cfg(target_pointer_width = "64")]
    {
        assert!(size_of::<QueueGet<'_, [u64; 8], Fifo<[u64; 8]>>>() <= 72);
        assert!(size_of::<QueuePut<'_, u32, Fifo<u32>>>() <= 80);
    }
}
