//! The end of a loop: every future is dropped once, on its thread, and nothing of it is left for the next loop
//! (T-22, T-23; traps 6 and 50).

#![cfg(all(feature = "std", feature = "virtual-time"))]
#![allow(clippy::waker_clone_wake, reason = "clones are what is tested")]

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use common::{
    CallingWaker, CountingWaker, Drops, OnDrop, Signal, Steps, at_both_starts, collect_failures, poll_once,
    with_loops_at_both_starts,
};
use uasyncio_core::{
    EventLoop, Exception, ExceptionContext, Loop, RunError, Task, Ticks, VirtualTime, call_later_ms, call_soon, catch_cancel,
    create_task, current_task, get_event_loop, run, sleep_ms, spawn, try_get_event_loop, yield_now,
};

fn virtual_loop() -> EventLoop<VirtualTime> {
    EventLoop::with_platform(VirtualTime::new())
}

/// Dropped without being polled, in the order of creation; also what was never polled at all, and what waits in the queue.
#[test]
fn dropping_a_loop_drops_every_future_once() {
    with_loops_at_both_starts(|event_loop, trace| {
        let task = |name: &'static str| {
            let owned = trace.on_drop(name);
            async move {
                let _owned = owned;
                sleep_ms(10).await;
                unreachable!("it is dropped before");
            }
        };
        event_loop.spawn(task("detached"));
        let kept = event_loop.create_task(task("with a handle"));
        drop(event_loop.create_task(task("without a handle")));
        event_loop.turn().unwrap();
        event_loop.spawn(task("never polled"));
        let (soon, later) = (trace.on_drop("callback"), trace.on_drop("timed callback"));
        event_loop.call_soon(move || drop(soon));
        event_loop.call_later_ms(5, move || drop(later));
        trace.expect(&[]);
        event_loop.close();
        trace.expect(&[
            "0 detached",
            "0 with a handle",
            "0 without a handle",
            "0 never polled",
            "0 callback",
            "0 timed callback",
        ]);
        assert!(kept.done());
        drop(kept);
        trace.expect(&[]);
        assert!(try_get_event_loop().is_none());
    });
}

/// compio#512: on the loop's thread, even if another thread holds all the wakers and wakes them to the last.
#[test]
fn futures_drop_on_owner_thread() {
    struct Here(ThreadId);
    impl Drop for Here {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0);
        }
    }
    let here = || Here(thread::current().id());
    let event_loop = virtual_loop();
    let (wakers, out) = std::sync::mpsc::channel::<Waker>();
    for _ in 0..10 {
        let (send, owned) = (wakers.clone(), here());
        event_loop.spawn(poll_fn(move |cx| {
            let _ = &owned;
            send.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }));
    }
    let remote_owned = event_loop.remote();
    event_loop.turn().unwrap();
    drop(wakers);
    let thread = thread::spawn(move || {
        // A task made by this thread belongs to the loop's.
        let task = remote_owned.spawn(move || {
            let owned = Here(thread::current().id());
            async move {
                pending::<()>().await;
                drop(owned);
            }
        });
        for waker in out {
            waker.wake_by_ref();
            waker.clone().wake();
        }
        drop(task);
    });
    for _ in 0..10 {
        event_loop.turn().unwrap();
    }
    drop(event_loop);
    thread.join().unwrap();
}

/// While the loop runs, a destructor may make tasks as anybody may.
#[test]
fn spawn_in_drop() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                for ending in ["by its end", "by a cancel"] {
                    let log = trace.clone();
                    let owned = OnDrop(move || {
                        let log = log.clone();
                        spawn(async move { log.log(format_args!("made by a task dropped {ending}")) });
                    });
                    let task = create_task(async move {
                        yield_now().await;
                        if ending == "by a cancel" {
                            pending::<()>().await;
                        }
                        drop(owned);
                    });
                    sleep_ms(1).await;
                    task.cancel();
                    sleep_ms(1).await;
                }
            })
            .unwrap();
        trace.expect(&["0 made by a task dropped by its end", "3 made by a task dropped by a cancel"]);
    });
}

