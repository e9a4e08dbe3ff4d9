//! T-32, trap 40: writing to a peer that is gone is an error of that stream, and never the end of the process, even where `SIGPIPE` has the
//! default effect that programs in Rust begin without.
#![cfg(target_os = "linux")]

#[path = "it/again/mod.rs"]
mod again;
#[cfg(feature = "tls")]
#[path = "it/certificates/mod.rs"]
mod certificates;
#[cfg(feature = "tls")]
#[path = "it/sessions/mod.rs"]
mod sessions;

use std::io::{self, IoSlice};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;

use again::{again, role};
use uasyncio_streams::{StreamWriter, TcpTransport, Transport, UnixTransport, split};

/// What kills a process that writes to nobody.
fn restore_the_signal() {
    // SAFETY: This sets the default action; there is no handler that would have to be sound.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn tcp() -> (TcpTransport, TcpTransport) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    (TcpTransport::from_std(near).unwrap(), TcpTransport::from_std(far).unwrap())
}

fn unix() -> (UnixTransport, UnixTransport) {
    let (near, far) = UnixStream::pair().unwrap();
    (UnixTransport::from_std(near).unwrap(), UnixTransport::from_std(far).unwrap())
}

/// Writes in each way that there is, long after the peer has gone.
async fn write_to_nobody<T: Transport + 'static>(near: T, far: T) {
    let (_reader, writer) = split(near);
    drop(far);
    write_in_every_way(writer).await;
}

async fn write_in_every_way<T: Transport>(mut writer: StreamWriter<T>) {
    // TCP learns of it by the answer to what it sends.
    while writer.awrite(b"hello").await.is_ok() {}
    let gone = |error: io::Error| {
        let kind = error.kind();
        assert!(matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
    };
    for _ in 0..3 {
        gone(writer.awrite(b"hello").await.unwrap_err());
        gone(writer.awritev(&[IoSlice::new(b"hel"), IoSlice::new(b"lo")]).await.unwrap_err());
        gone(writer.awriteiter(["hel", "lo"]).await.unwrap_err());
    }
    let (written, drained) = (writer.write(b"hello").map_err(io::Error::from), writer.drain().await);
    gone(written.and(drained).unwrap_err());
    let _ = writer.write_eof().await;
    let _ = writer.aclose().await;
}

/// What the child does; it prints one line when it is still there afterwards.
fn child(role: &str) {
    restore_the_signal();
    match role {
        "tcp" => uasyncio_io::run(async {
            let (near, far) = tcp();
            write_to_nobody(near, far).await;
        }),
        "unix" => uasyncio_io::run(async {
            let (near, far) = unix();
            write_to_nobody(near, far).await;
        }),
        #[cfg(feature = "tls")]
        "tls" => uasyncio_io::run(async {
            let (near, far) = tcp();
            let ((_reader, writer), far) = sessions::sessions(near, far).await;
            drop(far);
            write_in_every_way(writer).await;
        }),
        "a pipe" => {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            drop(reader);
            let _ = rustix::io::write(writer, b"hello");
        }
        other => panic!("{other}?"),
    }
    println!("\nstill there");
}

#[test]
fn t_32_writing_to_nobody_never_kills_the_process() {
    const NAME: &str = "t_32_writing_to_nobody_never_kills_the_process";
    if let Some(role) = role() {
        return child(&role);
    }
    let run = |role| {
        let output = again(NAME, role).output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let with_tls = cfg!(feature = "tls").then_some("tls");
    for role in ["tcp", "unix"].into_iter().chain(with_tls) {
        let (status, told) = run(role);
        assert!(status.success() && told.contains("still there"), "{role}, {status}: {told}");
    }
    // The signal does what it did before Rust; a write that does not keep it away shows it.
    let (status, told) = run("a pipe");
    assert_eq!((status.signal(), told.contains("still there")), (Some(libc::SIGPIPE), false), "{status}: {told}");
}
