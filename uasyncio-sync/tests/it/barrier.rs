//! `Barrier`: rounds, numbers, breaks. T-18 to T-21.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{CallingWaker, OnDrop, Waiter, at_both_starts, panics, waker_that, waker_that_panics};
use crate::counting::{Heap, heap_during};
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

/// T-20: of two panics the second one is swallowed, and nobody is forgotten.
#[test]
fn two_wakers_that_panic_keep_nobody_waiting() {
    let barrier = Barrier::new(4);
    for breaks in [false, true] {
        let mut panicking = [(); 2].map(|()| {
            let ((wakes, waker), mut wait) = (waker_that_panics(), Waiter::new(barrier.wait()));
            assert!(wait.poll_with(&waker).is_pending());
            (wakes, wait)
        });
        let mut third = Waiter::waiting(barrier.wait());
        assert!(panics(|| if breaks { barrier.reset() } else { assert!(Waiter::new(barrier.wait()).poll().is_ready()) }));
        assert_eq!(panicking.each_ref().map(|(wakes, _)| wakes.get()), [1, 1]);
        let outcomes = (panicking.each_mut().map(|(_, wait)| wait.now()), third.take());
        let broken = Err(BrokenBarrierError);
        assert_eq!(outcomes, if breaks { ([broken; 2], broken) } else { ([Ok(0), Ok(1)], Ok(2)) });
        assert_eq!(barrier.n_waiting(), 0);
    }
    let mut next = [(); 3].map(|()| Waiter::waiting(barrier.wait()));
    assert_eq!(Waiter::new(barrier.wait()).now(), Ok(3));
    assert_eq!(next.each_mut().map(Waiter::take), [Ok(0), Ok(1), Ok(2)]);
}

/// A wait that owns a share of its barrier, so that a waker can hold it.
fn wait(barrier: &Rc<Barrier>) -> impl Future<Output = Result<u32, BrokenBarrierError>> + use<> {
    let barrier = barrier.clone();
    async move { barrier.wait().await }
}

/// T-21: the waker of the first one drops the second, which the opening barrier has not woken yet. It counts as one that was let go.
#[test]
fn a_waker_may_drop_another_waiter_of_its_round() {
    let barrier = Rc::new(Barrier::new(3));
    let dropped = Rc::new(RefCell::new(None));
    let second = dropped.clone();
    let mut first = Waiter::new(wait(&barrier));
    assert!(first.poll_with(&waker_that(move || drop(second.take()))).is_pending());
    dropped.replace(Some(Waiter::waiting(wait(&barrier))));
    assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
    assert_eq!((first.now(), barrier.n_waiting()), (Ok(0), 0));
    let mut next = [(); 2].map(|()| Waiter::waiting(wait(&barrier)));
    assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
    assert_eq!(next.each_mut().map(Waiter::take), [Ok(0), Ok(1)]);
}

/// T-21: the same with more tasks than a round takes, for one of this round and for one of the next.
#[test]
fn the_place_of_a_waiter_that_a_waker_drops_goes_to_nobody_of_the_next_round() {
    for (from_this_round, waiting) in [(true, 2), (false, 1)] {
        let barrier = Rc::new(Barrier::new(3));
        let mut slow = [(); 2].map(|()| Waiter::waiting(wait(&barrier)));
        assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
        let dropped = Rc::new(RefCell::new(None));
        let victim = dropped.clone();
        let mut first = Waiter::new(wait(&barrier));
        assert!(first.poll_with(&waker_that(move || drop(victim.take()))).is_pending());
        let mut others: Vec<_> = (0..4).map(|_| Waiter::waiting(wait(&barrier))).collect();
        dropped.replace(Some(others.remove(if from_this_round { 0 } else { 3 })));
        assert_eq!(slow.each_mut().map(Waiter::take), [Ok(0), Ok(1)]);
        assert_eq!(barrier.n_waiting(), waiting);
        let this_round = if from_this_round { 1 } else { 2 };
        assert_eq!(others.iter().filter(|other| other.is_woken()).count(), this_round);
        assert_eq!(first.now(), Ok(0));
        for (number, other) in (1..).zip(&mut others[..this_round]) {
            assert_eq!(other.take(), Ok(number));
        }
        // The others are the first of the next round.
        let mut others = others.split_off(this_round);
        others.extend((waiting..2).map(|_| Waiter::waiting(wait(&barrier))));
        assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
        assert_eq!((others[0].take(), others[1].take()), (Ok(0), Ok(1)));
    }
}

