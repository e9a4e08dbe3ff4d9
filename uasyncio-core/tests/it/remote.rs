//! Work from other threads: `call_soon_threadsafe`, and tasks made there of futures that are not `Send` (trap 32, N24).

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use crate::common::{CountingWaker, Watchdog, collect_failures, poll_once, with_loops_at_both_starts};
use uasyncio_core::{
    EventLoop, Remote, RemoteTask, TaskError, VirtualTime, create_task, current_task, get_event_loop, run, sleep_ms, yield_now,
};

/// Runs `outside` on another thread while the loop runs, until that is done and `remote` has been dropped.
fn with_a_thread<T: Send + 'static>(
    event_loop: &EventLoop<VirtualTime>,
    outside: impl FnOnce(Remote) -> T + Send + 'static,
) -> T {
    let _watchdog = Watchdog::new("a thread beside the loop");
    let (remote, hold) = (event_loop.remote(), event_loop.platform().hold());
    let thread = thread::spawn(move || {
        let result = outside(remote.clone());
        remote.call_soon_threadsafe(|| get_event_loop().stop()).unwrap();
        drop(hold);
        result
    });
    event_loop.run_forever().unwrap();
    thread.join().unwrap()
}

/// In the order of the calls, on the loop's thread, inside the loop, and `run`'s end waits for none of it.
#[test]
fn call_soon_threadsafe_keeps_the_order() {
    with_loops_at_both_starts(|event_loop, _| {
        let calls = if cfg!(miri) { 70 } else { 1_000 };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let out = seen.clone();
        let here = thread::current().id();
        with_a_thread(&event_loop, move |remote| {
            for n in 0..calls {
                let out = out.clone();
                let call = move || {
                    assert_eq!(thread::current().id(), here);
                    assert!(current_task().is_some());
                    out.lock().unwrap().push(n);
                };
                remote.call_soon_threadsafe(call).unwrap();
            }
        });
        assert_eq!(*seen.lock().unwrap(), Vec::from_iter(0..calls));
    });
}

/// Calls from the loop's own thread, before the run and during it, are queued like those of others.
#[test]
fn call_soon_threadsafe_from_the_own_thread() {
    with_loops_at_both_starts(|event_loop, trace| {
        let remote = event_loop.remote();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let push = |line: &'static str| {
            let lines = lines.clone();
            move || lines.lock().unwrap().push(line)
        };
        remote.call_soon_threadsafe(push("before the run")).unwrap();
        event_loop
            .run_until_complete(async {
                let again = remote.clone();
                let nested = push("made by a call");
                let call = push("during the run");
                remote
                    .call_soon_threadsafe(move || {
                        call();
                        again.call_soon_threadsafe(nested).unwrap();
                    })
                    .unwrap();
                sleep_ms(1).await;
                trace.log("main");
            })
            .unwrap();
        assert_eq!(*lines.lock().unwrap(), ["before the run", "during the run", "made by a call"]);
        trace.expect(&["1 main"]);
    });
}

/// The future is made on the loop's thread and need not be `Send`; its output comes back to any executor.
#[test]
fn spawn_of_futures_that_are_not_send() {
    with_loops_at_both_starts(|event_loop, _| {
        let sum = with_a_thread(&event_loop, |remote| {
            let tasks: Vec<RemoteTask<u32>> = (0..5)
                .map(|n| {
                    remote.spawn(move || {
                        let local = Rc::new(Cell::new(n));
                        async move {
                            yield_now().await;
                            create_task(yield_now()).await.unwrap();
                            local.set(local.get() * 2);
                            local.get()
                        }
                    })
                })
                .collect();
            // Awaited in a loop of this thread's own.
            run(async {
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                sum
            })
        });
        assert_eq!(sum, 20);
    });
}

/// A request to a loop that is closed is refused, and what was to be done comes back; so do requests that were still waiting.
#[test]
fn a_closed_loop_gives_back() {
    with_loops_at_both_starts(|event_loop, _| {
        let remote = event_loop.remote();
        let owned = Arc::new(());
        let inside = owned.clone();
        remote.call_soon_threadsafe(move || drop(inside)).unwrap();
        let inside = owned.clone();
        let mut waiting = remote.spawn(move || async move { drop(inside) });
        drop(event_loop);
        assert_eq!(Arc::strong_count(&owned), 1, "what waited has been dropped");

        let inside = owned.clone();
        let refused = remote.call_soon_threadsafe(move || drop(inside)).unwrap_err();
        assert_eq!(refused.to_string(), "the event loop is closed");
        assert_eq!(Arc::strong_count(&owned), 2);
        (refused.0)();
        assert_eq!(Arc::strong_count(&owned), 1);

        let mut refused = remote.spawn(|| async { unreachable!("the loop is closed") });
        let (counting, waker) = CountingWaker::new();
        for task in [&mut waiting, &mut refused] {
            assert!(task.done() && !task.cancel());
            assert!(matches!(poll_once(task, &waker), std::task::Poll::Ready(Err(TaskError::Cancelled))));
        }
        assert_eq!(counting.wakes(), 0);
        assert!(format!("{remote:?}").contains("closed: true"));
    });
}

