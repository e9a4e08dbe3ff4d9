//! TCP connections and servers.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use crate::common::{assert_refuses, refusing};
use uasyncio_core::{create_task, get_event_loop, yield_now};
use uasyncio_io::Reactor;
use uasyncio_streams::{
    Server, ServerOptions, StreamReader, TcpReader, TcpTransport, TcpWriter, open_connection, split, start_server,
};

async fn echo(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    loop {
        let data = reader.fill_buf().await?;
        if data.is_empty() {
            return Ok(());
        }
        let count = data.len();
        writer.awrite(data).await?;
        reader.consume(count);
    }
}

async fn client(server: &Server) -> (TcpReader, TcpWriter) {
    open_connection("127.0.0.1", server.local_addr().port()).await.unwrap()
}

async fn assert_echoes(server: &Server) {
    let (mut reader, mut writer) = client(server).await;
    writer.awritestr("hello\n").await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"hello\n");
}

/// The lines that the loop's exception handler was given.
fn watch_exceptions() -> Rc<RefCell<Vec<String>>> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let log = lines.clone();
    get_event_loop().set_exception_handler(move |context| log.borrow_mut().push(context.to_string()));
    lines
}

#[test]
fn a_client_and_a_server_know_each_other() {
    uasyncio_io::run(async {
        let seen = Rc::new(Cell::new(None));
        let log = seen.clone();
        let handler = move |mut reader: TcpReader, mut writer: TcpWriter| {
            log.set(Some((reader.peer_addr(), reader.local_addr().unwrap())));
            assert_eq!(writer.peer_addr(), reader.peer_addr());
            async move { writer.awrite(reader.readline().await?).await }
        };
        let server = start_server(echo_line(handler), "127.0.0.1", 0).await.unwrap();
        assert_eq!(server.local_addrs(), [server.local_addr()]);
        assert_eq!(server.sockets().unwrap()[0].local_addr().unwrap(), server.local_addr());
        let (mut reader, mut writer) = client(&server).await;
        writer.awritestr("hello\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert_eq!(reader.peer_addr(), server.local_addr());
        assert_eq!(seen.get(), Some((reader.local_addr().unwrap(), server.local_addr())));
        // Small packets go out at once, on both sides.
        assert!(reader.transport().try_clone_std().unwrap().nodelay().unwrap());
    });
}

/// Helps the compiler to see the type of a handler's error.
fn echo_line<F: Future<Output = io::Result<()>>>(
    handler: impl Fn(TcpReader, TcpWriter) -> F,
) -> impl Fn(TcpReader, TcpWriter) -> F {
    handler
}

#[test]
fn a_name_is_looked_up_and_each_of_its_addresses_is_tried() {
    uasyncio_io::run(async {
        // A server on 127.0.0.1 alone: where the name is ::1 too, that address refuses.
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let (mut reader, mut writer) = open_connection("localhost", server.local_addr().port()).await.unwrap();
        writer.awritestr("hello\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        // One on the name listens on each address, with the same port.
        let server = start_server(echo, "localhost", 0).await.unwrap();
        for address in server.local_addrs() {
            assert_eq!(address.port(), server.local_addr().port());
            let (mut reader, mut writer) = open_connection(&address.ip().to_string(), address.port()).await.unwrap();
            writer.awritestr("hello\n").await.unwrap();
            assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        }
    });
}

#[test]
fn what_cannot_be_looked_up_or_reached_is_an_error_that_says_so() {
    uasyncio_io::run(async {
        let error = open_connection("no such name", 80).await.unwrap_err();
        assert!(error.to_string().contains("\"no such name\""), "{error}");
        let error = start_server(echo, "no such name", 80).await.unwrap_err();
        assert!(error.to_string().contains("\"no such name\""), "{error}");
        // 192.0.2.1 is an address for documentation: no machine has it.
        let error = start_server(echo, "192.0.2.1", 0).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
    });
    let error = uasyncio_core::run(open_connection("127.0.0.1", 80)).unwrap_err();
    assert!(error.to_string().contains("uasyncio_io::run"), "{error}");
}

// Trap 38: unlike in the originals, a refused connection is an error right away.
#[test]
fn a_refused_connection_is_an_error() {
    let (address, _refusing) = refusing();
    let port = address.port();
    uasyncio_io::run(async {
        let error = open_connection("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = open_connection("localhost", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn an_address_in_use_is_an_error_for_the_caller_and_free_again_after_close() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addr().port();
        let error = start_server(echo, "127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&server.local_addr().to_string()), "{error}");
        // With a connection that the server closed first: that is what `SO_REUSEADDR` is for.
        assert_echoes(&server).await;
        server.close();
        let again = start_server(echo, "127.0.0.1", port).await.unwrap();
        assert_echoes(&again).await;
    });
}

// Trap 39, and asyncio's rules for `close`.
#[test]
fn a_closed_server_accepts_nothing_and_its_connections_run_on() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let (mut reader, mut writer) = client(&server).await;
        writer.awritestr("before\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"before\n");
        let waiting = create_task({
            let server = server.clone();
            async move { server.wait_closed().await }
        });
        yield_now().await;
        assert!(!waiting.done());
        server.close();
        server.close();
        // At once, with no turn of the loop in between.
        assert_refuses(server.local_addr());
        assert!(server.sockets().unwrap().is_empty());
        waiting.await.unwrap().unwrap();
        server.wait_closed().await.unwrap();
        writer.awritestr("after\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"after\n");
    });
}

#[test]
fn a_server_whose_handle_is_dropped_runs_on_and_frees_its_handler_when_closed() {
    uasyncio_io::run(async {
        let witness = Rc::new(());
        let held = witness.clone();
        let handler = move |reader, writer| {
            let _ = &held;
            echo(reader, writer)
        };
        let server = start_server(handler, "127.0.0.1", 0).await.unwrap();
        let other = server.clone();
        drop(server);
        assert_echoes(&other).await;
        other.close();
        while Rc::strong_count(&witness) > 1 {
            yield_now().await;
        }
    });
}

#[test]
fn a_handler_that_fails_is_reported_and_concerns_nobody_else() {
    async fn fail_on_demand(mut reader: TcpReader, mut writer: TcpWriter) -> Result<(), String> {
        loop {
            match reader.readline().await.map_err(|error| error.to_string())? {
                b"" => return Ok(()),
                b"error\n" => return Err("as you wish".to_owned()),
                b"panic\n" => panic!("if you insist"),
                line => writer.awrite(line).await.map_err(|error| error.to_string())?,
            }
        }
    }
    // The test provokes panics, and need not show them.
    std::panic::set_hook(Box::new(|_| ()));
    uasyncio_io::run(async {
        let exceptions = watch_exceptions();
        let server = start_server(fail_on_demand, "127.0.0.1", 0).await.unwrap();
        let (mut bystander, mut bystander_writer) = client(&server).await;
        for (demand, reported) in [("error\n", "as you wish"), ("panic\n", "if you insist")] {
            let (mut reader, mut writer) = client(&server).await;
            writer.awritestr(demand).await.unwrap();
            assert_eq!(reader.readline().await.unwrap(), b"", "the connection of a failed handler is closed");
            let exceptions = exceptions.take();
            assert_eq!(exceptions.len(), 1);
            assert!(exceptions[0].contains(reported), "{exceptions:?}");
        }
        assert_echoes(&server).await;
        bystander_writer.awritestr("unharmed\n").await.unwrap();
        assert_eq!(bystander.readline().await.unwrap(), b"unharmed\n");
        assert!(exceptions.borrow().is_empty());

        // A panic before there is a future.
        let at_once = |_: TcpReader, _: TcpWriter| -> std::future::Ready<()> { panic!("at once") };
        let server = start_server(at_once, "127.0.0.1", 0).await.unwrap();
        for _ in 0..2 {
            assert_eq!(client(&server).await.0.readline().await.unwrap(), b"");
            assert!(exceptions.take().concat().contains("at once"));
        }
    });
}

// T-02: the error that ends a server, for real: `shutdown` makes a socket no listener any more.
#[cfg(target_os = "linux")]
#[test]
fn t_02_a_socket_that_is_no_listener_any_more_ends_the_server_with_that_error() {
    uasyncio_io::run(async {
        let exceptions = watch_exceptions();
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let socket = server.sockets().unwrap().remove(0);
        socket2::SockRef::from(&socket).shutdown(std::net::Shutdown::Both).unwrap();
        for _ in 0..2 {
            assert_eq!(server.wait_closed().await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(exceptions.borrow().len(), 1, "{exceptions:?}");
    });
}

// T-02: a client that resets its connection before it is accepted.
#[test]
fn t_02_a_reset_in_the_queue_is_survived() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let _exceptions = watch_exceptions();
        for _ in 0..3 {
            let client = TcpStream::connect(server.local_addr()).unwrap();
            socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
        assert_echoes(&server).await;
    });
}

// T-01, for real: in a process of its own, because a process has one limit of descriptors.
#[cfg(target_os = "linux")]
#[test]
fn t_01_without_descriptors_a_server_waits_reports_once_and_goes_on() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const CHILD: &str = "UASYNCIO_STREAMS_T_01";
    const CLIENTS: usize = 12;
    const SERVED: usize = 4;
    if std::env::var_os(CHILD).is_none() {
        let name = "net::t_01_without_descriptors_a_server_waits_reports_once_and_goes_on";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        return;
    }
    uasyncio_io::run(async {
        let exceptions = watch_exceptions();
        let accepted = Rc::new(Cell::new(0));
        let counter = accepted.clone();
        let handler = move |reader, writer| {
            counter.set(counter.get() + 1);
            echo(reader, writer)
        };
        let server = start_server(handler, "127.0.0.1", 0).await.unwrap();
        // The kernel completes connections without the server. A descriptor that is free now shows where the table ends.
        let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| TcpStream::connect(server.local_addr()).unwrap()).collect();
        let next = std::os::fd::AsRawFd::as_raw_fd(&TcpListener::bind("127.0.0.1:0").unwrap()) as u64;
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(next + SERVED as u64), maximum }).unwrap();

        // Reported once; then each client that leaves lets the next one in.
        while exceptions.borrow().is_empty() {
            yield_now().await;
        }
        assert_eq!(accepted.get(), SERVED);
        for gone in 0..CLIENTS - SERVED {
            clients.remove(0);
            while accepted.get() < SERVED + gone + 1 {
                yield_now().await;
            }
        }
        for client in &mut clients {
            client.write_all(b"hello").unwrap();
            client.set_nonblocking(true).unwrap();
            let mut answer = [0; 5];
            while let Err(error) = client.read_exact(&mut answer) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                yield_now().await;
            }
            assert_eq!(&answer, b"hello");
        }
        assert_eq!(exceptions.borrow().len(), 1, "{exceptions:?}");
    });
}