/// T-21: a reset by a waker of the opening barrier breaks off the others of the round, and who comes then waits for the next one.
#[test]
fn a_waker_may_reset_the_barrier_that_opens() {
    let barrier = Rc::new(Barrier::new(3));
    let late = Rc::new(RefCell::new(None));
    let (other, newcomer) = (barrier.clone(), late.clone());
    let mut first = Waiter::new(wait(&barrier));
    let waker = waker_that(move || {
        other.reset();
        newcomer.replace(Some(Waiter::waiting(wait(&other))));
    });
    assert!(first.poll_with(&waker).is_pending());
    let mut second = Waiter::waiting(wait(&barrier));
    assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
    assert_eq!((first.now(), second.take()), (Err(BrokenBarrierError), Err(BrokenBarrierError)));
    let mut late = late.take().unwrap();
    assert!(!late.is_woken());
    assert_eq!(barrier.n_waiting(), 1);
    let mut next = Waiter::waiting(wait(&barrier));
    assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
    assert_eq!((late.take(), next.take()), (Ok(0), Ok(1)));
}

/// T-21: a whole round comes and opens while the waker of one runs whose round is broken off; the old ones still stand before it.
#[test]
fn a_round_may_open_inside_a_reset() {
    for drops_an_old_one in [false, true] {
        let barrier = Rc::new(Barrier::new(3));
        let (old, new) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
        let (other, others, newcomers) = (barrier.clone(), old.clone(), new.clone());
        let mut first = Waiter::new(wait(&barrier));
        let waker = waker_that(move || {
            newcomers.borrow_mut().extend([(); 2].map(|()| Waiter::waiting(wait(&other))));
            if drops_an_old_one {
                others.take();
            }
            assert_eq!(Waiter::new(wait(&other)).now(), Ok(2));
        });
        assert!(first.poll_with(&waker).is_pending());
        old.replace(vec![Waiter::waiting(wait(&barrier))]);
        barrier.reset();
        assert_eq!(first.now(), Err(BrokenBarrierError));
        for mut other in old.take() {
            assert_eq!(other.take(), Err(BrokenBarrierError));
        }
        let numbers: Vec<_> = new.take().iter_mut().map(Waiter::take).collect();
        assert_eq!((numbers, barrier.n_waiting()), (vec![Ok(0), Ok(1)], 0));
    }
}

/// T-21: who is polled before its turn to be woken comes hears of a break at once, and nobody else is woken in its place.
#[test]
fn a_waker_may_poll_another_waiter() {
    for breaks in [false, true] {
        let barrier = Rc::new(Barrier::new(3));
        let (polled, late) = (Rc::new(RefCell::new(None)), Rc::new(RefCell::new(None)));
        let (other, second, newcomer) = (barrier.clone(), polled.clone(), late.clone());
        let mut first = Waiter::new(wait(&barrier));
        let waker = waker_that(move || {
            let outcome = second.borrow_mut().as_mut().map(Waiter::poll);
            assert_eq!(outcome.is_some_and(|outcome| outcome.is_ready()), breaks);
            newcomer.replace(Some(Waiter::waiting(wait(&other))));
        });
        assert!(first.poll_with(&waker).is_pending());
        polled.replace(Some(Waiter::waiting(wait(&barrier))));
        if breaks {
            barrier.reset();
            assert_eq!(first.now(), Err(BrokenBarrierError));
        } else {
            assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
            assert_eq!((first.now(), polled.take().unwrap().take()), (Ok(0), Ok(1)));
        }
        let mut late = late.take().unwrap();
        assert_eq!((late.is_woken(), barrier.n_waiting()), (false, 1));
        let mut next = Waiter::waiting(wait(&barrier));
        assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
        assert_eq!((late.take(), next.take()), (Ok(0), Ok(1)));
    }
}

