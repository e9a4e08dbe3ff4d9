//! `try_gather`: the first error in time ends it, and nothing is left when it is returned.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::future::{Future, Ready, pending, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use crate::common::{Drops, Signal, Trace, at_both_starts, block_on, poll_once};
use uasyncio_core::{TaskError, create_task, sleep_ms, yield_now};
use uasyncio_sync::{try_gather, try_gather_iter};

/// A member that logs its end and its drop.
fn member(
    trace: &Trace,
    name: &'static str,
    millis: u32,
    end: Result<u32, u32>,
) -> impl Future<Output = Result<u32, u32>> + use<> {
    let log = trace.clone();
    async move {
        let _gone = log.on_drop(format_args!("{name} is gone"));
        sleep_ms(millis).await;
        log.log(format_args!("{name} ends"));
        end
    }
}

/// All values, in the order of the arguments, if there is no error.
#[test]
fn values_in_argument_order() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let members = || [member(trace, "a", 3, Ok(1)), member(trace, "b", 1, Ok(2)), member(trace, "c", 2, Ok(3))];
                let [a, b, c] = members();
                assert_eq!(try_gather((a, b, c)).await, Ok((1, 2, 3)));
                assert_eq!(try_gather(members()).await, Ok([1, 2, 3]));
                assert_eq!(try_gather(Vec::from(members())).await, Ok(vec![1, 2, 3]));
                assert_eq!(try_gather_iter(members()).await, Ok(vec![1, 2, 3]));
            })
            .unwrap();
    });
}

/// The first error in time wins, not the first in the order of the arguments; the others are dropped, in that order, before it
/// is returned. Traps 9 and 56.
#[test]
fn first_error_in_time_ends_it() {
    at_both_starts(|event_loop, trace| {
        let members = |trace: &Trace| {
            [
                member(trace, "a", 20, Ok(1)),
                member(trace, "b", 10, Err(2)),
                member(trace, "c", 5, Err(3)),
                member(trace, "d", 1, Ok(4)),
                member(trace, "e", 20, Ok(5)),
            ]
        };
        let expected =
            ["1 d ends", "1 d is gone", "5 c ends", "5 c is gone", "5 a is gone", "5 b is gone", "5 e is gone", "5 Err(3)"];
        let check = |run: &dyn Fn(&Trace)| {
            let trace = trace.restarted(event_loop);
            run(&trace);
            trace.expect(&expected);
        };
        check(&|trace| {
            let [a, b, c, d, e] = members(trace);
            event_loop
                .run_until_complete(async {
                    let end = try_gather((a, b, c, d, e)).await;
                    trace.log(format_args!("{:?}", end.map(drop)));
                })
                .unwrap();
        });
        check(&|trace| {
            event_loop
                .run_until_complete(async {
                    let end = try_gather(members(trace)).await;
                    trace.log(format_args!("{:?}", end.map(drop)));
                })
                .unwrap();
        });
        check(&|trace| {
            event_loop
                .run_until_complete(async {
                    let end = try_gather_iter(members(trace)).await;
                    trace.log(format_args!("{:?}", end.map(drop)));
                })
                .unwrap();
        });
    });
}

/// Everything is dropped in the poll that gives the error, not only when the gather itself is.
#[test]
fn members_are_dropped_before_the_error_is_returned() {
    #[track_caller]
    fn check(drops: &Drops, gathering: impl Future<Output = Option<u32>>) {
        assert_eq!(poll_once(&mut pin!(gathering), Waker::noop()), Poll::Ready(Some(2)));
        assert_eq!(drops.count(), 3);
    }
    /// A future that is kept when it has ended.
    struct Kept<F>(Pin<Box<F>>);
    impl<T, E, F: Future<Output = Result<T, E>>> Future for Kept<F> {
        type Output = Option<E>;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E>> {
            self.0.as_mut().poll(cx).map(Result::err)
        }
    }
    let members = |drops: &Drops| {
        [1, 2, 3].map(|number| {
            let gone = drops.child();
            async move {
                let _gone = gone;
                if number == 2 { Err(number) } else { pending::<Result<(), u32>>().await }
            }
        })
    };
    let drops = Drops::default();
    let [a, b, c] = members(&drops);
    let mut kept = Kept(Box::pin(try_gather((a, b, c))));
    check(&drops, &mut kept);
    let drops = Drops::default();
    let mut kept = Kept(Box::pin(try_gather(members(&drops))));
    check(&drops, &mut kept);
    let drops = Drops::default();
    let mut kept = Kept(Box::pin(try_gather_iter(members(&drops))));
    check(&drops, &mut kept);
}

