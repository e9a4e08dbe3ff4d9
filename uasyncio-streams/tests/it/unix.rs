//! Connections and servers over Unix sockets.
#![cfg(unix)]

use std::cell::Cell;
use std::fs;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use uasyncio_core::{create_task, yield_now};
use uasyncio_io::Reactor;
use uasyncio_streams::{
    ServerOptions, UnixReader, UnixServer, UnixTransport, UnixWriter, open_unix_connection, split, start_unix_server,
};

/// A folder for the sockets of one test, which is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("uasyncio-unix-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn echo(mut reader: UnixReader, mut writer: UnixWriter) -> io::Result<()> {
    loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.awrite(line).await?;
    }
}

async fn quiet(_: UnixReader, _: UnixWriter) {}

async fn assert_echoes(path: impl AsRef<std::path::Path>) {
    let (mut reader, mut writer) = open_unix_connection(path).await.unwrap();
    writer.awritestr("hello\n").await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"hello\n");
    writer.write_eof().await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"");
}

/// Nobody listens there any more, but for a child process that another test is starting: see `common::assert_refuses`.
async fn assert_refuses(path: impl AsRef<std::path::Path>) {
    for _ in 0..100_000 {
        match open_unix_connection(&path).await {
            Ok(_) => yield_now().await,
            Err(error) => return assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
        }
    }
    panic!("somebody listens there still");
}

/// Lets the other tasks run until they wait, and the loop ask the poller.
async fn turn() {
    let waits = || Reactor::current().unwrap().stats().waits;
    for _ in 0..2 {
        let before = waits();
        while waits() == before {
            yield_now().await;
        }
    }
}

