//! No missed edge, no lost waiter, no busy loop: one descriptor at a time.

#![cfg(unix)]

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;

use crate::support::{Count, EPOLL, fill, poll_once, read, run, stats, tcp_pair, unix_pair, until, until_parked, write_all};
use socket2::{Domain, Socket, Type};
use uasyncio_core::{Platform, create_task, sleep_ms, spawn, yield_now};
use uasyncio_io::{AsyncFd, Interest, Reactor};

/// A reader that believes a short read must not miss an end of stream that came in the same event.
#[test]
fn data_and_fin_together_then_eof() {
    fn scenario<T>(pair: impl FnOnce() -> (AsyncFd<T>, T), shutdown: impl FnOnce(&T))
    where
        T: uasyncio_io::Pollable + 'static,
        for<'a> &'a T: Read + Write,
    {
        run(async {
            let (ours, theirs) = pair();
            let reader = create_task(async move {
                let mut buffer = [0; 64];
                let mut lengths = Vec::new();
                loop {
                    let length = read(&ours, &mut buffer).await.unwrap();
                    lengths.push(length);
                    if length == 0 {
                        return lengths;
                    }
                }
            });
            until_parked(1).await;
            (&theirs).write_all(b"hello").unwrap();
            shutdown(&theirs);
            assert_eq!(reader.await.unwrap(), [5, 0]);
        });
    }
    scenario(tcp_pair, |stream| stream.shutdown(Shutdown::Write).unwrap());
    scenario(unix_pair, |stream| stream.shutdown(Shutdown::Write).unwrap());
}

