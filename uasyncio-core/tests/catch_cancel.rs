//! `catch_cancel`, asyncio's `except CancelledError`, in all the shapes that it takes in asyncio programs (trap 1).

#![cfg(all(feature = "std", feature = "virtual-time"))]

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};

use common::{CountingWaker, Drops, Signal, at_both_starts, poll_once};
use uasyncio_core::{CancelledError, Task, catch_cancel, create_task, get_event_loop, sleep_ms, spawn, yield_now};

/// The inner future is dropped first; then the code behind it may take its time.
#[test]
fn clean_up_that_awaits() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let task = create_task(async move {
                    let end = catch_cancel(async {
                        let _owned = log.on_drop("inner dropped");
                        sleep_ms(60_000).await;
                    })
                    .await;
                    assert_eq!(end, Err(CancelledError::clone(&end.unwrap_err())));
                    log.log("caught");
                    sleep_ms(5).await;
                    log.log("cleaned up");
                    "result"
                });
                sleep_ms(1).await;
                assert!(task.cancel());
                assert!(!task.done());
                trace.log("cancelled");
                assert_eq!(task.await.unwrap(), "result");
                trace.log("awaited");
            })
            .unwrap();
        trace.expect(&["1 cancelled", "1 inner dropped", "1 caught", "6 cleaned up", "6 awaited"]);
    });
}

#[test]
fn without_a_cancel_it_gives_the_output() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                assert_eq!(catch_cancel(async { 5 }).await, Ok(5));
                let task = create_task(catch_cancel(async {
                    sleep_ms(5).await;
                    6
                }));
                assert_eq!(task.await.unwrap(), Ok(6));
                // Once it has ended, the task is one like any other.
                let task = create_task(async {
                    catch_cancel(async {}).await.unwrap();
                    pending::<()>().await;
                });
                yield_now().await;
                assert!(task.cancel());
                assert!(task.await.unwrap_err().is_cancelled());
            })
            .unwrap();
    });
}

/// MicroPython's asyncio_cancel_task, last block: a task may swallow the cancel and go on, and be cancelled again.
#[test]
fn swallow_and_continue() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let task = create_task(async move {
                    for round in 1..=2 {
                        log.log(format_args!("round {round}"));
                        if catch_cancel(pending::<()>()).await.is_err() {
                            log.log("ignored");
                        }
                    }
                    pending::<()>().await;
                });
                for _ in 0..2 {
                    sleep_ms(1).await;
                    assert!(task.cancel());
                    assert!(task.cancel()); // repeated cancels before delivery collapse into one
                }
                sleep_ms(1).await;
                assert!(!task.done());
                assert!(task.cancel());
                assert!(task.await.unwrap_err().is_cancelled());
                trace.log("cancelled in the end");
            })
            .unwrap();
        trace.expect(&["0 round 1", "1 ignored", "1 round 2", "2 ignored", "3 cancelled in the end"]);
    });
}

/// The innermost catches; by `resume` the cancel goes on to the next one, level by level.
#[test]
fn nested_catchers_resume_outwards() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let task = create_task(async move {
                    let outermost = catch_cancel(async {
                        let _owned = log.on_drop("outermost's inner dropped");
                        let middle = catch_cancel(async {
                            let _owned = log.on_drop("middle's inner dropped");
                            let inner = catch_cancel(pending::<()>()).await;
                            log.log("inner caught");
                            sleep_ms(1).await;
                            inner.unwrap_err().resume().await;
                        })
                        .await;
                        log.log("middle caught");
                        sleep_ms(1).await;
                        middle.unwrap_err().resume().await;
                    })
                    .await;
                    log.log("outermost caught");
                    outermost.is_err()
                });
                yield_now().await;
                assert!(task.cancel());
                assert!(task.await.unwrap());
            })
            .unwrap();
        trace.expect(&[
            "0 inner caught",
            "1 middle's inner dropped",
            "1 middle caught",
            "2 outermost's inner dropped",
            "2 outermost caught",
        ]);
    });
}

/// An inner one that swallows leaves the outer ones in peace.
#[test]
fn only_the_innermost_catches() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(catch_cancel(async {
                    assert!(catch_cancel(pending::<()>()).await.is_err());
                    sleep_ms(5).await;
                    "the outer one went on"
                }));
                yield_now().await;
                task.cancel();
                assert_eq!(task.await.unwrap(), Ok("the outer one went on"));
            })
            .unwrap();
    });
}

