//! Every file that holds `unsafe`, in small: what Miri is to see, under both of its aliasing models. `miri_threads.rs` has the part
//! that needs several threads.
//!
//! The scenarios are tested for what they do elsewhere; here they are short, so that a run takes a minute under the
//! interpreter: `cargo +nightly miri test -p uasyncio-core --all-features --test it -- miri::`.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::future::{Future as _, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{CallingWaker, CountingWaker, Drops, Signal, collect_failures, poll_once};
use uasyncio_core::{
    Attention, EventLoop, RunError, Sleep, Task, TaskError, VirtualTime, call_later_ms, call_soon, catch_cancel, create_task,
    get_event_loop, sleep_ms, spawn, yield_now,
};

fn virtual_loop() -> EventLoop<VirtualTime> {
    EventLoop::with_platform(VirtualTime::new())
}

/// The waker of the task that is being polled.
async fn own_waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

// slot.rs, state.rs, waker.rs: pages, free slots, stale wakers.

/// More tasks than a page has slots; they end in another order than they began, and others take their places.
#[test]
fn slots_of_several_pages_are_used_again() {
    let event_loop = virtual_loop();
    let drops = Drops::default();
    let mut wakers = Vec::new();
    for round in 0..2 {
        let signals: Vec<_> = (0..90).map(|_| Signal::new()).collect();
        let tasks: Vec<_> = signals
            .iter()
            .cloned()
            .map(|signal| {
                let child = drops.child();
                event_loop.create_task(async move {
                    signal.wait().await;
                    drop(child);
                })
            })
            .collect();
        event_loop.turn().unwrap();
        event_loop.turn().unwrap();
        wakers.extend(signals.iter().map(Signal::waker));
        wakers.iter().for_each(Waker::wake_by_ref); // stale ones too, from outside a turn
        event_loop.turn().unwrap();
        signals.iter().rev().for_each(Signal::open);
        while !tasks.iter().all(Task::done) {
            event_loop.turn().unwrap();
        }
        assert_eq!(drops.count(), 90 * (round + 1));
        assert_eq!(event_loop.tasks().len(), 0);
    }
    drop(event_loop);
    wakers.into_iter().for_each(Waker::wake);
}

/// A loop inside another one's turn, each woken by the other, and a loop that ends inside.
#[test]
fn loops_in_loops() {
    let inner = virtual_loop();
    let signal = Signal::new();
    let waiting = signal.clone();
    let task = inner.create_task(async move { waiting.wait().await });
    let outer_signal = Signal::new();
    virtual_loop()
        .run_until_complete(async {
            let waits = create_task({
                let outer_signal = outer_signal.clone();
                async move { outer_signal.wait().await }
            });
            assert_eq!(inner.turn().unwrap(), Attention::Idle);
            signal.open(); // from inside the outer loop
            inner.call_soon(move || outer_signal.open()); // from inside the inner one
            inner.turn().unwrap();
            assert!(task.done());
            waits.await.unwrap();
            drop(inner);
            assert!(matches!(virtual_loop().run_forever(), Err(RunError::Nested)));
        })
        .unwrap();
    signal.wake();
}

// cell.rs, task.rs: every way in which a task ends, and every order in which its two owners leave.

