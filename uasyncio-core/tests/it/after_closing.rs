//! What is left when a loop has ended, and for the next one: nothing (T-23; trap 50). Loops that never end, and runs that end early.

#![cfg(all(feature = "std", feature = "virtual-time"))]
#![allow(clippy::waker_clone_wake, reason = "clones are what is tested")]

use std::future::pending;
use std::mem;
use std::task::{Poll, Waker};
use std::thread::{self};

use crate::common::{Drops, Signal, at_both_starts, collect_failures, poll_once};
use uasyncio_core::{
    EventLoop, Exception, ExceptionContext, Loop, RunError, Ticks, VirtualTime, catch_cancel, create_task, current_task,
    get_event_loop, run, sleep_ms, spawn, yield_now,
};

fn virtual_loop() -> EventLoop<VirtualTime> {
    EventLoop::with_platform(VirtualTime::new())
}

/// Forgetting a loop forgets its futures: none is dropped, and its wakers stay harmless.
#[test]
fn leaked_executor_leaks_everything() {
    let drops = Drops::default();
    let signals: Vec<_> = (0..3).map(|_| Signal::new()).collect();
    let event_loop = virtual_loop();
    for signal in &signals {
        let (signal, child) = (signal.clone(), drops.child());
        event_loop.spawn(async move {
            let _child = child;
            signal.wait().await;
            sleep_ms(1).await;
        });
    }
    let mut task = event_loop.create_task(pending::<()>());
    let handle: Loop = *event_loop;
    event_loop.turn().unwrap();
    mem::forget(event_loop);

    signals.iter().for_each(Signal::open);
    let wakers: Vec<_> = signals.iter().map(Signal::waker).collect();
    thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
    assert!(poll_once(&mut task, Waker::noop()).is_pending());
    assert!(task.cancel() && !task.done());
    assert!(!handle.is_closed());
    handle.spawn(async {});
    let next = virtual_loop();
    next.run_until_complete(async {
        signals.iter().for_each(Signal::wake);
        sleep_ms(1).await;
    })
    .unwrap();
    drop(next);
    drop(task);
    assert_eq!(drops.count(), 0);
    assert!(signals.iter().all(|signal| signal.polls() == 1));
}

/// The same for a loop whose thread has ended.
#[test]
fn wakers_of_a_leaked_loop_outlive_its_thread() {
    let waker = thread::spawn(|| {
        let event_loop = virtual_loop();
        let signal = Signal::new();
        let inner = signal.clone();
        event_loop.spawn(async move { inner.wait().await });
        event_loop.turn().unwrap();
        mem::forget(event_loop);
        signal.waker()
    })
    .join()
    .unwrap();
    for _ in 0..3 {
        waker.clone().wake();
        // A new thread may get the storage of the old one; it is not the owner all the same.
        let waker = waker.clone();
        thread::spawn(move || {
            run(async {
                waker.wake_by_ref();
                yield_now().await;
                waker.wake();
            });
        })
        .join()
        .unwrap();
    }
}

/// T-23: nothing of a loop is left in the next one, which gets the same memory.
#[test]
fn nothing_survives_into_the_next_loop() {
    at_both_starts(|_, trace| {
        let first = virtual_loop();
        let old: Loop = *first;
        let failures = collect_failures(&first);
        first.set_closed_world(true);
        let log = trace.clone();
        let zombie = first.create_task(async move {
            sleep_ms(1).await;
            log.log("zombie");
        });
        first.remote().call_soon_threadsafe(|| unreachable!("the loop was closed before")).unwrap();
        first.stop();
        first.call_soon(|| get_event_loop().stop());
        drop(first);
        assert!(zombie.done());

        let second = EventLoop::new();
        assert_ne!(old, *second);
        assert!(old.is_closed() && !second.is_closed());
        assert!(second.tasks().is_empty());
        second.call_later_ms(2, || get_event_loop().stop());
        second.run_forever().unwrap(); // not stopped by the old stop
        assert!(second.time().diff(Ticks::default()) >= 2);
        let remote = second.remote();
        let thread = thread::spawn(move || remote.call_soon_threadsafe(|| get_event_loop().stop()).unwrap());
        second.run_forever().unwrap(); // no deadlock: the world was the first loop's that was closed
        thread.join().unwrap();
        assert!(matches!(second.run_until_complete(async { 5 }), Ok(5)));
        second.call_exception_handler(&ExceptionContext::new("expected on standard error", Exception::Error(&"a test")));
        assert!(failures.borrow().is_empty(), "the handler was the first loop's");
        assert!(trace.take().is_empty());
    });
}

