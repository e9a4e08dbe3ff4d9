//! The tests of the original uasyncio's core, and MicroPython's rules for its scheduler, as traces. Section 2.13 of the
//! specification names them; `wait_for` has its place with the synchronisation primitives.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::common::{Recorder, STARTS, Trace, at_both_starts};
use uasyncio_core::{
    CancelledError, EventLoop, call_soon, catch_cancel, create_task, get_event_loop, sleep, sleep_ms, spawn, yield_now,
};

/// core/test_cancel.py: a cancel reaches a task that sleeps at once; one has a handler, the other just disappears.
#[test]
fn test_cancel() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        let with_handler = async move {
            let end = catch_cancel(async {
                for _ in 0..10 {
                    log.log("ping1");
                    sleep(Duration::from_millis(100)).await;
                }
            });
            if let Err(CancelledError { .. }) = end.await {
                log.log("cancelled");
            }
        };
        let log = trace.clone();
        let without = async move {
            for _ in 0..10 {
                log.log("ping2");
                sleep(Duration::from_millis(100)).await;
            }
        };
        event_loop
            .run_until_complete(async {
                let first = create_task(with_handler);
                sleep_ms(250).await;
                first.cancel();
                yield_now().await;
                let second = create_task(without);
                sleep_ms(150).await;
                second.cancel();
                yield_now().await;
                assert!(first.done() && second.done());
            })
            .unwrap();
        trace.expect(&["0 ping1", "100 ping1", "200 ping1", "250 cancelled", "250 ping2", "350 ping2"]);
    });
}

/// core/test_cancel_immediate.py: cancelled before its first step, a task never executes its body.
#[test]
fn test_cancel_immediate() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(async { unreachable!("the body") });
                task.cancel();
                sleep_ms(100).await;
                assert!(task.done());
            })
            .unwrap();
    });
}

/// core/test_cancel_sleep.py: cancelling `sleep(1)` takes effect at once, also when the canceller is the main task, which ends
/// right after.
#[test]
fn test_cancel_sleep() {
    at_both_starts(|event_loop, trace| {
        let sleeper = |name: &'static str| {
            let log = trace.clone();
            async move {
                if catch_cancel(sleep(Duration::from_secs(1))).await.is_err() {
                    log.log(format_args!("{name} cancelled"));
                }
            }
        };
        event_loop
            .run_until_complete(async {
                let task = create_task(sleeper("first"));
                sleep_ms(100).await;
                task.cancel();
                yield_now().await;
                let task = create_task(sleeper("second"));
                sleep_ms(100).await;
                task.cancel();
            })
            .unwrap();
        trace.expect(&["100 first cancelled"]);
        event_loop.run_until_complete(async {}).unwrap(); // the next run goes on with what is queued
        trace.expect(&["200 second cancelled"]);
    });
}

/// core/test_cb_args.py: a callback gets its arguments (here: what it captures), and `stop` from one ends `run_forever`.
#[test]
fn test_cb_args() {
    at_both_starts(|event_loop, trace| {
        let (log, arguments) = (trace.clone(), ("test", 42));
        event_loop.call_soon(move || {
            log.log(format_args!("{arguments:?}"));
            get_event_loop().stop();
        });
        event_loop.run_forever().unwrap();
        trace.expect(&["0 (\"test\", 42)"]);
    });
}

/// core/test_fair_schedule.py: ten tasks of twenty bare yields interleave strictly.
#[test]
fn test_fair_schedule() {
    at_both_starts(|event_loop, _| {
        let results = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let results = results.clone();
                event_loop.create_task(async move {
                    for _ in 0..20 {
                        results.borrow_mut().push(n);
                        yield_now().await;
                    }
                })
            })
            .collect();
        event_loop
            .run_until_complete(async {
                for task in tasks {
                    task.await.unwrap();
                }
            })
            .unwrap();
        let rounds: Vec<u32> = (0..20).flat_map(|_| 0..10).collect();
        assert_eq!(results.take(), rounds);
    });
}

/// core/test_full_wait.py: a loop whose clock advances by 100 in each wait, however long it was asked to wait. A callback that
/// comes from inside a wait at 100 runs at 100, and one that is due at 500 not before.
#[test]
fn test_full_wait() {
    for start in STARTS {
        let trace = Trace::new(start);
        let event_loop = EventLoop::with_platform(Recorder::new(&trace));
        let (log, queue) = (trace.clone(), *event_loop);
        event_loop.platform().during_wait(move |now| {
            now.set(now.get().wrapping_add(100));
            queue.call_soon(move || log.log("I should be run first"));
        });
        for _ in 0..4 {
            event_loop.platform().during_wait(|now| now.set(now.get().wrapping_add(100)));
        }
        let log = trace.clone();
        event_loop.call_later_ms(500, move || {
            log.log("I should be run second");
            get_event_loop().stop();
        });
        event_loop.run_forever().unwrap();
        let events: Vec<_> = trace.take().into_iter().filter(|line| !line.contains("wait")).collect();
        assert_eq!(events, ["100 I should be run first", "500 I should be run second"]);
    }
}

