//! Nothing recurses, however many tasks there are and however long the chain in which they wait (T-25). A small stack says so.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::future::pending;
use std::thread;

use crate::common::{Signal, Watchdog};
use uasyncio_core::{EventLoop, Task, VirtualTime, create_task, sleep_ms, spawn, yield_now};

const STACK: usize = 64 * 1024;

fn on_a_small_stack(scenario: &'static str, work: impl FnOnce() + Send + 'static) {
    let _watchdog = Watchdog::new(scenario);
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}

fn virtual_loop() -> EventLoop<VirtualTime> {
    EventLoop::with_platform(VirtualTime::new())
}

const MANY: usize = if cfg!(miri) { 70 } else { 1_000_000 };
const LONG: usize = if cfg!(miri) { 70 } else { 100_000 };

#[test]
fn a_million_tasks_are_dropped() {
    on_a_small_stack("a_million_tasks_are_dropped", || {
        let event_loop = virtual_loop();
        for n in 0..MANY {
            match n % 3 {
                0 => event_loop.spawn(pending()),
                1 => drop(event_loop.create_task(pending::<()>())),
                _ => event_loop.spawn(async {
                    sleep_ms(60_000).await;
                }),
            }
        }
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        assert_eq!(event_loop.tasks().len(), MANY);
        drop(event_loop);
    });
}

/// A chain in which each task awaits the next one.
fn chain(event_loop: &EventLoop<VirtualTime>, end: Task<()>) -> Task<()> {
    (0..LONG).fold(end, |next, _| event_loop.create_task(async move { next.await.unwrap_or(()) }))
}

#[test]
fn a_long_chain_of_joins_is_resolved() {
    on_a_small_stack("a_long_chain_of_joins_is_resolved", || {
        let event_loop = virtual_loop();
        let signal = Signal::new();
        let waiting = signal.clone();
        let end = event_loop.create_task(async move { waiting.wait().await });
        let head = chain(&event_loop, end);
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        assert!(!head.done());
        signal.open();
        event_loop.run_until_complete(head).unwrap().unwrap();
    });
}

/// The same chain cancelled at its end, panicking there, and dropped with the loop.
#[test]
fn a_long_chain_ends_in_other_ways() {
    on_a_small_stack("a_long_chain_ends_in_other_ways", || {
        let event_loop = virtual_loop();
        let end = std::rc::Rc::new(std::cell::RefCell::new(Some(event_loop.create_task(pending::<()>()))));
        let last = {
            let end = end.clone();
            event_loop.create_task(async move {
                let end = end.borrow_mut().take().unwrap();
                end.cancel();
                assert!(end.await.unwrap_err().is_cancelled());
            })
        };
        let head = chain(&event_loop, last);
        event_loop.run_until_complete(head).unwrap().unwrap();

        let panics = event_loop.create_task(async {
            yield_now().await;
            std::panic::resume_unwind(Box::new("as planned"));
        });
        let head = chain(&event_loop, panics);
        event_loop.run_until_complete(head).unwrap().unwrap();

        let never = event_loop.create_task(pending());
        let head = chain(&event_loop, never);
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        drop(event_loop);
        assert!(head.done());
    });
}

/// Each task cancels the next one when it is dropped: a cancel only marks, so the chain falls in turn.
#[test]
fn a_long_chain_of_cancels() {
    on_a_small_stack("a_long_chain_of_cancels", || {
        let event_loop = virtual_loop();
        let end = event_loop.create_task(pending::<()>());
        let head = (0..LONG).fold(end, |next, _| {
            event_loop.create_task(async move {
                let _next = next.cancel_on_drop();
                pending::<()>().await;
            })
        });
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        assert_eq!(event_loop.tasks().len(), LONG + 1);
        head.cancel();
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        assert!(head.done() && event_loop.tasks().is_empty());
    });
}

/// Each task makes the next one and ends; and each wakes the next one.
#[test]
fn a_long_relay() {
    on_a_small_stack("a_long_relay", || {
        fn relay(left: usize) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move {
                if left > 0 {
                    spawn(relay(left - 1));
                }
            })
        }
        let event_loop = virtual_loop();
        event_loop.spawn(relay(LONG));
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        assert!(event_loop.tasks().is_empty());
        event_loop
            .run_until_complete(async {
                let mut last = create_task(async {});
                for _ in 0..LONG / 10 {
                    last = create_task(async move { last.await.unwrap() });
                }
                last.await.unwrap();
            })
            .unwrap();
    });
}
