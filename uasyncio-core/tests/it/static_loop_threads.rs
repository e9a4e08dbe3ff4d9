//! Wakes of a static loop from other threads: none is lost, all that was written before is seen, and the loop really sleeps.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::static_common::{Flag, Parking, alone};
use uasyncio_core::{StaticLoop, yield_now};

const ROUNDS: usize = if cfg!(miri) { 20 } else { 20_000 };

/// Each thread raises its flag when its task has answered the last time.
async fn answer(flag: &Flag, answers: &AtomicUsize) {
    for _ in 0..ROUNDS {
        flag.wait().await;
        answers.fetch_add(1, Ordering::Release);
    }
}

fn ask(flag: &Flag, answers: &AtomicUsize) {
    for round in 0..ROUNDS {
        flag.raise();
        while answers.load(Ordering::Acquire) == round {
            thread::yield_now();
        }
    }
}

#[test]
fn no_wake_of_another_thread_is_lost() {
    static LOOP: StaticLoop<3> = StaticLoop::new();
    let _alone = alone();
    let flags: [Flag; 3] = Default::default();
    let answers: [AtomicUsize; 3] = Default::default();
    let parking = Parking::default();
    thread::scope(|scope| {
        for index in 0..3 {
            let (flag, answers) = (&flags[index], &answers[index]);
            scope.spawn(move || ask(flag, answers));
        }
        let task = |index: usize| answer(&flags[index], &answers[index]);
        LOOP.run(&parking, [pin!(task(0)), pin!(task(1)), pin!(task(2))]);
    });
    assert!(parking.notices() <= 3 * ROUNDS);
}

/// Wakers of a run that is over are woken by another thread while the loop runs again and again, and ends.
#[test]
fn wakers_outlive_their_runs() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    let _alone = alone();
    let stale = Arc::new(Flag::default());
    LOOP.run(
        &Parking::default(),
        [pin!(async {
            let mut waiting = pin!(stale.wait());
            std::future::poll_fn(|cx| {
                assert!(waiting.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        })],
    );
    let waking = stale.clone();
    let thread = thread::spawn(move || (0..ROUNDS).for_each(|_| waking.raise()));
    for _ in 0..ROUNDS / 10 {
        LOOP.run(&Parking::default(), [pin!(yield_now()), pin!(yield_now())]);
    }
    thread.join().unwrap();
}

/// One loop runs in one place at a time; another one runs beside it.
#[test]
#[cfg(feature = "std")]
fn a_loop_runs_on_one_thread_at_a_time() {
    use uasyncio_core::RunError;

    static LOOP: StaticLoop<1> = StaticLoop::new();
    static OTHER: StaticLoop<1> = StaticLoop::new();
    let flag = Flag::default();
    thread::scope(|scope| {
        LOOP.run(
            &Parking::default(),
            [pin!(async {
                scope.spawn(|| {
                    assert!(matches!(LOOP.try_run(&Parking::default(), [pin!(async {})]), Err(RunError::Nested)));
                    OTHER.run(&Parking::default(), [pin!(yield_now())]);
                    flag.raise();
                });
                flag.wait().await;
            })],
        );
    });
    thread::scope(|scope| {
        scope.spawn(|| LOOP.run(&Parking::default(), [pin!(yield_now())]));
    });
}
