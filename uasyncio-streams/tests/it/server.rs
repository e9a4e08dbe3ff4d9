//! Servers: limits, deadlines, shutting down, and several sockets on one port.
#![cfg(unix)]

use std::cell::Cell;
use std::io::{self, Read, Write};
#[cfg(target_os = "linux")]
use std::io::{BufRead, BufReader};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::again::{again, again_in_a_network, role};
use crate::common::assert_refuses;
use uasyncio_core::{create_task, get_event_loop, yield_now};
use uasyncio_streams::{Server, ServerOptions, Summary, TcpReader, TcpWriter, open_connection, start_server};

const LONG: Duration = Duration::from_secs(60);

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

async fn assert_echoes((reader, writer): &mut (TcpReader, TcpWriter)) {
    writer.awritestr("hello\n").await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"hello\n");
}

/// Gives the loop its turns until something is so.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

fn counts(summary: Summary) -> (usize, usize) {
    (summary.drained, summary.aborted)
}

fn machine_has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

// T-04: at the limit nothing is accepted, and the kernel's queue is served in order.
#[test]
fn t_04_a_flood_finds_at_most_as_many_handlers_as_allowed_and_is_served_in_order() {
    uasyncio_io::run(async {
        let (alive, most, order) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (now, highest, next) = (alive.clone(), most.clone(), order.clone());
        let handler = move |mut reader: TcpReader, _writer: TcpWriter| {
            let (now, highest, next) = (now.clone(), highest.clone(), next.clone());
            async move {
                now.set(now.get() + 1);
                highest.set(highest.get().max(now.get()));
                let line = reader.readline().await.unwrap().to_vec();
                let number: usize = String::from_utf8(line).unwrap().trim().parse().unwrap();
                assert_eq!(number, next.replace(number + 1));
                now.set(now.get() - 1);
            }
        };
        let server = ServerOptions::default().max_connections(4).start(handler, "127.0.0.1", 0).await.unwrap();
        let mut clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.local_addr()).unwrap()).collect();
        until(|| alive.get() == 4).await;
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!((alive.get(), server.connections()), (4, 4));
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(format!("{number}\n").as_bytes()).unwrap();
            until(|| order.get() > number).await;
        }
        assert_eq!(most.get(), 4);
        until(|| server.connections() == 0).await;
    });
}

// T-04: the limit is that of the server, not that of each socket.
#[test]
fn t_04_several_sockets_share_the_limit() {
    if !machine_has_ipv6() {
        writeln!(io::stdout().lock(), "\nSKIPPED: a limit for two families (this machine has no IPv6)").unwrap();
        return;
    }
    uasyncio_io::run(async {
        let server = ServerOptions::default().max_connections(1).start(echo, "localhost", 0).await.unwrap();
        assert_eq!(server.local_addrs().len(), 2);
        let mut first = client(&server).await;
        assert_echoes(&mut first).await;
        // One for each accept loop: both have been woken, and only one may go on.
        let mut waiting = Vec::new();
        for host in ["127.0.0.1", "::1"] {
            waiting.push(open_connection(host, server.local_addr().port()).await.unwrap());
        }
        for _ in 0..20 {
            yield_now().await;
            assert_eq!(server.connections(), 1);
        }
        drop(first);
        let most = Rc::new(Cell::new(0));
        for (mut reader, mut writer) in waiting {
            let (server, most) = (server.clone(), most.clone());
            create_task(async move {
                writer.awritestr("hello\n").await.unwrap();
                assert_eq!(reader.readline().await.unwrap(), b"hello\n");
                most.set(most.get().max(server.connections()));
            })
            .await
            .unwrap();
        }
        assert_eq!(most.get(), 1);
    });
}

#[test]
fn one_peer_cannot_have_more_than_its_share() {
    uasyncio_io::run(async {
        let options = ServerOptions::default().max_connections_per_peer(2);
        let server = options.start(echo, "127.0.0.1", 0).await.unwrap();
        let mut first = client(&server).await;
        let mut second = client(&server).await;
        assert_echoes(&mut first).await;
        assert_echoes(&mut second).await;
        let (mut third, _writer) = client(&server).await;
        assert_eq!(third.readline().await.unwrap(), b"", "one too many");
        drop(first);
        until(|| server.connections() == 1).await;
        assert_echoes(&mut client(&server).await).await;
    });
}

