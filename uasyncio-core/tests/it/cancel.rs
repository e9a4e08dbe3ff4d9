//! Cancelling a task drops its future, from every state that it can be in (traps 1 to 5, and 24).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use crate::common::{Drops, OnDrop, Signal, at_both_starts};
use uasyncio_core::{Task, TaskError, TaskState, create_task, get_event_loop, sleep_ms, spawn, yield_now};

/// Traps 1 and 3: the body never runs; what it owns is dropped on the next pass.
#[test]
fn abort_before_first_poll() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let owned = trace.on_drop("dropped");
                let task = create_task(async move {
                    let _owned = owned;
                    unreachable!("it was cancelled before its first poll");
                });
                assert!(task.cancel());
                assert!(!task.done());
                trace.log("cancelled");
                yield_now().await;
                assert!(task.done());
                assert!(!task.cancel());
                assert!(matches!(task.await, Err(TaskError::Cancelled)));
            })
            .unwrap();
        trace.expect(&["0 cancelled", "0 dropped"]);
    });
}

/// Trap 3, and asyncio_event case 5: the task has been woken for good and is in the queue, but has not run yet.
#[test]
fn abort_while_queued() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let signal = Signal::new();
                let (inner, log) = (signal.clone(), trace.clone());
                let task = create_task(async move {
                    let _owned = log.on_drop("dropped");
                    inner.wait().await;
                    log.log("went on");
                });
                yield_now().await;
                signal.open();
                assert!(task.cancel());
                assert!(task.await.unwrap_err().is_cancelled());
                trace.log("awaited");
                assert_eq!(signal.polls(), 1);
            })
            .unwrap();
        trace.expect(&["0 dropped", "0 awaited"]);
    });
}

type Wait = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Trap 3: asleep, parked, awaiting a task. The destructors run before the awaiter hears of it.
#[test]
fn abort_while_waiting() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let awaited = create_task(async move {
                    sleep_ms(20).await;
                    log.log("the awaited task went on");
                });
                let waits: [(&str, Wait); 4] = [
                    ("asleep", Box::pin(sleep_ms(60_000))),
                    ("parked", Box::pin(pending())),
                    ("awaiting", Box::pin(async { awaited.await.unwrap() })),
                    ("at sleep 0", Box::pin(sleep_ms(0))),
                ];
                for (name, wait) in waits {
                    let owned = trace.on_drop(format!("{name}: dropped"));
                    let task = create_task(async move {
                        let _owned = owned;
                        wait.await;
                        unreachable!("it was cancelled");
                    });
                    yield_now().await;
                    assert!(task.cancel());
                    trace.log(format_args!("{name}: cancelled"));
                    assert!(task.await.unwrap_err().is_cancelled());
                    trace.log(format_args!("{name}: awaited"));
                    sleep_ms(1).await;
                }
                sleep_ms(30).await;
            })
            .unwrap();
        // Trap 4: cancelling the one who waits for a task leaves the task alone.
        trace.expect(&[
            "0 asleep: cancelled",
            "0 asleep: dropped",
            "0 asleep: awaited",
            "1 parked: cancelled",
            "1 parked: dropped",
            "1 parked: awaited",
            "2 awaiting: cancelled",
            "2 awaiting: dropped",
            "2 awaiting: awaited",
            "3 at sleep 0: cancelled",
            "3 at sleep 0: dropped",
            "3 at sleep 0: awaited",
            "20 the awaited task went on",
        ]);
    });
}

/// Gives a task its own handle.
fn with_own_handle<F: Future<Output = T> + 'static, T: 'static>(make: impl FnOnce(Rc<RefCell<Option<Task<T>>>>) -> F) {
    let handle = Rc::new(RefCell::new(None));
    let task = create_task(make(handle.clone()));
    handle.replace(Some(task));
}

/// Trap 3: a task that cancels itself goes on to its next suspension.
#[test]
fn abort_during_own_poll() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                with_own_handle(|handle| {
                    let trace = trace.clone();
                    async move {
                        let _owned = trace.on_drop("dropped");
                        assert!(handle.borrow().as_ref().unwrap().cancel());
                        trace.log("goes on");
                        yield_now().await;
                        trace.log("behind the suspension");
                    }
                });
                yield_now().await;
                trace.log("main");
                yield_now().await;
                trace.log("main again");
            })
            .unwrap();
        trace.expect(&["0 goes on", "0 main", "0 dropped", "0 main again"]);
    });
}

/// Trap 3: if it ends before a suspension, its result stands.
#[test]
fn abort_during_own_last_poll() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let own = Rc::new(RefCell::new(None::<Task<u32>>));
                let handle = own.clone();
                let task = create_task(async move {
                    assert!(handle.borrow().as_ref().unwrap().cancel());
                    5
                });
                own.replace(Some(task));
                yield_now().await;
                let task = own.take().unwrap();
                assert!(!task.cancel());
                assert_eq!(task.await.unwrap(), 5);
            })
            .unwrap();
    });
}

/// Trap 3: no effect, and it says so. The result stands.
#[test]
fn abort_after_done() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(async { 5 });
                yield_now().await;
                assert!(task.done());
                assert!(!task.cancel());
                yield_now().await;
                assert_eq!(task.await.unwrap(), 5);
            })
            .unwrap();
    });
}

