//! `catch_cancel` where it is hard: cancels that come in the wrong moment, catchers that are dropped, forgotten, or polled by others.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::common::{CountingWaker, Drops, Signal, at_both_starts, poll_once};
use uasyncio_core::{Task, catch_cancel, create_task, get_event_loop, sleep_ms, spawn, yield_now};

/// A task that cancels itself catches it at its next suspension, not before.
#[test]
fn self_cancel_is_caught_at_the_next_suspension() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let handle = Rc::new(RefCell::new(None::<Task<bool>>));
                let (own, log) = (handle.clone(), trace.clone());
                let task = create_task(async move {
                    catch_cancel(async {
                        assert!(own.borrow().as_ref().unwrap().cancel());
                        log.log("goes on");
                        yield_now().await;
                        log.log("behind the suspension");
                    })
                    .await
                    .is_err()
                });
                handle.replace(Some(task));
                yield_now().await;
                yield_now().await;
                let task = handle.take().unwrap();
                assert!(task.await.unwrap());
            })
            .unwrap();
        trace.expect(&["0 goes on"]);
    });
}

/// The inner future is ready in the very poll in which the cancel would be seen: the cancel came first, and wins.
#[test]
fn cancel_when_the_inner_future_is_ready() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let signal = Signal::new();
                let waiting = signal.clone();
                let task = create_task(catch_cancel(async move { waiting.wait().await }));
                yield_now().await;
                signal.open();
                task.cancel();
                assert!(task.await.unwrap().is_err());
                assert_eq!(signal.polls(), 1);
            })
            .unwrap();
    });
}

/// Dropping the future, as a timeout or a select does, is no cancel: nothing is caught, and nothing is left behind.
#[test]
fn a_dropped_catcher_catches_nothing() {
    at_both_starts(|event_loop, _| {
        let drops = Drops::default();
        event_loop
            .run_until_complete(async {
                let child = drops.child();
                let task = create_task(async move {
                    let mut catcher = Box::pin(catch_cancel(async move {
                        let _child = child;
                        pending::<()>().await;
                    }));
                    let pending_once = poll_fn(|cx| Poll::Ready(catcher.as_mut().poll(cx).is_pending())).await;
                    assert!(pending_once);
                    drop(catcher);
                    pending::<()>().await;
                });
                yield_now().await;
                assert_eq!(drops.count(), 1);
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
            })
            .unwrap();
    });
}

/// A cancel that comes while a dropped one had been told already is not lost for good: the next cancel ends the task.
#[test]
fn a_catcher_dropped_between_cancel_and_poll() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let catcher = Rc::new(RefCell::new(None::<Pin<Box<uasyncio_core::CatchCancel<std::future::Pending<()>>>>>));
                let inside = catcher.clone();
                let task = create_task(poll_fn(move |cx| {
                    if let Some(catcher) = inside.borrow_mut().as_mut() {
                        return catcher.as_mut().poll(cx).map(|_| ());
                    }
                    Poll::Pending
                }));
                catcher.replace(Some(Box::pin(catch_cancel(pending()))));
                yield_now().await;
                assert!(task.cancel());
                drop(catcher.take()); // as a select in the same task would
                sleep_ms(1).await;
                assert!(task.cancel());
                sleep_ms(1).await;
                assert!(task.done());
            })
            .unwrap();
    });
}

/// A catcher that was forgotten without being dropped does not catch for the next task in the slot.
#[test]
fn a_forgotten_catcher() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(async {
                    let mut catcher = Box::pin(catch_cancel(pending::<()>()));
                    poll_fn(|cx| {
                        assert!(catcher.as_mut().poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                    mem::forget(catcher);
                });
                yield_now().await;
                let id = task.id();
                task.await.unwrap();
                let next = create_task(pending::<()>());
                assert_eq!(next.id(), id, "the test is about a slot that is used again");
                yield_now().await;
                next.cancel();
                assert!(next.await.unwrap_err().is_cancelled());
            })
            .unwrap();
    });
}

/// A plain task beside one that catches is cancelled as ever, and so is one that awaits it.
#[test]
fn other_tasks_are_not_concerned() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let catching = create_task(async move {
                    let _ = catch_cancel(sleep_ms(10)).await;
                    log.log("the catching task ends");
                });
                let plain = create_task(sleep_ms(60_000));
                let waiting = create_task(catching);
                sleep_ms(1).await;
                plain.cancel();
                assert!(plain.await.unwrap_err().is_cancelled());
                waiting.cancel(); // cancels the waiter alone (trap 4)
                assert!(waiting.await.unwrap_err().is_cancelled());
                sleep_ms(20).await;
            })
            .unwrap();
        trace.expect(&["10 the catching task ends"]);
    });
}

/// The main future of a run is a task too, but without a handle; a catcher in it works like anywhere else.
#[test]
fn a_catcher_in_the_main_future() {
    at_both_starts(|event_loop, _| {
        let end = event_loop.run_until_complete(catch_cancel(async {
            sleep_ms(5).await;
            5
        }));
        assert_eq!(end.unwrap(), Ok(5));
    });
}

/// A catcher under a combinator that polls it with a waker of its own: the cancel comes by that waker.
#[test]
fn a_catcher_with_a_foreign_waker() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let (counting, waker) = CountingWaker::new();
                let result = Rc::new(Cell::new(None));
                let out = result.clone();
                let task = create_task(async move {
                    let mut catcher = Box::pin(catch_cancel(pending::<()>()));
                    assert!(poll_once(&mut catcher, &waker).is_pending());
                    while counting.wakes() == 0 {
                        yield_now().await;
                    }
                    out.set(Some(poll_once(&mut catcher, Waker::noop())));
                });
                yield_now().await;
                assert!(task.cancel());
                for _ in 0..3 {
                    yield_now().await;
                }
                assert!(matches!(result.get(), Some(Poll::Ready(Err(_)))));
                task.await.unwrap();
            })
            .unwrap();
    });
}

/// What it costs is given back: nothing piles up in the loop over many uses.
#[test]
fn ten_thousand_catches() {
    at_both_starts(|event_loop, _| {
        let rounds = if cfg!(miri) { 50 } else { 10_000 };
        event_loop
            .run_until_complete(async {
                let caught = Rc::new(Cell::new(0));
                for n in 0..rounds {
                    let count = caught.clone();
                    let task = create_task(async move {
                        if catch_cancel(catch_cancel(yield_now())).await.is_ok_and(|end| end.is_err()) {
                            count.set(count.get() + 1);
                        }
                    });
                    yield_now().await;
                    if n % 2 == 0 {
                        task.cancel();
                    }
                    task.await.unwrap();
                }
                assert_eq!(caught.get(), rounds / 2);
                assert_eq!(get_event_loop().tasks().len(), 1);
                spawn(async {});
            })
            .unwrap();
    });
}