#[test]
fn ends_of_tasks() {
    let event_loop = virtual_loop();
    let failures = collect_failures(&event_loop);
    let drops = Drops::default();
    let owns = |text: &str| (drops.child(), text.to_owned());
    event_loop
        .run_until_complete(async {
            // Awaited; detached; a result that nobody takes.
            let owned = owns("result");
            assert_eq!(create_task(async { owned }).await.unwrap().1, "result");
            drop(create_task(yield_now()));
            drop(create_task({
                let owned = owns("");
                async move {
                    yield_now().await;
                    owned
                }
            }));
            let kept = create_task({
                let owned = owns("kept");
                async move { owned }
            });
            yield_now().await;
            yield_now().await;
            assert!(kept.done() && !kept.cancel());
            drop(kept);

            // Cancelled before its first poll, while it waits, by itself, with and without a handle.
            for polls in 0..2 {
                for keep in [true, false] {
                    let owned = owns("");
                    let task = create_task(async move {
                        pending::<()>().await;
                        drop(owned);
                    });
                    for _ in 0..polls {
                        yield_now().await;
                    }
                    assert!(task.cancel() && task.cancel());
                    if keep {
                        assert!(matches!(task.await, Err(TaskError::Cancelled)));
                    }
                }
            }
            let own = Rc::<RefCell<Option<Task<()>>>>::default();
            let handle = own.clone();
            own.replace(Some(create_task(async move {
                let task = handle.take().unwrap();
                task.cancel();
                drop(task); // the handle goes first, from inside
                yield_now().await;
                unreachable!("cancelled");
            })));
            yield_now().await;
            yield_now().await;

            // Panics: awaited, detached, found by a handle that is dropped, in the future's destructor, in the result's.
            let panics = || async { panic!("expected") };
            assert!(matches!(create_task(panics()).await, Err(TaskError::Panicked(_))));
            drop(create_task(panics()));
            spawn(panics());
            let unclaimed = create_task(panics());
            yield_now().await;
            yield_now().await;
            drop(unclaimed);
            struct Bomb;
            impl Drop for Bomb {
                fn drop(&mut self) {
                    panic!("in drop")
                }
            }
            for cancel in [true, false] {
                let bomb = Bomb;
                let task = create_task(poll_fn(move |_| {
                    let _keep = &bomb;
                    if cancel { Poll::Pending } else { Poll::Ready(()) }
                }));
                yield_now().await;
                task.cancel();
                assert!(task.await.is_err());
            }
            spawn(poll_fn({
                let bomb = Bomb;
                move |_| {
                    let _keep = &bomb;
                    Poll::Ready(())
                }
            }));
            drop(create_task(async { Bomb }));
            yield_now().await;
            call_soon(|| panic!("callback"));
            yield_now().await;
        })
        .unwrap();
    assert!(failures.borrow().len() >= 6, "{:?}", failures.borrow());
    drop(event_loop);
    assert_eq!(drops.count(), 7);
}

/// The handle outlives the loop: with a result, without one, and polled by somebody else's waker.
#[test]
fn handles_outlive_the_loop() {
    let event_loop = virtual_loop();
    let mut finished = event_loop.create_task(async { "text".to_owned() });
    let mut waiting = event_loop.create_task(pending::<String>());
    let (counting, waker) = CountingWaker::new();
    event_loop.turn().unwrap();
    assert!(poll_once(&mut waiting, &waker).is_pending());
    let handle = *event_loop;
    let dropped = event_loop.create_task(pending::<()>());
    drop(event_loop);
    assert_eq!(counting.wakes(), 1);
    assert!(matches!(poll_once(&mut waiting, &waker), Poll::Ready(Err(TaskError::Cancelled))));
    assert!(matches!(poll_once(&mut finished, &waker), Poll::Ready(Ok(text)) if text == "text"));
    assert!(!dropped.cancel());
    drop(dropped);
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut waiting, &waker))).is_err(), "polled after its end");
    let mut refused = handle.create_task(async { String::new() });
    assert!(matches!(poll_once(&mut refused, &waker), Poll::Ready(Err(TaskError::Cancelled))));
    handle.spawn(async {});
    handle.call_soon(|| unreachable!("closed"));
}

/// The waker of whoever awaits a task drops the task's handle, or creates tasks, when it is told of the end.
#[test]
fn foreign_wakers_do_things() {
    thread_local! {
        static HANDLE: RefCell<Option<Task<String>>> = const { RefCell::new(None) };
    }
    let event_loop = virtual_loop();
    for cancel in [true, false] {
        let signal = Signal::new();
        let waiting = signal.clone();
        let mut task = event_loop.create_task(async move {
            waiting.wait().await;
            "text".to_owned()
        });
        let drops_handle = CallingWaker::waker(|| {
            get_event_loop().call_soon(|| {});
            drop(HANDLE.take());
        });
        assert!(poll_once(&mut task, Waker::noop()).is_pending()); // another waker first, which is replaced
        assert!(poll_once(&mut task, &drops_handle).is_pending());
        event_loop.turn().unwrap();
        if cancel {
            task.cancel();
        }
        HANDLE.set(Some(task));
        signal.open();
        event_loop.turn().unwrap();
        assert!(HANDLE.take().is_none());
        event_loop.turn().unwrap();
    }
}

// event_loop.rs: futures that are lent for a run.

