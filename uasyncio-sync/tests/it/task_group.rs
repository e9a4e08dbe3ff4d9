//! `task_group`: when children begin and end, what they may borrow, and who is dropped when.

#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

use crate::common::{Signal, Trace, at_both_starts, block_on};
use uasyncio_core::{create_task, sleep_ms, yield_now};
use uasyncio_sync::{task_group, wait_for_ms};

type Fails = Result<(), &'static str>;

/// A child that logs when it begins, ends and is dropped.
async fn child(trace: &Trace, name: &'static str, millis: u32, end: Fails) -> Fails {
    let _gone = trace.on_drop(format_args!("{name} is gone"));
    trace.log(format_args!("{name} begins"));
    sleep_ms(millis).await;
    trace.log(format_args!("{name} ends"));
    end
}

/// Children begin in the order of the spawns, when the body first waits, and the group ends when all have.
#[test]
fn children_end_before_the_group() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let group = task_group(async |group| {
                    group.spawn(child(trace, "a", 5, Ok(())));
                    group.spawn(child(trace, "b", 1, Ok(())));
                    trace.log("body waits");
                    sleep_ms(2).await;
                    group.spawn(child(trace, "c", 1, Ok(())));
                    trace.log("body ends");
                    Ok(42)
                });
                let value = group.await;
                trace.log(format_args!("{value:?}"));
            })
            .unwrap();
        trace.expect(&[
            "0 body waits",
            "0 a begins",
            "0 b begins",
            "1 b ends",
            "1 b is gone",
            "2 body ends",
            "2 c begins",
            "3 c ends",
            "3 c is gone",
            "5 a ends",
            "5 a is gone",
            "5 Ok(42)",
        ]);
    });
}

/// Children borrow from outside of the group, shared and, each its own part, exclusively.
#[test]
fn children_borrow() {
    at_both_starts(|event_loop, _| {
        let mut numbers = [1, 2, 3, 4];
        let (sum, factor) = (Cell::new(0), 10);
        let result = event_loop.run_until_complete(task_group(async |group| {
            for number in &mut numbers {
                let sum = &sum;
                group.spawn(async move {
                    sleep_ms(*number).await;
                    *number *= factor;
                    sum.set(sum.get() + *number);
                    Ok::<(), ()>(())
                });
            }
            Ok(())
        }));
        assert_eq!(result.unwrap(), Ok(()));
        assert_eq!((numbers, sum.get()), ([10, 20, 30, 40], 100));
    });
}

/// A child may spawn siblings; a new child runs before its spawner goes on, also if that only gives way (trap 13), and behind
/// what was ready before.
#[test]
fn children_of_children() {
    at_both_starts(|event_loop, trace| {
        let other = trace.clone();
        event_loop.spawn(async move {
            for _ in 0..3 {
                other.log("another task");
                yield_now().await;
            }
        });
        let group = task_group(async |group| {
            let siblings = group.clone();
            group.spawn(async move {
                trace.log("child");
                siblings.spawn(async move {
                    trace.log("child of the child");
                    Ok(())
                });
                yield_now().await;
                trace.log("child goes on");
                Ok::<(), ()>(())
            });
            yield_now().await;
            trace.log("body goes on");
            Ok(())
        });
        event_loop.run_until_complete(group).unwrap().unwrap();
        trace.expect(&[
            "0 another task",
            "0 another task",
            "0 child",
            "0 body goes on",
            "0 another task",
            "0 child of the child",
            "0 child goes on",
        ]);
    });
}

/// The first error drops the siblings, those that have not begun and the rest of the body, and is returned after that. R-11.
#[test]
fn error_of_a_child() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let group = task_group(async |group| {
                    let _gone = trace.on_drop("the body is gone");
                    for (name, millis, end) in [("a", 9, Ok(())), ("b", 2, Err("failed")), ("c", 1, Ok(())), ("d", 3, Err("d"))] {
                        group.spawn(child(trace, name, millis, end));
                    }
                    sleep_ms(2).await;
                    group.spawn(child(trace, "never begins", 1, Ok(())));
                    pending().await
                });
                let error: Result<(), _> = group.await;
                trace.log(format_args!("{error:?}"));
            })
            .unwrap();
        trace.expect(&[
            "0 a begins",
            "0 b begins",
            "0 c begins",
            "0 d begins",
            "1 c ends",
            "1 c is gone",
            "2 b ends",
            "2 b is gone",
            "2 a is gone",
            "2 d is gone",
            "2 the body is gone",
            "2 Err(TaskGroupError { first: \"failed\", more: [] })",
        ]);
    });
}

/// An error of the body does the same.
#[test]
fn error_of_the_body() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let group = task_group(async |group| {
                    group.spawn(child(trace, "a", 9, Ok(())));
                    sleep_ms(1).await;
                    Err::<(), _>("failed")
                });
                trace.log(group.await.unwrap_err());
            })
            .unwrap();
        trace.expect(&["0 a begins", "1 a is gone", "1 failed"]);
    });
}

