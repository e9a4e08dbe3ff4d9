//! What tasks coordinate with, on the target.

use core::cell::Cell;
use core::pin::pin;

use board::{Clock, yield_once};
use uasyncio_core::sleep_ms;
use uasyncio_sync::{
    Barrier, Condition, Event, Lock, RingbufQueue, Selected, Semaphore, ThreadSafeQueue, TimeoutError, Watch, gather, select,
    try_gather, wait_for_ms,
};

use crate::LOOP;
use crate::harness::{Trace, test};

pub(crate) fn tests(clock: Clock) {
    test("a_lock_is_handed_on_in_order", || {
        let (lock, trace) = (Lock::new(0), Trace::new());
        let task = async |name: char| {
            let mut guard = lock.lock().await;
            trace.mark(name);
            *guard += 1;
            yield_once().await;
        };
        LOOP.run(&clock, [pin!(task('a')), pin!(task('b')), pin!(task('c')), pin!(task('d'))]);
        trace.is("abcd");
        assert_eq!(lock.into_inner(), 4);
    });
    test("a_dropped_waiter_passes_its_turn_on", || {
        let (semaphore, trace) = (Semaphore::new(0), Trace::new());
        let impatient = async {
            assert!(matches!(wait_for_ms(semaphore.acquire(), 5).await, Err(TimeoutError)));
            trace.mark('t');
        };
        let patient = async {
            let _permit = semaphore.acquire().await;
            trace.mark('p');
        };
        let giver = async {
            sleep_ms(20).await;
            semaphore.release(1);
        };
        LOOP.run(&clock, [pin!(impatient), pin!(patient), pin!(giver)]);
        trace.is("tp");
    });
    test("a_pulse_of_an_event_releases_all_that_wait", || {
        let (event, released) = (Event::new(), Cell::new(0));
        let waiter = async || {
            event.wait().await;
            released.set(released.get() + 1);
        };
        let pulse = async {
            yield_once().await;
            event.set();
            event.clear();
        };
        LOOP.run(&clock, [pin!(waiter()), pin!(waiter()), pin!(waiter()), pin!(pulse)]);
        assert_eq!(released.get(), 3);
    });
    test("a_condition_and_a_barrier", || {
        let (condition, lock, barrier) = (Condition::new(), Lock::new(0), Barrier::new(3));
        let waiter = async || {
            let guard = condition.wait_for(lock.lock().await, |value| *value == 2).await;
            drop(guard);
            barrier.wait().await.unwrap();
        };
        let setter = async {
            for value in 1..=2 {
                yield_once().await;
                *lock.lock().await = value;
                condition.notify_all();
            }
            barrier.wait().await.unwrap();
        };
        LOOP.run(&clock, [pin!(waiter()), pin!(waiter()), pin!(setter)]);
        assert!(!barrier.broken());
    });
    test("queues_keep_the_order", || {
        let (queue, ring, trace) = (ThreadSafeQueue::<char, 2>::new(), RingbufQueue::<char, 3>::new(), Trace::new());
        let producer = async {
            for item in "abcdef".chars() {
                queue.put(item).await;
                ring.put(item);
            }
        };
        let consumer = async {
            for _ in 0..6 {
                trace.mark(queue.get().await);
            }
            while let Some(item) = ring.get_nowait() {
                trace.mark(item);
            }
        };
        LOOP.run(&clock, [pin!(producer), pin!(consumer)]);
        trace.is("abcdefdef");
    });
    test("combinators", || {
        LOOP.run(
            &clock,
            [pin!(async {
                let after = async |millis: u32, value: u32| {
                    sleep_ms(millis).await;
                    value
                };
                assert_eq!(gather((after(9, 1), after(3, 2), async { 3 })).await, (1, 2, 3));
                assert_eq!(gather([after(3, 4), after(2, 5)]).await, [4, 5]);
                let failing = async { Err::<u32, u32>(7) };
                assert_eq!(try_gather((async { Ok::<u32, u32>(1) }, failing)).await, Err(7));
                let first = pin!(after(4, 1));
                let second = pin!(after(2, 2));
                assert!(matches!(select(first, second).await, Selected::Second(_, 2)));
            })],
        );
    });
    test("a_watch_shows_the_latest_value", || {
        let (watch, seen) = (Watch::new(0), Cell::new(0));
        let reader = async {
            let mut receiver = watch.receiver();
            while receiver.changed().await.is_ok() {
                seen.set(receiver.get());
            }
        };
        let writer = async {
            for value in 1..=5 {
                watch.set(value);
                yield_once().await;
            }
            watch.close();
        };
        LOOP.run(&clock, [pin!(reader), pin!(writer)]);
        assert_eq!(seen.get(), 5);
    });
}
