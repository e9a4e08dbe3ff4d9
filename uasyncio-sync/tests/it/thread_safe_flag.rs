//! ThreadSafeFlag: set from anywhere, seen by one task, never lost (trap 32).

#![cfg(feature = "std")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::thread;

use crate::common::{CountingWaker, Waiter, Watchdog, at_both_starts, block_on, panics, poll_once, waker_that_panics};
use uasyncio_core::{create_task, run, sleep_ms, spawn, yield_now};
use uasyncio_sync::{ThreadSafeFlag, ThreadSafeFlagWait};

const TIMES: usize = if cfg!(miri) { 50 } else { 20_000 };

#[test]
fn several_sets_are_one() {
    run(async {
        let flag = ThreadSafeFlag::new();
        flag.set();
        flag.set();
        assert!(flag.is_set());
        flag.wait().await;
        assert!(!flag.is_set());
        let mut second = Box::pin(flag.wait());
        assert!(poll_once(&mut second, Waker::noop()).is_pending());
        flag.set();
        flag.clear(); // before the waiter has run
        assert!(poll_once(&mut second, Waker::noop()).is_pending());
        flag.set();
        assert!(poll_once(&mut second, Waker::noop()).is_ready());
        assert!(!flag.is_set());
    });
}

#[test]
fn a_waiting_task_is_told() {
    at_both_starts(|event_loop, trace| {
        static FLAG: ThreadSafeFlag = ThreadSafeFlag::new();
        event_loop
            .run_until_complete(async {
                spawn(async {
                    for _ in 0..2 {
                        sleep_ms(10).await;
                        FLAG.set();
                    }
                });
                FLAG.wait().await;
                trace.log("first");
                FLAG.wait().await;
                trace.log("second");
            })
            .unwrap();
        trace.expect(&["10 first", "20 second"]);
    });
}

/// A second waiter is a mistake that is told to whoever makes it; the first one waits on.
#[test]
fn a_second_waiter_panics() {
    let flag = ThreadSafeFlag::new();
    let (counting, waker) = CountingWaker::new();
    let mut first = Box::pin(flag.wait());
    assert!(poll_once(&mut first, &waker).is_pending());
    assert!(poll_once(&mut first, &waker).is_pending()); // the same one may be polled again
    for is_set in [false, true] {
        if is_set {
            flag.set();
        }
        let mut second = flag.wait();
        let panic = catch_unwind(AssertUnwindSafe(|| poll_once(&mut second, Waker::noop()))).unwrap_err();
        let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        assert_eq!(message, Some("a second task waits for a ThreadSafeFlag, which has room for one"));
    }
    assert_eq!(counting.wakes(), 1);
    assert!(poll_once(&mut first, &waker).is_ready());
    // It has left, though it lives; and a future that was never polled is no waiter.
    let unpolled = flag.wait();
    let mut third = flag.wait();
    assert!(poll_once(&mut third, &waker).is_pending());
    drop(unpolled);
    flag.set();
    assert!(poll_once(&mut third, &waker).is_ready());
}

/// T-18, T-19: dropping the waiter forgets its waker, and takes no set along.
#[test]
fn a_dropped_waiter_is_forgotten() {
    let flag = ThreadSafeFlag::new();
    let (counting, waker) = CountingWaker::new();
    let mut wait = Box::pin(flag.wait());
    assert!(poll_once(&mut wait, &waker).is_pending());
    let while_waiting = Arc::strong_count(&counting);
    drop(wait);
    assert_eq!(Arc::strong_count(&counting), while_waiting - 1);
    flag.set();
    assert_eq!(counting.wakes(), 0);
    assert!(flag.is_set());

    // Told, and not polled.
    flag.clear();
    let mut wait = Box::pin(flag.wait());
    assert!(poll_once(&mut wait, &waker).is_pending());
    flag.set();
    assert_eq!(counting.wakes(), 1);
    drop(wait);
    assert_eq!(Arc::strong_count(&counting), while_waiting - 1);
    assert!(poll_once(&mut Box::pin(flag.wait()), &waker).is_ready());
    // A future that is ready keeps no waker either.
    let mut wait = Box::pin(flag.wait());
    assert!(poll_once(&mut wait, &waker).is_pending());
    flag.set();
    assert!(poll_once(&mut wait, &waker).is_ready());
    assert_eq!(Arc::strong_count(&counting), while_waiting - 1);
}

