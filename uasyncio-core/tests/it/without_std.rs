//! The loop without `std`: the same scenarios in small, on a platform that says itself where the loop runs, and with wakes that
//! come from where it does not, as an interrupt's would. One test, for there is one current loop in the process.

#![cfg(all(not(feature = "std"), feature = "alloc", feature = "virtual-time"))]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "trace")]
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use uasyncio_core::{
    Attention, EventLoop, LockCell, LockCellGuard, LoopContext, RunError, Ticks, VirtualTime, call_later_ms, call_soon,
    catch_cancel, create_task, current_task, get_event_loop, sleep_ms, spawn, try_get_event_loop, yield_now,
};

/// Whether the test plays an interrupt handler at present.
static IN_INTERRUPT: AtomicBool = AtomicBool::new(false);

fn context() -> Option<LoopContext> {
    // SAFETY: the test has one thread, and is in no interrupt when it does not play one.
    (!IN_INTERRUPT.load(Ordering::Relaxed)).then(|| unsafe { LoopContext::assume() })
}

fn interrupt(handler: impl FnOnce()) {
    IN_INTERRUPT.store(true, Ordering::Relaxed);
    handler();
    IN_INTERRUPT.store(false, Ordering::Relaxed);
}

fn virtual_loop(start: u32) -> EventLoop<VirtualTime> {
    EventLoop::with_platform(VirtualTime::in_context(Ticks::from_millis(start), context))
}

#[test]
fn a_loop_without_std() {
    let _alone = crate::static_common::alone();
    for start in [0, u32::MAX - 7] {
        tasks_timers_and_callbacks(start);
        wakes_from_interrupts(start);
        what_an_interrupt_may_not_do(start);
        ends(start);
        a_lock_has_one_holder_though_the_platform_is_asked(start);
        #[cfg(feature = "trace")]
        a_lock_may_be_granted_while_the_platform_is_asked(start);
    }
    assert!(try_get_event_loop().is_none() && current_task().is_none());
}

/// A platform may do anything when it is asked where it is, and it is asked between a look at a lock and its guard.
fn a_lock_has_one_holder_though_the_platform_is_asked(start: u32) {
    type Guard = LockCellGuard<'static, u32>;
    thread_local! {
        static WANTED: Cell<Option<&'static LockCell<u32>>> = const { Cell::new(None) };
        static HELD: Cell<Option<Guard>> = const { Cell::new(None) };
    }
    fn taking() -> Option<LoopContext> {
        if let Some(guard) = WANTED.get().and_then(LockCell::try_lock) {
            HELD.set(Some(guard));
        }
        context()
    }
    let cell: &'static LockCell<u32> = Box::leak(Box::new(LockCell::new(0)));
    let event_loop = EventLoop::with_platform(VirtualTime::in_context(Ticks::from_millis(start), taking));
    event_loop
        .run_until_complete(async {
            let acquire = cell.lock();
            WANTED.set(Some(cell));
            let guard = acquire.await;
            assert!(HELD.take().is_none());
            WANTED.set(None);
            drop(guard);
        })
        .unwrap();
    assert!(!cell.locked());
}

/// The same between two looks at a place in line, by which the reason for waiting is noted.
#[cfg(feature = "trace")]
fn a_lock_may_be_granted_while_the_platform_is_asked(start: u32) {
    thread_local! {
        static HELD: Cell<Option<LockCellGuard<'static, u32>>> = const { Cell::new(None) };
        static IS_WAITED_FOR: Cell<bool> = const { Cell::new(false) };
    }
    fn giving() -> Option<LoopContext> {
        if IS_WAITED_FOR.get() {
            drop(HELD.take());
        }
        context()
    }
    let cell: &'static LockCell<u32> = Box::leak(Box::new(LockCell::new(0)));
    let event_loop = EventLoop::with_platform(VirtualTime::in_context(Ticks::from_millis(start), giving));
    let task = async {
        HELD.set(cell.try_lock());
        let mut acquire = pin!(cell.lock());
        poll_fn(|cx| {
            // One before it, which goes: so what its link says about its waker is out of date.
            let mut before = pin!(cell.lock());
            assert!(before.as_mut().poll(cx).is_pending() && acquire.as_mut().poll(cx).is_pending());
            before.set(cell.lock());
            IS_WAITED_FOR.set(true);
            let guard = acquire.as_mut().poll(cx);
            IS_WAITED_FOR.set(false);
            guard
        })
        .await
    };
    let guard = event_loop.run_until_complete(task).unwrap();
    assert!(cell.locked());
    drop(guard);
    assert!(!cell.locked());
}