#[test]
fn lent_futures() {
    let event_loop = virtual_loop();
    let mut text = String::from("borrowed");
    let length = event_loop
        .run_until_complete(async {
            yield_now().await;
            text.push('!');
            text.len()
        })
        .unwrap();
    assert_eq!((length, text.as_str()), (9, "borrowed!"));

    // It panics; it is stopped; it waits for nothing; its waker is used afterwards, when the slot is empty, and in another run.
    let stale = Rc::new(RefCell::new(Vec::new()));
    let drops = Drops::default();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        event_loop.run_until_complete(async {
            let _child = drops.child();
            let waker = own_waker().await;
            stale.borrow_mut().push(waker);
            yield_now().await;
            panic!("expected")
        })
    }));
    assert!(unwound.is_err());
    for _ in 0..2 {
        let stopped = event_loop.run_until_complete(async {
            let _child = drops.child();
            let waker = own_waker().await;
            stale.borrow_mut().push(waker);
            get_event_loop().stop();
            pending::<()>().await;
        });
        assert!(matches!(stopped, Err(RunError::Stopped)));
        stale.borrow().iter().for_each(Waker::wake_by_ref);
    }
    let deadlock = event_loop.run_until_complete(async {
        let _child = drops.child();
        pending::<()>().await;
    });
    assert!(matches!(deadlock, Err(RunError::Deadlock(_))));
    assert_eq!(drops.count(), 4);

    // Pinned outside, it can go on.
    let mut future = Box::pin(async {
        get_event_loop().stop();
        yield_now().await;
        yield_now().await;
        "done"
    });
    assert!(event_loop.run_until_complete(future.as_mut()).is_err());
    assert_eq!(event_loop.run_until_complete(future).unwrap(), "done");
}

/// Destructors at the loop's end that wake, spawn, and end other handles.
#[test]
fn destructors_at_the_end() {
    let event_loop = virtual_loop();
    let others = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..3 {
        let (all, signal) = (others.clone(), Signal::new());
        let waiting = signal.clone();
        let at_the_end = crate::common::OnDrop(move || {
            spawn(async {});
            drop(create_task(async {}));
            all.borrow_mut().pop();
            call_later_ms(5, || {});
            if let Ok(waker) = catch_unwind(AssertUnwindSafe(|| signal.waker())) {
                waker.wake();
            }
        });
        others.borrow_mut().push(event_loop.create_task(async move {
            let _at_the_end = at_the_end;
            waiting.wait().await;
        }));
        event_loop.turn().unwrap();
    }
    drop(event_loop);
}

// wheel.rs, sleep.rs: `timers.rs` has more, and the wheel's own tests.

#[test]
fn sleeps_move_between_loops() {
    thread_local! {
        static FORGOTTEN: RefCell<Option<Pin<Box<Sleep>>>> = const { RefCell::new(None) };
    }
    let (first, second) = (virtual_loop(), virtual_loop());
    let mut sleeps: Vec<_> = [1, 1, 70, 5_000].into_iter().map(|millis| Box::pin(sleep_ms(millis))).collect();
    let (counting, waker) = CountingWaker::new();
    let poll = |sleeps: &mut Vec<Pin<Box<Sleep>>>| {
        for sleep in sleeps {
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    };
    first.run_until_complete(async { poll(&mut sleeps) }).unwrap();
    second.run_until_complete(async { poll(&mut sleeps) }).unwrap();
    drop(sleeps.remove(1)); // while linked
    FORGOTTEN.set(sleeps.pop()); // to the end of the thread; a leak would be reported
    first.run_until_complete(sleep_ms(100)).unwrap();
    assert_eq!(counting.wakes(), 0);
    second.run_until_complete(sleep_ms(69)).unwrap();
    assert_eq!(counting.wakes(), 1);
    drop(second);
    assert_eq!(counting.wakes(), 3, "the one that is left, and the one that was forgotten");
    first.run_until_complete(sleeps.remove(1)).unwrap();
    drop(first);
    drop(sleeps);
}

#[test]
fn cancels_are_caught() {
    let event_loop = virtual_loop();
    let task = event_loop.create_task(async {
        let inner = catch_cancel(catch_cancel(sleep_ms(10))).await;
        assert!(matches!(inner, Ok(Err(_))));
        sleep_ms(1).await;
        let error = catch_cancel(sleep_ms(10)).await.unwrap_err();
        error.resume().await;
    });
    event_loop.turn().unwrap();
    task.cancel();
    event_loop.turn().unwrap();
    event_loop.run_until_complete(sleep_ms(2)).unwrap();
    task.cancel();
    assert!(matches!(event_loop.run_until_complete(task).unwrap(), Err(TaskError::Cancelled)));
}
