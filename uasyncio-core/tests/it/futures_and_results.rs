//! Where a task keeps its future and its result, when each of them is dropped, and how the two change places (U4, U8).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::common::{Drops, Steps, at_both_starts, poll_once};
use uasyncio_core::{EventLoop, VirtualTime, create_task, get_event_loop, run, sleep_ms, spawn, yield_now};

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
