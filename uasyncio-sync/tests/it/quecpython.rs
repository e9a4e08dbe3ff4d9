//! The examples of QuecPython's documentation, with the ticks and the lines that they give on MicroPython. Section 7 of the
//! specification.

#![cfg(feature = "alloc")]

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::common::{Trace, at_both_starts};
use uasyncio_core::{EventLoop, RunError, TaskError, VirtualTime, create_task, sleep, try_run};
use uasyncio_sync::{TimeoutError, gather, try_gather_iter, wait_for};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What can end a member of the gather example early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Cancelled,
    Timeout,
}

impl From<TaskError> for Failed {
    fn from(error: TaskError) -> Failed {
        assert!(error.is_cancelled(), "{error}");
        Failed::Cancelled
    }
}

impl From<TimeoutError> for Failed {
    fn from(TimeoutError: TimeoutError) -> Failed {
        Failed::Timeout
    }
}

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failed::Cancelled => "CancelledError()",
            Failed::Timeout => "TimeoutError()",
        })
    }
}

/// A coroutine of the gather example: a line, and then a sleep of a second so many times.
async fn counting(trace: Trace, first_line: &'static str, count: u64) -> u64 {
    trace.log(first_line);
    for _ in 0..count {
        sleep(seconds(1)).await;
    }
    count
}

async fn barking(trace: Trace, number: u64) -> u64 {
    counting(trace.clone(), "Start barking", 6).await;
    trace.log("Done barking.");
    number * 2
}

type Member = Pin<Box<dyn Future<Output = Result<u64, Failed>>>>;

/// The task `bar`, which a helper cancels after five seconds.
fn bar(trace: &Trace) -> Member {
    let task = Rc::new(RefCell::new(create_task(counting(trace.clone(), "Start cancellable bar()", 70))));
    let (log, to_cancel) = (trace.clone(), task.clone());
    let _helper = create_task(async move {
        sleep(seconds(5)).await;
        log.log("About to cancel bar");
        to_cancel.borrow().cancel();
    });
    Box::pin(async move { Ok(poll_fn(|cx| Pin::new(&mut *task.borrow_mut()).poll(cx)).await?) })
}

/// The other two, which the original's `gather` makes tasks.
fn barking_and_foo(trace: &Trace, limit: u64) -> [Member; 2] {
    let barking = create_task(barking(trace.clone(), 21));
    let limited = create_task(wait_for(counting(trace.clone(), "Start timeout coro foo()", 10), seconds(limit)));
    [Box::pin(async { Ok(barking.await?) }), Box::pin(async { Ok(limited.await??) })]
}

fn result_line<T: Display>(results: &[Result<u64, T>]) -> String {
    let shown: Vec<_> = results.iter().map(|result| result.as_ref().map_or_else(T::to_string, u64::to_string)).collect();
    format!("Result:  [{}]", shown.join(", "))
}

/// QTL-8 with `return_exceptions=True`: at 7 s all ends are there, each in its place.
#[test]
fn gather_example_with_exceptions_returned() {
    at_both_starts(|event_loop, trace| {
        let results = event_loop.run_until_complete(async {
            let bar = bar(trace);
            let [barking, foo] = barking_and_foo(trace, 7);
            let results = gather([bar, barking, foo]).await;
            trace.log(result_line(&results));
            results
        });
        assert_eq!(results.unwrap(), [Err(Failed::Cancelled), Ok(42), Err(Failed::Timeout)]);
        trace.expect(&[
            "0 Start cancellable bar()",
            "0 Start barking",
            "0 Start timeout coro foo()",
            "5000 About to cancel bar",
            "6000 Done barking.",
            "7000 Result:  [CancelledError(), 42, TimeoutError()]",
        ]);
    });
}

/// The example with `return_exceptions=False`: what its `try` prints, and the program ends there.
fn gather_example_that_raises(event_loop: &EventLoop<VirtualTime>, trace: &Trace, with_bar: bool, limit: u64) {
    event_loop
        .run_until_complete(async {
            let bar = with_bar.then(|| bar(trace));
            let others = barking_and_foo(trace, limit);
            let result = try_gather_iter(bar.into_iter().chain(others)).await;
            match &result {
                Ok(_) => {}
                Err(Failed::Cancelled) => trace.log("Cancelled"),
                Err(Failed::Timeout) => trace.log("foo timed out."),
            }
            trace.log(result.map_or("Result:  None".to_owned(), |values| format!("Result:  {values:?}")));
        })
        .unwrap();
}

