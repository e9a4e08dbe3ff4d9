//! The loop and its clock: jumps, suspends, the wrap, and a real clock that never makes a timer early (traps 17 to 19; T-30, T-31).
//! The timer wheel has tests of its own.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{STARTS, Watchdog, at_both_starts};
use uasyncio_core::{
    EventLoop, ThreadPark, Ticks, call_later_ms, create_task, get_event_loop, run, sleep, sleep_ms, spawn, yield_now,
};

/// T-31: the clock jumps ahead by eight hours. What became due fires once each, in the order of the deadlines, and what sleeps
/// again sleeps from now.
#[test]
fn the_clock_jumps_ahead() {
    at_both_starts(|event_loop, trace| {
        const HOURS: u32 = 8 * 60 * 60 * 1_000;
        let clock = event_loop.platform().clone();
        for millis in [300, 100, 200, 100] {
            let log = trace.clone();
            event_loop.spawn(async move {
                for round in 1..=2 {
                    sleep_ms(millis).await;
                    log.log(format_args!("sleeper of {millis}, round {round}"));
                }
            });
        }
        event_loop
            .run_until_complete(async {
                yield_now().await;
                clock.advance(HOURS);
                sleep_ms(1_000).await;
            })
            .unwrap();
        trace.expect(&[
            "28800000 sleeper of 100, round 1",
            "28800000 sleeper of 100, round 1",
            "28800000 sleeper of 200, round 1",
            "28800000 sleeper of 300, round 1",
            "28800100 sleeper of 100, round 2",
            "28800100 sleeper of 100, round 2",
            "28800200 sleeper of 200, round 2",
            "28800300 sleeper of 300, round 2",
        ]);
    });
}

/// T-30: what was made long before the run, on either side of the wrap, sleeps from when it is polled.
#[test]
fn the_clock_wraps_between_two_runs() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop.spawn(async move {
            for _ in 0..2 {
                sleep_ms(6).await;
                log.log("task");
            }
        });
        event_loop.run_until_complete(sleep_ms(7)).unwrap(); // up to the tick before the wrap, in one of the scenarios
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        let log = trace.clone();
        event_loop.call_later_ms(1, move || log.log("callback"));
        event_loop.run_until_complete(sleep_ms(5)).unwrap();
        trace.expect(&["6 task", "9 callback", "12 task"]);
    });
}

/// Trap 19: a day of ticks takes no time, and no wake-ups but its own.
#[test]
fn a_day_of_virtual_time() {
    at_both_starts(|event_loop, _| {
        let minutes = if cfg!(miri) { 20 } else { 24 * 60 };
        let start = event_loop.time();
        event_loop
            .run_until_complete(async {
                for _ in 0..minutes {
                    sleep(Duration::from_secs(60)).await;
                }
            })
            .unwrap();
        assert_eq!(event_loop.time().diff(start), minutes * 60_000);
        // Some jumps go to where the wheel sorts its timers, not to a deadline: few.
        assert!(event_loop.platform().jumps() <= 2 * minutes as u64);
    });
}

/// Trap 18: on a real clock no timer is early, wherever in a millisecond it was set. (It may be late; nothing is said of that.)
#[test]
fn real_timers_are_never_early() {
    let _watchdog = Watchdog::new("real_timers_are_never_early");
    for start in STARTS {
        let event_loop = EventLoop::with_platform(ThreadPark::starting_at(start));
        event_loop
            .run_until_complete(async {
                for millis in [1, 2, 3, 1] {
                    let begin = Instant::now();
                    let ticks = get_event_loop().time();
                    sleep_ms(millis).await;
                    assert!(begin.elapsed() >= Duration::from_millis(millis.into()));
                    assert!(get_event_loop().time().diff(ticks) >= millis as i32);
                }
                let begin = Instant::now();
                sleep(Duration::from_micros(1_001)).await;
                assert!(begin.elapsed() >= Duration::from_micros(1_001));
                let begin = Instant::now();
                call_later_ms(2, move || assert!(begin.elapsed() >= Duration::from_millis(2)));
                sleep_ms(4).await;
            })
            .unwrap();
    }
}

/// Tokens of `thread::unpark` that others leave or take are no matter: the loop looks again.
#[test]
fn stray_unpark_tokens() {
    let _watchdog = Watchdog::new("stray_unpark_tokens");
    let loops_thread = thread::current();
    let begin = Instant::now();
    run(async {
        let others = thread::spawn(move || {
            for _ in 0..100 {
                loops_thread.unpark();
                thread::yield_now();
            }
        });
        sleep_ms(5).await;
        others.join().unwrap();
        // A task that takes the token, and one that parks for itself.
        thread::current().unpark();
        thread::park();
        spawn(async { thread::park_timeout(Duration::ZERO) });
        create_task(sleep_ms(2)).await.unwrap();
    });
    assert!(begin.elapsed() >= Duration::from_millis(7));
}

/// A loop's time is its platform's; a closed loop has none.
#[test]
fn time() {
    at_both_starts(|event_loop, _| {
        let (clock, start) = (event_loop.platform().clone(), event_loop.time());
        clock.advance(10);
        assert_eq!(event_loop.time().diff(start), 10);
        event_loop.run_until_complete(async { assert_eq!(get_event_loop().time().diff(start), 10) }).unwrap();
        clock.advance(u32::MAX);
        assert_eq!(event_loop.time().diff(start), 9, "all the way around");
    });
    let event_loop = EventLoop::new();
    let kept = *event_loop;
    drop(event_loop);
    assert_eq!(kept.time(), Ticks::default());
}