/// T-20, T-21: a waker that is dropped with one that was let go, and panics or resets the barrier.
#[test]
fn the_drop_of_a_waker_may_reset_the_barrier_or_panic() {
    for resets in [false, true] {
        let barrier = Rc::new(Barrier::new(3));
        let other = barrier.clone();
        let at_the_end = waker_that(move || if resets { other.reset() } else { panic!("the drop of a waker") });
        let on_drop = OnDrop(move || at_the_end.wake_by_ref());
        let waker = CallingWaker::waker(move || _ = &on_drop);
        let dropped = Rc::new(RefCell::new(None));
        let victim = dropped.clone();
        let mut first = Waiter::new(wait(&barrier));
        assert!(first.poll_with(&waker_that(move || drop(victim.take()))).is_pending());
        let mut second = Waiter::new(wait(&barrier));
        assert!(second.poll_with(&waker).is_pending());
        drop(waker);
        dropped.replace(Some(second));
        assert_eq!(panics(|| assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2))), !resets);
        assert_eq!(first.now(), if resets { Err(BrokenBarrierError) } else { Ok(0) });
        let mut next = [(); 2].map(|()| Waiter::waiting(wait(&barrier)));
        assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(2));
        assert_eq!(next.each_mut().map(Waiter::take), [Ok(0), Ok(1)]);
    }
}

/// T-21: the waker of the last one of a round drops the very future which it wakes, so that the next round opens inside.
#[test]
fn a_waker_may_drop_the_future_that_was_let_go() {
    let barrier = Rc::new(Barrier::new(2));
    let let_go = Rc::new(RefCell::new(Some(Waiter::new(wait(&barrier)))));
    let late = Rc::new(RefCell::new(Vec::new()));
    let (other, own, newcomers) = (barrier.clone(), let_go.clone(), late.clone());
    let waker = waker_that(move || {
        newcomers.borrow_mut().extend([(); 3].map(|()| Waiter::waiting(wait(&other))));
        drop(own.take());
    });
    assert!(let_go.borrow_mut().as_mut().unwrap().poll_with(&waker).is_pending());
    assert_eq!(Waiter::new(wait(&barrier)).now(), Ok(1));
    let mut late = late.take();
    assert_eq!((late[0].take(), late[1].take()), (Ok(0), Ok(1)));
    assert_eq!((late[2].is_woken(), barrier.n_waiting()), (false, 1));
}

/// T-18: waiting a million times for a round that is never full takes no memory, and neither does one that is.
#[test]
fn nothing_is_allocated() {
    let rounds = if cfg!(miri) { 50 } else { 1_000_000 };
    let barrier = Barrier::new(2);
    let mut cx = Context::from_waker(Waker::noop());
    let (heap, ()) = heap_during(|| {
        for _ in 0..rounds {
            let mut first = pin!(barrier.wait());
            assert!(first.as_mut().poll(&mut cx).is_pending());
            assert_eq!(pin!(barrier.wait()).poll(&mut cx), Poll::Ready(Ok(1)));
            assert_eq!(first.poll(&mut cx), Poll::Ready(Ok(0)));
            let mut loser = pin!(barrier.wait());
            assert!(loser.as_mut().poll(&mut cx).is_pending());
        }
    });
    assert_eq!((heap, barrier.n_waiting()), (Heap::default(), 0));
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