// T-03, with real sockets: the exact times are tested with the deadlines themselves.
#[test]
fn t_03_idle_and_silent_clients_lose_their_connections() {
    uasyncio_io::run(async {
        get_event_loop().set_exception_handler(|_| ());
        let soon = Duration::from_millis(20);
        let options = [
            ServerOptions::default().first_byte_deadline(soon),
            ServerOptions::default().idle_deadline(soon),
            ServerOptions::default().first_byte_deadline(LONG).idle_deadline(soon),
        ];
        for (index, options) in options.into_iter().enumerate() {
            let server = options.start(echo, "127.0.0.1", 0).await.unwrap();
            let (mut reader, mut writer) = client(&server).await;
            if index > 0 {
                // Somebody who talks first is an idle holder, not a silent one.
                writer.awritestr("hello\n").await.unwrap();
                assert_eq!(reader.readline().await.unwrap(), b"hello\n");
            }
            assert_eq!(reader.readline().await.unwrap(), b"");
            until(|| server.connections() == 0).await;
        }
        // After the first byte its deadline is gone.
        let options = ServerOptions::default().first_byte_deadline(soon);
        let server = options.start(echo, "127.0.0.1", 0).await.unwrap();
        let mut talker = client(&server).await;
        assert_echoes(&mut talker).await;
        let (mut silent, _writer) = client(&server).await;
        assert_eq!(silent.readline().await.unwrap(), b"");
        assert_echoes(&mut talker).await;
    });
}

// T-05, R-10: counts, the port free again, and nothing outlives the shutdown.
#[test]
fn t_05_shutdown_drains_then_aborts_and_frees_the_port() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let (mut leaves, mut stays) = (client(&server).await, client(&server).await);
        assert_echoes(&mut leaves).await;
        assert_echoes(&mut stays).await;
        let shutdown = create_task({
            let server = server.clone();
            async move { server.shutdown(Duration::from_millis(100)).await }
        });
        yield_now().await;
        // No new ones, and the old ones are served.
        assert_refuses(server.local_addr());
        assert_echoes(&mut leaves).await;
        drop(leaves);
        assert_eq!(counts(shutdown.await.unwrap()), (1, 1));
        assert_eq!(stays.0.readline().await.unwrap(), b"");
        assert_eq!(server.connections(), 0);
        assert_eq!(counts(server.shutdown(LONG).await), (0, 0));
        start_server(echo, "127.0.0.1", server.local_addr().port()).await.unwrap();

        // Before the first accept, before the accept loop even ran.
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let _queued = TcpStream::connect(server.local_addr()).unwrap();
        assert_eq!(counts(server.shutdown(LONG).await), (0, 0));
    });
}

#[test]
fn t_05_shutdown_from_inside_a_handler_tells_its_client() {
    uasyncio_io::run(async {
        let server: Rc<std::cell::OnceCell<Server>> = Rc::default();
        let own = server.clone();
        let handler = move |mut reader: TcpReader, mut writer: TcpWriter| {
            let server = own.get().unwrap().clone();
            async move {
                if reader.readline().await?.is_empty() {
                    return Ok(());
                }
                let summary = server.shutdown(Duration::from_millis(10)).await;
                writer.awritestr(&format!("{} {}\n", summary.drained, summary.aborted)).await?;
                Ok::<_, uasyncio_streams::ReadError>(())
            }
        };
        server.set(start_server(handler, "127.0.0.1", 0).await.unwrap()).unwrap();
        let server = server.get().unwrap();
        let (mut idle, _writer) = client(server).await;
        let (mut reader, mut writer) = client(server).await;
        writer.awritestr("stop\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"0 1\n");
        assert_eq!(idle.readline().await.unwrap(), b"");
        server.wait_closed().await.unwrap();
    });
}

#[test]
fn clients_can_be_aborted_while_the_server_goes_on() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let mut victims = [client(&server).await, client(&server).await];
        for victim in &mut victims {
            assert_echoes(victim).await;
        }
        assert_eq!(server.abort_clients(), 2);
        for (reader, _) in &mut victims {
            assert_eq!(reader.readline().await.unwrap(), b"");
        }
        assert_echoes(&mut client(&server).await).await;
    });
}

#[test]
fn serve_forever_closes_the_server_when_it_is_cancelled() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let serving = create_task({
            let server = server.clone();
            async move { server.serve_forever().await }
        });
        let mut connection = client(&server).await;
        assert_echoes(&mut connection).await;
        serving.cancel();
        server.wait_closed().await.unwrap();
        assert_echoes(&mut connection).await;
    });
}

#[test]
fn whoever_waits_for_the_end_is_told_and_who_has_left_is_not_missed() {
    uasyncio_io::run(async {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let wait = || {
            let server = server.clone();
            create_task(async move { server.wait_closed().await })
        };
        let (first, leaves, last) = (wait(), wait(), wait());
        yield_now().await;
        leaves.cancel();
        yield_now().await;
        server.close();
        server.close();
        first.await.unwrap().unwrap();
        last.await.unwrap().unwrap();
        assert!(leaves.await.is_err());
        server.wait_closed().await.unwrap();
    });
}

#[test]
fn a_socket_that_listens_already_is_served() {
    uasyncio_io::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = ServerOptions::default().start_on(echo, listener).unwrap();
        assert_eq!(server.local_addr(), address);
        assert_echoes(&mut client(&server).await).await;
    });
}

