//! `catch_cancel`, asyncio's `except CancelledError`, in all the shapes that it takes in asyncio programs (trap 1).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::common::at_both_starts;
use uasyncio_core::{CancelledError, Task, catch_cancel, create_task, sleep_ms, yield_now};

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