// AW-4, and N9: a connection whose request is there when it is accepted never registers with the poller.
#[test]
fn aw_4_a_short_connection_never_touches_the_poller() {
    uasyncio_io::run(async {
        let hello = |mut reader: TcpReader, mut writer: TcpWriter| async move {
            assert_eq!(reader.readline().await?, b"hello?\n");
            writer.awritestr("hello!\n").await.map_err(uasyncio_streams::ReadError::from)
        };
        let exceptions = watch_exceptions();
        let server = start_server(hello, "127.0.0.1", 0).await.unwrap();
        // Lets the listener register.
        for _ in 0..3 {
            yield_now().await;
        }
        let before = Reactor::current().unwrap().stats().registrations;
        let mut clients: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(server.local_addr()).unwrap()).collect();
        for client in &mut clients {
            client.write_all(b"hello?\n").unwrap();
            client.set_nonblocking(true).unwrap();
        }
        for client in &mut clients {
            let mut answer = [0; 7];
            while let Err(error) = client.read_exact(&mut answer) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                yield_now().await;
            }
            assert_eq!(&answer, b"hello!\n");
        }
        assert!(exceptions.borrow().is_empty(), "{exceptions:?}");
        let registrations = Reactor::current().unwrap().stats().registrations - before;
        // One-shot, the listener itself is armed again after each event: never more than once a connection.
        let most = if cfg!(uasyncio_poller = "oneshot") { 200 } else { 0 };
        assert!(registrations <= most, "{registrations}");
    });
}

