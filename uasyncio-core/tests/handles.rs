//! Handles of tasks: awaiting, dropping, and outliving the loop (trap 6, and the join tests of other executors).

#![cfg(all(feature = "std", feature = "virtual-time"))]

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use common::{CountingWaker, Drops, Signal, Steps, at_both_starts, poll_once, with_loops_at_both_starts};
use uasyncio_core::{EventLoop, Task, VirtualTime, create_task, current_task, get_event_loop, run, sleep_ms, spawn, yield_now};

/// Trap 6, asyncio_basic2: a task runs on when nobody holds its handle.
#[test]
fn handle_dropped_detaches() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let (early, late) = (trace.clone(), trace.clone());
                drop(create_task(async move { early.log("dropped before its first poll") }));
                let task = create_task(async move {
                    sleep_ms(5).await;
                    late.log("dropped while it slept");
                });
                yield_now().await;
                drop(task);
                sleep_ms(10).await;
            })
            .unwrap();
        trace.expect(&["0 dropped before its first poll", "5 dropped while it slept"]);
    });
}

/// A task may drop its own handle while it runs, and again end normally.
#[test]
fn handle_dropped_during_own_poll() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let handle = Rc::new(RefCell::new(None::<Task<Signal>>));
                let (own, log) = (handle.clone(), trace.clone());
                let task = create_task(async move {
                    drop(own.take().unwrap());
                    log.log("handle dropped");
                    yield_now().await;
                    log.log("the end");
                    Signal::new()
                });
                handle.replace(Some(task));
                sleep_ms(1).await;
                assert_eq!(get_event_loop().tasks().len(), 1);
            })
            .unwrap();
        trace.expect(&["0 handle dropped", "0 the end"]);
    });
}

/// The output exists once and is dropped once: by the awaiter, with the handle, or at the end if there is no handle any more.
#[test]
fn results_are_dropped_once() {
    at_both_starts(|event_loop, _| {
        let drops = Drops::default();
        event_loop
            .run_until_complete(async {
                let child = drops.child();
                let awaited = create_task(async move { child });
                let output = awaited.await.unwrap();
                assert_eq!(drops.count(), 0);
                drop(output);
                assert_eq!(drops.count(), 1);

                let child = drops.child();
                let kept = create_task(async move { child });
                yield_now().await;
                assert!(kept.done());
                assert_eq!(drops.count(), 1);
                drop(kept);
                assert_eq!(drops.count(), 2);

                let child = drops.child();
                drop(create_task(async move { child }));
                assert_eq!(drops.count(), 2);
                yield_now().await;
                assert_eq!(drops.count(), 3);
            })
            .unwrap();
        assert_eq!(drops.count(), 3);
    });
}

/// What a future owns is dropped when the task ends, before its awaiter goes on, not with the handle.
#[test]
fn the_future_is_dropped_at_its_end() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let owned = trace.on_drop("future dropped");
                let log = trace.clone();
                let mut task = create_task(Steps(move |_: &mut Context<'_>| {
                    let _ = &owned;
                    log.log("ready");
                    Poll::Ready(())
                }));
                (&mut task).await.unwrap();
                trace.log("awaited");
                drop(task);
            })
            .unwrap();
        trace.expect(&["0 ready", "0 future dropped", "0 awaited"]);
    });
}

/// A finished task's result waits for whoever comes, also after the loop's end.
#[test]
fn handle_outlives_executor() {
    with_loops_at_both_starts(|event_loop, _| {
        let mut done = event_loop.create_task(async { String::from("result") });
        let mut never = event_loop.create_task(pending::<String>());
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        let id = done.id();
        drop(event_loop);
        assert!(done.done() && never.done());
        assert!(!done.cancel() && !never.cancel());
        assert_eq!(done.id(), id);
        never.set_name("of no effect");
        assert!(!format!("{done:?} {never:?}").is_empty());
        assert!(matches!(poll_once(&mut done, Waker::noop()), Poll::Ready(Ok(result)) if result == "result"));
        assert!(matches!(poll_once(&mut never, Waker::noop()), Poll::Ready(Err(end)) if end.is_cancelled()));
    });
}

