//! `Semaphore`: so many and no more, in order. Trap 55 (FIFO), T-18 to T-21.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{Waiter, at_both_starts, panics, waker_that, waker_that_panics};
use crate::counting::{Heap, heap_during};
use uasyncio_core::{create_task, sleep_ms, yield_now};
use uasyncio_sync::{Semaphore, SemaphoreAcquire, SemaphoreClosed, TryAcquireError};

#[test]
fn so_many_hold_a_permit_and_the_others_wait_in_order() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let semaphore = Rc::new(Semaphore::new(2));
            let tasks = ["A", "B", "C", "D", "E"].map(|name| {
                let (semaphore, trace) = (semaphore.clone(), trace.clone());
                create_task(async move {
                    let _permit = semaphore.acquire().await.unwrap();
                    trace.log(name);
                    sleep_ms(3).await;
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(semaphore.available(), 2);
        });
        done.unwrap();
        trace.expect(&["0 A", "0 B", "3 C", "3 D", "6 E"]);
    });
}

/// Spec section 4: the drivers' order is unspecified; here a small demand does not overtake a large one.
#[test]
fn a_small_demand_does_not_overtake_a_large_one() {
    let semaphore = Semaphore::new(2);
    let mut large = Waiter::waiting(semaphore.acquire_many(3));
    let mut small = Waiter::waiting(semaphore.acquire());
    assert_eq!((semaphore.available(), semaphore.locked()), (2, true));
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Locked);
    semaphore.release(1);
    assert!(!small.is_woken());
    let permits = large.take().unwrap();
    assert_eq!((permits.permits(), semaphore.available()), (3, 0));
    drop(permits);
    drop(small.take().unwrap());
    assert_eq!(semaphore.available(), 3);
}

/// T-19 with more than one permit: whoever stands behind a large demand must not wait for what is free.
#[test]
fn a_large_demand_that_gives_up_lets_the_small_ones_through() {
    let semaphore = Semaphore::new(2);
    let large = Waiter::waiting(semaphore.acquire_many(3));
    let mut small = [(); 3].map(|()| Waiter::waiting(semaphore.acquire()));
    drop(large);
    let permits = (small[0].take().unwrap(), small[1].take().unwrap());
    assert!(!small[2].is_woken());
    drop(permits.0);
    drop(small[2].take());
    drop(permits.1);
    assert_eq!(semaphore.available(), 2);
}

