//! The example `ws_echo` as a program: its command line, its limit of connections, and how it ends.
#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use common::{Running, example, ws_echo};

const UPGRADE: &[u8] =
    b"GET /echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket, from the head of the server's answer on.
fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(UPGRADE).unwrap();
    stream
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn the_command_line_is_checked() {
    let Some(mut help) = example("ws_echo") else { return };
    let help = help.arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("usage: ws_echo"));
    let wrong =
        ["--what", "--listen=8084", "--listen=a:b", "--idle=0", "--idle=x", "--grace=-1", "--max-frame=0", "echo", "--idle"];
    for argument in wrong {
        let ended = example("ws_echo").unwrap().arg(argument).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{argument}: {said}");
        assert!(said.starts_with("error: ") && said.ends_with("; try --help\n"), "{argument}: {said}");
    }
    let Some((_server, port)) = ws_echo(&[]) else { return };
    let taken = example("ws_echo").unwrap().arg(format!("--listen=127.0.0.1:{port}")).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
}

#[test]
fn one_too_many_waits_for_its_turn() {
    let Some((_server, port)) = ws_echo(&["--max-connections", "1"]) else { return };
    let mut first = connect(port);
    assert!(read_head(&mut first).starts_with("HTTP/1.1 101 "));
    let mut second = connect(port);
    // While the second one waits, the first is served.
    first.write_all(b"\x89\x80\0\0\0\0").unwrap();
    let mut pong = [0; 2];
    first.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0x8a, 0]);
    second.set_nonblocking(true).unwrap();
    assert_eq!(second.read(&mut pong).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    second.set_nonblocking(false).unwrap();
    drop(first);
    assert!(read_head(&mut second).starts_with("HTTP/1.1 101 "));
}

#[test]
fn a_second_ctrl_c_does_not_wait() {
    // Its patience is longer than that of the tests.
    let Some((mut server, port)) = ws_echo(&["--grace", "1000"]) else { return };
    let mut client = connect(port);
    read_head(&mut client);
    server.interrupt();
    let mut close = [0; 4];
    client.read_exact(&mut close).unwrap();
    // 1001, which this client does not answer.
    assert_eq!((close[0], &close[2..]), (0x88, &[3, 0xe9][..]));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody new is let in");
    server.interrupt();
    assert_eq!(server.line(), "1 connections aborted");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn without_anybody_it_ends_at_once() {
    let Some(mut command) = example("ws_echo") else { return };
    let mut server = Running::start(command.args(["--listen", "[::1]:0"]).stderr(Stdio::null())).unwrap();
    let line = server.line();
    if line.is_empty() {
        return common::skipped("ws_echo on IPv6", "there is no ::1 here");
    }
    assert!(line.starts_with("echoing at ws://[::1]:"), "{line}");
    server.interrupt();
    assert_eq!((server.line(), server.wait()), ("0 connections closed, 0 aborted".to_owned(), Some(0)));
}
