//! T-33: how TCP connections end without a proper end. Half-closes, double closes and drops are in `both.rs`, for each transport.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use uasyncio_core::{create_task, yield_now};
use uasyncio_streams::{TcpReader, TcpTransport, TcpWriter, split};

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn streams() -> ((TcpReader, TcpWriter), TcpStream) {
    let (near, far) = sockets();
    (split(TcpTransport::from_std(near).unwrap()), far)
}

/// What a peer does that is killed with something unread, or wants it so.
fn reset(socket: TcpStream) {
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn t_33_a_reset_is_an_error_for_who_waits_to_read_and_then_the_end() {
    uasyncio_io::run(async {
        let ((mut reader, mut writer), mut far) = streams();
        let reading = create_task(async move {
            let error = reader.readline().await.unwrap_err();
            (reader, io::Error::from(error).kind())
        });
        far.write_all(b"half a line").unwrap();
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!reading.done());
        reset(far);
        let (mut reader, kind) = reading.await.unwrap();
        assert_eq!(kind, io::ErrorKind::ConnectionReset);
        assert_eq!(reader.take_buffered(), b"half a line", "what came before it is not lost");
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        writer.aclose().await.unwrap();
        reader.aclose().await.unwrap();
    });
}

#[test]
fn t_33_a_reset_is_an_error_for_who_waits_to_write_and_for_each_write_after_it() {
    uasyncio_io::run(async {
        let ((reader, mut writer), far) = streams();
        let writing = create_task(async move {
            let error = writer.awrite(&vec![0; 50_000_000]).await.unwrap_err();
            (writer, error.kind())
        });
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!writing.done());
        reset(far);
        let (mut writer, kind) = writing.await.unwrap();
        assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{kind}");
        assert!(writer.written() > 0);
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        drop(reader);
        writer.aclose().await.unwrap();
    });
}

// As the docs of `aclose` say: to close without having read everything is a reset, and so is to drop.
#[test]
fn t_33_what_was_not_read_makes_the_end_a_reset() {
    for (close, unread) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut far = uasyncio_io::run(async {
            let ((mut reader, mut writer), mut far) = streams();
            far.write_all(b"line\nmore").unwrap();
            far.shutdown(std::net::Shutdown::Write).unwrap();
            // By the socket, and not into the buffer of the reader.
            let mut buffer = [0; 9];
            let length = if unread { 5 } else { 9 };
            let mut count = 0;
            while count < length {
                count += reader.read(&mut buffer[count..length]).await.unwrap();
            }
            if !unread {
                assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
            }
            if close {
                writer.aclose().await.unwrap();
            }
            far
        });
        match far.read(&mut [0; 10]) {
            Ok(0) => assert!(!unread),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => assert!(unread),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn t_33_abort_sends_a_reset_and_aclose_does_not() {
    for with_reset in [true, false] {
        let (near, mut far) = sockets();
        uasyncio_io::run(async {
            let (mut reader, mut writer) = split(TcpTransport::from_std(near).unwrap());
            if with_reset {
                writer.abort();
                writer.abort();
            } else {
                writer.aclose().await.unwrap();
                writer.abort();
            }
            assert_eq!(reader.fill_buf().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
        });
        match far.read(&mut [0; 10]) {
            Ok(0) => assert!(!with_reset),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => assert!(with_reset),
            other => panic!("{other:?}"),
        }
    }
}