/// T-22: while the loop closes, what destructors make is dropped at once, once, without a poll; wakes and cancels do nothing.
#[test]
fn a_closing_loop_refuses_new_tasks() {
    with_loops_at_both_starts(|event_loop, _| {
        let (drops, polls) = (Drops::default(), Rc::new(Cell::new(0)));
        let signal = Signal::new();
        let victim = Rc::new(event_loop.create_task({
            let (signal, child) = (signal.clone(), drops.child());
            async move {
                let _child = child;
                signal.wait().await;
            }
        }));
        event_loop.turn().unwrap();
        let handles = Rc::new(RefCell::new(Vec::<Task<()>>::new()));
        for _ in 0..3 {
            let (children, polls, signal) = (drops.clone(), polls.clone(), signal.clone());
            let (victim, handles) = (victim.clone(), handles.clone());
            let owned = OnDrop(move || {
                let make = || {
                    let (child, polls) = (children.child(), polls.clone());
                    Steps(move |_: &mut Context<'_>| {
                        let _ = &child;
                        polls.set(polls.get() + 1);
                        Poll::Pending
                    })
                };
                spawn(make());
                get_event_loop().spawn(make());
                drop(create_task(make()));
                let child = children.child();
                call_soon(move || drop(child));
                let child = children.child();
                call_later_ms(5, move || drop(child));
                let refused = create_task(make());
                assert!(refused.done() && refused.id().is_none() && !refused.cancel());
                handles.borrow_mut().push(refused);
                signal.open();
                victim.cancel();
                get_event_loop().stop();
                assert!(get_event_loop().is_closed());
                assert!(get_event_loop().tasks().is_empty());
                assert!(current_task().is_none());
                assert!(get_event_loop().remote().call_soon_threadsafe(|| ()).is_err());
            });
            event_loop.spawn(async move {
                let _owned = owned;
                pending::<()>().await;
            });
        }
        event_loop.turn().unwrap();
        drop(event_loop);
        assert_eq!(drops.count(), 1 + 3 * 6);
        assert_eq!(polls.get(), 0);
        for task in handles.take() {
            run(async { assert!(task.await.unwrap_err().is_cancelled()) });
        }
    });
}

/// T-22: destructors that wake and cancel the other tasks, drop their handles, and hold each other's.
#[test]
fn tasks_that_hold_each_other() {
    with_loops_at_both_starts(|event_loop, _| {
        let drops = Drops::default();
        let shared: Rc<RefCell<Vec<Task<()>>>> = Rc::default();
        for n in 0..10 {
            let (child, mine) = (drops.child(), shared.clone());
            let owned = OnDrop(move || {
                let task = mine.borrow_mut().pop();
                if let Some(task) = task {
                    if n % 2 == 0 {
                        task.cancel();
                    }
                }
            });
            let task = event_loop.create_task(async move {
                let (_child, _owned) = (child, owned);
                pending::<()>().await;
            });
            shared.borrow_mut().push(task);
        }
        event_loop.turn().unwrap();
        drop(event_loop);
        assert_eq!(drops.count(), 10);
        assert!(shared.borrow().is_empty());
    });
}

