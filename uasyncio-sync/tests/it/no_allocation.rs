//! What does not allocate, whatever is done with it: cells, rings and timers (trap 22). A counting allocator says so.

#![cfg(feature = "std")]

use std::future::poll_fn;
use std::pin::pin;
use std::thread;

use crate::common::at_both_starts;
use crate::counting::{Heap, heap_during};
use futures_core::Stream;
use uasyncio_core::{sleep_ms, yield_now};
use uasyncio_sync::{Delay, MissedTickBehavior, RingbufQueue, ThreadSafeFlag, ThreadSafeQueue, Watch, interval_ms, wait_for_ms};

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