// DIF-18: two pairs over two descriptors of one connection.
#[test]
fn dif_18_two_pairs_over_duplicated_descriptors_work() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let (mut reader, writer) = client(&server).await;
        let second = TcpTransport::from_std(reader.transport().try_clone_std().unwrap()).unwrap();
        drop(writer);
        let (_, mut writer) = split(second);
        let writing = create_task(async move {
            yield_now().await;
            writer.awritestr("through the other one\n").await.unwrap();
        });
        assert_eq!(reader.readline().await.unwrap(), b"through the other one\n");
        writing.await.unwrap();
    });
}

// T-34: a payload of 1 MB through a send buffer of 2 KB.
#[test]
fn t_34_small_socket_buffers_lose_nothing() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let (mut reader, mut writer) = client(&server).await;
        let socket = writer.transport().try_clone_std().unwrap();
        socket2::SockRef::from(&socket).set_send_buffer_size(2048).unwrap();
        let data: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 253) as u8).collect();
        let expected = data.clone();
        let writing = create_task(async move {
            let slices: Vec<io::IoSlice<'_>> = data.chunks(777).map(io::IoSlice::new).collect();
            writer.awritev(&slices).await.unwrap();
            writer.write_eof().await.unwrap();
        });
        assert_eq!(reader.readexactly(1_000_000).limit(1_000_000).await.unwrap(), expected);
        assert_eq!(reader.readline().await.unwrap(), b"");
        writing.await.unwrap();
    });
}

