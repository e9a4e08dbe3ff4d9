//! What `task_group` costs: polls, allocations, bytes.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::future::pending;
use std::task::Waker;

use crate::common::{CountingWaker, Signal, at_both_starts, poll_once};
use crate::counting::{Heap, heap, since};
use uasyncio_core::{EventLoop, VirtualTime, sleep_ms, yield_now};
use uasyncio_sync::{RunTaskGroup, task_group};

const MANY: usize = if cfg!(miri) { 30 } else { 1_000 };

type Fails = Result<(), ()>;

/// A wake of a child polls that child only, and the body not at all: 1 000 children, each woken once, are polled twice each.
#[test]
fn wake_of_a_child_polls_that_child_only() {
    at_both_starts(|event_loop, _| {
        let signals: Vec<_> = (0..MANY).map(|_| Signal::new()).collect();
        let body = Signal::new();
        let total = || signals.iter().map(Signal::polls).sum::<u32>() as usize;
        event_loop.spawn({
            let (signals, body) = (signals.clone(), body.clone());
            async move {
                yield_now().await;
                yield_now().await;
                for signal in &signals {
                    signal.open();
                    yield_now().await;
                }
                body.open();
            }
        });
        let group = task_group(async |group| {
            for signal in &signals {
                group.spawn(async {
                    signal.wait().await;
                    Fails::Ok(())
                });
            }
            body.wait().await;
            assert_eq!(total(), 2 * MANY);
            Ok(())
        });
        event_loop.run_until_complete(group).unwrap().unwrap();
        assert_eq!((total(), body.polls()), (2 * MANY, 2));
    });
}

/// Who wakes the parent how often: once for a batch of spawns, once for a batch of wakes.
#[test]
fn wakes_of_the_parent() {
    let signals: Vec<_> = (0..10).map(|_| Signal::new()).collect();
    let mut group = Box::pin(task_group(async |group| {
        for signal in &signals {
            group.spawn(async {
                signal.wait().await;
                Fails::Ok(())
            });
        }
        pending::<Fails>().await
    }));
    let (wakes, waker) = CountingWaker::new();
    assert!(poll_once(&mut group, &waker).is_pending());
    assert_eq!(wakes.wakes(), 1);
    assert!(poll_once(&mut group, &waker).is_pending()); // takes the children in, and makes room twice
    assert_eq!(signals.iter().map(Signal::polls).sum::<u32>(), 10);
    let before = wakes.wakes();
    signals.iter().for_each(Signal::wake);
    assert_eq!(wakes.wakes(), before + 1);
    assert!(poll_once(&mut group, &waker).is_pending());
    assert_eq!(signals.iter().map(Signal::polls).sum::<u32>(), 20);
    assert_eq!(wakes.wakes(), before + 1);
}

/// A spawn allocates the child; the room that ended children leave is used again. All is given back.
#[test]
fn one_allocation_for_each_child() {
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop
        .run_until_complete(async {
            sleep_ms(100).await; // the wheel's levels
            let start = heap();
            let result = task_group(async |group| {
                let batch = async || {
                    for number in 0..20 {
                        group.spawn(async move {
                            sleep_ms(number % 5).await;
                            Fails::Ok(())
                        });
                    }
                    sleep_ms(10).await;
                };
                batch().await;
                batch().await; // two lists take turns
                let before = heap();
                for _ in 0..5 {
                    batch().await;
                }
                assert_eq!(since(before), Heap { allocations: 5 * 20, bytes: 0 });
                Ok(())
            });
            result.await.unwrap();
            assert_eq!(since(start).bytes, 0);
        })
        .unwrap();
}

/// A waker that a child left behind polls, at most, the child that has its room now, for nothing.
#[test]
fn late_wakers_are_harmless() {
    let (first, second, go_on) = (Signal::new(), Signal::new(), Signal::new());
    let ended = Cell::new(0);
    let mut group = Box::pin(task_group(async |group| {
        let child = async |signal: &Signal| {
            signal.wait().await;
            ended.set(ended.get() + 1);
            Fails::Ok(())
        };
        group.spawn(child(&first));
        go_on.wait().await;
        group.spawn(child(&second));
        Ok(())
    }));
    let mut poll = || while_woken(|waker| poll_once(&mut group, waker).is_ready());
    assert!(!poll());
    first.open();
    assert!(!poll());
    assert_eq!((first.polls(), ended.get()), (2, 1));
    first.wake(); // nobody is there
    assert!(!poll());
    go_on.open();
    assert!(!poll());
    assert_eq!((second.polls(), ended.get()), (1, 1));
    first.wake(); // the second child is there
    assert!(!poll());
    assert_eq!((first.polls(), second.polls(), ended.get()), (2, 2, 1));
    second.open();
    assert!(poll());
    first.wake();
    second.wake();
}

/// Polls until it is ready, or does not wake itself.
fn while_woken(mut poll: impl FnMut(&Waker) -> bool) -> bool {
    loop {
        let (wakes, waker) = CountingWaker::new();
        if poll(&waker) {
            return true;
        }
        if wakes.wakes() == 0 {
            return false;
        }
    }
}

/// The waker of the parent is not kept once the group has ended, though the future and a handle are. T-18.
#[test]
fn parent_is_let_go_at_the_end() {
    let mut group = Box::pin(task_group(async |group| Ok::<_, ()>(group)));
    let (counting, waker) = CountingWaker::new();
    let end = poll_once(&mut group, &waker);
    drop(waker);
    assert_eq!(std::sync::Arc::strong_count(&counting), 1);
    drop(end);
}

/// The group beside its body.
#[test]
fn size() {
    type Body = std::future::Ready<Fails>;
    assert!(size_of::<RunTaskGroup<'static, (), (), Body>>() <= size_of::<Body>() + 216);
}
