//! Nothing can go on: who is told, and who waits instead (trap 31, decision 21).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::future::pending;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::common::{Signal, Watchdog, at_both_starts, with_loops_at_both_starts};
use uasyncio_core::{
    Deadlock, EventLoop, Platform, RunError, TaskState, Ticks, VirtualTime, call_later_ms, create_task, get_event_loop, sleep_ms,
    spawn, yield_now,
};

fn deadlock<T>(end: Result<T, RunError>) -> Deadlock {
    match end {
        Err(RunError::Deadlock(deadlock)) => deadlock,
        Err(error) => panic!("not a deadlock but: {error}"),
        Ok(_) => panic!("not a deadlock"),
    }
}

#[test]
fn a_deadlock_names_all_tasks() {
    at_both_starts(|event_loop, trace| {
        let log = trace.clone();
        let end = event_loop.run_until_complete(async move {
            spawn(pending());
            let task = create_task(async {
                sleep_ms(5).await;
                pending::<()>().await;
            });
            task.set_name("sleeper");
            log.log("main waits");
            let _owned = log.on_drop("main dropped");
            task.await.unwrap();
        });
        trace.expect(&["0 main waits", "5 main dropped"]);
        let deadlock = deadlock(end);
        assert_eq!(deadlock.tasks().len(), 3);
        assert!(deadlock.tasks().iter().all(|task| task.state() == TaskState::Waiting));
        let report = deadlock.to_string();
        assert!(report.starts_with("deadlock: nothing can wake any of 3 tasks\n  task "), "{report}");
        if cfg!(feature = "trace") {
            assert!(report.contains("\"sleeper\"") && report.contains("waits for a task"), "{report}");
        } else {
            assert!(report.contains("feature `trace`"), "{report}");
        }
        // The other tasks are still there, and the loop is usable.
        assert_eq!(event_loop.tasks().len(), 2);
        assert_eq!(event_loop.run_until_complete(async { 5 }).unwrap(), 5);
    });
}

/// A timer, a ready task, or a `sleep` for ever beside a timer is no deadlock; a sleep for ever alone is one.
#[test]
fn what_is_no_deadlock() {
    at_both_starts(|event_loop, _| {
        event_loop
            .run_until_complete(async {
                spawn(uasyncio_core::sleep(Duration::MAX));
                yield_now().await;
                sleep_ms(1_000_000_000).await;
                let signal = Signal::new();
                let opener = signal.clone();
                call_later_ms(u32::MAX, move || opener.open());
                signal.wait().await;
            })
            .unwrap();
        let end = event_loop.run_until_complete(uasyncio_core::sleep(Duration::MAX));
        assert_eq!(deadlock(end).tasks().len(), 2);
        assert_eq!(deadlock(event_loop.run_forever()).tasks().len(), 1);
    });
}

/// The task that serves other threads' requests does not count: it waits for nothing in particular.
#[test]
fn an_unused_remote_is_no_reason_to_wait() {
    at_both_starts(|event_loop, _| {
        let remote = event_loop.remote();
        assert!(deadlock(event_loop.run_until_complete(pending::<()>())).tasks().len() == 1);
        assert!(deadlock(event_loop.run_forever()).tasks().is_empty());
        remote.call_soon_threadsafe(|| get_event_loop().stop()).unwrap();
        event_loop.run_forever().unwrap();
    });
}

/// On a platform that threads can wake, the program says that none will.
#[test]
fn set_closed_world() {
    let event_loop = EventLoop::new();
    event_loop.set_closed_world(true);
    assert_eq!(deadlock(event_loop.run_until_complete(pending::<()>())).tasks().len(), 1);
    event_loop.run_until_complete(sleep_ms(1)).unwrap();

    // Open again, the loop waits for a thread.
    let _watchdog = Watchdog::new("set_closed_world");
    event_loop.set_closed_world(false);
    let remote = event_loop.remote();
    let thread = thread::spawn(move || remote.call_soon_threadsafe(|| get_event_loop().stop()).unwrap());
    event_loop.run_forever().unwrap();
    thread.join().unwrap();
}

