//! `task_group`: what happens at and after its end, in panics, and when it is forgotten.

#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{CallingWaker, Drops, OnDrop, Signal, Trace, block_on, panics, poll_once};
use uasyncio_core::yield_now;
use uasyncio_sync::{TaskGroup, task_group};

type Fails = Result<(), &'static str>;

/// Once the group is ending nothing can be spawned: the future comes back, or is dropped. Also from destructors.
#[test]
fn spawned_too_late() {
    let refused = Cell::new(0);
    let spawn_late = |group: &TaskGroup<'static, &'static str>| {
        refused.set(refused.get() + usize::from(group.try_spawn(pending()).is_err()));
    };
    let kept = Rc::new(RefCell::new(None));
    let group = task_group(|group: TaskGroup<'static, &'static str>| {
        kept.replace(Some(group.clone()));
        let spawn_late = &spawn_late;
        async move {
            let at_end = group.clone();
            let _at_end = OnDrop(move || spawn_late(&at_end));
            group.spawn(async { Err("failed") });
            pending::<Fails>().await
        }
    });
    assert!(block_on(group).is_err());
    assert_eq!(refused.get(), 1);
    let drops = Drops::default();
    let late = drops.child();
    kept.take().unwrap().spawn(async move {
        let _late = late;
        Ok(())
    });
    assert_eq!(drops.count(), 1);
}

/// The same while it is being dropped: what its destructors spawn is refused.
#[test]
fn spawned_while_it_is_dropped() {
    let refused = Cell::new(0);
    let mut group = Box::pin(task_group(async |group| {
        let at_end = group.clone();
        let _at_end = OnDrop(|| refused.set(refused.get() + usize::from(at_end.try_spawn(pending()).is_err())));
        pending::<Fails>().await
    }));
    assert!(poll_once(&mut group, Waker::noop()).is_pending());
    drop(group);
    assert_eq!(refused.get(), 1);
}

/// Everything is dropped in the poll that gives the error, also what was spawned and has not begun, and the future need not be
/// dropped for that.
#[test]
fn all_are_dropped_before_the_error_is_returned() {
    let drops = Drops::default();
    let fail = Signal::new();
    let begun = Cell::new(0);
    let child = || {
        let gone = drops.child();
        let begun = &begun;
        async move {
            let _gone = gone;
            begun.set(begun.get() + 1);
            pending::<Fails>().await
        }
    };
    let handle = RefCell::new(None);
    let mut group = Box::pin(task_group(async |group| {
        let _gone = drops.child();
        handle.replace(Some(group.clone()));
        group.spawn(async {
            fail.wait().await;
            Err("failed")
        });
        group.spawn(child());
        pending::<Fails>().await
    }));
    for _ in 0..3 {
        assert!(poll_once(&mut group, Waker::noop()).is_pending());
    }
    fail.open();
    handle.take().unwrap().spawn(child()); // behind the one that fails
    let error = poll_once(&mut group, Waker::noop()).map(Result::unwrap_err);
    assert!(matches!(error, Poll::Ready(error) if *error.first() == "failed"));
    assert_eq!((drops.count(), begun.get()), (3, 1));
    drop(group);
}

/// T-21: a foreign waker that spawns into the group while it is woken by a spawn.
#[test]
fn waker_that_spawns() {
    thread_local! {
        static GROUP: RefCell<Option<TaskGroup<'static, &'static str>>> = const { RefCell::new(None) };
        static BEGUN: Cell<u32> = const { Cell::new(0) };
    }
    async fn child() -> Fails {
        BEGUN.set(BEGUN.get() + 1);
        Ok(())
    }
    let spawning = CallingWaker::waker(|| {
        let group = GROUP.with_borrow(Option::clone);
        group.inspect(|group| group.spawn(child()));
    });
    let mut group = Box::pin(task_group(async |group: TaskGroup<'static, _>| {
        GROUP.set(Some(group));
        pending::<Fails>().await
    }));
    assert!(poll_once(&mut group, &spawning).is_pending());
    GROUP.with_borrow(Option::clone).unwrap().spawn(child());
    assert!(poll_once(&mut group, Waker::noop()).is_pending());
    assert_eq!(BEGUN.get(), 2);
    GROUP.set(None);
}

