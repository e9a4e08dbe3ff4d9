//! Loops inside loops, and everything else that is entered again while it runs (T-21; traps 49 to 51).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;

use crate::common::{CallingWaker, OnDrop, Signal, at_both_starts, collect_failures, poll_once};
use uasyncio_core::{
    Attention, EventLoop, RunError, VirtualTime, call_soon, create_task, current_task, get_event_loop, run, sleep_ms, spawn,
    try_run, yield_now,
};

fn is_nested<T>(end: &Result<T, RunError>) -> bool {
    matches!(end, Err(RunError::Nested))
}

/// Trap 49: a second run on the same thread is an error wherever it is tried, and nothing is broken afterwards.
#[test]
fn a_nested_run_is_an_error() {
    at_both_starts(|event_loop, trace| {
        let other = EventLoop::with_platform(VirtualTime::new());
        let tries = |place: &str| {
            assert!(is_nested(&try_run(async {})), "{place}");
            assert!(is_nested(&other.run_until_complete(async {})), "{place}");
            assert!(is_nested(&other.run_forever()), "{place}");
            assert!(is_nested(&event_loop.run_until_complete(async {})), "{place}");
            assert!(is_nested(&event_loop.run_forever()), "{place}");
            assert!(is_nested(&event_loop.turn()), "{place}");
            trace.log(place);
        };
        event_loop
            .run_until_complete(async {
                tries("in a poll");
                yield_now().await;
                let owned = OnDrop(|| tries("in a destructor"));
                drop(owned);
                let unwinding = catch_unwind(AssertUnwindSafe(|| {
                    let _owned = OnDrop(|| tries("in unwinding"));
                    panic!("expected");
                }));
                assert!(unwinding.is_err());
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["0 in a poll", "0 in a destructor", "0 in unwinding"]);
        // After a nested try both work.
        assert_eq!(other.run_until_complete(async { 5 }).unwrap(), 5);
        assert_eq!(event_loop.run_until_complete(async { 6 }).unwrap(), 6);
    });
}

/// The same from a task's destructor, a callback, and a waker that the loop wakes.
#[test]
fn a_nested_run_from_elsewhere() {
    at_both_starts(|event_loop, trace| {
        let tries = |place: &'static str| {
            let trace = trace.clone();
            move || {
                assert!(is_nested(&try_run(async {})));
                trace.log(place);
            }
        };
        event_loop
            .run_until_complete(async {
                call_soon(tries("in a callback"));
                let task = create_task({
                    let _owned = OnDrop(tries("in a cancelled task"));
                    async move {
                        let _owned = _owned;
                        pending::<()>().await;
                    }
                });
                sleep_ms(1).await;
                task.cancel();
                sleep_ms(1).await;
                thread_local!(static IN_WAKER: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) });
                IN_WAKER.set(Some(Box::new(tries("in a waker"))));
                let waker = CallingWaker::waker(|| IN_WAKER.with_borrow(|call| call.as_ref().unwrap()()));
                let mut sleep = Box::pin(sleep_ms(1));
                assert!(poll_once(&mut sleep, &waker).is_pending());
                sleep_ms(2).await;
                IN_WAKER.set(None);
            })
            .unwrap();
        trace.expect(&["0 in a callback", "1 in a cancelled task", "3 in a waker"]);
    });
}

#[test]
fn the_error_of_a_nested_run_says_what_to_do() {
    run(async {
        let error = try_run(async {}).unwrap_err().to_string();
        assert!(error.contains("await the future") && error.contains("turn"), "{error}");
        let panic = catch_unwind(|| run(async {})).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>(), Some(&error));
    });
}

/// Driving another loop by `turn` inside a task is allowed, and the current loop and task are what they were afterwards.
#[test]
fn a_turn_of_another_loop_nests() {
    at_both_starts(|outer, trace| {
        let inner = EventLoop::with_platform(VirtualTime::new());
        let log = trace.clone();
        inner.spawn(async move {
            log.log("in the inner loop");
            assert!(current_task().is_some());
            yield_now().await;
            log.log("again");
        });
        outer
            .run_until_complete(async {
                let (loop_before, task_before) = (get_event_loop(), current_task().unwrap());
                assert_ne!(loop_before, *inner);
                assert_eq!(inner.turn().unwrap(), Attention::Idle);
                assert_eq!(get_event_loop(), loop_before);
                assert_eq!(current_task(), Some(task_before));
                let log = trace.clone();
                spawn(async move { log.log("in the outer loop") });
                yield_now().await;
            })
            .unwrap();
        assert_eq!(trace.take().len(), 3);
    });
}

