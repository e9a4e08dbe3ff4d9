//! Our event loop as a future inside tokio's current-thread runtime.
#![cfg(all(unix, not(miri)))]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use uasyncio_compat::guest::on_tokio;
use uasyncio_core::{create_task, get_event_loop, sleep_ms, spawn, yield_now};
use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
use uasyncio_sync::{ThreadSafeFlag, gather};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a future as a guest.
fn run<F: Future + 'static>(future: F) -> F::Output {
    LocalSet::new().block_on(&runtime(), async { on_tokio(future).unwrap().await })
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

#[test]
fn our_server_serves_a_client_of_tokios_in_a_task_of_ours() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let mut client = tokio::net::TcpStream::connect(server.local_addr()).await.unwrap();
        let mut buffer = [0; 6];
        for _ in 0..100 {
            client.write_all(b"hello\n").await.unwrap();
            client.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"hello\n");
        }
    });
}

#[test]
fn our_client_talks_to_a_server_of_tokios() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await.unwrap()
        });
        let (mut reader, mut writer) = open_connection("127.0.0.1", port).await.unwrap();
        for _ in 0..100 {
            writer.awritestr("hello\n").await.unwrap();
            assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        }
        writer.write_eof().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert_eq!(server.await.unwrap(), 600);
    });
}

#[test]
fn timers_of_both_end_and_none_too_early() {
    let order = run(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let start = Instant::now();
        let tasks: Vec<_> = [40, 10, 30, 20, 50]
            .into_iter()
            .map(|millis: u32| {
                let order = order.clone();
                create_task(async move {
                    if millis % 20 == 0 {
                        tokio::time::sleep(Duration::from_millis(millis.into())).await;
                    } else {
                        sleep_ms(millis).await;
                    }
                    assert!(start.elapsed() >= Duration::from_millis(millis.into()), "too early");
                    order.borrow_mut().push(millis);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        order.take()
    });
    // Which of two that are due at once comes first is up to how busy the machine is.
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [10, 20, 30, 40, 50]);
}

#[test]
fn a_sleep_of_ours_alone_is_over_in_time() {
    let start = Instant::now();
    run(async {
        for _ in 0..5 {
            sleep_ms(4).await;
        }
    });
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn wakes_come_from_tokios_tasks_and_from_other_threads() {
    static FLAG: ThreadSafeFlag = ThreadSafeFlag::new();
    run(async {
        for number in 0..50 {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            tokio::task::spawn_local(async move { sender.send(number).unwrap() });
            assert_eq!(receiver.await.unwrap(), number);

            std::thread::spawn(|| FLAG.set());
            FLAG.wait().await;

            let square = uasyncio_io::to_thread(move || number * number).await.unwrap();
            assert_eq!(square, number * number);
        }
    });
}

#[test]
fn a_task_may_be_started_from_outside() {
    LocalSet::new().block_on(&runtime(), async {
        let guest = on_tokio(async {
            let flag = Rc::new(uasyncio_sync::Event::new());
            flag.wait().await;
        })
        .unwrap();
        let mut guest = pin!(guest);
        let ran = Rc::new(Cell::new(false));
        assert!(poll_once(guest.as_mut()).await.is_pending());
        let outside = guest.event_loop().create_task({
            let ran = ran.clone();
            async move {
                sleep_ms(1).await;
                ran.set(true);
            }
        });
        // The handle may be awaited by the host; the guest has to be polled meanwhile, and is woken for it.
        let first = uasyncio_sync::select(outside, guest).await;
        assert!(matches!(first, uasyncio_sync::Selected::First(Ok(()), _)), "the guest waits for ever");
        assert!(ran.get());
    });
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[test]
fn neither_starves_the_other() {
    run(async {
        let (ours, theirs) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let stop = Rc::new(Cell::new(false));
        for _ in 0..3 {
            let (ours, stop) = (ours.clone(), stop.clone());
            spawn(async move {
                while !stop.get() {
                    ours.set(ours.get() + 1);
                    yield_now().await;
                }
            });
        }
        let spinning = {
            let (theirs, stop) = (theirs.clone(), stop.clone());
            tokio::task::spawn_local(async move {
                while !stop.get() {
                    theirs.set(theirs.get() + 1);
                    tokio::task::yield_now().await;
                }
            })
        };
        // Timers and sockets of both go on.
        tokio::time::sleep(Duration::from_millis(5)).await;
        sleep_ms(5).await;
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let mut client = tokio::net::TcpStream::connect(server.local_addr()).await.unwrap();
        client.write_all(b"x\n").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
        stop.set(true);
        spinning.await.unwrap();
        assert!(ours.get() > 10, "{}", ours.get());
        assert!(theirs.get() > 10, "{}", theirs.get());
    });
}

/// Counts the polls of a future.
struct Counted<F> {
    future: Pin<Box<F>>,
    polls: Arc<std::sync::atomic::AtomicUsize>,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.future.as_mut().poll(cx)
    }
}

#[test]
fn while_nothing_happens_it_is_not_polled() {
    let polls = Arc::<std::sync::atomic::AtomicUsize>::default();
    runtime().block_on(async {
        let server = async {
            // A socket that waits, and a timer that ends.
            let _server = start_server(echo, "127.0.0.1", 0).await.unwrap();
            sleep_ms(60).await;
        };
        Counted { future: Box::pin(on_tokio(server).unwrap()), polls: polls.clone() }.await;
    });
    let polls = polls.load(std::sync::atomic::Ordering::Relaxed);
    assert!(polls < 10, "{polls} polls");
}

#[test]
fn under_load_every_byte_arrives() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let address = server.local_addr();
        let theirs: Vec<_> = (0..40)
            .map(|client| {
                tokio::task::spawn_local(async move {
                    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                    for number in 0..50 {
                        let line = format!("{client} says {number}{}\n", ".".repeat(number * 40));
                        let (mut reader, mut writer) = stream.split();
                        let mut back = vec![0; line.len()];
                        let (sent, read) = gather((writer.write_all(line.as_bytes()), reader.read_exact(&mut back))).await;
                        sent.unwrap();
                        read.unwrap();
                        assert_eq!(back, line.as_bytes());
                    }
                })
            })
            .collect();
        for client in theirs {
            client.await.unwrap();
        }
    });
}

