//! The life of a timer: armed, fired, cancelled, reset.
//!
//! The wheel has a model test of its own; `timers_ends.rs` is about timers that are dropped, forgotten or moved, `timers_far.rs` about
//! distances, `timers_cost.rs` about what timers cost.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::common::{CallingWaker, CountingWaker, Trace, at_both_starts, collect_failures};
use uasyncio_core::{Sleep, call_later_ms, create_task, sleep, sleep_ms, spawn, yield_now};

fn poll(sleep: &mut Pin<Box<Sleep>>, waker: &Waker) -> Poll<()> {
    sleep.as_mut().poll(&mut Context::from_waker(waker))
}

/// Sleeps, then logs.
fn sleeper<E: Display + 'static>(trace: &Trace, millis: u32, event: E) -> impl Future<Output = ()> + use<E> {
    let trace = trace.clone();
    async move {
        sleep_ms(millis).await;
        trace.log(event);
    }
}

/// Equal deadlines, armed at different times and so found on different levels of the wheel, fire in the order of arming, also
/// through a cascade, and beside timed callbacks.
#[test]
fn equal_deadlines_fifo() {
    at_both_starts(|event_loop, trace| {
        for &end in if cfg!(miri) { &[5, 65, 4_096][..] } else { &[5, 63, 64, 65, 4_096, 4_100, 262_144, 300_001] } {
            event_loop
                .run_until_complete(async {
                    let begin = uasyncio_core::get_event_loop().time();
                    spawn(sleeper(trace, end, "0"));
                    spawn(sleeper(trace, end, "1"));
                    yield_now().await;
                    let log = trace.clone();
                    call_later_ms(end, move || log.log("2"));
                    let mut expected = vec!["0".to_owned(), "1".into(), "2".into()];
                    // From ever nearer, down to the last millisecond.
                    let mut left = end;
                    while left > 1 {
                        let step = left / 2;
                        sleep_ms(step).await;
                        left -= step;
                        spawn(sleeper(trace, left, expected.len()));
                        expected.push(expected.len().to_string());
                        yield_now().await;
                    }
                    sleep_ms(1).await;
                    yield_now().await;
                    assert_eq!(uasyncio_core::get_event_loop().time().diff(begin), end as i32);
                    let seen: Vec<_> = trace.take().iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
                    assert_eq!(seen, expected, "{end}");
                })
                .unwrap();
        }
    });
}

/// A deadline counts from the first poll, not from where the future was made.
#[test]
fn deadline_counts_from_the_first_poll() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let made_now = sleep_ms(10);
                sleep_ms(5).await;
                made_now.await;
                trace.log("done");
            })
            .unwrap();
        trace.expect(&["15 done"]);
    });
}

/// The very tick on which a timer has fired: whoever is polled first drops the others, which never end (tokio #3229).
#[test]
fn cancel_on_the_tick() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let first = {
                    let (trace, second) = (trace.clone(), Rc::new(RefCell::new(None)));
                    let victim = second.clone();
                    let first = create_task(async move {
                        sleep_ms(64).await;
                        trace.log("first cancels second");
                        victim.take();
                    });
                    second.replace(Some(create_task(sleeper(&Trace::new(Default::default()), 64, "")).cancel_on_drop()));
                    first
                };
                let mut mine = Box::pin(sleep_ms(64));
                let (counting, waker) = CountingWaker::new();
                yield_now().await;
                assert!(poll(&mut mine, &waker).is_pending());
                first.await.unwrap();
                assert_eq!(counting.wakes(), 1, "fired in the same pass");
                drop(mine);
                trace.log("dropped after it had fired");
                sleep_ms(100).await;
                assert_eq!(uasyncio_core::get_event_loop().tasks().len(), 1);
            })
            .unwrap();
        trace.expect(&["64 first cancels second", "64 dropped after it had fired"]);
    });
}

