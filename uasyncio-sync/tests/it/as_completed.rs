//! `as_completed`: outputs as they come.

#![cfg(feature = "alloc")]

use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::common::{Signal, at_both_starts, block_on, poll_once};
use crate::counting::{Heap, heap, since};
use futures_core::Stream;
use uasyncio_core::{EventLoop, VirtualTime, create_task, sleep_ms, yield_now};
use uasyncio_sync::{as_completed, wait_for_ms};

/// In the order in which they end, each with its place; futures need not be `Unpin` and may borrow.
#[test]
fn in_the_order_of_the_ends() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let mut outputs = as_completed([9, 1, 5, 1].map(async |millis| {
                    let _gone = trace.on_drop(format_args!("{millis} ends"));
                    sleep_ms(millis).await;
                    millis
                }));
                assert_eq!(outputs.size_hint(), (4, Some(4)));
                while let Some(output) = outputs.next().await {
                    trace.log(format_args!("{output:?}"));
                }
                assert_eq!(outputs.next().await, None);
            })
            .unwrap();
        trace.expect(&["1 1 ends", "1 (1, 1)", "1 1 ends", "1 (3, 1)", "5 5 ends", "5 (2, 5)", "9 9 ends", "9 (0, 9)"]);
    });
}

/// As a `Stream`, in an executor that is not ours.
#[test]
fn as_a_stream() {
    let mut outputs = as_completed((1..=3).map(ready));
    let all = block_on(poll_fn(|cx| {
        let mut all = Vec::new();
        while let Poll::Ready(Some(output)) = Pin::new(&mut outputs).poll_next(cx) {
            all.push(output);
        }
        Poll::Ready(all)
    }));
    assert_eq!(all, [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(block_on(as_completed(Vec::<std::future::Ready<()>>::new()).next()), None);
}

/// A `next` that is dropped, here by a timeout, loses nothing. Dropping the stream drops what runs in place.
#[test]
fn next_is_cancel_safe() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let gone = trace.on_drop("gone");
                let never = async move {
                    let _gone = gone;
                    pending::<()>().await;
                };
                let futures: [Pin<Box<dyn Future<Output = ()>>>; 2] = [Box::pin(sleep_ms(7)), Box::pin(never)];
                let mut outputs = as_completed(futures);
                for _ in 0..3 {
                    assert!(wait_for_ms(outputs.next(), 2).await.is_err());
                }
                assert_eq!(wait_for_ms(outputs.next(), 2).await, Ok(Some((0, ()))));
                trace.log("first");
                drop(outputs);
            })
            .unwrap();
        trace.expect(&["7 first", "7 gone"]);
    });
}

/// 1 000 futures, each woken once: each is polled twice, whether outputs are taken in between or all at the end.
#[test]
fn polls() {
    const MANY: usize = if cfg!(miri) { 20 } else { 1_000 };
    at_both_starts(|event_loop, _| {
        for at_once in [false, true] {
            let signals: Vec<_> = (0..MANY).map(|_| Signal::new()).collect();
            event_loop
                .run_until_complete(async {
                    let members = signals.clone();
                    let taking = create_task(async move {
                        let mut outputs = as_completed(members.iter().map(Signal::wait));
                        let mut order = Vec::new();
                        while let Some((index, ())) = outputs.next().await {
                            order.push(index);
                        }
                        order
                    });
                    yield_now().await;
                    for signal in signals.iter().rev() {
                        signal.open();
                        if !at_once {
                            yield_now().await;
                        }
                    }
                    assert_eq!(taking.await.unwrap(), (0..MANY).rev().collect::<Vec<_>>());
                })
                .unwrap();
            assert!(signals.iter().all(|signal| signal.polls() == 2));
        }
    });
}

/// Two allocations for any number of futures, and none of the wakers' block is left once all have finished.
#[test]
fn allocations() {
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop
        .run_until_complete(async {
            sleep_ms(100).await; // the wheel's levels
            let before = heap();
            let mut outputs = as_completed((0..50).map(|number| sleep_ms(number % 7)));
            while outputs.next().await.is_some() {}
            assert_eq!(since(before).allocations, 2);
            drop(outputs);
            assert_eq!(since(before), Heap { allocations: 2, bytes: 0 });
        })
        .unwrap();
}

/// Late wakes of what has finished poll nothing.
#[test]
fn late_wakers_are_harmless() {
    let signals = [Signal::new(), Signal::new()];
    let mut outputs = as_completed(signals.each_ref().map(Signal::wait));
    let mut poll = || Pin::new(&mut outputs).poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    signals[0].open();
    assert_eq!(poll(), Poll::Ready(Some((0, ()))));
    signals[0].wake();
    assert!(poll().is_pending());
    assert_eq!(signals.each_ref().map(Signal::polls), [2, 1]);
    signals[1].open();
    assert_eq!(poll(), Poll::Ready(Some((1, ()))));
    signals[1].wake();
    assert_eq!(poll(), Poll::Ready(None));
    assert!(poll_once(&mut outputs.next(), Waker::noop()).is_ready());
}
