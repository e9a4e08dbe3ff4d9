//! The loop without a heap: order, timers, tasks that come and go, and what an error leaves behind. The same scenarios with every set of
//! features: with atomics, with critical sections, with and without `std`.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::static_common::{Dropped, STARTS, Signal, TestClock, Trace, alone, interrupt, leaked};
use uasyncio_core::{
    RunError, StaticLoop, TaskState, budget, current_task, sleep, sleep_ms, sleep_until, spawn_pinned, time, time_rounded_up,
    trace, yield_now,
};

fn at_both_starts(scenario: impl Fn(&TestClock, &Trace)) {
    let _alone = alone();
    for start in STARTS {
        scenario(&TestClock::starting_at(start), &Trace::new(start));
    }
}

/// Several tasks, timers across the wrap, and the sleeps of the processor between them.
#[test]
fn tasks_take_turns_and_sleep() {
    static LOOP: StaticLoop<3> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let ticking = async |name: &str, millis: u32| {
            for number in 1..=3 {
                sleep_ms(millis).await;
                trace.log(format_args!("{name}{number}"));
            }
        };
        LOOP.run(clock, [pin!(ticking("a", 4)), pin!(ticking("b", 6)), pin!(ticking("c", 4))]);
        trace.expect(&["4 a1", "4 c1", "6 b1", "8 a2", "8 c2", "12 b2", "12 a3", "12 c3", "18 b3"]);
        assert_eq!(*clock.waits.borrow(), [4, 2, 2, 4, 6].map(Some));
        assert_eq!(clock.depth.get(), 0);
    });
}

/// FIFO, a task in it once; a spawned one is behind those that are ready, and before a parent that yields.
#[test]
fn the_queue_is_first_in_first_out() {
    static LOOP: StaticLoop<4> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let signal = Signal::default();
        let main = async {
            trace.log("main");
            let child = trace.clone();
            spawn_pinned(leaked(async move { child.log("child") })).unwrap();
            yield_now().await;
            trace.log("main again");
            signal.waker().wake();
            signal.waker().wake_by_ref();
            let waker = signal.waker();
            yield_now().await;
            trace.log("main at last");
            signal.open();
            drop(waker.clone());
            waker.wake();
        };
        let waiting = async {
            trace.log("waiting");
            signal.wait().await;
            trace.log("waited");
        };
        let bystander = async {
            trace.log("bystander");
            yield_now().await;
            trace.log("bystander again");
        };
        LOOP.run(clock, [pin!(main), pin!(waiting), pin!(bystander)]);
        trace.expect(&[
            "0 main",
            "0 waiting",
            "0 bystander",
            "0 child",
            "0 main again",
            "0 bystander again",
            "0 main at last",
            "0 waited",
        ]);
        assert_eq!(signal.polls(), 3);
    });
}

/// A pass polls 61 times, then fires timers and lets the platform look.
#[test]
fn a_busy_task_does_not_keep_the_timers_waiting() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let polls = Cell::new(0);
        let done = Cell::new(false);
        let busy = poll_fn(|cx| {
            polls.set(polls.get() + 1);
            clock.advance(1);
            cx.waker().wake_by_ref();
            if done.get() { Poll::Ready(()) } else { Poll::Pending }
        });
        let sleeper = async {
            sleep_ms(1).await;
            trace.log("awake");
            done.set(true);
        };
        LOOP.run(clock, [pin!(busy), pin!(sleeper)]);
        // Polls 1 and 3 to 61 of the first pass, and the one before the sleeper in the second.
        trace.expect(&["61 awake"]);
        assert_eq!((polls.get(), clock.looks.get()), (62, 1));
        assert!(clock.waits.borrow().is_empty());
    });
}

/// T-29: lengths of nothing, of half of the clock's range, of more than it, and for ever; a chain is not longer because it is late.
#[test]
fn sleeps_of_any_length() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    at_both_starts(|clock, _| {
        let table = [(0, 0), (1, 1), (1 << 30, 1), ((1 << 30) + 1, 2), ((1 << 32) - 1, 4), ((1 << 32) + 5, 5)];
        for (millis, waits) in table {
            let before = time_of(clock);
            clock.waits.take();
            LOOP.run(clock, [pin!(sleep(Duration::from_millis(millis)))]);
            assert_eq!(time_of(clock).wrapping_sub(before), millis as u32);
            assert_eq!(clock.waits.borrow().len(), waits);
            assert_eq!(clock.waits.borrow().iter().map(|wait| u64::from(wait.unwrap())).sum::<u64>(), millis);
        }
        for forever in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_millis(u64::MAX)] {
            let end = LOOP.try_run(clock, [pin!(sleep(forever)), pin!(sleep_ms(3))]);
            assert!(matches!(end, Err(RunError::Deadlock(_))));
        }
    });
}

