//! `Barrier`: rounds, numbers, breaks. T-18 to T-21.

use std::rc::Rc;

use crate::common::{Waiter, at_both_starts, panics, waker_that_panics};
use uasyncio_core::{create_task, sleep_ms, yield_now};
use uasyncio_sync::{Barrier, BarrierWait, BrokenBarrierError};

/// The driver's test for MicroPython prints `0 0 0 Synch`, `1 1 1 Synch` and so on; asyncio's has numbers.
#[test]
fn tasks_of_different_speed_go_on_together_round_after_round() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let barrier = Rc::new(Barrier::new(3));
            let tasks = [1, 2, 3].map(|millis| {
                let (barrier, trace) = (barrier.clone(), trace.clone());
                create_task(async move {
                    for round in 0..2 {
                        sleep_ms(millis).await;
                        let number = barrier.wait().await.unwrap();
                        trace.log(format_args!("round {round}: {number}"));
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(barrier.n_waiting(), 0);
        });
        done.unwrap();
        let rounds = ["3 round 0: 2", "3 round 0: 0", "3 round 0: 1", "6 round 1: 2", "6 round 1: 0", "6 round 1: 1"];
        trace.expect(&rounds);
    });
}

#[test]
fn a_barrier_of_one_makes_nobody_wait() {
    let barrier = Barrier::new(1);
    for _ in 0..3 {
        assert_eq!(Waiter::new(barrier.wait()).now(), Ok(0));
    }
}

#[test]
#[should_panic(expected = "at least one party")]
fn a_barrier_of_none_panics() {
    let _barrier = Barrier::new(0);
}

/// T-19: who gives up while waiting counts no longer, and the numbers stay 0, 1, 2.
#[test]
fn a_dropped_waiter_does_not_count() {
    let barrier = Barrier::new(3);
    let dropped = Waiter::waiting(barrier.wait());
    let mut first = Waiter::waiting(barrier.wait());
    drop(dropped);
    assert_eq!(barrier.n_waiting(), 1);
    let mut second = Waiter::waiting(barrier.wait());
    let mut third = Waiter::new(barrier.wait());
    assert_eq!(third.now(), Ok(2));
    assert_eq!((first.take(), second.take()), (Ok(0), Ok(1)));
}

/// T-19: who gives up when the barrier is open leaves no gap and holds nobody up.
#[test]
fn a_waiter_that_is_dropped_on_its_way_out_holds_nobody_up() {
    let barrier = Barrier::new(3);
    let dropped = Waiter::waiting(barrier.wait());
    let mut other = Waiter::waiting(barrier.wait());
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(2));
    drop(dropped);
    assert_eq!(other.take(), Ok(0));
    let mut next = [(); 2].map(|()| Waiter::waiting(barrier.wait()));
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(2));
    assert_eq!(next.each_mut().map(Waiter::take), [Ok(0), Ok(1)]);
}

/// More tasks than parties: no number is given twice in a round, however slow the first round leaves.
#[test]
fn a_round_opens_when_the_one_before_has_left() {
    let barrier = Barrier::new(2);
    let mut slow = Waiter::waiting(barrier.wait());
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(1));
    let mut next = [(); 5].map(|()| Waiter::waiting(barrier.wait()));
    assert_eq!(barrier.n_waiting(), 5);
    assert!(!next[0].is_woken());
    assert_eq!(slow.take(), Ok(0));
    assert_eq!(next.each_ref().map(Waiter::is_woken), [true, true, false, false, false]);
    assert_eq!((next[0].take(), next[1].take()), (Ok(0), Ok(1)));
    assert_eq!((next[2].take(), next[3].take()), (Ok(0), Ok(1)));
    assert_eq!(barrier.n_waiting(), 1);
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(1));
    assert_eq!(next[4].take(), Ok(0));
}

#[test]
fn a_round_that_is_full_opens_when_the_last_of_the_one_before_is_dropped() {
    let barrier = Barrier::new(2);
    let slow = Waiter::waiting(barrier.wait());
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(1));
    let mut next = [(); 2].map(|()| Waiter::waiting(barrier.wait()));
    drop(slow);
    assert_eq!(next.each_mut().map(Waiter::take), [Ok(0), Ok(1)]);
}

