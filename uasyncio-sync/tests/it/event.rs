//! `Event`: the flag, the pulse, the crowd. Trap 54, spec 3.4, T-18 to T-21.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{Waiter, at_both_starts, panics, waker_that, waker_that_panics};
use crate::counting::{Heap, heap_during};
use uasyncio_core::{create_task, sleep_ms, yield_now};
use uasyncio_sync::{Event, EventWait};

/// MicroPython's asyncio_event: several wait, and go on in order; who comes later does not wait.
#[test]
fn a_set_lets_all_go_in_order_and_nobody_wait() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let event = Rc::new(Event::new());
            let tasks = ["A", "B", "C"].map(|name| {
                let (event, trace) = (event.clone(), trace.clone());
                create_task(async move {
                    event.wait().await;
                    trace.log(name);
                })
            });
            sleep_ms(5).await;
            event.set();
            event.wait().await;
            trace.log("the one that sets");
            for task in tasks {
                task.await.unwrap();
            }
        });
        done.unwrap();
        trace.expect(&["5 the one that sets", "5 A", "5 B", "5 C"]);
    });
}

/// Trap 54.
#[test]
fn a_pulse_releases_exactly_those_that_wait() {
    let event = Event::new();
    let mut before = [(); 2].map(|()| Waiter::waiting(event.wait()));
    let mut unpolled = Waiter::new(event.wait());
    event.set();
    event.clear();
    before[0].take();
    before[1].take();
    assert!(unpolled.poll().is_pending());
    assert!(Waiter::new(event.wait()).poll().is_pending());
    event.set();
    unpolled.take();
}

/// Spec 3.4, asyncio_event case 5: cancelled after the event has fired and before it runs. Event has nothing to pass on.
#[test]
fn a_waiter_that_is_dropped_at_any_moment_leaves_the_others_alone() {
    let event = Event::new();
    let waiting = Waiter::waiting(event.wait());
    let mut others = [(); 2].map(|()| Waiter::waiting(event.wait()));
    drop(waiting);
    let granted = Waiter::waiting(event.wait());
    event.set();
    event.clear();
    drop(granted);
    others[0].take();
    others[1].take();
}

#[test]
fn cancelling_a_task_whose_event_was_set_in_the_same_pass_cancels_it() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let event = Rc::new(Event::new());
            let (other, log) = (event.clone(), trace.clone());
            let task = create_task(async move {
                other.wait().await;
                log.log("it should not run");
            });
            yield_now().await;
            event.set();
            task.cancel();
            assert!(task.await.unwrap_err().is_cancelled());
        });
        done.unwrap();
        trace.expect(&[]);
    });
}

/// T-20.
#[test]
fn a_waker_that_panics_keeps_nobody_waiting() {
    let event = Event::new();
    let mut first = Waiter::new(event.wait());
    assert!(first.poll_with(&waker_that_panics().1).is_pending());
    let mut second = Waiter::waiting(event.wait());
    assert!(panics(|| event.set()));
    first.now();
    second.take();
}

/// T-21: in the middle of `set`, a waker clears the event and waits again.
#[test]
fn who_begins_to_wait_during_a_set_waits_for_the_next_one() {
    let event = Rc::new(Event::new());
    let (owned, other) = (event.clone(), event.clone());
    let again = Rc::new(RefCell::new(Waiter::new(async move { owned.wait().await })));
    let own = again.clone();
    let waker = waker_that(move || {
        other.clear();
        assert!(own.borrow_mut().poll().is_pending());
    });
    let mut first = Waiter::new(event.wait());
    assert!(first.poll_with(&waker).is_pending());
    let mut second = Waiter::waiting(event.wait());
    event.set();
    first.now();
    second.take();
    assert!(!again.borrow().is_woken());
    event.set();
    again.borrow_mut().take();
}

/// T-18: a loop that awaits an event again and again, which never comes first, takes no memory.
#[test]
fn nothing_is_allocated() {
    let event = Event::new();
    let mut cx = Context::from_waker(Waker::noop());
    let (heap, ()) = heap_during(|| {
        for _ in 0..if cfg!(miri) { 50 } else { 1_000_000 } {
            let mut loser = std::pin::pin!(event.wait());
            assert!(loser.as_mut().poll(&mut cx).is_pending());
        }
        let mut last = std::pin::pin!(event.wait());
        assert!(last.as_mut().poll(&mut cx).is_pending());
        event.set();
        assert_eq!(last.poll(&mut cx), Poll::Ready(()));
    });
    assert_eq!(heap, Heap::default());
}

/// Trap 54: "busy loop danger".
#[test]
#[cfg(feature = "alloc")] // which the budget needs
fn a_loop_that_waits_for_an_event_that_is_set_gives_way() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let event = Event::new();
            event.set();
            let ticker = trace.clone();
            let other = create_task(async move { ticker.log("the other task") });
            while !other.done() {
                event.wait().await;
            }
        });
        done.unwrap();
        trace.expect(&["0 the other task"]);
    });
}

#[test]
fn a_future_takes_at_most_72_bytes() {
    #[cfg(target_pointer_width = "64")]
    assert!(size_of::<EventWait<'_>>() <= 72);
}
