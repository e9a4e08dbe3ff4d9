//! `wait`: some of many, in the order in which they came, and the others back.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::future::{Future, Ready, pending, ready};
use std::pin::{Pin, pin};
use std::task::Waker;

use crate::common::{Signal, at_both_starts, block_on, poll_once};
use crate::counting::{heap, since};
use uasyncio_core::{TaskError, create_task, sleep_ms, yield_now};
use uasyncio_sync::{ReturnWhen, Selected, Waited, select, wait};

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

async fn sleeper(millis: u32) -> u32 {
    sleep_ms(millis).await;
    millis
}

async fn failing(millis: u32) -> Result<u32, u32> {
    sleep_ms(millis).await;
    if millis % 2 == 0 { Err(millis) } else { Ok(millis) }
}

/// The first, then the next of the rest, then all: each time with the places in what was given.
#[test]
fn waiting_again_for_the_rest() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let tasks = [9, 1, 5, 7].map(|millis| create_task(sleeper(millis)));
                let shown = |waited: &Waited<_>| -> Vec<(usize, u32)> {
                    waited
                        .done
                        .iter()
                        .map(|(index, end): &(usize, Result<u32, TaskError>)| (*index, *end.as_ref().unwrap()))
                        .collect()
                };
                let first = wait(tasks, ReturnWhen::FIRST_COMPLETED).await;
                trace.log(format_args!("{:?}, {} pending", shown(&first), first.pending.len()));
                let second = wait(first.pending, ReturnWhen::FIRST_COMPLETED).await;
                trace.log(format_args!("{:?}, {} pending", shown(&second), second.pending.len()));
                let rest = wait(second.pending, ReturnWhen::ALL_COMPLETED).await;
                trace.log(format_args!("{:?}, {} pending", shown(&rest), rest.pending.len()));
            })
            .unwrap();
        trace.expect(&["1 [(1, 1)], 3 pending", "5 [(1, 5)], 2 pending", "9 [(1, 7), (0, 9)], 0 pending"]);
    });
}

/// The first error ends it; without one, it ends when all have finished. A cancelled task counts as one that failed.
#[test]
fn first_exception() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let boxed = |millis: &[u32]| millis.iter().map(|millis| Box::pin(failing(*millis))).collect::<Vec<_>>();
                let waited = wait(boxed(&[9, 1, 6, 3, 4]), ReturnWhen::FIRST_EXCEPTION).await;
                trace.log(format_args!("{:?}, {} pending", waited.done, waited.pending.len()));
                let waited = wait(boxed(&[3, 1]), ReturnWhen::FIRST_EXCEPTION).await;
                trace.log(format_args!("{:?}, {} pending", waited.done, waited.pending.len()));
                let tasks = [create_task(pending::<()>()), create_task(pending())];
                tasks[1].cancel();
                let waited = wait(tasks, ReturnWhen::FIRST_EXCEPTION).await;
                assert!(matches!(waited.done[..], [(1, Err(TaskError::Cancelled))]));
                trace.log("cancelled");
            })
            .unwrap();
        trace.expect(&[
            "4 [(1, Ok(1)), (3, Ok(3)), (4, Err(4))], 2 pending",
            "7 [(1, Ok(1)), (0, Ok(3))], 0 pending",
            "7 cancelled",
        ]);
    });
}

/// All that are ready in the same poll are done, in the order of the wakes. No loop of ours is needed.
#[test]
fn ready_at_the_same_time() {
    let waited = block_on(wait([ready(1), ready(2)], ReturnWhen::FIRST_COMPLETED));
    assert_eq!(waited.done, [(0, 1), (1, 2)]);
    let waited = block_on(wait([ready(Err(1)), ready(Ok(2))], ReturnWhen::FIRST_EXCEPTION));
    assert_eq!(waited.done, [(0, Err(1)), (1, Ok(2))]);
    let mixed: [Boxed<Result<u8, u8>>; 3] = [Box::pin(ready(Err(1))), Box::pin(ready(Ok(2))), Box::pin(pending())];
    let waited = block_on(wait(mixed, ReturnWhen::FIRST_EXCEPTION));
    assert_eq!((waited.done, waited.pending.len()), (vec![(0, Err(1)), (1, Ok(2))], 1));
    let signals = [Signal::new(), Signal::new(), Signal::new()];
    let mut waiting = wait(signals.each_ref().map(|signal| Box::pin(signal.wait())), ReturnWhen::FIRST_COMPLETED);
    assert!(poll_once(&mut waiting, Waker::noop()).is_pending());
    signals[2].open();
    signals[0].open();
    let waited = block_on(waiting);
    assert_eq!(waited.done, [(2, ()), (0, ())]);
    assert_eq!(signals.each_ref().map(Signal::polls), [2, 1, 2]); // who was not woken was not polled
}