#[test]
fn a_short_read_saves_the_read_that_would_block_where_that_is_safe() {
    run(async {
        let (ours, mut theirs) = unix_pair();
        let calls = Cell::new(0);
        let mut buffer = [0; 64];
        let mut attempt = || {
            ours.try_io(Interest::Read, |mut stream| {
                calls.set(calls.get() + 1);
                stream.read(&mut buffer)
            })
        };
        assert_eq!(attempt().unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut readable = ours.readable();
        let (_, waker) = Count::new();
        assert!(poll_once(&mut readable, &waker).is_pending());
        theirs.write_all(b"abc").unwrap();
        readable.await.unwrap();
        assert_eq!(attempt().unwrap(), 3);
        ours.drained(Interest::Read);
        assert_eq!(attempt().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(calls.get(), if EPOLL { 2 } else { 3 });

        // After the end of the stream was seen, a short read proves nothing.
        theirs.write_all(b"de").unwrap();
        drop(theirs);
        ours.readable().await.unwrap();
        assert_eq!(attempt().unwrap(), 2);
        ours.drained(Interest::Read);
        assert_eq!(attempt().unwrap(), 0);
    });
}

#[test]
fn half_close() {
    run(async {
        let (ours, mut theirs) = tcp_pair();
        theirs.write_all(b"question").unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        let mut buffer = [0; 64];
        let mut question = Vec::new();
        loop {
            let length = read(&ours, &mut buffer).await.unwrap();
            if length == 0 {
                break;
            }
            question.extend_from_slice(&buffer[..length]);
        }
        assert_eq!(question, b"question");
        write_all(&ours, b"answer").await.unwrap();
        drop(ours);
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
    });
}

/// Both directions of both ends at once, far more than the buffers hold.
#[test]
fn full_duplex_two_tasks() {
    const LENGTH: usize = 1 << 20;
    fn byte(seed: u8, position: usize) -> u8 {
        (position as u8).wrapping_mul(31).wrapping_add(seed).wrapping_add((position >> 8) as u8)
    }
    run(async {
        let (left, theirs) = tcp_pair();
        theirs.set_nonblocking(true).unwrap();
        let ends = [Rc::new(left), Rc::new(AsyncFd::new(theirs).unwrap())];
        let mut tasks = Vec::new();
        for (seed, end) in [(3_u8, ends[0].clone()), (5, ends[1].clone())] {
            let writer = end.clone();
            tasks.push(create_task(async move {
                let bytes: Vec<u8> = (0..LENGTH).map(|position| byte(seed, position)).collect();
                write_all(&writer, &bytes).await.unwrap();
            }));
            let seed = 8 - seed;
            tasks.push(create_task(async move {
                let (mut buffer, mut position) = ([0; 4096], 0);
                while position < LENGTH {
                    let length = read(&end, &mut buffer).await.unwrap();
                    assert!(length > 0, "the stream ended early");
                    for &got in &buffer[..length] {
                        assert_eq!(got, byte(seed, position));
                        position += 1;
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// T-12, trap 25.
#[test]
fn second_reader_is_told_that_the_direction_is_taken() {
    run(async {
        let (ours, mut theirs) = unix_pair();
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let (first_count, first_waker) = Count::new();
        let (second_count, second_waker) = Count::new();
        let mut first = ours.readable();
        let mut second = ours.readable();
        assert!(poll_once(&mut first, &first_waker).is_pending());
        match poll_once(&mut second, &second_waker) {
            Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::ResourceBusy),
            other => panic!("{other:?}"),
        }
        let mut context = std::task::Context::from_waker(&second_waker);
        match ours.poll_ready(&mut context, Interest::Read) {
            Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::ResourceBusy),
            other => panic!("{other:?}"),
        }
        // The other direction is free.
        assert!(matches!(poll_once(&mut ours.writable(), &second_waker), Poll::Ready(Ok(()))));

        theirs.write_all(b"x").unwrap();
        until(|| first_count.get() == 1).await;
        assert!(matches!(poll_once(&mut first, &first_waker), Poll::Ready(Ok(()))));
        assert_eq!(second_count.get(), 0);

        // The next one may wait now; so may another after that one was dropped.
        assert_eq!(read(&ours, &mut [0; 1]).await.unwrap(), 1);
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let mut third = ours.readable();
        assert!(poll_once(&mut third, &first_waker).is_pending());
        drop(third);
        assert_eq!(stats().parked, 0);
        let mut fourth = ours.readable();
        assert!(poll_once(&mut fourth, &second_waker).is_pending());
        theirs.write_all(b"y").unwrap();
        until(|| second_count.get() == 1).await;
        assert_eq!(first_count.get(), 1);
    });
}

/// Decision 8: hand-written futures replace their waker.
#[test]
fn second_poll_ready_replaces_the_first_waker() {
    run(async {
        let (ours, mut theirs) = unix_pair();
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let (first_count, first_waker) = Count::new();
        let (second_count, second_waker) = Count::new();
        for waker in [&first_waker, &first_waker, &second_waker] {
            let mut context = std::task::Context::from_waker(waker);
            assert!(ours.poll_ready(&mut context, Interest::Read).is_pending());
            assert_eq!(stats().parked, 1);
        }
        theirs.write_all(b"x").unwrap();
        until(|| second_count.get() > 0).await;
        assert_eq!((first_count.get(), second_count.get()), (0, 1));
        assert_eq!(stats().parked, 0);
    });
}

/// Nobody is left waiting when a `readable()` future comes to a slot that `poll_ready` used.
#[test]
fn readable_wakes_the_poll_ready_it_pushes_out() {
    run(async {
        let (ours, _theirs) = unix_pair();
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let (count, waker) = Count::new();
        let mut context = std::task::Context::from_waker(&waker);
        assert!(ours.poll_ready(&mut context, Interest::Read).is_pending());
        let (other_count, other_waker) = Count::new();
        let mut readable = ours.readable();
        assert!(poll_once(&mut readable, &other_waker).is_pending());
        assert_eq!((count.get(), other_count.get()), (1, 0));
        match ours.poll_ready(&mut context, Interest::Read) {
            Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::ResourceBusy),
            other => panic!("{other:?}"),
        }
        drop(readable);
        assert!(ours.poll_ready(&mut context, Interest::Read).is_pending());
        assert_eq!(stats().parked, 1);
    });
}

/// Trap 25: MicroPython loses the other direction.
#[test]
fn cancel_of_one_direction_leaves_the_other() {
    run(async {
        for cancelled in [Interest::Read, Interest::Write] {
            let (ours, mut theirs) = unix_pair();
            let ours = Rc::new(ours);
            fill(&ours);
            assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
            let wait = |interest: Interest| {
                let ours = ours.clone();
                create_task(async move { ours.ready(interest).await.unwrap() })
            };
            let (reader, writer) = (wait(Interest::Read), wait(Interest::Write));
            until_parked(2).await;
            let (gone, stays) = if cancelled == Interest::Read { (reader, writer) } else { (writer, reader) };
            assert!(gone.cancel());
            until_parked(1).await;
            if cancelled == Interest::Read {
                theirs.set_nonblocking(true).unwrap();
                let mut buffer = [0; 65536];
                while theirs.read(&mut buffer).is_ok() {}
            } else {
                theirs.write_all(b"x").unwrap();
            }
            stays.await.unwrap();
            assert_eq!(stats().parked, 0);
        }
    });
}

/// An event for one direction leaves the waiter of the other one in place, also where one event disarms both.
#[test]
fn both_directions_wait_and_each_gets_its_event() {
    fn drain(mut theirs: &UnixStream) {
        let mut buffer = [0; 65536];
        while theirs.read(&mut buffer).is_ok() {}
    }
    run(async {
        for read_first in [true, false] {
            let (ours, theirs) = unix_pair();
            theirs.set_nonblocking(true).unwrap();
            let ours = Rc::new(ours);
            fill(&ours);
            let (reader, writer) = (ours.clone(), ours.clone());
            let reader = create_task(async move { read(&reader, &mut [0; 1]).await.unwrap() });
            let writer = create_task(async move { write_all(&writer, b"x").await.unwrap() });
            until_parked(2).await;
            if read_first {
                (&theirs).write_all(b"y").unwrap();
                assert_eq!(reader.await.unwrap(), 1);
                until_parked(1).await;
                assert!(!writer.done());
                drain(&theirs);
                writer.await.unwrap();
            } else {
                drain(&theirs);
                writer.await.unwrap();
                until_parked(1).await;
                assert!(!reader.done());
                (&theirs).write_all(b"y").unwrap();
                assert_eq!(reader.await.unwrap(), 1);
            }
        }
    });
}

/// T-24, traps 15 and 16: the budget lets others run.
#[test]
fn always_ready_socket_does_not_starve() {
    run(async {
        let (ours, mut theirs) = unix_pair();
        theirs.write_all(b"x").unwrap();
        let turns = Rc::new(Cell::new(0));
        let counted = turns.clone();
        spawn(async move {
            loop {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        for _ in 0..128 * 20 {
            // Never takes the byte, so it is always there.
            ours.io(Interest::Read, |_| Ok(())).await.unwrap();
        }
        let by_io = turns.get();
        assert!((19..=41).contains(&by_io), "the other task had {by_io} turns");
        for _ in 0..128 * 20 {
            ours.readable().await.unwrap();
        }
        let by_readable = turns.get() - by_io;
        assert!((19..=41).contains(&by_readable), "the other task had {by_readable} turns");
        for _ in 0..128 * 20 {
            poll_fn(|cx| ours.poll_io(cx, Interest::Read, |_| Ok(()))).await.unwrap();
        }
        let by_poll_io = turns.get() - by_io - by_readable;
        assert!((19..=41).contains(&by_poll_io), "the other task had {by_poll_io} turns");
    });
}

/// T-11: the error is there when somebody asks, once, and costs nothing until then.
#[test]
fn peer_reset_with_nobody_reading_is_no_busy_loop() {
    run(async {
        let (ours, theirs) = tcp_pair();
        // Both directions registered, nobody waiting any more.
        fill(&ours);
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let (count, waker) = Count::new();
        let (mut readable, mut writable) = (ours.readable(), ours.writable());
        assert!(poll_once(&mut readable, &waker).is_pending());
        assert!(poll_once(&mut writable, &waker).is_pending());
        drop((readable, writable));

        // Closing with unread data resets the connection.
        drop(theirs);
        let before = stats();
        sleep_ms(50).await;
        let waits = stats().waits - before.waits;
        assert!(waits <= 4, "{waits} waits while nothing happened");
        assert_eq!(count.get(), 0);
        let error = read(&ours, &mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(read(&ours, &mut [0; 1]).await.unwrap(), 0);
    });
}

/// Trap 27.
#[test]
fn peer_reset_wakes_both_directions() {
    run(async {
        let (ours, theirs) = tcp_pair();
        let ours = Rc::new(ours);
        fill(&ours);
        let (reader, writer) = (ours.clone(), ours.clone());
        let reader = create_task(async move { read(&reader, &mut [0; 1]).await.unwrap_err().kind() });
        let writer = create_task(async move { write_all(&writer, &[1; 16]).await.unwrap_err().kind() });
        until_parked(2).await;
        drop(theirs);
        let mut kinds = [reader.await.unwrap(), writer.await.unwrap()];
        // Whoever comes first gets the reset, the other one a broken pipe or the end.
        kinds.sort_by_key(|kind| *kind != ErrorKind::ConnectionReset);
        assert_eq!(kinds[0], ErrorKind::ConnectionReset);
    });
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    for end in [&reader, &writer] {
        rustix::io::ioctl_fionbio(end, true).unwrap();
    }
    (reader, writer)
}

#[test]
fn hang_up_of_a_pipe_wakes_the_reader() {
    run(async {
        let (reader, writer) = pipe();
        let reader = AsyncFd::new(reader).unwrap();
        let task =
            create_task(async move { reader.io(Interest::Read, |pipe| Ok(rustix::io::read(pipe, &mut [0; 8])?)).await.unwrap() });
        until_parked(1).await;
        drop(writer);
        assert_eq!(task.await.unwrap(), 0);
    });
}

/// Trap 27: an error alone, without "writable", is for the writer too.
#[test]
fn error_of_a_full_pipe_wakes_the_writer() {
    run(async {
        let (reader, writer) = pipe();
        let writer = AsyncFd::new(writer).unwrap();
        let write = |pipe: &OwnedFd| Ok(rustix::io::write(pipe, &[0; 4096])?);
        while writer.try_io(Interest::Write, write).is_ok() {}
        let task = create_task(async move { writer.io(Interest::Write, write).await.unwrap_err().kind() });
        until_parked(1).await;
        drop(reader);
        assert_eq!(task.await.unwrap(), ErrorKind::BrokenPipe);
    });
}

fn connect_without_waiting(address: SocketAddr) -> io::Result<AsyncFd<Socket>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            return Err(error);
        }
        _ => {}
    }
    let socket = AsyncFd::new(socket)?;
    let begun = socket.try_io(Interest::Write, |_| io::Result::<()>::Err(ErrorKind::WouldBlock.into()));
    assert!(begun.is_err());
    Ok(socket)
}

#[test]
fn connect_refused() {
    run(async {
        // It has a port, which is nobody else's then, and does not listen.
        let refusing = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        refusing.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let socket = connect_without_waiting(refusing.local_addr().unwrap().as_socket().unwrap()).unwrap();
        socket.writable().await.unwrap();
        let error = socket.get_ref().take_error().unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_connection_in_progress_becomes_writable() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = connect_without_waiting(listener.local_addr().unwrap()).unwrap();
        socket.writable().await.unwrap();
        assert!(socket.get_ref().take_error().unwrap().is_none());
        assert!(socket.get_ref().peer_addr().is_ok());
    });
}

/// T-08: the byte comes after the read that would block and before the registration; then again when registered.
#[test]
fn an_edge_between_would_block_and_waiting_is_not_missed() {
    run(async {
        let (ours, mut theirs) = unix_pair();
        for _ in 0..3 {
            let result = ours.try_io(Interest::Read, |mut stream| {
                let result = stream.read(&mut [0; 1]);
                assert_eq!(result.as_ref().unwrap_err().kind(), ErrorKind::WouldBlock);
                theirs.write_all(b"x").unwrap();
                result
            });
            assert!(result.is_err());
            ours.readable().await.unwrap();
            assert_eq!(read(&ours, &mut [0; 1]).await.unwrap(), 1);
        }
    });
}

/// T-08: an edge-triggered poller says it once; what was left over is still there.
#[test]
fn what_a_reader_leaves_is_there_for_the_next() {
    run(async {
        let (ours, mut theirs) = unix_pair();
        let mut byte = [0];
        let reader = async {
            let mut text = Vec::new();
            while text.len() < 10 {
                // A full buffer each time, so nothing says that it was drained.
                assert_eq!(read(&ours, &mut byte).await.unwrap(), 1);
                text.push(byte[0]);
                ours.readable().await.unwrap();
            }
            text
        };
        theirs.write_all(b"0123456789+").unwrap();
        assert_eq!(reader.await, b"0123456789");
    });
}

/// Trap 26: once the waiter has gone on, nothing wakes it for the old registration.
#[test]
fn a_waiter_that_has_gone_on_is_not_woken() {
    run(async {
        let (ours, mut theirs) = unix_pair();
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let (count, waker) = Count::new();
        let mut readable = ours.readable();
        assert!(poll_once(&mut readable, &waker).is_pending());
        theirs.write_all(b"x").unwrap();
        until(|| count.get() == 1).await;
        assert!(poll_once(&mut readable, &waker).is_ready());
        assert_eq!(read(&ours, &mut [0; 8]).await.unwrap(), 1);
        drop(theirs);
        let reactor = Reactor::current().unwrap();
        for _ in 0..3 {
            reactor.wait(Some(0));
        }
        assert_eq!(count.get(), 1);
    });
}

/// A socket that one task closes while another one waits for it: that one hears of it.
#[test]
fn closing_wakes_who_still_waits() {
    run(async {
        let (ours, _theirs) = unix_pair();
        let slot = Rc::new(RefCell::new(Some(ours)));
        let shared = slot.clone();
        let waiter = create_task(poll_fn(move |cx| match &*shared.borrow() {
            None => Poll::Ready("closed"),
            Some(stream) => match stream.poll_io(cx, Interest::Read, |mut stream| stream.read(&mut [0; 1])) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(_) => Poll::Ready("read"),
            },
        }));
        until_parked(1).await;
        let stream = slot.borrow_mut().take();
        drop(stream);
        assert_eq!(waiter.await.unwrap(), "closed");
        assert_eq!(stats().parked, 0);
    });
}

/// A waker that is foreign code may do anything with the reactor while the reactor wakes it.
#[test]
fn a_foreign_waker_may_use_the_reactor() {
    thread_local!(static SEEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) });
    run(async {
        let (ours, mut theirs) = unix_pair();
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        let waker = std::task::Waker::from(std::sync::Arc::new(crate::support::Act(|| {
            let (mut fresh, peer) = unix_pair();
            assert!(fresh.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
            let (_, waker) = Count::new();
            assert!(poll_once(&mut fresh.readable(), &waker).is_pending());
            fresh = AsyncFd::new(fresh.into_inner()).unwrap();
            drop((fresh, peer));
            Reactor::current().unwrap().wait(Some(0));
            SEEN.with_borrow_mut(|seen| seen.push("woken"));
        })));
        let mut context = std::task::Context::from_waker(&waker);
        assert!(ours.poll_ready(&mut context, Interest::Read).is_pending());
        theirs.write_all(b"x").unwrap();
        until(|| SEEN.with_borrow(|seen| seen.len()) == 1).await;
    });
}

/// A waker that panics costs the others nothing.
#[test]
fn a_foreign_waker_that_panics_leaves_the_other_events() {
    run(async {
        let pairs: Vec<_> = (0..3).map(|_| unix_pair()).collect();
        let (count, counting) = Count::new();
        let panicking = std::task::Waker::from(std::sync::Arc::new(crate::support::Act(|| panic!("a bad waker"))));
        for ((ours, _), waker) in pairs.iter().zip([&panicking, &counting, &counting]) {
            assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
            let mut context = std::task::Context::from_waker(waker);
            assert!(ours.poll_ready(&mut context, Interest::Read).is_pending());
        }
        for (_, theirs) in &pairs {
            (&*theirs).write_all(b"x").unwrap();
        }
        let reactor = Reactor::current().unwrap();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reactor.wait(Some(0))));
        assert!(result.is_err());
        let begin = reactor.now();
        reactor.wait(Some(10_000));
        assert!(reactor.now().diff(begin) < 10_000, "it waits though it has woken others");
        assert_eq!(count.get(), 2);
    });
}

/// Trap 30.
#[test]
fn a_regular_file_is_always_ready() {
    run(async {
        let file = AsyncFd::new(std::fs::File::open(file!()).or_else(|_| std::fs::File::open("tests/it/readiness.rs")).unwrap());
        let file = file.unwrap();
        file.readable().await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(file.io(Interest::Read, |mut file| file.read(&mut buffer)).await.unwrap(), 8);
        assert_eq!(&buffer, b"//! No m");
        assert_eq!(stats().registrations, 0);
    });
}
