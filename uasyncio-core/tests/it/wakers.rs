//! Wakers own nothing: they may outlive their task, their loop and their thread, and then do no harm (T-16).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::{Signal, Watchdog, at_both_starts};
use uasyncio_core::{EventLoop, VirtualTime, create_task, current_task, run, sleep_ms, spawn, yield_now};

/// Clones, wakes and drops a waker in all ways.
fn use_up(waker: Waker) {
    let clones: Vec<_> = (0..10).map(|_| waker.clone()).collect();
    clones.into_iter().for_each(Waker::wake);
    waker.wake_by_ref();
    drop(waker.clone());
    waker.wake();
}

#[test]
fn wake_after_completion_is_ignored() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let signal = Signal::new();
                let task = create_task({
                    let signal = signal.clone();
                    async move { signal.wait().await }
                });
                yield_now().await;
                signal.open();
                yield_now().await;
                assert!(task.done());
                use_up(signal.waker());
                yield_now().await;
                use_up(signal.waker());
                task.await.unwrap();
                use_up(signal.waker());
                assert_eq!(signal.polls(), 2);
            })
            .unwrap();
    });
}

/// The one price of wakers without counts: a waker of a task that has ended may poll the next one in its slot, once.
#[test]
fn stale_waker_after_slot_reuse_is_spurious_only() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let old = Signal::new();
                let task = create_task({
                    let old = old.clone();
                    async move {
                        old.wait().await;
                        current_task()
                    }
                });
                yield_now().await;
                old.open();
                let old_id = task.await.unwrap();

                let new = Signal::new();
                let task = create_task({
                    let new = new.clone();
                    async move {
                        new.wait().await;
                        current_task()
                    }
                });
                yield_now().await;
                for _ in 0..3 {
                    let before = new.polls();
                    use_up(old.waker());
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    assert_eq!(new.polls(), before + 1, "a stale waker costs one spurious poll");
                }
                assert!(!task.done());
                new.open();
                assert_eq!(task.await.unwrap(), old_id, "the test is about a slot that is used again");
                assert_eq!(old.polls(), 2);
            })
            .unwrap();
    });
}

/// Ends in its first poll and wakes itself, then or when it is dropped.
struct Ends {
    in_destructor: bool,
    waker: Option<Waker>,
}

impl Future for Ends {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.in_destructor {
            self.waker = Some(cx.waker().clone());
        } else {
            use_up(cx.waker().clone());
        }
        Poll::Ready(())
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            use_up(waker);
        }
    }
}

/// A task that wakes itself in the poll in which it ends, and one whose destructor does: the slot is free only when it has
/// left the queue, and the next task in it is polled as often as any.
#[test]
fn woken_while_finishing() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                for in_destructor in [false, true] {
                    let ended = create_task(Ends { in_destructor, waker: None });
                    yield_now().await;
                    assert!(ended.done());
                    let signals: Vec<_> = (0..3).map(|_| Signal::new()).collect();
                    for signal in &signals {
                        let signal = signal.clone();
                        spawn(async move { signal.wait().await });
                    }
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    // At most one of them has got the slot, and at most one wake in it.
                    let polls: Vec<_> = signals.iter().map(Signal::polls).collect();
                    assert!(polls.iter().all(|&polls| polls == 1), "{polls:?}");
                    signals.iter().for_each(Signal::open);
                    yield_now().await;
                }
            })
            .unwrap();
    });
}

/// What `will_wake` compares: the same for all polls of a task, different for different tasks.
#[test]
fn a_task_has_one_waker() {
    run(async {
        let mut wakers = Vec::new();
        for _ in 0..3 {
            let seen = Rc::new(Cell::new(None));
            let out = seen.clone();
            let task = create_task(async move {
                let first = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                yield_now().await;
                let second = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                assert!(first.will_wake(&second));
                out.set(Some(first));
                pending::<()>().await;
            });
            yield_now().await;
            yield_now().await;
            wakers.push((seen.take().unwrap(), task));
        }
        for (index, (waker, _)) in wakers.iter().enumerate() {
            let alike = wakers.iter().filter(|(other, _)| waker.will_wake(other)).count();
            assert_eq!(alike, 1, "waker {index} is like another task's");
        }
    });
}