/// A destructor in a closing loop still has a clock and may make timers, which then never fire.
#[test]
fn timers_of_a_closing_loop() {
    with_loops_at_both_starts(|event_loop, trace| {
        let sleep = Rc::new(RefCell::new(Box::pin(sleep_ms(5))));
        let (inner, log) = (sleep.clone(), trace.clone());
        let owned = OnDrop(move || {
            log.log("dropped");
            assert!(inner.borrow_mut().as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
        event_loop.spawn(async move {
            let _owned = owned;
            sleep_ms(10).await;
        });
        event_loop.turn().unwrap();
        drop(event_loop);
        trace.expect(&["0 dropped"]);
        // Armed in the loop that is gone, it starts anew in another one.
        let next = virtual_loop();
        next.run_until_complete(sleep.borrow_mut().as_mut()).unwrap();
        assert_eq!(next.time(), Ticks::from_millis(5));
    });
}

/// The end of a loop wakes those who sleep in it from outside. What such a waker arms must not be left in the dead loop.
#[test]
fn a_timer_armed_by_a_waker_of_a_closing_loop() {
    thread_local! {
        static SLEEPS: RefCell<Vec<Pin<Box<uasyncio_core::Sleep>>>> = const { RefCell::new(Vec::new()) };
    }
    let event_loop = virtual_loop();
    let waker = CallingWaker::waker(|| {
        let mut sleep = Box::pin(sleep_ms(1_000));
        let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        SLEEPS.with_borrow_mut(|sleeps| sleeps.push(sleep));
    });
    let mut outside = Box::pin(sleep_ms(1));
    event_loop.run_until_complete(async { assert!(poll_once(&mut outside, &waker).is_pending()) }).unwrap();
    drop(event_loop);
    let sleep = SLEEPS.with_borrow_mut(|sleeps| sleeps.pop()).expect("the waker was woken");
    drop(sleep); // it would unlink itself from memory that is gone
    let next = virtual_loop();
    next.run_until_complete(sleep_ms(2_000)).unwrap();
}

/// A loop that is closed inside a task of another loop, whose tasks it wakes.
#[test]
fn closing_a_loop_inside_another() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let inner = virtual_loop();
                let signal = Signal::new();
                let (waiting, log) = (signal.clone(), trace.clone());
                let task = create_task(async move {
                    waiting.wait().await;
                    log.log("woken by the destructor");
                });
                let owned = OnDrop(move || signal.open());
                inner.spawn(async move {
                    let _owned = owned;
                    pending::<()>().await;
                });
                yield_now().await;
                inner.turn().unwrap();
                let before = get_event_loop();
                drop(inner);
                assert_eq!(get_event_loop(), before);
                trace.log("closed");
                task.await.unwrap();
            })
            .unwrap();
        trace.expect(&["0 closed", "0 woken by the destructor"]);
    });
}

/// Forgetting a loop forgets its futures: none is dropped, and its wakers stay harmless.
#[test]
fn leaked_executor_leaks_everything() {
    let drops = Drops::default();
    let signals: Vec<_> = (0..3).map(|_| Signal::new()).collect();
    let event_loop = virtual_loop();
    for signal in &signals {
        let (signal, child) = (signal.clone(), drops.child());
        event_loop.spawn(async move {
            let _child = child;
            signal.wait().await;
            sleep_ms(1).await;
        });
    }
    let mut task = event_loop.create_task(pending::<()>());
    let handle: Loop = *event_loop;
    event_loop.turn().unwrap();
    mem::forget(event_loop);

    signals.iter().for_each(Signal::open);
    let wakers: Vec<_> = signals.iter().map(Signal::waker).collect();
    thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
    assert!(poll_once(&mut task, Waker::noop()).is_pending());
    assert!(task.cancel() && !task.done());
    assert!(!handle.is_closed());
    handle.spawn(async {});
    let next = virtual_loop();
    next.run_until_complete(async {
        signals.iter().for_each(Signal::wake);
        sleep_ms(1).await;
    })
    .unwrap();
    drop(next);
    drop(task);
    assert_eq!(drops.count(), 0);
    assert!(signals.iter().all(|signal| signal.polls() == 1));
}

/// The same for a loop whose thread has ended.
#[test]
fn wakers_of_a_leaked_loop_outlive_its_thread() {
    let waker = thread::spawn(|| {
        let event_loop = virtual_loop();
        let signal = Signal::new();
        let inner = signal.clone();
        event_loop.spawn(async move { inner.wait().await });
        event_loop.turn().unwrap();
        mem::forget(event_loop);
        signal.waker()
    })
    .join()
    .unwrap();
    for _ in 0..3 {
        waker.clone().wake();
        // A new thread may get the storage of the old one; it is not the owner all the same.
        let waker = waker.clone();
        thread::spawn(move || {
            run(async {
                waker.wake_by_ref();
                yield_now().await;
                waker.wake();
            });
        })
        .join()
        .unwrap();
    }
}

