//! Panics of what the loop calls beside tasks: destructors, wakers, callbacks, the exception handler (T-20).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use crate::common::{CallingWaker, Drops, OnDrop, Steps, at_both_starts, collect_failures, poll_once, with_loops_at_both_starts};
use uasyncio_core::{EventLoop, TaskError, VirtualTime, call_later_ms, call_soon, create_task, sleep_ms, spawn, yield_now};

const DETACHED: &str = "a task panicked and nobody awaits it: panic: ";

/// Everything that can unwind in a task's end: its destructor after its result, after a cancel, and when the loop closes.
#[test]
fn panic_in_drop() {
    at_both_starts(|event_loop, _| {
        let inner = EventLoop::with_platform(VirtualTime::new());
        let failures = collect_failures(event_loop);
        let drops = Drops::default();
        // A future with a destructor of its own: an async block's locals go before its result is there.
        let bomb = |ready: bool| {
            let child = drops.child();
            let fuse = OnDrop(|| panic!("in a destructor"));
            Steps(move |_: &mut Context<'_>| {
                let _ = (&child, &fuse);
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        event_loop
            .run_until_complete(async {
                spawn(bomb(true));
                yield_now().await;
                assert_eq!(failures.take(), [format!("{DETACHED}in a destructor")]);

                let task = create_task(bomb(true));
                assert_eq!(task.await.unwrap_err().into_panic().unwrap().message(), Some("in a destructor"));

                let task = create_task(bomb(false));
                yield_now().await;
                task.cancel();
                assert_eq!(task.await.unwrap_err().into_panic().unwrap().message(), Some("in a destructor"));
                assert!(failures.take().is_empty());
                assert_eq!(drops.count(), 3);
            })
            .unwrap();

        // In closing, nobody is left to ask: the handler hears of both, and all the others are dropped.
        let failures = collect_failures(&inner);
        let before = inner.create_task(pending::<()>());
        inner.spawn(bomb(false));
        let joined = inner.create_task(bomb(false));
        let mut after = inner.create_task(pending::<()>());
        inner.turn().unwrap();
        drop(inner);
        assert_eq!(failures.take().len(), 2);
        assert_eq!(drops.count(), 5);
        assert!(before.done() && joined.done());
        assert!(matches!(poll_once(&mut after, Waker::noop()), Poll::Ready(Err(TaskError::Cancelled))));
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
    });
}

/// The destructor of a finished future makes a new task, which may get the same slot, and then panics: that is not the new
/// task's panic.
#[test]
fn a_destructor_that_spawns_and_panics() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let fuse = OnDrop(move || {
                    let log = log.clone();
                    spawn(async move {
                        log.log("child");
                        sleep_ms(1).await;
                        log.log("child again");
                    });
                    panic!("in a destructor");
                });
                spawn(Steps(move |_: &mut Context<'_>| {
                    let _ = &fuse;
                    Poll::Ready(())
                }));
                sleep_ms(5).await;
            })
            .unwrap();
        trace.expect(&["0 child", "1 child again"]);
        assert_eq!(failures.take(), [format!("{DETACHED}in a destructor")]);
    });
}

#[test]
fn panic_in_a_callback() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                call_soon(|| panic!("in a callback"));
                call_later_ms(1, || panic!("in a timed callback"));
                call_soon(move || log.log("the next callback"));
                sleep_ms(2).await;
                trace.log("main");
            })
            .unwrap();
        trace.expect(&["0 the next callback", "2 main"]);
        assert_eq!(failures.take(), [format!("{DETACHED}in a callback"), format!("{DETACHED}in a timed callback")]);
    });
}

/// futures-intrusive#73: a waker that panics, woken by the end of a task and by a timer. What it was woken for has happened.
#[test]
fn panic_in_a_waker() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let panicking = CallingWaker::waker(|| panic!("in a waker"));
                let mut task = create_task(async { 5 });
                assert!(poll_once(&mut task, &panicking).is_pending());
                let log = trace.clone();
                spawn(async move { log.log("the next task") });
                yield_now().await;
                assert_eq!(failures.take(), [format!("{DETACHED}in a waker")]);
                assert!(matches!(poll_once(&mut task, Waker::noop()), Poll::Ready(Ok(5))));

                // The same with a cancel and with a panic.
                let mut cancelled = create_task(pending::<()>());
                assert!(poll_once(&mut cancelled, &panicking).is_pending());
                cancelled.cancel();
                let mut panicked = create_task(async { panic!("in a task") });
                assert!(poll_once(&mut panicked, &panicking).is_pending());
                yield_now().await;
                assert_eq!(failures.take().len(), 2);
                assert!(cancelled.await.unwrap_err().is_cancelled());
                assert_eq!(panicked.await.unwrap_err().into_panic().unwrap().message(), Some("in a task"));

                let mut first = Box::pin(sleep_ms(3));
                assert!(poll_once(&mut first, &panicking).is_pending());
                let second = sleep_ms(3);
                second.await;
                trace.log("the next timer");
                assert!(poll_once(&mut first, Waker::noop()).is_ready());
                assert_eq!(failures.take().len(), 1);
            })
            .unwrap();
        trace.expect(&["0 the next task", "3 the next timer"]);
    });
}

/// The same while the loop closes: every future is dropped all the same.
#[test]
fn panic_in_a_waker_while_the_loop_closes() {
    with_loops_at_both_starts(|event_loop, _| {
        let failures = collect_failures(&event_loop);
        let panicking = CallingWaker::waker(|| panic!("in a waker"));
        let drops = Drops::default();
        let mut tasks: Vec<_> = (0..3)
            .map(|_| {
                let child = drops.child();
                event_loop.create_task(async move {
                    let _child = child;
                    sleep_ms(5).await;
                })
            })
            .collect();
        event_loop.turn().unwrap();
        assert!(poll_once(&mut tasks[1], &panicking).is_pending());
        let caught = catch_unwind(AssertUnwindSafe(|| drop(event_loop)));
        assert!(caught.is_ok(), "dropping a loop does not panic");
        assert_eq!(drops.count(), 3);
        assert_eq!(failures.take().len(), 1);
        assert!(tasks.iter().all(|task| task.done()));
        // The memory of the loop that has just gone works for the next one.
        let next = EventLoop::with_platform(VirtualTime::new());
        next.run_until_complete(sleep_ms(5)).unwrap();
    });
}

#[test]
fn panic_in_the_exception_handler() {
    at_both_starts(|event_loop, trace| {
        event_loop.set_exception_handler(|_| panic!("in the handler"));
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                spawn(async { panic!("in a task") });
                spawn(async move { log.log("the next task") });
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["0 the next task"]);
    });
}

/// The destructor of a result panics where the result is dropped: in the task that drops the handle.
#[test]
fn panic_in_the_destructor_of_a_result() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let child = create_task(async { OnDrop(|| panic!("in a result")) });
                let dropper = create_task(async move {
                    yield_now().await;
                    assert!(child.done());
                    drop(child);
                });
                assert_eq!(dropper.await.unwrap_err().into_panic().unwrap().message(), Some("in a result"));

                // Without a handle it is the task's own panic.
                drop(create_task(async { OnDrop(|| panic!("in another result")) }));
                yield_now().await;
                assert_eq!(failures.take(), [format!("{DETACHED}in another result")]);
                trace.log("main");
            })
            .unwrap();
        trace.expect(&["0 main"]);
    });
}