/// Trap 3, and MicroPython's rule that repeated cancels before delivery collapse into one.
#[test]
fn cancelling_twice_is_cancelling_once() {
    at_both_starts(|event_loop, _| {
        let drops = Drops::default();
        event_loop
            .run_until_complete(async {
                let owned = drops.child();
                let task = create_task(async move {
                    let _owned = owned;
                    pending::<()>().await;
                });
                yield_now().await;
                assert!(task.cancel() && task.cancel() && task.cancel());
                yield_now().await;
                assert_eq!(drops.count(), 1);
                assert!(!task.cancel());
            })
            .unwrap();
        assert_eq!(drops.count(), 1);
    });
}

/// Trap 24: the timer of a cancelled sleeper is gone, so the clock never jumps to it.
#[test]
fn a_cancelled_sleeper_leaves_no_timer() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let tasks: Vec<_> = (0..100).map(|n| create_task(sleep_ms(1_000 + n))).collect();
                yield_now().await;
                tasks.iter().for_each(|task| assert!(task.cancel()));
                yield_now().await;
                sleep_ms(5_000).await;
            })
            .unwrap();
        assert_eq!(event_loop.platform().jumps(), 1);
    });
}

/// The cancel comes in the very pass in which the sleep ends: the cancel wins, for it acts before the poll.
#[test]
fn cancel_on_the_tick_of_the_deadline() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let task = Rc::new(RefCell::new(None));
                let other = task.clone();
                spawn(async move {
                    sleep_ms(10).await; // armed first, so it fires first
                    let task = other.take().unwrap();
                    let task: Task<()> = task;
                    assert!(task.cancel());
                    log.log("cancelled");
                    assert!(task.await.unwrap_err().is_cancelled());
                    log.log("awaited");
                });
                yield_now().await;
                let log = trace.clone();
                task.replace(Some(create_task(async move {
                    let _owned = log.on_drop("dropped");
                    sleep_ms(10).await;
                    log.log("slept");
                })));
                sleep_ms(20).await;
            })
            .unwrap();
        trace.expect(&["10 cancelled", "10 dropped", "10 awaited"]);
    });
}

/// T-21: a task cancels its parent, which is the one that awaits it.
#[test]
fn a_child_cancels_its_parent() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                with_own_handle(|handle| {
                    let trace = trace.clone();
                    async move {
                        let _owned = trace.on_drop("parent dropped");
                        let log = trace.clone();
                        let child = create_task(async move {
                            assert!(handle.borrow().as_ref().unwrap().cancel());
                            log.log("parent cancelled");
                            sleep_ms(1).await;
                            log.log("child goes on");
                        });
                        child.await.unwrap();
                        unreachable!("it was cancelled");
                    }
                });
                sleep_ms(5).await;
            })
            .unwrap();
        trace.expect(&["0 parent cancelled", "0 parent dropped", "1 child goes on"]);
    });
}

/// T-22: the destructor of a cancelled task cancels the next one, down a chain.
#[test]
fn cancel_in_a_destructor() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let mut next: Option<Task<()>> = None;
                for name in ["third", "second", "first"] {
                    let (inner, log) = (next.take(), trace.clone());
                    let owned = OnDrop(Box::new(move || {
                        log.log(name);
                        if let Some(inner) = &inner {
                            assert!(inner.cancel());
                        }
                    }));
                    next = Some(create_task(async move {
                        let _owned = owned;
                        pending::<()>().await;
                    }));
                }
                yield_now().await;
                let first = next.unwrap();
                first.cancel();
                assert!(first.await.unwrap_err().is_cancelled());
                sleep_ms(1).await;
                assert_eq!(get_event_loop().tasks().len(), 1);
            })
            .unwrap();
        trace.expect(&["0 first", "0 second", "0 third"]);
    });
}

/// T-24 and micropython#8719: a task that keeps cancelling another one, which keeps being made anew, starves nobody.
#[test]
fn a_cancel_storm_starves_nobody() {
    at_both_starts(|event_loop, _| {
        let rounds = if cfg!(miri) { 50 } else { 500 };
        let ticks = Rc::new(Cell::new(0));
        event_loop
            .run_until_complete(async {
                let count = ticks.clone();
                spawn(async move {
                    loop {
                        yield_now().await;
                        count.set(count.get() + 1);
                    }
                });
                let before = get_event_loop().tasks().len();
                for _ in 0..rounds {
                    let victim = create_task(sleep_ms(60_000));
                    yield_now().await;
                    victim.cancel();
                    victim.cancel();
                    yield_now().await;
                    assert!(victim.done());
                }
                assert_eq!(get_event_loop().tasks().len(), before);
            })
            .unwrap();
        assert!((2 * rounds - 10..=2 * rounds + 10).contains(&ticks.get()), "{}", ticks.get());
    });
}

/// A cancelled task is ready, and gone after the next pass.
#[test]
fn a_cancelled_task_in_a_snapshot() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(pending::<()>());
                yield_now().await;
                let state = || get_event_loop().tasks().iter().find(|info| Some(info.id()) == task.id()).map(|info| info.state());
                assert_eq!(state(), Some(TaskState::Waiting));
                task.cancel();
                assert_eq!(state(), Some(TaskState::Ready));
                yield_now().await;
                assert_eq!(state(), None);
            })
            .unwrap();
    });
}