/// The awaiter may be in another loop, or be no task at all; the end of the task's loop wakes it.
#[test]
fn await_task_after_dropping_executor() {
    at_both_starts(|event_loop, trace| {
        let other = EventLoop::with_platform(VirtualTime::new());
        let task = other.create_task(pending::<()>());
        let mut polled_by_hand = other.create_task(pending::<()>());
        other.turn().unwrap();
        let (counting, waker) = CountingWaker::new();
        assert!(poll_once(&mut polled_by_hand, &waker).is_pending());
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let waiter = create_task(async move {
                    log.log("waits");
                    assert!(task.await.unwrap_err().is_cancelled());
                    log.log("knows");
                });
                sleep_ms(1).await;
                trace.log("drops the loop");
                drop(other);
                waiter.await.unwrap();
                assert_eq!(counting.wakes(), 1);
                assert!(polled_by_hand.await.unwrap_err().is_cancelled());
            })
            .unwrap();
        trace.expect(&["0 waits", "1 drops the loop", "1 knows"]);
    });
}

/// Only the latest waiter is woken: the waker is replaced, as `Future::poll` wants it.
#[test]
fn the_latest_waker_is_woken() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut task = create_task(sleep_ms(5));
                let (first, first_waker) = CountingWaker::new();
                let (second, second_waker) = CountingWaker::new();
                assert!(poll_once(&mut task, &first_waker).is_pending());
                assert!(poll_once(&mut task, &second_waker).is_pending());
                assert!(poll_once(&mut task, &second_waker).is_pending());
                drop(first_waker);
                assert_eq!(std::sync::Arc::strong_count(&first), 1, "the replaced waker is not kept");
                sleep_ms(10).await;
                assert_eq!((first.wakes(), second.wakes()), (0, 1));
                drop(second_waker);
                assert_eq!(std::sync::Arc::strong_count(&second), 1, "a woken waker is not kept");
                assert!(poll_once(&mut task, Waker::noop()).is_ready());
            })
            .unwrap();
    });
}

/// T-18 for tasks: giving up waiting again and again keeps nothing.
#[test]
fn awaiting_by_reference_can_be_given_up() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut task = create_task(async {
                    sleep_ms(50).await;
                    5
                });
                let (counting, waker) = CountingWaker::new();
                for _ in 0..10 {
                    let mut waiting = Box::pin(async { (&mut task).await.unwrap() });
                    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                }
                drop(waker);
                assert!(std::sync::Arc::strong_count(&counting) <= 2);
                assert_eq!(task.await.unwrap(), 5);
            })
            .unwrap();
    });
}

#[test]
fn a_second_poll_of_a_result_panics_and_says_why() {
    run(async {
        let mut task = create_task(async { 5 });
        yield_now().await;
        assert!(matches!(poll_once(&mut task, Waker::noop()), Poll::Ready(Ok(5))));
        let panic = catch_unwind(AssertUnwindSafe(|| poll_once(&mut task, Waker::noop()))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a task was polled after it had given its result"));
        drop(task);
    });
}

#[test]
fn cancel_on_drop() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let sleeper = async move {
                    let _owned = log.on_drop("dropped");
                    sleep_ms(60_000).await;
                };
                let task = create_task(sleeper).cancel_on_drop();
                yield_now().await;
                assert!(!task.task().done());
                drop(task);
                trace.log("handle dropped");
                sleep_ms(1).await;
                let finished = create_task(async { 5 }).cancel_on_drop();
                yield_now().await;
                assert_eq!(finished.await.unwrap(), 5);
                drop(create_task(async { 6 }).cancel_on_drop());
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["0 handle dropped", "0 dropped"]);
    });
}

/// asyncio's rule for those who want it: cancelling the awaiter cancels what it awaits (trap 4 says that by default it does not).
#[test]
fn cancel_on_drop_passes_a_cancel_on() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let inner = create_task(async move {
                    let _owned = log.on_drop("inner dropped");
                    pending::<()>().await;
                });
                let log = trace.clone();
                let outer = create_task(async move {
                    let _owned = log.on_drop("outer dropped");
                    inner.cancel_on_drop().await.unwrap();
                });
                sleep_ms(1).await;
                outer.cancel();
                assert!(outer.await.unwrap_err().is_cancelled());
                trace.log("outer ended");
                sleep_ms(1).await;
            })
            .unwrap();
        trace.expect(&["1 outer dropped", "1 inner dropped", "1 outer ended"]);
    });
}

#[test]
fn ids_are_unique_among_the_living() {
    run(async {
        let tasks: Vec<_> = (0..200).map(|_| create_task(async { current_task() })).collect();
        let mut ids: Vec<_> = tasks.iter().map(|task| task.id().unwrap()).collect();
        ids.push(current_task().unwrap());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 201);
        for task in tasks {
            let id = task.id();
            assert_eq!(task.await.unwrap(), id);
        }
    });
}