/// T-23: nothing of a loop is left in the next one, which gets the same memory.
#[test]
fn nothing_survives_into_the_next_loop() {
    at_both_starts(|_, trace| {
        let first = virtual_loop();
        let old: Loop = *first;
        let failures = collect_failures(&first);
        first.set_closed_world(true);
        let log = trace.clone();
        let zombie = first.create_task(async move {
            sleep_ms(1).await;
            log.log("zombie");
        });
        first.remote().call_soon_threadsafe(|| unreachable!("the loop was closed before")).unwrap();
        first.stop();
        first.call_soon(|| get_event_loop().stop());
        drop(first);
        assert!(zombie.done());

        let second = EventLoop::new();
        assert_ne!(old, *second);
        assert!(old.is_closed() && !second.is_closed());
        assert!(second.tasks().is_empty());
        second.call_later_ms(2, || get_event_loop().stop());
        second.run_forever().unwrap(); // not stopped by the old stop
        assert!(second.time().diff(Ticks::default()) >= 2);
        let remote = second.remote();
        let thread = thread::spawn(move || remote.call_soon_threadsafe(|| get_event_loop().stop()).unwrap());
        second.run_forever().unwrap(); // no deadlock: the world was the first loop's that was closed
        thread.join().unwrap();
        assert!(matches!(second.run_until_complete(async { 5 }), Ok(5)));
        second.call_exception_handler(&ExceptionContext::new("expected on standard error", Exception::Error(&"a test")));
        assert!(failures.borrow().is_empty(), "the handler was the first loop's");
        assert!(trace.take().is_empty());
    });
}

/// A `Loop` that was kept does nothing, and does not touch the loop that lives in its memory now.
#[test]
fn a_kept_handle_of_a_closed_loop() {
    let first = virtual_loop();
    let old: Loop = *first;
    drop(first);
    let second = virtual_loop();
    let failures = collect_failures(&second);
    let drops = Drops::default();
    let child = drops.child();
    let mut refused = old.create_task(async move { drop(child) });
    assert!(refused.done());
    assert!(matches!(poll_once(&mut refused, Waker::noop()), Poll::Ready(Err(end)) if end.is_cancelled()));
    let child = drops.child();
    old.call_soon(move || drop(child));
    let child = drops.child();
    old.call_later_ms(1, move || drop(child));
    let child = drops.child();
    old.spawn(async move { drop(child) });
    assert_eq!(drops.count(), 4);
    old.stop();
    old.set_exception_handler(|_| unreachable!("the loop is closed"));
    old.clear_exception_handler();
    old.call_exception_handler(&ExceptionContext::new("expected on standard error", Exception::Error(&"a test")));
    assert!(failures.borrow().is_empty(), "the handler of another loop was told");
    assert!(old.remote().call_soon_threadsafe(|| ()).is_err());
    assert!(old.tasks().is_empty() && old.is_closed());
    assert!(second.tasks().is_empty());
    second.run_until_complete(sleep_ms(3)).unwrap();
}

