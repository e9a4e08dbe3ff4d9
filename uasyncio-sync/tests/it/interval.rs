//! Interval: to the millisecond, for years, and what becomes of ticks that were missed.

#![cfg(feature = "std")]

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::common::{CountingWaker, Trace, Waiter, at_both_starts, poll_once, waker_that_panics};
use crate::counting::{Heap, heap_during};
use uasyncio_core::{EventLoop, Platform, Ticks, VirtualTime, sleep, sleep_ms, spawn, yield_now};
use uasyncio_sync::{Interval, IntervalTick, MissedTickBehavior, interval, interval_at, interval_ms, wait_for, wait_for_ms};

const DAY: u64 = 24 * 60 * 60 * 1_000;

/// Awaits ticks and logs them; before each of them some time goes by in which the loop cannot run.
async fn ticks(event_loop: &EventLoop<VirtualTime>, trace: &Trace, interval: &mut Interval, works: &[u32]) {
    for work in works {
        event_loop.platform().advance(*work);
        let tick = interval.tick().await;
        trace.log(format_args!("number {} missed {}", tick.number, tick.missed));
    }
}

#[test]
fn the_first_tick_comes_at_once_and_the_others_in_time() {
    at_both_starts(|event_loop, trace| {
        let mut interval = interval_ms(10);
        event_loop
            .run_until_complete(async {
                sleep_ms(7).await; // it starts with the first poll
                ticks(event_loop, trace, &mut interval, &[0, 0, 3, 9, 10]).await;
            })
            .unwrap();
        trace.expect(&[
            "7 number 0 missed 0",
            "17 number 1 missed 0",
            "27 number 2 missed 0",
            "37 number 3 missed 0",
            "47 number 4 missed 0",
        ]);
    });
}

/// The table in the docs, with ticks that are late by less than a period, by exactly one, and by more.
#[test]
fn missed_ticks() {
    let table: [(MissedTickBehavior, &[&str]); 3] = [
        (MissedTickBehavior::Burst, &["0 0+0", "10 1+0", "34 2+0", "34 3+0", "40 4+0", "53 5+0", "70 6+0", "70 7+0", "80 8+0"]),
        (MissedTickBehavior::Skip, &["0 0+0", "10 1+0", "34 2+1", "40 4+0", "50 5+0", "63 6+0", "80 7+1", "90 9+0", "100 10+0"]),
        (MissedTickBehavior::Delay, &["0 0+0", "10 1+0", "34 2+1", "44 4+0", "54 5+0", "67 6+0", "84 7+0", "94 8+0", "104 9+0"]),
    ];
    at_both_starts(|event_loop, trace| {
        for (behavior, expected) in table {
            let trace = trace.restarted(event_loop);
            let mut interval = interval_ms(10);
            interval.set_missed_tick_behavior(behavior);
            event_loop
                .run_until_complete(async {
                    for work in [0, 0, 24, 0, 0, 13, 17, 0, 0] {
                        event_loop.platform().advance(work);
                        let tick = interval.tick().await;
                        trace.log(format_args!("{}+{}", tick.number, tick.missed));
                    }
                })
                .unwrap();
            trace.expect(expected);
        }
    });
}

/// A clock of which a part of each millisecond has always gone by, as those of real platforms.
struct RoundedClock(Cell<u32>);

impl Platform for RoundedClock {
    fn now(&self) -> Ticks {
        Ticks::from_millis(self.0.get())
    }

    fn now_rounded_up(&self) -> Ticks {
        self.now().wrapping_add(1)
    }

    fn wait(&self, timeout: Option<u32>) {
        self.0.set(self.0.get() + timeout.unwrap_or(0));
    }

    fn notifier(&self) -> Waker {
        Waker::noop().clone()
    }
}

/// The first period is not too short, and ticks that are in time do not move the others, whatever becomes of late ones.
#[test]
fn on_a_clock_that_rounds() {
    for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Skip, MissedTickBehavior::Delay] {
        let event_loop = EventLoop::with_platform(RoundedClock(Cell::new(0)));
        event_loop
            .run_until_complete(async {
                let mut interval = interval_ms(10);
                interval.set_missed_tick_behavior(behavior);
                for time in [0, 11, 21, 31, 41] {
                    interval.tick().await;
                    assert_eq!(event_loop.time().as_millis(), time, "{behavior:?}");
                }
            })
            .unwrap();
    }
}

