//! `wait_for`: its outcome table, row by row, and what it costs.

#![cfg(feature = "std")]

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::mem::{align_of_val, size_of_val};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::common::{OnDrop, Signal, Trace, at_both_starts, block_on, poll_once};
use crate::counting::heap_during;
use uasyncio_core::{EventLoop, TaskError, VirtualTime, call_later_ms, create_task, sleep, sleep_ms, yield_now};
use uasyncio_sync::{TimeoutError, timeout_ms, wait_for, wait_for_ms};

/// What the inner future of a row does, and when.
#[derive(Clone, Copy, Debug)]
enum Inner {
    /// Sleeps so long and gives a value.
    Finishes(u32),
    /// Is a task that is cancelled by a callback after so long.
    IsCancelled(u32),
    NeverEnds,
}

use Inner::{Finishes, IsCancelled, NeverEnds};

impl Inner {
    async fn run(self, gone: OnDrop<impl FnMut() + 'static>) -> Result<(), TaskError> {
        match self {
            Finishes(after) => {
                let _gone = gone;
                sleep_ms(after).await;
                Ok(())
            }
            IsCancelled(after) => {
                // It is ready itself when it is cancelled, so it ends in its place in that pass.
                let task = Rc::new(RefCell::new(create_task(async move {
                    let _gone = gone;
                    yield_now().await;
                    sleep_ms(after).await;
                    pending::<()>().await;
                })));
                let canceller = task.clone();
                call_later_ms(after, move || assert!(canceller.borrow().cancel()));
                poll_fn(move |cx| Pin::new(&mut *task.borrow_mut()).poll(cx)).await
            }
            NeverEnds => {
                let _gone = gone;
                pending().await
            }
        }
    }
}

/// Whose timer is set first, and so whose turn comes first if both are due in the same pass.
#[derive(Clone, Copy, Debug)]
enum First {
    /// The caller's.
    Caller,
    /// That of who cancels the inner task or the caller.
    Canceller,
}

/// What happens when the inner future is waited for at most `limit`, and the caller is cancelled after `cancel`.
fn outcome(
    event_loop: &EventLoop<VirtualTime>,
    trace: &Trace,
    first: First,
    (inner, limit): (Inner, u32),
    cancel: Option<u32>,
) -> Vec<String> {
    let log = trace.clone();
    event_loop
        .run_until_complete(async {
            let caller = create_task(async move {
                let mut inner = Box::pin(inner.run(log.on_drop("gone")));
                if let First::Canceller = first {
                    assert!(poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx))).await.is_pending());
                    yield_now().await;
                    yield_now().await;
                }
                match wait_for_ms(inner, limit).await {
                    Ok(Ok(())) => log.log("value"),
                    Ok(Err(error)) => log.log(error),
                    Err(TimeoutError) => log.log("timeout"),
                }
            });
            if let Some(after) = cancel {
                if let First::Caller = first {
                    yield_now().await;
                }
                sleep_ms(after).await;
                trace.log(if caller.cancel() { "cancel" } else { "too late" });
            }
            if caller.await.is_err() {
                trace.log("no result");
            }
            sleep_ms(100).await; // what was left behind would show
        })
        .unwrap();
    trace.take()
}

