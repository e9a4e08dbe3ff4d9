//! Programs of uasyncio whose executor is another one's: streams, udp and sync in tokio and in smol.
//!
//! `sync` and pipes in memory need no loop at all. Sockets need our reactor, so they are made in a guest; from then on any task of the
//! host's thread may use them, as long as the guest is there.
#![cfg(all(unix, not(miri)))]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use async_executor::LocalExecutor;
use tokio::task::LocalSet;
use uasyncio_compat::guest::{on_smol, on_tokio};
use uasyncio_core::{create_task, sleep_ms};
use uasyncio_streams::{TcpReader, TcpWriter, duplex, open_connection, split, start_server};
use uasyncio_sync::{Barrier, Condition, Event, Lock, Queue, Semaphore, ThreadSafeFlag, gather, select, wait_for_ms};
use uasyncio_udp::UdpSocket;

/// Starts a task of the host's.
type Spawn = Rc<dyn Fn(std::pin::Pin<Box<dyn Future<Output = ()>>>)>;

/// Runs a program of the host's tasks, without any loop of ours, in tokio and in smol.
fn in_each<F: Future<Output = ()>>(program: impl Fn(Spawn) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let spawn: Spawn = Rc::new(|future| drop(tokio::task::spawn_local(future)));
    LocalSet::new().block_on(&runtime, program(spawn));

    let executor = Rc::new(LocalExecutor::new());
    let spawning = executor.clone();
    let spawn: Spawn = Rc::new(move |future| spawning.spawn(future).detach());
    async_io::block_on(executor.run(program(spawn)));
}

/// Runs a program as the main task of a guest, in tokio and in smol. It may start tasks of the host's beside it.
fn in_a_guest_of_each<F: Future<Output = ()> + 'static>(program: impl Fn(Spawn) -> F + 'static) {
    let program = Rc::new(program);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let spawn: Spawn = Rc::new(|future| drop(tokio::task::spawn_local(future)));
    let on = program.clone();
    LocalSet::new().block_on(&runtime, async { on_tokio(async move { on(spawn).await }).unwrap().await });

    let executor = Rc::new(LocalExecutor::new());
    let spawning = executor.clone();
    let spawn: Spawn = Rc::new(move |future| spawning.spawn(future).detach());
    async_io::block_on(executor.run(async { on_smol(async move { program(spawn).await }).unwrap().await }));
}

#[test]
fn sync_needs_no_loop() {
    in_each(|spawn| async move {
        assert!(uasyncio_core::try_get_event_loop().is_none());
        let order = Rc::new(RefCell::new(Vec::new()));
        let lock = Rc::new(Lock::new(0));
        let (start, barrier) = (Rc::new(Event::new()), Rc::new(Barrier::new(4)));
        for number in 0..3 {
            let (order, lock) = (order.clone(), lock.clone());
            let (start, barrier) = (start.clone(), barrier.clone());
            spawn(Box::pin(async move {
                start.wait().await;
                // Held while others wait, so that it is handed over in order.
                let mut sum = lock.lock().await;
                order.borrow_mut().push(number);
                uasyncio_core::yield_now().await;
                *sum += number;
                drop(sum);
                let _ = barrier.wait().await;
            }));
        }
        start.set();
        let _ = barrier.wait().await;
        assert_eq!(*order.borrow(), [0, 1, 2]);
        assert_eq!(*lock.lock().await, 3);
    });
}

#[test]
fn queues_semaphores_and_conditions_work_among_tasks_of_the_host() {
    in_each(|spawn| async move {
        let (queue, permits) = (Rc::new(Queue::bounded(3)), Rc::new(Semaphore::new(2)));
        let busy = Rc::new(Cell::new(0));
        for _ in 0..5 {
            let (queue, permits, busy) = (queue.clone(), permits.clone(), busy.clone());
            spawn(Box::pin(async move {
                while let Ok(number) = queue.get().await {
                    let _permit = permits.acquire().await;
                    busy.set(busy.get() + 1);
                    assert!(busy.get() <= 2);
                    gather((async {}, async { number })).await;
                    busy.set(busy.get() - 1);
                    queue.task_done();
                }
            }));
        }
        for number in 0..100 {
            queue.put(number).await.unwrap();
        }
        queue.join().await;
        queue.shutdown(false);

        // A wake from another thread, through the host's waker.
        let flag = Arc::new(ThreadSafeFlag::new());
        let setter = flag.clone();
        let thread = std::thread::spawn(move || setter.set());
        flag.wait().await;
        thread.join().unwrap();
    });
}

