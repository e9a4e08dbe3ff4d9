//! tokio's loop and ours on one thread: clients that know tokio only, in tasks of ours.
#![cfg(all(target_os = "linux", not(miri)))]

use std::cell::Cell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use redis::AsyncCommands;
use uasyncio_compat::tokio::{run, try_run};
use uasyncio_core::{create_task, sleep_ms, spawn, yield_now};
use uasyncio_io::RunError;
use uasyncio_streams::{TcpReader, TcpWriter, start_server};
use uasyncio_sync::{gather, wait_for_ms};

#[test]
fn the_output_comes_back_and_both_kinds_of_tasks_run() {
    let sum = run(async {
        let ours = create_task(async {
            sleep_ms(1).await;
            1
        });
        let theirs = tokio::spawn(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            2
        });
        let local = Rc::new(3);
        let their_local = tokio::task::spawn_local(async move { *local });
        let blocking = tokio::task::spawn_blocking(|| 4);
        ours.await.unwrap() + theirs.await.unwrap() + their_local.await.unwrap() + blocking.await.unwrap()
    });
    assert_eq!(sum, 10);
}

#[test]
fn all_is_on_one_thread() {
    run(async {
        let here = std::thread::current().id();
        let ours = create_task(async { std::thread::current().id() });
        let theirs = tokio::spawn(async { std::thread::current().id() });
        assert_eq!(ours.await.unwrap(), here);
        assert_eq!(theirs.await.unwrap(), here);
    });
}

#[test]
fn a_loop_of_ours_that_runs_already_is_an_error() {
    uasyncio_core::run(async {
        assert!(matches!(try_run(async {}), Err(RunError::Loop(uasyncio_core::RunError::Nested))));
    });
    // And the reverse.
    run(async {
        assert!(uasyncio_io::try_run(async {}).is_err());
    });
}

#[test]
fn what_is_left_over_is_dropped_where_tokio_is_there() {
    struct NeedsTokio(Rc<Cell<bool>>);
    impl Drop for NeedsTokio {
        fn drop(&mut self) {
            self.0.set(tokio::runtime::Handle::try_current().is_ok());
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let held = NeedsTokio(dropped.clone());
    run(async {
        spawn(async move {
            let _held = held;
            std::future::pending().await
        });
        yield_now().await;
    });
    assert!(dropped.get());
}

/// Answers with the path that was asked for.
async fn serve(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    loop {
        let request = reader.readline().await?.to_vec();
        if request.is_empty() {
            return Ok(());
        }
        while reader.readline().await? != b"\r\n" {}
        let request = String::from_utf8_lossy(&request).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default();
        sleep_ms(1).await;
        writer.awritestr(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len())).await?;
    }
}

#[test]
fn reqwest_fetches_pages_from_a_server_of_ours() {
    run(async {
        let server = start_server(serve, "127.0.0.1", 0).await.unwrap();
        let base = format!("http://{}", server.local_addr());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let fetches = (0..50).map(|number| {
            let (client, url) = (client.clone(), format!("{base}/page/{number}"));
            // In tasks of ours, each with something that is not `Send`.
            let task = create_task(async move {
                let number = Rc::new(number);
                let text = client.get(url).send().await.unwrap().text().await.unwrap();
                assert_eq!(text, format!("/page/{number}"));
            });
            async move { task.await.unwrap() }
        });
        gather(fetches.collect::<Vec<_>>()).await;
        // A time limit of ours cuts reqwest short.
        let never = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", never.local_addr().unwrap());
        assert!(wait_for_ms(client.get(url).send(), 20).await.is_err());
    });
}

/// A real Redis server that listens on a socket in a folder of its own.
struct Redis {
    process: Child,
    folder: PathBuf,
}

impl Redis {
    /// `None` where it is not installed.
    fn start() -> Option<Redis> {
        let folder = std::env::temp_dir().join(format!("uasyncio-redis-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "redis.sock", "--dir", "."]);
        let process = command.current_dir(&folder).stdout(Stdio::null()).spawn();
        if process.is_err() {
            let _ = std::fs::remove_dir_all(&folder);
        }
        Some(Redis { process: process.ok()?, folder })
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.join("redis.sock").display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn redis_and_its_client_work() {
    let Some(redis) = Redis::start() else {
        let _ = writeln!(io::stdout(), "SKIPPED: a real Redis server (redis-server is not installed)");
        return;
    };
    let url = redis.url();
    run(async move {
        let client = redis::Client::open(url).unwrap();
        let connection = wait_for_ms(
            async {
                loop {
                    match client.get_multiplexed_async_connection().await {
                        Ok(connection) => return connection,
                        // It is still starting.
                        Err(_) => sleep_ms(5).await,
                    }
                }
            },
            20_000,
        );
        let connection = connection.await.expect("the server starts");
        let tasks = (0..40).map(|number: i64| {
            let mut connection = connection.clone();
            let task = create_task(async move {
                let key = Rc::new(format!("key {number}"));
                let () = connection.set(&*key, number * number).await.unwrap();
                let square: i64 = connection.get(&*key).await.unwrap();
                assert_eq!(square, number * number);
                let _: i64 = connection.incr("sum", number).await.unwrap();
            });
            async move { task.await.unwrap() }
        });
        gather(tasks.collect::<Vec<_>>()).await;
        let mut connection = connection;
        let sum: i64 = connection.get("sum").await.unwrap();
        assert_eq!(sum, 39 * 40 / 2);
    });
    drop(redis);
}
