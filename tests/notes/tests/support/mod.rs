//! A server of notes on the loop of the test, and a client for it.
#![allow(dead_code)] // Each test program uses some of it.

use std::cell::Cell;
use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use uasyncio_core::{Task, create_task};
use uasyncio_streams::{TcpReader, TcpWriter, open_connection};
use uasyncio_sync::{Event, wait_for};

/// What only a hang reaches.
pub(crate) const LIMIT: Duration = Duration::from_secs(100);

/// A database that is gone when this is dropped.
pub(crate) struct Database(pub(crate) PathBuf);

impl Database {
    pub(crate) fn new(name: &str) -> Database {
        let database = Database(std::env::temp_dir().join(format!("uasyncio-{}-{name}.sqlite", std::process::id())));
        database.remove();
        database
    }

    pub(crate) fn remove(&self) {
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{ending}", self.0.display()));
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A server on the same loop.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) stop: Rc<Event>,
    task: Task<io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(database: &Path) -> Server {
        Server::start_at(0, database).await
    }

    pub(crate) async fn start_at(port: u16, database: &Path) -> Server {
        let asked = port;
        let (port, ready, stop) = (Rc::new(Cell::new(0)), Rc::new(Event::new()), Rc::new(Event::new()));
        let (database, told, heard, stopped) = (database.to_owned(), port.clone(), ready.clone(), stop.clone());
        let task = create_task(async move {
            let ready = move |address: SocketAddr| {
                told.set(address.port());
                heard.set();
            };
            uasyncio_notes::serve("127.0.0.1", asked, &database, ready, stopped.wait()).await
        });
        ready.wait().await;
        Server { port: port.get(), stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.set();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn send(&self, request: &str) -> (TcpReader, TcpWriter) {
        let (reader, mut writer) = open_connection("127.0.0.1", self.port).await.unwrap();
        writer.awritestr(request).await.unwrap();
        (reader, writer)
    }

    /// The status and everything behind it.
    pub(crate) async fn ask(&self, request_line: &str, headers: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request = format!(
            "{request_line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let (mut reader, _writer) = self.send(&request).await;
        answer(&mut reader).await
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let (status, text) = self.ask(&format!("GET {path}"), "", "").await;
        assert_eq!(status, 200, "{text}");
        text
    }

    pub(crate) async fn form(&self, path: &str, body: &str) -> (u16, String) {
        self.ask(&format!("POST {path}"), "Content-Type: application/x-www-form-urlencoded\r\n", body).await
    }

    pub(crate) async fn json(&self, request_line: &str, body: &str) -> (u16, String) {
        self.ask(request_line, "Content-Type: application/json\r\n", body).await
    }
}

pub(crate) async fn answer(reader: &mut TcpReader) -> (u16, String) {
    let text = String::from_utf8(reader.read_to_end(1_000_000).await.unwrap().to_vec()).unwrap();
    (text[9..12].parse().unwrap(), text)
}

/// Reads events up to the one that has `mark` in its data, and gives that data.
pub(crate) async fn event(reader: &mut TcpReader, mark: &str) -> String {
    let found = async {
        loop {
            let line = String::from_utf8(reader.readline().await.unwrap().to_vec()).unwrap();
            assert!(!line.is_empty(), "the events ended before {mark:?}");
            if line.starts_with("data: ") && line.contains(mark) {
                return line;
            }
        }
    };
    wait_for(found, LIMIT).await.expect("an event in time")
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    uasyncio_io::run(async { wait_for(test, LIMIT).await.expect("done in time") });
}
