//! `select`: the first of a few, and the losers back.

use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Poll, Waker};

use crate::common::{Signal, at_both_starts, block_on, poll_once};
use crate::counting::{Heap, heap_during};
use uasyncio_core::{create_task, sleep_ms};
use uasyncio_sync::{Selected, Selected3, Selected4, select, select3, select4};

/// Whoever is first is found in its place, and the others can be awaited as if nothing had been.
#[test]
fn losers_come_back() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let tasks = [4, 3, 2, 1].map(|millis| {
                    create_task(async move {
                        sleep_ms(millis).await;
                        millis
                    })
                });
                let [a, b, c, d] = tasks;
                let Selected4::Fourth(a, b, c, Ok(1)) = select4(a, b, c, d).await else { panic!() };
                trace.log("fourth");
                let Selected3::Third(a, b, Ok(2)) = select3(a, b, c).await else { panic!() };
                trace.log("third");
                let Selected::Second(a, Ok(3)) = select(a, b).await else { panic!() };
                trace.log("second");
                assert_eq!(a.await.unwrap(), 4);
                trace.log("first");
            })
            .unwrap();
        trace.expect(&["1 fourth", "2 third", "3 second", "4 first"]);
    });
}

/// Each place of each form, in an executor that is not ours.
#[test]
fn every_place() {
    let never = || pending::<()>();
    assert!(matches!(block_on(select(ready(1), never())), Selected::First(1, _)));
    assert!(matches!(block_on(select(never(), ready(2))), Selected::Second(_, 2)));
    assert!(matches!(block_on(select3(ready(1), never(), never())), Selected3::First(1, _, _)));
    assert!(matches!(block_on(select3(never(), ready(2), never())), Selected3::Second(_, 2, _)));
    assert!(matches!(block_on(select3(never(), never(), ready(3))), Selected3::Third(_, _, 3)));
    assert!(matches!(block_on(select4(ready(1), never(), never(), never())), Selected4::First(1, _, _, _)));
    assert!(matches!(block_on(select4(never(), ready(2), never(), never())), Selected4::Second(_, 2, _, _)));
    assert!(matches!(block_on(select4(never(), never(), ready(3), never())), Selected4::Third(_, _, 3, _)));
    assert!(matches!(block_on(select4(never(), never(), never(), ready(4))), Selected4::Fourth(_, _, _, 4)));
}

/// Of two that are ready the earlier argument wins, and the later one is not polled, so it loses nothing.
#[test]
fn earlier_argument_wins_a_tie() {
    let signals = [Signal::new(), Signal::new(), Signal::new()];
    let [a, b, c] = signals.each_ref().map(|signal| Box::pin(signal.wait()));
    let mut selecting = select3(a, b, c);
    assert!(poll_once(&mut selecting, Waker::noop()).is_pending());
    signals[1].open();
    signals[2].open();
    let Poll::Ready(Selected3::Second(_, (), c)) = poll_once(&mut selecting, Waker::noop()) else { panic!() };
    assert_eq!(signals.each_ref().map(Signal::polls), [2, 2, 1]);
    block_on(c);
}

/// Dropping it drops all; futures passed by reference stay.
#[test]
fn dropped() {
    let signal = Signal::new();
    let mut kept = pin!(signal.wait());
    let mut selecting = select(kept.as_mut(), pending::<()>());
    assert!(poll_once(&mut selecting, Waker::noop()).is_pending());
    drop(selecting);
    signal.open();
    block_on(kept);
}

/// The future that was first is dropped before the others are handed back.
#[test]
fn winner_is_dropped() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let member = |name: &'static str, millis| {
                    let gone = trace.on_drop(name);
                    Box::pin(crate::common::Steps({
                        let mut sleeping = Box::pin(sleep_ms(millis));
                        move |cx: &mut std::task::Context<'_>| {
                            let _ = &gone;
                            sleeping.as_mut().poll(cx)
                        }
                    }))
                };
                let Selected::Second(slow, ()) = select(member("slow", 3), member("fast", 1)).await else { panic!() };
                trace.log("selected");
                drop(slow);
            })
            .unwrap();
        trace.expect(&["1 fast", "1 selected", "1 slow"]);
    });
}

#[test]
fn costs() {
    let (heap, _) = heap_during(|| poll_once(&mut select(ready(1), ready(2)), Waker::noop()));
    assert_eq!(heap, Heap::default());
    let member = || Box::pin(pending::<()>());
    assert_eq!(size_of_val(&select(member(), member())), 2 * size_of::<usize>());
    assert_eq!(size_of_val(&select4(member(), member(), member(), member())), 4 * size_of::<usize>());
}

#[test]
fn polled_after_the_end() {
    let mut selecting = select(ready(1), ready(2));
    assert!(poll_once(&mut selecting, Waker::noop()).is_ready());
    let panic = catch_unwind(AssertUnwindSafe(|| poll_once(&mut selecting, Waker::noop()))).unwrap_err();
    assert_eq!(*panic.downcast::<String>().unwrap(), "`select` was polled after it had ended");
}
