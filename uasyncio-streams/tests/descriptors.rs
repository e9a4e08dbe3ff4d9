//! Nothing is leaked: the descriptors of this process are counted, so these tests run one after the other.
#![cfg(target_os = "linux")]

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use uasyncio_core::yield_now;
use uasyncio_streams::{
    ConnectOptions, TcpReader, TcpWriter, UnixReader, UnixWriter, connect_write_pipe, open_connection, open_unix_connection,
    start_server, start_unix_server, stderr, stdin, stdout, wait_child,
};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Polls a future this many times, giving the loop its turn in between, and drops it.
async fn cancel_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// A socket that has a port, and refuses connections until it listens.
fn bound_socket() -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket
}

/// A listener whose queue is full: connecting to it neither succeeds nor fails.
fn busy_listener() -> (SocketAddr, impl Sized) {
    let socket = bound_socket();
    socket.listen(0).unwrap();
    let address = TcpListener::from(socket.try_clone().unwrap()).local_addr().unwrap();
    let queued = TcpStream::connect(address).unwrap();
    (address, (socket, queued))
}

/// A look-up that was cancelled goes on in its thread, and the system opens files for it.
fn one_look_up_at_a_time() {
    uasyncio_io::Reactor::current().unwrap().set_thread_limits(1, 64, std::time::Duration::from_secs(60));
}

/// With one thread, what is asked last is done last.
async fn look_ups_are_over() {
    uasyncio_io::to_thread(|| ()).await.unwrap();
}

// T-38.
#[test]
fn t_38_a_connection_that_fails_or_is_cancelled_leaks_no_descriptor() {
    let _alone = alone();
    // It is kept, or the system might give its port to the busy one, which never answers.
    let refusing = bound_socket();
    let port = refusing.local_addr().unwrap().as_socket().unwrap().port();
    let (busy, _keep) = busy_listener();
    uasyncio_io::run(async {
        one_look_up_at_a_time();
        // Once, so that whatever is opened once is open: the threads of look-ups, for one.
        let _ = open_connection("a name with spaces", port).await;
        let before = descriptors();
        for _ in 0..10 {
            let error = open_connection("127.0.0.1", port).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(descriptors(), before);
        }
        for polls in 0..6 {
            assert!(cancel_after(polls, open_connection("127.0.0.1", busy.port())).await.is_none());
            assert_eq!(descriptors(), before);
            cancel_after(polls, open_connection("localhost", port)).await;
            assert_eq!(descriptors(), before);
            cancel_after(polls, open_connection("a name with spaces", port)).await;
            look_ups_are_over().await;
            assert_eq!(descriptors(), before);
        }
    });
}

#[test]
fn a_server_that_is_closed_or_whose_start_fails_or_is_cancelled_leaks_no_descriptor() {
    let _alone = alone();
    uasyncio_io::run(async {
        one_look_up_at_a_time();
        let quiet = |_: TcpReader, _: TcpWriter| async {};
        start_server(quiet, "localhost", 0).await.unwrap().close();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let before = descriptors();
        for polls in 0..4 {
            start_server(quiet, "127.0.0.1", 0).await.unwrap().close();
            assert_eq!(descriptors(), before, "closed");
            start_server(quiet, "127.0.0.1", taken.local_addr().unwrap().port()).await.unwrap_err();
            assert_eq!(descriptors(), before, "failed");
            if let Some(server) = cancel_after(polls, start_server(quiet, "localhost", 0)).await {
                server.unwrap().close();
            }
            look_ups_are_over().await;
            assert_eq!(descriptors(), before, "cancelled");
        }
    });
}

#[test]
fn connections_that_ended_in_any_way_leak_no_descriptor() {
    let _alone = alone();
    uasyncio_io::run(async {
        let wait_for_the_end = |mut reader: TcpReader, _writer: TcpWriter| async move {
            let _ = reader.readline().await;
        };
        let server = start_server(wait_for_the_end, "127.0.0.1", 0).await.unwrap();
        yield_now().await;
        let before = descriptors();
        for round in 0..20 {
            let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await.unwrap();
            match round % 4 {
                0 => writer.aclose().await.unwrap(),
                1 => reader.aclose().await.unwrap(),
                2 => writer.write_eof().await.unwrap(),
                _ => {
                    let socket = reader.transport().try_clone_std().unwrap();
                    socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
                }
            }
        }
        while descriptors() > before {
            yield_now().await;
        }
    });
}

#[test]
fn unix_sockets_that_fail_are_cancelled_or_end_leak_no_descriptor() {
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("uasyncio-descriptors-{}", std::process::id()));
    let nowhere = path.join("nowhere");
    uasyncio_io::run(async {
        let quiet = |_: UnixReader, _: UnixWriter| async {};
        start_unix_server(quiet, &path).await.unwrap().close();
        yield_now().await;
        let before = descriptors();
        for polls in 0..4 {
            open_unix_connection(&path).await.unwrap_err();
            start_unix_server(quiet, &nowhere).await.unwrap_err();
            assert_eq!(descriptors(), before, "failed");
            let server = start_unix_server(quiet, &path).await.unwrap();
            cancel_after(polls, open_unix_connection(&path)).await;
            server.close();
            while descriptors() > before {
                yield_now().await;
            }
            // A queue that is full.
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
            socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
            socket.listen(0).unwrap();
            let queued = std::os::unix::net::UnixStream::connect(&path).unwrap();
            let with_queue = descriptors();
            assert!(cancel_after(polls, open_unix_connection(&path)).await.is_none());
            assert_eq!(descriptors(), with_queue, "cancelled");
            drop((socket, queued));
            std::fs::remove_file(&path).unwrap();
        }
    });
}

#[test]
fn pipes_and_children_leak_no_descriptor() {
    let _alone = alone();
    uasyncio_io::run(async {
        let before = descriptors();
        for polls in 0..4 {
            let (reading, writing) = rustix::pipe::pipe().unwrap();
            connect_write_pipe(reading).unwrap_err();
            let mut writer = connect_write_pipe(writing).unwrap();
            writer.awrite(b"x").await.unwrap_err();
            writer.write_eof().await.unwrap();
            assert_eq!(descriptors(), before, "pipes");
            drop((stdin().ok(), stdout().unwrap(), stderr().unwrap()));
            assert_eq!(descriptors(), before, "standard streams");
            let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
            let input = child.stdin.take();
            assert!(cancel_after(polls, wait_child(&mut child)).await.is_none());
            drop(input);
            assert!(wait_child(&mut child).await.unwrap().success());
            assert_eq!(descriptors(), before, "children");
        }
    });
}

// T-39: TCP may connect a socket to itself, when the port is one of those that are given to clients. It surely does when this end has that port.
#[test]
fn t_39_no_connection_to_a_closed_port_ends_at_its_own_beginning() {
    let _alone = alone();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    uasyncio_io::run(async {
        let before = descriptors();
        let from_there = ConnectOptions::default().local_addr(closed);
        let error = from_there.open("127.0.0.1", closed.port()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(descriptors(), before);
    });
}
