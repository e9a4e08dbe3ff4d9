//! Callbacks share the queue with the tasks: `call_soon`, `call_later`, `call_later_ms`, `call_at_` (traps 13, 14, 21; T-29).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::common::{Drops, Trace, at_both_starts, with_loops_at_both_starts};
use uasyncio_core::{Loop, call_at_, call_later, call_later_ms, call_soon, get_event_loop, sleep_ms, spawn, yield_now};

fn logging(trace: &Trace, event: &'static str) -> impl FnOnce() + use<> {
    let trace = trace.clone();
    move || trace.log(event)
}

/// Callbacks and tasks run in the order in which they were queued, whichever they are.
#[test]
fn callbacks_and_tasks_share_one_fifo() {
    at_both_starts(|event_loop, trace| {
        event_loop.call_soon(logging(trace, "callback before the run"));
        event_loop
            .run_until_complete(async {
                call_soon(logging(trace, "callback 1"));
                let log = trace.clone();
                spawn(async move { log.log("task 1") });
                call_soon(logging(trace, "callback 2"));
                let log = trace.clone();
                spawn(async move { log.log("task 2") });
                trace.log("main");
                yield_now().await;
                trace.log("main again");
            })
            .unwrap();
        trace.expect(&[
            "0 callback before the run",
            "0 main",
            "0 callback 1",
            "0 task 1",
            "0 callback 2",
            "0 task 2",
            "0 main again",
        ]);
    });
}

/// A callback that makes another one: that comes behind everything that was queued before, not at once.
#[test]
fn a_callback_that_calls_soon() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                call_soon(move || {
                    call_soon(logging(&log, "its child"));
                    log.log("callback");
                });
                call_soon(logging(trace, "next"));
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["0 callback", "0 next", "0 its child"]);
    });
}

/// Timed callbacks and sleeps fire in the order of their deadlines; equal ones in the order in which they were set.
#[test]
fn timed_callbacks_keep_their_order() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                call_later_ms(20, logging(trace, "20"));
                call_later(Duration::from_millis(10), logging(trace, "10 first"));
                let log = trace.clone();
                let sleep = sleep_ms(10); // inert until it is polled (trap 23)
                call_later_ms(10, logging(trace, "10 second"));
                call_at_(get_event_loop().time().wrapping_add(10), logging(trace, "10 third"));
                call_later(Duration::from_micros(9_001), logging(trace, "10 fourth, rounded up"));
                call_later_ms(5, logging(trace, "5"));
                sleep.await;
                log.log("10 sleeper");
                sleep_ms(30).await;
            })
            .unwrap();
        trace.expect(&[
            "5 5",
            "10 10 first",
            "10 10 second",
            "10 10 third",
            "10 10 fourth, rounded up",
            "10 10 sleeper",
            "20 20",
        ]);
    });
}

/// Trap 14: no delay at all is `call_soon`.
#[test]
fn call_later_with_no_delay_is_call_soon() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                call_later_ms(0, logging(trace, "first"));
                call_soon(logging(trace, "second"));
                call_later(Duration::ZERO, logging(trace, "third"));
                yield_now().await;
                trace.log("main");
            })
            .unwrap();
        trace.expect(&["0 first", "0 second", "0 third", "0 main"]);
        assert_eq!(event_loop.platform().jumps(), 0);
    });
}

/// Trap 14: a time that has passed means the next pass, behind what is ready, in the order of the calls; never a long wait.
#[test]
fn call_at_in_the_past() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let now = get_event_loop().time();
                call_at_(now.wrapping_add(1), logging(trace, "in a millisecond"));
                call_at_(now.wrapping_sub(100), logging(trace, "100 ms ago"));
                call_at_(now.wrapping_sub((1 << 31) - 1), logging(trace, "24 days ago"));
                call_at_(now, logging(trace, "now"));
                call_soon(logging(trace, "soon"));
                yield_now().await;
                trace.log("main");
                sleep_ms(5).await;
            })
            .unwrap();
        trace.expect(&["0 soon", "0 main", "0 100 ms ago", "0 24 days ago", "0 now", "1 in a millisecond"]);
    });
}

/// Far times are to the point too, also those beyond what one timer can be armed for (T-29).
#[test]
fn call_at_far_ahead() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let now = get_event_loop().time();
                for distance in [(1_u32 << 30) - 1, 1 << 30, (1 << 30) + 1, (1 << 31) - 1] {
                    let log = trace.clone();
                    call_at_(now.wrapping_add(distance), move || log.log(format_args!("called at {distance}")));
                }
                let log = trace.clone();
                call_later_ms(u32::MAX, move || log.log("called at the end of the clock"));
                sleep_ms((1 << 31) - 1).await;
                yield_now().await;
            })
            .unwrap();
        trace.expect(&[
            "1073741823 called at 1073741823",
            "1073741824 called at 1073741824",
            "1073741825 called at 1073741825",
            "2147483647 called at 2147483647",
        ]);
        event_loop.run_until_complete(sleep_ms((1 << 31) + 1)).unwrap();
        trace.expect(&["-1 called at the end of the clock"]);
    });
}

/// T-29: `Duration::MAX` is never, and disturbs nobody.
#[test]
fn call_later_for_ever() {
    with_loops_at_both_starts(|event_loop, trace| {
        let drops = Drops::default();
        let child = drops.child();
        event_loop.call_later(Duration::MAX, move || {
            drop(child);
            unreachable!("for ever has passed");
        });
        event_loop.call_later(Duration::from_millis(u64::MAX), || unreachable!("584 million years have passed"));
        event_loop.call_later_ms(5, logging(trace, "5"));
        event_loop.run_until_complete(sleep_ms(1_000_000)).unwrap();
        trace.expect(&["5 5"]);
        assert_eq!(drops.count(), 0);
        drop(event_loop);
        assert_eq!(drops.count(), 1);
    });
}

/// The documented way to cancel a callback.
#[test]
fn a_callback_is_cancelled_by_a_flag() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let (cancelled, called) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
                let (flag, out) = (cancelled.clone(), called.clone());
                call_later_ms(5, move || {
                    if !flag.get() {
                        out.set(true);
                    }
                });
                cancelled.set(true);
                sleep_ms(10).await;
                assert!(!called.get());
            })
            .unwrap();
    });
}

/// What a callback owns is dropped once: after the call, or with the loop.
#[test]
fn callbacks_are_dropped_once() {
    with_loops_at_both_starts(|event_loop, _| {
        let drops = Drops::default();
        for delay in [0, 3, 3_000] {
            let child = drops.child();
            event_loop.call_later_ms(delay, move || drop(child));
            let child = drops.child();
            event_loop.call_later_ms(delay, move || _ = &child);
        }
        event_loop.run_until_complete(sleep_ms(5)).unwrap();
        assert_eq!(drops.count(), 4);
        drop(event_loop);
        assert_eq!(drops.count(), 6);
    });
}

/// The same methods before the loop runs, and from a `Loop` that was kept.
#[test]
fn callbacks_before_the_run() {
    at_both_starts(|event_loop, trace| {
        let kept: Loop = **event_loop;
        event_loop.call_later_ms(3, logging(trace, "3"));
        kept.call_later(Duration::from_millis(2), logging(trace, "2"));
        kept.call_at_(kept.time().wrapping_add(1), logging(trace, "1"));
        event_loop.call_soon(logging(trace, "0"));
        trace.expect(&[]);
        event_loop.run_until_complete(sleep_ms(5)).unwrap();
        trace.expect(&["0 0", "1 1", "2 2", "3 3"]);
    });
}
