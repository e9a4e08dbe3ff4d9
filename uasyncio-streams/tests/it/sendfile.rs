//! `send_file` over TCP.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use uasyncio_core::create_task;
use uasyncio_streams::{TcpReader, TcpTransport, TcpWriter, split};

/// A file of its own for each test; gone when it is dropped.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, contents: &[u8]) -> (TemporaryFile, File) {
        let path = std::env::temp_dir().join(format!("uasyncio-{name}-{}", std::process::id()));
        std::fs::write(&path, contents).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        (TemporaryFile(path), file)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn streams() -> ((TcpReader, TcpWriter), (TcpReader, TcpWriter)) {
    let (near, far) = sockets();
    (split(TcpTransport::from_std(near).unwrap()), split(TcpTransport::from_std(far).unwrap()))
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number % 251) as u8).collect()
}

#[test]
fn a_part_of_a_file_is_sent_between_two_writes() {
    let (_remove, mut file) = TemporaryFile::new("part", &data(100_000));
    file.seek(io::SeekFrom::Start(7)).unwrap();
    uasyncio_io::run(async {
        let ((_reader, mut writer), (mut far_reader, _far_writer)) = streams();
        writer.write(b"before").unwrap();
        assert_eq!(writer.send_file(&file, 1000, 50_000).await.unwrap(), 50_000);
        writer.awritestr("after").await.unwrap();
        assert_eq!(writer.written(), 50_011);
        writer.aclose().await.unwrap();
        let expected = [b"before", &data(100_000)[1000..51_000], b"after"].concat();
        assert!(far_reader.read_to_end(100_000).await.unwrap() == expected);
    });
    #[cfg(unix)]
    assert_eq!(file.stream_position().unwrap(), 7);
}

#[test]
fn the_end_of_the_file_ends_it() {
    let (_remove, file) = TemporaryFile::new("end", &data(1000));
    uasyncio_io::run(async {
        let ((_reader, mut writer), (mut far_reader, _far_writer)) = streams();
        assert_eq!(writer.send_file(&file, 900, u64::MAX).await.unwrap(), 100);
        assert_eq!(writer.send_file(&file, 1000, 5).await.unwrap(), 0);
        assert_eq!(writer.send_file(&file, 5000, 5).await.unwrap(), 0);
        assert_eq!(writer.send_file(&file, 0, 0).await.unwrap(), 0);
        assert_eq!(far_reader.readexactly(100).await.unwrap(), &data(1000)[900..]);
    });
}

// AW-3, AW-9.
#[test]
fn a_large_file_waits_for_the_peer_and_a_cancel_tells_how_much_went() {
    const LENGTH: usize = 12_000_000;
    let (_remove, file) = TemporaryFile::new("large", &data(LENGTH));
    uasyncio_io::run(async {
        let ((_reader, mut writer), (mut far_reader, _far_writer)) = streams();
        let mut sending = writer.send_file(&file, 0, u64::MAX);
        // Until the buffers on the way are full: nobody reads yet.
        for _ in 0..1000 {
            std::future::poll_fn(|cx| {
                let _ = std::pin::Pin::new(&mut sending).poll(cx);
                std::task::Poll::Ready(())
            })
            .await;
            uasyncio_core::yield_now().await;
        }
        let sent = sending.sent();
        assert!(sent > 0 && sent < LENGTH as u64, "{sent}");
        drop(sending);
        assert_eq!(writer.written(), sent);
        let receiving = create_task(async move {
            let mut received = 0;
            let expected = data(LENGTH);
            while !far_reader.fill_buf().await.unwrap().is_empty() {
                let count = far_reader.buffered().len();
                assert!(far_reader.buffered() == &expected[received..received + count]);
                received += count;
                far_reader.consume(count);
            }
            received
        });
        assert_eq!(writer.send_file(&file, sent, u64::MAX).await.unwrap(), LENGTH as u64 - sent);
        writer.aclose().await.unwrap();
        assert_eq!(receiving.await.unwrap(), LENGTH);
    });
}

/// The kernel's `sendfile` may refuse a file of `/proc`. Whatever it does, the bytes arrive.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_the_kernel_may_refuse_is_sent_too() {
    let mut expected = String::new();
    File::open("/proc/version").unwrap().read_to_string(&mut expected).unwrap();
    let file = File::open("/proc/version").unwrap();
    uasyncio_io::run(async {
        let ((_reader, mut writer), (mut far_reader, _far_writer)) = streams();
        assert_eq!(writer.send_file(&file, 0, u64::MAX).await.unwrap(), expected.len() as u64);
        assert_eq!(far_reader.readexactly(expected.len()).await.unwrap(), expected.as_bytes());
    });
}

#[test]
fn a_file_that_cannot_be_read_and_a_peer_that_is_gone_are_errors() {
    let (remove, mut file) = TemporaryFile::new("errors", &data(10));
    let unreadable = OpenOptions::new().append(true).open(&remove.0).unwrap();
    file.write_all(&data(3_000_000)).unwrap();
    uasyncio_io::run(async {
        let ((_reader, mut writer), (far_reader, far_writer)) = streams();
        assert!(writer.send_file(&unreadable, 0, 10).await.is_err());
        drop((far_reader, far_writer));
        let error = loop {
            if let Err(error) = writer.send_file(&file, 0, u64::MAX).await {
                break error.kind();
            }
        };
        assert!(matches!(error, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
        writer.aclose().await.unwrap();
        assert_eq!(writer.send_file(&file, 0, 1).await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}
