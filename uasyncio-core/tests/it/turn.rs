//! A loop that is driven from outside by `turn`: what it says about its next turn, and when it notifies its host (decision 3).

#![cfg(feature = "std")]

use std::thread;
use std::time::Duration;

use crate::common::{Recorder, STARTS, Signal, Trace, Watchdog};
use uasyncio_core::{Attention, EventLoop, RunError, call_later_ms, call_soon, create_task, sleep_ms, spawn, yield_now};

/// A loop on a recording platform that has been turned until it was idle.
fn idle(scenario: impl Fn(&EventLoop<Recorder>, &Trace)) {
    for start in STARTS {
        let trace = Trace::new(start);
        let event_loop = EventLoop::with_platform(Recorder::new(&trace));
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        assert_eq!(event_loop.platform().notices(), 0);
        trace.take();
        scenario(&event_loop, &trace);
    }
}

/// Follows the loop's advice, as an exact host, until a timer is due: how long that took. The loop may want to be turned a few
/// times on the way, to sort its timers.
fn until_due(event_loop: &EventLoop<Recorder>) -> u32 {
    let mut waited = 0;
    for _ in 0..8 {
        match event_loop.turn().unwrap() {
            Attention::Now => return waited,
            Attention::Within(millis) => {
                waited += millis;
                event_loop.platform().advance(millis);
            }
            attention => panic!("{attention:?} with a timer"),
        }
    }
    panic!("turned again and again in {waited} ms");
}

#[test]
fn attention() {
    idle(|event_loop, _| {
        let signal = Signal::new();
        let waiting = signal.clone();
        event_loop.spawn(async move { waiting.wait().await });
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        for millis in [100, 40, 70] {
            event_loop.spawn(sleep_ms(millis));
        }
        assert_eq!(until_due(event_loop), 40);
        assert_eq!(event_loop.tasks().len(), 4, "due, not polled yet");
        assert_eq!(until_due(event_loop), 30);
        signal.open();
        assert_eq!(until_due(event_loop), 30);
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        assert!(event_loop.tasks().is_empty());
    });
}

/// A turn is one pass: more than 61 polls are left for the next one.
#[test]
fn a_turn_is_one_pass() {
    idle(|event_loop, trace| {
        let tasks: Vec<_> = (0..100).map(|_| event_loop.create_task(async {})).collect();
        let done = || tasks.iter().filter(|task| task.done()).count();
        assert_eq!(event_loop.turn().unwrap(), Attention::Now);
        assert_eq!(done(), 61);
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        assert_eq!(done(), 100);
        trace.expect(&["0 wait 0", "0 wait 0"]);
    });
}

/// A turn never waits, and what I/O has made ready during its look counts for what it says.
#[test]
fn a_turn_never_waits() {
    idle(|event_loop, trace| {
        let signal = Signal::new();
        let waiting = signal.clone();
        event_loop.spawn(async move { waiting.wait().await });
        event_loop.spawn(sleep_ms(50));
        event_loop.platform().during_wait(move |_| signal.open());
        assert_eq!(event_loop.turn().unwrap(), Attention::Now);
        assert_eq!(event_loop.turn().unwrap(), Attention::Within(50));
        trace.expect(&["0 wait 0", "0 wait 0"]);
    });
}

