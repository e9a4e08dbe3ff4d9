//! `tasks()`, the `ps` of a loop: states always, and with the feature `trace` names, places, reasons and polls.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::future::pending;
#[cfg(feature = "trace")]
use std::future::poll_fn;
#[cfg(feature = "trace")]
use std::task::Poll;

use crate::common::{Signal, at_both_starts};
use uasyncio_core::{TaskInfo, TaskState, create_task, get_event_loop, sleep_ms, spawn, yield_now};

fn states() -> Vec<TaskState> {
    get_event_loop().tasks().iter().map(TaskInfo::state).collect()
}

#[test]
fn states_of_tasks() {
    use TaskState::{Ready, Running, Waiting};
    at_both_starts(|event_loop, _| {
        assert!(event_loop.tasks().is_empty());
        event_loop
            .run_until_complete(async {
                assert_eq!(states(), [Running]);
                let signal = Signal::new();
                let waiting = signal.clone();
                let task = create_task(async move { waiting.wait().await });
                spawn(sleep_ms(5));
                assert_eq!(states(), [Running, Ready, Ready]);
                yield_now().await;
                assert_eq!(states(), [Running, Waiting, Waiting]);
                signal.wake();
                assert_eq!(states(), [Running, Ready, Waiting]);
                signal.open();
                yield_now().await;
                assert!(task.done());
                assert_eq!(states(), [Running, Waiting]);
                sleep_ms(10).await;
                assert_eq!(states(), [Running]);
            })
            .unwrap();
        event_loop.spawn(async { assert_eq!(states(), [Running]) });
        event_loop.spawn(async { assert_eq!(states(), [Running]) });
        assert_eq!(event_loop.tasks().iter().map(TaskInfo::state).collect::<Vec<_>>(), [Ready, Ready]);
        event_loop.turn().unwrap();
        assert!(event_loop.tasks().is_empty());
    });
}

/// Ids in a snapshot are those of the handles, in their order; callbacks and timers that wait are there as well.
#[test]
fn ids_in_a_snapshot() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let tasks: Vec<_> = (0..100).map(|_| create_task(pending::<()>())).collect();
                let ids: Vec<_> = get_event_loop().tasks().iter().map(TaskInfo::id).collect();
                assert_eq!(ids.len(), 101);
                assert!(ids.is_sorted());
                assert!(tasks.iter().all(|task| ids.contains(&task.id().unwrap())));
                tasks.iter().for_each(|task| assert!(task.cancel()));
                yield_now().await;
                get_event_loop().call_soon(|| ());
                get_event_loop().call_later_ms(5, || ());
                assert_eq!(get_event_loop().tasks().len(), 3);
                sleep_ms(10).await;
                assert_eq!(get_event_loop().tasks().len(), 1);
            })
            .unwrap();
    });
}

/// Without the feature there is nothing to see but states, and nothing is stored.
#[cfg(not(feature = "trace"))]
#[test]
fn without_the_feature_there_are_only_states() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let task = create_task(sleep_ms(5));
                task.set_name("of no effect");
                yield_now().await;
                let info = get_event_loop().tasks().pop().unwrap();
                assert_eq!(Some(info.id()), task.id());
                assert_eq!((info.name(), info.location(), info.waiting_for(), info.polls()), (None, None, None, None));
                assert_eq!(info.to_string(), format!("{} waits", info.id()));
            })
            .unwrap();
    });
}

/// The golden text of a dump.
#[cfg(feature = "trace")]
#[test]
fn a_dump() {
    at_both_starts(|event_loop, _| {
        let place = |line: u32| format!("created at {}:{line}:", file!());
        let main_line = line!() + 2;
        let text = event_loop
            .run_until_complete(async {
                let here = line!();
                let sleeper = create_task(sleep_ms(60_000)); // here + 1
                sleeper.set_name("night watchman");
                spawn(pending()); // here + 3
                drop(create_task(sleeper)); // here + 4
                get_event_loop().call_later_ms(50, || ()); // here + 5
                uasyncio_core::call_soon(|| ()); // here + 6
                event_loop.spawn(poll_fn(|_| {
                    uasyncio_core::trace::waiting("a \"sign\"");
                    Poll::Pending
                })); // here + 7
                sleep_ms(1).await;
                let ready = create_task(async {}); // here + 12
                let dump: Vec<_> = get_event_loop().tasks().iter().map(TaskInfo::to_string).collect();
                ready.await.unwrap();
                (here, dump)
            })
            .unwrap();
        let (here, dump) = text;
        let expected = [
            format!("task 0 is running, {}", place(main_line)),
            format!("task 1 \"night watchman\" waits for a sleep, {}", place(here + 1)),
            format!("task 2 waits, {}", place(here + 3)),
            format!("task 3 waits for a task, {}", place(here + 4)),
            format!("task 4 waits for a sleep, {}", place(here + 5)),
            format!("task 5 is ready, {}", place(here + 12)),
            format!("task 6 waits for a \"sign\", {}", place(here + 7)),
        ];
        assert_eq!(dump.len(), expected.len(), "{dump:#?}");
        for (line, expected) in dump.iter().zip(&expected) {
            assert!(line.starts_with(expected.as_str()), "{line}\n  is not\n{expected}");
        }
    });
}

/// Names, reasons and polls follow the task, not the slot.
#[cfg(feature = "trace")]
#[test]
fn traces_follow_the_task() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let old = create_task(yield_now());
                old.set_name("old");
                let id = old.id();
                old.await.unwrap();
                let new = create_task(async {
                    sleep_ms(1).await;
                    yield_now().await;
                    sleep_ms(2).await;
                });
                assert_eq!(new.id(), id, "the test is about a slot that is used again");
                let info = || get_event_loop().tasks().into_iter().find(|info| Some(info.id()) == id).unwrap();
                assert_eq!((info().name(), info().polls(), info().waiting_for()), (None, Some(0), None));
                new.set_name("new");
                yield_now().await;
                assert_eq!((info().name(), info().polls(), info().waiting_for()), (Some("new"), Some(1), Some("a sleep")));
                sleep_ms(2).await;
                // Woken by the timer, by itself, and asleep again.
                assert_eq!((info().polls(), info().waiting_for()), (Some(3), Some("a sleep")));
                assert_eq!(info().location().unwrap().file(), file!());
                new.await.unwrap();
            })
            .unwrap();
    });
}

/// A reason is for the time until the next poll; a task that is ready or running shows none.
#[cfg(feature = "trace")]
#[test]
fn reasons_end_with_the_wait() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                let signal = Signal::new();
                let waiting = signal.clone();
                let task = create_task(async move {
                    let mut told = false;
                    let mut wait = Box::pin(waiting.wait());
                    poll_fn(|cx| {
                        if !told {
                            told = true;
                            uasyncio_core::trace::waiting("the first poll");
                        }
                        wait.as_mut().poll(cx)
                    })
                    .await;
                });
                yield_now().await;
                let reason =
                    || get_event_loop().tasks().into_iter().find(|info| Some(info.id()) == task.id()).unwrap().waiting_for();
                assert_eq!(reason(), Some("the first poll"));
                signal.wake();
                assert_eq!(reason(), None);
                yield_now().await;
                assert_eq!(reason(), None, "the second poll gave no reason");
                signal.open();
                sleep_ms(1).await;
                assert!(task.done());
            })
            .unwrap();
    });
}