/// {the inner future finishes, is cancelled, times out} × {earlier, same pass, later} × {the caller is cancelled or not}, and in the
/// same pass either may have its turn first: traps 1, 3, 7, 8; 3.5 of the specification.
#[test]
#[rustfmt::skip]
fn outcome_table() {
    use First::{Caller, Canceller};
    const CALLER_LIVES: [(First, (Inner, u32), &[&str]); 10] = [
        // earlier than the deadline
        (Caller, (Finishes(5), 10), &["5 gone", "5 value"]),
        (Caller, (IsCancelled(5), 10), &["5 gone", "5 the task was cancelled"]),
        (Caller, (NeverEnds, 5), &["5 gone", "5 timeout"]),
        // in the pass of the deadline: the value wins; a task that is cancelled in that pass may not have ended yet
        (Caller, (Finishes(10), 10), &["10 gone", "10 value"]),
        (Caller, (IsCancelled(10), 10), &["10 timeout", "10 gone"]),
        (Canceller, (IsCancelled(10), 10), &["10 gone", "10 the task was cancelled"]),
        (Caller, (NeverEnds, 0), &["0 gone", "0 timeout"]),
        // later: what is in place is dropped before the error is there; a task is detached
        (Caller, (Finishes(15), 10), &["10 gone", "10 timeout"]),
        (Caller, (IsCancelled(15), 10), &["10 timeout", "15 gone"]),
        (Caller, (NeverEnds, 15), &["15 gone", "15 timeout"]),
    ];
    const CALLER_IS_CANCELLED_AT_10: [(First, (Inner, u32), &[&str]); 12] = [
        // earlier than the cancel
        (Canceller, (Finishes(5), 20), &["5 gone", "5 value", "10 too late"]),
        (Canceller, (IsCancelled(5), 20), &["5 gone", "5 the task was cancelled", "10 too late"]),
        (Canceller, (NeverEnds, 5), &["5 gone", "5 timeout", "10 too late"]),
        // in the pass of the cancel, which wins
        (Canceller, (Finishes(10), 20), &["10 cancel", "10 gone", "10 no result"]),
        (Canceller, (IsCancelled(10), 20), &["10 cancel", "10 gone", "10 no result"]),
        (Canceller, (NeverEnds, 10), &["10 cancel", "10 gone", "10 no result"]),
        // unless the caller was polled before
        (Caller, (Finishes(10), 20), &["10 gone", "10 value", "10 too late"]),
        (Caller, (IsCancelled(10), 20), &["10 cancel", "10 gone", "10 no result"]),
        (Caller, (NeverEnds, 10), &["10 gone", "10 timeout", "10 too late"]),
        // later
        (Canceller, (Finishes(15), 20), &["10 cancel", "10 gone", "10 no result"]),
        (Canceller, (IsCancelled(15), 20), &["10 cancel", "10 no result", "15 gone"]),
        (Canceller, (NeverEnds, 15), &["10 cancel", "10 gone", "10 no result"]),
    ];
    at_both_starts(|event_loop, trace| {
        for (first, row, expected) in CALLER_LIVES {
            let trace = trace.restarted(event_loop);
            assert_eq!(outcome(event_loop, &trace, first, row, None), expected, "{row:?}, {first:?}");
        }
        for (first, row, expected) in CALLER_IS_CANCELLED_AT_10 {
            let trace = trace.restarted(event_loop);
            assert_eq!(outcome(event_loop, &trace, first, row, Some(10)), expected, "{row:?}, {first:?}, cancelled");
        }
    });
}

/// Trap 7: the value that another task gives in the pass of the deadline counts if it is there when the caller is polled.
#[test]
fn value_of_a_task_in_the_pass_of_the_deadline() {
    at_both_starts(|event_loop, _| {
        let both = event_loop.run_until_complete(async {
            let armed_before = create_task(sleep_ms(10));
            let armed_after = create_task(async {
                yield_now().await;
                yield_now().await;
                yield_now().await;
                sleep_ms(10).await;
            });
            yield_now().await;
            let before = create_task(wait_for_ms(armed_before, 10));
            let after = create_task(wait_for_ms(armed_after, 10));
            (before.await.unwrap().is_ok(), after.await.unwrap().is_ok())
        });
        assert_eq!(both.unwrap(), (true, false));
    });
}

/// Trap 8: each of nested timeouts gives its own error, also when all have the same deadline.
#[test]
fn nested_timeouts_are_not_mistaken_for_each_other() {
    at_both_starts(|event_loop, _| {
        let ends = event_loop.run_until_complete(async {
            let nested = |inner, outer| wait_for_ms(wait_for_ms(pending::<()>(), inner), outer);
            (nested(5, 10).await, nested(10, 5).await, nested(5, 5).await)
        });
        assert_eq!(ends.unwrap(), (Ok(Err(TimeoutError)), Err(TimeoutError), Ok(Err(TimeoutError))));
    });
}

