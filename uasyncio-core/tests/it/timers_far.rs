//! How long a sleep is: to the tick, from nothing to more than the clock's range, across the wrap and on a late loop
//! (T-29, T-30, T-31).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::common::{Random, STARTS, at_both_starts};
use uasyncio_core::{EventLoop, Platform, RunError, Ticks, call_later_ms, sleep, sleep_ms, spawn, yield_now};

const MINUTE: u32 = 60 * 1_000;
const DAY: u32 = 24 * 60 * MINUTE;

/// A clock that advances by what was waited, and knows how much that was in all, which `Ticks` cannot tell.
struct LongClock {
    start: Ticks,
    elapsed: Cell<u64>,
    waits: Cell<u32>,
    /// How much too long each wait is.
    lateness: Cell<u32>,
}

impl LongClock {
    fn event_loop(start: Ticks) -> EventLoop<LongClock> {
        let (elapsed, waits, lateness) = (Cell::new(0), Cell::new(0), Cell::new(0));
        EventLoop::with_platform(LongClock { start, elapsed, waits, lateness })
    }
}

impl Platform for LongClock {
    fn now(&self) -> Ticks {
        self.start.wrapping_add(self.elapsed.get() as u32)
    }

    fn now_rounded_up(&self) -> Ticks {
        self.now()
    }

    fn wait(&self, timeout: Option<u32>) {
        if timeout != Some(0) {
            let millis = timeout.expect("a timer is armed") + self.lateness.get();
            self.elapsed.set(self.elapsed.get() + u64::from(millis));
            self.waits.set(self.waits.get() + 1);
        }
    }

    fn notifier(&self) -> Waker {
        Waker::noop().clone()
    }
}

fn at_long_starts(scenario: impl Fn(&EventLoop<LongClock>)) {
    let starts = STARTS.into_iter().chain([(1 << 30) - 5, (1 << 31) - 5].map(Ticks::from_millis));
    for start in starts.skip(if cfg!(miri) { 2 } else { 0 }) {
        scenario(&LongClock::event_loop(start));
    }
}

/// T-29: any duration is slept to the tick, rounded up, with a wake-up for each 2^30 ms at most; alone, and beside others.
#[test]
fn durations_to_the_tick() {
    const YEAR: u64 = 365 * DAY as u64;
    let table: [(Duration, u64); 17] = [
        (Duration::ZERO, 0),
        (Duration::from_nanos(1), 1),
        (Duration::from_micros(999), 1),
        (Duration::from_micros(1_000), 1),
        (Duration::from_nanos(1_000_001), 2),
        (Duration::from_secs(1), 1_000),
        (Duration::from_millis(4_095), 4_095),
        (Duration::from_millis(u64::from(DAY)), u64::from(DAY)),
        (Duration::from_millis((1 << 30) - 1), (1 << 30) - 1),
        (Duration::from_millis(1 << 30), 1 << 30),
        (Duration::from_millis((1 << 30) + 1), (1 << 30) + 1),
        (Duration::from_millis((1 << 31) - 1), (1 << 31) - 1),
        (Duration::from_millis(1 << 31), 1 << 31),
        (Duration::from_millis(u64::from(u32::MAX)), u64::from(u32::MAX)),
        (Duration::from_millis((1 << 32) + 5), (1 << 32) + 5),
        (Duration::from_micros(5_000 * (1 << 30) + 1), 5 * (1 << 30) + 1),
        (Duration::from_millis(3 * YEAR), 3 * YEAR),
    ];
    at_long_starts(|event_loop| {
        let clock = event_loop.platform();
        for (duration, millis) in table.into_iter().filter(|(_, millis)| !cfg!(miri) || *millis < YEAR) {
            let (begin, waits) = (clock.elapsed.get(), clock.waits.get());
            event_loop.run_until_complete(sleep(duration)).unwrap();
            assert_eq!(clock.elapsed.get() - begin, millis, "{duration:?}");
            assert_eq!(u64::from(clock.waits.get() - waits), millis.div_ceil(1 << 30), "{duration:?}");

            // Beside another one, which ends some time before.
            let begin = clock.elapsed.get();
            event_loop.spawn(sleep(duration / 3));
            event_loop.run_until_complete(sleep(duration)).unwrap();
            assert_eq!(clock.elapsed.get() - begin, millis, "{duration:?}");
        }
        let begin = clock.elapsed.get();
        event_loop.run_until_complete(sleep_ms(u32::MAX)).unwrap();
        assert_eq!(clock.elapsed.get() - begin, u64::from(u32::MAX));
    });
}