// connections that are always there starve nobody, and neither does a peer that always sends.
#[test]
fn a_queue_full_of_connections_and_a_busy_peer_let_others_run() {
    uasyncio_io::run(async {
        let accepted = Rc::new(Cell::new(0));
        let counter = accepted.clone();
        let handler = move |_: TcpReader, _: TcpWriter| {
            counter.set(counter.get() + 1);
            std::future::ready(())
        };
        let server = ServerOptions::default().backlog(400).start(handler, "127.0.0.1", 0).await.unwrap();
        let clients: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(server.local_addr()).unwrap()).collect();
        let mut steps = Vec::new();
        while accepted.get() < clients.len() {
            yield_now().await;
            steps.push(accepted.get());
        }
        // 128 operations of the budget at a time.
        assert!(steps.iter().filter(|&&accepted| 0 < accepted && accepted < 400).count() >= 3, "{steps:?}");

        let (client, _keep) = uasyncio_streams::duplex(100_000);
        let (mut reader, _writer) = split(_keep);
        let (_reader, mut writer) = split(client);
        writer.awrite(&[b'\n'; 1000]).await.unwrap();
        let lines = Rc::new(Cell::new(0));
        let counter = lines.clone();
        let reading = create_task(async move {
            while counter.get() < 1000 {
                count_line(&mut reader).await;
                counter.set(counter.get() + 1);
            }
        });
        yield_now().await;
        yield_now().await;
        assert!((1..1000).contains(&lines.get()), "{}", lines.get());
        reading.await.unwrap();
    });
}

async fn count_line<T: uasyncio_streams::Transport>(reader: &mut StreamReader<T>) {
    assert_eq!(reader.readline().await.unwrap(), b"\n");
}
