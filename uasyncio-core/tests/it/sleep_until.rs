//! Sleeps that end at a point in time: `sleep_until` and `Sleep::reset_at`.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::time::Duration;

use crate::common::{CountingWaker, at_both_starts, poll_once};
use uasyncio_core::{call_at_, get_event_loop, run, sleep, sleep_ms, sleep_until, spawn};

/// What the work takes is not added to the times.
#[test]
fn regular_times_do_not_drift() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let mut next = event_loop.time();
                for work in [0, 3, 9, 0] {
                    event_loop.platform().advance(work);
                    next = next.wrapping_add(10);
                    sleep_until(next).await;
                    trace.log(work);
                }
            })
            .unwrap();
        trace.expect(&["10 0", "20 3", "30 9", "40 0"]);
    });
}

/// A deadline that has passed, or is now, gives way once, as `sleep_ms(0)` does.
#[test]
fn what_has_passed_gives_way() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                event_loop.platform().advance(100);
                for late in [0, 1, 100, i32::MAX as u32] {
                    let log = trace.clone();
                    spawn(async move { log.log("another") });
                    sleep_until(event_loop.time().wrapping_sub(late)).await;
                    trace.log(late);
                }
            })
            .unwrap();
        trace.expect(&[
            "100 another",
            "100 0",
            "100 another",
            "100 1",
            "100 another",
            "100 100",
            "100 another",
            "100 2147483647",
        ]);
    });
}

/// Up to half of the clock's range, by a chain of timers where that is needed.
#[test]
fn far_deadlines_to_the_tick() {
    at_both_starts(|event_loop, _| {
        for millis in [1, 63, 4_096, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, (1 << 31) - 1] {
            let begin = event_loop.time();
            let jumps = event_loop.platform().jumps();
            event_loop.run_until_complete(sleep_until(begin.wrapping_add(millis))).unwrap();
            assert_eq!(event_loop.time().diff(begin), millis as i32);
            assert_eq!(event_loop.platform().jumps() - jumps, u64::from(millis.div_ceil(1 << 30)));
        }
    });
}

/// In the order of deadlines, equal ones FIFO, whatever they were made by.
#[test]
fn order_among_other_timers() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let due = event_loop.time().wrapping_add(20);
                let log = |event: &'static str| {
                    let trace = trace.clone();
                    move || trace.log(event)
                };
                let (first, third) = (log("sleep_ms"), log("sleep_until"));
                spawn(async move {
                    sleep_ms(20).await;
                    first();
                });
                spawn(async move {
                    sleep_until(due).await;
                    third();
                });
                call_at_(due, log("call_at_"));
                call_at_(due.wrapping_sub(1), log("earlier"));
                sleep_ms(30).await;
            })
            .unwrap();
        // `call_at_` starts its timer at once, the tasks in their first polls.
        trace.expect(&["19 earlier", "20 call_at_", "20 sleep_ms", "20 sleep_until"]);
    });
}

#[test]
fn reset_to_a_point_in_time() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let (counting, waker) = CountingWaker::new();
                let at = |millis: u32| event_loop.time().wrapping_add(millis);
                let mut sleep = Box::pin(sleep_ms(10));
                assert!(poll_once(&mut sleep, &waker).is_pending());

                // Later; the old deadline is forgotten at once.
                sleep.as_mut().reset_at(at(20));
                sleep_ms(15).await;
                assert_eq!(counting.wakes(), 0);
                sleep.as_mut().await;
                trace.log("later");

                // Between: the time counts from the call, not from the poll.
                sleep.as_mut().reset_at(at(10));
                event_loop.platform().advance(4);
                sleep.as_mut().await;
                trace.log("ten after");

                // From a point to a length, to never, and back.
                sleep.as_mut().reset_at(at(1));
                sleep.as_mut().reset(Duration::from_millis(5));
                sleep.as_mut().await;
                trace.log("a length");
                sleep.as_mut().reset(Duration::MAX);
                assert!(poll_once(&mut sleep, &waker).is_pending());
                sleep.as_mut().reset_at(at(2));
                sleep.as_mut().await;
                trace.log("back");
            })
            .unwrap();
        trace.expect(&["20 later", "30 ten after", "35 a length", "37 back"]);
    });
}

/// A length next to the largest one is "never" still.
#[test]
fn the_longest_lengths_are_never() {
    at_both_starts(|event_loop, _| {
        for millis in [u64::MAX - 2, u64::MAX - 1, u64::MAX] {
            event_loop
                .run_until_complete(async {
                    let (counting, waker) = CountingWaker::new();
                    let mut never = Box::pin(sleep(Duration::from_millis(millis)));
                    assert!(poll_once(&mut never, &waker).is_pending());
                    sleep_ms(5).await;
                    assert_eq!(counting.wakes(), 0);
                })
                .unwrap();
        }
    });
}

/// A clock that counts whole milliseconds shows less than the time that it is; the other one does not.
#[test]
fn the_rounded_clock_is_ahead() {
    run(async {
        let (down, up) = (get_event_loop().time(), get_event_loop().time_rounded_up());
        assert!(down.is_before(up));
    });
}
