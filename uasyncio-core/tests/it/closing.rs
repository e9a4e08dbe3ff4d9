//! The end of a loop: every future is dropped once, on its thread, and nothing of it is left for the next loop
//! (T-22, T-23; traps 6 and 50).

#![cfg(all(feature = "std", feature = "virtual-time"))]
#![allow(clippy::waker_clone_wake, reason = "clones are what is tested")]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use crate::common::{
    CallingWaker, CountingWaker, Drops, OnDrop, Signal, Steps, at_both_starts, poll_once, with_loops_at_both_starts,
};
use uasyncio_core::{
    EventLoop, Task, Ticks, VirtualTime, call_later_ms, call_soon, create_task, current_task, get_event_loop, run, sleep_ms,
    spawn, try_get_event_loop, yield_now,
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
        let (tasks, turns) = if cfg!(miri) { (100, 4) } else { (1_000, 40) };
        for _ in 0..tasks {
            let child = drops.child();
            event_loop.spawn(async move {
                let _child = child;
                loop {
                    yield_now().await;
                }
            });
        }
        for _ in 0..turns {
            event_loop.turn().unwrap();
        }
        let last = trace.on_drop("last");
        event_loop.call_soon(move || drop(last));
        drop(event_loop);
        assert_eq!(drops.count(), tasks);
        trace.expect(&["0 last"]);
    });
}