/// Tasks that a closing loop drops say so to whoever awaits them elsewhere.
#[test]
fn a_closing_loop_cancels_remote_tasks() {
    let _watchdog = Watchdog::new("a_closing_loop_cancels_remote_tasks");
    with_loops_at_both_starts(|event_loop, _| {
        let remote = event_loop.remote();
        let (started, wait_started) = mpsc::channel();
        let waiting = thread::spawn(move || {
            let task = remote.spawn(move || async move {
                started.send(()).unwrap();
                pending::<()>().await;
            });
            run(task)
        });
        while wait_started.try_recv().is_err() {
            event_loop.turn().unwrap();
            thread::yield_now();
        }
        drop(event_loop);
        assert!(matches!(waiting.join().unwrap(), Err(TaskError::Cancelled)));
    });
}

/// T-26: cancelled from another thread, a task is dropped on its own.
#[test]
fn remote_cancel_drops_on_the_loops_thread() {
    struct Here(ThreadId, Arc<Mutex<u32>>);
    impl Drop for Here {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0);
            *self.1.lock().unwrap() += 1;
        }
    }
    with_loops_at_both_starts(|event_loop, _| {
        let drops = Arc::new(Mutex::new(0));
        let count = drops.clone();
        with_a_thread(&event_loop, move |remote| {
            let (started, wait_started) = mpsc::channel();
            let in_task = count.clone();
            let task = remote.spawn(move || {
                let owned = Here(thread::current().id(), in_task);
                async move {
                    let _owned = owned;
                    started.send(()).unwrap();
                    pending::<()>().await;
                }
            });
            wait_started.recv().unwrap();
            assert!(!task.done());
            assert!(task.cancel());
            assert!(matches!(run(task), Err(TaskError::Cancelled)));
            assert_eq!(*count.lock().unwrap(), 1);

            let done = remote.spawn(|| async { 5 });
            let mut done = Box::pin(done);
            assert_eq!(run(done.as_mut()).unwrap(), 5);
            assert!(done.done() && !done.cancel());
        });
        assert_eq!(*drops.lock().unwrap(), 1);
    });
}

/// Trap 3: cancelled before the loop has got round to it, the task never runs.
#[test]
fn remote_cancel_before_the_first_poll() {
    with_loops_at_both_starts(|event_loop, _| {
        let remote = event_loop.remote();
        let mut task = remote.spawn(|| async { unreachable!("it was cancelled before its first poll") });
        assert!(task.cancel());
        assert!(!task.done());
        let failures = collect_failures(&event_loop);
        let end = event_loop.run_until_complete(&mut task);
        assert!(matches!(end.unwrap(), Err(TaskError::Cancelled)));
        event_loop.run_until_complete(sleep_ms(1)).unwrap();
        assert!(failures.take().is_empty());
    });
}

/// Panics: of a call to the exception handler, of a task to who awaits it.
#[test]
fn remote_panics() {
    with_loops_at_both_starts(|event_loop, _| {
        let failures = collect_failures(&event_loop);
        with_a_thread(&event_loop, |remote| {
            remote.call_soon_threadsafe(|| panic!("in a call")).unwrap();
            let end = run(remote.spawn(|| async { panic!("in a task") }));
            assert_eq!(end.unwrap_err().into_panic().unwrap().message(), Some("in a task"));
            // The function that makes the future panics: there is no task.
            fn never() -> std::future::Ready<()> {
                panic!("in the making")
            }
            assert!(run(remote.spawn(never)).is_err());
        });
        let failures = failures.take();
        assert_eq!(failures.len(), 2);
        assert!(failures[0].ends_with("panic: in a call") && failures[1].ends_with("panic: in the making"), "{failures:?}");
    });
}

/// Dropping a remote task's handle lets the task run on.
#[test]
fn a_dropped_remote_task_runs_on() {
    with_loops_at_both_starts(|event_loop, _| {
        let ran = Arc::new(Mutex::new(false));
        let out = ran.clone();
        drop(event_loop.remote().spawn(move || async move {
            sleep_ms(5).await;
            *out.lock().unwrap() = true;
        }));
        event_loop.run_until_complete(sleep_ms(10)).unwrap();
        assert!(*ran.lock().unwrap());
    });
}

/// A flood of requests does not starve the loop's own tasks: 61 of them, then the others' turn.
#[test]
fn a_flood_of_requests_starves_nobody() {
    with_loops_at_both_starts(|event_loop, _| {
        let remote = event_loop.remote();
        let count = Arc::new(Mutex::new(0));
        for _ in 0..200 {
            let count = count.clone();
            remote.call_soon_threadsafe(move || *count.lock().unwrap() += 1).unwrap();
        }
        let seen = event_loop.run_until_complete(async {
            let mut seen = Vec::new();
            for _ in 0..5 {
                seen.push(*count.lock().unwrap());
                yield_now().await;
            }
            seen
        });
        assert_eq!(seen.unwrap(), [61, 122, 183, 200, 200]);
    });
}

/// One loop has one inbox, however often it is asked for; it is no task in a snapshot.
#[test]
fn the_inbox_is_no_task() {
    with_loops_at_both_starts(|event_loop, _| {
        let remotes = [event_loop.remote(), event_loop.remote()];
        assert!(event_loop.tasks().is_empty());
        assert!(format!("{:?}", remotes[0]).contains("closed: false"));
        event_loop
            .run_until_complete(async {
                let remote = get_event_loop().remote();
                remote.call_soon_threadsafe(|| assert_eq!(get_event_loop().tasks().len(), 1)).unwrap();
                sleep_ms(1).await;
                assert_eq!(get_event_loop().tasks().len(), 1);
            })
            .unwrap();
    });
}
