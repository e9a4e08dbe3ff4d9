//! `timeout`: a limit over a block, moved from inside and from other tasks.

#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::common::{CallingWaker, CountingWaker, OnDrop, STARTS, Signal, Trace, at_both_starts, block_on, poll_once};
use crate::counting::{Heap, heap, since};
use uasyncio_core::{EventLoop, Ticks, VirtualTime, create_task, get_event_loop, sleep_ms, yield_now};
use uasyncio_sync::{Timeout, TimeoutError, timeout, timeout_ms};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What ends in time gives its value, what does not is dropped before the error is there.
#[test]
fn value_or_error() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let scope = timeout_ms(5);
                assert_eq!(scope.run(async { sleep_ms(5).await }).await, Ok(())); // the value wins the tie
                assert!(!scope.expired());
                let scope = timeout_ms(5);
                let block = async {
                    let _gone = trace.on_drop("gone");
                    sleep_ms(6).await;
                };
                assert_eq!(scope.run(block).await, Err(TimeoutError));
                assert!(scope.expired());
                trace.log("expired");
            })
            .unwrap();
        trace.expect(&["10 gone", "10 expired"]);
    });
}

/// The limit counts from the first poll of the block, wherever the object was made.
#[test]
fn when() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let in_so_long = |millis: u32| Some(get_event_loop().time().wrapping_add(millis));
                let scope = timeout_ms(10);
                sleep_ms(7).await;
                assert_eq!(scope.when(), None);
                let expected = in_so_long(10);
                let block = async {
                    assert_eq!(scope.when(), expected);
                    sleep_ms(4).await;
                    assert_eq!(scope.when(), expected);
                    scope.reschedule(Some(Duration::from_micros(2_500)));
                    assert_eq!(scope.when(), in_so_long(3));
                    scope.reschedule(None);
                    assert_eq!(scope.when(), None);
                    scope.reschedule(Some(Duration::from_secs(24 * 60 * 60 * 30))); // ticks cannot tell
                    assert_eq!(scope.when(), None);
                    scope.reschedule(Some(ms(9)));
                    assert_eq!(scope.when(), in_so_long(9));
                    pending::<()>().await;
                };
                assert!(scope.run(block).await.is_err());
                assert_eq!(scope.when(), Some(get_event_loop().time())); // when it was
                assert_eq!(scope.when().map(|when| when.diff(expected.unwrap())), Some(3));
            })
            .unwrap();
    });
}

/// The limit moved from inside: later, earlier, away, and to now.
#[test]
fn moved_from_inside() {
    at_both_starts(|event_loop, trace| {
        let end_of = async |moves: &[(u32, Option<Duration>)]| {
            let trace = trace.restarted(event_loop);
            let scope = timeout_ms(10);
            let block = async {
                for (after, length) in moves {
                    sleep_ms(*after).await;
                    assert!(scope.reschedule(*length));
                }
                sleep_ms(50).await;
            };
            let end = scope.run(block).await;
            trace.log(if end.is_ok() { "value" } else { "timeout" });
            assert_eq!(scope.expired(), end.is_err());
            trace.take().concat()
        };
        event_loop
            .run_until_complete(async {
                assert_eq!(end_of(&[]).await, "10 timeout");
                assert_eq!(end_of(&[(5, Some(ms(10)))]).await, "15 timeout");
                assert_eq!(end_of(&[(5, Some(ms(1)))]).await, "6 timeout");
                assert_eq!(end_of(&[(5, Some(ms(9))), (8, Some(ms(9)))]).await, "22 timeout");
                assert_eq!(end_of(&[(5, None)]).await, "55 value");
                assert_eq!(end_of(&[(5, None), (20, Some(ms(1)))]).await, "26 timeout");
                assert_eq!(end_of(&[(5, Some(Duration::ZERO))]).await, "5 timeout");
                assert_eq!(end_of(&[(0, Some(ms(3)))]).await, "3 timeout");
            })
            .unwrap();
    });
}