fn time_of(clock: &TestClock) -> u32 {
    uasyncio_core::Platform::now(clock).as_millis()
}

/// `sleep_until`, a reset before, during and after, points that have passed, and a sleep that is dropped.
#[test]
fn sleeps_that_change_their_mind() {
    static LOOP: StaticLoop<1> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        LOOP.run(
            clock,
            [pin!(async {
                let start = time();
                sleep_until(start.wrapping_add(5)).await;
                trace.log("until");
                sleep_until(start).await;
                trace.log("at once");
                let mut again = pin!(sleep_ms(100));
                drop(sleep_ms(1));
                again.as_mut().reset(Duration::from_millis(2));
                again.as_mut().await;
                trace.log("reset before");
                let mut context = Context::from_waker(Waker::noop());
                again.as_mut().reset(Duration::from_millis(50));
                assert!(again.as_mut().poll(&mut context).is_pending());
                again.as_mut().reset_at(time().wrapping_add(3));
                again.as_mut().await;
                trace.log("reset on the way");
                again.as_mut().reset(Duration::from_millis(7));
                again.as_mut().await;
                trace.log("reset afterwards");
                {
                    let mut dropped = Box::pin(sleep_ms(1));
                    assert!(dropped.as_mut().poll(&mut context).is_pending());
                }
                sleep_ms(2).await;
                trace.log("end");
            })],
        );
        trace.expect(&["5 until", "5 at once", "7 reset before", "10 reset on the way", "17 reset afterwards", "19 end"]);
        assert_eq!(clock.waits.borrow().iter().map(|wait| wait.unwrap()).collect::<Vec<_>>(), [5, 2, 3, 7, 2]);
    });
}

/// The clock is read once in each poll that arms timers and once in each pass with timers; without any it is never read.
#[test]
fn the_clock_is_read_when_it_is_needed() {
    static LOOP: StaticLoop<1> = StaticLoop::new();
    at_both_starts(|clock, _| {
        LOOP.run(clock, [pin!(async { yield_now().await })]);
        assert_eq!(clock.clock_reads.take(), 0);
        let mut sleeps = [1, 2, 3].map(|millis| Box::pin(sleep_ms(millis)));
        let all = poll_fn(|cx| {
            let ready = sleeps.iter_mut().filter_map(|sleep| sleep.as_mut().poll(cx).is_ready().then_some(())).count();
            if ready == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        LOOP.run(clock, [pin!(all)]);
        // The poll that arms them, the pass behind it, and a pass for each that fires with the one behind it but for the last.
        assert_eq!(clock.clock_reads.take(), 1 + 1 + 2 + 2 + 1);
    });
}

/// A full table gives the future back; a place is free again when a task is done, but the one that is polled is not.
#[test]
fn a_full_table_gives_the_future_back() {
    static LOOP: StaticLoop<3> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let worker = |name: &'static str, millis: u32| {
            let trace = trace.clone();
            leaked(async move {
                sleep_ms(millis).await;
                trace.log(name);
            })
        };
        LOOP.run(
            clock,
            [pin!(async {
                spawn_pinned(worker("first", 5)).unwrap();
                spawn_pinned(worker("second", 2)).unwrap();
                let full = spawn_pinned(worker("third", 4)).unwrap_err();
                assert_eq!(full.to_string(), "the loop has no free slot for another task");
                sleep_ms(3).await;
                spawn_pinned(full.into_future()).unwrap();
                assert!(spawn_pinned(worker("never", 0)).is_err());
                trace.log("main is done");
            })],
        );
        // The run lasts until those are done that were spawned.
        trace.expect(&["2 second", "3 main is done", "5 first", "7 third"]);
    });
}

