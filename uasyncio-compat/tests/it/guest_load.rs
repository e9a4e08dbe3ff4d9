//! Guest and host mode under load and in trouble: many connections and timers, fairness, panics, hosts that end, misuse.
#![cfg(all(unix, not(miri)))]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_executor::LocalExecutor;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};
use uasyncio_compat::guest::{on_smol, on_tokio};
use uasyncio_core::{create_task, get_event_loop, sleep_ms, spawn, yield_now};
use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
use uasyncio_sync::gather;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A guest, counting how often the host polls it.
struct Counted<F> {
    future: Pin<Box<F>>,
    polls: Rc<Cell<usize>>,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.set(self.polls.get() + 1);
        self.future.as_mut().poll(cx)
    }
}

/// Runs a program as a guest of each host; gives how often it was polled, in tokio and in smol.
fn in_each<F: Future<Output = ()> + 'static>(program: impl Fn() -> F) -> [usize; 2] {
    let (tokio, smol) = (Rc::<Cell<usize>>::default(), Rc::<Cell<usize>>::default());
    LocalSet::new().block_on(&runtime(), async {
        Counted { future: Box::pin(on_tokio(program()).unwrap()), polls: tokio.clone() }.await;
    });
    async_io::block_on(Counted { future: Box::pin(on_smol(program()).unwrap()), polls: smol.clone() });
    [tokio.get(), smol.get()]
}

async fn echo(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.awrite(line).await?;
    }
}

/// The number of round trips that were made over a connection of ours.
async fn converse(port: u16, client: usize, times: usize) -> usize {
    let (mut reader, mut writer) = open_connection("127.0.0.1", port).await.unwrap();
    for number in 0..times {
        let line = format!("{client} says {number}\n");
        writer.awritestr(&line).await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), line.as_bytes());
    }
    writer.aclose().await.unwrap();
    times
}

const CONNECTIONS: usize = 200;
const TIMES: usize = 20;

#[test]
fn many_connections_lose_nothing_and_cost_few_polls() {
    let polls = in_each(|| async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addr().port();
        let tasks: Vec<_> = (0..CONNECTIONS).map(|client| create_task(converse(port, client, TIMES))).collect();
        let mut trips = 0;
        for task in tasks {
            trips += task.await.unwrap();
        }
        assert_eq!(trips, CONNECTIONS * TIMES);
        server.close();
        server.wait_closed().await.unwrap();
        // Nothing is left but this.
        while get_event_loop().tasks().len() > 1 {
            yield_now().await;
        }
    });
    for polls in polls {
        // Two wake-ups of a loop for each trip would be 8 000, if each were on its own.
        assert!(polls < 3 * CONNECTIONS * TIMES, "{polls} polls");
    }
}

#[test]
fn many_timers_of_both_clocks_end() {
    const TIMERS: u32 = 5_000;
    let polls = in_each(|| async {
        let over = Rc::new(Cell::new(0));
        for number in 0..TIMERS {
            let over = over.clone();
            spawn(async move {
                sleep_ms(1 + number * 37 % 100).await;
                over.set(over.get() + 1);
            });
        }
        sleep_ms(100).await;
        while over.get() < TIMERS {
            sleep_ms(1).await;
        }
    });
    // About one for each millisecond, not for each timer.
    for polls in polls {
        assert!(polls < 2_500, "{polls} polls");
    }
}

#[test]
fn connections_of_both_loops_go_on_side_by_side() {
    in_host_mode(async {
        let ours = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = [ours.local_addr().port(), listener.local_addr().unwrap().port()];
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
            }
        });
        let mut trips = 0;
        let mut theirs = JoinSet::new();
        for client in 0..100 {
            let port = ports[client % 2];
            theirs.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let mut answer = [0; 6];
                for _ in 0..TIMES {
                    stream.write_all(b"hello\n").await.unwrap();
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(&answer, b"hello\n");
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
                TIMES
            });
        }
        let tasks = (0..100).map(|client| create_task(converse(ports[client % 2], client, TIMES)));
        for done in join_all(tasks).await {
            trips += done.unwrap();
        }
        while let Some(done) = theirs.join_next().await {
            trips += done.unwrap();
        }
        assert_eq!(trips, 200 * TIMES);
        serving.abort();
    });
}

/// Host mode.
fn in_host_mode<F: Future + 'static>(future: F) -> F::Output {
    #[cfg(feature = "host-tokio")]
    return uasyncio_compat::tokio::run(future);
    #[cfg(not(feature = "host-tokio"))]
    LocalSet::new().block_on(&runtime(), async { on_tokio(future).unwrap().await })
}

