//! `catch_cancel` of the layer below, in what runs futures inside a task: a cancel of the task reaches each member that catches it.

#![cfg(feature = "alloc")]

use std::future::{Future, pending};

use crate::common::{Trace, at_both_starts};
use uasyncio_core::{TaskError, catch_cancel, create_task, sleep_ms};
use uasyncio_sync::{TimeoutError, as_completed, gather, gather_iter, task_group, timeout_ms, wait_for_ms};

/// Waits for ever, catches the cancel, and takes so long to clean up.
fn catcher(trace: &Trace, millis: u32) -> impl Future<Output = u32> + use<> {
    let trace = trace.clone();
    async move {
        let caught = catch_cancel(async {
            let _gone = trace.on_drop(format_args!("{millis} is gone"));
            pending::<()>().await;
        });
        assert!(caught.await.is_err());
        trace.log(format_args!("{millis} caught"));
        sleep_ms(millis).await;
        trace.log(format_args!("{millis} cleaned up"));
        millis
    }
}

/// What a task gives that is cancelled after a millisecond.
async fn cancelled<T: 'static>(future: impl Future<Output = T> + 'static) -> Result<T, TaskError> {
    let task = create_task(future);
    sleep_ms(1).await;
    assert!(task.cancel());
    task.await
}

/// The gathering task is cancelled: all members catch it, the gather waits for all of them, and the task goes on.
#[test]
fn gathered() {
    at_both_starts(|event_loop, trace| {
        let members = [3, 1, 2].map(|millis| catcher(trace, millis));
        assert_eq!(event_loop.run_until_complete(cancelled(gather_iter(members))).unwrap().unwrap(), [3, 1, 2]);
        trace.expect(&[
            "1 3 is gone",
            "1 3 caught",
            "1 1 is gone",
            "1 1 caught",
            "1 2 is gone",
            "1 2 caught",
            "2 1 cleaned up",
            "3 2 cleaned up",
            "4 3 cleaned up",
        ]);
    });
}

/// A member that does not catch knows nothing of the cancel, which others have caught.
#[test]
fn gathered_with_one_that_does_not_catch() {
    at_both_starts(|event_loop, trace| {
        let catching = catcher(trace, 2);
        let other = async {
            sleep_ms(9).await;
            9
        };
        let both = gather((catching, other));
        assert_eq!(event_loop.run_until_complete(cancelled(both)).unwrap().unwrap(), (2, 9));
        trace.expect(&["1 2 is gone", "1 2 caught", "3 2 cleaned up"]);
    });
}

/// The outputs of those who have cleaned up come as any others.
#[test]
fn as_they_complete() {
    at_both_starts(|event_loop, trace| {
        let mut outputs = as_completed([3, 1].map(|millis| catcher(trace, millis)));
        let log = trace.clone();
        let all = async move {
            while let Some(output) = outputs.next().await {
                log.log(format_args!("{output:?}"));
            }
        };
        event_loop.run_until_complete(cancelled(all)).unwrap().unwrap();
        trace.expect(&[
            "1 3 is gone",
            "1 3 caught",
            "1 1 is gone",
            "1 1 caught",
            "2 1 cleaned up",
            "2 (1, 1)",
            "4 3 cleaned up",
            "4 (0, 3)",
        ]);
    });
}

/// Children catch it, and so does the body. The group ends when all have cleaned up; with the first error, if they make one of it,
/// and the others' clean-up is dropped then.
#[test]
fn children_of_a_group() {
    at_both_starts(|event_loop, trace| {
        for fails in [false, true] {
            let trace = trace.restarted(event_loop);
            let log = trace.clone();
            let group = task_group(async move |group| {
                for millis in [3, 1] {
                    let child = catcher(&log, millis);
                    group.spawn(async move { if child.await == 1 && fails { Err("cancelled") } else { Ok(()) } });
                }
                Ok(catcher(&log, 2).await)
            });
            let end = event_loop.run_until_complete(cancelled(group)).unwrap().unwrap();
            assert_eq!(end.map_err(|error| error.into_first()), if fails { Err("cancelled") } else { Ok(2) });
            let mut expected =
                vec!["1 2 is gone", "1 2 caught", "1 3 is gone", "1 3 caught", "1 1 is gone", "1 1 caught", "2 1 cleaned up"];
            if !fails {
                expected.extend(["3 2 cleaned up", "4 3 cleaned up"]);
            }
            trace.expect(&expected);
        }
    });
}

/// The caller of `wait_for` or `timeout` is cancelled, and the inner future catches it: what that gives is the result. The limit
/// is that of the clean-up too.
#[test]
fn inside_a_limit() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let end = cancelled(wait_for_ms(catch_cancel(pending::<()>()), 10)).await.unwrap();
                assert!(matches!(end, Ok(Err(_))));
                let end = cancelled(async { timeout_ms(10).run(catch_cancel(pending::<()>())).await }).await.unwrap();
                assert!(matches!(end, Ok(Err(_))));
                assert_eq!(cancelled(wait_for_ms(catcher(trace, 8), 10)).await.unwrap(), Ok(8));
                assert_eq!(cancelled(wait_for_ms(catcher(trace, 11), 10)).await.unwrap(), Err(TimeoutError));
                trace.log("timeout");
            })
            .unwrap();
        trace.expect(&["3 8 is gone", "3 8 caught", "11 8 cleaned up", "12 11 is gone", "12 11 caught", "21 timeout"]);
    });
}

/// A cancel that is resumed inside the limit ends the caller, which has no result then.
#[test]
fn resumed_inside_a_limit() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        let resuming = async move {
            let _gone = log.on_drop("gone");
            let Err(cancelled) = catch_cancel(pending::<()>()).await else { unreachable!() };
            sleep_ms(3).await;
            cancelled.resume().await
        };
        let end = event_loop.run_until_complete(cancelled(wait_for_ms(resuming, 10))).unwrap();
        assert!(end.unwrap_err().is_cancelled());
        trace.expect(&["4 gone"]);
    });
}

/// A timeout is not a cancel: no catcher sees it, and none is left that would catch a cancel later.
#[test]
fn timeout_is_not_caught() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let caller = create_task(async move {
                    assert_eq!(wait_for_ms(catcher(&log, 7), 0).await, Err(TimeoutError));
                    assert_eq!(wait_for_ms(catcher(&log, 8), 1).await, Err(TimeoutError));
                    assert_eq!(timeout_ms(1).run(catcher(&log, 9)).await, Err(TimeoutError));
                    let outer = catch_cancel(wait_for_ms(catcher(&log, 10), 1));
                    assert_eq!(outer.await, Ok(Err(TimeoutError)));
                    pending::<()>().await;
                });
                sleep_ms(5).await;
                caller.cancel();
                assert!(caller.await.unwrap_err().is_cancelled());
            })
            .unwrap();
        trace.expect(&["0 7 is gone", "1 8 is gone", "2 9 is gone", "3 10 is gone"]);
    });
}
