//! A page's or Node's own loop drives the event loop: `host.mjs` calls [`turn`] from `setTimeout`, as late as it may.
//!
//! The program is two tasks, one of which waits for the other.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod host;

use std::cell::RefCell;

use uasyncio_core::{Attention, EventLoop, Task, create_task, sleep_ms};

use host::{Host, print};

/// What `turn` says when there is nothing to do until the host does something.
const IDLE: i32 = -1;
/// What `turn` says when the program has ended.
const ENDED: i32 = -2;

thread_local! {
    static PROGRAM: RefCell<Option<(EventLoop<Host>, Task<()>)>> = const { RefCell::new(None) };
}

async fn program() {
    let ticks = create_task(async {
        for tick in 1..=3 {
            sleep_ms(20).await;
            print(&format!("tick {tick}"));
        }
    });
    print("waiting");
    if ticks.await.is_ok() {
        print("done");
    }
}

/// Makes the loop and its first task.
fn start() {
    let event_loop = EventLoop::with_platform(Host);
    let task = event_loop.create_task(program());
    PROGRAM.set(Some((event_loop, task)));
}

/// One turn: in how many milliseconds the next one is due, or [`IDLE`], or [`ENDED`].
fn turn() -> i32 {
    PROGRAM.with_borrow(|program| match program {
        Some((event_loop, task)) => match event_loop.turn() {
            _ if task.done() => ENDED,
            Ok(Attention::Now) => 0,
            Ok(Attention::Within(millis)) => i32::try_from(millis).unwrap_or(i32::MAX),
            Ok(Attention::Idle) => IDLE,
            Err(_) => ENDED,
        },
        None => ENDED,
    })
}
