//! Timers on the real clock: never early, in order, across its wrap, and one wake-up of the processor for each deadline.

use core::cell::Cell;
use core::pin::pin;

use board::Clock;
use uasyncio_core::{sleep_ms, time};
use uasyncio_sync::{TimeoutError, gather, wait_for_ms};

use crate::LOOP;
use crate::harness::{Trace, say, test};

pub(crate) fn tests(clock: Clock) {
    test("the_clock_wraps_during_a_sleep", || {
        LOOP.run(
            &clock,
            [pin!(async {
                let before = time();
                assert!(before.as_millis() > u32::MAX - 1_000);
                sleep_ms(2_000).await;
                let after = time();
                assert!(after.as_millis() < 2_000);
                let slept = after.diff(before);
                assert!((2_000..=2_002).contains(&slept), "{slept}");
            })],
        );
    });
    test("timers_fire_in_order_equal_ones_as_they_were_set", || {
        let trace = Trace::new();
        let task = async |name: char, millis: u32| {
            sleep_ms(millis).await;
            trace.mark(name);
        };
        LOOP.run(
            &clock,
            [
                pin!(task('d', 30)),
                pin!(task('a', 10)),
                pin!(task('b', 20)),
                pin!(task('e', 30)),
                pin!(task('f', 30)),
                pin!(task('c', 20)),
            ],
        );
        trace.is("abcdef");
    });
    test("no_timer_is_early", || {
        LOOP.run(
            &clock,
            [pin!(async {
                for millis in [1, 2, 3, 7, 20, 50] {
                    let before = board::counter::read();
                    sleep_ms(millis).await;
                    let slept = board::counter::read().wrapping_sub(before);
                    assert!(slept >= millis * 1_000, "{slept} of {millis}");
                    assert!(slept <= (millis + 2) * 1_000, "{slept} of {millis}");
                }
            })],
        );
    });
    test("one_wake_up_for_each_deadline", || {
        let before = clock.wake_ups();
        let task = async |millis: u32| {
            for _ in 0..4 {
                sleep_ms(millis).await;
            }
        };
        // Each sleep takes one millisecond more than it says, since it begins within one: 8, 16, 24, 32 and 20, 40, 60, 80.
        LOOP.run(&clock, [pin!(task(7)), pin!(task(19))]);
        let wake_ups = clock.wake_ups() - before;
        say(format_args!("8 deadlines, {wake_ups} wake-ups"));
        assert_eq!(wake_ups, 8);
    });
    test("a_far_timer_does_not_hide_a_near_one", || {
        LOOP.run(
            &clock,
            [pin!(async {
                let before = time();
                let far = wait_for_ms(sleep_ms(u32::MAX), 40);
                let near = async {
                    sleep_ms(20).await;
                    time().diff(before)
                };
                let (far, near) = gather((far, near)).await;
                assert_eq!(far, Err(TimeoutError));
                assert!((20..=22).contains(&near), "{near}");
                let both = time().diff(before);
                assert!((40..=42).contains(&both), "{both}");
            })],
        );
    });
    test("timeouts_leave_nothing_behind", || {
        let rounds = Cell::new(0);
        LOOP.run(
            &clock,
            [pin!(async {
                for _ in 0..20 {
                    assert_eq!(wait_for_ms(sleep_ms(50_000), 1).await, Err(TimeoutError));
                    assert_eq!(wait_for_ms(sleep_ms(1), 50_000).await, Ok(()));
                    rounds.set(rounds.get() + 1);
                }
            })],
        );
        assert_eq!(rounds.get(), 20);
    });
}
