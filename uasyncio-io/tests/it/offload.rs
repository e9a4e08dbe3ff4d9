//! `to_thread`: bounded, lazy, cancellable, and nothing is lost. Threads tell what they do by channels; nothing sleeps.

#![cfg(unix)]

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::support::{Count, poll_once, run, until, watched};
use uasyncio_core::{EventLoop, Platform, create_task, yield_now};
use uasyncio_io::{Reactor, ThreadError, ToThread, to_thread};

const LONG: Duration = Duration::from_secs(30);

fn limits(threads: usize, queue: usize) {
    Reactor::current().unwrap().set_thread_limits(threads, queue, LONG);
}

/// A call that says when it begins and waits until it may end.
struct Gate {
    begun: Receiver<ThreadId>,
    end: Sender<()>,
}

impl Gate {
    fn call<T: Send + 'static>(value: T) -> (Gate, ToThread<T>) {
        let (begin, begun) = channel();
        let (end, may_end) = channel();
        let call = to_thread(move || {
            begin.send(thread::current().id()).unwrap();
            may_end.recv().unwrap();
            value
        });
        (Gate { begun, end }, call)
    }

    fn has_begun(&self) -> ThreadId {
        self.begun.recv_timeout(LONG).unwrap()
    }
}

#[test]
fn the_result_comes_back_to_the_loop() {
    run(async {
        limits(1, 4);
        let (here, there) = (thread::current().id(), to_thread(|| thread::current().id()).await.unwrap());
        assert_ne!(here, there);
        assert_eq!(thread::current().id(), here);
        // The thread is kept for the next call.
        assert_eq!(to_thread(|| thread::current().id()).await.unwrap(), there);
    });
}

#[test]
fn the_loop_goes_on_meanwhile() {
    run(async {
        let (gate, call) = Gate::call(7);
        let task = create_task(call);
        yield_now().await;
        gate.has_begun();
        let other = create_task(async { 3 });
        assert_eq!(other.await.unwrap(), 3);
        assert!(!task.done());
        gate.end.send(()).unwrap();
        assert_eq!(task.await.unwrap().unwrap(), 7);
    });
}

#[test]
fn a_panic_comes_back_as_an_error_and_the_thread_goes_on() {
    run(async {
        limits(1, 4);
        let before = to_thread(|| thread::current().id()).await.unwrap();
        let error = to_thread(|| -> u8 { panic!("no {}", "answer") }).await.unwrap_err();
        match error {
            ThreadError::Panicked(panic) => assert_eq!(panic.message(), Some("no answer")),
            other => panic!("{other:?}"),
        }
        assert_eq!(to_thread(|| thread::current().id()).await.unwrap(), before);
    });
}

/// Four threads, four calls at once; the fifth waits in the queue.
#[test]
fn threads_are_bounded() {
    run(async {
        let mut gates = Vec::new();
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (gate, call) = Gate::call(number);
            gates.push(gate);
            tasks.push(create_task(call));
        }
        yield_now().await;
        let mut threads: Vec<ThreadId> = gates[..4].iter().map(Gate::has_begun).collect();
        threads.sort_by_key(|id| format!("{id:?}"));
        threads.dedup();
        assert_eq!(threads.len(), 4);
        for gate in &gates[4..] {
            assert!(gate.begun.try_recv().is_err());
        }
        gates[2].end.send(()).unwrap();
        assert!(threads.contains(&gates[4].has_begun()), "the queue is served in order, by the same threads");
        for gate in [&gates[0], &gates[1], &gates[3], &gates[4], &gates[5]] {
            gate.end.send(()).unwrap();
        }
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap().unwrap(), number);
        }
    });
}

/// One thread, one place in the queue, many calls: none is lost, and none overtakes another.
#[test]
fn a_full_queue_makes_calls_wait_in_order() {
    run(async {
        limits(1, 1);
        let (gate, first) = Gate::call(());
        let first = create_task(first);
        yield_now().await;
        gate.has_begun();
        let log = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let log = log.clone();
                create_task(to_thread(move || log.lock().unwrap().push(number)))
            })
            .collect();
        yield_now().await;
        assert!(Reactor::current().unwrap().pending_io());
        gate.end.send(()).unwrap();
        first.await.unwrap().unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(*log.lock().unwrap(), (0..20).collect::<Vec<_>>());
    });
}