/// T-20: the flag is up, though the waker panics, and the next waiter is told.
#[test]
fn a_waker_that_panics_loses_no_set() {
    let flag = ThreadSafeFlag::new();
    let mut wait = Waiter::new(flag.wait());
    assert!(wait.poll_with(&waker_that_panics().1).is_pending());
    assert!(panics(|| flag.set()));
    assert!(flag.is_set());
    wait.now();
    assert!(!flag.is_set());
    let mut wait = Waiter::waiting(flag.wait());
    flag.set();
    wait.take();
}

/// Another thread wakes a loop that has nothing else to do, and waits for the answer, again and again; what it wrote is seen.
#[test]
fn a_parked_loop_is_woken() {
    let _watchdog = Watchdog::new("a flag set from a thread");
    let (flag, written, seen) = (ThreadSafeFlag::new(), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=TIMES {
                written.store(round, Relaxed);
                flag.set();
                while seen.load(Relaxed) != round {
                    thread::yield_now();
                }
            }
        });
        run(async {
            for round in 1..=TIMES {
                flag.wait().await;
                assert_eq!(written.load(Relaxed), round);
                seen.store(round, Relaxed);
            }
        });
    });
    assert!(!flag.is_set());
}

/// Four threads at once: sets merge, and the last one is never lost; on ours and on another executor.
#[test]
fn many_threads_set() {
    let _watchdog = Watchdog::new("a flag set from many threads");
    for ours in [true, false] {
        let (flag, sum) = (ThreadSafeFlag::new(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..TIMES / 4 {
                        sum.fetch_add(1, Relaxed);
                        flag.set();
                    }
                });
            }
            let waiter = async {
                let mut waits = 0;
                while sum.load(Relaxed) < TIMES / 4 * 4 {
                    flag.wait().await;
                    waits += 1;
                }
                assert!(waits <= TIMES);
            };
            if ours { run(waiter) } else { block_on(waiter) }
        });
    }
}

/// While a thread is at work for the loop, its virtual clock stands still.
#[test]
fn on_virtual_time() {
    let _watchdog = Watchdog::new("a flag on virtual time");
    at_both_starts(|event_loop, trace| {
        static FLAG: ThreadSafeFlag = ThreadSafeFlag::new();
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let timer = create_task(async move {
                    sleep_ms(10).await;
                    log.log("timer");
                });
                yield_now().await;
                let hold = event_loop.platform().hold();
                let worker = thread::spawn(move || {
                    FLAG.set();
                    drop(hold);
                });
                FLAG.wait().await;
                trace.log("flag");
                timer.await.unwrap();
                worker.join().unwrap();
            })
            .unwrap();
        trace.expect(&["0 flag", "10 timer"]);
    });
}

/// T-24: a flag that is always up does not keep the others waiting.
#[test]
#[cfg(feature = "alloc")] // which the budget needs
fn an_endless_loop_gives_way() {
    run(async {
        let flag = ThreadSafeFlag::new();
        let child = create_task(async {});
        let mut rounds = 0;
        while !child.done() {
            flag.set();
            flag.wait().await;
            rounds += 1;
        }
        assert!((100..200).contains(&rounds), "{rounds}");
    });
}

#[test]
fn names_and_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<ThreadSafeFlag>();
    is_shared::<ThreadSafeFlagWait<'_>>();
    let flag = ThreadSafeFlag::default();
    assert_eq!(format!("{flag:?}"), "ThreadSafeFlag { set: false, .. }");
    assert!(format!("{:?}", flag.wait()).starts_with("ThreadSafeFlagWait"));
}