/// I/O that a platform waits for is a reason to wait, also in a closed world.
#[test]
fn pending_io_is_no_deadlock() {
    struct OneEvent(VirtualTime, std::cell::RefCell<Option<std::rc::Rc<Signal>>>);
    impl Platform for OneEvent {
        fn now(&self) -> Ticks {
            self.0.now()
        }
        fn wait(&self, timeout: Option<u32>) {
            if timeout.is_none() {
                if let Some(signal) = self.1.take() {
                    signal.open();
                }
            }
        }
        fn notifier(&self) -> std::task::Waker {
            self.0.notifier()
        }
        fn pending_io(&self) -> bool {
            self.1.borrow().is_some()
        }
        fn closed_world(&self) -> bool {
            true
        }
    }
    let signal = std::rc::Rc::new(Signal::new());
    let event_loop = EventLoop::with_platform(OneEvent(VirtualTime::new(), Some(signal.clone()).into()));
    event_loop.run_until_complete(async { signal.wait().await }).unwrap();
    assert_eq!(deadlock(event_loop.run_until_complete(pending::<()>())).tasks().len(), 1);
}

/// A turn never judges: its host may know more.
#[test]
fn a_turn_reports_no_deadlock() {
    with_loops_at_both_starts(|event_loop, _| {
        event_loop.spawn(pending());
        assert_eq!(event_loop.turn().unwrap(), uasyncio_core::Attention::Idle);
    });
}

/// Decision 21: while a hold lives, the clock stands still and the loop waits for the thread that has it.
#[test]
fn a_hold_stops_jumps_and_deadlocks() {
    let _watchdog = Watchdog::new("a_hold_stops_jumps_and_deadlocks");
    with_loops_at_both_starts(|event_loop, trace| {
        let hold = event_loop.platform().hold();
        let (go, gone) = mpsc::channel::<()>();
        let signal = Signal::new();
        event_loop
            .run_until_complete(async {
                let waiting = signal.clone();
                let task = create_task(async move { waiting.wait().await });
                let log = trace.clone();
                spawn(async move {
                    sleep_ms(100).await;
                    log.log("the clock goes on");
                });
                yield_now().await;
                let waker = signal.waker();
                signal.open_without_wake();
                let thread = thread::spawn(move || {
                    gone.recv().unwrap();
                    waker.wake();
                    drop(hold);
                });
                go.send(()).unwrap();
                task.await.unwrap();
                trace.log("woken from the thread");
                thread.join().unwrap();
                sleep_ms(200).await;
            })
            .unwrap();
        trace.expect(&["0 woken from the thread", "100 the clock goes on"]);
        // With the hold gone, the world is closed again.
        assert_eq!(deadlock(event_loop.run_until_complete(pending::<()>())).tasks().len(), 1);
    });
}

/// Two holds: the last one frees the clock. A hold that is dropped without a wake ends the waiting.
#[test]
fn holds_are_counted() {
    let _watchdog = Watchdog::new("holds_are_counted");
    with_loops_at_both_starts(|event_loop, trace| {
        let (first, second) = (event_loop.platform().hold(), event_loop.platform().hold());
        let log = trace.clone();
        event_loop.spawn(async move {
            sleep_ms(5).await;
            log.log("slept");
        });
        drop(first);
        let thread = thread::spawn(move || drop(second));
        event_loop.run_until_complete(sleep_ms(10)).unwrap();
        thread.join().unwrap();
        trace.expect(&["5 slept"]);
        assert_eq!(event_loop.platform().jumps(), 2);
    });
}

/// `run` panics with the report where `try_run` gives it.
#[test]
fn the_report_is_a_panic_of_run() {
    let error = EventLoop::with_platform(VirtualTime::new()).run_until_complete(pending::<()>()).unwrap_err();
    assert!(error.to_string().contains("deadlock"));
    assert!(format!("{error:?}").contains("Deadlock"));
    let boxed: Box<dyn std::error::Error> = Box::new(error);
    assert!(boxed.source().is_none());
}