/// The limit moved by another task, which wakes the block's: to earlier, to later, and to now. The length counts from the call.
#[test]
fn moved_from_another_task() {
    at_both_starts(|event_loop, trace| {
        let end_of = async |length: Option<Duration>| {
            let trace = trace.restarted(event_loop);
            let scope = Rc::new(timeout_ms(10));
            let mover = scope.clone();
            let _task = create_task(async move {
                sleep_ms(4).await;
                assert!(mover.reschedule(length));
            });
            let end = scope.run(sleep_ms(50)).await;
            trace.log(if end.is_ok() { "value" } else { "timeout" });
            trace.take().concat()
        };
        event_loop
            .run_until_complete(async {
                assert_eq!(end_of(Some(ms(2))).await, "6 timeout");
                assert_eq!(end_of(Some(ms(20))).await, "24 timeout");
                assert_eq!(end_of(Some(Duration::ZERO)).await, "4 timeout");
                assert_eq!(end_of(None).await, "50 value");
            })
            .unwrap();
    });
}

/// The length counts from the call, however late the block's task is polled after that.
#[test]
fn moved_by_a_slow_task() {
    for start in STARTS {
        let virtual_time = VirtualTime::starting_at(start);
        let event_loop = EventLoop::with_platform(virtual_time.clone());
        let trace = Trace::new(start);
        event_loop
            .run_until_complete(async {
                let scope = Rc::new(timeout_ms(10));
                let mover = scope.clone();
                let _task = create_task(async move {
                    sleep_ms(4).await;
                    assert!(mover.reschedule(Some(ms(5))));
                    virtual_time.advance(3);
                });
                assert!(scope.run(pending::<()>()).await.is_err());
                trace.log("timeout");
            })
            .unwrap();
        trace.expect(&["9 timeout"]);
    }
}

/// Moved while the limit's own wake is on its way: the new limit counts.
#[test]
fn moved_in_the_pass_of_the_deadline() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let scope = Rc::new(timeout_ms(10));
                let mover = scope.clone();
                let _task = create_task(async move {
                    sleep_ms(10).await;
                    assert!(mover.reschedule(Some(ms(5))));
                });
                yield_now().await; // the mover's timer comes first
                assert!(scope.run(pending::<()>()).await.is_err());
                trace.log("timeout");
            })
            .unwrap();
        trace.expect(&["15 timeout"]);
    });
}

/// A move before the block runs changes the length; one after it has ended does nothing, and says so.
#[test]
fn moved_before_and_after() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let scope = timeout_ms(10);
                assert!(scope.reschedule(Some(ms(3))));
                sleep_ms(2).await;
                let block = async {
                    let _gone = OnDrop(|| assert!(scope.expired() && !scope.reschedule(None)));
                    pending::<()>().await;
                };
                assert!(scope.run(block).await.is_err());
                trace.log("timeout");
                assert!(!scope.reschedule(Some(ms(1))));
                let scope = timeout_ms(10);
                drop(Box::pin(scope.run(pending::<()>()))); // not begun: the limit is as new
                assert!(scope.reschedule(None));
                let mut dropped = Box::pin(scope.run(pending::<()>()));
                assert!(poll_once(&mut dropped, Waker::noop()).is_pending());
                drop(dropped);
                assert!(!scope.reschedule(None) && !scope.expired());
            })
            .unwrap();
        trace.expect(&["5 timeout"]);
    });
}

/// Nested limits: each gives its own error. Trap 8.
#[test]
fn nested() {
    at_both_starts(|event_loop, _| {
        let ends = event_loop.run_until_complete(async {
            let nested = async |inner, outer| timeout_ms(outer).run(timeout_ms(inner).run(pending::<()>())).await;
            (nested(5, 10).await, nested(10, 5).await, nested(5, 5).await)
        });
        assert_eq!(ends.unwrap(), (Ok(Err(TimeoutError)), Err(TimeoutError), Ok(Err(TimeoutError))));
    });
}

/// Zero and no limit at all never touch the clock, nor does what is ready at once: no loop is needed.
#[test]
fn without_a_clock() {
    let signal = Signal::new();
    assert_eq!(block_on(timeout_ms(0).run(signal.wait())), Err(TimeoutError));
    assert_eq!(signal.polls(), 1);
    assert_eq!(block_on(timeout(Duration::ZERO).run(ready(1))), Ok(1));
    assert_eq!(block_on(timeout_ms(9).run(ready(1))), Ok(1));
}

