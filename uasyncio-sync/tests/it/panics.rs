//! T-20: panics of members and of their destructors. They come through, all the others are dropped, and no timer is left.
//!
//! `task_group` has its own tests of this in `task_group_edges`.

#![cfg(feature = "std")]

use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::common::{OnDrop, Steps, Trace, at_both_starts, panics, poll_once};
use futures_core::Stream;
use uasyncio_core::{VirtualTime, create_task, sleep_ms};
use uasyncio_sync::{
    ReturnWhen, as_completed, gather, gather_iter, select, select3, select4, timeout_ms, try_gather, try_gather_iter, wait,
    wait_for_ms,
};

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Runs a task that panics. The loop goes on after that, and what this logs is all that has happened.
#[track_caller]
fn check<T: 'static, F: Future<Output = T> + 'static>(task: impl Fn(Trace) -> F, expected: &[&str]) {
    at_both_starts(|event_loop, trace| {
        let task = task(trace.clone());
        event_loop.run_until_complete(run_panicking(event_loop.platform(), task)).unwrap();
        trace.expect(expected);
    });
}

async fn run_panicking<T: 'static>(virtual_time: &VirtualTime, task: impl Future<Output = T> + 'static) {
    let panic = create_task(task).await.map(drop).unwrap_err().into_panic().unwrap();
    assert_eq!(panic.message(), Some("out of cheese"));
    expect_no_timer(virtual_time).await;
}

async fn expect_no_timer(virtual_time: &VirtualTime) {
    let before = virtual_time.jumps();
    sleep_ms(1_000).await;
    assert_eq!(virtual_time.jumps() - before, 1);
}

/// Logs when it is dropped, and then panics if it is `"bad"`.
fn gone(trace: &Trace, name: &'static str) -> OnDrop<impl FnMut() + use<>> {
    let trace = trace.clone();
    OnDrop(move || {
        trace.log(name);
        assert!(name != "bad", "out of cheese");
    })
}

/// Sleeps for a long time.
fn sleeper<T: 'static>(trace: &Trace, name: &'static str) -> Boxed<T> {
    let gone = gone(trace, name);
    Box::pin(async move {
        let _gone = gone;
        sleep_ms(100).await;
        unreachable!("{name} is dropped before")
    })
}

/// Panics after a millisecond.
fn panicking<T: 'static>() -> Boxed<T> {
    Box::pin(async {
        sleep_ms(1).await;
        panic!("out of cheese")
    })
}

/// Fails after a millisecond.
fn failing() -> Boxed<Result<(), ()>> {
    Box::pin(async {
        sleep_ms(1).await;
        Err(())
    })
}

#[test]
fn destructor_of_a_loser_of_try_gather() {
    let members = |trace: &Trace| [sleeper(trace, "a"), sleeper(trace, "bad"), failing(), sleeper(trace, "b")];
    let expected = ["1 a", "1 bad", "1 b"];
    check(
        |trace| async move {
            let [a, bad, failing, b] = members(&trace);
            let _ = try_gather((a, bad, failing, b)).await;
        },
        &expected,
    );
    check(|trace| async move { try_gather(members(&trace)).await }, &expected);
    check(|trace| async move { try_gather(Vec::from(members(&trace))).await }, &expected);
    check(|trace| async move { try_gather_iter(members(&trace)).await }, &expected);
}

/// One that keeps what it owns until it is dropped itself, and then panics.
fn kept(trace: &Trace) -> impl Future<Output = ()> + Unpin + use<> {
    let gone = gone(trace, "bad");
    let mut sleeping = Box::pin(sleep_ms(1));
    Steps(move |cx: &mut Context<'_>| {
        let _ = &gone;
        sleeping.as_mut().poll(cx)
    })
}

#[test]
fn destructor_of_one_that_has_finished() {
    let members = |trace: &Trace| [sleeper(trace, "a"), Box::pin(kept(trace)), sleeper(trace, "b")];
    let expected = ["1 bad", "1 a", "1 b"];
    check(|trace| async move { gather(members(&trace)).await }, &expected);
    check(|trace| async move { gather_iter(members(&trace)).await }, &expected);
    check(|trace| async move { wait(members(&trace), ReturnWhen::FIRST_COMPLETED).await.done }, &expected);
    check(|trace| async move { as_completed(members(&trace)).next().await }, &expected);
    check(|trace| async move { wait_for_ms(kept(&trace), 10).await }, &["1 bad"]);
    check(|trace| async move { timeout_ms(10).run(kept(&trace)).await }, &["1 bad"]);
}

