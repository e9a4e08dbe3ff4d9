//! What the loop allocates: one piece of memory for each new task, nothing while it runs (trap 22), and wakers keep none
//! of it (T-17). A counting allocator says so.

#![cfg(all(feature = "std", feature = "virtual-time"))]

#[path = "it/common/mod.rs"]
mod common;
#[path = "it/common/counting.rs"]
mod counting;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

use common::{Signal, at_both_starts, poll_once};
use counting::{CountingAllocator, Heap, heap, heap_during, since};
use uasyncio_core::{Attention, EventLoop, Task, VirtualTime, create_task, get_event_loop, run, sleep_ms, spawn, yield_now};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// With the feature `trace` each task has a note beside it.
const PER_TASK: usize = if cfg!(feature = "trace") { 2 } else { 1 };

const MANY: usize = if cfg!(miri) { 100 } else { 4_000 };

#[test]
fn one_allocation_for_each_task() {
    run(async {
        let mut tasks = Vec::with_capacity(MANY);
        for round in 0..2 {
            let (spent, ()) = heap_during(|| {
                for n in 0..MANY {
                    tasks.push(create_task(async move {
                        yield_now().await;
                        n
                    }));
                }
            });
            let pages = if round == 0 { MANY / 30 + 1 } else { 0 }; // there are slots left from the first round
            assert!((PER_TASK * MANY..=PER_TASK * MANY + pages).contains(&spent.allocations), "{spent:?}");
            for task in tasks.drain(..) {
                task.await.unwrap();
            }
        }
        // The same without handles, and callbacks.
        let (spent, ()) = heap_during(|| {
            for n in 0..MANY / 2 {
                spawn(async move { assert!(n < MANY) });
                get_event_loop().call_soon(move || assert!(n < MANY));
            }
        });
        assert!((PER_TASK * MANY..=PER_TASK * MANY + 2).contains(&spent.allocations), "{spent:?}");
        for _ in 0..3 {
            yield_now().await;
        }
    });
}

/// Runs `work` twice in a loop and says what it asked for the second time, when everything has been set up.
fn steady<F: Future<Output = ()>>(event_loop: &EventLoop<VirtualTime>, mut work: impl FnMut() -> F) -> Heap {
    let run = |future| event_loop.run_until_complete(future).unwrap();
    run(work());
    let future = work();
    let before = heap();
    run(future);
    let mut spent = since(before);
    if cfg!(feature = "trace") {
        spent.allocations -= 1; // of the note for the main future
    }
    spent
}

#[test]
fn nothing_is_allocated_while_looping() {
    at_both_starts(|event_loop, _| {
        // A timer on each level of the wheel, which sets them up.
        event_loop
            .run_until_complete(async {
                for shift in 0..31 {
                    sleep_ms(1 << shift).await;
                }
            })
            .unwrap();
        for _ in 0..3 {
            event_loop.spawn(async {
                loop {
                    sleep_ms(3).await;
                    yield_now().await;
                }
            });
        }
        let rounds = if cfg!(miri) { 20 } else { 1_000 };
        let none = Heap::default();

        let yields = || async move {
            for _ in 0..rounds {
                yield_now().await;
            }
        };
        assert_eq!(steady(event_loop, yields), none, "yields");

        let sleeps = || async move {
            for n in 0..rounds {
                sleep_ms(n % 70).await;
            }
        };
        assert_eq!(steady(event_loop, sleeps), none, "sleeps");

        let cancelled_sleeps = || async move {
            for n in 0..rounds {
                let mut sleep = std::pin::pin!(sleep_ms(1 << (n % 32)));
                assert!(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await);
                sleep.as_mut().reset(std::time::Duration::from_millis(5));
            }
        };
        assert_eq!(steady(event_loop, cancelled_sleeps), none, "sleeps that are given up");

        let wakes = || async move {
            poll_fn(|cx| {
                for _ in 0..rounds {
                    cx.waker().wake_by_ref();
                    drop(cx.waker().clone());
                }
                Poll::Ready(())
            })
            .await;
        };
        assert_eq!(steady(event_loop, wakes), none, "wakes and clones");
    });
}

/// A ring of tasks that wake each other, joins of tasks, cancels: the tasks were made before; ending them only frees.
#[test]
fn nothing_is_allocated_by_wakes_and_joins() {
    at_both_starts(|event_loop, _| {
        let size = if cfg!(miri) { 10 } else { 1_000 };
        let ring: Rc<Vec<Signal>> = Rc::new((0..size).map(|_| Signal::new()).collect());
        let left = Rc::new(Cell::new(size * 10));
        for place in 0..size {
            let (ring, left) = (ring.clone(), left.clone());
            event_loop.spawn(poll_fn(move |cx| {
                let _ = std::pin::pin!(ring[place].wait()).as_mut().poll(cx);
                left.set(left.get() - 1);
                if left.get() == 0 {
                    get_event_loop().stop();
                } else if ring[place].polls() > 1 {
                    ring[(place + 1) % size].wake();
                }
                Poll::Pending
            }));
        }
        event_loop.run_until_complete(yield_now()).unwrap();
        while event_loop.turn().unwrap() == Attention::Now {}
        let (spent, ()) = heap_during(|| {
            ring[0].wake();
            event_loop.run_forever().unwrap();
        });
        let mark = usize::from(cfg!(feature = "trace")); // the note for the stop
        assert!(spent.allocations <= mark, "the ring: {spent:?}");

        let mut tasks: Vec<Task<()>> = Vec::with_capacity(size);
        let mut cancelled: Vec<Task<()>> = Vec::with_capacity(size);
        event_loop
            .run_until_complete(async {
                for _ in 0..size {
                    let task = create_task(sleep_ms(5));
                    tasks.push(create_task(async { task.await.unwrap() }));
                    cancelled.push(create_task(pending()));
                }
                yield_now().await;
                sleep_ms(1).await;
                let before = heap();
                cancelled.iter().for_each(|task| assert!(task.cancel()));
                for task in &mut tasks {
                    task.await.unwrap();
                }
                for task in &mut cancelled {
                    task.await.unwrap_err();
                }
                let spent = since(before);
                assert_eq!(spent.allocations, 0, "joins and cancels");
                assert!(spent.bytes <= 0);
            })
            .unwrap();
    });
}

