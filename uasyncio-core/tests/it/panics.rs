//! A panic ends the task that panicked, and nothing else, wherever it happens (T-20).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::task::Poll;

use crate::common::{Drops, Signal, at_both_starts, collect_failures};
use uasyncio_core::{TaskError, create_task, get_event_loop, sleep_ms, spawn, yield_now};

const DETACHED: &str = "a task panicked and nobody awaits it: panic: ";

#[test]
fn panic_in_poll_keeps_executor_usable() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        let drops = Drops::default();
        event_loop
            .run_until_complete(async {
                for name in ["a", "b", "c"] {
                    let (log, owned) = (trace.clone(), drops.child());
                    spawn(async move {
                        let _owned = owned;
                        log.log(name);
                        sleep_ms(1).await;
                        assert_ne!(name, "b", "as planned");
                        log.log(format_args!("{name} again"));
                    });
                }
                sleep_ms(2).await;
                trace.log("main");
                create_task(async {}).await.unwrap();
            })
            .unwrap();
        trace.expect(&["0 a", "0 b", "0 c", "1 a again", "1 c again", "2 main"]);
        let failures = failures.take();
        assert_eq!(failures.len(), 1);
        assert!(failures[0].starts_with(DETACHED) && failures[0].contains("as planned"), "{failures:?}");
        assert_eq!(drops.count(), 3);
        assert_eq!(event_loop.run_until_complete(async { 5 }).unwrap(), 5);
    });
}

#[test]
fn panic_payload_reaches_awaiter() {
    #[derive(Debug, PartialEq)]
    struct Payload(u64);
    at_both_starts(|event_loop, _| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let task = create_task(async { panic_any(Payload(7)) });
                let Err(TaskError::Panicked(panic)) = task.await else { panic!("it did not panic") };
                assert_eq!(panic.message(), None);
                assert_eq!(*panic.into_payload().downcast::<Payload>().unwrap(), Payload(7));

                let later = create_task(async {
                    sleep_ms(1).await;
                    panic!("number {}", 8);
                });
                assert_eq!(later.await.unwrap_err().into_panic().unwrap().message(), Some("number 8"));

                // Awaited only after the end.
                let ended = create_task(async { panic!("number 9") });
                sleep_ms(1).await;
                assert!(ended.done() && !ended.cancel());
                assert_eq!(ended.await.unwrap_err().to_string(), "the task panicked: number 9");
            })
            .unwrap();
        assert!(failures.take().is_empty(), "a panic that somebody awaits is not reported");
    });
}

/// Trap 46, MicroPython's rule: reported once, when it is clear that nobody will ask.
#[test]
fn a_panic_is_reported_when_its_handle_goes() {
    at_both_starts(|event_loop, _| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                let task = create_task(async { panic!("unasked for") });
                sleep_ms(1).await;
                assert!(failures.borrow().is_empty());
                drop(task);
                assert_eq!(failures.take(), [format!("{DETACHED}unasked for")]);

                drop(create_task(async { panic!("dropped before") }));
                yield_now().await;
                assert_eq!(failures.take(), [format!("{DETACHED}dropped before")]);

                // Cancelled with the panic's poll still to come: it never comes.
                let task = create_task(async { panic!("never") });
                task.cancel();
                drop(task);
                yield_now().await;
                assert!(failures.take().is_empty());
            })
            .unwrap();
    });
}

/// The context says which task it was.
#[test]
fn the_report_names_the_task() {
    at_both_starts(|event_loop, _| {
        let seen = Rc::new(Cell::new(None));
        let out = seen.clone();
        event_loop.set_exception_handler(move |context| out.set(context.task));
        event_loop
            .run_until_complete(async {
                let task = create_task(async { panic!("who was it?") });
                let id = task.id();
                drop(task);
                yield_now().await;
                assert!(id.is_some());
                assert_eq!(seen.get(), id);
            })
            .unwrap();
    });
}

/// The panic of the future that the loop runs for goes on to the caller; the loop stays usable.
#[test]
fn panic_in_the_main_future_reaches_the_caller() {
    at_both_starts(|event_loop, trace| {
        let failures = collect_failures(event_loop);
        let log = trace.clone();
        event_loop.spawn(async move {
            sleep_ms(5).await;
            log.log("the other task");
        });
        let caught = catch_unwind(AssertUnwindSafe(|| {
            event_loop.run_until_complete(async {
                sleep_ms(1).await;
                panic!("main");
            })
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"main"));
        assert!(uasyncio_core::try_get_event_loop().is_none());
        event_loop.run_until_complete(sleep_ms(10)).unwrap();
        trace.expect(&["5 the other task"]);
        assert!(failures.take().is_empty());
    });
}

/// Half of the tasks panic at every possible moment, in an order that is different each time: the others come to their end.
#[test]
fn many_panics_lose_no_task() {
    at_both_starts(|event_loop, _| {
        let failures = collect_failures(event_loop);
        let rounds = if cfg!(miri) { 20 } else { 300 };
        let (drops, ended) = (Drops::default(), Rc::new(Cell::new(0)));
        event_loop
            .run_until_complete(async {
                let mut random = crate::common::Random::seeded(20);
                for _ in 0..rounds {
                    let (child, ended) = (drops.child(), ended.clone());
                    let (steps, panics) = (random.below(4), random.chance(50));
                    let signal = Signal::new();
                    let task = create_task(async move {
                        let _child = child;
                        for step in 0..steps {
                            match step % 2 {
                                0 => yield_now().await,
                                _ => sleep_ms(1).await,
                            }
                        }
                        assert!(!panics, "as planned");
                        signal.open();
                        ended.set(ended.get() + 1);
                    });
                    if random.chance(50) {
                        drop(task);
                    } else if random.chance(50) {
                        drop(task.await);
                    }
                }
                sleep_ms(100).await;
                assert_eq!(get_event_loop().tasks().len(), 1);
            })
            .unwrap();
        assert_eq!(drops.count(), rounds);
        assert!(ended.get() > rounds / 4 && !failures.take().is_empty());
    });
}

/// A panic in a poll by hand, inside a task, does not concern the loop.
#[test]
fn a_caught_panic_stays_in_its_task() {
    at_both_starts(|event_loop, _| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(poll_fn(|_| {
                let caught = catch_unwind(|| panic!("within"));
                assert!(caught.is_err());
                Poll::Ready(())
            }))
            .unwrap();
        assert!(failures.take().is_empty());
    });
}