/// Two errors in one pass: in tuples and arrays the earlier argument's, in `Vec`s that of the one that was woken first.
#[test]
fn ties() {
    let both = || [Signal::new(), Signal::new()];
    async fn fail(signal: &Signal, number: u32) -> Result<(), u32> {
        signal.wait().await;
        Err(number)
    }
    let signals = both();
    let mut tuple = pin!(try_gather((fail(&signals[0], 0), fail(&signals[1], 1))));
    assert!(poll_once(&mut tuple, Waker::noop()).is_pending());
    signals.iter().rev().for_each(Signal::open);
    assert_eq!(poll_once(&mut tuple, Waker::noop()), Poll::Ready(Err(0)));
    let signals = both();
    let mut many = pin!(try_gather(vec![fail(&signals[0], 0), fail(&signals[1], 1)]));
    assert!(poll_once(&mut many, Waker::noop()).is_pending());
    signals.iter().rev().for_each(Signal::open);
    assert_eq!(poll_once(&mut many, Waker::noop()), Poll::Ready(Err(1)));
}

/// Errors that were there before the gather began: the first in the order of the arguments, and who comes behind it is not
/// polled. No loop of ours is needed.
#[test]
fn errors_at_the_first_poll() {
    let polled = Cell::new(false);
    let behind = async {
        polled.set(true);
        Ok(())
    };
    assert_eq!(block_on(try_gather((ready(Ok(1)), ready(Err::<(), _>("two")), behind))), Err("two"));
    assert!(!polled.get());
    assert_eq!(block_on(try_gather([ready(Ok(())), ready(Err(2)), ready(Err(3))])), Err(2));
    assert_eq!(block_on(try_gather_iter([ready(Ok(())), ready(Err(2)), ready(Err(3))])), Err(2));
}

#[test]
fn no_members() {
    assert_eq!(block_on(try_gather(())), Ok(()));
    assert_eq!(block_on(try_gather([] as [Ready<Result<(), ()>>; 0])), Ok([]));
    assert_eq!(block_on(try_gather(Vec::<Ready<Result<(), ()>>>::new())), Ok(vec![]));
}

/// asyncio's rule, chosen by making the members tasks: the error comes at once, and the other tasks run on. Trap 9.
#[test]
fn tasks_run_on_after_an_error() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let slow = create_task(member(trace, "slow", 10, Ok(1)));
                let cancelled = create_task(pending::<Result<u32, u32>>());
                cancelled.cancel();
                match try_gather([slow, cancelled]).await {
                    Err(TaskError::Cancelled) => trace.log("cancelled"),
                    other => panic!("{other:?}"),
                }
                sleep_ms(20).await;
            })
            .unwrap();
        trace.expect(&["0 cancelled", "10 slow ends", "10 slow is gone"]);
    });
}

/// The values of members that had finished are dropped with the others.
#[test]
fn values_are_dropped_at_the_error() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let value = trace.on_drop("the value is gone");
                let end = try_gather((async { Ok(value) }, async {
                    yield_now().await;
                    Err::<(), _>("failed")
                }));
                let error = end.await.map(|_| ()).unwrap_err();
                trace.log(error);
            })
            .unwrap();
        trace.expect(&["0 the value is gone", "0 failed"]);
    });
}