#[test]
fn streams_over_a_pipe_in_memory_need_no_loop() {
    in_each(|spawn| async move {
        let (near, far) = duplex(7);
        spawn(Box::pin(async move {
            let (mut reader, mut writer) = split(far);
            while let Ok(line) = reader.readline().await {
                if line.is_empty() {
                    break;
                }
                writer.awrite(line).await.unwrap();
            }
            writer.aclose().await.unwrap();
        }));
        let (mut reader, mut writer) = split(near);
        for number in 0..50 {
            let line = format!("this is line {number}\n");
            let (written, answer) = gather((writer.awritestr(&line), reader.readline())).await;
            written.unwrap();
            assert_eq!(answer.unwrap(), line.as_bytes());
        }
        writer.write_eof().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

#[test]
fn sockets_and_clocks_without_a_guest_say_what_is_missing() {
    in_each(|_| async move {
        let error = open_connection("127.0.0.1", 9).await.unwrap_err();
        assert!(error.to_string().contains("uasyncio_io::run"), "{error}");
        let error = UdpSocket::bind(([127, 0, 0, 1], 0)).unwrap_err();
        assert!(error.to_string().contains("uasyncio_io::run"), "{error}");
    });
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

/// Counts tasks down.
struct Countdown(Cell<usize>, Event);

impl Countdown {
    fn new(count: usize) -> Rc<Countdown> {
        Rc::new(Countdown(Cell::new(count), Event::new()))
    }

    fn one_is_done(&self) {
        self.0.set(self.0.get() - 1);
        if self.0.get() == 0 {
            self.1.set();
        }
    }
}

#[test]
fn streams_made_in_a_guest_are_used_by_tasks_of_the_host() {
    in_a_guest_of_each(|spawn| async move {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let done = Countdown::new(10);
        for client in 0..10 {
            let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await.unwrap();
            let done = done.clone();
            spawn(Box::pin(async move {
                for number in 0..20 {
                    let line = format!("{client} says {number}\n");
                    writer.awritestr(&line).await.unwrap();
                    assert_eq!(reader.readline().await.unwrap(), line.as_bytes());
                }
                done.one_is_done();
            }));
        }
        done.1.wait().await;
    });
}

#[test]
fn datagrams_go_between_tasks_of_the_host_and_of_the_guest() {
    in_a_guest_of_each(|spawn| async move {
        let server = UdpSocket::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = server.local_addr().unwrap();
        let serving = create_task(async move {
            let mut buffer = [0; 64];
            loop {
                let received = server.recv_from(&mut buffer).await.unwrap();
                server.send_to(&buffer[..received.len], received.from).await.unwrap();
            }
        });
        let done = Countdown::new(5);
        for client in 0..5_u8 {
            let (socket, done) = (UdpSocket::bind(([127, 0, 0, 1], 0)).unwrap(), done.clone());
            spawn(Box::pin(async move {
                socket.connect(address).unwrap();
                let mut buffer = [0; 64];
                for number in 0..20 {
                    socket.send(&[client, number]).await.unwrap();
                    let received = socket.recv(&mut buffer).await.unwrap();
                    assert_eq!(&buffer[..received.len], [client, number]);
                }
                done.one_is_done();
            }));
        }
        done.1.wait().await;
        serving.cancel();
    });
}

#[test]
fn time_limits_work_in_a_guest() {
    in_a_guest_of_each(|spawn| async move {
        let never = Event::new();
        assert!(wait_for_ms(never.wait(), 5).await.is_err());
        // Of what a task of the host does, too.
        let (queue, condition) = (Rc::new(Queue::bounded(1)), Rc::new(Condition::new()));
        let (sending, lock) = (queue.clone(), Rc::new(Lock::new(false)));
        let (notifying, locked) = (condition.clone(), lock.clone());
        spawn(Box::pin(async move {
            sending.put("from the host").await.unwrap();
            *locked.lock().await = true;
            notifying.notify_all();
        }));
        assert_eq!(wait_for_ms(queue.get(), 20_000).await.unwrap().unwrap(), "from the host");
        let mut guard = lock.lock().await;
        while !*guard {
            guard = condition.wait(guard).await;
        }
        drop(guard);
        let sleeping = std::pin::pin!(sleep_ms(1));
        select(sleeping, std::pin::pin!(never.wait())).await;
    });
}