/// Decision 3: the first thing that the loop must be turned for notifies, once; what follows does not, until the next turn.
#[test]
fn the_first_event_outside_a_turn_notifies_once() {
    idle(|event_loop, _| {
        let notices = || event_loop.platform().notices();
        let signal = Signal::new();
        let waiting = signal.clone();
        event_loop.spawn(async move { waiting.wait().await });
        assert_eq!(notices(), 1);
        let mut expected = 1;
        let kept = **event_loop;
        type Event<'a> = Box<dyn Fn() + 'a>;
        let events: [(&str, Event<'_>); 8] = [
            ("wake", Box::new(|| signal.wake())),
            ("create_task", Box::new(|| drop(event_loop.create_task(async {})))),
            ("spawn", Box::new(|| event_loop.spawn(async {}))),
            ("call_soon", Box::new(|| event_loop.call_soon(|| ()))),
            ("call_soon on a kept handle", Box::new(|| kept.call_soon(|| ()))),
            ("call_later", Box::new(|| event_loop.call_later(Duration::from_millis(1), || ()))),
            ("call_at", Box::new(|| event_loop.call_at_(event_loop.time(), || ()))),
            ("cancel", {
                let task = event_loop.create_task(std::future::pending::<()>());
                Box::new(move || {
                    task.cancel();
                })
            }),
        ];
        for (name, event) in &events {
            while event_loop.turn().unwrap() == Attention::Now {}
            assert_eq!(notices(), expected, "a turn notifies nobody");
            event();
            expected += 1;
            assert_eq!(notices(), expected, "{name}");
            for (other, event) in &events[..7] {
                event();
                assert_eq!(notices(), expected, "{other} after {name}");
            }
        }
    });
}

/// The same from another thread.
#[test]
fn the_first_wake_from_another_thread_notifies_once() {
    let _watchdog = Watchdog::new("the_first_wake_from_another_thread_notifies_once");
    idle(|event_loop, _| {
        let signals = [Signal::new(), Signal::new(), Signal::new()];
        for signal in &signals {
            let signal = signal.clone();
            event_loop.spawn(async move { signal.wait().await });
        }
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
        for round in 1..=3 {
            let before = event_loop.platform().notices();
            let wakers = [signals[0].waker(), signals[1].waker()];
            thread::spawn(move || {
                for _ in 0..5 {
                    wakers.iter().for_each(std::task::Waker::wake_by_ref);
                }
            })
            .join()
            .unwrap();
            signals[2].wake(); // and here
            assert_eq!(event_loop.platform().notices(), before + 1, "round {round}");
            assert_eq!(event_loop.turn().unwrap(), Attention::Now, "wakes from elsewhere come in behind the polls");
            assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
            assert!(signals.iter().all(|signal| signal.polls() == round + 1));
        }
    });
}

/// Inside a turn nothing notifies, from whichever task, nor does a loop that has said `Now`: it is turned anyway.
#[test]
fn no_notice_while_awake() {
    idle(|event_loop, _| {
        let before = event_loop.platform().notices();
        event_loop.spawn(async {
            spawn(async {});
            call_soon(|| ());
            call_later_ms(0, || ());
            call_later_ms(3, || ());
            let task = create_task(sleep_ms(60_000));
            task.cancel();
            for _ in 0..100 {
                yield_now().await;
            }
        });
        assert_eq!(event_loop.turn().unwrap(), Attention::Now);
        event_loop.spawn(async {});
        event_loop.call_later_ms(1, || ());
        assert_eq!(event_loop.platform().notices(), before + 1, "only the spawn before the first turn");
        while event_loop.turn().unwrap() == Attention::Now {}
        assert_eq!(event_loop.platform().notices(), before + 1);
    });
}

/// A timer set from outside that is earlier than what the last turn said is part of the next answer.
#[test]
fn an_earlier_timer_from_outside() {
    idle(|event_loop, _| {
        event_loop.call_later_ms(100, || ());
        assert_eq!(event_loop.turn().unwrap(), Attention::Within(100));
        let before = event_loop.platform().notices();
        event_loop.call_later_ms(30, || ());
        assert_eq!(event_loop.platform().notices(), before + 1);
        assert_eq!(until_due(event_loop), 30);
        assert_eq!(until_due(event_loop), 70);
    });
}

/// A wake of a task of one loop inside the turn of another notifies that one.
#[test]
fn a_wake_from_inside_another_loop_notifies() {
    idle(|guest, _| {
        let signal = Signal::new();
        let waiting = signal.clone();
        guest.spawn(async move { waiting.wait().await });
        assert_eq!(guest.turn().unwrap(), Attention::Idle);
        let before = guest.platform().notices();
        uasyncio_core::run(async {
            signal.open();
            signal.wake();
            yield_now().await;
        });
        assert_eq!(guest.platform().notices(), before + 1);
        assert_eq!(guest.turn().unwrap(), Attention::Idle);
        assert!(guest.tasks().is_empty());
    });
}

/// `run` and `turn` of the same loop may be mixed; a task that a run leaves behind is there for the turns.
#[test]
fn turns_after_a_run() {
    idle(|event_loop, trace| {
        let log = trace.clone();
        event_loop.spawn(async move {
            sleep_ms(10).await;
            log.log("task");
        });
        event_loop.run_until_complete(sleep_ms(4)).unwrap();
        assert_eq!(event_loop.turn().unwrap(), Attention::Within(6));
        event_loop.platform().advance(6);
        while event_loop.turn().unwrap() == Attention::Now {}
        assert!(trace.take().contains(&String::from("10 task")));
        event_loop.stop();
        assert!(matches!(event_loop.turn(), Err(RunError::Stopped)));
        assert_eq!(event_loop.turn().unwrap(), Attention::Idle);
    });
}

/// A host with nothing but a thread's park: the notices are enough to never lose a wake (T-14).
#[test]
fn a_host_that_parks() {
    let _watchdog = Watchdog::new("a_host_that_parks");
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    let event_loop = EventLoop::new();
    let (send, receive) = std::sync::mpsc::channel::<std::task::Waker>();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let (shared, seen) = (count.clone(), count.clone());
    let waking = thread::spawn(move || {
        for waker in receive {
            shared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            waker.wake();
        }
    });
    let task = event_loop.create_task(async move {
        for round in 1..=rounds {
            let mut sent = false;
            std::future::poll_fn(|cx| {
                if seen.load(std::sync::atomic::Ordering::Relaxed) == round {
                    return std::task::Poll::Ready(());
                }
                if !sent {
                    sent = true;
                    send.send(cx.waker().clone()).unwrap();
                }
                std::task::Poll::Pending
            })
            .await;
        }
    });
    while !task.done() {
        match event_loop.turn().unwrap() {
            Attention::Now => {}
            Attention::Within(millis) => thread::park_timeout(Duration::from_millis(millis.into())),
            Attention::Idle if task.done() => {}
            Attention::Idle => thread::park(),
        }
    }
    waking.join().unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), rounds);
}