/// A task may be woken by the destructor of a thread-local variable, when the thread's own state is half gone.
#[test]
fn wake_from_a_thread_local_destructor() {
    struct WakeAtExit(Cell<Option<Waker>>);
    impl Drop for WakeAtExit {
        fn drop(&mut self) {
            self.0.take().unwrap().wake();
        }
    }
    thread_local! {
        static AT_EXIT: WakeAtExit = const { WakeAtExit(Cell::new(None)) };
    }
    let _watchdog = Watchdog::new("wake_from_a_thread_local_destructor");
    run(async {
        let mut thread = None;
        poll_fn(|cx| {
            if thread.is_some() {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            thread = Some(thread::spawn(move || AT_EXIT.with(|at_exit| at_exit.0.set(Some(waker)))));
            Poll::Pending
        })
        .await;
    });
}

#[test]
fn waker_outlives_its_loop_on_the_same_thread() {
    at_both_starts(|event_loop, _| {
        let signal = Signal::new();
        let inner = EventLoop::with_platform(VirtualTime::new());
        inner.spawn({
            let signal = signal.clone();
            async move { signal.wait().await }
        });
        inner.turn().unwrap();
        drop(inner);
        use_up(signal.waker()); // outside
        event_loop
            .run_until_complete(async {
                use_up(signal.waker()); // inside another loop
                yield_now().await;
            })
            .unwrap();
        assert_eq!(signal.polls(), 1);
        // The next loop gets the memory of the last one.
        let next = EventLoop::with_platform(VirtualTime::new());
        let polls = Signal::new();
        next.spawn({
            let polls = polls.clone();
            async move { polls.wait().await }
        });
        next.turn().unwrap();
        use_up(signal.waker());
        next.turn().unwrap();
        next.turn().unwrap();
        assert!(polls.polls() <= 2, "at most one spurious poll");
        use_up(signal.waker());
    });
}

/// async-executor#163: another thread goes on waking, cloning and dropping while loops come and go and take over the memory.
#[test]
fn waker_outlives_executor_on_other_thread() {
    let _watchdog = Watchdog::new("waker_outlives_executor_on_other_thread");
    let rounds = if cfg!(miri) { 8 } else { 300 };
    let (send, receive) = mpsc::channel::<Waker>();
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let thread = thread::spawn({
        let stop = stop.clone();
        move || {
            let mut wakers: Vec<Waker> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                wakers.extend(receive.try_iter());
                for waker in &wakers {
                    waker.wake_by_ref();
                    drop(waker.clone());
                }
                if wakers.len() > 50 {
                    wakers.drain(..25).for_each(Waker::wake);
                }
                thread::yield_now();
            }
            // After the last loop has ended; and it may have been this thread's first turn.
            wakers.extend(receive.try_iter());
            assert!(!wakers.is_empty());
            wakers.into_iter().for_each(use_up);
        }
    });
    for _ in 0..rounds {
        let event_loop = EventLoop::with_platform(VirtualTime::new());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let send = send.clone();
                event_loop.create_task(poll_fn(move |cx| {
                    send.send(cx.waker().clone()).unwrap();
                    Poll::<()>::Pending
                }))
            })
            .collect();
        let end = event_loop.run_until_complete(async {
            sleep_ms(5).await;
            create_task(async { 5 }).await.unwrap()
        });
        assert_eq!(end.unwrap(), 5);
        drop(event_loop);
        assert!(waiting.iter().all(|task| task.done()));
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}

/// compio#1044: wakes while nobody runs the loop neither block nor are lost.
#[test]
fn remote_wake_never_blocks_with_loop_stopped() {
    let _watchdog = Watchdog::new("remote_wake_never_blocks_with_loop_stopped");
    let wakes = if cfg!(miri) { 200 } else { 100_000 };
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    let signals: Vec<_> = (0..100).map(|_| Signal::new()).collect();
    for signal in &signals {
        let signal = signal.clone();
        event_loop.spawn(async move { signal.wait().await });
    }
    event_loop.turn().unwrap();
    event_loop.turn().unwrap();
    let wakers: Vec<_> = signals.iter().map(Signal::waker).collect();
    thread::spawn(move || (0..wakes).for_each(|n| wakers[n % 100].wake_by_ref())).join().unwrap();
    for _ in 0..4 {
        event_loop.turn().unwrap();
    }
    assert!(signals.iter().all(|signal| signal.polls() == 2), "each of them once, however often it was woken");
}