fn tasks_timers_and_callbacks(start: u32) {
    let event_loop = virtual_loop(start);
    let lines = Rc::new(RefCell::new(Vec::new()));
    let log = |line: &'static str| {
        let lines = lines.clone();
        move || {
            let now = get_event_loop().time().diff(Ticks::from_millis(start));
            lines.borrow_mut().push(format!("{now} {line}"));
        }
    };
    event_loop
        .run_until_complete(async {
            call_later_ms(5, log("timed callback"));
            let (begin, end) = (log("task"), log("task ends"));
            let task = create_task(async move {
                begin();
                sleep_ms(10).await;
                end();
                7
            });
            call_soon(log("callback"));
            yield_now().await;
            log("main")();
            assert_eq!(task.await.unwrap(), 7);
            let cancelled = create_task(pending::<()>());
            yield_now().await;
            assert!(cancelled.cancel());
            assert!(cancelled.await.unwrap_err().is_cancelled());
            let caught = create_task(catch_cancel(sleep_ms(60_000)));
            yield_now().await;
            caught.cancel();
            assert!(caught.await.unwrap().is_err());
        })
        .unwrap();
    assert_eq!(lines.take(), ["0 task", "0 callback", "0 main", "5 timed callback", "10 task ends"]);
    assert!(matches!(event_loop.run_until_complete(pending::<()>()), Err(RunError::Deadlock(_))));
    event_loop.stop();
    event_loop.run_forever().unwrap();
}

/// A task whose waker an interrupt has; counts its polls.
fn waiting(event_loop: &EventLoop<VirtualTime>) -> (Waker, Rc<Cell<u32>>) {
    let (waker, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
    let (out, count) = (waker.clone(), polls.clone());
    event_loop.spawn(poll_fn(move |cx| {
        count.set(count.get() + 1);
        out.replace(Some(cx.waker().clone()));
        Poll::Pending
    }));
    while event_loop.turn().unwrap() == Attention::Now {}
    (waker.take().unwrap(), polls)
}

fn wakes_from_interrupts(start: u32) {
    let event_loop = virtual_loop(start);
    let tasks: Vec<_> = (0..50).map(|_| waiting(&event_loop)).collect();
    interrupt(|| tasks.iter().for_each(|(waker, _)| waker.wake_by_ref())); // between turns
    while event_loop.turn().unwrap() == Attention::Now {}
    assert!(tasks.iter().all(|(_, polls)| polls.get() == 2));
    let wakers: Vec<_> = tasks.iter().map(|(waker, _)| waker.clone()).collect();
    event_loop.spawn(async move {
        interrupt(|| wakers.iter().for_each(|waker| (0..3).for_each(|_| waker.wake_by_ref()))); // in a poll
    });
    while event_loop.turn().unwrap() == Attention::Now {}
    assert!(tasks.iter().all(|(_, polls)| polls.get() == 3));
    // From outside a turn, but not from an interrupt: there is no telling, so it takes the same way.
    tasks[7].0.wake_by_ref();
    while event_loop.turn().unwrap() == Attention::Now {}
    assert_eq!(tasks[7].1.get(), 4);
    drop(event_loop);
    interrupt(|| tasks.into_iter().for_each(|(waker, _)| waker.wake()));
}

/// In an interrupt there is no loop: what touches its state refuses.
fn what_an_interrupt_may_not_do(start: u32) {
    let event_loop = virtual_loop(start);
    event_loop
        .run_until_complete(async {
            interrupt(|| {
                assert!(try_get_event_loop().is_none() && current_task().is_none());
                let refused = catch_unwind(AssertUnwindSafe(|| spawn(async {})));
                assert!(refused.unwrap_err().downcast_ref::<&str>().unwrap().contains("no running event loop"));
            });
            assert!(try_get_event_loop().is_some());
        })
        .unwrap();
}

fn ends(start: u32) {
    let drops = Rc::new(Cell::new(0));
    struct Owned(Rc<Cell<u32>>);
    impl Drop for Owned {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let event_loop = virtual_loop(start);
    for _ in 0..3 {
        let owned = Owned(drops.clone());
        event_loop.spawn(async move {
            let _owned = owned;
            sleep_ms(100).await;
        });
    }
    event_loop.run_until_complete(sleep_ms(10)).unwrap();
    assert!(matches!(
        event_loop.run_until_complete(async {
            get_event_loop().stop();
            pending::<()>().await
        }),
        Err(RunError::Stopped)
    ));
    drop(event_loop);
    assert_eq!(drops.get(), 3);
}
