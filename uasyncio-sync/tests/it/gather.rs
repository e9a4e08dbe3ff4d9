//! `gather`: results, order, what is dropped and what runs on.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::future::{Future, Ready, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::{Signal, Trace, at_both_starts, block_on, poll_once};
use uasyncio_core::{TaskError, create_task, sleep_ms, yield_now};
use uasyncio_sync::{gather, gather_iter, wait_for_ms};

/// A member that logs when it begins, ends and is dropped.
fn member(trace: &Trace, name: &'static str, millis: u32) -> impl Future<Output = &'static str> + use<> {
    let trace = trace.clone();
    async move {
        let _gone = trace.on_drop(format_args!("{name} is gone"));
        trace.log(format_args!("{name} begins"));
        sleep_ms(millis).await;
        trace.log(format_args!("{name} ends"));
        name
    }
}

/// Results in the order of the arguments, whatever the order of the ends; members begin in the order of the arguments, and each
/// is dropped when it ends. 3.6 of the specification.
#[test]
fn results_in_argument_order() {
    at_both_starts(|event_loop, trace| {
        let expected = [
            "0 a begins",
            "0 b begins",
            "0 c begins",
            "5 b ends",
            "5 b is gone",
            "7 c ends",
            "7 c is gone",
            "9 a ends",
            "9 a is gone",
        ];
        let members = |trace: &Trace| [member(trace, "a", 9), member(trace, "b", 5), member(trace, "c", 7)];
        let fresh = trace.restarted(event_loop);
        let [a, b, c] = members(&fresh);
        assert_eq!(event_loop.run_until_complete(gather((a, b, c))).unwrap(), ("a", "b", "c"));
        fresh.expect(&expected);
        let fresh = trace.restarted(event_loop);
        assert_eq!(event_loop.run_until_complete(gather(members(&fresh))).unwrap(), ["a", "b", "c"]);
        fresh.expect(&expected);
        let fresh = trace.restarted(event_loop);
        assert_eq!(event_loop.run_until_complete(gather(Vec::from(members(&fresh)))).unwrap(), ["a", "b", "c"]);
        fresh.expect(&expected);
        let fresh = trace.restarted(event_loop);
        assert_eq!(event_loop.run_until_complete(gather_iter(members(&fresh))).unwrap(), ["a", "b", "c"]);
        fresh.expect(&expected);
    });
}

/// Any number of members, and none at all. Trap 56. No loop of ours is needed.
#[test]
fn any_number_of_members_in_any_executor() {
    assert_eq!(block_on(gather(Vec::<Ready<u8>>::new())), []);
    assert_eq!(block_on(gather_iter((0..100).map(ready))), (0..100).collect::<Vec<_>>());
}

/// A member that is done when a thread of its own says so.
fn from_a_thread(number: usize) -> impl Future<Output = usize> + Send {
    let flag = Arc::new(AtomicBool::new(false));
    let mut thread = None;
    poll_fn(move |cx| {
        let waker = cx.waker();
        thread.get_or_insert_with(|| {
            let (flag, waker) = (flag.clone(), waker.clone());
            thread::spawn(move || {
                flag.store(true, Ordering::SeqCst);
                waker.wake();
            })
        });
        if !flag.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        thread.take().unwrap().join().unwrap();
        Poll::Ready(number)
    })
}

/// Members may be woken from other threads, and the executor need not be ours.
#[test]
fn members_woken_by_threads_in_a_foreign_executor() {
    for _ in 0..if cfg!(miri) { 3 } else { 50 } {
        assert_eq!(block_on(gather(Vec::from([1, 2, 3].map(from_a_thread)))), [1, 2, 3]);
        assert_eq!(block_on(gather([1, 2].map(from_a_thread))), [1, 2]);
        assert_eq!(block_on(gather((from_a_thread(1), ready(2)))), (1, 2));
    }
}

/// A gather may go to another thread if its members may, wakers and all. T-26.
#[test]
fn goes_to_another_thread_with_its_members() {
    let members = (gather([ready(1)]), gather(vec![from_a_thread(2), from_a_thread(3)]), yield_now());
    let mut gathering = Box::pin(gather(members));
    assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
    let outputs = thread::spawn(|| block_on(gathering)).join().unwrap();
    assert_eq!(outputs, ([1], vec![2, 3], ()));
}

/// Members share what the task owns: they may borrow, and one may wait for the other.
#[test]
fn members_may_borrow() {
    at_both_starts(|event_loop, _| {
        let text = String::from("borrowed");
        let (signal, count) = (Signal::new(), Cell::new(0));
        let both = event_loop.run_until_complete(gather((
            async {
                signal.wait().await;
                count.get() + text.len()
            },
            async {
                count.set(34);
                signal.open();
                &text[..4]
            },
        )));
        assert_eq!(both.unwrap(), (42, "borr"));
    });
}

/// What is gathered may itself be a gather, a timeout, a task, or all of them.
#[test]
fn nested() {
    at_both_starts(|event_loop, trace| {
        let ends = event_loop.run_until_complete(async {
            let inner = gather_iter([3, 1].map(sleep_ms));
            let ends = gather((inner, wait_for_ms(pending::<()>(), 2), create_task(sleep_ms(1)))).await;
            trace.log("all");
            ends
        });
        let (inner, limited, task) = ends.unwrap();
        assert_eq!((inner.len(), limited.is_err(), task.is_ok()), (2, true, true));
        trace.expect(&["3 all"]);
    });
}

/// Trap 9, `return_exceptions=True`: tasks give their ends, a cancel included, in the order of the arguments; tasks that have
/// finished before are accepted (trap 56).
#[test]
fn tasks_give_their_ends() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let finished = create_task(ready(1));
                let cancelled = create_task(pending());
                let panics = create_task(async {
                    sleep_ms(1).await;
                    panic!("out of cheese");
                });
                let running = create_task(async {
                    sleep_ms(2).await;
                    4
                });
                cancelled.cancel();
                yield_now().await;
                assert!(finished.done());
                let [first, second, third, fourth] = gather([finished, cancelled, panics, running]).await;
                assert_eq!((first.unwrap(), fourth.unwrap()), (1, 4));
                assert!(matches!(second, Err(TaskError::Cancelled)));
                assert!(matches!(third, Err(TaskError::Panicked(_))));
            })
            .unwrap();
    });
}