/// T-29: the ticks of ten years are due to the millisecond, across many wraps of the clock, though each is looked at late.
#[test]
fn no_drift_for_years() {
    let days = if cfg!(miri) { 60 } else { 3_650 };
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let start = event_loop.time();
                let mut daily = interval(Duration::from_millis(DAY));
                for number in 0..days {
                    event_loop.platform().advance(number as u32 % 1_000);
                    let tick = daily.tick().await;
                    assert_eq!((tick.number, tick.missed), (number, 0));
                    assert_eq!(tick.due, start.wrapping_add((number * DAY) as u32));
                    assert_eq!(event_loop.time(), tick.due);
                }
            })
            .unwrap();
    });
}

/// Periods that are longer than the clock's range, counted in days by another interval.
#[test]
fn periods_longer_than_the_clock() {
    at_both_starts(|event_loop, _| {
        for period in [13, 25, 50, 100] {
            event_loop
                .run_until_complete(async {
                    let days = Rc::new(Cell::new(0));
                    let count = days.clone();
                    let counter = uasyncio_core::create_task(async move {
                        let mut daily = interval(Duration::from_millis(DAY));
                        daily.tick().await;
                        loop {
                            daily.tick().await;
                            count.set(count.get() + 1);
                        }
                    })
                    .cancel_on_drop();
                    yield_now().await;
                    let mut long = interval(Duration::from_millis(period * DAY));
                    for number in 0..4 {
                        assert_eq!(long.tick().await.number, number);
                        yield_now().await; // the counter's timer is of the same time
                        assert_eq!(days.get(), number * period);
                    }
                    drop(counter);
                })
                .unwrap();
        }
        // For ever is for ever.
        let never = event_loop.run_until_complete(async {
            let mut interval = interval(Duration::MAX);
            interval.tick().await;
            let second = wait_for(interval.tick(), Duration::from_millis(1_000 * DAY)).await;
            assert!(second.is_err());
        });
        assert!(never.is_ok());
    });
}

/// T-19: a tick that was waited for in vain is there for the next who waits, before and after its timer has fired.
#[test]
fn dropping_loses_no_tick() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let mut interval = interval_ms(10);
                ticks(event_loop, trace, &mut interval, &[0]).await;
                for millis in [4, 3] {
                    assert!(wait_for_ms(interval.tick(), millis).await.is_err());
                }
                ticks(event_loop, trace, &mut interval, &[0]).await;
                // Fired, and not polled.
                let (counting, waker) = CountingWaker::new();
                let mut waits = Box::pin(interval.tick());
                assert!(poll_once(&mut waits, &waker).is_pending());
                sleep_ms(10).await;
                assert_eq!(counting.wakes(), 1);
                drop(waits);
                ticks(event_loop, trace, &mut interval, &[0]).await;
                // Dropping disarms: the loop has nothing to wait for, and no time goes by.
                assert!(poll_once(&mut Box::pin(interval.tick()), Waker::noop()).is_pending());
            })
            .unwrap();
        let jumps = event_loop.platform().jumps();
        assert!(event_loop.run_until_complete(std::future::pending::<()>()).is_err());
        assert_eq!(event_loop.platform().jumps(), jumps);
        trace.expect(&["0 number 0 missed 0", "10 number 1 missed 0", "20 number 2 missed 0"]);
    });
}

/// T-20: the tick of a waiter whose waker panics is there when it is polled, and for the next who waits.
#[test]
fn a_waker_that_panics_loses_no_tick() {
    at_both_starts(|event_loop, trace| {
        let mut interval = interval_ms(10);
        event_loop
            .run_until_complete(async {
                ticks(event_loop, trace, &mut interval, &[0]).await;
                for is_polled in [true, false] {
                    let (wakes, waker) = waker_that_panics();
                    let mut waits = Waiter::new(interval.tick());
                    assert!(waits.poll_with(&waker).is_pending());
                    sleep_ms(10).await; // its timer is set behind that of the waiter
                    assert_eq!(wakes.get(), 1);
                    if is_polled {
                        trace.log(waits.now().number);
                    }
                }
                ticks(event_loop, trace, &mut interval, &[0, 0]).await;
            })
            .unwrap();
        trace.expect(&["0 number 0 missed 0", "10 1", "20 number 2 missed 0", "30 number 3 missed 0"]);
    });
}

