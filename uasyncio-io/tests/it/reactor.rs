//! The reactor as a platform: waiting, time, notification, and being driven by others.

#![cfg(unix)]

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Count, poll_once, read, run, stats, unix_pair, until_parked, watched, write_all};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uasyncio_core::{Attention, EventLoop, Platform, Ticks, create_task, get_event_loop, sleep, sleep_ms, yield_now};
use uasyncio_io::{AsyncFd, Interest, Reactor};

/// T-07: a wait is rounded up, so it is never repeated for the rest of a millisecond.
#[test]
fn short_sleeps_take_no_busy_loop() {
    run(async {
        for duration in [Duration::from_micros(1), Duration::from_micros(900), Duration::from_millis(1)] {
            for _ in 0..20 {
                let (before, begin) = (stats(), Instant::now());
                sleep(duration).await;
                assert!(begin.elapsed() >= duration, "the sleep ended early");
                let waits = stats().waits - before.waits;
                assert!(waits <= 2, "{waits} waits in a sleep of {duration:?}");
            }
        }
    });
}

/// T-07: 0 looks and returns, whatever is registered.
#[test]
fn a_timeout_of_zero_does_not_wait() {
    let reactor = Reactor::new().unwrap();
    reactor.wait(Some(0));
    assert_eq!(reactor.stats().waits, 1);
}

/// T-07: epoll counts in an `i32`. A notification that came before ends the wait, however long it is.
#[test]
fn the_longest_timeouts_are_accepted_and_a_notification_before_the_wait_ends_it() {
    let reactor = Reactor::new().unwrap();
    let notifier = reactor.notifier();
    for timeout in [Some(i32::MAX as u32), Some(i32::MAX as u32 + 1), Some(u32::MAX), None] {
        notifier.wake_by_ref();
        reactor.wait(timeout);
    }
    assert_eq!(reactor.stats().waits, 4);
    assert_eq!(reactor.stats().events, 0, "a notification is no event of a source");
}

#[test]
fn a_wait_is_not_shorter_than_asked() {
    let reactor = Reactor::new().unwrap();
    for milliseconds in [1, 2, 20] {
        let (begin, ticks) = (Instant::now(), reactor.now());
        // A wait may end early for no reason, but not for want of patience.
        while reactor.now().diff(ticks) < milliseconds {
            reactor.wait(Some((milliseconds - reactor.now().diff(ticks)) as u32 + 1));
        }
        assert!(begin.elapsed() + Duration::from_millis(1) >= Duration::from_millis(milliseconds as u64));
    }
    assert!(reactor.stats().waits <= 6, "{:?}", reactor.stats());
}

/// A notification ends one wait. The next ones are as long as they should be, though nobody has read the eventfd.
#[test]
fn a_notification_is_used_up_by_the_wait_that_it_ends() {
    let reactor = Reactor::new().unwrap();
    for _ in 0..3 {
        reactor.notifier().wake();
        reactor.wait(None);
        let before = reactor.stats().waits;
        let begin = reactor.now();
        while reactor.now().diff(begin) < 10 {
            reactor.wait(Some(11));
        }
        assert!(reactor.stats().waits - before <= 2, "{:?}", reactor.stats());
    }
}

