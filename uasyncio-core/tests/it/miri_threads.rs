//! What lies between threads, in small: wakers, pages and gates that change hands while they are used.
//!
//! Run it under several of Miri's schedules:
//! `MIRIFLAGS=-Zmiri-many-seeds=0..8 cargo +nightly miri test -p uasyncio-core --all-features --test it -- miri_threads::`.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;

use crate::common::Signal;
use uasyncio_core::{EventLoop, create_task, get_event_loop, run, yield_now};

/// The waker of the task that is being polled.
async fn own_waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Wakers on two threads, with the data that they announce, against a loop that parks.
#[test]
fn threads_wake_a_parked_loop() {
    run(async {
        let (sender, receiver) = mpsc::channel();
        let waker = own_waker().await;
        let threads = [1, 2].map(|value| {
            let (sender, waker) = (sender.clone(), waker.clone());
            thread::spawn(move || {
                sender.send(value).unwrap();
                waker.wake();
            })
        });
        let mut sum = 0;
        poll_fn(|_| {
            sum += receiver.try_iter().sum::<i32>();
            if sum == 3 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        threads.map(|thread| thread.join().unwrap()).iter().for_each(drop);
    });
}

/// Wakers that are woken while their loop ends, while the next one takes its pages, and after.
#[test]
fn threads_wake_loops_that_end() {
    let mut threads = Vec::new();
    for _ in 0..2 {
        let event_loop = EventLoop::new();
        let signals: Vec<_> = (0..3).map(|_| Signal::new()).collect();
        for signal in &signals {
            let waiting = signal.clone();
            event_loop.spawn(async move { waiting.wait().await });
        }
        event_loop.turn().unwrap();
        let wakers: Vec<_> = signals.iter().map(Signal::waker).collect();
        threads.push(thread::spawn(move || {
            for waker in wakers {
                let copy = waker.clone();
                waker.wake();
                copy.wake_by_ref();
            }
        }));
        event_loop.turn().unwrap();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Loops come and go on two threads, so that pages and gates change hands, while a third wakes with whatever it gets.
#[test]
fn threads_share_the_pool() {
    let (sender, receiver) = mpsc::channel::<Waker>();
    let loops = [0, 1].map(|_| {
        let sender = sender.clone();
        thread::spawn(move || {
            for _ in 0..3 {
                let event_loop = EventLoop::new();
                let polls = Rc::new(Cell::new(0));
                let counts = polls.clone();
                event_loop.spawn(poll_fn(move |_| {
                    counts.set(counts.get() + 1);
                    Poll::<()>::Pending
                }));
                let done = event_loop.run_until_complete(async {
                    sender.send(own_waker().await).unwrap();
                    yield_now().await;
                    let child = create_task(async { 5 });
                    child.await.unwrap()
                });
                assert_eq!(done.unwrap(), 5);
                assert!(polls.get() >= 1);
            }
        })
    });
    drop(sender);
    let mut stale = Vec::new();
    for waker in receiver {
        stale.push(waker);
        stale.iter().for_each(Waker::wake_by_ref);
    }
    loops.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Work from another thread, for a loop that may be gone by then; and a result that goes back.
#[test]
fn threads_send_work() {
    for answered in [true, false] {
        let event_loop = EventLoop::new();
        let remote = event_loop.remote();
        let thread = thread::spawn(move || {
            let task = remote.spawn(|| async {
                let local = Rc::new(20);
                yield_now().await;
                *local + 1
            });
            let _maybe_closed = remote.call_soon_threadsafe(|| get_event_loop().stop());
            task
        });
        if answered {
            event_loop.run_forever().unwrap();
            event_loop.turn().unwrap();
            event_loop.turn().unwrap();
            let task = thread.join().unwrap();
            assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 21);
        } else {
            drop(event_loop);
            assert!(thread.join().unwrap().done(), "it says that it was cancelled");
        }
    }
}

/// The next user of a page is another thread; the handles and wakers of its former tasks are still with the first one.
#[test]
fn threads_use_a_page_while_old_handles_live() {
    let event_loop = EventLoop::new();
    let signal = Signal::new();
    let waiting = signal.clone();
    let task = event_loop.create_task(async move { waiting.wait().await });
    event_loop.turn().unwrap();
    let closed = *event_loop;
    drop(event_loop);
    let thread = thread::spawn(|| {
        run(async {
            let tasks: Vec<_> = (0..3).map(|n| create_task(async move { n })).collect();
            for task in tasks {
                yield_now().await;
                task.await.unwrap();
            }
        });
    });
    signal.wake();
    assert!(!task.cancel());
    assert!(task.done() && closed.is_closed());
    closed.spawn(async {});
    let _number = task.id();
    drop(task);
    signal.wake();
    thread.join().unwrap();
    signal.wake();
}
