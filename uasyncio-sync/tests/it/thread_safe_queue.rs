//! ThreadSafeQueue: between a task and threads, without losing an item (trap 32).

#![cfg(feature = "std")]

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use crate::common::{CountingWaker, Drops, Waiter, Watchdog, at_both_starts, block_on, panics, poll_once, waker_that_panics};
use futures_core::Stream;
use uasyncio_core::{create_task, run, sleep_ms, spawn, yield_now};
use uasyncio_sync::{ThreadSafeQueue, ThreadSafeQueueGet, ThreadSafeQueuePut, ThreadSafeQueueStream};

const ITEMS: usize = if cfg!(miri) { 60 } else { 20_000 };

#[test]
fn fifo_and_full() {
    let queue = ThreadSafeQueue::<_, 3>::new();
    assert_eq!((queue.capacity(), queue.len(), queue.is_empty(), queue.is_full()), (3, 0, true, false));
    for round in 0..5 {
        for item in 0..3 {
            assert_eq!(queue.try_put(round * 3 + item), Ok(()));
        }
        assert_eq!((queue.len(), queue.is_empty(), queue.is_full()), (3, false, true));
        assert_eq!(queue.try_put(99), Err(99));
        for item in 0..3 {
            assert_eq!(queue.try_get(), Some(round * 3 + item));
        }
        assert_eq!(queue.try_get(), None);
    }
}

/// A task waits for an item and another for room, at the same time.
#[test]
fn get_and_put_wait() {
    at_both_starts(|event_loop, trace| {
        static QUEUE: ThreadSafeQueue<u32, 2> = ThreadSafeQueue::new();
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let consumer = create_task(async move {
                    for pause in [0, 0, 20, 0] {
                        sleep_ms(pause).await;
                        let item = QUEUE.get().await;
                        log.log(format_args!("got {item}"));
                    }
                });
                sleep_ms(10).await;
                for item in 0..4 {
                    QUEUE.put(item).await;
                    trace.log(format_args!("put {item}"));
                    yield_now().await;
                }
                QUEUE.put(4).await;
                trace.log("put 4");
                consumer.await.unwrap();
                assert_eq!((QUEUE.try_get(), QUEUE.try_get()), (Some(4), None));
            })
            .unwrap();
        trace.expect(&[
            "10 put 0", "10 got 0", "10 put 1", "10 got 1", "10 put 2", "10 put 3", "30 got 2", "30 put 4", "30 got 3",
        ]);
    });
}

#[test]
fn a_second_waiter_panics() {
    let queue = ThreadSafeQueue::<u32, 1>::new();
    let complaint = |panic: Box<dyn std::any::Any + Send>| {
        panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
    };
    let (counting, waker) = CountingWaker::new();
    let mut first = queue.get();
    assert!(poll_once(&mut first, &waker).is_pending());
    let mut second = queue.get();
    let panic = catch_unwind(AssertUnwindSafe(|| poll_once(&mut second, Waker::noop()))).unwrap_err();
    assert_eq!(complaint(panic).unwrap(), "a second task waits for items of a ThreadSafeQueue, which has room for one");
    let mut stream = queue.stream();
    let poll = || Pin::new(&mut stream).poll_next(&mut std::task::Context::from_waker(Waker::noop())).is_ready();
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());

    queue.try_put(1).unwrap();
    assert_eq!(counting.wakes(), 1);
    let mut putter = queue.put(2);
    assert!(poll_once(&mut putter, &waker).is_pending()); // beside the consumer
    let mut second = queue.put(3);
    let panic = catch_unwind(AssertUnwindSafe(|| poll_once(&mut second, Waker::noop()))).unwrap_err();
    assert_eq!(complaint(panic).unwrap(), "a second task waits for room in a ThreadSafeQueue, which has room for one");
    assert!(poll_once(&mut first, &waker).is_ready());
    assert_eq!(counting.wakes(), 2);
    assert!(poll_once(&mut putter, &waker).is_ready());
    assert!(poll_once(&mut second, &waker).is_pending()); // nobody else waits now
    let polled_again = catch_unwind(AssertUnwindSafe(|| poll_once(&mut putter, Waker::noop())));
    assert_eq!(complaint(polled_again.unwrap_err()).unwrap(), "a put was polled after it had put its item");
}