/// QTL-8 with `return_exceptions=False`: the cancel comes first and ends it at 5 s.
#[test]
fn gather_example_that_is_cancelled() {
    at_both_starts(|event_loop, trace| {
        gather_example_that_raises(event_loop, trace, true, 7);
        trace.expect(&[
            "0 Start cancellable bar()",
            "0 Start barking",
            "0 Start timeout coro foo()",
            "5000 About to cancel bar",
            "5000 Cancelled",
            "5000 Result:  None",
        ]);
    });
}

/// Its corollary: the branch for timeouts is reached if the timeout comes before the cancel.
#[test]
fn gather_example_that_times_out() {
    at_both_starts(|event_loop, trace| {
        gather_example_that_raises(event_loop, trace, true, 4);
        trace.expect(&[
            "0 Start cancellable bar()",
            "0 Start barking",
            "0 Start timeout coro foo()",
            "4000 foo timed out.",
            "4000 Result:  None",
        ]);
    });
}

/// The variant of its author, in which `bar` is not gathered: both modes.
#[test]
fn gather_example_without_bar() {
    at_both_starts(|event_loop, trace| {
        let expected = ["0 Start barking", "0 Start timeout coro foo()", "6000 Done barking."];
        let fresh = trace.restarted(event_loop);
        let results = event_loop.run_until_complete(async { gather(barking_and_foo(&fresh, 7)).await });
        assert_eq!(results.unwrap(), [Ok(42), Err(Failed::Timeout)]);
        fresh.expect(&expected);
        let fresh = trace.restarted(event_loop);
        gather_example_that_raises(event_loop, &fresh, false, 7);
        fresh.expect(&[&expected[..], &["7000 foo timed out.", "7000 Result:  None"]].concat());
    });
}

/// QTL-3, QTL-6: the cancel example as it was meant. The timeout never fires. (As it is printed, with a `main` that is no
/// coroutine and a `cancel` of what is no task, it does not compile.)
#[test]
fn cancel_example() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        let bar = async move {
            log.log("Start cancellable bar()");
            sleep(seconds(10)).await;
            unreachable!("it is cancelled");
        };
        event_loop
            .run_until_complete(async {
                let task = create_task(wait_for(bar, seconds(7)));
                sleep(seconds(5)).await;
                trace.log("About to cancel bar");
                assert!(task.cancel());
                if let Err(TaskError::Cancelled) = task.await {
                    trace.log("CancelledError");
                }
                sleep(seconds(10)).await;
            })
            .unwrap();
        trace.expect(&["0 Start cancellable bar()", "5000 About to cancel bar", "5000 CancelledError"]);
    });
}

/// QTL-4, QTL-6, QTL-7: the wait_for example, with `await` in the place of a second `run`, which is an error here.
#[test]
fn wait_for_example() {
    at_both_starts(|event_loop, trace| {
        let bar = |log: Trace, instance: u32| async move {
            let mut count = 0;
            loop {
                count += 1;
                log.log(format_args!("Instance: {instance} count: {count}"));
                sleep(seconds(2)).await;
                log.log(format_args!("sleep count instance = {instance} count = {count}"));
            }
        };
        event_loop
            .run_until_complete(async {
                assert!(matches!(try_run(bar(trace.clone(), 0)), Err(RunError::Nested)));
                let end: Result<Infallible, TimeoutError> = wait_for(bar(trace.clone(), 10), seconds(7)).await;
                let Err(error) = end;
                trace.log(format_args!("{error:?}"));
            })
            .unwrap();
        trace.expect(&[
            "0 Instance: 10 count: 1",
            "2000 sleep count instance = 10 count = 1",
            "2000 Instance: 10 count: 2",
            "4000 sleep count instance = 10 count = 2",
            "4000 Instance: 10 count: 3",
            "6000 sleep count instance = 10 count = 3",
            "6000 Instance: 10 count: 4",
            "7000 TimeoutError",
        ]);
    });
}