// Trap 43.
#[test]
fn a_client_and_a_server_know_each_other() {
    let folder = Folder::new("know");
    let path = folder.socket();
    uasyncio_io::run(async {
        let server = start_unix_server(echo, &path).await.unwrap();
        assert_eq!(server.local_addr().as_pathname(), Some(&*path));
        assert_eq!(server.sockets().unwrap()[0].local_addr().unwrap().as_pathname(), Some(&*path));
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
        let (reader, mut writer) = open_unix_connection(&path).await.unwrap();
        assert_eq!(reader.transport().peer_addr().unwrap().as_pathname(), Some(&*path));
        assert!(reader.transport().local_addr().unwrap().is_unnamed());
        let socket = writer.transport().try_clone_std().unwrap();
        assert_eq!(socket.peer_addr().unwrap().as_pathname(), Some(&*path));
        writer.aclose().await.unwrap();
        assert_eq!(writer.transport().peer_addr().unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert_eq!(writer.transport().try_clone_std().unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert_echoes(&path).await;
    });
}

#[cfg(all(target_os = "linux", feature = "credentials"))]
#[test]
fn both_ends_learn_who_the_other_one_is() {
    use std::os::unix::fs::MetadataExt;

    let folder = Folder::new("credentials");
    let path = folder.socket();
    let ours = fs::metadata("/proc/self").unwrap();
    let check = move |transport: &UnixTransport| {
        let peer = transport.peer_credentials().unwrap();
        assert_eq!((peer.pid, peer.uid, peer.gid), (Some(std::process::id()), ours.uid(), ours.gid()));
    };
    uasyncio_io::run(async {
        let seen = check.clone();
        let handler = move |reader: UnixReader, writer: UnixWriter| {
            seen(reader.transport());
            echo(reader, writer)
        };
        let _server = start_unix_server(handler, &path).await.unwrap();
        let (mut reader, mut writer) = open_unix_connection(&path).await.unwrap();
        check(writer.transport());
        writer.awritestr("hello\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        writer.aclose().await.unwrap();
        assert_eq!(writer.transport().peer_credentials().unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_in_the_abstract_namespace_has_no_file() {
    use std::os::linux::net::SocketAddrExt;

    let name = format!("\0uasyncio-streams-{}", std::process::id());
    uasyncio_io::run(async {
        let server = start_unix_server(echo, &name).await.unwrap();
        assert_eq!(server.local_addr().as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert_echoes(&name).await;
        let in_use = start_unix_server(echo, &name).await.unwrap_err();
        assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
        server.close();
        assert_refuses(&name).await;
        let long = "\0".to_owned() + &"x".repeat(108);
        assert_eq!(open_unix_connection(&long).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_other_files_are_not() {
    let folder = Folder::new("stale");
    let path = folder.socket();
    uasyncio_io::run(async {
        // The standard library leaves the file behind.
        drop(UnixListener::bind(&path).unwrap());
        assert_refuses(&path).await;
        let cautious = ServerOptions::default().reuse_address(false).start_unix(echo, &path).await.unwrap_err();
        assert_eq!(cautious.kind(), io::ErrorKind::AddrInUse);
        assert!(cautious.to_string().contains("socket"), "{cautious}");
        let first = start_unix_server(quiet, &path).await.unwrap();
        // As in asyncio, one that is in use is replaced too; the old server does not remove the new one's file.
        let second = start_unix_server(echo, &path).await.unwrap();
        first.close();
        assert_echoes(&path).await;
        second.close();
        assert!(!path.exists());

        fs::write(&path, "precious").unwrap();
        let error = start_unix_server(echo, &path).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        // What a link points to is left alone too.
        let link = folder.0.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(start_unix_server(echo, &link).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(link.is_symlink());
    });
}

#[test]
fn the_file_is_removed_when_the_server_ends_in_any_way() {
    let folder = Folder::new("removed");
    let path = folder.socket();
    uasyncio_io::run(async {
        let server = start_unix_server(echo, &path).await.unwrap();
        let (mut reader, mut writer) = open_unix_connection(&path).await.unwrap();
        writer.awritestr("before\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"before\n");
        server.close();
        // At once, with no turn of the loop in between.
        assert!(!path.exists());
        assert_eq!(open_unix_connection(&path).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        // Connections run on.
        writer.awritestr("after\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"after\n");
        // A file that is there now belongs to somebody else.
        fs::write(&path, "").unwrap();
        server.close();
        drop(server);
        assert!(path.exists());
        fs::remove_file(&path).unwrap();

        // The server runs on when its handle is dropped ...
        drop(start_unix_server(echo, &path).await.unwrap());
        assert_echoes(&path).await;
    });
    // ... until the loop is dropped.
    assert!(!path.exists());

    // A start that fails late.
    let error = uasyncio_core::run(start_unix_server(echo, &path)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(!path.exists());
}

#[test]
fn a_socket_that_listens_already_is_taken_over_and_its_file_left() {
    let folder = Folder::new("given");
    let path = folder.socket();
    uasyncio_io::run(async {
        let listener = UnixListener::bind(&path).unwrap();
        let server = ServerOptions::default().start_on_unix(echo, listener).unwrap();
        assert_echoes(&path).await;
        server.close();
        assert!(path.exists());
    });
}

#[test]
fn the_permissions_are_those_that_were_asked_for() {
    let folder = Folder::new("permissions");
    let path = folder.socket();
    uasyncio_io::run(async {
        for mode in [0o600, 0o660, 0o777] {
            let server = ServerOptions::default().unix_permissions(mode).start_unix(echo, &path).await.unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            assert_echoes(&path).await;
            server.close();
        }
    });
}

#[test]
fn what_cannot_be_reached_or_listened_on_is_an_error_that_says_so() {
    let folder = Folder::new("errors");
    uasyncio_io::run(async {
        let nowhere = folder.0.join("nowhere").join("socket");
        for (path, kind) in [
            (folder.socket(), io::ErrorKind::NotFound),
            (nowhere.clone(), io::ErrorKind::NotFound),
            (PathBuf::new(), io::ErrorKind::InvalidInput),
            (PathBuf::from("so\0cket"), io::ErrorKind::InvalidInput),
            (folder.0.join("x".repeat(120)), io::ErrorKind::InvalidInput),
        ] {
            let error = open_unix_connection(&path).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{path:?} {error}");
            assert!(error.to_string().contains(&format!("{path:?}")), "{error}");
            if path != folder.socket() {
                let error = start_unix_server(echo, &path).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{path:?} {error}");
                assert!(error.to_string().contains(&format!("{path:?}")), "{error}");
            }
        }
        assert_eq!(UnixTransport::from_std(UnixStream::pair().unwrap().0).unwrap().local_addr().unwrap().as_pathname(), None);
    });
    let error = uasyncio_core::run(open_unix_connection(folder.socket())).unwrap_err();
    assert!(error.to_string().contains("uasyncio_io::run"), "{error}");
}

// Linux says EAGAIN when the queue of a server is full, and no poller ever says when it is not.
#[cfg(target_os = "linux")]
#[test]
fn a_full_queue_is_waited_for() {
    let folder = Folder::new("full");
    let path = folder.socket();
    // With 0 there is room for one.
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let listener = UnixListener::from(std::os::fd::OwnedFd::from(socket));
    let first = UnixStream::connect(&path).unwrap();
    uasyncio_io::run(async {
        // Given up after a while, it leaves nothing in the queue.
        let given_up = uasyncio_core::create_task({
            let path = path.clone();
            async move { open_unix_connection(path).await }
        });
        turn().await;
        assert!(!given_up.done());
        given_up.cancel();

        let waiting = create_task({
            let path = path.clone();
            async move { open_unix_connection(path).await.unwrap() }
        });
        turn().await;
        assert!(!waiting.done());
        drop((first, listener.accept().unwrap()));
        let (mut reader, _writer) = waiting.await.unwrap();
        let mut second = listener.accept().unwrap().0;
        second.write_all(b"welcome\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"welcome\n");
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    });
}

//
#[test]
fn the_limits_and_the_shutdown_of_servers_hold_here_too() {
    let folder = Folder::new("limits");
    let path = folder.socket();
    uasyncio_io::run(async {
        let accepted = Rc::new(Cell::new(0));
        let counter = accepted.clone();
        let handler = move |reader, writer| {
            counter.set(counter.get() + 1);
            echo(reader, writer)
        };
        let options = ServerOptions::default().max_connections(2).max_connections_per_peer(1);
        let server: UnixServer = options.start_unix(handler, &path).await.unwrap();
        let mut clients: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&path).unwrap()).collect();
        turn().await;
        assert_eq!((accepted.get(), server.connections()), (2, 2));
        clients.remove(0);
        while accepted.get() < 3 {
            yield_now().await;
        }
        drop(clients.pop());
        // One that is idle, and one that ends by itself.
        let summary = server.shutdown(Duration::from_millis(20)).await;
        assert_eq!((summary.drained, summary.aborted), (1, 1));
        let mut last = clients.pop().unwrap();
        assert_eq!(last.read(&mut [0]).unwrap(), 0);
        assert!(!path.exists());
    });
}

#[test]
fn a_peer_that_waits_too_long_is_told_so() {
    let folder = Folder::new("idle");
    let path = folder.socket();
    uasyncio_io::run(async {
        let (sender, seen) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(None)));
        let log = seen.clone();
        let handler = move |mut reader: UnixReader, _writer: UnixWriter| {
            let log = log.clone();
            async move { log.set(Some(io::Error::from(reader.readline().await.unwrap_err()).kind())) }
        };
        let options = ServerOptions::default().idle_deadline(Duration::from_millis(5));
        let _server = options.start_unix(handler, &path).await.unwrap();
        sender.set(Some(open_unix_connection(&path).await.unwrap()));
        while seen.get().is_none() {
            yield_now().await;
        }
        assert_eq!(seen.get(), Some(io::ErrorKind::TimedOut));
    });
}

// T-33: there is no reset, except after bytes that nobody read.
#[test]
fn t_33_an_abort_is_the_end_for_the_peer_and_unread_bytes_make_it_a_reset() {
    uasyncio_io::run(async {
        for unread in [false, true] {
            let (near, far) = UnixStream::pair().unwrap();
            let (_reader, mut writer) = split(UnixTransport::from_std(near).unwrap());
            let (mut far_reader, mut far_writer) = split(UnixTransport::from_std(far).unwrap());
            if unread {
                far_writer.awrite(b"unread").await.unwrap();
            }
            writer.awrite(b"last").await.unwrap();
            writer.abort();
            assert_eq!(far_reader.readexactly(4).await.unwrap(), b"last");
            let end = far_reader.fill_buf().await.map_err(|error| error.kind());
            let reset = cfg!(target_os = "linux") && unread;
            assert_eq!(end, if reset { Err(io::ErrorKind::ConnectionReset) } else { Ok(&[][..]) });
            assert_eq!(far_writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
    });
}

// Linux ends a read where descriptors were sent along, so a short read says nothing of what comes next.
#[cfg(target_os = "linux")]
#[test]
fn descriptors_that_a_peer_sends_along_hold_up_no_byte() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::os::fd::AsFd;

    uasyncio_io::run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = split(UnixTransport::from_std(near).unwrap());
        let reading = create_task(async move {
            let mut lines = Vec::new();
            for _ in 0..3 {
                lines.push(reader.readline().await.unwrap().to_vec());
            }
            lines
        });
        turn().await;
        for text in ["one\n", "two\n", "three\n"] {
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors = [io::stdin()];
            let descriptors = descriptors.each_ref().map(AsFd::as_fd);
            assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
            sendmsg(&far, &[io::IoSlice::new(text.as_bytes())], &mut control, SendFlags::empty()).unwrap();
        }
        assert_eq!(reading.await.unwrap(), [&b"one\n"[..], b"two\n", b"three\n"]);
    });
}

// T-38.
#[test]
fn a_connection_that_is_cancelled_at_any_point_is_closed() {
    let folder = Folder::new("cancelled");
    let path = folder.socket();
    uasyncio_io::run(async {
        let ended = Rc::new(Cell::new(0));
        let counter = ended.clone();
        let handler = move |mut reader: UnixReader, _: UnixWriter| {
            let counter = counter.clone();
            async move {
                assert_eq!(reader.readline().await.unwrap(), b"");
                counter.set(counter.get() + 1);
            }
        };
        let _server = start_unix_server(handler, &path).await.unwrap();
        {
            let mut opening = pin!(open_unix_connection(&path));
            // There is room in the queue, so the first poll connects.
            let done = poll_fn(|cx| Poll::Ready(opening.as_mut().poll(cx).is_ready())).await;
            assert!(done);
        }
        while ended.get() < 1 {
            yield_now().await;
        }
    });
}
