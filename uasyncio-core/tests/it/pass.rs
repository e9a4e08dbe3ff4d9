//! One pass of the loop, seen from its platform: what is polled, when it looks at I/O, how long it waits, how often it asks
//! for the time. The exact sequences that DESIGN section 3 and its decisions 11 and 14 promise (traps 10, 16, 18).

#![cfg(feature = "std")]

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::common::{Recorder, STARTS, Signal, Trace};
use uasyncio_core::{EventLoop, get_event_loop, sleep, sleep_ms, spawn, yield_now};

/// Runs a scenario on a recording platform whose clock starts at 0, and again just before the wrap.
fn recorded(scenario: impl Fn(&EventLoop<Recorder>, &Trace)) {
    for start in STARTS {
        let trace = Trace::new(start);
        let event_loop = EventLoop::with_platform(Recorder::new(&trace));
        scenario(&event_loop, &trace);
        assert_eq!(event_loop.platform().depth(), 0, "entered as often as left");
    }
}

/// Decision 14: a pass makes rounds until nothing is ready; only then it waits, and waits once.
#[test]
fn rounds_until_nothing_is_ready() {
    recorded(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                for name in ["a", "b"] {
                    let log = trace.clone();
                    spawn(async move {
                        for round in 1..=3 {
                            log.log(format_args!("{name}{round}"));
                            yield_now().await;
                        }
                    });
                }
                sleep_ms(10).await;
                trace.log("main");
            })
            .unwrap();
        trace.expect(&["0 a1", "0 b1", "0 a2", "0 b2", "0 a3", "0 b3", "0 wait 10", "10 main"]);
    });
}

/// Decision 14: after 61 polls it looks at I/O, without waiting, and goes on where it was.
#[test]
fn at_most_61_polls_between_looks_at_io() {
    recorded(|event_loop, trace| {
        let polls = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let polls = polls.clone();
            event_loop.spawn(async move {
                loop {
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
            });
        }
        let (count, log) = (polls.clone(), trace.clone());
        let end = event_loop.run_until_complete(poll_fn(|cx| {
            count.set(count.get() + 1);
            if count.get() > 61 * 4 {
                return Poll::Ready(());
            }
            if count.get() > 1 {
                log.log(format_args!("poll {}", count.get()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        end.unwrap();
        // Every fourth poll is the main future's; the looks come after polls 61, 122, 183 and 244.
        let mut expected: Vec<String> = Vec::new();
        for poll in 1..=61 * 4 {
            if poll % 4 == 0 {
                expected.push(format!("0 poll {poll}"));
            }
            if poll % 61 == 0 {
                expected.push("0 wait 0".into());
            }
        }
        assert_eq!(trace.take(), expected);
    });
}

/// Trap 16: a hundred tasks that are always ready, and something that comes by I/O: it is noticed within one look, and runs when
/// its turn comes.
#[test]
fn io_is_looked_at_among_busy_tasks() {
    recorded(|event_loop, trace| {
        let signal = Signal::new();
        let (waiting, log) = (signal.clone(), trace.clone());
        event_loop.spawn(async move {
            waiting.wait().await;
            log.log("the event");
            get_event_loop().stop();
        });
        for _ in 0..100 {
            event_loop.spawn(async {
                loop {
                    yield_now().await;
                }
            });
        }
        let platform = event_loop.platform();
        platform.during_wait(|_| ());
        platform.during_wait(move |_| signal.open());
        event_loop.run_forever().unwrap();
        // Behind the second look the event is number 101 in the queue, hence 40 polls after the third look; then the stop
        // goes behind the hundred that are queued, to the third pass from there.
        trace.expect(&["0 wait 0", "0 wait 0", "0 wait 0", "0 the event", "0 wait 0", "0 wait 0"]);
    });
}

/// The wait is until the next deadline, to the millisecond, for ever without one, and one for each pass.
#[test]
fn one_exact_wait_in_each_pass() {
    recorded(|event_loop, trace| {
        let signal = Signal::new();
        let waiting = signal.clone();
        event_loop.platform().during_wait(|now| now.set(now.get().wrapping_add(4)));
        event_loop.platform().during_wait(|now| now.set(now.get().wrapping_add(1_006)));
        event_loop.platform().during_wait(move |_| signal.open());
        event_loop
            .run_until_complete(async {
                sleep_ms(4).await;
                trace.log("4 ms later");
                sleep(Duration::from_micros(1_005_001)).await;
                trace.log("1006 ms later");
                waiting.wait().await;
                trace.log("signalled");
            })
            .unwrap();
        trace.expect(&["0 wait 4", "4 4 ms later", "4 wait 1006", "1010 1006 ms later", "1010 wait for ever", "1010 signalled"]);
    });
}

/// Due timers run behind what is queued already, and before what they themselves make ready; equal deadlines are FIFO.
#[test]
fn timers_come_after_the_queue() {
    recorded(|event_loop, trace| {
        for (name, millis) in [("late", 7), ("first", 5), ("second", 5), ("third", 5)] {
            let log = trace.clone();
            event_loop.spawn(async move {
                sleep_ms(millis).await;
                log.log(name);
                let log = log.clone();
                spawn(async move { log.log(format_args!("child of {name}")) });
            });
        }
        let log = trace.clone();
        event_loop.spawn(async move {
            yield_now().await;
            yield_now().await;
            log.log("busy");
            get_event_loop().call_soon(move || log.log("callback"));
        });
        event_loop.platform().during_wait(|now| now.set(now.get().wrapping_add(10)));
        event_loop.run_until_complete(sleep_ms(11)).unwrap();
        trace.expect(&[
            "0 busy",
            "0 callback",
            "0 wait 5",
            "10 first",
            "10 second",
            "10 third",
            "10 late",
            "10 child of first",
            "10 child of second",
            "10 child of third",
            "10 child of late",
            "10 wait 1",
        ]);
    });
}

/// A pass of nothing but cancelled and finished tasks is a pass too: their slots count as polls, and are free again.
#[test]
fn cancelled_tasks_count_as_polls() {
    recorded(|event_loop, trace| {
        let tasks: Vec<_> = (0..61).map(|_| event_loop.create_task(pending::<()>())).collect();
        tasks.iter().for_each(|task| assert!(task.cancel()));
        let log = trace.clone();
        let last = event_loop.create_task(async move { log.log("last") });
        event_loop.run_until_complete(last).unwrap().unwrap();
        trace.expect(&["0 wait 0", "0 last"]);
        assert!(tasks.iter().all(|task| task.done()));
    });
}

/// Trap 22: polls of a deep chain of tasks, each waking the next, are passes like any other: a relay of 200 looks at I/O thrice.
#[test]
fn a_relay_of_wakes() {
    recorded(|event_loop, trace| {
        let signals: Vec<_> = (0..=200).map(|_| Signal::new()).collect();
        for pair in signals.windows(2) {
            let (mine, next) = (pair[0].clone(), pair[1].clone());
            event_loop.spawn(async move {
                mine.wait().await;
                next.open();
            });
        }
        for _ in 0..4 {
            event_loop.turn().unwrap();
        }
        trace.take();
        event_loop
            .run_until_complete(async {
                signals[0].open();
                signals[200].wait().await;
                trace.log("arrived");
            })
            .unwrap();
        trace.expect(&["0 wait 0", "0 wait 0", "0 wait 0", "0 arrived"]);
        assert!(event_loop.tasks().is_empty());
    });
}
