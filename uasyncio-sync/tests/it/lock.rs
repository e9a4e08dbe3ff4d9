//! `Lock`: whose turn it is, and what becomes of a turn that is not taken. Traps 2 and 52, T-18 to T-21.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use crate::common::{Waiter, at_both_starts, block_on, panics, waker_that, waker_that_panics};
use crate::counting::{Heap, heap_during};
use uasyncio_core::{create_task, get_event_loop, sleep_ms, yield_now};
use uasyncio_sync::{Lock, LockAcquire};

#[test]
fn a_free_lock_is_taken_at_the_first_poll() {
    let lock = Lock::new(1);
    let guard = Waiter::new(lock.lock()).now();
    assert!(lock.locked());
    assert_eq!(*guard, 1);
    drop(guard);
    assert!(!lock.locked());
}

#[test]
fn what_one_holder_writes_the_next_one_reads() {
    let lock = Lock::new(String::new());
    block_on(async {
        lock.lock().await.push('a');
        lock.lock().await.push('b');
    });
    assert_eq!(lock.into_inner(), "ab");
}

/// Spec 2.9: three tasks that lock twice each take turns.
#[test]
fn tasks_take_turns_in_the_order_in_which_they_came() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let lock = Rc::new(Lock::new(()));
            let tasks = ["A", "B", "C"].map(|name| {
                let (lock, trace) = (lock.clone(), trace.clone());
                create_task(async move {
                    for round in 0..2 {
                        let _guard = lock.lock().await;
                        trace.log(format_args!("{name} {round}"));
                        sleep_ms(1).await;
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
        });
        done.unwrap();
        trace.expect(&["0 A 0", "1 B 0", "2 C 0", "3 A 1", "4 B 1", "5 C 1"]);
    });
}

/// Trap 52, spec 3.4: between hand-off and the new owner's step the lock is nobody else's.
#[test]
fn nobody_overtakes_during_a_hand_over() {
    let lock = Lock::new(());
    let holder = lock.try_lock().unwrap();
    let mut first = Waiter::waiting(lock.lock());
    drop(holder);
    assert!(lock.locked());
    assert!(lock.try_lock().is_none());
    let mut late = Waiter::waiting(lock.lock());
    let guard = first.take();
    assert!(!late.is_woken());
    drop(guard);
    drop(late.take());
}

/// Spec 2.9, the original's defect: A holds it, B is cancelled, C is stuck.
#[test]
fn a_waiter_that_is_dropped_leaves_the_line() {
    let lock = Lock::new(());
    let holder = lock.try_lock().unwrap();
    let cancelled = Waiter::waiting(lock.lock());
    let mut next = Waiter::waiting(lock.lock());
    drop(cancelled);
    drop(holder);
    drop(next.take());
    assert!(!lock.locked());
}

/// T-19, MicroPython's asyncio_lock_cancel: handed over, and cancelled before it runs.
#[test]
fn a_lock_that_was_handed_to_a_dropped_waiter_goes_to_the_next() {
    let lock = Lock::new(());
    let holder = lock.try_lock().unwrap();
    let granted = Waiter::waiting(lock.lock());
    let mut next = Waiter::waiting(lock.lock());
    drop(holder);
    assert!(granted.is_woken() && !next.is_woken());
    drop(granted);
    drop(next.take());
    assert!(!lock.locked());
    // And with nobody behind it the lock is free again.
    let holder = lock.try_lock().unwrap();
    let granted = Waiter::waiting(lock.lock());
    drop(holder);
    drop(granted);
    assert!(lock.try_lock().is_some());
}

