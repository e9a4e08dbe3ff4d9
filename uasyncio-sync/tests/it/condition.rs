//! `Condition`: the lock is let go, and comes back with the notification. Trap 55 (FIFO), T-18 to T-21.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::common::{Waiter, at_both_starts, panics, waker_that, waker_that_panics};
use crate::counting::{Heap, heap_during};
use uasyncio_core::{create_task, sleep_ms, yield_now};
use uasyncio_sync::{Condition, ConditionWait, Lock};

/// The driver's test for MicroPython expects 5,6,3,4,1,2,0 (latest first); here who has waited longest goes first.
#[test]
fn those_that_wait_are_notified_in_the_order_in_which_they_came() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let shared = Rc::new((Lock::new(()), Condition::new()));
            let tasks = [0, 1, 2, 3, 4, 5, 6].map(|number| {
                let (shared, trace) = (shared.clone(), trace.clone());
                create_task(async move {
                    let guard = shared.1.wait(shared.0.lock().await).await;
                    trace.log(number);
                    sleep_ms(1).await; // with the lock
                    drop(guard);
                })
            });
            sleep_ms(1).await;
            for count in [2, 2, 3] {
                shared.1.notify(count);
                sleep_ms(5).await;
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
        done.unwrap();
        trace.expect(&["1 0", "2 1", "6 2", "7 3", "11 4", "12 5", "13 6"]);
    });
}

#[test]
fn a_wait_unlocks_at_its_first_poll_and_locks_again_before_it_ends() {
    let (lock, condition) = (Lock::new(1), Condition::new());
    let mut wait = Waiter::new(condition.wait(lock.try_lock().unwrap()));
    assert!(lock.locked());
    assert!(wait.poll().is_pending());
    let mut other = lock.try_lock().unwrap();
    condition.notify(1);
    assert!(wait.is_woken());
    assert!(wait.poll().is_pending(), "the lock is held");
    *other = 2;
    drop(other);
    assert!(lock.locked());
    assert_eq!(*wait.now(), 2);
    assert!(!lock.locked());
}

#[test]
fn a_notification_that_finds_nobody_is_forgotten() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    condition.notify(3);
    condition.notify_all();
    let mut wait = Waiter::waiting(condition.wait(lock.try_lock().unwrap()));
    assert!(!wait.is_woken());
    condition.notify(1);
    drop(wait.take());
}

#[test]
fn notify_wakes_so_many_and_notify_all_the_others() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut waits = [(); 4].map(|()| Waiter::waiting(condition.wait(lock.try_lock().unwrap())));
    condition.notify(1);
    assert_eq!(waits.each_ref().map(Waiter::is_woken), [true, false, false, false]);
    condition.notify_all();
    for wait in &mut waits {
        drop(wait.take());
    }
}

/// T-19: notified, and dropped before it ran.
#[test]
fn the_notification_of_a_dropped_waiter_goes_to_the_next() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut waits = [(); 3].map(|()| Some(Waiter::waiting(condition.wait(lock.try_lock().unwrap()))));
    condition.notify(1);
    waits[0] = None;
    assert!(waits[1].as_ref().unwrap().is_woken());
    assert!(!waits[2].as_ref().unwrap().is_woken());
    drop(waits[1].as_mut().unwrap().take());
    // Without having been notified it takes nothing with it.
    waits[1] = Some(Waiter::waiting(condition.wait(lock.try_lock().unwrap())));
    waits[2] = None;
    assert!(!waits[1].as_ref().unwrap().is_woken());
}

/// T-19: notified, and dropped while it waits for the lock, or when that has been handed to it.
#[test]
fn a_waiter_that_is_dropped_on_its_way_to_the_lock_passes_on_both() {
    for handed_over in [false, true] {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let mut first = Waiter::waiting(condition.wait(lock.try_lock().unwrap()));
        let mut second = Waiter::waiting(condition.wait(lock.try_lock().unwrap()));
        let holder = lock.try_lock().unwrap();
        condition.notify(1);
        assert!(first.poll().is_pending());
        if handed_over {
            drop(holder);
            assert!(lock.locked());
            drop(first);
        } else {
            drop(first);
            drop(holder);
        }
        drop(second.take());
        assert!(!lock.locked());
    }
}

