//! What the loop asks of its platform, and when: the clock, enter and leave, waits that end early or by a panic, and wakes from
//! other threads before, during and after a wait (decisions 3 and 11; traps 18 and 19).

#![cfg(feature = "std")]

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::thread;

use crate::common::{Recorder, STARTS, Signal, Trace};
use uasyncio_core::{Attention, EventLoop, call_later_ms, create_task, get_event_loop, sleep_ms, yield_now};

/// Runs a scenario on a recording platform whose clock starts at 0, and again just before the wrap.
fn recorded(scenario: impl Fn(&EventLoop<Recorder>, &Trace)) {
    for start in STARTS {
        let trace = Trace::new(start);
        let event_loop = EventLoop::with_platform(Recorder::new(&trace));
        scenario(&event_loop, &trace);
        assert_eq!(event_loop.platform().depth(), 0, "entered as often as left");
    }
}

/// Trap 18, and the original's test_full_wait: a wait that returns early, for nothing, runs nothing before its time.
#[test]
fn early_returns_poll_nothing() {
    recorded(|event_loop, trace| {
        for millis in [0, 0, 60, 1, 0, 1] {
            event_loop.platform().during_wait(move |now| now.set(now.get().wrapping_add(millis)));
        }
        event_loop
            .run_until_complete(async {
                sleep_ms(63).await;
                trace.log("main");
            })
            .unwrap();
        let waits: Vec<_> = trace.take();
        let without_cascades: Vec<_> = waits.iter().map(String::as_str).collect();
        assert_eq!(
            without_cascades,
            ["0 wait 63", "0 wait 63", "0 wait 63", "60 wait 3", "61 wait 2", "61 wait 2", "62 wait 1", "63 main"]
        );
    });
}

/// Wakes from other threads come in behind what was ready, between the polls and the wait.
#[test]
fn remote_wakes_come_in_after_the_polls() {
    recorded(|event_loop, trace| {
        let signal = Signal::new();
        let (waiting, log) = (signal.clone(), trace.clone());
        event_loop.spawn(async move {
            waiting.wait().await;
            log.log("woken from elsewhere");
            waiting.wait().await;
            log.log("again");
        });
        event_loop
            .run_until_complete(async {
                yield_now().await;
                let waker = signal.waker();
                thread::spawn(move || waker.wake()).join().unwrap();
                signal.open_without_wake();
                for round in 1..=3 {
                    trace.log(format_args!("round {round}"));
                    yield_now().await;
                }
                sleep_ms(5).await;
            })
            .unwrap();
        trace.expect(&["0 round 1", "0 round 2", "0 round 3", "0 wait 0", "0 woken from elsewhere", "0 again", "0 wait 5"]);
        assert_eq!(event_loop.platform().notices(), 0, "the loop was awake");
    });
}

/// U7, step by step: a wake that comes after the loop has collected the wakes, but before it sleeps, keeps it from sleeping.
#[test]
fn a_remote_wake_just_before_the_sleep() {
    recorded(|event_loop, trace| {
        let (signal, done) = (Signal::new(), Signal::new());
        let (waiting, log, opens) = (signal.clone(), trace.clone(), done.clone());
        event_loop.spawn(async move {
            waiting.wait().await;
            log.log("woken");
            opens.open();
        });
        event_loop.run_until_complete(yield_now()).unwrap();
        event_loop.spawn(sleep_ms(1_000)); // so that the clock is read between the two
        event_loop.run_until_complete(yield_now()).unwrap();
        trace.take();
        let waker = signal.waker();
        event_loop.platform().at_clock_read(move || thread::spawn(move || waker.wake()).join().unwrap());
        signal.open_without_wake();
        event_loop.run_until_complete(done.wait()).unwrap();
        trace.expect(&["0 woken"]);
        assert_eq!(event_loop.platform().notices(), 0, "it was awake");
    });
}

/// Wakes that come while the loop sleeps notify it, once; it collects all of them.
#[test]
fn remote_wakes_during_the_sleep() {
    recorded(|event_loop, trace| {
        let signals = [Signal::new(), Signal::new(), Signal::new()];
        for (name, signal) in signals.iter().enumerate() {
            let (waiting, log) = (signal.clone(), trace.clone());
            event_loop.spawn(async move {
                waiting.wait().await;
                log.log(format_args!("task {name}"));
            });
        }
        let asleep = signals.clone();
        event_loop.platform().during_wait(move |_| {
            let wakers = asleep.each_ref().map(Signal::waker);
            asleep.iter().for_each(Signal::open_without_wake);
            thread::spawn(move || (0..3).for_each(|_| wakers.iter().for_each(std::task::Waker::wake_by_ref))).join().unwrap();
        });
        event_loop.run_until_complete(sleep_ms(5)).unwrap();
        trace.expect(&["0 wait 5", "0 task 0", "0 task 1", "0 task 2", "0 wait 5"]);
        assert_eq!(event_loop.platform().notices(), 1);
    });
}

