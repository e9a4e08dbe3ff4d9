//! `stop`: what is queued before it runs first, the rest is there for the next run (traps 47 and 48, and Gen A's test_cb_args).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::future::pending;

use crate::common::{Trace, at_both_starts};
use uasyncio_core::{Attention, RunError, call_soon, create_task, get_event_loop, sleep_ms, spawn, yield_now};

fn logging(trace: &Trace, event: &'static str) -> impl FnOnce() + use<> {
    let trace = trace.clone();
    move || trace.log(event)
}

fn stopping() {
    get_event_loop().stop();
}

/// Trap 48, the whole of it.
#[test]
fn stop_runs_what_is_queued_and_keeps_the_rest() {
    at_both_starts(|event_loop, trace| {
        event_loop.call_soon(logging(trace, "before"));
        event_loop.call_soon(stopping);
        event_loop.call_soon(logging(trace, "queued before the stop took place"));
        let log = trace.clone();
        event_loop.spawn(async move {
            log.log("task");
            call_soon(logging(&log, "made after the stop"));
            yield_now().await;
            log.log("task again");
        });
        event_loop.run_forever().unwrap();
        trace.expect(&["0 before", "0 queued before the stop took place", "0 task"]);
        event_loop.call_soon(stopping);
        event_loop.run_forever().unwrap();
        trace.expect(&["0 made after the stop", "0 task again"]);
    });
}

/// Trap 48: stopping twice is stopping once.
#[test]
fn repeated_stops_are_one() {
    at_both_starts(|event_loop, trace| {
        event_loop.call_soon(stopping);
        event_loop.call_soon(stopping);
        event_loop.call_soon(|| {
            stopping();
            stopping();
        });
        event_loop.run_forever().unwrap();
        event_loop.call_later_ms(5, logging(trace, "the next run goes on"));
        event_loop.call_later_ms(6, stopping);
        event_loop.run_forever().unwrap();
        trace.expect(&["5 the next run goes on"]);
    });
}

/// Stopping before a run makes that run one pass long, as in asyncio.
#[test]
fn stop_before_the_run() {
    at_both_starts(|event_loop, trace| {
        event_loop.call_soon(logging(trace, "queued"));
        event_loop.stop();
        event_loop.call_soon(logging(trace, "queued later"));
        event_loop.run_forever().unwrap();
        trace.expect(&["0 queued"]);
        event_loop.stop();
        event_loop.run_forever().unwrap();
        trace.expect(&["0 queued later"]);
    });
}

/// Trap 47: a run for a future that is stopped says so, and drops the future; the tasks stay.
#[test]
fn run_until_complete_says_that_it_was_stopped() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop.spawn(async move {
            sleep_ms(5).await;
            log.log("task");
        });
        event_loop.call_later_ms(2, stopping);
        let owned = trace.on_drop("main dropped");
        let end = event_loop.run_until_complete(async move {
            let _owned = owned;
            pending::<()>().await;
        });
        let error = end.unwrap_err();
        assert!(matches!(error, RunError::Stopped));
        assert!(error.to_string().contains("stopped before"));
        event_loop.run_until_complete(sleep_ms(5)).unwrap();
        trace.expect(&["2 main dropped", "5 task"]);
    });
}

/// The future is done in the pass in which the loop is stopped: its output wins, and the stop is over.
#[test]
fn stop_and_done_at_once() {
    at_both_starts(|event_loop, trace| {
        let end = event_loop.run_until_complete(async {
            stopping();
            5
        });
        assert_eq!(end.unwrap(), 5);
        // That stop does not reach into the next run.
        event_loop.call_later_ms(3, logging(trace, "next run"));
        event_loop.run_until_complete(sleep_ms(4)).unwrap();
        trace.expect(&["3 next run"]);

        event_loop.call_soon(stopping);
        assert_eq!(event_loop.run_until_complete(async { 6 }).unwrap(), 6);
        event_loop.run_until_complete(sleep_ms(4)).unwrap();
    });
}

/// A stop that was overtaken by the end of its run does not cut the next stop short: everything queued before that runs first.
#[test]
fn a_stale_stop_does_not_bring_the_next_one_forward() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                stopping();
                trace.log("main");
            })
            .unwrap();
        event_loop.call_soon(logging(trace, "queued before the second stop"));
        event_loop.stop();
        event_loop.run_forever().unwrap();
        trace.expect(&["0 main", "0 queued before the second stop"]);
        // And nothing of the two is left for a third run.
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
    });
}

/// A stop inside a long round: the loop returns after the tasks that are queued, across looks at I/O.
#[test]
fn stop_among_many_tasks() {
    at_both_starts(|event_loop, _| {
        let tasks: Vec<_> = (0..200).map(|_| event_loop.create_task(yield_now())).collect();
        event_loop.stop();
        event_loop.run_forever().unwrap();
        assert!(tasks.iter().all(|task| !task.done()), "each has been polled once");
        event_loop.stop();
        event_loop.run_forever().unwrap();
        assert!(tasks.iter().all(|task| task.done()), "and once more");
    });
}

/// Trap 47: a run returns the output of its future, borrowed things and all, and ends as soon as that is done.
#[test]
fn run_until_complete_returns_the_output() {
    at_both_starts(|event_loop, trace| {
        let text = String::from("borrowed");
        event_loop.call_later_ms(1, logging(trace, "later"));
        let log = trace.clone();
        event_loop.spawn(async move { log.log("other") });
        assert_eq!(event_loop.run_until_complete(async { text.as_str() }).unwrap(), "borrowed");
        trace.expect(&["0 other"]);
        event_loop.run_until_complete(async { create_task(sleep_ms(2)).await.unwrap() }).unwrap();
        trace.expect(&["1 later"]);
    });
}

/// Trap 47: a run whose main task is cancelled ends too.
#[test]
fn a_run_of_a_cancelled_task_ends() {
    at_both_starts(|event_loop, _| {
        let mut task = event_loop.create_task(pending::<()>());
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        assert!(task.cancel());
        assert!(event_loop.run_until_complete(&mut task).unwrap().unwrap_err().is_cancelled());

        let task = event_loop.create_task(sleep_ms(60_000)).cancel_on_drop();
        assert!(task.task().cancel()); // before its first poll
        assert!(event_loop.run_until_complete(task).unwrap().unwrap_err().is_cancelled());
    });
}

/// A stop during a turn ends that turn with `Stopped`; the next turn goes on.
#[test]
fn stop_in_a_turn() {
    at_both_starts(|event_loop, trace| {
        event_loop.call_soon(stopping);
        event_loop.call_soon(logging(trace, "queued before"));
        event_loop.call_soon(|| spawn(async {}));
        assert!(matches!(event_loop.turn(), Err(RunError::Stopped)));
        trace.expect(&["0 queued before"]);
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        event_loop.call_later_ms(7, || ());
        assert_eq!(event_loop.turn().unwrap(), Attention::Within(7));
    });
}