#[test]
fn a_wait_that_is_dropped_before_its_first_poll_unlocks_and_notifies_nobody() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let other = Waiter::waiting(condition.wait(lock.try_lock().unwrap()));
    drop(Waiter::new(condition.wait(lock.try_lock().unwrap())));
    assert!(!lock.locked());
    assert!(!other.is_woken());
}

#[test]
fn a_finished_wait_releases_nothing_twice() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut first = Waiter::waiting(condition.wait(lock.try_lock().unwrap()));
    let second = Waiter::waiting(condition.wait(lock.try_lock().unwrap()));
    condition.notify(1);
    let guard = first.take();
    drop(first);
    assert!(lock.locked() && !second.is_woken());
    drop(guard);
}

#[test]
fn wait_for_asks_at_once_and_after_each_notification() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let shared = Rc::new((Lock::new(0), Condition::new()));
            let (other, log) = (shared.clone(), trace.clone());
            let waiter = create_task(async move {
                let predicate = |level: &mut i32| {
                    log.log(format_args!("asked: {level}"));
                    *level >= 2
                };
                let guard = other.1.wait_for(other.0.lock().await, predicate).await;
                *guard
            });
            for _ in 0..2 {
                sleep_ms(1).await;
                *shared.0.lock().await += 1;
                shared.1.notify_all();
            }
            assert_eq!(waiter.await.unwrap(), 2);
        });
        done.unwrap();
        trace.expect(&["0 asked: 0", "1 asked: 1", "2 asked: 2"]);
    });
}

/// T-20.
#[test]
fn a_predicate_that_panics_leaves_the_lock_open() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let asked = Cell::new(0);
    let mut wait = Waiter::waiting(condition.wait_for(lock.try_lock().unwrap(), |_| {
        asked.set(asked.get() + 1);
        assert!(asked.get() < 2, "the predicate panics");
        false
    }));
    condition.notify(1);
    assert!(panics(|| drop(wait.poll())));
    assert!(!lock.locked());
}

/// T-20.
#[test]
fn a_waker_that_panics_keeps_nobody_waiting() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut first = Waiter::new(condition.wait(lock.try_lock().unwrap()));
    assert!(first.poll_with(&waker_that_panics().1).is_pending());
    let mut others = [(); 2].map(|()| Waiter::waiting(condition.wait(lock.try_lock().unwrap())));
    assert!(panics(|| condition.notify(2)));
    drop(first.now());
    drop(others[0].take());
    assert!(!others[1].is_woken());
}

/// T-20: of two panics the second one is swallowed, and nobody is forgotten.
#[test]
fn two_wakers_that_panic_keep_nobody_waiting() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut panicking = [(); 2].map(|()| {
        let ((wakes, waker), mut wait) = (waker_that_panics(), Waiter::new(condition.wait(lock.try_lock().unwrap())));
        assert!(wait.poll_with(&waker).is_pending());
        (wakes, wait)
    });
    let mut others = [(); 2].map(|()| Waiter::waiting(condition.wait(lock.try_lock().unwrap())));
    assert!(panics(|| condition.notify(3)));
    for (wakes, wait) in &mut panicking {
        assert_eq!(wakes.get(), 1);
        drop(wait.now());
    }
    drop(others[0].take());
    assert!(!others[1].is_woken());
    condition.notify(1);
    drop(others[1].take());
}

/// A wait that owns a share of its condition, so that a waker can hold it.
fn wait(shared: &Rc<(Lock<()>, Condition)>) -> impl Future<Output = ()> + use<> {
    let shared = shared.clone();
    async move { drop(shared.1.wait(shared.0.try_lock().unwrap()).await) }
}

