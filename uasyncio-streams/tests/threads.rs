//! The only test of its process, so that the threads can be counted.
#![cfg(target_os = "linux")]

use std::io;

use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn an_address_starts_no_thread_and_a_name_does() {
    uasyncio_io::run(async {
        let before = threads();
        let quiet = |_: TcpReader, _: TcpWriter| async {};
        let server = start_server(quiet, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addr().port();
        open_connection("127.0.0.1", port).await.unwrap();
        assert_eq!(open_connection("::1", port).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        open_connection("localhost", port).await.unwrap();
        assert_eq!(threads(), before);
        // No name server is asked for a label that long.
        open_connection(&"x".repeat(300), port).await.unwrap_err();
        assert!(threads() > before);
    });
}