#[test]
fn no_futures() {
    for return_when in [ReturnWhen::FIRST_COMPLETED, ReturnWhen::FIRST_EXCEPTION, ReturnWhen::ALL_COMPLETED] {
        let waited = block_on(wait([] as [Ready<Result<(), ()>>; 0], return_when));
        assert!(waited.done.is_empty() && waited.pending.is_empty());
    }
}

/// A time limit: `select` with a sleep, and `stop` gives back what there is.
#[test]
fn stopped_after_a_time() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let all = wait([9, 1, 5].map(|millis| Box::pin(sleeper(millis))), ReturnWhen::ALL_COMPLETED);
                let Selected::Second(all, ()) = select(all, pin!(sleep_ms(6))).await else { panic!() };
                let waited = all.stop();
                trace.log(format_args!("{:?}, {} pending", waited.done, waited.pending.len()));
                let waited = wait(waited.pending, ReturnWhen::ALL_COMPLETED).await;
                trace.log(format_args!("{:?}", waited.done));
            })
            .unwrap();
        trace.expect(&["6 [(1, 1), (2, 5)], 1 pending", "9 [(0, 9)]"]);
    });
}

/// 1 000 futures, each woken once: each is polled twice.
#[test]
fn polls() {
    const MANY: usize = if cfg!(miri) { 20 } else { 1_000 };
    at_both_starts(|event_loop, _| {
        let signals: Vec<_> = (0..MANY).map(|_| Signal::new()).collect();
        event_loop
            .run_until_complete(async {
                let futures: Vec<Boxed<()>> =
                    signals.iter().cloned().map(|signal| Box::pin(async move { signal.wait().await }) as Boxed<()>).collect();
                let waiting = create_task(wait(futures, ReturnWhen::ALL_COMPLETED));
                for signal in &signals {
                    yield_now().await;
                    signal.open();
                }
                assert_eq!(waiting.await.unwrap().done.len(), MANY);
            })
            .unwrap();
        assert!(signals.iter().all(|signal| signal.polls() == 2));
    });
}

/// Cancelled: futures in place are dropped, tasks run on.
#[test]
fn cancelled() {
    at_both_starts(|event_loop, trace| {
        let ran = std::rc::Rc::new(Cell::new(false));
        event_loop
            .run_until_complete(async {
                let log = trace.clone();
                let in_place = create_task(async move {
                    let future = async move {
                        let _gone = log.on_drop("gone");
                        pending::<()>().await;
                    };
                    wait([Box::pin(future)], ReturnWhen::ALL_COMPLETED).await;
                });
                let task = {
                    let ran = ran.clone();
                    create_task(async move {
                        sleep_ms(3).await;
                        ran.set(true);
                    })
                };
                let of_tasks = create_task(async { wait([task], ReturnWhen::ALL_COMPLETED).await.done.len() });
                sleep_ms(1).await;
                in_place.cancel();
                of_tasks.cancel();
                assert!(in_place.await.is_err() && of_tasks.await.is_err());
                sleep_ms(5).await;
            })
            .unwrap();
        trace.expect(&["1 gone"]);
        assert!(ran.get());
    });
}

/// The wakers, the two lists that `wait` gives, and the one of its own: however often the futures are woken.
#[test]
fn allocations() {
    let signals = [Signal::new(), Signal::new(), Signal::new()];
    let mut futures = signals.each_ref().map(|signal| Box::pin(signal.wait()));
    let before = heap();
    let mut waiting = wait(futures.each_mut().map(Pin::as_mut), ReturnWhen::FIRST_COMPLETED);
    for _ in 0..50 {
        assert!(poll_once(&mut waiting, Waker::noop()).is_pending());
        signals.iter().for_each(Signal::wake);
    }
    signals[1].open();
    assert!(poll_once(&mut waiting, Waker::noop()).is_ready());
    assert_eq!(since(before).allocations, 4);
}

#[test]
#[should_panic(expected = "`wait` was polled after it had ended")]
fn polled_after_the_end() {
    let mut waiting = wait([ready(())], ReturnWhen::ALL_COMPLETED);
    assert!(poll_once(&mut waiting, Waker::noop()).is_ready());
    let _ = poll_once(&mut waiting, Waker::noop());
}