/// Calls whose futures are dropped before they begin: the function is dropped at once, unrun.
#[test]
fn cancelled_before_it_begins_it_never_runs() {
    run(async {
        limits(1, 1);
        let (gate, first) = Gate::call(());
        let first = create_task(first);
        yield_now().await;
        gate.has_begun();
        let owned = Arc::new(());
        let call = || {
            let held = owned.clone();
            create_task(to_thread(move || panic!("called though it was cancelled, {held:?}")))
        };
        // One in the queue, two in line for a place, and one never polled.
        let (queued, in_line, never) = (
            call(),
            [call(), call()],
            to_thread({
                let held = owned.clone();
                move || drop(held)
            }),
        );
        let last = create_task(to_thread(|| 5));
        yield_now().await;
        drop(never);
        assert!(queued.cancel() && in_line[0].cancel() && in_line[1].cancel());
        yield_now().await;
        assert_eq!(Arc::strong_count(&owned), 1, "the functions are dropped");
        gate.end.send(()).unwrap();
        assert_eq!(last.await.unwrap().unwrap(), 5);
        first.await.unwrap().unwrap();
    });
}

/// A place that is offered to a call which is dropped before it takes it goes to the next in line.
#[test]
fn an_offer_to_a_dropped_call_is_passed_on() {
    run(async {
        limits(1, 1);
        let (first_gate, first) = Gate::call(());
        let (second_gate, second) = Gate::call(());
        let first = create_task(first);
        yield_now().await;
        first_gate.has_begun();
        let second = create_task(second);
        yield_now().await;
        // `second` is in the queue. Two in line, polled by hand.
        let (offered_count, offered_waker) = Count::new();
        let (next_count, next_waker) = Count::new();
        let mut offered = to_thread(|| 1);
        let mut next = to_thread(|| 2);
        assert!(poll_once(&mut offered, &offered_waker).is_pending());
        assert!(poll_once(&mut next, &next_waker).is_pending());
        first_gate.end.send(()).unwrap();
        second_gate.has_begun();
        assert_eq!((offered_count.get(), next_count.get()), (1, 0), "the place is offered to the first in line");
        drop(offered);
        assert_eq!(next_count.get(), 1, "and then to the next");
        assert!(poll_once(&mut next, &next_waker).is_pending());
        second_gate.end.send(()).unwrap();
        assert_eq!(next.await.unwrap(), 2);
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    });
}

/// A call that has begun runs to its end; its result is dropped.
#[test]
fn cancelled_while_it_runs_its_result_is_dropped() {
    run(async {
        let (dropped, seen) = channel();
        struct Value(Sender<ThreadId>);
        impl Drop for Value {
            fn drop(&mut self) {
                self.0.send(thread::current().id()).unwrap();
            }
        }
        let (gate, call) = Gate::call(Value(dropped));
        let task = create_task(call);
        yield_now().await;
        let its_thread = gate.has_begun();
        assert!(task.cancel());
        until(|| task.done()).await;
        gate.end.send(()).unwrap();
        assert_eq!(seen.recv_timeout(LONG).unwrap(), its_thread);
    });
}

/// A destructor of a result that panics on the thread does not end the thread.
#[test]
fn a_result_whose_destructor_panics_costs_no_thread() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("a bad destructor");
        }
    }
    run(async {
        limits(1, 4);
        let (gate, call) = Gate::call(Bad);
        let task = create_task(call);
        yield_now().await;
        let its_thread = gate.has_begun();
        assert!(task.cancel());
        until(|| task.done()).await;
        gate.end.send(()).unwrap();
        assert_eq!(to_thread(|| thread::current().id()).await.unwrap(), its_thread);
    });
}

/// Says when its thread ends.
struct Farewell(Sender<()>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

thread_local!(static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) });

#[test]
fn threads_end_when_they_are_idle() {
    run(async {
        Reactor::current().unwrap().set_thread_limits(4, 4, Duration::from_millis(1));
        let (sender, ended) = channel();
        for _ in 0..2 {
            let sender = sender.clone();
            to_thread(move || FAREWELL.set(Some(Farewell(sender)))).await.unwrap();
            ended.recv_timeout(LONG).unwrap();
        }
    });
}

