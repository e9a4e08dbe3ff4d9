//! In which order tasks are polled, and how often: exact traces of the run queue.

#![cfg(all(feature = "std", feature = "virtual-time"))]
#![allow(clippy::waker_clone_wake, reason = "clones are what is tested")]

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::common::{Signal, Trace, at_both_starts};
use uasyncio_core::{create_task, sleep_ms, spawn, yield_now};

#[test]
fn fifo_order_of_local_wakes() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let signals: Vec<_> = (0..5).map(|_| Signal::new()).collect();
                for (name, signal) in signals.iter().enumerate() {
                    let (trace, signal) = (trace.clone(), signal.clone());
                    spawn(async move {
                        signal.wait().await;
                        trace.log(format_args!("task {name}"));
                    });
                }
                yield_now().await;
                for name in [3, 1, 4, 0, 2] {
                    trace.log(format_args!("wake {name}"));
                    signals[name].open();
                }
                yield_now().await;
                trace.log("main");
            })
            .unwrap();
        trace.expect(&[
            "0 wake 3", "0 wake 1", "0 wake 4", "0 wake 0", "0 wake 2", "0 task 3", "0 task 1", "0 task 4", "0 task 0",
            "0 task 2", "0 main",
        ]);
    });
}

/// Trap 12: a task that wakes itself is not polled again before the others that are ready.
#[test]
fn self_wake_runs_after_others() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let other = |name: &'static str| {
                    let trace = trace.clone();
                    async move { trace.log(name) }
                };
                spawn(other("b"));
                spawn(other("c"));
                trace.log("a");
                yield_now().await;
                trace.log("a again");
            })
            .unwrap();
        trace.expect(&["0 a", "0 b", "0 c", "0 a again"]);
    });
}

/// Trap 12: a burst of wakes is one entry in the queue, and keeps the place of the first.
#[test]
fn wake_twice_polls_once() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let (one, two) = (Signal::new(), Signal::new());
                for (name, signal) in [("one", &one), ("two", &two)] {
                    let (trace, signal) = (trace.clone(), signal.clone());
                    spawn(async move {
                        signal.wait().await;
                        trace.log(name);
                    });
                }
                yield_now().await;
                assert_eq!((one.polls(), two.polls()), (1, 1));
                one.wake();
                two.open();
                one.open(); // queued already: stays before `two`
                let waker = one.waker();
                waker.wake_by_ref();
                waker.clone().wake();
                yield_now().await;
                assert_eq!((one.polls(), two.polls()), (2, 2));
            })
            .unwrap();
        trace.expect(&["0 one", "0 two"]);
    });
}

#[test]
fn wake_during_poll_repolls() {
    at_both_starts(|event_loop, _| {
        let polls = Rc::new(Cell::new(0));
        event_loop
            .run_until_complete(async {
                let count = polls.clone();
                spawn(poll_fn(move |cx| {
                    count.set(count.get() + 1);
                    if count.get() == 1 {
                        cx.waker().wake_by_ref();
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                }));
                for _ in 0..5 {
                    yield_now().await;
                }
            })
            .unwrap();
        assert_eq!(polls.get(), 2);
    });
}

/// Trap 13: a new child runs before the task that made it goes on, in order of creation, and so do grandchildren.
#[test]
fn children_run_in_order_before_the_parent_goes_on() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                for name in ["first", "second"] {
                    let trace = trace.clone();
                    spawn(async move {
                        trace.log(name);
                        let grandchild = trace.clone();
                        spawn(async move { grandchild.log(format_args!("child of the {name}")) });
                        yield_now().await;
                        trace.log(format_args!("{name} again"));
                    });
                }
                trace.log("parent");
                yield_now().await;
                trace.log("parent again");
                yield_now().await;
                trace.log("parent at last");
            })
            .unwrap();
        trace.expect(&[
            "0 parent",
            "0 first",
            "0 second",
            "0 parent again",
            "0 child of the first",
            "0 first again",
            "0 child of the second",
            "0 second again",
            "0 parent at last",
        ]);
    });
}

