//! Failures that nobody awaits: `report`, `Task::report` and the exception handler (trap 46, decision 13).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::common::{at_both_starts, collect_failures};
use uasyncio_core::{
    Exception, ExceptionContext, Panic, TaskError, create_task, current_task, get_event_loop, report, sleep_ms, spawn, yield_now,
};

const FAILED: &str = "a task failed and nobody awaits it: ";

#[derive(Debug)]
struct Full(u32);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk {} is full", self.0)
    }
}

async fn fails(disk: u32) -> Result<(), Full> {
    yield_now().await;
    Err(Full(disk))
}

/// By default an error is the output of its task like any other: nobody is told.
#[test]
fn plain_tasks_report_no_errors() {
    at_both_starts(|event_loop, _| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                drop(create_task(fails(1)));
                assert_eq!(create_task(fails(2)).await.unwrap().unwrap_err().0, 2);
                sleep_ms(1).await;
            })
            .unwrap();
        assert!(failures.take().is_empty());
    });
}

#[test]
fn report_tells_of_errors() {
    at_both_starts(|event_loop, _| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                spawn(report(fails(1)));
                drop(create_task(report(fails(2))));
                spawn(report(async { Ok::<_, Full>(5) }));
                report(fails(3)).await; // in the main future, whose turn comes first
                sleep_ms(1).await;
            })
            .unwrap();
        assert_eq!(failures.take(), [3, 1, 2].map(|disk| format!("{FAILED}disk {disk} is full")));
    });
}

/// `Task::report` for a task that exists already: errors and panics, but not cancels.
#[test]
fn a_task_can_be_reported() {
    at_both_starts(|event_loop, _| {
        let failures = collect_failures(event_loop);
        event_loop
            .run_until_complete(async {
                create_task(fails(1)).report();
                create_task(async { Ok::<(), Full>(()) }).report();
                let ended = create_task(fails(2));
                sleep_ms(1).await;
                assert!(ended.done());
                ended.report();
                let panics = create_task(async {
                    yield_now().await;
                    panic!("out of cheese")
                });
                let _: &uasyncio_core::Task<Result<(), Full>> = &panics;
                panics.report();
                let cancelled = create_task(fails(3));
                cancelled.cancel();
                cancelled.report();
                sleep_ms(1).await;
                assert_eq!(get_event_loop().tasks().len(), 1);
            })
            .unwrap();
        let failures = failures.take();
        assert_eq!(failures[..2], [1, 2].map(|disk| format!("{FAILED}disk {disk} is full")));
        assert_eq!(failures[2..], ["a task panicked and nobody awaits it: panic: out of cheese"]);
    });
}

/// The context: who it was, what it was, and a line for people.
#[test]
fn the_context_of_a_report() {
    at_both_starts(|event_loop, _| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let out = seen.clone();
        event_loop.set_exception_handler(move |context| {
            let error = match context.exception {
                Exception::Error(error) => error.to_string(),
                Exception::Panic(panic) => format!("panic {:?}", panic.message()),
                _ => unreachable!("there are no other ones"),
            };
            out.borrow_mut().push((context.task, error, context.to_string()));
            assert_eq!(context.task, current_task());
        });
        let id = event_loop
            .run_until_complete(async {
                let task = create_task(report(fails(1)));
                let id = task.id();
                task.await.unwrap();
                id
            })
            .unwrap();
        let seen = seen.take();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].0, id);
        assert_eq!(seen[0].1, "disk 1 is full");
        assert_eq!(seen[0].2, format!("{FAILED}disk 1 is full ({})", id.unwrap()));
    });
}

/// Handlers may be replaced, also from inside one, and told by anybody.
#[test]
fn handlers() {
    at_both_starts(|event_loop, _| {
        let first = collect_failures(event_loop);
        event_loop.call_exception_handler(&ExceptionContext::new("by hand", Exception::Error(&"an error")));
        let panic = Panic::new(Box::new("thrown"));
        event_loop.call_exception_handler(&ExceptionContext::new("by hand", Exception::Panic(&panic)));
        assert_eq!(first.take(), ["by hand: an error", "by hand: panic: thrown"]);

        let second = Rc::new(RefCell::new(Vec::new()));
        let out = second.clone();
        event_loop.set_exception_handler(move |_| {
            let out = out.clone();
            get_event_loop().set_exception_handler(move |context| out.borrow_mut().push(context.to_string()));
        });
        event_loop
            .run_until_complete(async {
                spawn(report(fails(1)));
                spawn(report(fails(2)));
                sleep_ms(1).await;
            })
            .unwrap();
        assert!(first.take().is_empty());
        assert_eq!(second.borrow().len(), 1);
        event_loop.clear_exception_handler();
        assert_eq!(Rc::strong_count(&second), 1, "a handler that was replaced is dropped");
    });
}

/// A handler that fails itself, that makes tasks, and that stops the loop.
#[test]
fn a_handler_may_use_the_loop() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        event_loop.set_exception_handler(move |context| {
            log.log(context.exception);
            let log = log.clone();
            spawn(async move { log.log("made by the handler") });
            get_event_loop().stop();
        });
        event_loop.spawn(report(fails(1)));
        event_loop.run_forever().unwrap();
        trace.expect(&["0 disk 1 is full", "0 made by the handler"]);
    });
}

/// What errors and panics look like to people.
#[test]
fn texts() {
    assert_eq!(TaskError::Cancelled.to_string(), "the task was cancelled");
    assert!(TaskError::Cancelled.is_cancelled() && TaskError::Cancelled.into_panic().is_none());
    let panicked = |payload| TaskError::Panicked(Panic::new(payload));
    assert_eq!(panicked(Box::new("text")).to_string(), "the task panicked: text");
    assert_eq!(panicked(Box::new(String::from("String"))).to_string(), "the task panicked: String");
    assert_eq!(panicked(Box::new(5)).to_string(), "the task panicked: (a payload that is not text)");
    assert_eq!(format!("{:?}", panicked(Box::new("text"))), r#"Panicked(Panic(Some("text")))"#);
    assert!(!panicked(Box::new(5)).is_cancelled());
    assert_eq!(format!("{:?}", Exception::Error(&"text")), "Error(text)");
    let error: Box<dyn std::error::Error> = Box::new(TaskError::Cancelled);
    assert!(error.source().is_none());
}