#[test]
fn threads_end_with_the_loop() {
    let (sender, ended) = channel();
    run(async {
        limits(4, 4);
        to_thread(move || FAREWELL.set(Some(Farewell(sender)))).await.unwrap();
    });
    ended.recv_timeout(LONG).unwrap();
}

/// Dropping the loop with a call running and others waiting: the running one ends alone, the others are dropped.
#[test]
fn dropping_the_loop_drops_what_has_not_begun() {
    let event_loop = EventLoop::with_platform(Reactor::new().unwrap());
    let owned = Arc::new(());
    let (gate, tasks) = event_loop
        .run_until_complete(watched(async {
            limits(1, 1);
            let (gate, call) = Gate::call(());
            let mut tasks = vec![create_task(call)];
            yield_now().await;
            gate.has_begun();
            for _ in 0..3 {
                let held = owned.clone();
                tasks.push(create_task(to_thread(move || drop(held))));
            }
            yield_now().await;
            (gate, tasks)
        }))
        .unwrap();
    assert_eq!(Arc::strong_count(&owned), 4);
    drop(event_loop);
    assert_eq!(Arc::strong_count(&owned), 1);
    drop(tasks);
    gate.end.send(()).unwrap();
}

/// A call that outlives its loop is refused, not forgotten.
#[test]
fn a_call_whose_loop_is_gone_is_refused() {
    let (gate, mut queued, mut in_line) = run(async {
        limits(1, 1);
        let (gate, call) = Gate::call(());
        drop(create_task(call));
        yield_now().await;
        gate.has_begun();
        let (_, waker) = Count::new();
        let (mut queued, mut in_line) = (to_thread(|| 1), to_thread(|| 2));
        assert!(poll_once(&mut queued, &waker).is_pending());
        assert!(poll_once(&mut in_line, &waker).is_pending());
        (gate, queued, in_line)
    });
    let (_, waker) = Count::new();
    for call in [&mut queued, &mut in_line] {
        assert!(matches!(poll_once(call, &waker), Poll::Ready(Err(ThreadError::Refused(_)))));
    }
    gate.end.send(()).unwrap();
}

#[test]
fn without_a_reactor_it_is_refused() {
    let result = uasyncio_core::run(to_thread(|| 1));
    match result {
        Err(ThreadError::Refused(error)) => {
            assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("uasyncio_io::run"));
        }
        other => panic!("{other:?}"),
    }
    // For functions of `io`, it is that error.
    let error = std::io::Error::from(uasyncio_core::run(to_thread(|| 1)).unwrap_err());
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}

#[test]
fn polling_it_after_its_end_is_a_clear_panic() {
    run(async {
        let mut call = to_thread(|| 1);
        let result = std::future::poll_fn(|cx| std::pin::Pin::new(&mut call).poll(cx)).await;
        assert_eq!(result.unwrap(), 1);
        let (_, waker) = Count::new();
        let again = panic::catch_unwind(AssertUnwindSafe(|| poll_once(&mut call, &waker)));
        assert!(again.is_err());
    });
}

/// A stress of everything at once: calls that are cancelled at any moment never block the others.
#[test]
fn calls_come_and_go() {
    run(async {
        limits(3, 2);
        let owned = Arc::new(());
        let kept = Rc::new(RefCell::new(0));
        for round in 0..200_u32 {
            let tasks: Vec<_> = (0..8_u32)
                .map(|number| {
                    let held = owned.clone();
                    create_task(to_thread(move || {
                        drop(held);
                        number
                    }))
                })
                .collect();
            for _ in 0..round % 4 {
                yield_now().await;
            }
            for (number, task) in tasks.into_iter().enumerate() {
                if (number as u32 + round) % 3 == 0 {
                    task.cancel();
                } else {
                    assert_eq!(task.await.unwrap().unwrap(), number as u32);
                    *kept.borrow_mut() += 1;
                }
            }
        }
        assert!(*kept.borrow() > 1_000);
        while Arc::strong_count(&owned) > 1 {
            to_thread(|| ()).await.unwrap();
        }
    });
}