/// T-19: granted, and dropped before it ran.
#[test]
fn permits_that_were_granted_to_a_dropped_waiter_go_to_the_next_ones() {
    let semaphore = Semaphore::new(0);
    let granted = Waiter::waiting(semaphore.acquire_many(2));
    let mut next = [(); 2].map(|()| Waiter::waiting(semaphore.acquire()));
    semaphore.release(2);
    assert!(granted.is_woken() && !next[0].is_woken());
    drop(granted);
    let permits = (next[0].take(), next[1].take());
    assert_eq!(semaphore.available(), 0);
    drop(permits);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn one_release_serves_all_that_it_is_enough_for() {
    let semaphore = Semaphore::new(0);
    let mut waiters = [1, 2, 3].map(|count| Waiter::waiting(semaphore.acquire_many(count)));
    semaphore.release(5);
    waiters[0].take().unwrap().forget();
    waiters[1].take().unwrap().forget();
    assert!(!waiters[2].is_woken());
    assert_eq!(semaphore.available(), 2);
    semaphore.release(1);
    waiters[2].take().unwrap().forget();
    assert_eq!(semaphore.available(), 0);
}

/// T-20: the first waker panics in the middle of a hand-out; all the others are served.
#[test]
fn a_waker_that_panics_keeps_no_permit_from_the_others() {
    let semaphore = Semaphore::new(0);
    let (wakes, waker) = waker_that_panics();
    let mut first = Waiter::new(semaphore.acquire());
    assert!(first.poll_with(&waker).is_pending());
    let mut others = [(); 2].map(|()| Waiter::waiting(semaphore.acquire()));
    assert!(panics(|| semaphore.release(4)));
    assert_eq!(wakes.get(), 1);
    let permits = (first.now(), others[0].take(), others[1].take());
    assert_eq!(semaphore.available(), 1);
    drop(permits);
    assert_eq!(semaphore.available(), 4);
}

/// T-20: of two panics the second one is swallowed, and nobody is forgotten.
#[test]
fn two_wakers_that_panic_keep_no_permit_from_the_others() {
    let semaphore = Semaphore::new(0);
    let mut panicking = [(); 2].map(|()| {
        let ((wakes, waker), mut acquire) = (waker_that_panics(), Waiter::new(semaphore.acquire()));
        assert!(acquire.poll_with(&waker).is_pending());
        (wakes, acquire)
    });
    let mut others = [(); 2].map(|()| Waiter::waiting(semaphore.acquire_many(2)));
    assert!(panics(|| semaphore.release(5)));
    assert_eq!(panicking.each_ref().map(|(wakes, _)| wakes.get()), [1, 1]);
    let permits = (panicking.each_mut().map(|(_, acquire)| acquire.now().unwrap()), others[0].take().unwrap());
    assert_eq!((others[1].is_woken(), semaphore.available()), (false, 1));
    drop(permits);
    drop(others[1].take());
    assert_eq!(semaphore.available(), 5);
}

/// An acquire that owns a share of its semaphore, so that a waker can hold it. It gives its permits back at once.
fn acquire(semaphore: &Rc<Semaphore>, permits: u32) -> impl Future<Output = ()> + use<> {
    let semaphore = semaphore.clone();
    async move { drop(semaphore.acquire_many(permits).await) }
}

/// T-21: a waker that drops the very future which it wakes, so that its permits go on inside the hand-out.
#[test]
fn a_waker_may_drop_the_future_that_was_granted_permits() {
    let semaphore = Rc::new(Semaphore::new(0));
    let granted = Rc::new(RefCell::new(Some(Waiter::new(acquire(&semaphore, 2)))));
    let own = granted.clone();
    let waker = waker_that(move || drop(own.take()));
    assert!(granted.borrow_mut().as_mut().unwrap().poll_with(&waker).is_pending());
    let mut next = [(); 2].map(|()| Waiter::waiting(semaphore.acquire()));
    semaphore.release(2);
    assert!(granted.borrow().is_none());
    let permits = next.each_mut().map(Waiter::take);
    assert_eq!(semaphore.available(), 0);
    drop(permits);
    assert_eq!(semaphore.available(), 2);
}

/// T-21: a waker that drops another, for which the release would have been enough too, or which stood before those for whom it is.
#[test]
fn a_waker_may_drop_another_waiter() {
    for demand in [1, 3] {
        let semaphore = Rc::new(Semaphore::new(0));
        let dropped = Rc::new(RefCell::new(None));
        let victim = dropped.clone();
        let mut first = Waiter::new(semaphore.acquire());
        assert!(first.poll_with(&waker_that(move || drop(victim.take()))).is_pending());
        dropped.replace(Some(Waiter::waiting(acquire(&semaphore, demand))));
        let mut others = [(); 2].map(|()| Waiter::waiting(semaphore.acquire()));
        semaphore.release(2);
        let permits = (first.now().unwrap(), others[0].take().unwrap());
        assert_eq!((others[1].is_woken(), semaphore.available(), semaphore.locked()), (false, 0, true));
        drop(permits);
        drop(others[1].take());
        assert_eq!((semaphore.available(), semaphore.locked()), (2, false));
    }
}

/// T-21: a waker that releases, and tries for what it announces to itself and for what the next one in line is to have.
#[test]
fn a_waker_may_release_and_cannot_take_what_others_wait_for() {
    let semaphore = Rc::new(Semaphore::new(0));
    let (other, tries) = (semaphore.clone(), Rc::new(RefCell::new(Vec::new())));
    let results = tries.clone();
    let waker = waker_that(move || {
        results.borrow_mut().push(other.try_acquire().is_ok());
        other.release(1);
        results.borrow_mut().push(other.try_acquire().is_ok());
    });
    let mut first = Waiter::new(semaphore.acquire());
    assert!(first.poll_with(&waker).is_pending());
    let mut next = Waiter::waiting(semaphore.acquire_many(2));
    semaphore.release(2);
    assert_eq!(*tries.borrow(), [false, false]);
    let permits = (first.now().unwrap(), next.take().unwrap());
    assert_eq!(semaphore.available(), 0);
    drop(permits);
    assert_eq!(semaphore.available(), 3);
}

/// T-18: waiting a million times for what never comes takes no memory, and neither does anything else.
#[test]
fn nothing_is_allocated() {
    let rounds = if cfg!(miri) { 50 } else { 1_000_000 };
    let semaphore = Semaphore::new(2);
    let mut cx = Context::from_waker(Waker::noop());
    let (heap, ()) = heap_during(|| {
        for _ in 0..rounds {
            let mut free = pin!(semaphore.acquire());
            let Poll::Ready(Ok(_permit)) = free.as_mut().poll(&mut cx) else { panic!("it is free") };
            let mut many = pin!(semaphore.acquire_many(3));
            assert!(many.as_mut().poll(&mut cx).is_pending());
            let mut one = pin!(semaphore.acquire());
            assert!(one.as_mut().poll(&mut cx).is_pending());
        }
    });
    assert_eq!((heap, semaphore.available()), (Heap::default(), 2));
}

/// T-20: a task that holds permits panics.
#[test]
fn a_holder_that_panics_gives_its_permits_back() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let semaphore = Rc::new(Semaphore::new(3));
            let other = semaphore.clone();
            let panicking = create_task(async move {
                let _permits = other.acquire_many(3).await;
                sleep_ms(2).await;
                panic!("with all permits");
            });
            yield_now().await;
            let _permit = semaphore.acquire().await.unwrap();
            trace.log(semaphore.available());
            drop(panicking);
        });
        done.unwrap();
        trace.expect(&["2 2"]);
    });
}

#[test]
fn closing_turns_away_those_that_wait_those_that_were_granted_and_those_that_come() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut granted = Waiter::waiting(semaphore.acquire());
    let mut waiting = Waiter::waiting(semaphore.acquire_many(2));
    semaphore.release(1);
    semaphore.close();
    assert_eq!(granted.take().unwrap_err(), SemaphoreClosed);
    assert_eq!(waiting.take().unwrap_err(), SemaphoreClosed);
    assert_eq!(Waiter::new(semaphore.acquire_many(0)).now().unwrap_err(), SemaphoreClosed);
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    drop(held);
    semaphore.release(5);
    assert_eq!((semaphore.available(), semaphore.is_closed(), semaphore.locked()), (0, true, true));
}

#[test]
fn there_are_never_more_than_u32_max_free_permits() {
    let semaphore = Semaphore::new(u32::MAX);
    let permit = semaphore.try_acquire().unwrap();
    semaphore.release(2);
    drop(permit);
    assert_eq!(semaphore.available(), u32::MAX);
}

#[test]
fn a_future_takes_at_most_80_bytes() {
    #[cfg(target_pointer_width = "64")]
    assert!(size_of::<SemaphoreAcquire<'_>>() <= 80);
}