/// T-18, T-19: who stops waiting takes no item along, and leaves no waker.
#[test]
fn cancel_loses_nothing() {
    let queue = ThreadSafeQueue::<u32, 1>::new();
    let (counting, waker) = CountingWaker::new();
    let wakers = Arc::strong_count(&counting);
    let mut get = queue.get();
    assert!(poll_once(&mut get, &waker).is_pending());
    queue.try_put(1).unwrap();
    assert_eq!(counting.wakes(), 1);
    drop(get); // told, and not polled
    assert_eq!(Arc::strong_count(&counting), wakers);

    let mut put = queue.put(2);
    assert!(poll_once(&mut put, &waker).is_pending());
    assert_eq!(queue.try_get(), Some(1));
    assert_eq!(counting.wakes(), 2);
    drop(put); // there is room, and it was not polled: the item is not put
    assert_eq!(Arc::strong_count(&counting), wakers);
    assert_eq!(queue.try_get(), None);
    assert!(poll_once(&mut queue.put(3), &waker).is_ready());
    assert!(poll_once(&mut queue.get(), &waker).is_ready());
    assert_eq!(counting.wakes(), 2);
}

/// T-20: a waker that panics. What was put is there, what was got is dropped, and the next waiters are told.
#[test]
fn wakers_that_panic() {
    let (drops, queue) = (Drops::default(), ThreadSafeQueue::<_, 1>::new());
    let mut get = Waiter::new(queue.get());
    assert!(get.poll_with(&waker_that_panics().1).is_pending());
    assert!(panics(|| assert!(queue.try_put(drops.child()).is_ok())));
    assert_eq!((queue.len(), drops.count()), (1, 0));
    drop(get.now());
    drop(get);
    assert!(queue.try_put(drops.child()).is_ok());
    let mut put = Waiter::new(queue.put(drops.child()));
    assert!(put.poll_with(&waker_that_panics().1).is_pending());
    assert!(panics(|| drop(queue.try_get())));
    assert_eq!((queue.len(), drops.count()), (0, 2));
    put.now();
    drop(put);
    let mut put = Waiter::waiting(queue.put(drops.child()));
    drop(queue.try_get());
    put.take();
    drop(queue.try_get());
    let mut get = Waiter::waiting(queue.get());
    assert!(queue.try_put(drops.child()).is_ok());
    drop(get.take());
    assert_eq!((queue.len(), drops.count()), (0, 5));
}

/// T-20: a put whose item is in the queue has put it, though the waker of who waits for it panics.
#[test]
fn a_put_that_panics_has_put_its_item() {
    let queue = ThreadSafeQueue::<u32, 1>::new();
    let mut get = Waiter::new(queue.get());
    assert!(get.poll_with(&waker_that_panics().1).is_pending());
    let mut put = Waiter::new(queue.put(1));
    assert!(panics(|| put.now()));
    assert!(panics(|| put.now()), "it is polled after it has put its item");
    drop(put);
    assert_eq!(get.now(), 1);
    queue.try_put(2).unwrap();
    let mut put = Waiter::waiting(queue.put(3)); // there is a seat
    assert_eq!(queue.try_get(), Some(2));
    put.take();
}

#[test]
fn items_are_dropped_once() {
    let drops = Drops::default();
    let queue = ThreadSafeQueue::<_, 2>::new();
    for _ in 0..2 {
        assert!(queue.try_put(drops.child()).is_ok());
    }
    let mut put = queue.put(drops.child());
    assert!(poll_once(&mut put, Waker::noop()).is_pending());
    drop(put);
    assert_eq!(drops.count(), 1);
    drop(queue.try_get());
    assert_eq!(drops.count(), 2);
    drop(queue);
    assert_eq!(drops.count(), 3);
}