/// A task that panics takes the run with it, but leaves nothing behind: its futures are the caller's again, and the loop runs again.
#[test]
fn a_panic_leaves_nothing_behind() {
    static LOOP: StaticLoop<4> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let (signal, dropped) = (Signal::default(), Rc::new(Cell::new(false)));
        {
            let guard = Dropped(dropped.clone());
            let mut sleeping = pin!(async {
                let _guard = guard;
                sleep_ms(10).await;
                trace.log("slept");
            });
            let waiting = pin!(signal.wait());
            let panicking = pin!(async {
                spawn_pinned(leaked(sleep_ms(2))).unwrap();
                sleep_ms(3).await;
                panic!("expected");
            });
            let end = catch_unwind(AssertUnwindSafe(|| LOOP.run(clock, [panicking, sleeping.as_mut(), waiting])));
            assert_eq!(end.unwrap_err().downcast_ref(), Some(&"expected"));
            assert!(current_task().is_none() && !dropped.get());
            assert_eq!((clock.depth.get(), clock.notifiers()), (0, 0));
            // The sleep begins anew in the next run; the slot of the one that waits is woken in vain.
            signal.waker().wake();
            LOOP.run(clock, [pin!(yield_now()), sleeping]);
            trace.expect(&["13 slept"]);
        }
        assert!(dropped.get());
        signal.waker().wake(); // between the runs
        LOOP.run(clock, []);
    });
}

/// One loop runs at a time here, and says so.
#[test]
fn running_inside_a_run_is_an_error() {
    static OUTER: StaticLoop<1> = StaticLoop::new();
    static INNER: StaticLoop<1> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let polled = Cell::new(false);
        OUTER.run(
            clock,
            [pin!(async {
                for nested in [&OUTER, &INNER] {
                    assert!(matches!(nested.try_run(clock, [pin!(async { polled.set(true) })]), Err(RunError::Nested)));
                    let panic = catch_unwind(AssertUnwindSafe(|| nested.run(clock, []))).unwrap_err();
                    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                    assert!(text.unwrap().contains("an event loop is running"), "{text:?}");
                }
                sleep_ms(1).await;
                trace.log("goes on");
            })],
        );
        trace.expect(&["1 goes on"]);
        assert!(!polled.get());
        assert_eq!(clock.depth.get(), 0);
        INNER.run(clock, [pin!(async {})]);
    });
}

/// Nothing can go on and nothing outside can change that: an error, not a hang.
#[test]
fn a_deadlock_is_an_error() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    at_both_starts(|clock, _| {
        let end = LOOP.try_run(clock, [pin!(pending()), pin!(sleep_ms(5))]);
        assert!(end.unwrap_err().to_string().starts_with("deadlock: nothing can wake any of "));
        let panic = catch_unwind(AssertUnwindSafe(|| LOOP.run(clock, [pin!(pending())]))).unwrap_err();
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        assert!(text.unwrap().starts_with("deadlock"), "{text:?}");
        let panic = catch_unwind(AssertUnwindSafe(|| LOOP.run_forever(clock, [pin!(sleep_ms(5))])));
        assert!(panic.is_err());
        LOOP.run(clock, [pin!(sleep_ms(5))]);
    });
}

/// A wake that comes while the loop sleeps, once; it ends the sleep, and the timer that was to come still comes.
#[test]
fn an_interrupt_wakes_a_task() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let signal = Signal::default();
        let handler = signal.clone();
        clock.during_wait(move || interrupt(|| handler.open()));
        let waiting = async {
            signal.wait().await;
            clock.advance(4);
            trace.log("woken");
        };
        let sleeping = async {
            sleep_ms(10).await;
            trace.log("slept");
        };
        LOOP.run(clock, [pin!(waiting), pin!(sleeping)]);
        trace.expect(&["4 woken", "10 slept"]);
        assert_eq!(*clock.waits.borrow(), [Some(10), Some(6)]);
        // One for the interrupt, and none for what happens while the loop is awake. A timer that fires may give one more.
        assert!((1..=2).contains(&clock.notices()), "{}", clock.notices());
    });
}

/// Wakes that come during the last look before the sleep are seen: the sleep ends with the first notice.
#[test]
fn wakes_from_interrupts_keep_their_order() {
    static LOOP: StaticLoop<4> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let signals: [Signal; 4] = Default::default();
        let order = [2, 0, 3, 1];
        let handlers = signals.clone();
        clock.during_wait(move || interrupt(|| order.iter().for_each(|index| handlers[*index].open())));
        let wait = async |index: usize| {
            signals[index].wait().await;
            trace.log(index);
        };
        LOOP.run(clock, [pin!(wait(0)), pin!(wait(1)), pin!(wait(2)), pin!(wait(3))]);
        trace.expect(&["0 2", "0 0", "0 3", "0 1"]);
        assert_eq!(clock.notices(), 1);
    });
}