/// A chain of timers is not longer than the sleep because its links fire late.
#[test]
fn lateness_does_not_add_up() {
    at_long_starts(|event_loop| {
        let clock = event_loop.platform();
        clock.lateness.set(1_000);
        event_loop.run_until_complete(sleep(Duration::from_millis(1 << 34))).unwrap();
        assert_eq!(clock.elapsed.get(), (1 << 34) + 1_000);
    });
}

/// T-29, embassy #4736: `Duration::MAX` is never. It arms nothing, and disturbs nobody.
#[test]
fn duration_max_never_fires_and_does_not_break_others() {
    at_both_starts(|event_loop, trace| {
        for forever in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_millis(u64::MAX)] {
            event_loop.spawn(async move {
                sleep(forever).await;
                unreachable!("for ever has passed");
            });
        }
        event_loop
            .run_until_complete(async {
                for millis in [1, 70, DAY] {
                    sleep_ms(millis).await;
                    trace.log(millis);
                }
            })
            .unwrap();
        trace.expect(&["1 1", "71 70", "86400071 86400000"]);
        let jumps = event_loop.platform().jumps();
        let end = event_loop.run_until_complete(sleep(Duration::MAX));
        assert!(matches!(end, Err(RunError::Deadlock(deadlock)) if deadlock.tasks().len() == 4));
        assert_eq!(event_loop.platform().jumps(), jumps);
    });
}

/// Tokio #8334: after 2^30 ms of uptime a far timer shared a list with "now", and new short timers slept for a rotation.
#[test]
fn twelve_days_uptime_with_far_timer() {
    at_long_starts(|event_loop| {
        let clock = event_loop.platform();
        // A far timer is always there, each time armed at another point of the rotation.
        let far_ends = Rc::new(RefCell::new(Vec::new()));
        let log = far_ends.clone();
        event_loop.spawn(async move {
            loop {
                sleep_ms((1 << 30) - 1).await;
                log.borrow_mut().push(());
            }
        });
        for _ in 0..if cfg!(miri) { 7 } else { 40 } {
            event_loop
                .run_until_complete(async {
                    for short in [1, 5, 64, 100, 5_000, DAY] {
                        let begin = clock.elapsed.get();
                        sleep_ms(short).await;
                        assert_eq!(clock.elapsed.get() - begin, u64::from(short));
                    }
                })
                .unwrap();
            let begin = clock.elapsed.get();
            event_loop.run_until_complete(sleep_ms(2 * DAY)).unwrap();
            assert_eq!(clock.elapsed.get() - begin, u64::from(2 * DAY));
        }
        assert_eq!(far_ends.borrow().len() as u64, clock.elapsed.get() / ((1 << 30) - 1));
    });
}

