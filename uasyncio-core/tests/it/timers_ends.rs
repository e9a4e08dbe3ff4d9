//! Timers that are dropped, forgotten, or moved to another loop while they are linked.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::AtomicPtr;
use std::task::{Context, Poll, Waker};

use crate::common::{CountingWaker, at_both_starts, with_loops_at_both_starts};
use uasyncio_core::{Attention, EventLoop, RunError, Sleep, VirtualTime, sleep_ms};

fn poll(sleep: &mut Pin<Box<Sleep>>, waker: &Waker) -> Poll<()> {
    sleep.as_mut().poll(&mut Context::from_waker(waker))
}

/// Sleeps are dropped while they are linked: the first, one in the middle, the last of a list, and then the only one.
#[test]
fn drop_linked_sleep() {
    at_both_starts(|event_loop, trace| {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 0, 3]] {
            event_loop
                .run_until_complete(async {
                    let (counting, waker) = CountingWaker::new();
                    let mut sleeps: Vec<_> = (0..4).map(|_| Some(Box::pin(sleep_ms(100)))).collect();
                    for sleep in sleeps.iter_mut().flatten() {
                        assert!(poll(sleep, &waker).is_pending());
                    }
                    for index in &order[..3] {
                        sleeps[*index] = None;
                    }
                    sleep_ms(100).await;
                    assert_eq!(counting.wakes(), 1);
                    assert!(poll(sleeps[order[3]].as_mut().unwrap(), &waker).is_ready());
                })
                .unwrap();
        }
        drop(trace.take());
        // With the last one gone the loop has nothing to wait for.
        let mut only = Box::pin(sleep_ms(100));
        let jumps = event_loop.platform().jumps();
        let end = event_loop.run_until_complete(async {
            assert!(poll(&mut only, Waker::noop()).is_pending());
            drop(only);
            std::future::pending::<()>().await;
        });
        assert!(matches!(end, Err(RunError::Deadlock(_))));
        assert_eq!(event_loop.platform().jumps(), jumps);
    });
}

/// A sleep that is leaked while it is linked: the loop goes on, fires it in its turn, and lets go of it at its end (tachyonix #1).
#[test]
fn forget_linked_sleep() {
    /// For leak detectors: meant.
    static FORGOTTEN: Mutex<Vec<AtomicPtr<Sleep>>> = Mutex::new(Vec::new());
    with_loops_at_both_starts(|event_loop, trace| {
        let (counting, waker) = CountingWaker::new();
        let [mut fires, mut stays] = [10, 1_000].map(|millis| {
            let sleep = Box::leak(Box::new(sleep_ms(millis)));
            FORGOTTEN.lock().unwrap().push(AtomicPtr::new(sleep));
            Pin::static_mut(sleep)
        });
        event_loop
            .run_until_complete(async {
                let mut cx = Context::from_waker(&waker);
                assert!(fires.as_mut().poll(&mut cx).is_pending());
                assert!(stays.as_mut().poll(&mut cx).is_pending());
                sleep_ms(20).await;
                trace.log("the loop goes on");
            })
            .unwrap();
        trace.expect(&["20 the loop goes on"]);
        assert_eq!(counting.wakes(), 1);
        drop(event_loop);
        assert_eq!(counting.wakes(), 2, "whoever waits is told");
        let next = EventLoop::with_platform(VirtualTime::new());
        next.run_until_complete(stays).unwrap();
        assert_eq!(next.time().as_millis(), 1_000, "it began anew");
    });
}

/// A sleep that outlives its loop may be dropped, or go on in another loop from the beginning.
#[test]
fn sleep_outlives_its_loop() {
    with_loops_at_both_starts(|event_loop, _| {
        let mut sleeps: Vec<_> = [5, 70, 5_000, 1 << 30].into_iter().map(|millis| Box::pin(sleep_ms(millis))).collect();
        let mut fired = Box::pin(sleep_ms(2));
        event_loop
            .run_until_complete(async {
                sleeps.iter_mut().for_each(|sleep| assert!(poll(sleep, Waker::noop()).is_pending()));
                assert!(poll(&mut fired, Waker::noop()).is_pending());
                sleep_ms(3).await;
            })
            .unwrap();
        drop(event_loop);
        drop(sleeps.swap_remove(2));
        let next = EventLoop::with_platform(VirtualTime::new());
        next.run_until_complete(async {
            for sleep in &mut sleeps {
                sleep.await;
            }
            // It fired in the old loop, but nobody had looked: it counts from here.
            fired.await;
        })
        .unwrap();
        assert_eq!(next.time().as_millis(), 5 + 70 + (1 << 30) + 2);
    });
}

/// A sleep is polled in a second loop while it is linked in the first: it moves over, and begins anew there.
#[test]
fn sleep_polled_in_a_second_loop() {
    at_both_starts(|outer, trace| {
        let inner = EventLoop::with_platform(VirtualTime::new());
        let (counting, waker) = CountingWaker::new();
        outer
            .run_until_complete(async {
                let sleep = Rc::new(RefCell::new(Box::pin(sleep_ms(10))));
                assert!(poll(&mut sleep.borrow_mut(), &waker).is_pending());
                sleep_ms(4).await;
                // Turns of another loop, from inside this one.
                let moved = sleep.clone();
                let task = inner.create_task(poll_fn(move |cx| moved.borrow_mut().as_mut().poll(cx)));
                assert_eq!(inner.turn().unwrap(), Attention::Within(10));
                sleep_ms(20).await;
                assert_eq!(counting.wakes(), 0, "it is not in this loop any more");
                inner.platform().advance(10);
                while !task.done() {
                    inner.turn().unwrap();
                }
                assert_eq!(task.await.map_err(|error| error.to_string()), Ok(()));
                trace.log("end");
            })
            .unwrap();
        trace.expect(&["24 end"]);
    });
}
