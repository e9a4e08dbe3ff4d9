//! What does not allocate, whatever is done with it: locks, cells, rings and timers; and queues, once their memory has grown (trap 22).
//! A counting allocator says so.

#![cfg(feature = "std")]

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::thread;

use crate::common::at_both_starts;
use crate::counting::{Heap, heap_during};
use futures_core::Stream;
use uasyncio_core::{sleep_ms, yield_now};
use uasyncio_sync::{
    Barrier, Condition, Delay, LifoQueue, Lock, MissedTickBehavior, PriorityQueue, Queue, QueueOrder, RingbufQueue, Semaphore,
    ThreadSafeFlag, ThreadSafeQueue, Watch, interval_ms, wait_for_ms,
};

/// Polls both until the first is ready. By hand, so that nothing but these two is measured.
async fn beside(first: impl Future, second: impl Future) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut second_is_ready = false;
    poll_fn(|cx| {
        second_is_ready = second_is_ready || second.as_mut().poll(cx).is_ready();
        first.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Runs `work` twice in a loop, and says what it asked for the second time, when the loop has set up its timers.
#[track_caller]
fn allocates_nothing<F: Future<Output = ()>>(work: impl Fn() -> F) {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                work().await;
                let (before, future) = heap_during(&work);
                let (mut future, mut spent) = (pin!(future), before);
                poll_fn(|cx| {
                    let (asked, polled) = heap_during(|| future.as_mut().poll(cx));
                    spent.allocations += asked.allocations;
                    polled
                })
                .await;
                assert_eq!(spent, Heap::default());
            })
            .unwrap();
    });
}

/// Whoever comes second waits, and is handed what the first gives back.
#[test]
fn locks_and_permits_that_are_handed_over() {
    const ROUNDS: u32 = 10;
    allocates_nothing(|| async {
        let (lock, handed_over) = (Lock::new(()), Cell::new(0));
        let work = async || {
            for _ in 0..ROUNDS {
                handed_over.set(handed_over.get() + u32::from(lock.locked()));
                let _guard = lock.lock().await;
                yield_now().await;
            }
        };
        beside(work(), work()).await;
        assert_eq!(handed_over.get(), 2 * ROUNDS - 1);

        let (semaphore, handed_over) = (Semaphore::new(3), Cell::new(0));
        let work = async |count| {
            for _ in 0..ROUNDS {
                handed_over.set(handed_over.get() + u32::from(semaphore.available() < count));
                let _permit = semaphore.acquire_many(count).await.unwrap();
                yield_now().await;
            }
        };
        beside(work(2), work(3)).await;
        assert_eq!(handed_over.get(), 2 * ROUNDS - 1);
    });
}

#[test]
fn barriers_and_conditions() {
    const ROUNDS: u32 = 10;
    allocates_nothing(|| async {
        let (barrier, numbers) = (Barrier::new(2), Cell::new(0));
        let work = async || {
            for _ in 0..ROUNDS {
                let number = barrier.wait().await.unwrap();
                numbers.set(numbers.get() + number);
            }
        };
        beside(work(), work()).await;
        assert_eq!(numbers.get(), ROUNDS);

        let (turn, changed) = (Lock::new(0), Condition::new());
        let take_turns = async |parity| {
            for _ in 0..ROUNDS {
                let mut turn = changed.wait_for(turn.lock().await, |turn| *turn % 2 == parity).await;
                *turn += 1;
                changed.notify(1);
                // Without a predicate too: until the other one has had his turn.
                drop(changed.wait(turn).await);
            }
        };
        beside(take_turns(0), take_turns(1)).await;
        assert_eq!(turn.into_inner(), 2 * ROUNDS);
    });
}

#[test]
fn queues_that_have_grown() {
    async fn put_get_and_join(queue: &Queue<u32, impl QueueOrder<u32>>) {
        beside(
            async {
                for item in 0..20 {
                    queue.put(item).await.unwrap();
                }
                queue.join().await;
            },
            async {
                let mut stream = pin!(queue.stream());
                loop {
                    queue.get().await.unwrap();
                    queue.task_done();
                    assert!(poll_fn(|cx| stream.as_mut().poll_next(cx)).await.is_some());
                    yield_now().await;
                    queue.task_done();
                }
            },
        )
        .await;
        assert!(queue.empty());
    }
    let (fifo, lifo, smallest_first) = (Queue::bounded(2), LifoQueue::bounded(2), PriorityQueue::bounded(2));
    allocates_nothing(|| async {
        put_get_and_join(&fifo).await;
        put_get_and_join(&lifo).await;
        put_get_and_join(&smallest_first).await;
    });
}

#[test]
fn interval_and_delay() {
    allocates_nothing(|| async {
        let mut interval = interval_ms(10);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for _ in 0..10 {
            interval.tick().await;
            assert!(wait_for_ms(interval.tick(), 3).await.is_err());
        }
        let delay = Delay::new();
        beside(
            async {
                for millis in [10, 5, 40] {
                    delay.trigger_ms(millis);
                    sleep_ms(1).await;
                }
                delay.wait().await;
                delay.trigger_ms(1_000);
                delay.stop();
                sleep_ms(1).await;
            },
            delay.run(|| async { sleep_ms(2).await }),
        )
        .await;
    });
}

#[test]
fn rings_and_cells() {
    allocates_nothing(|| async {
        let queue = RingbufQueue::<u32, 4>::new();
        let watch = Watch::new(0);
        beside(
            async {
                for item in 0..20 {
                    queue.put(item);
                    watch.set(item);
                    if item % 3 == 0 {
                        yield_now().await;
                    }
                }
                watch.close();
                yield_now().await;
            },
            async {
                let mut stream = pin!(queue.stream());
                let mut receiver = watch.receiver();
                while receiver.changed().await.is_ok() {
                    poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
                    receiver.get();
                }
            },
        )
        .await;
    });
}

#[test]
fn flags_and_queues_between_threads() {
    static FLAG: ThreadSafeFlag = ThreadSafeFlag::new();
    static QUEUE: ThreadSafeQueue<u32, 4> = ThreadSafeQueue::new();
    allocates_nothing(|| async {
        beside(
            async {
                for item in 0..20 {
                    FLAG.wait().await;
                    assert_eq!(QUEUE.get().await, item);
                }
            },
            async {
                for item in 0..20 {
                    QUEUE.put(item).await;
                    FLAG.set();
                    yield_now().await;
                }
            },
        )
        .await;
    });
    // On the thread's side too, while a task waits.
    at_both_starts(|event_loop, _| {
        let hold = event_loop.platform().hold();
        let worker = thread::spawn(move || {
            let (spent, ()) = heap_during(|| {
                FLAG.set();
                QUEUE.try_put(7).unwrap();
            });
            drop(hold);
            spent
        });
        event_loop
            .run_until_complete(async {
                assert_eq!(QUEUE.get().await, 7);
                FLAG.wait().await;
            })
            .unwrap();
        assert_eq!(worker.join().unwrap(), Heap::default());
    });
}