/// No timer is left, whatever the end; and moving does not poll the block more often than it must.
#[test]
fn leaves_nothing_behind() {
    let virtual_time = VirtualTime::new();
    let event_loop = EventLoop::with_platform(virtual_time.clone());
    event_loop
        .run_until_complete(async {
            let scope = timeout_ms(50);
            let mut kept = pin!(scope.run(sleep_ms(1)));
            assert!(kept.as_mut().await.is_ok());
            let (scope, signal) = (Rc::new(timeout_ms(70)), Signal::new());
            let (block, in_task) = (signal.clone(), scope.clone());
            let cancelled = create_task(async move { in_task.run(block.wait()).await });
            yield_now().await;
            scope.reschedule(Some(ms(80)));
            scope.reschedule(Some(ms(90)));
            yield_now().await;
            assert_eq!(signal.polls(), 2);
            cancelled.cancel();
            assert!(cancelled.await.is_err());
            assert!(!scope.reschedule(None));
            let before = virtual_time.jumps();
            sleep_ms(1_000).await;
            assert_eq!(virtual_time.jumps() - before, 1);
        })
        .unwrap();
}

/// T-18: the block's task is forgotten when the block is dropped.
#[test]
fn waker_is_dropped_with_the_block() {
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop
        .run_until_complete(async {
            let scope = timeout_ms(10);
            let (counting, waker) = CountingWaker::new();
            let mut running = Box::pin(scope.run(pending::<()>()));
            assert!(poll_once(&mut running, &waker).is_pending());
            drop((running, waker));
            assert_eq!(Arc::strong_count(&counting), 1);
        })
        .unwrap();
}

/// T-21: a foreign waker that moves the limit while it is woken by a move, and then panics.
#[test]
fn waker_that_moves_the_limit() {
    thread_local! {
        static SCOPE: RefCell<Option<Rc<Timeout>>> = const { RefCell::new(None) };
    }
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let scope = Rc::new(timeout_ms(10));
                SCOPE.set(Some(scope.clone()));
                let moving = CallingWaker::waker(|| {
                    SCOPE.take().unwrap().reschedule(Some(ms(3)));
                    panic!("out of cheese");
                });
                let mut running = Box::pin(scope.run(pending::<()>()));
                assert!(poll_once(&mut running, &moving).is_pending());
                assert!(catch_unwind(AssertUnwindSafe(|| scope.reschedule(Some(ms(7))))).is_err());
                let start = get_event_loop().time();
                assert_eq!(running.await, Err(TimeoutError));
                assert_eq!(get_event_loop().time().diff(start), 3);
            })
            .unwrap();
    });
}

/// A move from inside wakes nobody: the block is polled no more often than without it.
#[test]
fn moved_from_inside_without_a_wake() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let (scope, polls) = (timeout_ms(10), Cell::new(0));
                let block = poll_fn(|_| {
                    polls.set(polls.get() + 1);
                    scope.reschedule(Some(ms(polls.get())));
                    Poll::<()>::Pending
                });
                let (wakes, waker) = CountingWaker::new();
                let mut running = Box::pin(scope.run(block));
                for _ in 0..3 {
                    assert!(poll_once(&mut running, &waker).is_pending());
                }
                assert_eq!((polls.get(), wakes.wakes()), (3, 0));
            })
            .unwrap();
    });
}

/// Nothing is allocated, and the future is not much larger than the block.
#[test]
fn costs() {
    let event_loop = EventLoop::with_platform(VirtualTime::starting_at(Ticks::from_millis(7)));
    event_loop
        .run_until_complete(async {
            sleep_ms(100).await; // the wheel's levels
            let before = heap();
            let scope = timeout_ms(5);
            let block = async {
                scope.reschedule(Some(ms(3)));
                sleep_ms(4).await;
            };
            assert!(scope.run(block).await.is_err());
            assert_eq!(since(before), Heap::default());
        })
        .unwrap();
    let scope = timeout_ms(5);
    assert!(size_of_val(&scope.run(pending::<()>())) <= 72);
    assert!(size_of_val(&scope) <= 56);
}

#[test]
#[should_panic(expected = "a `Timeout` serves one block")]
fn second_block() {
    let scope = timeout_ms(0);
    assert!(block_on(scope.run(ready(()))).is_ok());
    let _ = block_on(scope.run(ready(())));
}

#[test]
#[should_panic(expected = "`Timeout::run` was polled after it had ended")]
fn polled_after_the_end() {
    let scope = timeout_ms(0);
    let mut future = pin!(scope.run(ready(())));
    assert!(poll_once(&mut future, Waker::noop()).is_ready());
    let _ = poll_once(&mut future, Waker::noop());
}