/// Once the inner one has ended, by itself or by a cancel, the outer one is the innermost.
#[test]
fn the_outer_one_catches_what_comes_later() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                for first_is_cancelled in [false, true] {
                    let log = trace.clone();
                    let task = create_task(async move {
                        let outer = catch_cancel(async {
                            let inner = catch_cancel(sleep_ms(5)).await;
                            log.log(format_args!("inner {inner:?}"));
                            pending::<()>().await;
                        });
                        log.log(format_args!("outer {:?}", outer.await));
                    });
                    sleep_ms(2).await;
                    if first_is_cancelled {
                        task.cancel();
                    }
                    sleep_ms(8).await;
                    task.cancel();
                    task.await.unwrap();
                }
            })
            .unwrap();
        trace.expect(&[
            "5 inner Ok(())",
            "10 outer Err(CancelledError)",
            "12 inner Err(CancelledError)",
            "20 outer Err(CancelledError)",
        ]);
    });
}

/// With no other catcher around, a resumed cancel ends the task, at the await that resumes.
#[test]
fn resume_to_the_end() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let task: Task<()> = create_task(async move {
                    let _owned = log.on_drop("task dropped");
                    if let Err(cancelled) = catch_cancel(pending::<()>()).await {
                        sleep_ms(3).await;
                        log.log("cleaned up");
                        cancelled.resume().await;
                        log.log("never");
                    }
                });
                yield_now().await;
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
                trace.log("awaited");
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["3 cleaned up", "3 task dropped", "3 awaited"]);
    });
}

/// A cancel during the clean-up is a cancel of its own: nothing catches it, so it ends the task.
#[test]
fn a_second_cancel_during_the_clean_up() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let task = create_task(async move {
                    let _owned = log.on_drop("dropped");
                    let _ = catch_cancel(pending::<()>()).await;
                    log.log("begins to clean up");
                    sleep_ms(60_000).await;
                });
                sleep_ms(1).await;
                task.cancel();
                sleep_ms(1).await;
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
            })
            .unwrap();
        trace.expect(&["1 begins to clean up", "2 dropped"]);
    });
}

/// Trap 3: nothing is active yet, so the task never runs.
#[test]
fn cancel_before_the_first_poll() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(async {
                    let _ = catch_cancel(pending::<()>()).await;
                    unreachable!("it was cancelled before its first poll");
                });
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
            })
            .unwrap();
    });
}

/// Both futures of a task that runs two at a time are told, each by its own catcher.
#[test]
fn two_leaves_of_one_task() {
    async fn both(left: impl Future<Output = ()>, right: impl Future<Output = ()>) {
        let (mut left, mut right) = (pin!(left), pin!(right));
        let mut done = [false; 2];
        poll_fn(|cx| {
            done[0] = done[0] || left.as_mut().poll(cx).is_ready();
            done[1] = done[1] || right.as_mut().poll(cx).is_ready();
            if done == [true; 2] { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let leaf = |name: &'static str, wait| {
                    let log = trace.clone();
                    async move {
                        if catch_cancel(sleep_ms(60_000)).await.is_err() {
                            log.log(format_args!("{name} caught"));
                            sleep_ms(wait).await;
                            log.log(format_args!("{name} cleaned up"));
                        }
                    }
                };
                // Both inside a third one, which is not innermost and so sees nothing.
                let task = create_task(catch_cancel(both(leaf("left", 4), leaf("right", 2))));
                sleep_ms(1).await;
                assert!(task.cancel());
                assert_eq!(task.await.unwrap(), Ok(()));
            })
            .unwrap();
        trace.expect(&["1 left caught", "1 right caught", "3 right cleaned up", "5 left cleaned up"]);
    });
}

/// A task that cancels itself catches it at its next suspension, not before.
#[test]
fn self_cancel_is_caught_at_the_next_suspension() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let handle = Rc::new(RefCell::new(None::<Task<bool>>));
                let (own, log) = (handle.clone(), trace.clone());
                let task = create_task(async move {
                    catch_cancel(async {
                        assert!(own.borrow().as_ref().unwrap().cancel());
                        log.log("goes on");
                        yield_now().await;
                        log.log("behind the suspension");
                    })
                    .await
                    .is_err()
                });
                handle.replace(Some(task));
                yield_now().await;
                yield_now().await;
                let task = handle.take().unwrap();
                assert!(task.await.unwrap());
            })
            .unwrap();
        trace.expect(&["0 goes on"]);
    });
}

/// The inner future is ready in the very poll in which the cancel would be seen: the cancel came first, and wins.
#[test]
fn cancel_when_the_inner_future_is_ready() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let signal = Signal::new();
                let waiting = signal.clone();
                let task = create_task(catch_cancel(async move { waiting.wait().await }));
                yield_now().await;
                signal.open();
                task.cancel();
                assert!(task.await.unwrap().is_err());
                assert_eq!(signal.polls(), 1);
            })
            .unwrap();
    });
}