/// Two threads put, a task gets: all items, those of each thread in their order. On ours and on another executor.
#[test]
fn from_threads_to_a_task() {
    let _watchdog = Watchdog::new("a queue from threads to a task");
    for ours in [true, false] {
        let queue = ThreadSafeQueue::<(usize, usize), 8>::new();
        thread::scope(|scope| {
            for producer in 0..2 {
                let queue = &queue;
                scope.spawn(move || {
                    for item in 0..ITEMS / 2 {
                        while queue.try_put((producer, item)).is_err() {
                            thread::yield_now();
                        }
                    }
                });
            }
            let consumer = async {
                let mut next = [0, 0];
                let mut stream = pin!(queue.stream());
                while next.iter().sum::<usize>() < ITEMS / 2 * 2 {
                    let (producer, item) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await.unwrap();
                    assert_eq!(item, next[producer]);
                    next[producer] += 1;
                }
            };
            if ours { run(consumer) } else { block_on(consumer) }
        });
        assert!(queue.is_empty());
    }
}

/// A task puts, and waits for room, and a thread gets.
#[test]
fn from_a_task_to_a_thread() {
    let _watchdog = Watchdog::new("a queue from a task to a thread");
    let queue = ThreadSafeQueue::<usize, 3>::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for expected in 0..ITEMS {
                let item = loop {
                    match queue.try_get() {
                        Some(item) => break item,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(item, expected);
            }
        });
        run(async {
            for item in 0..ITEMS {
                queue.put(item).await;
            }
        });
    });
}

/// While a thread is at work for the loop, its virtual clock stands still.
#[test]
fn on_virtual_time() {
    let _watchdog = Watchdog::new("a queue on virtual time");
    at_both_starts(|event_loop, trace| {
        static QUEUE: ThreadSafeQueue<u32, 2> = ThreadSafeQueue::new();
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                spawn(async move {
                    sleep_ms(10).await;
                    log.log("timer");
                });
                yield_now().await;
                let hold = event_loop.platform().hold();
                let worker = thread::spawn(move || {
                    QUEUE.try_put(1).unwrap();
                    QUEUE.try_put(2).unwrap();
                    drop(hold);
                });
                trace.log(QUEUE.get().await);
                trace.log(QUEUE.get().await);
                sleep_ms(20).await;
                worker.join().unwrap();
            })
            .unwrap();
        trace.expect(&["0 1", "0 2", "10 timer"]);
    });
}

/// T-24: neither a queue that is never empty nor one that is never full keeps the others waiting.
#[test]
#[cfg(feature = "alloc")] // which the budget needs
fn an_endless_loop_gives_way() {
    run(async {
        let queue = ThreadSafeQueue::<u32, 4>::new();
        let child = create_task(async {});
        let mut rounds = 0;
        while !child.done() {
            queue.put(rounds).await;
            assert_eq!(queue.get().await, rounds);
            rounds += 1;
        }
        assert!((50..100).contains(&rounds), "{rounds}");
    });
}

#[test]
fn names_and_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<ThreadSafeQueue<std::cell::Cell<u32>, 4>>();
    is_shared::<ThreadSafeQueueGet<'_, u32, 4>>();
    is_shared::<ThreadSafeQueuePut<'_, u32, 4>>();
    is_shared::<ThreadSafeQueueStream<'_, u32, 4>>();
    let queue = ThreadSafeQueue::<u32, 4>::default();
    assert_eq!(format!("{queue:?}"), "ThreadSafeQueue { len: 0, capacity: 4, .. }");
    assert!(format!("{:?}", queue.put(1)).starts_with("ThreadSafeQueuePut"));
}