/// T-19 with real tasks: cancelled while waiting, when the lock was handed over in the same pass, and while holding.
#[test]
fn cancelling_a_task_at_each_moment_lets_the_next_one_in() {
    for (moment, expected) in [(1, "1 last"), (2, "2 last"), (3, "3 last")] {
        at_both_starts(|event_loop, trace| {
            let done = event_loop.run_until_complete(async {
                let lock = Rc::new(Lock::new(()));
                let (one, two) = (lock.clone(), lock.clone());
                // It holds the lock when it begins, and at moment 3 another millisecond.
                let first = lock.lock().await;
                let cancelled = create_task(async move {
                    let _guard = one.lock().await;
                    sleep_ms(60_000).await;
                });
                let trace = trace.clone();
                let last = create_task(async move {
                    let _guard = two.lock().await;
                    trace.log("last");
                });
                yield_now().await;
                match moment {
                    1 => {
                        cancelled.cancel();
                        sleep_ms(1).await;
                        drop(first);
                    }
                    2 => {
                        sleep_ms(2).await;
                        drop(first);
                        cancelled.cancel();
                    }
                    _ => {
                        drop(first);
                        sleep_ms(3).await;
                        cancelled.cancel();
                    }
                }
                last.await.unwrap();
                assert!(cancelled.await.unwrap_err().is_cancelled());
                assert!(!lock.locked());
            });
            done.unwrap();
            trace.expect(&[expected]);
        });
    }
}

/// T-20: there is no poisoning.
#[test]
fn a_holder_that_panics_unlocks() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let lock = Rc::new(Lock::new(0));
            let other = lock.clone();
            let panicking = create_task(async move {
                let mut guard = other.lock().await;
                *guard = 1;
                sleep_ms(1).await;
                panic!("while it holds the lock");
            });
            yield_now().await;
            let guard = lock.lock().await;
            trace.log(format_args!("{}", *guard));
            assert!(!panicking.await.unwrap_err().is_cancelled());
        });
        done.unwrap();
        trace.expect(&["1 1"]);
    });
}

/// T-20: the waker panics, but the lock was handed over.
#[test]
fn a_waker_that_panics_loses_nothing() {
    let lock = Lock::new(());
    let holder = lock.try_lock().unwrap();
    let (wakes, waker) = waker_that_panics();
    let mut granted = Waiter::new(lock.lock());
    assert!(granted.poll_with(&waker).is_pending());
    let mut next = Waiter::waiting(lock.lock());
    assert!(panics(|| drop(holder)));
    assert_eq!(wakes.get(), 1);
    drop(granted.now());
    drop(next.take());
}

/// T-21: a waker that drops the very future which it wakes, so that the lock goes on inside the hand-over.
#[test]
fn a_waker_may_drop_the_future_that_was_handed_the_lock() {
    let lock = Rc::new(Lock::new(()));
    let holder = lock.try_lock().unwrap();
    let other = lock.clone();
    let granted = Rc::new(RefCell::new(Some(Waiter::new(async move { drop(other.lock().await) }))));
    let own = granted.clone();
    let waker = waker_that(move || drop(own.take()));
    assert!(granted.borrow_mut().as_mut().unwrap().poll_with(&waker).is_pending());
    let mut next = Waiter::waiting(lock.lock());
    drop(holder);
    assert!(granted.borrow().is_none());
    drop(next.take());
}

/// T-21: a waker that tries for the lock while it is being handed to another.
#[test]
fn a_waker_cannot_take_the_lock_that_it_announces() {
    let lock = Rc::new(Lock::new(()));
    let holder = lock.try_lock().unwrap();
    let tries = Rc::new(RefCell::new(Vec::new()));
    let (other, results) = (lock.clone(), tries.clone());
    let waker = waker_that(move || results.borrow_mut().push(other.try_lock().is_some()));
    let mut granted = Waiter::new(lock.lock());
    assert!(granted.poll_with(&waker).is_pending());
    drop(holder);
    assert_eq!(*tries.borrow(), [false]);
    drop(granted.now());
}

