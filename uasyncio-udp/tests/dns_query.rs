//! The example `dns_query`: its messages, and a real name server.

#[path = "it/support/mod.rs"]
mod support;

#[path = "../examples/dns_query/message.rs"]
mod message;
#[path = "../examples/dns_query/query.rs"]
mod query;

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use message::{Data, Kind, Record, answer, question};
use query::query;
use support::{bound, nobody, run, skipped};
use uasyncio_core::spawn;

const LIMIT: Duration = Duration::from_secs(20);

/// A name server of Debian's on loopback. It ends with this value.
struct NameServer {
    address: SocketAddr,
    child: Child,
    /// Read no further, but open: the server writes to it.
    _log: BufReader<ChildStderr>,
}

impl NameServer {
    /// `None`: there is none on this machine.
    fn start(records: &[&str]) -> Option<NameServer> {
        for _ in 0..20 {
            // It takes a port of UDP and the same of TCP.
            let (listener, address) = {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                (listener, address)
            };
            if std::net::UdpSocket::bind(address).is_err() {
                continue;
            }
            drop(listener);
            let mut child = match NameServer::spawn(address.port(), records) {
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                child => child.unwrap(),
            };
            let mut log = BufReader::new(child.stderr.take().unwrap());
            let mut line = String::new();
            let started = loop {
                line.clear();
                match log.read_line(&mut line).unwrap() {
                    0 => break false, // somebody was faster to take the port
                    _ if line.contains("started") => break true,
                    _ => {}
                }
            };
            let server = NameServer { address, child, _log: log };
            if started {
                return Some(server);
            }
        }
        panic!("the name server does not start: is there no free port?");
    }

    fn spawn(port: u16, records: &[&str]) -> io::Result<Child> {
        // Not everybody has the second place in the path.
        let start = |program: &str| {
            Command::new(program)
                .args(["--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file"])
                .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--log-facility=-"])
                .arg(format!("--port={port}"))
                .args(records)
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
        };
        start("dnsmasq")
            .or_else(|error| if error.kind() == ErrorKind::NotFound { start("/usr/sbin/dnsmasq") } else { Err(error) })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_name_server_is_asked() {
    let records = [
        "--address=/test.example/192.0.2.7",
        "--address=/test.example/2001:db8::7",
        "--host-record=one.other.example,192.0.2.8",
        "--cname=alias.other.example,one.other.example",
        "--local=/other.example/",
        "--local-ttl=77",
    ];
    let Some(server) = NameServer::start(&records) else {
        return skipped("dns_query asks a real name server", "dnsmasq is not installed");
    };
    let address = server.address;
    run(async {
        let data = async |name: &str, kind| {
            let records = query(name, kind, address, LIMIT).await?;
            io::Result::Ok(records.into_iter().map(|record| record.data).collect::<Vec<_>>())
        };
        assert_eq!(data("test.example", Kind::A).await.unwrap(), [Data::A(Ipv4Addr::new(192, 0, 2, 7))]);
        assert_eq!(data("Test.Example.", Kind::A).await.unwrap(), [Data::A(Ipv4Addr::new(192, 0, 2, 7))]);
        let v6: Ipv6Addr = "2001:db8::7".parse().unwrap();
        assert_eq!(data("a.test.example", Kind::Aaaa).await.unwrap(), [Data::Aaaa(v6)]);
        assert_eq!(data("one.other.example", Kind::Aaaa).await.unwrap(), []);
        let alias = data("alias.other.example", Kind::A).await.unwrap();
        assert_eq!(alias, [Data::Cname("one.other.example.".to_owned()), Data::A(Ipv4Addr::new(192, 0, 2, 8))]);
        let missing = data("missing.other.example", Kind::A).await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no such name");
        let refused = data("elsewhere.test", Kind::A).await.unwrap_err();
        assert_eq!(refused.to_string(), "the server refuses to answer");
        let records = query("one.other.example", Kind::A, address, LIMIT).await.unwrap();
        assert_eq!(records[0].to_string(), "one.other.example. 77 A 192.0.2.8");
    });
    drop(server);
    // Gone: that is told at once, not after the time limit.
    run(async {
        let error = query("test.example", Kind::A, address, LIMIT).await.unwrap_err();
        assert_eq!(error.to_string(), format!("nobody listens at {address}"));
    });
}

#[test]
fn without_a_server_the_error_says_why() {
    run(async {
        let nobody = nobody();
        let error = query("test.example", Kind::A, nobody, LIMIT).await.unwrap_err();
        assert_eq!(error.to_string(), format!("nobody listens at {nobody}"));
        // Somebody who never answers.
        let (_silent, address) = bound();
        let error = query("test.example", Kind::A, address, Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{address} has not answered within 5ms"));
        for name in ["", ".", "a..b", "müller.example", &"x".repeat(64), &"x.".repeat(128)] {
            let error = query(name, Kind::A, address, LIMIT).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
        }
    });
}

/// A question, and an answer to it with one address.
fn exchange() -> (Vec<u8>, Vec<u8>) {
    let question = question(0x1234, "test.example", Kind::A).unwrap();
    let mut message = question.clone();
    message[2] = 0x81;
    message[7] = 1;
    // The name is a reference to the question's.
    message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    (question, message)
}

#[test]
fn what_is_no_answer_to_the_question_is_waited_past() {
    run(async {
        let (server, address) = bound();
        spawn(async move {
            let mut buffer = [0; 512];
            let received = server.recv(&mut buffer).await.unwrap();
            let (_, mut good) = exchange();
            good[..2].copy_from_slice(&buffer[..2]);
            let mut other_id = good.clone();
            other_id[0] ^= 1;
            let mut other_name = good.clone();
            other_name[13] ^= 1;
            let question = &buffer[..received.len];
            for message in [&b""[..], b"junk", question, &other_id, &other_name, &good] {
                server.send_to(message, received.from).await.unwrap();
            }
        });
        let records = query("test.example", Kind::A, address, LIMIT).await.unwrap();
        let expected = Record { name: "test.example.".to_owned(), ttl: 60, data: Data::A(Ipv4Addr::new(192, 0, 2, 7)) };
        assert_eq!(records, [expected]);
    });
}

#[test]
fn no_message_however_broken_does_harm() {
    let (question, good) = exchange();
    for length in 0..good.len() {
        let cut = answer(&question, &good[..length]);
        assert!(!matches!(cut, Some(Ok(_))), "cut at {length}");
    }
    for place in 0..good.len() {
        for value in 0..=255 {
            let mut message = good.clone();
            message[place] = value;
            let _ = answer(&question, &message);
        }
    }
    // A name that refers to itself.
    let mut message = good.clone();
    let name = question.len();
    message[name + 1] = name as u8;
    assert!(matches!(answer(&question, &message), Some(Err(_))));
    // An answer that was cut by the server says so.
    let mut message = good;
    message[2] |= 2;
    assert!(answer(&question, &message).unwrap().unwrap_err().to_string().contains("TCP"));
}