/// A cancel of the gathering task drops what is in place, in order, and lets tasks run on. 3.6 of the specification.
#[test]
fn cancel_of_the_gathering_task() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop
            .run_until_complete(async {
                let gathering = create_task(async move {
                    let task = create_task(member(&log, "task", 8));
                    let many = gather_iter([member(&log, "c", 20), member(&log, "d", 20)]);
                    gather((member(&log, "a", 20), task, member(&log, "b", 3), many)).await
                });
                sleep_ms(5).await;
                gathering.cancel();
                assert!(gathering.await.is_err());
                trace.log("cancelled");
                sleep_ms(10).await;
            })
            .unwrap();
        trace.expect(&[
            "0 a begins",
            "0 b begins",
            "0 c begins",
            "0 d begins",
            "0 task begins",
            "3 b ends",
            "3 b is gone",
            "5 a is gone",
            "5 c is gone",
            "5 d is gone",
            "5 cancelled",
            "8 task ends",
            "8 task is gone",
        ]);
    });
}

/// T-20: the panic of a member comes through, and the others are dropped with the gather.
#[test]
fn panic_of_a_member() {
    for many in [false, true] {
        let trace = Trace::new(Default::default());
        let members = [1, 2, 3].map(|number| {
            let gone = trace.on_drop(format_args!("{number} is gone"));
            async move {
                let _gone = gone;
                if number == 2 {
                    panic!("out of cheese");
                }
                pending::<()>().await;
            }
        });
        let poll = |future: Pin<&mut dyn Future<Output = ()>>| {
            let panic = catch_unwind(AssertUnwindSafe(|| future.poll(&mut Context::from_waker(Waker::noop()))));
            assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "out of cheese");
        };
        if many {
            poll(pin!(async { drop(gather(Vec::from(members)).await) }));
        } else {
            poll(pin!(async {
                let _ = gather(members).await;
            }));
        }
        trace.expect(&["- 2 is gone", "- 1 is gone", "- 3 is gone"]);
    }
}

/// T-18: a waker of a member that is kept longer than the member wakes nobody for long: a poll for nothing at most, and none of
/// a future that has finished.
#[test]
fn late_wakers_are_harmless() {
    let (early, late) = (Signal::new(), Signal::new());
    let mut gathering = Box::pin(gather_iter([early.clone(), late.clone()].map(|signal| async move { signal.wait().await })));
    assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
    early.open();
    assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
    early.wake();
    assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
    assert_eq!((early.polls(), late.polls()), (2, 1));
    late.open();
    assert!(poll_once(&mut gathering, Waker::noop()).is_ready());
    drop(gathering);
    early.wake();
    late.wake();
}

#[test]
fn polled_after_the_end() {
    #[track_caller]
    fn check(mut future: Pin<&mut dyn Future<Output = ()>>) {
        assert!(poll_once(&mut future, Waker::noop()).is_ready());
        let panic = catch_unwind(AssertUnwindSafe(|| poll_once(&mut future, Waker::noop()))).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "`gather` was polled after it had ended");
    }
    /// Ready when the inner future is, whatever it gives; it may be polled again.
    struct Discard<F>(Pin<Box<F>>);
    impl<F: Future> Future for Discard<F> {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.0.as_mut().poll(cx).map(drop)
        }
    }
    check(pin!(Discard(Box::pin(gather((ready(1), ready(2)))))));
    check(pin!(Discard(Box::pin(gather([ready(1), ready(2)])))));
    check(pin!(Discard(Box::pin(gather_iter([ready(1), ready(2)])))));
}