/// What `create_task` gives is polled once before its creator's next poll, even if both are woken.
#[test]
fn a_task_that_awaits_its_child_runs_right_after_it() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let child = create_task(async move {
                    log.log("child");
                    7
                });
                let log = trace.clone();
                spawn(async move { log.log("other") });
                assert_eq!(child.await.unwrap(), 7);
                trace.log("parent");
            })
            .unwrap();
        trace.expect(&["0 child", "0 other", "0 parent"]);
    });
}

/// Every poll and every wake of a small program, in order.
#[test]
fn exact_poll_trace_of_a_ping_pong() {
    fn player(trace: Trace, name: &'static str, mine: Signal, other: Signal) -> impl Future<Output = ()> {
        let mut turns = 0;
        poll_fn(move |cx| {
            trace.log(format_args!("poll {name}"));
            turns += 1;
            if turns == 4 {
                return Poll::Ready(());
            }
            let _ = std::pin::pin!(mine.wait()).as_mut().poll(cx); // leaves the waker
            if turns > 1 || name == "ping" {
                trace.log(format_args!("{name} wakes the other"));
                other.wake();
            }
            Poll::Pending
        })
    }
    at_both_starts(|event_loop, trace| {
        let (ping, pong) = (Signal::new(), Signal::new());
        event_loop
            .run_until_complete(async {
                spawn(player(trace.clone(), "pong", pong.clone(), ping.clone()));
                spawn(player(trace.clone(), "ping", ping.clone(), pong.clone()));
                sleep_ms(1).await;
                trace.log("main");
            })
            .unwrap();
        trace.expect(&[
            "0 poll pong",
            "0 poll ping",
            "0 ping wakes the other",
            "0 poll pong",
            "0 pong wakes the other",
            "0 poll ping",
            "0 ping wakes the other",
            "0 poll pong",
            "0 pong wakes the other",
            "0 poll ping",
            "0 ping wakes the other",
            "0 poll pong",
            "1 main",
        ]);
    });
}

/// Each leaf future costs the polls that it must: none is polled for nothing.
#[test]
fn assert_no_unnecessary_polls() {
    /// Counts the polls of a future.
    async fn counted<F: Future>(future: F, polls: Rc<Cell<u32>>) -> F::Output {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            future.as_mut().poll(cx)
        })
        .await
    }
    at_both_starts(|event_loop, _| {
        let polls: [Rc<Cell<u32>>; 8] = Default::default();
        let counter = |index: usize| polls[index].clone();
        event_loop
            .run_until_complete(counted(
                async {
                    spawn(counted(async {}, counter(1)));
                    spawn(counted(yield_now(), counter(2)));
                    spawn(counted(sleep_ms(5), counter(3)));
                    spawn(counted(sleep_ms(0), counter(4)));
                    let child = create_task(sleep_ms(3));
                    let join = create_task(counted(child, counter(5)));
                    let done = create_task(async {});
                    let late = create_task(async move {
                        yield_now().await;
                        Some(done)
                    });
                    let join_done = create_task(counted(async move { late.await.unwrap().unwrap().await.unwrap() }, counter(6)));
                    let cancelled = create_task(counted(sleep_ms(60_000), counter(7)));
                    sleep_ms(1).await;
                    cancelled.cancel();
                    sleep_ms(9).await;
                    join.await.unwrap().unwrap();
                    join_done.await.unwrap();
                    assert!(cancelled.await.unwrap_err().is_cancelled());
                },
                counter(0),
            ))
            .unwrap();
        // 0: the start and two sleeps; what it awaits at the end is done already. 6: woken once.
        assert_eq!(polls.map(|polls| polls.get()), [3, 1, 2, 2, 2, 2, 2, 1]);
        assert_eq!(event_loop.platform().jumps(), 4); // to 1, 3, 5 and 10 ms
    });
}
