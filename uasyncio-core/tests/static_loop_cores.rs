//! Two static loops on two cores, played by threads that say which core they are: each has its own current loop, and they wake each other.

#![cfg(all(feature = "multi-core", not(feature = "std")))]

#[path = "it/static_common/mod.rs"]
mod static_common;

use std::cell::Cell;
use std::panic::catch_unwind;
use std::pin::pin;
use std::thread;

use static_common::{Flag, Parking};
use uasyncio_core::{CORES, CoreId, RunError, StaticLoop, current_task, set_core_id, time, yield_now};

const ROUNDS: usize = if cfg!(miri) { 20 } else { 20_000 };

thread_local! {
    static CORE: Cell<usize> = const { Cell::new(0) };
}

struct Threads;

// SAFETY: each thread of this file has its own number, or is alone.
unsafe impl CoreId for Threads {
    fn core_id() -> usize {
        CORE.get()
    }
}

set_core_id!(Threads);

static FIRST: StaticLoop<2> = StaticLoop::new();
static SECOND: StaticLoop<2> = StaticLoop::new();

/// Says it is the other's turn, and waits for its own.
async fn play(serves: bool, own: &Flag, other: &Flag) {
    for round in 0..ROUNDS {
        if serves || round > 0 {
            other.raise();
        }
        own.wait().await;
        assert!(current_task().is_some() && time().as_millis() == 0);
    }
    if !serves {
        other.raise();
    }
}

#[test]
fn two_cores_run_a_loop_each() {
    let (ping, pong) = (Flag::default(), Flag::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            CORE.set(CORES - 1);
            assert!(current_task().is_none() && catch_unwind(time).is_err());
            SECOND.run(&Parking::default(), [pin!(play(false, &pong, &ping)), pin!(yield_now())]);
        });
        FIRST.run(&Parking::default(), [pin!(play(true, &ping, &pong)), pin!(yield_now())]);
    });
    thread::scope(|scope| {
        let here = async {
            let elsewhere = || {
                CORE.set(1);
                matches!(FIRST.try_run(&Parking::default(), [pin!(async {})]), Err(RunError::Nested))
            };
            assert!(scope.spawn(elsewhere).join().unwrap(), "one loop runs on one core at a time");
            assert!(matches!(SECOND.try_run(&Parking::default(), [pin!(async {})]), Err(RunError::Nested)));
        };
        FIRST.run(&Parking::default(), [pin!(here)]);
    });
    // And on the other one afterwards.
    thread::scope(|scope| {
        scope.spawn(|| {
            CORE.set(1);
            FIRST.run(&Parking::default(), [pin!(yield_now()), pin!(yield_now())]);
        });
    });
}