// A poll of a guest makes at most 4 passes, each of at most 61 polls of tasks. That much the host waits, and no longer.
#[test]
fn what_spins_on_one_loop_delays_the_other_by_a_bounded_number_of_polls() {
    const TIMES: usize = 200;
    LocalSet::new().block_on(&runtime(), async {
        let (ours, theirs) = (Rc::new(Cell::new(0_usize)), Rc::new(Cell::new(0_usize)));
        let (spun, host) = (ours.clone(), theirs.clone());
        let guest = on_tokio(async move {
            for _ in 0..10 {
                let spun = spun.clone();
                spawn(async move {
                    loop {
                        spun.set(spun.get() + 1);
                        yield_now().await;
                    }
                });
            }
            while host.get() < TIMES {
                yield_now().await;
            }
        })
        .unwrap();
        let spinning = tokio::task::spawn_local({
            let theirs = theirs.clone();
            async move {
                loop {
                    theirs.set(theirs.get() + 1);
                    tokio::task::yield_now().await;
                }
            }
        });
        guest.await;
        assert!(ours.get() <= (TIMES + 1) * 4 * 61, "{} polls of ours for {TIMES} of theirs", ours.get());
        // And the reverse: tokio polls at most 61 tasks of its own between two polls of ours.
        assert!(theirs.get() <= TIMES + 61, "{}", theirs.get());
        assert!(ours.get() >= TIMES, "{}", ours.get());
        spinning.abort();
    });
}

#[test]
fn panics_stay_on_their_side_of_the_border() {
    LocalSet::new().block_on(&runtime(), async {
        // Of a task of the host's: an error to whoever awaits it, be it a task of ours.
        let sum = on_tokio(async {
            let theirs = tokio::task::spawn_local(async { panic!("on purpose") });
            assert!(theirs.await.unwrap_err().is_panic());
            get_event_loop().set_exception_handler(|_| {});
            spawn(async { panic!("on purpose") });
            sleep_ms(1).await;
            42
        });
        assert_eq!(sum.unwrap().await, 42);
        // Of the main task: to whoever awaits the guest, be it a task of the host's, which goes on.
        let guest = on_tokio(async { panic!("on purpose") }).unwrap();
        assert!(tokio::task::spawn_local(guest).await.unwrap_err().is_panic());
        assert_eq!(on_tokio(async { 42 }).unwrap().await, 42);
    });
    let executor = LocalExecutor::new();
    let guest = on_smol(async { panic!("on purpose") }).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| async_io::block_on(executor.run(guest)))).is_err());
    assert_eq!(async_io::block_on(executor.run(on_smol(async { 42 }).unwrap())), 42);
}

/// Notes that it was dropped.
struct Noted(Rc<Cell<usize>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_guest_that_is_dropped_in_the_middle_closes_what_it_has() {
    for smol in [false, true] {
        let dropped = Rc::<Cell<usize>>::default();
        let port = Rc::<Cell<u16>>::default();
        let (noted, told) = (dropped.clone(), port.clone());
        let program = async move {
            let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
            told.set(server.local_addr().port());
            for _ in 0..100 {
                let noted = Noted(noted.clone());
                spawn(async move {
                    sleep_ms(1_000_000).await;
                    drop(noted);
                });
            }
            std::future::pending::<()>().await;
        };
        let connect = |port: &Cell<u16>| {
            let mut peer = std::net::TcpStream::connect(("127.0.0.1", port.get())).unwrap();
            io::Write::write_all(&mut peer, b"x\n").unwrap();
            peer
        };
        // Its connection was accepted and answered when the guest goes.
        let mut peer = if smol {
            let mut guest = Box::pin(on_smol(program).unwrap());
            async_io::block_on(async {
                while port.get() == 0 {
                    assert!(futures_util::poll!(guest.as_mut()).is_pending());
                }
                let mut peer = async_io::Async::new(connect(&port)).unwrap();
                let mut answer = [0; 2];
                let reading = std::pin::pin!(futures_util::AsyncReadExt::read_exact(&mut peer, &mut answer));
                futures_util::future::select(guest.as_mut(), reading).await;
                peer.into_inner().unwrap()
            })
        } else {
            runtime().block_on(async {
                let mut guest = Box::pin(on_tokio(program).unwrap());
                while port.get() == 0 {
                    assert!(futures_util::poll!(guest.as_mut()).is_pending());
                }
                let peer = connect(&port);
                peer.set_nonblocking(true).unwrap();
                let mut peer = tokio::net::TcpStream::from_std(peer).unwrap();
                let mut answer = [0; 2];
                let reading = std::pin::pin!(peer.read_exact(&mut answer));
                futures_util::future::select(guest.as_mut(), reading).await;
                peer.into_std().unwrap()
            })
        };
        assert_eq!(dropped.get(), 100);
        peer.set_nonblocking(false).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0, "it was closed");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port.get())).is_err(), "nobody listens");
    }
}

