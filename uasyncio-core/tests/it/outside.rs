//! Inside a loop and outside: what is the current loop and task, and what needs them (trap 51).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::thread;

use crate::common::{OnDrop, at_both_starts, poll_once};
use uasyncio_core::{
    EventLoop, VirtualTime, call_at_, call_later, call_later_ms, call_soon, catch_cancel, create_task, current_task,
    get_event_loop, sleep_ms, spawn, try_get_event_loop, yield_now,
};

/// Trap 51: outside a loop there is neither loop nor task, before the first, between runs, and after the last.
#[test]
fn there_is_no_loop_outside_a_run() {
    let nothing = || try_get_event_loop().is_none() && current_task().is_none();
    assert!(nothing());
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    assert!(nothing());
    event_loop
        .run_until_complete(async {
            assert!(!nothing());
            thread::scope(|scope| scope.spawn(|| assert!(nothing())).join().unwrap()); // nor on another thread
        })
        .unwrap();
    assert!(nothing());
    event_loop.call_later_ms(1, || ()); // polls its task, out of turn
    assert!(nothing());
    event_loop.turn().unwrap();
    assert!(nothing());
    let unwound = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(async { panic!("expected") })));
    assert!(unwound.is_err() && nothing());
    drop(event_loop);
    assert!(nothing());
}

/// Trap 51: what needs a loop panics without one, and says which call makes one.
#[test]
fn the_panic_outside_a_loop_names_run() {
    type Call = fn();
    let calls: [Call; 12] = [
        || _ = get_event_loop(),
        || drop(create_task(async {})),
        || spawn(async {}),
        || call_soon(|| ()),
        || call_later(std::time::Duration::ZERO, || ()),
        || call_later_ms(1, || ()),
        || call_at_(uasyncio_core::Ticks::default(), || ()),
        || _ = poll_once(&mut Box::pin(sleep_ms(0)), Waker::noop()),
        || _ = poll_once(&mut Box::pin(sleep_ms(5)), Waker::noop()),
        || _ = poll_once(&mut Box::pin(uasyncio_core::sleep(std::time::Duration::MAX)), Waker::noop()),
        || _ = poll_once(&mut Box::pin(catch_cancel(async {})), Waker::noop()),
        || drop(create_task(pending::<()>())),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let panic = catch_unwind(call).unwrap_err();
        let message = panic.downcast_ref::<&str>().expect("a message");
        assert!(message.contains("no running event loop") && message.contains("run`"), "call {index}: {message}");
    }
    // These do without.
    assert!(poll_once(&mut Box::pin(yield_now()), Waker::noop()).is_pending());
    assert!(uasyncio_core::budget::poll_proceed(&mut Context::from_waker(Waker::noop())).is_ready());
    uasyncio_core::trace::waiting("nothing");
    drop(sleep_ms(5));
}

/// Trap 51: during its own poll, in a callback, in a destructor, and in a poll by hand from another task.
#[test]
fn current_task_in_all_places() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let main = current_task().unwrap();
                let seen = Rc::new(RefCell::new(Vec::new()));
                let (in_poll, in_drop) = (seen.clone(), seen.clone());
                let task = create_task(async move {
                    let _owned = OnDrop(move || in_drop.borrow_mut().push(current_task()));
                    in_poll.borrow_mut().push(current_task());
                    pending::<()>().await;
                });
                let in_callback = seen.clone();
                call_soon(move || in_callback.borrow_mut().push(current_task()));
                assert_eq!(current_task(), Some(main));
                yield_now().await;
                call_later_ms(5, || ()); // a task of its own, which is polled at once
                assert_eq!(current_task(), Some(main));
                let id = task.id();
                task.cancel();
                yield_now().await;
                assert_eq!(current_task(), Some(main));
                let seen = seen.take();
                assert_eq!(seen.len(), 3);
                assert_eq!((seen[0], seen[2]), (id, id));
                assert!(seen[1].is_some() && seen[1] != id && seen[1] != Some(main));
            })
            .unwrap();
    });
}
