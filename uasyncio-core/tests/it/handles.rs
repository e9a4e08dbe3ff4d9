//! Handles of tasks: awaiting, dropping, and outliving the loop (trap 6, and the join tests of other executors).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{CountingWaker, Signal, at_both_starts, poll_once, with_loops_at_both_starts};
use uasyncio_core::{EventLoop, Task, VirtualTime, create_task, current_task, get_event_loop, run, sleep_ms, yield_now};

/// Trap 6, asyncio_basic2: a task runs on when nobody holds its handle.
#[test]
fn handle_dropped_detaches() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let (early, late) = (trace.clone(), trace.clone());
                drop(create_task(async move { early.log("dropped before its first poll") }));
                let task = create_task(async move {
                    sleep_ms(5).await;
                    late.log("dropped while it slept");
                });
                yield_now().await;
                drop(task);
                sleep_ms(10).await;
            })
            .unwrap();
        trace.expect(&["0 dropped before its first poll", "5 dropped while it slept"]);
    });
}

/// A task may drop its own handle while it runs, and again end normally.
#[test]
fn handle_dropped_during_own_poll() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let handle = Rc::new(RefCell::new(None::<Task<Signal>>));
                let (own, log) = (handle.clone(), trace.clone());
                let task = create_task(async move {
                    drop(own.take().unwrap());
                    log.log("handle dropped");
                    yield_now().await;
                    log.log("the end");
                    Signal::new()
                });
                handle.replace(Some(task));
                sleep_ms(1).await;
                assert_eq!(get_event_loop().tasks().len(), 1);
            })
            .unwrap();
        trace.expect(&["0 handle dropped", "0 the end"]);
    });
}

/// A finished task's result waits for whoever comes, also after the loop's end.
#[test]
fn handle_outlives_executor() {
    with_loops_at_both_starts(|event_loop, _| {
        let mut done = event_loop.create_task(async { String::from("result") });
        let mut never = event_loop.create_task(pending::<String>());
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        drop(event_loop);
        assert!(done.done() && never.done());
        assert!(!done.cancel() && !never.cancel());
        assert!(done.id().is_some(), "which one depends on who uses the memory now");
        never.set_name("of no effect");
        assert!(!format!("{done:?} {never:?}").is_empty());
        assert!(matches!(poll_once(&mut done, Waker::noop()), Poll::Ready(Ok(result)) if result == "result"));
        assert!(matches!(poll_once(&mut never, Waker::noop()), Poll::Ready(Err(end)) if end.is_cancelled()));
    });
}

/// The awaiter may be in another loop, or be no task at all; the end of the task's loop wakes it.
#[test]
fn await_task_after_dropping_executor() {
    at_both_starts(|event_loop, trace| {
        let other = EventLoop::with_platform(VirtualTime::new());
        let task = other.create_task(pending::<()>());
        let mut polled_by_hand = other.create_task(pending::<()>());
        other.turn().unwrap();
        let (counting, waker) = CountingWaker::new();
        assert!(poll_once(&mut polled_by_hand, &waker).is_pending());
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let waiter = create_task(async move {
                    log.log("waits");
                    assert!(task.await.unwrap_err().is_cancelled());
                    log.log("knows");
                });
                sleep_ms(1).await;
                trace.log("drops the loop");
                drop(other);
                waiter.await.unwrap();
                assert_eq!(counting.wakes(), 1);
                assert!(polled_by_hand.await.unwrap_err().is_cancelled());
            })
            .unwrap();
        trace.expect(&["0 waits", "1 drops the loop", "1 knows"]);
    });
}

/// Only the latest waiter is woken: the waker is replaced, as `Future::poll` wants it.
#[test]
fn the_latest_waker_is_woken() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut task = create_task(sleep_ms(5));
                let (first, first_waker) = CountingWaker::new();
                let (second, second_waker) = CountingWaker::new();
                assert!(poll_once(&mut task, &first_waker).is_pending());
                assert!(poll_once(&mut task, &second_waker).is_pending());
                assert!(poll_once(&mut task, &second_waker).is_pending());
                drop(first_waker);
                assert_eq!(std::sync::Arc::strong_count(&first), 1, "the replaced waker is not kept");
                sleep_ms(10).await;
                assert_eq!((first.wakes(), second.wakes()), (0, 1));
                drop(second_waker);
                assert_eq!(std::sync::Arc::strong_count(&second), 1, "a woken waker is not kept");
                assert!(poll_once(&mut task, Waker::noop()).is_ready());
            })
            .unwrap();
    });
}

/// T-18 for tasks: giving up waiting again and again keeps nothing.
#[test]
fn awaiting_by_reference_can_be_given_up() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut task = create_task(async {
                    sleep_ms(50).await;
                    5
                });
                let (counting, waker) = CountingWaker::new();
                for _ in 0..10 {
                    let mut waiting = Box::pin(async { (&mut task).await.unwrap() });
                    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                }
                drop(waker);
                assert!(std::sync::Arc::strong_count(&counting) <= 2);
                assert_eq!(task.await.unwrap(), 5);
            })
            .unwrap();
    });
}

#[test]
fn cancel_on_drop() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let sleeper = async move {
                    let _owned = log.on_drop("dropped");
                    sleep_ms(60_000).await;
                };
                let task = create_task(sleeper).cancel_on_drop();
                yield_now().await;
                assert!(!task.task().done());
                drop(task);
                trace.log("handle dropped");
                sleep_ms(1).await;
                let finished = create_task(async { 5 }).cancel_on_drop();
                yield_now().await;
                assert_eq!(finished.await.unwrap(), 5);
                drop(create_task(async { 6 }).cancel_on_drop());
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["0 handle dropped", "0 dropped"]);
    });
}

/// asyncio's rule for those who want it: cancelling the awaiter cancels what it awaits (trap 4 says that by default it does not).
#[test]
fn cancel_on_drop_passes_a_cancel_on() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let inner = create_task(async move {
                    let _owned = log.on_drop("inner dropped");
                    pending::<()>().await;
                });
                let log = trace.clone();
                let outer = create_task(async move {
                    let _owned = log.on_drop("outer dropped");
                    inner.cancel_on_drop().await.unwrap();
                });
                sleep_ms(1).await;
                outer.cancel();
                assert!(outer.await.unwrap_err().is_cancelled());
                trace.log("outer ended");
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["1 outer dropped", "1 inner dropped", "1 outer ended"]);
    });
}

#[test]
fn ids_are_unique_among_the_living() {
    run(async {
        let tasks: Vec<_> = (0..200).map(|_| create_task(async { current_task() })).collect();
        let mut ids: Vec<_> = tasks.iter().map(|task| task.id().unwrap()).collect();
        ids.push(current_task().unwrap());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 201);
        for task in tasks {
            let id = task.id();
            assert_eq!(task.await.unwrap(), id);
        }
    });
}