#[test]
fn reset_later_and_earlier() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let (counting, waker) = CountingWaker::new();
                let mut sleep = Box::pin(sleep_ms(10));
                assert!(poll(&mut sleep, &waker).is_pending());
                sleep_ms(5).await;

                // Later: it counts from the next poll, and the old deadline is forgotten at once.
                sleep.as_mut().reset(Duration::from_millis(100));
                sleep_ms(15).await;
                assert_eq!(counting.wakes(), 0);
                assert!(poll(&mut sleep, &waker).is_pending());
                sleep_ms(99).await;
                assert_eq!(counting.wakes(), 0);
                sleep_ms(1).await;
                assert_eq!(counting.wakes(), 1);

                // After it has fired, and before anybody has seen that.
                sleep.as_mut().reset(Duration::from_millis(7));
                assert!(poll(&mut sleep, &waker).is_pending());

                // Earlier.
                sleep.as_mut().reset(Duration::from_micros(2_001));
                sleep.as_mut().await;
                trace.log("three milliseconds");

                // After its end: the future may be used again.
                sleep.as_mut().reset(Duration::from_millis(4));
                sleep.as_mut().await;
                trace.log("four more");

                // To never, and back; out of a chain, and back.
                for long in [Duration::MAX, Duration::from_secs(30 * 24 * 60 * 60)] {
                    sleep.as_mut().reset(long);
                    assert!(poll(&mut sleep, &waker).is_pending());
                    sleep_ms(10).await;
                    sleep.as_mut().reset(Duration::from_millis(1));
                    sleep.as_mut().await;
                    trace.log("back");
                }
            })
            .unwrap();
        trace.expect(&["123 three milliseconds", "127 four more", "138 back", "149 back"]);
    });
}

/// `sleep(0)` gives way once, to what is ready and no more.
#[test]
fn no_sleep_at_all() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                spawn(async move { log.log("ready") });
                sleep(Duration::ZERO).await;
                trace.log("behind it");
                sleep_ms(0).await;
                trace.log("again");
            })
            .unwrap();
        trace.expect(&["0 ready", "0 behind it", "0 again"]);
        assert_eq!(event_loop.platform().jumps(), 0);
    });
}

/// A waker that panics is reported, and neither the timers behind it nor the loop suffer (futures-intrusive #73).
#[test]
fn waker_panics_in_expiry() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let panics = CallingWaker::waker(|| panic!("in wake"));
                let mut sleeps: Vec<_> = (0..3).map(|_| Box::pin(sleep_ms(70))).collect();
                assert!(poll(&mut sleeps[0], &panics).is_pending());
                spawn(sleeper(trace, 70, "between"));
                yield_now().await;
                assert!(poll(&mut sleeps[1], &panics).is_pending());
                assert!(poll(&mut sleeps[2], &panics).is_pending());
                sleep_ms(70).await;
                trace.log("behind");
                for sleep in &mut sleeps {
                    assert!(poll(sleep, Waker::noop()).is_ready());
                }
            })
            .unwrap();
        trace.expect(&["70 between", "70 behind"]);
        assert_eq!(*failures.borrow(), ["a task panicked and nobody awaits it: panic: in wake"; 3]);
    });
}

/// The waker of a firing timer drops the timer itself, one that is due behind it, and one that is not due.
#[test]
fn waker_drops_sleeps_in_expiry() {
    thread_local! {
        static SLEEPS: RefCell<Vec<Pin<Box<Sleep>>>> = const { RefCell::new(Vec::new()) };
    }
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let (counting, counts) = CountingWaker::new();
                let drops_all = CallingWaker::waker(|| drop(SLEEPS.take()));
                let mut sleeps: Vec<_> = [64, 64, 65, 500].into_iter().map(|n| Box::pin(sleep_ms(n))).collect();
                assert!(poll(&mut sleeps[0], &drops_all).is_pending());
                sleeps[1..].iter_mut().for_each(|sleep| assert!(poll(sleep, &counts).is_pending()));
                SLEEPS.set(sleeps);
                sleep_ms(1_000).await;
                assert_eq!(counting.wakes(), 0);
                trace.log("end");
            })
            .unwrap();
        trace.expect(&["1000 end"]);
    });
}

/// The latest waker is the one that counts, as for every future: a sleep that moves from task to task.
#[test]
fn sleep_changes_its_waker() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
                let mut sleep = Box::pin(sleep_ms(10));
                assert!(poll(&mut sleep, &first_waker).is_pending());
                sleep_ms(5).await;
                assert!(poll(&mut sleep, &second_waker).is_pending());
                sleep_ms(5).await;
                assert_eq!((first.wakes(), second.wakes()), (0, 1));
                assert!(poll(&mut sleep, &first_waker).is_ready());
            })
            .unwrap();
    });
}