// T-37.
#[test]
fn t_37_both_families_on_one_port_unless_told_otherwise() {
    if !machine_has_ipv6() {
        writeln!(io::stdout().lock(), "\nSKIPPED: dual stack (this machine has no IPv6)").unwrap();
        return;
    }
    uasyncio_io::run(async {
        let peers = |_: TcpReader, mut writer: TcpWriter| async move {
            let text = format!("{} {}\n", writer.peer_addr().ip(), writer.local_addr()?.ip());
            writer.awritestr(&text).await
        };
        for host in ["::", ""] {
            let server = start_server(peers, host, 0).await.unwrap();
            for (address, seen) in [("127.0.0.1", "127.0.0.1 127.0.0.1\n"), ("::1", "::1 ::1\n")] {
                let (mut reader, _writer) = open_connection(address, server.local_addr().port()).await.unwrap();
                assert_eq!(reader.readline().await.unwrap(), seen.as_bytes());
            }
        }
        // The other family is free for another server, unless somebody else has that port: not in every attempt.
        let mut beside = Err(io::ErrorKind::AddrInUse.into());
        for _ in 0..16 {
            let server = ServerOptions::default().only_v6(true).start(peers, "::", 0).await.unwrap();
            let port = server.local_addr().port();
            open_connection("::1", port).await.unwrap();
            beside = start_server(peers, "0.0.0.0", port).await;
            if let Ok(ipv4) = &beside {
                ipv4.close();
                assert_refuses(([127, 0, 0, 1], port).into());
                break;
            }
            server.close();
        }
        beside.unwrap();
    });
}

// T-37: in a network without IPv6.
#[cfg(target_os = "linux")]
#[test]
fn t_37_a_machine_without_ipv6_has_ipv4() {
    const NAME: &str = "server::t_37_a_machine_without_ipv6_has_ipv4";
    if role().is_none() {
        let prepare = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
        let Some(mut child) = again_in_a_network(prepare, NAME, "server", "a machine without IPv6") else { return };
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("3 servers"));
        return;
    }
    assert!(!machine_has_ipv6());
    uasyncio_io::run(async {
        for host in ["localhost", "", "::"] {
            let server = start_server(echo, host, 0).await.unwrap();
            for name in ["localhost", "127.0.0.1"] {
                assert_echoes(&mut open_connection(name, server.local_addr().port()).await.unwrap()).await;
            }
        }
        assert_eq!(start_server(echo, "::1", 0).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    });
    println!("\n3 servers");
}

/// A server in a process of its own, on a port that others may share; port 0: any. It ends with its input, and says how many clients it had.
#[cfg(target_os = "linux")]
fn serve_until_the_input_ends(port: u16) {
    uasyncio_io::run(async {
        let served = Rc::new(Cell::new(0));
        let count = served.clone();
        let handler = move |mut reader: TcpReader, _writer: TcpWriter| {
            let count = count.clone();
            async move {
                reader.readline().await.unwrap();
                count.set(count.get() + 1);
            }
        };
        let server = ServerOptions::default().reuse_port(true).backlog(4096).start(handler, "127.0.0.1", port).await.unwrap();
        println!("\nport {}", server.local_addr().port());
        uasyncio_streams::stdin().unwrap().read_to_end(0).await.unwrap();
        let _ = server.shutdown(LONG).await;
        println!("\nserved {}", served.get());
    });
}

// T-06: a process for each core, on one port; the kernel spreads the connections.
#[cfg(target_os = "linux")]
#[test]
fn t_06_two_processes_that_share_a_port_share_the_connections() {
    const CONNECTIONS: usize = 10_000;
    if let Some(port) = role() {
        return serve_until_the_input_ends(port.parse().unwrap());
    }
    let start = |port: usize| {
        let mut child =
            again("server::t_06_two_processes_that_share_a_port_share_the_connections", &port.to_string()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The number behind a word at the beginning of a line.
        let mut number = move |word: &str| -> usize {
            let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with(word)).expect(word);
            line[word.len()..].trim().parse().unwrap()
        };
        (number("port "), child, number)
    };
    let (port, first, first_number) = start(0);
    let (same, second, second_number) = start(port);
    assert_eq!(same, port);
    for _ in 0..CONNECTIONS {
        // Until the server has closed it, so that none is in a queue when that ends.
        let mut client = TcpStream::connect(("127.0.0.1", port as u16)).unwrap();
        client.write_all(b"count\n").unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    let counts = [(first, first_number), (second, second_number)].map(|(mut child, mut number)| {
        drop(child.stdin.take());
        let served = number("served ");
        assert!(child.wait().unwrap().success());
        served
    });
    assert_eq!(counts.iter().sum::<usize>(), CONNECTIONS, "{counts:?}");
    assert!(counts.iter().all(|count| (3_500..=6_500).contains(count)), "{counts:?}");
}