/// The same with `timeout` in `wait_for`, and `wait_for` in `timeout`. The earlier deadline ends it, and no other timer is left.
#[test]
fn nested_with_timeout() {
    type End = Result<Result<(), TimeoutError>, TimeoutError>;
    const ROWS: [(u32, u32, End); 3] =
        [(5, 10, Ok(Err(TimeoutError))), (10, 5, Err(TimeoutError)), (5, 5, Ok(Err(TimeoutError)))];
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                for (inner, outer, expected) in ROWS {
                    let trace = trace.restarted(event_loop);
                    let scope = timeout_ms(inner);
                    assert_eq!(wait_for_ms(scope.run(pending::<()>()), outer).await, expected);
                    assert_eq!(scope.expired(), expected.is_ok());
                    assert!(!scope.reschedule(None), "it should have ended");
                    trace.log("in `wait_for`");
                    let scope = timeout_ms(outer);
                    assert_eq!(scope.run(wait_for_ms(pending::<()>(), inner)).await, expected);
                    assert_eq!(scope.expired(), expected.is_err());
                    trace.log("in `timeout`");
                    let before = event_loop.platform().jumps();
                    sleep_ms(100).await;
                    assert_eq!(event_loop.platform().jumps() - before, 1);
                    trace.expect(&["5 in `wait_for`", "10 in `timeout`"]);
                }
            })
            .unwrap();
    });
}

/// A length of zero: what needs no waiting completes; what waits is dropped at once. Neither touches the clock, so both work
/// without any loop. 3.5 of the specification.
#[test]
fn zero_length_polls_once_and_needs_no_clock() {
    let signal = Signal::new();
    assert_eq!(block_on(wait_for_ms(async { 42 }, 0)), Ok(42));
    assert_eq!(block_on(wait_for(signal.wait(), Duration::ZERO)), Err(TimeoutError));
    assert_eq!(signal.polls(), 1);
}

/// No timer is set before it is needed: what is ready at once needs no loop, whatever the length.
#[test]
fn value_at_the_first_poll_needs_no_loop() {
    assert_eq!(block_on(wait_for(ready(42), Duration::from_secs(1))), Ok(42));
}

/// Trap 24: after each kind of end no timer is left, also if the future itself is kept: the clock does not stop there.
#[test]
fn timer_is_disarmed_on_every_exit() {
    let virtual_time = VirtualTime::new();
    let event_loop = EventLoop::with_platform(virtual_time.clone());
    event_loop
        .run_until_complete(async {
            let mut finished = pin!(wait_for_ms(sleep_ms(1), 50));
            assert!(finished.as_mut().await.is_ok());
            let mut expired = pin!(wait_for_ms(wait_for_ms(pending::<()>(), 60), 1));
            assert!(expired.as_mut().await.is_err());
            let mut dropped = Box::pin(wait_for_ms(pending::<()>(), 70));
            assert!(poll_once(&mut dropped, Waker::noop()).is_pending());
            drop(dropped);
            let cancelled = create_task(wait_for_ms(pending::<()>(), 80));
            yield_now().await;
            cancelled.cancel();
            assert!(cancelled.await.is_err());
            let before = virtual_time.jumps();
            sleep_ms(1_000).await;
            assert_eq!(virtual_time.jumps() - before, 1);
        })
        .unwrap();
}