/// T-20: a panic comes through after the others were dropped, whoever panics.
#[test]
fn panics_of_members() {
    for of_the_body in [false, true] {
        let trace = Trace::new(Default::default());
        let mut group = Box::pin(task_group(async |group| {
            let _gone = trace.on_drop("the body is gone");
            for name in ["a is gone", "b is gone"] {
                let gone = trace.on_drop(name);
                group.spawn(async move {
                    let _gone = gone;
                    pending::<Fails>().await
                });
            }
            group.spawn(async {
                yield_now().await;
                if of_the_body { pending().await } else { panic!("out of cheese") }
            });
            yield_now().await;
            yield_now().await;
            yield_now().await;
            if of_the_body { panic!("out of cheese") } else { pending::<Fails>().await }
        }));
        let panic = loop {
            match catch_unwind(AssertUnwindSafe(|| poll_once(&mut group, Waker::noop()))) {
                Ok(poll) => assert!(poll.is_pending()),
                Err(panic) => break panic,
            }
        };
        trace.log("panicked");
        assert_eq!(*panic.downcast::<&str>().unwrap(), "out of cheese");
        let mut expected = vec!["- a is gone", "- b is gone", "- the body is gone"];
        if of_the_body {
            expected.rotate_right(1);
        }
        trace.expect(&[expected, vec!["- panicked"]].concat());
        drop(group);
        trace.expect(&[]);
    }
}

/// T-20: a destructor panics while an error ends the group. All the others have run when the panic comes through, that of the error
/// too, which is lost. The body waits, or has ended and left its value.
#[test]
fn panics_of_destructors() {
    for body in ["the body", "the value"] {
        let names = ["a child", "another child", body, "a spawned one", "the error"];
        for panicking in &names[..4] {
            let dropped = RefCell::new(Vec::new());
            let gone = |name: &'static str| {
                let dropped = &dropped;
                OnDrop(move || {
                    dropped.borrow_mut().push(name);
                    assert_ne!(name, *panicking, "out of cheese");
                })
            };
            let fail = Signal::new();
            let handle = RefCell::new(None);
            let mut group = Box::pin(task_group(async |group| {
                for name in &names[..2] {
                    let gone = gone(name);
                    group.spawn(async move {
                        let _gone = gone;
                        pending().await
                    });
                }
                group.spawn(async {
                    fail.wait().await;
                    Err(gone("the error"))
                });
                handle.replace(Some(group));
                let gone = gone(body);
                if body == "the body" {
                    pending::<()>().await;
                }
                Ok(gone)
            }));
            for _ in 0..2 {
                assert!(poll_once(&mut group, Waker::noop()).is_pending());
            }
            fail.open();
            let (group_handle, spawned) = (handle.take().unwrap(), gone("a spawned one"));
            group_handle.spawn(async move {
                let _gone = spawned;
                Ok(())
            });
            assert!(panics(|| drop(poll_once(&mut group, Waker::noop()))));
            assert_eq!(dropped.take(), names);
            assert!(group_handle.try_spawn(pending()).is_err());
            drop(group);
            assert!(dropped.take().is_empty());
        }
    }
}

#[test]
#[should_panic(expected = "`task_group` was polled after it had ended")]
fn polled_after_the_end() {
    let mut group = pin!(task_group(async |_| Ok::<(), ()>(())));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::as_mut(&mut group).poll(&mut cx).is_ready());
    let _ = group.poll(&mut cx);
}

/// A group that is forgotten, with what it has lent to its children: it never runs again, and nothing of it is touched. Late
/// wakes of the children do nothing.
#[test]
fn forgotten_while_children_wait() {
    let signal = Signal::new();
    let text = String::from("borrowed");
    let ran_on = Cell::new(false);
    {
        let mut group = Box::pin(task_group(async |group| {
            let siblings = group.clone();
            group.spawn(async {
                let text = &text;
                signal.wait().await;
                ran_on.set(!text.is_empty());
                Ok::<(), ()>(())
            });
            pending::<()>().await;
            drop(siblings);
            Ok(())
        }));
        for _ in 0..2 {
            assert!(poll_once(&mut group, Waker::noop()).is_pending());
        }
        std::mem::forget(group);
    }
    assert_eq!(signal.polls(), 1);
    signal.open();
    drop(text);
    signal.open();
    assert!(!ran_on.get());
}
