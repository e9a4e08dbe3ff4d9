//! Many descriptors at once.

#![cfg(unix)]

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::{read, run, stats, unix_pair, until, until_parked};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use uasyncio_core::{Platform, create_task, sleep_ms, spawn, yield_now};
use uasyncio_io::{AsyncFd, Interest, Reactor};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Makes room for a few thousand descriptors, and keeps the others from taking them.
fn alone() -> MutexGuard<'static, ()> {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < 4096) {
        setrlimit(Resource::Nofile, Rlimit { current: maximum.map_or(Some(4096), |maximum| Some(maximum.min(4096))), maximum })
            .unwrap();
    }
    guard
}

/// 1000 connections wait when the listener is looked at first: all are accepted, and meanwhile others have their turns.
#[test]
fn accept_burst_1000() {
    const BURST: usize = 1000;
    let _alone = alone();
    run(async {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(BURST as i32).unwrap();
        socket.set_nonblocking(true).unwrap();
        let listener = AsyncFd::new(TcpListener::from(socket)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();

        let accepted = Rc::new(Cell::new(0));
        let counted = accepted.clone();
        let acceptor = create_task(async move {
            let mut streams = Vec::new();
            while streams.len() < BURST {
                streams.push(listener.io(Interest::Read, TcpListener::accept).await.unwrap().0);
                counted.set(streams.len());
            }
            streams
        });
        until_parked(1).await;
        let clients: Vec<TcpStream> = (0..BURST).map(|_| TcpStream::connect(address).unwrap()).collect();
        let most = Rc::new(Cell::new(0));
        let (between, seen) = (most.clone(), accepted.clone());
        spawn(async move {
            let mut last = 0;
            loop {
                between.set(between.get().max(seen.get() - last));
                last = seen.get();
                yield_now().await;
            }
        });
        let streams = acceptor.await.unwrap();
        assert_eq!(streams.len(), clients.len());
        // The budget, and the one that it waited for.
        assert!(most.get() <= 128 + 1, "{} connections were accepted while another task was ready", most.get());
    });
}

/// 1000 idle connections cost no turns; when they speak, each task is woken for its own bytes alone.
#[test]
fn many_connections() {
    const CONNECTIONS: usize = 1000;
    let _alone = alone();
    run(async {
        let wakes = Rc::new(Cell::new(0));
        let mut peers = Vec::new();
        let mut tasks = Vec::new();
        for number in 0..CONNECTIONS {
            let (ours, theirs) = unix_pair();
            let counted = wakes.clone();
            peers.push(theirs);
            tasks.push(create_task(async move {
                let mut total = 0;
                while total < 3 {
                    let mut bytes = [0; 8];
                    total += read(&ours, &mut bytes).await.unwrap();
                    assert_eq!(bytes[0], number as u8);
                    counted.set(counted.get() + 1);
                }
            }));
        }
        until_parked(CONNECTIONS).await;
        let before = stats();
        sleep_ms(20).await;
        assert!(stats().waits - before.waits <= 3, "idle connections keep the loop busy");
        for round in 1..=3 {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.write_all(&[number as u8]).unwrap();
            }
            until(|| wakes.get() == round * CONNECTIONS).await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(stats().events - before.events, 3 * CONNECTIONS as u64);
        assert_eq!(stats().stale_events, 0);
    });
}

/// T-40: what one pass takes from the system is bounded, so timers are looked at in between.
#[test]
fn a_pass_takes_a_bounded_number_of_events() {
    const CONNECTIONS: usize = 1000;
    let _alone = alone();
    run(async {
        let mut peers = Vec::new();
        let mut tasks = Vec::new();
        let finished = Rc::new(Cell::new(0));
        for _ in 0..CONNECTIONS {
            let (ours, theirs) = unix_pair();
            let counted = finished.clone();
            peers.push(theirs);
            tasks.push(create_task(async move {
                assert_eq!(read(&ours, &mut [0; 8]).await.unwrap(), 1);
                counted.set(counted.get() + 1);
            }));
        }
        until_parked(CONNECTIONS).await;
        // A task that is always ready looks at what happened between its turns.
        let trace = Rc::new(RefCell::new(Vec::new()));
        let (ticks, done) = (trace.clone(), finished.clone());
        spawn(async move {
            loop {
                let stats = stats();
                ticks.borrow_mut().push((stats.waits, stats.events, done.get()));
                yield_now().await;
            }
        });
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        let before = stats();
        let reactor = Reactor::current().unwrap();
        reactor.wait(Some(0));
        let taken = stats().events - before.events;
        assert!((64..=256).contains(&taken), "{taken} events in one wait");
        until(|| finished.get() == CONNECTIONS).await;
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(stats().events - before.events, CONNECTIONS as u64);
        for pair in trace.borrow().windows(2) {
            let (passes, events, finished) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1, pair[1].2 - pair[0].2);
            assert!(events <= 256 * passes, "{events} events in {passes} passes");
            assert!(finished as u64 <= 61 * (passes + 1), "{finished} tasks in {passes} passes");
        }
    });
}

/// Each descriptor is ready for ever; the timer fires all the same. T-24, trap 16.
#[test]
fn a_flood_does_not_hold_up_timers() {
    let _alone = alone();
    run(async {
        let stop = Rc::new(Cell::new(false));
        let mut tasks = Vec::new();
        for _ in 0..200 {
            let (one, other) = UnixStream::pair().unwrap();
            one.set_nonblocking(true).unwrap();
            let stopped = stop.clone();
            tasks.push(create_task(async move {
                (&other).write_all(b"x").unwrap();
                let stream = AsyncFd::new(one).unwrap();
                let mut operations = 0_u64;
                while !stopped.get() {
                    let mut byte = [0];
                    assert_eq!(stream.io(Interest::Read, |mut stream| stream.read(&mut byte)).await.unwrap(), 1);
                    (&other).write_all(&byte).unwrap();
                    operations += 1;
                }
                operations
            }));
        }
        for _ in 0..5 {
            sleep_ms(1).await;
        }
        stop.set(true);
        for task in tasks {
            // Nobody starved either.
            assert!(task.await.unwrap() >= 64);
        }
    });
}