/// The losers are not handed back then: they are dropped.
#[test]
fn destructor_of_the_winner_of_select() {
    let loser = |trace: &Trace| sleeper::<()>(trace, "loser");
    check(|trace| async move { drop(select(kept(&trace), loser(&trace)).await) }, &["1 bad", "1 loser"]);
    check(|trace| async move { drop(select(loser(&trace), kept(&trace)).await) }, &["1 bad", "1 loser"]);
    for place in 0..4 {
        let members = move |trace: &Trace| {
            let mut members: [Boxed<()>; 4] = [loser(trace), loser(trace), loser(trace), Box::pin(kept(trace))];
            members.swap(place, 3);
            members
        };
        let four = move |trace| async move {
            let [a, b, c, d] = members(&trace);
            drop(select4(a, b, c, d).await);
        };
        check(four, &["1 bad", "1 loser", "1 loser", "1 loser"]);
    }
    for place in 0..3 {
        let members = move |trace: &Trace| {
            let mut members: [Boxed<()>; 3] = [loser(trace), loser(trace), Box::pin(kept(trace))];
            members.swap(place, 2);
            members
        };
        let three = move |trace| async move {
            let [a, b, c] = members(&trace);
            drop(select3(a, b, c).await);
        };
        check(three, &["1 bad", "1 loser", "1 loser"]);
    }
}

#[test]
fn destructor_of_a_loser_of_select() {
    check(
        |trace| async move {
            let losers = (sleeper::<()>(&trace, "bad"), sleeper::<()>(&trace, "a"), sleeper::<()>(&trace, "b"));
            drop(select4(losers.0, Box::pin(sleep_ms(1)), losers.1, losers.2).await);
        },
        &["1 bad", "1 a", "1 b"],
    );
}

/// What the inner future holds behind that is dropped too. Kept, the whole has ended, and has no timer any more.
#[test]
fn destructor_at_the_deadline() {
    async fn holding(trace: Trace) {
        let _last = gone(&trace, "the rest");
        let _bad = gone(&trace, "bad");
        sleep_ms(100).await;
    }
    let expected = ["1 bad", "1 the rest"];
    check(|trace| wait_for_ms(holding(trace), 1), &expected);
    check(|trace| async move { timeout_ms(1).run(holding(trace)).await }, &expected);
    async fn check_kept(virtual_time: &VirtualTime, future: impl Future) {
        let mut future = Box::pin(future);
        let mut poll = || poll_once(&mut future, Waker::noop()).is_pending();
        assert!(poll());
        sleep_ms(1).await;
        assert!(panics(|| _ = poll()));
        expect_no_timer(virtual_time).await;
        assert!(panics(|| _ = poll()), "it should have ended");
    }
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let scope = timeout_ms(1);
                check_kept(event_loop.platform(), wait_for_ms(holding(trace.clone()), 1)).await;
                check_kept(event_loop.platform(), scope.run(holding(trace.clone()))).await;
                assert!(scope.expired());
            })
            .unwrap();
        trace.expect(&["1 bad", "1 the rest", "1002 bad", "1002 the rest"]);
    });
}

#[test]
fn member_that_panics() {
    let members = |trace: &Trace| [sleeper::<()>(trace, "other"), panicking(), sleeper(trace, "other")];
    let expected = ["1 other", "1 other"];
    check(|trace| async move { wait(members(&trace), ReturnWhen::ALL_COMPLETED).await.done }, &expected);
    check(|trace| async move { as_completed(members(&trace)).next().await }, &expected);
    check(
        |trace| async move {
            let [a, bad, b] = members(&trace);
            drop(select3(a, bad, b).await);
        },
        &expected,
    );
}

/// The limit has ended, and has not expired.
#[test]
fn block_that_panics() {
    at_both_starts(|event_loop, _| {
        let scope = Rc::new(timeout_ms(10));
        let in_task = scope.clone();
        let task = async move { in_task.run(panicking::<()>()).await };
        event_loop.run_until_complete(run_panicking(event_loop.platform(), task)).unwrap();
        assert!(!scope.expired() && !scope.reschedule(None));
    });
}

/// Who goes on all the same finds that it has ended, and does not wait for ever; `wait` hands the others back.
#[test]
fn going_on_after_a_panic() {
    let members = || -> [Boxed<()>; 2] { [Box::pin(async { panic!("out of cheese") }), Box::pin(pending())] };
    let mut outputs = as_completed(members());
    assert!(panics(|| _ = poll_once(&mut outputs.next(), Waker::noop())));
    assert_eq!(poll_once(&mut outputs.next(), Waker::noop()), Poll::Ready(None));
    assert_eq!(outputs.size_hint(), (0, Some(0)));
    let mut waiting = wait(members(), ReturnWhen::ALL_COMPLETED);
    assert!(panics(|| drop(poll_once(&mut waiting, Waker::noop()))));
    assert!(panics(|| drop(poll_once(&mut waiting, Waker::noop()))));
    assert_eq!(waiting.stop().pending.len(), 2);
}