/// Decision 11: without timers the clock is not read at all; with them once in each pass, and once in each poll that arms.
#[test]
fn clock_reads() {
    recorded(|event_loop, _| {
        let platform = event_loop.platform();
        let reads = || platform.take_clock_reads();
        event_loop.run_until_complete(async { yield_now().await }).unwrap();
        assert_eq!(reads(), 0, "no timers");

        // Armed; the pass that waits; the pass that fires.
        event_loop.run_until_complete(sleep_ms(3)).unwrap();
        assert_eq!(reads(), 1 + 2);

        // Ten timers armed in one poll.
        event_loop
            .run_until_complete(async {
                let mut sleeps: Vec<_> = (1..=10).map(|n| Box::pin(sleep_ms(n))).collect();
                poll_fn(|cx| {
                    sleeps.retain_mut(|sleep| sleep.as_mut().poll(cx).is_pending());
                    if sleeps.is_empty() { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            })
            .unwrap();
        assert_eq!(reads(), 1 + 1 + 10 + 9, "armed; first pass; each fires in one pass and is polled in the next, but the last");

        // A busy loop with one timer far away: once in 61 polls.
        let far = event_loop.create_task(sleep_ms(1_000_000));
        event_loop
            .run_until_complete(async {
                for _ in 0..609 {
                    yield_now().await;
                }
            })
            .unwrap();
        assert_eq!(reads(), 1 + 10);
        drop(far);
    });
}

/// Without timers a pass is its polls and one look at I/O; a pass that only collects wakes goes on to poll them first.
#[test]
fn turns_look_at_io_once_each() {
    recorded(|event_loop, trace| {
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        trace.expect(&["0 wait 0"]);
        let task = event_loop.create_task(async {
            yield_now().await;
            sleep_ms(5).await;
        });
        assert_eq!(event_loop.turn().unwrap(), Attention::Within(5));
        trace.expect(&["0 wait 0"]);
        event_loop.platform().advance(5);
        assert_eq!(event_loop.turn().unwrap(), Attention::Now);
        trace.expect(&["5 wait 0"]);
        assert!(!task.done());
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        trace.expect(&["5 wait 0"]);
        assert!(task.done());
    });
}

/// The original's test_full_wait: an exception raised in `wait` leaves the loop, which is usable afterwards.
#[test]
fn a_panic_in_wait_leaves_the_loop() {
    recorded(|event_loop, trace| {
        event_loop.platform().during_wait(|_| panic!("in wait"));
        let log = trace.clone();
        event_loop.spawn(async move {
            sleep_ms(5).await;
            log.log("the other task");
        });
        let end = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(pending::<()>())));
        assert_eq!(end.unwrap_err().downcast_ref::<&str>(), Some(&"in wait"));
        assert!(uasyncio_core::try_get_event_loop().is_none());
        assert_eq!(event_loop.platform().depth(), 0);
        event_loop.run_until_complete(sleep_ms(6)).unwrap();
        trace.expect(&["0 wait 5", "0 wait 5", "5 the other task", "5 wait 1"]);
    });
}

/// `enter` and `leave` go in pairs: around runs, turns, the end of the loop, and a call from outside that polls.
#[test]
fn enter_and_leave() {
    recorded(|event_loop, _| {
        let platform = event_loop.platform();
        assert_eq!(platform.depth(), 0);
        event_loop
            .run_until_complete(async {
                assert_eq!(platform.depth(), 1);
                call_later_ms(1, || ());
                assert_eq!(platform.depth(), 1);
                sleep_ms(2).await;
                assert_eq!(platform.depth(), 1);
            })
            .unwrap();
        assert_eq!(platform.depth(), 0);
        event_loop.call_later_ms(1, || ());
        event_loop.turn().unwrap();
        let unwound = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(async { panic!("expected") })));
        assert!(unwound.is_err());
        assert_eq!(platform.depth(), 0);
    });
}

/// A task made before the loop ever ran, long before: its sleep counts from its first poll (T-30, decision 11).
#[test]
fn a_task_made_long_before_the_run() {
    recorded(|event_loop, trace| {
        let log = trace.clone();
        let task = event_loop.create_task(async move {
            sleep_ms(10).await;
            log.log("slept");
        });
        event_loop.platform().advance(3_000_000_000); // more than half of the clock's range
        let log = trace.clone();
        event_loop
            .run_until_complete(async move {
                let before = get_event_loop().time();
                create_task(async {}).await.unwrap();
                task.await.unwrap();
                assert_eq!(get_event_loop().time().diff(before), 10);
                log.log("main");
            })
            .unwrap();
        assert_eq!(trace.take().len(), 3);
    });
}
