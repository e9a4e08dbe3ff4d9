//! Our event loop as a future inside smol: async-executor and async-io.
#![cfg(all(unix, not(miri)))]

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use async_io::{Async, Timer, block_on};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use uasyncio_compat::guest::on_smol;
use uasyncio_core::{create_task, sleep_ms, spawn, yield_now};
use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
use uasyncio_sync::ThreadSafeFlag;

fn run<F: Future + 'static>(future: F) -> F::Output {
    block_on(on_smol(future).unwrap())
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
fn our_streams_and_sockets_of_async_io_work_side_by_side() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let mut theirs = Async::<TcpStream>::connect(server.local_addr()).await.unwrap();
        let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await.unwrap();
        let mut buffer = [0; 6];
        for _ in 0..100 {
            theirs.write_all(b"smol!\n").await.unwrap();
            theirs.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"smol!\n");
            writer.awritestr("ours\n").await.unwrap();
            assert_eq!(reader.readline().await.unwrap(), b"ours\n");
        }
    });
}

#[test]
fn timers_of_both_are_over_in_time() {
    run(async {
        let start = Instant::now();
        let ours = create_task(async move {
            sleep_ms(20).await;
            assert!(start.elapsed() >= Duration::from_millis(20));
        });
        Timer::after(Duration::from_millis(10)).await;
        assert!(start.elapsed() >= Duration::from_millis(10));
        ours.await.unwrap();
        sleep_ms(1).await;
        assert!(start.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn a_local_executor_runs_tasks_beside_it() {
    static FLAG: ThreadSafeFlag = ThreadSafeFlag::new();
    let executor = Rc::new(LocalExecutor::new());
    let theirs = Rc::new(Cell::new(0));
    let stop = Rc::new(Cell::new(false));
    let spinning = {
        let (theirs, stop) = (theirs.clone(), stop.clone());
        executor.spawn(async move {
            while !stop.get() {
                theirs.set(theirs.get() + 1);
                yield_now().await;
            }
        })
    };
    let guest = on_smol(async move {
        let spun = Rc::new(Cell::new(0));
        let count = spun.clone();
        spawn(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        });
        sleep_ms(10).await;
        Timer::after(Duration::from_millis(5)).await;
        std::thread::spawn(|| FLAG.set());
        FLAG.wait().await;
        stop.set(true);
        spun.get()
    })
    .unwrap();
    let spun = block_on(executor.run(async {
        let spun = guest.await;
        spinning.await;
        spun
    }));
    assert!(spun > 10, "{spun}");
    assert!(theirs.get() > 10, "{}", theirs.get());
}

#[test]
fn it_may_be_one_of_several_tasks() {
    let executor = LocalExecutor::new();
    let sums = block_on(executor.run(async {
        let tasks: Vec<_> = (1..=5_u32)
            .map(|number| {
                executor.spawn(
                    on_smol(async move {
                        sleep_ms(number).await;
                        number
                    })
                    .unwrap(),
                )
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    }));
    assert_eq!(sums, 15);
}

#[test]
fn what_is_smols_works_on_our_loop_without_a_guest() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let mut theirs = Async::<TcpStream>::connect(server.local_addr()).await.unwrap();
        let mut buffer = [0; 6];
        for _ in 0..10 {
            theirs.write_all(b"smol!\n").await.unwrap();
            theirs.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"smol!\n");
            Timer::after(Duration::from_millis(1)).await;
        }
    });
}