#[test]
fn the_waker_of_the_latest_poll_is_the_one_that_is_woken() {
    let lock = Lock::new(());
    let holder = lock.try_lock().unwrap();
    let mut waiter = Waiter::waiting(lock.lock());
    let (counting, waker) = crate::common::CountingWaker::new();
    assert!(waiter.poll_with(&waker).is_pending());
    drop(holder);
    assert_eq!((waiter.wakes(), counting.wakes()), (0, 1));
    drop(waiter.now());
}

/// T-18: waiting a million times for what never comes takes no memory, and neither does anything else.
#[test]
fn nothing_is_allocated() {
    let rounds = if cfg!(miri) { 50 } else { 1_000_000 };
    let lock = Lock::new(0_u64);
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    let (heap, ()) = heap_during(|| {
        for _ in 0..rounds {
            let mut free = std::pin::pin!(lock.lock());
            let Poll::Ready(mut guard) = free.as_mut().poll(&mut cx) else { panic!("it is free") };
            *guard += 1;
            let mut loser = std::pin::pin!(lock.lock());
            assert!(loser.as_mut().poll(&mut cx).is_pending());
        }
    });
    assert_eq!(heap, Heap::default());
    assert_eq!(lock.into_inner(), rounds);
}

#[test]
fn a_future_takes_40_bytes_and_a_lock_32() {
    #[cfg(target_pointer_width = "64")]
    assert_eq!([size_of::<LockAcquire<'_, [u8; 64]>>() <= 40, size_of::<Lock<()>>() <= 32], [true; 2]);
}

/// Trap 15: a lock that is always free starves nobody.
#[test]
#[cfg(feature = "alloc")] // which the budget needs
fn a_task_that_only_locks_gives_way_after_128_times() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let count = Rc::new(std::cell::Cell::new(0));
            let (trace, counted) = (trace.clone(), count.clone());
            let other = create_task(async move { trace.log(counted.get()) });
            let lock = Lock::new(());
            while !other.done() {
                let _guard = lock.lock().await;
                count.set(count.get() + 1);
            }
        });
        done.unwrap();
        trace.expect(&["0 128"]);
    });
}

/// Who waits for more things at a time than a budget has operations still waits for all of them.
#[test]
#[cfg_attr(miri, ignore = "hundreds of operations, all alike")]
fn three_hundred_waiters_in_one_task_all_join_the_line() {
    at_both_starts(|event_loop, _| {
        let done = event_loop.run_until_complete(async {
            let lock = Lock::new(());
            let holder = lock.lock().await;
            let mut waiters: Vec<_> = (0..300).map(|_| Box::pin(lock.lock())).collect();
            std::future::poll_fn(|cx| {
                for waiter in &mut waiters {
                    assert!(waiter.as_mut().poll(cx).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            drop(holder);
            for waiter in waiters {
                drop(waiter.await);
            }
        });
        done.unwrap();
    });
}

#[test]
fn a_snapshot_says_who_waits_for_a_lock() {
    at_both_starts(|event_loop, _| {
        let done = event_loop.run_until_complete(async {
            let lock = Rc::new(Lock::new(()));
            let _guard = lock.lock().await;
            let other = lock.clone();
            let _waiter = create_task(async move { drop(other.lock().await) });
            yield_now().await;
            let tasks = get_event_loop().tasks();
            assert!(tasks.iter().any(|task| task.waiting_for() == Some("a lock")));
        });
        done.unwrap();
    });
}

#[test]
fn a_lock_may_hold_what_has_no_size() {
    let lock: Box<Lock<[i32]>> = Box::new(Lock::new([1, 2]));
    lock.try_lock().unwrap()[1] = 3;
    assert_eq!(*lock.try_lock().unwrap(), [1, 3]);
    assert_eq!(format!("{lock:?}"), "Lock { value: [1, 3] }");
    let guard = lock.try_lock().unwrap();
    assert_eq!(format!("{lock:?} {guard:?}"), "Lock { value: <locked> } LockGuard([1, 3])");
}