/// Errors of the same moment are all kept, the first in time first; later ones cannot come.
#[test]
fn errors_of_the_same_moment() {
    at_both_starts(|event_loop, _| {
        let signals = [Signal::new(), Signal::new(), Signal::new()];
        let error = event_loop.run_until_complete(async {
            let group = task_group(async |group| {
                for (index, signal) in signals.iter().enumerate() {
                    group.spawn(async move {
                        signal.wait().await;
                        Err::<(), _>(index)
                    });
                }
                sleep_ms(1).await;
                signals[2].open();
                signals[0].open();
                Err::<(), _>(9)
            });
            group.await.unwrap_err()
        });
        // The body failed in the poll before the children that it had woken.
        assert_eq!(error.unwrap().into_iter().collect::<Vec<_>>(), [9]);
        let error = event_loop.run_until_complete(async {
            let group = task_group(async |group| {
                for (index, signal) in signals.iter().enumerate() {
                    group.spawn(async move {
                        sleep_ms(2 + u32::from(index == 1)).await;
                        signal.wait().await;
                        Err::<(), _>(index)
                    });
                }
                sleep_ms(2).await;
                Err::<(), _>(9)
            });
            group.await.unwrap_err()
        });
        let error = error.unwrap();
        assert_eq!(error.iter().copied().collect::<Vec<_>>(), [9, 0, 2]); // the body's timer was set first
        assert_eq!((*error.first(), error.into_first()), (9, 9));
    });
}

/// The parent's cancel, or its timeout, drops all; children first, in the order of the spawns.
#[test]
fn cancelled() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop
            .run_until_complete(async {
                let parent = create_task(async move {
                    task_group(async |group| {
                        let _gone = log.on_drop("the body is gone");
                        group.spawn(child(&log, "a", 9, Ok(())));
                        group.spawn(child(&log, "b", 9, Ok(())));
                        group.spawn(child(&log, "c", 9, Ok(())));
                        pending::<Fails>().await
                    })
                    .await
                });
                sleep_ms(1).await;
                parent.cancel();
                assert!(parent.await.is_err());
                trace.log("cancelled");
                let limited = wait_for_ms(
                    task_group(async |group| {
                        group.spawn(child(trace, "d", 9, Ok(())));
                        Ok(())
                    }),
                    1,
                );
                assert!(limited.await.is_err());
                trace.log("timeout");
            })
            .unwrap();
        trace.expect(&[
            "0 a begins",
            "0 b begins",
            "0 c begins",
            "1 a is gone",
            "1 b is gone",
            "1 c is gone",
            "1 the body is gone",
            "1 cancelled",
            "1 d begins",
            "2 d is gone",
            "2 timeout",
        ]);
    });
}

/// No children, and children that end at once, in an executor that is not ours.
#[test]
fn few_and_short_children() {
    assert_eq!(block_on(task_group(async |_| Ok::<_, ()>(1))), Ok(1));
    let count = Cell::new(0);
    let group = task_group(async |group| {
        for _ in 0..100 {
            group.spawn(async {
                count.set(count.get() + 1);
                Ok::<(), ()>(())
            });
        }
        Ok(2)
    });
    assert_eq!((block_on(group), count.get()), (Ok(2), 100));
}

/// Children that threads wake.
#[test]
fn children_woken_by_threads() {
    let count = Cell::new(0);
    let group = task_group(async |group| {
        for _ in 0..if cfg!(miri) { 3 } else { 50 } {
            let flag = Arc::new(AtomicBool::new(false));
            let mut thread = None;
            let count = &count;
            group.spawn(poll_fn(move |cx| {
                let waker = cx.waker();
                thread.get_or_insert_with(|| {
                    let (flag, waker) = (flag.clone(), waker.clone());
                    thread::spawn(move || {
                        flag.store(true, Ordering::SeqCst);
                        waker.wake();
                    })
                });
                if !flag.load(Ordering::SeqCst) {
                    return Poll::Pending;
                }
                thread.take().unwrap().join().unwrap();
                count.set(count.get() + 1);
                Poll::Ready(Ok::<(), ()>(()))
            }));
        }
        Ok(())
    });
    assert_eq!(block_on(group), Ok(()));
    assert_eq!(count.get(), if cfg!(miri) { 3 } else { 50 });
}

/// Another task may hold the handle, and spawn while the body waits.
#[test]
fn spawned_by_another_task() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let mailbox = Rc::new(RefCell::new(None));
                let (put, log) = (mailbox.clone(), trace.clone());
                let owner = create_task(task_group(async move |group| {
                    put.replace(Some(group));
                    sleep_ms(5).await;
                    Ok::<(), ()>(())
                }));
                sleep_ms(1).await;
                let group = mailbox.take().unwrap();
                let inner = log.clone();
                group.spawn(async move {
                    inner.log("spawned");
                    sleep_ms(9).await;
                    Ok(())
                });
                drop(group);
                owner.await.unwrap().unwrap();
                trace.log("ended");
            })
            .unwrap();
        trace.expect(&["1 spawned", "10 ended"]);
    });
}