/// Dropping the future, as a timeout or a select does, is no cancel: nothing is caught, and nothing is left behind.
#[test]
fn a_dropped_catcher_catches_nothing() {
    at_both_starts(|event_loop, _| {
        let drops = Drops::default();
        event_loop
            .run_until_complete(async {
                let child = drops.child();
                let task = create_task(async move {
                    let mut catcher = Box::pin(catch_cancel(async move {
                        let _child = child;
                        pending::<()>().await;
                    }));
                    let pending_once = poll_fn(|cx| Poll::Ready(catcher.as_mut().poll(cx).is_pending())).await;
                    assert!(pending_once);
                    drop(catcher);
                    pending::<()>().await;
                });
                yield_now().await;
                assert_eq!(drops.count(), 1);
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
            })
            .unwrap();
    });
}

/// A cancel that comes while a dropped one had been told already is not lost for good: the next cancel ends the task.
#[test]
fn a_catcher_dropped_between_cancel_and_poll() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let catcher = Rc::new(RefCell::new(None::<Pin<Box<uasyncio_core::CatchCancel<std::future::Pending<()>>>>>));
                let inside = catcher.clone();
                let task = create_task(poll_fn(move |cx| {
                    if let Some(catcher) = inside.borrow_mut().as_mut() {
                        return catcher.as_mut().poll(cx).map(|_| ());
                    }
                    Poll::Pending
                }));
                catcher.replace(Some(Box::pin(catch_cancel(pending()))));
                yield_now().await;
                assert!(task.cancel());
                drop(catcher.take()); // as a select in the same task would
                sleep_ms(1).await;
                assert!(task.cancel());
                sleep_ms(1).await;
                assert!(task.done());
            })
            .unwrap();
    });
}

/// A catcher that was forgotten without being dropped does not catch for the next task in the slot.
#[test]
fn a_forgotten_catcher() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(async {
                    let mut catcher = Box::pin(catch_cancel(pending::<()>()));
                    poll_fn(|cx| {
                        assert!(catcher.as_mut().poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                    mem::forget(catcher);
                });
                yield_now().await;
                let id = task.id();
                task.await.unwrap();
                let next = create_task(pending::<()>());
                assert_eq!(next.id(), id, "the test is about a slot that is used again");
                yield_now().await;
                next.cancel();
                assert!(next.await.unwrap_err().is_cancelled());
            })
            .unwrap();
    });
}

/// A plain task beside one that catches is cancelled as ever, and so is one that awaits it.
#[test]
fn other_tasks_are_not_concerned() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let catching = create_task(async move {
                    let _ = catch_cancel(sleep_ms(10)).await;
                    log.log("the catching task ends");
                });
                let plain = create_task(sleep_ms(60_000));
                let waiting = create_task(catching);
                sleep_ms(1).await;
                plain.cancel();
                assert!(plain.await.unwrap_err().is_cancelled());
                waiting.cancel(); // cancels the waiter alone (trap 4)
                assert!(waiting.await.unwrap_err().is_cancelled());
                sleep_ms(20).await;
            })
            .unwrap();
        trace.expect(&["10 the catching task ends"]);
    });
}

/// The main future of a run is a task too, but without a handle; a catcher in it works like anywhere else.
#[test]
fn a_catcher_in_the_main_future() {
    at_both_starts(|event_loop, _| {
        let end = event_loop.run_until_complete(catch_cancel(async {
            sleep_ms(5).await;
            5
        }));
        assert_eq!(end.unwrap(), Ok(5));
    });
}

/// A catcher under a combinator that polls it with a waker of its own: the cancel comes by that waker.
#[test]
fn a_catcher_with_a_foreign_waker() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let (counting, waker) = CountingWaker::new();
                let result = Rc::new(Cell::new(None));
                let out = result.clone();
                let task = create_task(async move {
                    let mut catcher = Box::pin(catch_cancel(pending::<()>()));
                    assert!(poll_once(&mut catcher, &waker).is_pending());
                    while counting.wakes() == 0 {
                        yield_now().await;
                    }
                    out.set(Some(poll_once(&mut catcher, Waker::noop())));
                });
                yield_now().await;
                assert!(task.cancel());
                for _ in 0..3 {
                    yield_now().await;
                }
                assert!(matches!(result.get(), Some(Poll::Ready(Err(_)))));
                task.await.unwrap();
            })
            .unwrap();
    });
}

/// What it costs is given back: nothing piles up in the loop over many uses.
#[test]
fn ten_thousand_catches() {
    at_both_starts(|event_loop, _| {
        let rounds = if cfg!(miri) { 50 } else { 10_000 };
        event_loop
            .run_until_complete(async {
                let caught = Rc::new(Cell::new(0));
                for n in 0..rounds {
                    let count = caught.clone();
                    let task = create_task(async move {
                        if catch_cancel(catch_cancel(yield_now())).await.is_ok_and(|end| end.is_err()) {
                            count.set(count.get() + 1);
                        }
                    });
                    yield_now().await;
                    if n % 2 == 0 {
                        task.cancel();
                    }
                    task.await.unwrap();
                }
                assert_eq!(caught.get(), rounds / 2);
                assert_eq!(get_event_loop().tasks().len(), 1);
                spawn(async {});
            })
            .unwrap();
    });
}