/// T-18: ticks that are waited for in vain take no memory.
#[test]
fn nothing_is_allocated_for_ticks_that_are_dropped() {
    let rounds = if cfg!(miri) { 50 } else { 100_000 };
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut interval = interval_ms(10);
                interval.tick().await;
                let mut wait_in_vain =
                    || assert!(pin!(interval.tick()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
                wait_in_vain(); // the loop sets up its timers
                let (heap, ()) = heap_during(|| (0..rounds).for_each(|_| wait_in_vain()));
                assert_eq!(heap, Heap::default());
            })
            .unwrap();
    });
}

#[test]
fn reset_begins_anew() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let mut interval = interval_ms(10);
                interval.reset(); // before the first tick, which then comes after a period
                ticks(event_loop, trace, &mut interval, &[0, 0]).await;
                sleep_ms(4).await;
                interval.reset();
                ticks(event_loop, trace, &mut interval, &[0, 0]).await;
            })
            .unwrap();
        trace.expect(&["10 number 0 missed 0", "20 number 1 missed 0", "34 number 2 missed 0", "44 number 3 missed 0"]);
    });
}

#[test]
fn from_a_given_time_on() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let period = Duration::from_millis(10);
                let start = event_loop.time();
                ticks(event_loop, trace, &mut interval_at(start.wrapping_add(5), period), &[0, 0]).await;
                let mut past = interval_at(start.wrapping_sub(17), period);
                past.set_missed_tick_behavior(MissedTickBehavior::Skip);
                ticks(event_loop, trace, &mut past, &[0, 0]).await;
            })
            .unwrap();
        trace.expect(&["5 number 0 missed 0", "15 number 1 missed 0", "15 number 0 missed 3", "23 number 4 missed 0"]);
    });
}

#[test]
fn periods_are_rounded_up() {
    at_both_starts(|event_loop, trace| {
        for micros in [0, 1, 1_000] {
            assert_eq!(interval(Duration::from_micros(micros)).period(), Duration::from_millis(1));
        }
        assert_eq!(interval(Duration::from_micros(1_001)).period(), Duration::from_millis(2));
        let mut interval = interval_ms(0);
        event_loop.run_until_complete(ticks(event_loop, trace, &mut interval, &[0, 0, 0])).unwrap();
        trace.expect(&["0 number 0 missed 0", "1 number 1 missed 0", "2 number 2 missed 0"]);
    });
}

/// Trap 15: whoever is behind by many ticks does not keep the others waiting for all of them.
#[test]
fn a_burst_gives_way() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut interval = interval_ms(1);
                interval.tick().await;
                event_loop.platform().advance(1_000);
                let seen = Rc::new(Cell::new(false));
                let see = seen.clone();
                spawn(async move { see.set(true) });
                let mut before = 0;
                for _ in 0..1_000 {
                    interval.tick().await;
                    before += u32::from(!seen.get());
                }
                assert!((100..200).contains(&before), "{before}");
            })
            .unwrap();
    });
}

/// What a task waits for is told, and a second waker takes the place of the first.
#[test]
fn any_waker() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut interval = interval_ms(10);
                interval.tick().await;
                let (first, one) = CountingWaker::new();
                let (second, two) = CountingWaker::new();
                let mut tick = Box::pin(interval.tick());
                assert!(poll_once(&mut tick, &one).is_pending());
                assert!(poll_once(&mut tick, &two).is_pending());
                sleep(Duration::from_millis(10)).await;
                assert_eq!((first.wakes(), second.wakes()), (0, 1));
                let mut pinned = pin!(tick);
                assert!(poll_once(&mut pinned, &two).is_ready());
            })
            .unwrap();
    });
}

#[test]
fn names() {
    fn is_nameable(_: Option<IntervalTick<'_>>) {}
    is_nameable(None);
    assert!(format!("{:?}", interval_ms(5)).contains("period: 5"));
    assert!(format!("{:?}", interval_ms(5).tick()).contains("IntervalTick"));
}