#[test]
fn a_host_that_ends_first_takes_the_guest_along() {
    let dropped = Rc::<Cell<usize>>::default();
    let sleeping = |noted: Noted| async move {
        let task = create_task(async move {
            sleep_ms(1_000_000).await;
            drop(noted);
        });
        task.await.unwrap();
    };
    // With its tasks.
    let (runtime_of_it, local) = (runtime(), LocalSet::new());
    let noted = Noted(dropped.clone());
    local.block_on(&runtime_of_it, async {
        tokio::task::spawn_local(on_tokio(sleeping(noted)).unwrap());
        tokio::task::yield_now().await;
    });
    drop(local);
    assert_eq!(dropped.get(), 1);

    // Before it.
    let runtime_of_it = runtime();
    let mut guest = {
        let _entered = runtime_of_it.enter();
        Box::pin(on_tokio(sleeping(Noted(dropped.clone()))).unwrap())
    };
    assert!(runtime_of_it.block_on(async { futures_util::poll!(&mut guest) }).is_pending());
    drop(runtime_of_it);
    // Nobody will wake it any more: it says so.
    let polled = catch_unwind(AssertUnwindSafe(|| guest.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(message(&*polled.unwrap_err()).contains("shut"), "tokio says that it is being shut down");
    drop(guest);
    assert_eq!(dropped.get(), 2);
}

/// The message of a panic.
fn message(panic: &dyn std::any::Any) -> &str {
    panic.downcast_ref::<String>().map_or_else(|| panic.downcast_ref::<&str>().copied().unwrap_or_default(), String::as_str)
}

fn panic_of<T>(misuse: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(misuse)) {
        Ok(_) => panic!("it is no misuse"),
        Err(panic) => message(&*panic).to_owned(),
    }
}

#[test]
fn misuse_is_named() {
    let message = panic_of(|| on_tokio(async {}));
    assert!(message.contains("no reactor running"), "{message}");
    let bare = Builder::new_current_thread().build().unwrap();
    let message = panic_of(|| bare.block_on(async { on_tokio(async {}) }));
    assert!(message.contains("enable_io"), "{message}");
    let without_time = Builder::new_current_thread().enable_io().build().unwrap();
    let message = panic_of(|| without_time.block_on(async { on_tokio(async {}) }));
    assert!(message.contains("enable_time"), "{message}");

    // A loop inside a loop.
    runtime().block_on(async {
        on_tokio(async {
            let message = panic_of(|| uasyncio_core::run(async {}));
            assert!(message.contains("running on this thread already"), "{message}");
            let message = panic_of(|| uasyncio_io::run(async {}));
            assert!(message.contains("running on this thread already"), "{message}");
        })
        .unwrap()
        .await;
    });
    // A task of the host's is none of ours.
    LocalSet::new().block_on(&runtime(), async {
        on_tokio(async {
            let theirs = tokio::task::spawn_local(async { sleep_ms(1).await });
            assert!(theirs.await.unwrap_err().is_panic());
            let theirs = tokio::task::spawn_local(async { drop(create_task(async {})) });
            assert!(theirs.await.unwrap_err().is_panic());
        })
        .unwrap()
        .await;
    });
}

#[cfg(feature = "host-tokio")]
#[test]
fn host_mode_inside_tokio_is_refused_and_leaves_no_trace() {
    let order = Rc::new(RefCell::new(Vec::new()));
    runtime().block_on(async {
        let ran = order.clone();
        let message = panic_of(|| uasyncio_compat::tokio::run(async move { ran.borrow_mut().push("inside") }));
        assert!(message.contains("from within a runtime"), "{message}");
        assert!(uasyncio_core::try_get_event_loop().is_none());
    });
    assert!(order.borrow().is_empty());
    // A panic of the future comes out, and the next one works.
    let message = panic_of(|| uasyncio_compat::tokio::run(async { panic!("on purpose") }));
    assert_eq!(message, "on purpose");
    assert_eq!(uasyncio_compat::tokio::run(async { gather((async { 1 }, async { 2 })).await }), (1, 2));
}
