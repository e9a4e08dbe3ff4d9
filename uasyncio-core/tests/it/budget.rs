//! The budget: an operation that is always ready gives way, so that it starves nobody (traps 15 and 16, T-24).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::at_both_starts;
use uasyncio_core::{EventLoop, StaticLoop, VirtualTime, budget, call_soon, create_task, sleep_ms, spawn, yield_now};

/// An operation that is always ready, as the leaf futures of the crates make them: a try that asks the budget first.
async fn always_ready() {
    poll_fn(budget::poll_proceed).await;
}

#[test]
fn a_task_has_128_operations_a_poll() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                spawn(async move {
                    for operation in 1..=300 {
                        always_ready().await;
                        if operation % 128 < 2 {
                            log.log(format_args!("operation {operation}"));
                        }
                    }
                });
                for round in 1..=3 {
                    let log = trace.clone();
                    spawn(async move {
                        for _ in 1..round {
                            yield_now().await;
                        }
                        log.log(format_args!("others, round {round}"));
                    });
                }
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&[
            "0 operation 1",
            "0 operation 128",
            "0 others, round 1",
            "0 operation 129",
            "0 operation 256",
            "0 others, round 2",
            "0 operation 257",
            "0 others, round 3",
        ]);
    });
}

/// Each poll begins with a full budget, whatever the task before has left, and callbacks too.
#[test]
fn each_poll_has_its_own() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                assert_eq!(spend(200), 128);
                assert_eq!(spend(200), 0);
                let child = create_task(poll_fn(move |_| Poll::Ready((0..200).filter(|_| spend(1) == 1).count())));
                let left = Rc::new(Cell::new(0));
                let out = left.clone();
                call_soon(move || out.set(spend(200)));
                assert_eq!(child.await.unwrap(), 128);
                assert_eq!(left.get(), 128);
                assert_eq!(spend(200), 128);
            })
            .unwrap();
        assert_eq!(spend(1_000), 1_000, "outside a loop there is no budget");
    });
}

/// How many of so many operations are done before the budget is spent.
fn spend(operations: usize) -> usize {
    let cx = &mut Context::from_waker(Waker::noop());
    (0..operations).filter(|_| budget::poll_proceed(cx).is_ready()).count()
}

/// Who has one operation left may do more, but then none is left, whatever the loop.
#[test]
fn several_operations_are_taken_at_once() {
    let take = |operations| budget::poll_proceed_many(&mut Context::from_waker(Waker::noop()), operations).is_ready();
    let task = || async move {
        assert!(take(100) && take(27));
        assert_eq!(spend(3), 1);
        yield_now().await;
        assert!(take(127) && take(usize::MAX) && !take(1));
        budget::refund();
        yield_now().await;
        assert!(take(usize::MAX) && !take(0));
    };
    at_both_starts(|event_loop, _| event_loop.run_until_complete(task()).unwrap());
    static LOOP: StaticLoop<1> = StaticLoop::new();
    LOOP.run(&VirtualTime::new(), [pin!(task())]);
    assert!((0..1_000).all(|_| take(usize::MAX)), "outside a loop there is no budget");
}

/// A loop inside a task of another one has budgets of its own, and leaves the task what it had.
#[test]
fn a_loop_inside_a_poll_spends_nothing_of_it() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                assert_eq!(spend(100), 100);
                let inner = EventLoop::with_platform(VirtualTime::new());
                let child = inner.create_task(async { spend(200) });
                inner.turn().unwrap();
                assert_eq!(spend(200), 28);
                assert_eq!(child.await.unwrap(), 128);
            })
            .unwrap();
    });
}

/// A static loop has the same budget, and leaves none behind.
#[test]
fn a_static_loop_has_it_too() {
    static LOOP: StaticLoop<1> = StaticLoop::new();
    LOOP.run(&VirtualTime::new(), [pin!(async { assert_eq!(spend(200), 128) })]);
    assert_eq!(spend(1_000), 1_000);
}

/// Trap 15: a tight loop on something that is always ready does not block a ticker of 10 ms. Each operation takes a whole
/// millisecond here; a tick comes one poll after the loop has looked at the clock, which it does every 61 polls.
#[test]
#[cfg_attr(miri, ignore = "thousands of polls, one like the other")]
fn a_tight_loop_does_not_block_a_ticker() {
    const PASSES: u32 = 2;
    at_both_starts(|event_loop, trace| {
        let clock: VirtualTime = event_loop.platform().clone();
        let log = trace.clone();
        event_loop.spawn(async move {
            for _ in 0..4 {
                sleep_ms(10).await;
                log.log("tick");
            }
        });
        event_loop
            .run_until_complete(async {
                for _ in 0..128 * (61 * PASSES + 1) {
                    always_ready().await;
                    clock.advance(1);
                }
            })
            .unwrap();
        // In each pass one of the 61 polls is the ticker's.
        let ticks: Vec<_> = (1..=PASSES).map(|pass| format!("{} tick", pass * 60 * 128 + 128)).collect();
        assert_eq!(trace.take(), ticks);
    });
}

/// The same with real waits in between: the ticker is late by what one poll of the busy task takes, not more.
#[test]
fn a_ticker_is_late_by_one_pass_at_most() {
    at_both_starts(|event_loop, trace| {
        let clock: VirtualTime = event_loop.platform().clone();
        let log = trace.clone();
        event_loop.spawn(async move {
            for _ in 0..3 {
                sleep_ms(100).await;
                log.log("tick");
            }
        });
        event_loop
            .run_until_complete(async {
                for _ in 0..400 {
                    yield_now().await; // each a round of its own
                    clock.advance(1);
                }
            })
            .unwrap();
        let ticks: Vec<u32> = trace.take().iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        assert_eq!(ticks.len(), 3);
        let mut before = 0;
        for tick in ticks {
            assert!((100..=100 + 61).contains(&(tick - before)), "{tick}");
            before = tick;
        }
    });
}

/// T-24: a pair of tasks that wake each other for ever, and a sleep(0) loop, starve neither timers nor each other.
#[test]
fn endless_tasks_starve_nobody() {
    at_both_starts(|event_loop, _| {
        let clock: VirtualTime = event_loop.platform().clone();
        let rounds = if cfg!(miri) { 100 } else { 1_000 };
        let counts: [Rc<Cell<u32>>; 3] = Default::default();
        for count in &counts {
            let count = count.clone();
            event_loop.spawn(async move {
                loop {
                    count.set(count.get() + 1);
                    sleep_ms(0).await;
                }
            });
        }
        event_loop.spawn(async move {
            loop {
                yield_now().await;
                clock.advance(1);
            }
        });
        event_loop.run_until_complete(sleep_ms(rounds)).unwrap();
        let counts = counts.map(|count| count.get());
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{counts:?}");
        assert!((rounds..=rounds + 61).contains(least), "{counts:?}");
    });
}