/// T-30: a thousand timers at random across the wrap fire in order, each on its tick.
#[test]
fn a_thousand_timers_across_the_wrap() {
    let timers = if cfg!(miri) { 50 } else { 1_000 };
    for seed in 0..if cfg!(miri) { 1 } else { 20 } {
        at_both_starts(|event_loop, _| {
            let (mut random, begin) = (Random::seeded(seed), event_loop.time());
            let fired = Rc::new(RefCell::new(Vec::new()));
            let mut expected = Vec::new();
            for number in 0..timers {
                let range = if random.chance(50) { 40 } else { 10_000 };
                let millis = 1 + random.below(range) as u32;
                expected.push((millis as i32, number));
                let (fired, time) = (fired.clone(), move || uasyncio_core::get_event_loop().time().diff(begin));
                event_loop.spawn(async move {
                    sleep_ms(millis).await;
                    fired.borrow_mut().push((time(), number));
                });
            }
            expected.sort_unstable();
            event_loop.run_until_complete(sleep_ms(10_001)).unwrap();
            assert_eq!(*fired.borrow(), expected, "seed {seed}");
        });
    }
}

/// An idle day is a handful of wake-ups, for one timer exactly one, whatever is cancelled on the way.
#[test]
fn an_idle_day_is_tickless() {
    at_both_starts(|event_loop, _| {
        let jumps = || event_loop.platform().jumps();
        event_loop.run_until_complete(sleep_ms(DAY)).unwrap();
        assert_eq!(jumps(), 1);
        // Next to each other until the last cascade: one jump to each level's list on the way.
        event_loop.spawn(sleep_ms(DAY + 1));
        event_loop.run_until_complete(sleep_ms(DAY)).unwrap();
        assert!(jumps() - 1 <= 5, "{}", jumps());
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        let before = jumps();
        event_loop
            .run_until_complete(async {
                for millis in (1..500).map(|number| number * MINUTE) {
                    let mut cancelled = pin!(sleep_ms(millis));
                    assert!(cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                }
                sleep_ms(DAY).await;
            })
            .unwrap();
        assert_eq!(jumps() - before, 1);
    });
}

/// T-31: the clock jumps by weeks, and in the same poll a task arms timers, before the loop has looked at the clock: they count
/// from the new time, and what was due by then fires first.
#[test]
fn timers_armed_right_after_a_jump_are_not_early() {
    for jump in [8 * 60 * MINUTE, 12 * DAY, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, 20 * DAY, (1 << 31) - 100] {
        at_both_starts(|event_loop, trace| {
            let clock = event_loop.platform().clone();
            let log = trace.clone();
            event_loop.call_later_ms(1_000, move || log.log("what was due"));
            event_loop
                .run_until_complete(async {
                    yield_now().await;
                    sleep_ms(1).await;
                    clock.advance(jump - 1);
                    trace.take();
                    for millis in [1 << 30, 70, 1] {
                        let (log, begin) = (trace.clone(), uasyncio_core::get_event_loop().time());
                        call_later_ms(millis, move || {
                            log.log(millis);
                            assert_eq!(uasyncio_core::get_event_loop().time().diff(begin), millis as i32);
                        });
                    }
                    sleep_ms(1 << 30).await;
                })
                .unwrap();
            let events: Vec<_> = trace.take().iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
            assert_eq!(events, ["what was due", "1", "70", "1073741824"], "a jump of {jump} ms");
        });
    }
}

/// Many tasks at their own periods for a day: each comes exactly as often as it should.
#[test]
fn a_day_of_many_periods() {
    at_both_starts(|event_loop, _| {
        let day = if cfg!(miri) { 10 * MINUTE } else { DAY };
        let counts: Vec<_> = [MINUTE, 61_001, 5 * MINUTE, 3_600_003]
            .into_iter()
            .map(|period| {
                let count = Rc::new(Cell::new(0));
                let counting = count.clone();
                event_loop.spawn(async move {
                    loop {
                        sleep_ms(period).await;
                        counting.set(counting.get() + 1);
                    }
                });
                (period, count)
            })
            .collect();
        event_loop
            .run_until_complete(async move {
                spawn(async {});
                sleep_ms(day).await;
                yield_now().await;
            })
            .unwrap();
        for (period, count) in counts {
            assert_eq!(count.get(), day / period, "every {period} ms");
        }
    });
}