/// U4: a future stays where it is, whatever its size and alignment.
#[test]
fn futures_are_pinned_and_aligned() {
    #[repr(align(128))]
    struct Wide(Cell<usize>);
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let mut tasks = Vec::new();
                for _ in 0..10 {
                    tasks.push(create_task(async {
                        let wide = Wide(Cell::new(0));
                        wide.0.set(std::ptr::from_ref(&wide).addr());
                        assert_eq!(wide.0.get() % 128, 0);
                        for _ in 0..3 {
                            yield_now().await;
                            assert_eq!(wide.0.get(), std::ptr::from_ref(&wide).addr());
                        }
                        [1_u8; 3]
                    }));
                    spawn(async {
                        let wide = Wide(Cell::new(0));
                        wide.0.set(std::ptr::from_ref(&wide).addr());
                        sleep_ms(1).await;
                        assert_eq!(wide.0.get(), std::ptr::from_ref(&wide).addr());
                    });
                }
                for task in tasks {
                    assert_eq!(task.await.unwrap(), [1; 3]);
                }
                // The other way round: nothing in, much out; and nothing at all.
                assert_eq!(create_task(async { [7_u64; 100] }).await.unwrap(), [7; 100]);
                create_task(std::future::ready(())).await.unwrap();
                sleep_ms(2).await;
            })
            .unwrap();
    });
}

/// A task made before the loop runs, awaited as the loop's main future, and by reference so that it survives the run.
#[test]
fn a_handle_as_the_main_future() {
    at_both_starts(|event_loop, _| {
        let mut task = event_loop.create_task(async {
            sleep_ms(10).await;
            5
        });
        event_loop.call_later_ms(3, || get_event_loop().stop());
        assert!(event_loop.run_until_complete(&mut task).is_err());
        assert!(!task.done());
        assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 5);
    });
}

/// The main future may borrow from its caller.
#[test]
fn the_main_future_borrows() {
    let words = vec![String::from("a"), String::from("b")];
    let mut joined = String::new();
    run(async {
        for word in &words {
            yield_now().await;
            joined.push_str(word);
        }
    });
    assert_eq!(joined, "ab");
    let mut by_reference = Box::pin(poll_fn(|_| Poll::Ready(joined.len())));
    assert_eq!(run(Pin::as_mut(&mut by_reference)), 2);
}

/// U8: the end may come while the waiter's waker is being cloned, if that clone drives the loop. The task is then done, whatever
/// its end, and the waiter is told to look again.
#[test]
fn a_waker_whose_clone_drives_the_loop() {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{RawWaker, RawWakerVTable};

    thread_local!(static LOOP: RefCell<Option<EventLoop<VirtualTime>>> = const { RefCell::new(None) });
    static WAKES: AtomicU32 = AtomicU32::new(0);
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            LOOP.with_borrow(|event_loop| event_loop.as_ref().map(|event_loop| event_loop.turn().unwrap()));
            RawWaker::new(data, &TABLE)
        },
        |_| _ = WAKES.fetch_add(1, Ordering::Relaxed),
        |_| _ = WAKES.fetch_add(1, Ordering::Relaxed),
        |_| (),
    );
    // SAFETY: the table's functions own nothing, and what they touch is the present thread's or atomic.
    let waker = unsafe { Waker::new(std::ptr::null(), &TABLE) };

    LOOP.set(Some(EventLoop::with_platform(VirtualTime::new())));
    let create = |end: u32| {
        LOOP.with_borrow(|event_loop| {
            event_loop.as_ref().unwrap().create_task(async move {
                match end {
                    0 => String::from("result"),
                    1 => std::panic::resume_unwind(Box::new("as planned")),
                    _ => pending().await,
                }
            })
        })
    };
    for end in 0..3 {
        let before = WAKES.load(Ordering::Relaxed);
        let mut task = create(end);
        if end == 2 {
            assert!(task.cancel());
        }
        assert!(poll_once(&mut task, &waker).is_pending());
        assert!(task.done());
        assert_eq!(WAKES.load(Ordering::Relaxed), before + 1);
        match (end, poll_once(&mut task, &waker)) {
            (0, Poll::Ready(Ok(text))) => assert_eq!(text, "result"),
            (1, Poll::Ready(Err(error))) => assert_eq!(error.into_panic().unwrap().message(), Some("as planned")),
            (2, Poll::Ready(Err(error))) => assert!(error.is_cancelled()),
            (end, poll) => panic!("{end}: {poll:?}"),
        }
    }
    LOOP.set(None);
}