#[test]
fn notify_while_blocked_from_many_threads() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 500;
    let reactor = Reactor::new().unwrap();
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (notifier, barrier) = (reactor.notifier(), barrier.clone());
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    barrier.wait();
                    notifier.wake_by_ref();
                    barrier.wait();
                }
            })
        })
        .collect();
    for _ in 0..ROUNDS {
        barrier.wait();
        // At least one notification comes in each round, before or during this wait.
        reactor.wait(None);
        barrier.wait();
        reactor.wait(Some(0));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_notifier_may_outlive_its_reactor() {
    let reactor = Reactor::new().unwrap();
    let notifier = reactor.notifier();
    drop(reactor);
    thread::spawn(move || notifier.wake()).join().unwrap();
}

/// T-14 in small: a task that only other threads wake.
#[test]
fn wakes_from_other_threads_end_the_wait() {
    run(async {
        let (sender, receiver) = mpsc::channel::<std::task::Waker>();
        let echo = thread::spawn(move || receiver.iter().for_each(std::task::Waker::wake));
        for _ in 0..1_000 {
            let mut sent = false;
            std::future::poll_fn(|cx| {
                if sent {
                    return std::task::Poll::Ready(());
                }
                sent = true;
                sender.send(cx.waker().clone()).unwrap();
                std::task::Poll::Pending
            })
            .await;
        }
        drop(sender);
        echo.join().unwrap();
    });
}

#[test]
fn call_soon_threadsafe_ends_the_wait() {
    run(async {
        let remote = get_event_loop().remote();
        let called = Arc::new(std::sync::Mutex::new(None::<(thread::ThreadId, std::task::Waker)>));
        let slot = called.clone();
        // The callback wakes this task, which waits for nothing else.
        let waker = std::future::poll_fn(|cx| std::task::Poll::Ready(cx.waker().clone())).await;
        let thread = thread::spawn(move || {
            let callback = move || {
                waker.wake_by_ref();
                *slot.lock().unwrap() = Some((thread::current().id(), waker));
            };
            remote.call_soon_threadsafe(callback).unwrap();
        });
        let by = std::future::poll_fn(|_| match &*called.lock().unwrap() {
            Some((id, _)) => std::task::Poll::Ready(*id),
            None => std::task::Poll::Pending,
        })
        .await;
        assert_eq!(by, thread::current().id());
        thread.join().unwrap();
    });
}

/// Traps 17 and 18 with the real clock: timers and I/O across the wrap.
#[test]
fn the_clock_may_wrap_while_tasks_wait() {
    let start = Ticks::from_millis(u32::MAX - 10);
    let event_loop = EventLoop::with_platform(Reactor::starting_at(start).unwrap());
    let order = event_loop
        .run_until_complete(watched(async {
            let (ours, mut theirs) = unix_pair();
            let reader = create_task(async move { read(&ours, &mut [0; 1]).await.unwrap() });
            let order = Rc::new(RefCell::new(Vec::new()));
            let timers = [30, 5, 20].map(|milliseconds| {
                let order = order.clone();
                create_task(async move {
                    let begin = Instant::now();
                    sleep_ms(milliseconds).await;
                    assert!(begin.elapsed() >= Duration::from_millis(milliseconds.into()));
                    order.borrow_mut().push(milliseconds);
                })
            });
            for timer in timers {
                timer.await.unwrap();
            }
            theirs.write_all(b"x").unwrap();
            assert_eq!(reader.await.unwrap(), 1);
            order.take()
        }))
        .unwrap();
    assert_eq!(order, [5, 20, 30]);
    assert!(event_loop.time().as_millis() < start.as_millis(), "the clock has not wrapped");
}

///
#[test]
fn two_reactors_on_two_threads_know_nothing_of_each_other() {
    let threads: Vec<_> = (0..2_u8)
        .map(|number| {
            thread::spawn(move || {
                run(async move {
                    let (ours, theirs) = unix_pair();
                    theirs.set_nonblocking(true).unwrap();
                    let theirs = AsyncFd::new(theirs).unwrap();
                    let echo = create_task(async move {
                        let mut byte = [0];
                        while read(&theirs, &mut byte).await.unwrap() == 1 {
                            write_all(&theirs, &byte).await.unwrap();
                        }
                    });
                    for _ in 0..500 {
                        write_all(&ours, &[number]).await.unwrap();
                        let mut byte = [0];
                        assert_eq!(read(&ours, &mut byte).await.unwrap(), 1);
                        assert_eq!(byte, [number]);
                    }
                    drop(ours);
                    echo.await.unwrap();
                    stats()
                })
            })
        })
        .collect();
    for thread in threads {
        let stats = thread.join().unwrap();
        assert!(stats.events >= 500, "{stats:?}");
        assert_eq!((stats.stale_events, stats.parked), (0, 0));
    }
}

/// A loop driven by a host that waits in poll(2): no thread, no global, no busy loop.
#[test]
fn a_foreign_loop_drives_turns() {
    let event_loop = EventLoop::with_platform(Reactor::new().unwrap());
    let remote = event_loop.remote();
    let done = Rc::new(Cell::new(0));
    let (echoed, ticked) = (done.clone(), done.clone());
    let host_socket = Rc::new(Cell::new(None));
    let socket = host_socket.clone();
    drop(event_loop.create_task(async move {
        let (ours, theirs) = unix_pair();
        socket.set(Some(theirs));
        let mut byte = [0];
        for _ in 0..3 {
            read(&ours, &mut byte).await.unwrap();
            write_all(&ours, &byte).await.unwrap();
        }
        echoed.set(echoed.get() + 1);
    }));
    drop(event_loop.create_task(async move {
        sleep_ms(5).await;
        ticked.set(ticked.get() + 1);
    }));

    let (mut polls, mut sent, mut received) = (0, 0, 0);
    let mut remote_thread = None;
    let called = Arc::new(std::sync::atomic::AtomicBool::new(false));
    loop {
        let attention = event_loop.turn().unwrap();
        if done.get() == 2 && called.load(std::sync::atomic::Ordering::SeqCst) {
            break;
        }
        let milliseconds = match attention {
            Attention::Now => continue,
            Attention::Within(milliseconds) => milliseconds,
            Attention::Idle => 30_000,
        };
        let timeout = Timespec { tv_sec: i64::from(milliseconds / 1000), tv_nsec: i64::from(milliseconds % 1000 * 1_000_000) };
        // What the host does between turns: talks to the task through its socket, one byte at a time ...
        if let Some(mut socket) = host_socket.take() {
            socket.set_nonblocking(true).unwrap();
            let mut byte = [0];
            received += usize::from(matches!(socket.read(&mut byte), Ok(1)));
            if sent == received && sent < 3 {
                socket.write_all(b"x").unwrap();
                sent += 1;
            }
            host_socket.set(Some(socket));
        }
        // ... and lets another thread call in once.
        if remote_thread.is_none() {
            let (remote, called) = (remote.clone(), called.clone());
            remote_thread = Some(thread::spawn(move || {
                remote.call_soon_threadsafe(move || called.store(true, std::sync::atomic::Ordering::SeqCst)).unwrap();
            }));
        }
        let mut descriptors = [PollFd::from_borrowed_fd(event_loop.platform().as_fd(), PollFlags::IN)];
        let ready = poll(&mut descriptors, Some(&timeout)).unwrap();
        assert!(ready > 0 || attention != Attention::Idle, "the descriptor does not speak for the reactor");
        polls += 1;
        assert!(polls < 100, "the host is kept busy");
    }
    remote_thread.unwrap().join().unwrap();
    assert_eq!(sent, 3);
    assert!(Reactor::current().is_err(), "a turn leaves nothing behind on the thread");
}

/// A loop whose turns run inside another loop: each has its own reactor, and `enter` and `leave` pair.
#[test]
fn turns_of_another_loop_nest() {
    run(async {
        let inner = EventLoop::with_platform(Reactor::new().unwrap());
        let seen = Rc::new(Cell::new(None));
        let write = seen.clone();
        drop(inner.create_task(async move {
            let (ours, mut theirs) = unix_pair();
            theirs.write_all(b"x").unwrap();
            assert_eq!(read(&ours, &mut [0; 1]).await.unwrap(), 1);
            assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
            theirs.write_all(b"y").unwrap();
            ours.readable().await.unwrap();
            write.set(Some(stats()));
        }));
        while seen.get().is_none() {
            inner.turn().unwrap();
            yield_now().await;
        }
        assert!(seen.get().unwrap().registrations > 0);
        assert_eq!(stats().registrations, 0, "the outer reactor has nothing to do with it");
        let (ours, _theirs) = unix_pair();
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let (_, waker) = Count::new();
        assert!(poll_once(&mut ours.readable(), &waker).is_pending());
        assert!(stats().registrations > 0);
    });
}

/// Trap 31: a loop that waits for a descriptor is not deadlocked, one that waits for nothing is.
#[test]
fn pending_io_is_no_deadlock() {
    let event_loop = EventLoop::with_platform(Reactor::new().unwrap());
    event_loop.set_closed_world(true);
    assert!(!event_loop.platform().pending_io());
    event_loop
        .run_until_complete(async {
            let (ours, mut theirs) = unix_pair();
            let thread = create_task(async move { read(&ours, &mut [0; 1]).await.unwrap() });
            until_parked(1).await;
            assert!(Reactor::current().unwrap().pending_io());
            let writer = thread::spawn(move || theirs.write_all(b"x").unwrap());
            assert_eq!(thread.await.unwrap(), 1);
            writer.join().unwrap();
            assert!(!Reactor::current().unwrap().pending_io());
        })
        .unwrap();
    let deadlock = event_loop.run_until_complete(std::future::pending::<()>());
    assert!(matches!(deadlock, Err(uasyncio_core::RunError::Deadlock(_))), "{deadlock:?}");
}

#[test]
fn without_a_reactor_the_error_names_run() {
    let check = || {
        let error = AsyncFd::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("uasyncio_io::run"), "{error}");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = uasyncio_io::add_reader(&socket, || ()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(!uasyncio_io::remove_reader(&socket));
    };
    check();
    uasyncio_core::run(async move { check() });
}

/// T-21, trap 49.
#[test]
fn a_nested_run_is_an_error_and_the_outer_one_goes_on() {
    run(async {
        let nested = uasyncio_io::try_run(async {});
        assert!(matches!(nested, Err(uasyncio_io::RunError::Loop(uasyncio_core::RunError::Nested))));
        let (ours, mut theirs) = unix_pair();
        theirs.write_all(b"x").unwrap();
        assert_eq!(read(&ours, &mut [0; 1]).await.unwrap(), 1);
    });
}

/// T-23: nothing of one run is left in the next, on the same loop or a fresh one.
#[test]
fn runs_one_after_the_other() {
    let event_loop = EventLoop::with_platform(Reactor::new().unwrap());
    for _ in 0..3 {
        let parked = event_loop
            .run_until_complete(watched(async {
                let (ours, mut theirs) = unix_pair();
                let reader = create_task(async move { read(&ours, &mut [0; 1]).await.unwrap() });
                until_parked(1).await;
                theirs.write_all(b"x").unwrap();
                reader.await.unwrap();
                stats().parked
            }))
            .unwrap();
        assert_eq!(parked, 0);
        assert!(Reactor::current().is_err());
    }
}

/// What is left over in a loop that is dropped takes its descriptors with it.
#[test]
fn dropping_a_loop_closes_what_its_tasks_own() {
    let event_loop = EventLoop::with_platform(Reactor::new().unwrap());
    let reactor = event_loop.platform().clone();
    let mut theirs = event_loop
        .run_until_complete(async {
            let (ours, theirs) = unix_pair();
            drop(create_task(async move { read(&ours, &mut [0; 1]).await }));
            until_parked(1).await;
            theirs
        })
        .unwrap();
    drop(event_loop);
    assert_eq!(reactor.stats().parked, 0);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
}

/// N19: with the feature `trace`, a task says what it waits for.
#[cfg(feature = "trace")]
#[test]
fn tasks_say_what_they_wait_for() {
    run(async {
        let (ours, _theirs) = unix_pair();
        let ours = Rc::new(ours);
        crate::support::fill(&ours);
        let (reader, writer) = (ours.clone(), ours.clone());
        let reader = create_task(async move { read(&reader, &mut [0; 1]).await });
        let writer = create_task(async move { write_all(&writer, b"x").await });
        let (end, may_end) = mpsc::channel::<()>();
        let call = create_task(uasyncio_io::to_thread(move || may_end.recv()));
        until_parked(2).await;
        let reason = |id| {
            let tasks = get_event_loop().tasks();
            tasks.iter().find(|task| Some(task.id()) == id).and_then(uasyncio_core::TaskInfo::waiting_for)
        };
        assert_eq!(reason(reader.id()), Some("readable"));
        assert_eq!(reason(writer.id()), Some("writable"));
        assert_eq!(reason(call.id()), Some("to_thread"));
        drop(end);
        assert!(call.await.unwrap().unwrap().is_err());
    });
}