/// A platform whose wait is ended by any interrupt is not asked for a notifier.
#[test]
fn a_platform_without_notices() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        clock.needs_notice.set(false);
        let signal = Signal::default();
        let handler = signal.clone();
        clock.during_wait(move || interrupt(|| handler.open()));
        let waiting = async {
            signal.wait().await;
            assert_eq!(clock.notifiers(), 0);
            trace.log("woken");
        };
        LOOP.run(clock, [pin!(waiting), pin!(sleep_ms(2))]);
        trace.expect(&["0 woken"]);
        assert!(LOOP.try_run(clock, [pin!(pending())]).is_err());
        assert_eq!(clock.notices(), 0);
    });
}

/// Where the loop does not run, its state is not touched.
#[test]
#[cfg(not(feature = "std"))]
fn an_interrupt_finds_no_loop() {
    static LOOP: StaticLoop<1> = StaticLoop::new();
    static OTHER: StaticLoop<1> = StaticLoop::new();
    at_both_starts(|clock, _| {
        LOOP.run(
            clock,
            [pin!(async {
                interrupt(|| {
                    assert!(current_task().is_none());
                    assert!(catch_unwind(time).is_err());
                    assert!(catch_unwind(|| spawn_pinned(leaked(async {}))).is_err());
                    let mut sleep = Box::pin(sleep_ms(1));
                    let poll = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
                    assert!(poll.is_err());
                    assert!(matches!(OTHER.try_run(clock, []), Err(RunError::Nested)));
                });
                assert_eq!(current_task().unwrap().to_string(), "task 0");
            })],
        );
    });
}

/// 128 operations in a poll, then the others come first.
#[test]
fn the_budget_is_there_too() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    at_both_starts(|clock, trace| {
        let mut operations = 0;
        let greedy = poll_fn(|cx| {
            while operations < 300 {
                if budget::poll_proceed(cx).is_pending() {
                    trace.log(operations);
                    return Poll::Pending;
                }
                operations += 1;
                if operations > 290 {
                    budget::refund();
                }
            }
            Poll::Ready(())
        });
        let other = async {
            for _ in 0..3 {
                trace.log("other");
                yield_now().await;
            }
        };
        LOOP.run(clock, [pin!(greedy), pin!(other)]);
        trace.expect(&["0 128", "0 other", "0 256", "0 other", "0 other"]);
        let at_once = poll_fn(|cx| {
            assert!(budget::poll_proceed_many(cx, 127).is_ready() && budget::poll_proceed_many(cx, usize::MAX).is_ready());
            assert!(budget::poll_proceed(cx).is_pending());
            Poll::Ready(())
        });
        LOOP.run(clock, [pin!(at_once)]);
    });
    assert!(budget::poll_proceed(&mut Context::from_waker(Waker::noop())).is_ready());
    budget::refund();
}

/// `ps` without a heap.
#[test]
fn a_snapshot_shows_each_task() {
    static LOOP: StaticLoop<5> = StaticLoop::new();
    at_both_starts(|clock, _| {
        let lines = RefCell::new(Vec::new());
        let ps = async {
            spawn_pinned(leaked(async {})).unwrap();
            trace::for_each_task(|task| lines.borrow_mut().push((task.id().to_string(), task.state(), task.waiting_for())));
        };
        LOOP.run(clock, [pin!(sleep_ms(1)), pin!(async {}), pin!(ps)]);
        let waits_for = cfg!(feature = "trace").then_some("a sleep");
        let expected = [
            ("task 0", TaskState::Waiting, waits_for),
            ("task 1", TaskState::Ready, None), // the spawned one
            ("task 2", TaskState::Running, None),
        ];
        assert_eq!(lines.take(), expected.map(|(id, state, reason)| (id.to_string(), state, reason)));
        trace::for_each_task(|_| unreachable!("outside"));
    });
}

/// The numbers of tasks, the clock rounded up, and no tasks at all.
#[test]
fn small_things() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    at_both_starts(|clock, _| {
        LOOP.run(clock, []);
        let task = async || {
            let id = current_task().unwrap();
            yield_now().await;
            assert_eq!(current_task(), Some(id));
            assert_eq!(time(), time_rounded_up());
        };
        LOOP.run(clock, [pin!(task()), pin!(task())]);
        assert_eq!(format!("{LOOP:?}"), "StaticLoop { slots: 2, .. }");
    });
    let _alone = alone();
    assert!(current_task().is_none());
    let calls: [fn(); 3] = [|| _ = time(), || _ = time_rounded_up(), || _ = spawn_pinned(leaked(async {}))];
    for outside in calls {
        let panic = catch_unwind(outside).unwrap_err();
        assert!(panic.downcast_ref::<&str>().unwrap().contains("StaticLoop::run"));
    }
}