#[test]
fn dropping_it_drops_its_tasks_once() {
    struct Noted(Rc<Cell<u32>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    runtime().block_on(async {
        let (in_main, in_task) = (Noted(dropped.clone()), Noted(dropped.clone()));
        let guest = on_tokio(async move {
            let _held = in_main;
            spawn(async move {
                let _held = in_task;
                tokio::time::sleep(Duration::from_secs(1_000)).await;
            });
            sleep_ms(1_000_000).await;
        });
        let limit = tokio::time::timeout(Duration::from_millis(5), guest.unwrap());
        assert!(limit.await.is_err());
        assert_eq!(dropped.get(), 2);
    });
}

#[test]
fn panics_and_stops_of_the_main_task_are_seen() {
    let panic = catch_unwind(|| run(async { panic!("on purpose") })).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));

    let stopped = catch_unwind(AssertUnwindSafe(|| {
        run(async {
            get_event_loop().stop();
            yield_now().await;
        });
    }));
    assert!(stopped.is_err());

    // A panic of another task ends that task only.
    run(async {
        get_event_loop().set_exception_handler(|_| {});
        let task = create_task(async { panic!("on purpose") });
        assert!(task.await.is_err());
    });
}

#[test]
fn two_guests_side_by_side_are_two_loops() {
    LocalSet::new().block_on(&runtime(), async {
        let guest = |millis| {
            on_tokio(async move {
                sleep_ms(millis).await;
                get_event_loop().tasks().len()
            })
            .unwrap()
        };
        let (one, two) = gather((guest(3), guest(2))).await;
        assert_eq!((one, two), (1, 1));
    });
}