/// no larger than the future inside and 64 bytes, also if that is aligned to more than a word.
#[test]
fn at_most_64_bytes_larger_than_the_inner_future() {
    #[repr(align(64))]
    struct Line;
    #[repr(align(128))]
    struct TwoLines;
    /// Holds a value while it sleeps.
    async fn holding<T>(value: T) {
        sleep_ms(1).await;
        drop(value);
    }
    #[track_caller]
    fn check(inner: impl Future) {
        let (size, align) = (size_of_val(&inner), align_of_val(&inner));
        let whole = size_of_val(&wait_for_ms(inner, 1));
        assert!(whole <= size + align.max(64), "{size} became {whole}");
    }
    check(ready(()));
    check(ready([0_u8; 3]));
    check(pending::<()>());
    check(sleep_ms(1));
    check(holding([0_u8; 100]));
    check(holding([0_u64; 2]));
    check(ready([0_u128; 2]));
    check(holding([0_u128; 2]));
    check(ready(Line));
    check(holding(Line));
    check(holding(TwoLines));
}

/// Neither the wait that ends in time nor the one that expires allocates.
#[test]
fn nothing_is_allocated() {
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop
        .run_until_complete(async {
            sleep_ms(100).await; // the wheel's levels
            let start = crate::counting::heap();
            for _ in 0..10 {
                assert!(wait_for_ms(sleep_ms(1), 5).await.is_ok());
                assert!(wait_for_ms(sleep_ms(5), 1).await.is_err());
            }
            assert_eq!(crate::counting::since(start), crate::counting::Heap::default());
        })
        .unwrap();
    let (heap, end) = heap_during(|| poll_once(&mut pin!(wait_for_ms(ready(1), 1)), Waker::noop()));
    assert_eq!((heap.allocations, end), (0, Poll::Ready(Ok(1))));
}

/// Each wake of the caller polls the inner future once; the timer's wake as well, and nothing more.
#[test]
fn polls_of_the_inner_future() {
    at_both_starts(|event_loop, _| {
        let signal = Signal::new();
        event_loop
            .run_until_complete(async {
                let inner = signal.clone();
                let caller = create_task(async move { wait_for_ms(inner.wait(), 10).await });
                yield_now().await;
                signal.wake();
                yield_now().await;
                assert_eq!(signal.polls(), 2);
                assert_eq!(caller.await.unwrap(), Err(TimeoutError));
                assert_eq!(signal.polls(), 3);
            })
            .unwrap();
    });
}

/// Lengths: below a millisecond they are rounded up, and `Duration::MAX` is no limit.
#[test]
fn lengths() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                assert!(wait_for(pending::<()>(), Duration::from_nanos(1)).await.is_err());
                trace.log("a nanosecond");
                assert!(wait_for(pending::<()>(), Duration::from_micros(1_001)).await.is_err());
                trace.log("1001 microseconds");
                let day = Duration::from_secs(24 * 60 * 60);
                assert!(wait_for(sleep(day), Duration::MAX).await.is_ok());
                trace.log("a day");
            })
            .unwrap();
        trace.expect(&["1 a nanosecond", "3 1001 microseconds", "86400003 a day"]);
    });
}

/// T-20: a panic of the inner future comes through; the timer goes with the caller.
#[test]
fn panic_of_the_inner_future() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let caller = create_task(wait_for_ms(
                    async {
                        sleep_ms(1).await; // the limit's timer is set
                        panic!("out of cheese");
                    },
                    10,
                ));
                let panic = caller.await.unwrap_err().into_panic().unwrap();
                assert_eq!(panic.message(), Some("out of cheese"));
                let before = event_loop.platform().jumps();
                sleep_ms(100).await;
                assert_eq!(event_loop.platform().jumps() - before, 1);
            })
            .unwrap();
    });
}

#[test]
#[should_panic(expected = "`wait_for` was polled after it had ended")]
fn polled_after_the_end() {
    let mut future = pin!(wait_for_ms(ready(()), 1));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_ready());
    let _ = future.as_mut().poll(&mut cx);
}

/// A timer outside a loop is refused with a message that names what is missing.
#[test]
#[should_panic(expected = "run")]
fn timer_outside_a_loop() {
    block_on(wait_for_ms(pending::<()>(), 1)).unwrap_err();
}

/// `?` in a function that does I/O.
#[test]
fn becomes_an_io_error() {
    let error = std::io::Error::from(TimeoutError);
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the time is up");
}