/// core/example_call_soon.py, bounded: a callback that posts itself again lets the others have their turn.
#[test]
fn example_call_soon() {
    fn again(trace: Trace, left: u32) {
        trace.log("callback");
        if left > 1 {
            call_soon(move || again(trace, left - 1));
        }
    }
    at_both_starts(|event_loop, trace| {
        let first = trace.clone();
        event_loop.call_soon(move || again(first, 3));
        let log = trace.clone();
        event_loop
            .run_until_complete(async move {
                for _ in 0..3 {
                    log.log("task");
                    yield_now().await;
                }
            })
            .unwrap();
        trace.expect(&["0 callback", "0 task", "0 callback", "0 task", "0 callback", "0 task"]);
    });
}

/// Section 2.4: what a yielded coroutine does, spelled with `spawn`: the new task first, then the yielder.
#[test]
fn a_new_task_runs_before_the_yielder() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                spawn(async move { log.log("new task") });
                yield_now().await;
                trace.log("yielder");
            })
            .unwrap();
        trace.expect(&["0 new task", "0 yielder"]);
    });
}

/// Section 2.3: what stays in the loop after `stop` or after the main task's end is there for the next run.
#[test]
fn queues_stay_intact_between_runs() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop.spawn(async move {
            loop {
                log.log("tick");
                sleep_ms(100).await;
            }
        });
        event_loop.run_until_complete(sleep_ms(150)).unwrap();
        event_loop.run_until_complete(sleep_ms(100)).unwrap();
        trace.expect(&["0 tick", "100 tick", "200 tick"]);
    });
}

/// Trap 10, the one place where the two originals differ, decided for the first: after 50 ms of blocking the new tasks, which
/// were queued, run before the sleepers, whose timers were only noticed then; the sleepers run in the order of their deadlines.
#[test]
fn overdue_sleepers_and_new_tasks() {
    at_both_starts(|event_loop, trace| {
        let clock = event_loop.platform().clone();
        event_loop
            .run_until_complete(async {
                for millis in [30, 20, 10] {
                    let log = trace.clone();
                    spawn(async move {
                        sleep_ms(millis).await;
                        log.log(format_args!("sleeper of {millis}"));
                    });
                }
                yield_now().await;
                clock.advance(50); // blocks
                for name in ["new 1", "new 2"] {
                    let log = trace.clone();
                    spawn(async move { log.log(name) });
                }
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["50 new 1", "50 new 2", "50 sleeper of 10", "50 sleeper of 20", "50 sleeper of 30"]);
    });
}

/// MicroPython's asyncio_fair, as far as there are no negative sleeps: tasks with a zero sleep and with short ones share the time.
#[test]
fn short_sleeps_are_fair() {
    at_both_starts(|event_loop, _| {
        let clock = event_loop.platform().clone();
        let counts: [Rc<Cell<u32>>; 3] = Default::default();
        for (count, millis) in counts.iter().zip([0, 1, 1]) {
            let (count, clock) = (count.clone(), clock.clone());
            event_loop.spawn(async move {
                loop {
                    count.set(count.get() + 1);
                    clock.advance(u32::from(millis == 0)); // a busy step takes a millisecond
                    sleep_ms(millis).await;
                }
            });
        }
        let time = if cfg!(miri) { 610 } else { 6_100 };
        event_loop.run_until_complete(sleep_ms(time)).unwrap();
        let [busy, short, other] = counts.map(|count| count.get());
        assert_eq!(short, other);
        // The clock is looked at every 61 polls, so that is how often the sleepers run beside a task that never waits.
        assert!((time / 61 - 5..=time / 58 + 5).contains(&short), "{busy} {short} {other}");
    });
}

/// MicroPython's rule that completion wakes the awaiter, and that awaiting a finished task gives its value at once.
#[test]
fn awaiting_finished_tasks() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let quick = create_task(async move {
                    log.log("task");
                    7
                });
                let log = trace.clone();
                let slow = create_task(async move {
                    sleep_ms(10).await;
                    log.log("slow task");
                    8
                });
                yield_now().await;
                assert_eq!(quick.await.unwrap(), 7);
                trace.log("at once");
                assert_eq!(slow.await.unwrap(), 8);
                trace.log("in the same pass");
            })
            .unwrap();
        trace.expect(&["0 task", "0 at once", "10 slow task", "10 in the same pass"]);
    });
}

/// asyncio_basic2: the main task may end first; the others have not ended then, nor been dropped.
#[test]
fn main_may_end_first() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        let task = event_loop.create_task(async move {
            log.log("forever begins");
            sleep_ms(10_000_000).await;
            log.log("never");
        });
        event_loop
            .run_until_complete(async {
                yield_now().await;
                trace.log("main ends");
            })
            .unwrap();
        trace.expect(&["0 forever begins", "0 main ends"]);
        assert!(!task.done());
    });
}