/// What is left of a closed loop may be used while another thread has its memory: handles of the loop and of tasks, and a
/// `catch_cancel` that was begun in it. (For Miri, which sees a race if there is one.)
#[test]
fn leftovers_of_a_closed_loop_while_another_thread_has_its_memory() {
    for _ in 0..if cfg!(miri) { 3 } else { 50 } {
        let event_loop = virtual_loop();
        let old: Loop = *event_loop;
        let (mut caught, mut sleep) = (Box::pin(catch_cancel(pending::<()>())), Box::pin(sleep_ms(1)));
        let mut task = event_loop.create_task(async { 5 });
        event_loop
            .run_until_complete(async {
                assert!(poll_once(&mut caught, Waker::noop()).is_pending());
                assert!(poll_once(&mut sleep, Waker::noop()).is_pending());
                yield_now().await;
            })
            .unwrap();
        drop(event_loop);
        let other = thread::spawn(|| {
            for _ in 0..3 {
                let event_loop = virtual_loop();
                event_loop
                    .run_until_complete(async {
                        let failures = collect_failures(&get_event_loop());
                        let task = create_task(catch_cancel(sleep_ms(5)));
                        let tasks: Vec<_> = (0..5).map(|_| create_task(sleep_ms(1))).collect();
                        yield_now().await;
                        task.cancel();
                        assert!(task.await.unwrap().is_err());
                        for task in tasks {
                            task.await.unwrap();
                        }
                        assert!(failures.take().is_empty());
                    })
                    .unwrap();
            }
        });
        assert!(old.is_closed());
        old.call_soon(|| ());
        old.call_exception_handler(&ExceptionContext::new("expected on standard error", Exception::Error(&"a test")));
        let _ = (task.id(), task.done(), task.cancel(), format!("{task:?}"));
        assert!(matches!(poll_once(&mut task, Waker::noop()), Poll::Ready(Ok(5))));
        drop((caught, sleep, task));
        other.join().unwrap();
    }
}

/// T-23: what is left in a loop after a run is there in the next run, and `run` itself starts from nothing.
#[test]
fn two_runs_of_one_loop() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop.spawn(async move {
            for n in 0..4 {
                log.log(format_args!("step {n}"));
                sleep_ms(4).await;
            }
        });
        event_loop.run_until_complete(sleep_ms(6)).unwrap();
        trace.log("between the runs");
        event_loop.run_until_complete(sleep_ms(4)).unwrap();
        trace.expect(&["0 step 0", "4 step 1", "- between the runs", "8 step 2"]);
        assert_eq!(event_loop.tasks().len(), 1);
        assert!(current_task().is_none());
    });
    for _ in 0..2 {
        let before = run(async {
            spawn(pending());
            yield_now().await;
            get_event_loop().tasks().len()
        });
        assert_eq!(before, 2);
    }
}

/// The main future of a run is dropped when the run ends without it, inside the loop, before `run_until_complete` returns.
#[test]
fn an_unfinished_main_future_is_dropped_in_the_loop() {
    at_both_starts(|event_loop, trace| {
        let owned = trace.on_drop("dropped");
        let end = event_loop.run_until_complete(async move {
            let _owned = owned;
            get_event_loop().stop();
            pending::<()>().await;
        });
        assert!(matches!(end, Err(RunError::Stopped)));
        trace.expect(&["0 dropped"]);
        assert!(event_loop.tasks().is_empty());
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
    });
}

/// Awaiters outside the loop, with any waker, hear of the loop's end once.
#[test]
fn the_end_of_a_loop_wakes_foreign_awaiters() {
    let event_loop = virtual_loop();
    let (counting, waker) = CountingWaker::new();
    let mut tasks: Vec<_> = (0..5).map(|_| event_loop.create_task(pending::<()>())).collect();
    for task in &mut tasks {
        assert!(poll_once(task, &waker).is_pending());
    }
    let mut sleep = Box::pin(sleep_ms(5));
    event_loop.run_until_complete(async { assert!(poll_once(&mut sleep, &waker).is_pending()) }).unwrap();
    drop(event_loop);
    assert_eq!(counting.wakes(), 6);
    drop((tasks, sleep, waker));
    assert_eq!(std::sync::Arc::strong_count(&counting), 1);
}

/// A loop with a thousand tasks, closed while all of them are in the queue.
#[test]
fn closing_with_a_full_queue() {
    with_loops_at_both_starts(|event_loop, trace| {
        let drops = Drops::default();
        let tasks = if cfg!(miri) { 100 } else { 1_000 };
        for _ in 0..tasks {
            let child = drops.child();
            event_loop.spawn(async move {
                let _child = child;
                loop {
                    yield_now().await;
                }
            });
        }
        for _ in 0..40 {
            event_loop.turn().unwrap();
        }
        let last = trace.on_drop("last");
        event_loop.call_soon(move || drop(last));
        drop(event_loop);
        assert_eq!(drops.count(), tasks);
        trace.expect(&["0 last"]);
    });
}