#[test]
fn abort_breaks_all_waits_until_reset() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let barrier = Rc::new(Barrier::new(3));
            let tasks = ["A", "B"].map(|name| {
                let (barrier, trace) = (barrier.clone(), trace.clone());
                create_task(async move {
                    let outcome = barrier.wait().await;
                    trace.log(format_args!("{name}: {outcome:?}"));
                })
            });
            sleep_ms(4).await;
            assert_eq!(barrier.n_waiting(), 2);
            barrier.abort();
            assert_eq!((barrier.n_waiting(), barrier.broken()), (0, true));
            assert_eq!(barrier.wait().await, Err(BrokenBarrierError));
            for task in tasks {
                task.await.unwrap();
            }
            barrier.reset();
            assert!(!barrier.broken());
        });
        done.unwrap();
        trace.expect(&["4 A: Err(BrokenBarrierError)", "4 B: Err(BrokenBarrierError)"]);
    });
}

#[test]
fn reset_breaks_off_the_round_and_begins_a_new_one() {
    let barrier = Barrier::new(2);
    let mut old = Waiter::waiting(barrier.wait());
    barrier.reset();
    let mut new = Waiter::waiting(barrier.wait());
    assert_eq!(barrier.n_waiting(), 1);
    assert_eq!(old.take(), Err(BrokenBarrierError));
    drop(old);
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(1));
    assert_eq!(new.take(), Ok(0));
}

/// As in asyncio: the state at the moment at which the task runs decides.
#[test]
fn a_break_also_reaches_those_that_were_let_go_and_have_not_run() {
    let barrier = Barrier::new(2);
    let mut let_go = Waiter::waiting(barrier.wait());
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(1));
    barrier.reset();
    assert_eq!(let_go.take(), Err(BrokenBarrierError));
    let mut next = Waiter::waiting(barrier.wait());
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(1));
    assert_eq!(next.take(), Ok(0));
}

#[test]
fn a_waiter_of_a_broken_round_that_is_dropped_takes_nobody_from_the_new_one() {
    let barrier = Barrier::new(2);
    let old = Waiter::waiting(barrier.wait());
    barrier.reset();
    let mut new = Waiter::waiting(barrier.wait());
    drop(old);
    assert_eq!(barrier.n_waiting(), 1);
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(1));
    assert_eq!(new.take(), Ok(0));
}

/// T-20.
#[test]
fn a_waker_that_panics_keeps_nobody_waiting() {
    let barrier = Barrier::new(3);
    let mut first = Waiter::new(barrier.wait());
    assert!(first.poll_with(&waker_that_panics().1).is_pending());
    let mut second = Waiter::waiting(barrier.wait());
    assert!(panics(|| assert!(Waiter::new(barrier.wait()).poll().is_ready())));
    assert_eq!((first.now(), second.take()), (Ok(0), Ok(1)));
    assert_eq!(barrier.n_waiting(), 0);
}

#[test]
fn cancelling_a_task_that_waits_lets_another_take_its_place() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let barrier = Rc::new(Barrier::new(2));
            let spawn = |name| {
                let (barrier, trace) = (barrier.clone(), trace.clone());
                create_task(async move {
                    let number = barrier.wait().await.unwrap();
                    trace.log(format_args!("{name} {number}"));
                })
            };
            let cancelled = spawn("cancelled");
            yield_now().await;
            cancelled.cancel();
            sleep_ms(1).await;
            let [first, second] = ["first", "second"].map(spawn);
            first.await.unwrap();
            second.await.unwrap();
        });
        done.unwrap();
        trace.expect(&["1 second 1", "1 first 0"]);
    });
}

#[test]
fn a_future_takes_at_most_80_bytes() {
    #[cfg(target_pointer_width = "64")]
    assert!(size_of::<BarrierWait<'_>>() <= 80);
}