/// T-21: a waker that drops the very future which it wakes, so that the notification goes on inside.
#[test]
fn a_waker_may_drop_the_future_that_was_notified() {
    let shared = Rc::new((Lock::new(()), Condition::new()));
    let notified = Rc::new(RefCell::new(Some(Waiter::new(wait(&shared)))));
    let own = notified.clone();
    let waker = waker_that(move || drop(own.take()));
    assert!(notified.borrow_mut().as_mut().unwrap().poll_with(&waker).is_pending());
    let mut others = [(); 2].map(|()| Waiter::waiting(wait(&shared)));
    shared.1.notify(1);
    assert!(notified.borrow().is_none());
    others[0].take();
    assert!(!others[1].is_woken());
}

/// T-21: a waker that drops another, which would have been notified next: its notification is the one's behind it.
#[test]
fn a_waker_may_drop_another_waiter() {
    for all in [false, true] {
        let shared = Rc::new((Lock::new(()), Condition::new()));
        let dropped = Rc::new(RefCell::new(None));
        let victim = dropped.clone();
        let mut first = Waiter::new(wait(&shared));
        assert!(first.poll_with(&waker_that(move || drop(victim.take()))).is_pending());
        dropped.replace(Some(Waiter::waiting(wait(&shared))));
        let mut others = [(); 2].map(|()| Waiter::waiting(wait(&shared)));
        if all {
            shared.1.notify_all()
        } else {
            shared.1.notify(2)
        }
        first.now();
        others[0].take();
        assert_eq!(others[1].is_woken(), all);
        shared.1.notify(1);
        others[1].take();
    }
}

/// T-21: the lock is nobody's while a waker runs; who is notified has to wait for it all the same.
#[test]
fn a_waker_may_lock_and_notify() {
    let shared = Rc::new((Lock::new(()), Condition::new()));
    let other = shared.clone();
    let waker = waker_that(move || {
        let _guard = other.0.try_lock().unwrap();
        other.1.notify(1);
    });
    let mut first = Waiter::new(wait(&shared));
    assert!(first.poll_with(&waker).is_pending());
    let mut others = [(); 3].map(|()| Waiter::waiting(wait(&shared)));
    shared.1.notify(2);
    first.now();
    others[0].take();
    others[1].take();
    assert!(!others[2].is_woken());
}

/// T-18: waiting a million times for what never comes takes no memory, and neither does anything else.
#[test]
fn nothing_is_allocated() {
    let rounds = if cfg!(miri) { 50 } else { 1_000_000 };
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut cx = Context::from_waker(Waker::noop());
    let (heap, ()) = heap_during(|| {
        for _ in 0..rounds {
            let mut notified = pin!(condition.wait(lock.try_lock().unwrap()));
            assert!(notified.as_mut().poll(&mut cx).is_pending());
            condition.notify(1);
            assert!(notified.as_mut().poll(&mut cx).is_ready());
            let mut loser = pin!(condition.wait(lock.try_lock().unwrap()));
            assert!(loser.as_mut().poll(&mut cx).is_pending());
        }
    });
    assert_eq!(heap, Heap::default());
}

#[test]
fn cancelling_a_task_that_was_notified_in_the_same_pass_notifies_the_next() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let shared = Rc::new((Lock::new(()), Condition::new()));
            let [first, second] = ["first", "second"].map(|name| {
                let (shared, trace) = (shared.clone(), trace.clone());
                create_task(async move {
                    let _guard = shared.1.wait(shared.0.lock().await).await;
                    trace.log(name);
                })
            });
            yield_now().await;
            shared.1.notify(1);
            first.cancel();
            second.await.unwrap();
        });
        done.unwrap();
        trace.expect(&["0 second"]);
    });
}

#[test]
#[should_panic(expected = "after it has given its guard back")]
fn a_wait_that_is_polled_again_panics() {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut wait = Waiter::waiting(condition.wait(lock.try_lock().unwrap()));
    condition.notify(1);
    drop(wait.take());
    drop(wait.poll());
}

#[test]
fn a_future_takes_at_most_96_bytes() {
    #[cfg(target_pointer_width = "64")]
    assert!(size_of::<ConditionWait<'_, '_, ()>>() <= 96);
}