/// Neither side allocates for a wake from another thread.
#[test]
fn nothing_is_allocated_by_remote_wakes() {
    at_both_starts(|event_loop, _| {
        let signal = Signal::new();
        let waiting = signal.clone();
        event_loop.spawn(async move {
            loop {
                waiting.wait().await;
                yield_now().await;
            }
        });
        event_loop.turn().unwrap();
        for round in 0..3 {
            let waker = signal.waker();
            let spent = thread::spawn(move || {
                heap_during(|| {
                    for _ in 0..100 {
                        waker.wake_by_ref();
                        drop(waker.clone());
                    }
                    drop(waker);
                })
                .0
            });
            assert_eq!(spent.join().unwrap(), Heap::default(), "the waking thread");
            let (spent, ()) = heap_during(|| while event_loop.turn().unwrap() == Attention::Now {});
            assert_eq!(spent, Heap::default(), "the loop");
            assert_eq!(signal.polls(), round + 2);
        }
    });
}

/// Stopping and running again costs nothing.
#[test]
fn nothing_is_allocated_by_stop() {
    at_both_starts(|event_loop, _| {
        event_loop.spawn(async {
            loop {
                get_event_loop().stop();
                yield_now().await;
            }
        });
        event_loop.run_forever().unwrap();
        let (spent, ()) = heap_during(|| (0..50).for_each(|_| event_loop.run_forever().unwrap()));
        assert_eq!(spent.bytes, 0);
        assert!(cfg!(feature = "trace") || spent.allocations == 0, "{spent:?}");
    });
}

/// T-17: a task's memory is free at its end, however many wakers and whatever handle are left.
#[test]
fn wakers_pin_no_memory() {
    const BIG: isize = 64 * 1024;
    at_both_starts(|event_loop, _| {
        for cancel in [false, true] {
            event_loop
                .run_until_complete(async {
                    let mut wakers: Vec<Waker> = Vec::with_capacity(1_000);
                    let signal = Signal::new();
                    let waiting = signal.clone();
                    let before = heap();
                    let task = create_task(async move {
                        let big = [1_u8; BIG as usize];
                        waiting.wait().await;
                        assert_eq!(big[7], 1);
                    });
                    yield_now().await;
                    assert!(since(before).bytes >= BIG);
                    wakers.extend((0..1_000).map(|_| signal.waker()));
                    match cancel {
                        true => assert!(task.cancel()),
                        false => signal.open(),
                    }
                    yield_now().await;
                    assert!(task.done());
                    drop(task); // what is left of a joinable task is with its handle
                    assert!(since(before).bytes < 1_024, "{:?}", since(before));
                    wakers.into_iter().for_each(Waker::wake);

                    let before = heap();
                    let signal = Signal::new();
                    let (waiting, opener) = (signal.clone(), signal.clone());
                    spawn(async move {
                        let big = [1_u8; BIG as usize];
                        waiting.wait().await;
                        assert_eq!(big[7], 1);
                    });
                    yield_now().await;
                    let waker = signal.waker();
                    opener.open();
                    yield_now().await;
                    assert!(since(before).bytes < 1_024, "{:?}", since(before));
                    drop(waker);
                })
                .unwrap();
        }
    });
}

/// T-16 and T-18: giving up a wait ten thousand times keeps nothing.
#[test]
fn memory_is_constant_over_many_waits() {
    at_both_starts(|event_loop, _| {
        let rounds = if cfg!(miri) { 50 } else { 10_000 };
        event_loop
            .run_until_complete(async {
                let mut never = create_task(pending::<()>());
                let signal = Signal::new();
                let waiting = signal.clone();
                let _waiting = create_task(async move { waiting.wait().await });
                sleep_ms(1).await; // so that the wheel goes by a time that does not change below
                let mut before = heap();
                for round in 0..rounds {
                    if round == 1 {
                        before = heap(); // the wheel has made its lists
                    }
                    let mut sleep = std::pin::pin!(sleep_ms(1_000));
                    poll_fn(|cx| {
                        assert!(sleep.as_mut().poll(cx).is_pending());
                        assert!(std::pin::Pin::new(&mut never).poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                    let (spent, ()) = heap_during(|| signal.wake());
                    assert_eq!(spent, Heap::default());
                    yield_now().await;
                }
                assert_eq!(since(before).bytes, 0);
                assert!(poll_once(&mut never, Waker::noop()).is_pending());
            })
            .unwrap();
    });
}

/// Context for those who count by hand: the poll of a sleep that has been armed costs nothing.
#[test]
fn polling_costs_nothing() {
    run(async {
        let mut sleep = std::pin::pin!(sleep_ms(60_000));
        poll_fn(|cx| {
            assert!(sleep.as_mut().poll(cx).is_pending());
            let again = Context::from_waker(cx.waker()).waker().clone();
            let (spent, pending) = heap_during(|| sleep.as_mut().poll(&mut Context::from_waker(&again)).is_pending());
            assert!(pending);
            assert_eq!(spent, Heap::default());
            Poll::Ready(())
        })
        .await;
    });
}