/// A loop that is in the middle of a turn refuses another one, even from a loop that nests in between.
#[test]
fn a_loop_does_not_turn_inside_its_own_turn() {
    let outer = Rc::new(EventLoop::with_platform(VirtualTime::new()));
    let inner = Rc::new(EventLoop::with_platform(VirtualTime::new()));
    let (own, between, log) = (outer.clone(), inner.clone(), Rc::new(RefCell::new(Vec::new())));
    let lines = log.clone();
    outer.spawn(async move {
        let again = own.clone();
        let inner_lines = lines.clone();
        between.spawn(async move { inner_lines.borrow_mut().push(is_nested(&again.turn())) });
        between.turn().unwrap();
        lines.borrow_mut().push(is_nested(&own.turn()));
        yield_now().await;
        lines.borrow_mut().push(false);
    });
    outer.turn().unwrap();
    assert_eq!(log.take(), [true, true, false]);
}

/// The `block_on` pair of async-io: a wake of the outer loop's task does not poll the inner one, nor the other way round.
#[test]
fn inner_cannot_wake_outer() {
    let outer = EventLoop::with_platform(VirtualTime::new());
    let signal = Signal::new();
    let waiting = signal.clone();
    outer.spawn(async move { waiting.wait().await });
    outer.turn().unwrap();
    let inner = EventLoop::with_platform(VirtualTime::new());
    inner
        .run_until_complete(async {
            for _ in 0..3 {
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    Poll::Ready(())
                })
                .await;
                yield_now().await;
            }
        })
        .unwrap();
    outer.turn().unwrap();
    assert_eq!(signal.polls(), 1);
    signal.wake();
    outer.turn().unwrap();
    assert_eq!(signal.polls(), 2);
}

#[test]
fn outer_cannot_wake_inner() {
    let inner = EventLoop::with_platform(VirtualTime::new());
    let signal = Signal::new();
    let waiting = signal.clone();
    inner.spawn(async move { waiting.wait().await });
    run(async {
        inner.turn().unwrap();
        for _ in 0..3 {
            yield_now().await;
            inner.turn().unwrap();
        }
        assert_eq!(signal.polls(), 1);
        signal.wake(); // of a task of the inner loop, from inside the outer one
        inner.turn().unwrap();
        assert_eq!(signal.polls(), 2);
    });
}

#[test]
fn doesnt_poll_after_ready() {
    at_both_starts(|event_loop, _| {
        let mut polls = 0;
        let main = poll_fn(|cx| {
            polls += 1;
            for _ in 0..3 {
                cx.waker().wake_by_ref();
            }
            if polls == 2 { Poll::Ready(cx.waker().clone()) } else { Poll::Pending }
        });
        let waker = event_loop.run_until_complete(main).unwrap();
        waker.wake_by_ref();
        let end = event_loop.run_until_complete(async {
            waker.wake_by_ref();
            yield_now().await;
            5
        });
        assert_eq!((end.unwrap(), polls), (5, 2));
    });
}

/// U5: the poll of one task may do everything to the others, and to itself.
#[test]
fn a_poll_that_does_everything() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let handle = Rc::new(RefCell::new(None));
                let (own, log) = (handle.clone(), trace.clone());
                let task = create_task(async move {
                    let me: uasyncio_core::Task<()> = own.borrow_mut().take().unwrap();
                    spawn(async {});
                    drop(create_task(async { panic!("expected") }));
                    create_task(pending::<()>()).cancel();
                    poll_fn(|cx| {
                        cx.waker().wake_by_ref();
                        Poll::Ready(())
                    })
                    .await;
                    assert!(me.cancel());
                    assert!(try_run(async {}).is_err());
                    drop(me);
                    get_event_loop().tasks();
                    log.log("all done");
                    pending::<()>().await;
                });
                handle.replace(Some(task));
                for _ in 0..4 {
                    yield_now().await;
                }
                assert_eq!(get_event_loop().tasks().len(), 1);
                assert_eq!(failures.take().len(), 1);
            })
            .unwrap();
        trace.expect(&["0 all done"]);
    });
}

/// Handles of tasks of one loop, used inside another loop of the same thread.
#[test]
fn tasks_across_two_loops() {
    at_both_starts(|outer, trace| {
        let inner = EventLoop::with_platform(VirtualTime::new());
        let log = trace.clone();
        let sleeper = inner.create_task(async move {
            let _owned = OnDrop(move || log.log("inner task dropped"));
            pending::<()>().await;
        });
        let answer = inner.create_task(async { 7 });
        inner.turn().unwrap();
        outer
            .run_until_complete(async {
                let waiting = create_task(async move { (answer.await.unwrap(), sleeper.cancel(), sleeper) });
                let (seven, cancelled, sleeper) = waiting.await.unwrap();
                assert_eq!((seven, cancelled), (7, true));
                let joined = create_task(sleeper);
                yield_now().await;
                assert!(!joined.done());
                inner.turn().unwrap(); // here it is dropped, and the task of the outer loop is woken
                assert!(joined.await.unwrap().unwrap_err().is_cancelled());
            })
            .unwrap();
        assert_eq!(trace.take().len(), 1);
    });
}