/// A `Loop` that was kept does nothing, and does not touch the loop that lives in its memory now.
#[test]
fn a_kept_handle_of_a_closed_loop() {
    let first = virtual_loop();
    let old: Loop = *first;
    drop(first);
    let second = virtual_loop();
    let failures = collect_failures(&second);
    let drops = Drops::default();
    let child = drops.child();
    let mut refused = old.create_task(async move { drop(child) });
    assert!(refused.done());
    assert!(matches!(poll_once(&mut refused, Waker::noop()), Poll::Ready(Err(end)) if end.is_cancelled()));
    let child = drops.child();
    old.call_soon(move || drop(child));
    let child = drops.child();
    old.call_later_ms(1, move || drop(child));
    let child = drops.child();
    old.spawn(async move { drop(child) });
    assert_eq!(drops.count(), 4);
    old.stop();
    old.set_exception_handler(|_| unreachable!("the loop is closed"));
    old.clear_exception_handler();
    old.call_exception_handler(&ExceptionContext::new("expected on standard error", Exception::Error(&"a test")));
    assert!(failures.borrow().is_empty(), "the handler of another loop was told");
    assert!(old.remote().call_soon_threadsafe(|| ()).is_err());
    assert!(old.tasks().is_empty() && old.is_closed());
    assert!(second.tasks().is_empty());
    second.run_until_complete(sleep_ms(3)).unwrap();
}

/// What is left of a closed loop may be used while another thread has its memory: handles of the loop and of tasks, and a
/// `catch_cancel` that was begun in it. (For Miri, which sees a race if there is one.)
#[test]
fn leftovers_of_a_closed_loop_while_another_thread_has_its_memory() {
    for _ in 0..if cfg!(miri) { 3 } else { 50 } {
        let event_loop = virtual_loop();
        let old: Loop = *event_loop;
        let (mut caught, mut sleep) = (Box::pin(catch_cancel(pending::<()>())), Box::pin(sleep_ms(1)));
        let mut task = event_loop.create_task(async { 5 });
        event_loop
            .run_until_complete(async {
                assert!(poll_once(&mut caught, Waker::noop()).is_pending());
                assert!(poll_once(&mut sleep, Waker::noop()).is_pending());
                yield_now().await;
            })
            .unwrap();
        drop(event_loop);
        let other = thread::spawn(|| {
            for _ in 0..3 {
                let event_loop = virtual_loop();
                event_loop
                    .run_until_complete(async {
                        let failures = collect_failures(&get_event_loop());
                        let task = create_task(catch_cancel(sleep_ms(5)));
                        let tasks: Vec<_> = (0..5).map(|_| create_task(sleep_ms(1))).collect();
                        yield_now().await;
                        task.cancel();
                        assert!(task.await.unwrap().is_err());
                        for task in tasks {
                            task.await.unwrap();
                        }
                        assert!(failures.take().is_empty());
                    })
                    .unwrap();
            }
        });
        assert!(old.is_closed());
        old.call_soon(|| ());
        old.call_exception_handler(&ExceptionContext::new("expected on standard error", Exception::Error(&"a test")));
        let _ = (task.id(), task.done(), task.cancel(), format!("{task:?}"));
        assert!(matches!(poll_once(&mut task, Waker::noop()), Poll::Ready(Ok(5))));
        drop((caught, sleep, task));
        other.join().unwrap();
    }
}

/// T-23: what is left in a loop after a run is there in the next run, and `run` itself starts from nothing.
#[test]
fn two_runs_of_one_loop() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop.spawn(async move {
            for n in 0..4 {
                log.log(format_args!("step {n}"));
                sleep_ms(4).await;
            }
        });
        event_loop.run_until_complete(sleep_ms(6)).unwrap();
        trace.log("between the runs");
        event_loop.run_until_complete(sleep_ms(4)).unwrap();
        trace.expect(&["0 step 0", "4 step 1", "- between the runs", "8 step 2"]);
        assert_eq!(event_loop.tasks().len(), 1);
        assert!(current_task().is_none());
    });
    for _ in 0..2 {
        let before = run(async {
            spawn(pending());
            yield_now().await;
            get_event_loop().tasks().len()
        });
        assert_eq!(before, 2);
    }
}

/// The main future of a run is dropped when the run ends without it, inside the loop, before `run_until_complete` returns.
#[test]
fn an_unfinished_main_future_is_dropped_in_the_loop() {
    at_both_starts(|event_loop, trace| {
        let owned = trace.on_drop("dropped");
        let end = event_loop.run_until_complete(async move {
            let _owned = owned;
            get_event_loop().stop();
            pending::<()>().await;
        });
        assert!(matches!(end, Err(RunError::Stopped)));
        trace.expect(&["0 dropped"]);
        assert!(event_loop.tasks().is_empty());
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
    });
}
