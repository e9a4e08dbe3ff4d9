//! The example `ws_echo` with frames made by hand, over a pipe on virtual time.

#[path = "../examples/ws_echo/service.rs"]
mod service;
#[path = "../examples/ws_echo/session.rs"]
mod session;

use std::rc::Rc;
use std::time::Duration;

use session::Limits;
use uasyncio_core::{EventLoop, Task, VirtualTime, create_task, get_event_loop, sleep_ms};
use uasyncio_streams::{Duplex, StreamReader, StreamWriter, duplex, split};
use uasyncio_sync::Event;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The last frame of a message.
const FIN: u8 = 0x80;

const UPGRADE: &str = "GET /echo HTTP/1.1\r\nhost: here\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn limits() -> Limits {
    Limits {
        frame: 70_000,
        message: 100_000,
        handshake: Duration::from_secs(10),
        idle: Duration::from_secs(30),
        farewell: Duration::from_secs(5),
    }
}

/// A client's frame, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut frame = head(first, payload.len(), 0x80);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The beginning of a frame, as either side sends it.
fn head(first: u8, length: usize, masked: u8) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(masked | length as u8),
        126..0x1_0000 => {
            head.push(masked | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(masked | 127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// What the server sends, which is never masked.
fn answer(first: u8, payload: &[u8]) -> Vec<u8> {
    [head(first, payload.len(), 0), payload.to_vec()].concat()
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// A client with the server at the other end of a pipe.
struct Client {
    reader: StreamReader<Duplex>,
    writer: StreamWriter<Duplex>,
    closing: Rc<Event>,
    server: Task<hyper::Result<()>>,
}

impl Client {
    fn new() -> Client {
        let (near, far) = duplex(1_000);
        let closing = Rc::new(Event::new());
        let for_server = closing.clone();
        let server = create_task(async move {
            let (reader, writer) = split(far);
            service::serve(reader, writer, &limits(), &for_server).await
        });
        let (mut reader, writer) = split(near);
        reader.set_limit(200_000);
        Client { reader, writer, closing, server }
    }

    async fn upgraded() -> Client {
        let mut client = Client::new();
        client.writer.awritestr(UPGRADE).await.unwrap();
        let head = String::from_utf8(client.reader.readuntil(b"\r\n\r\n").await.unwrap().to_vec()).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // The example of the standard, RFC 6455 section 1.3.
        assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        client
    }

    async fn send(&mut self, frames: &[u8]) {
        self.writer.awrite(frames).await.unwrap();
    }

    #[track_caller]
    fn expect(&mut self, expected: Vec<u8>) -> impl Future<Output = ()> + '_ {
        let place = std::panic::Location::caller();
        async move {
            let got = self.reader.readexactly(expected.len()).await.unwrap();
            assert!(
                got == expected,
                "at {place}: {:?} and not {:?}",
                &got[..got.len().min(99)],
                &expected[..expected.len().min(99)]
            );
        }
    }

    /// The server says nothing more, and ends when this has.
    async fn end(mut self) {
        assert_eq!(self.reader.read_to_end(1_000).await.unwrap(), b"");
        self.writer.aclose().await.unwrap();
        self.server.await.unwrap().unwrap();
    }

    /// The server closes, with this code.
    async fn closed(mut self, code: u16) {
        let head = self.reader.readexactly(4).await.unwrap().to_vec();
        assert_eq!((head[0], u16::from_be_bytes([head[2], head[3]])), (FIN | CLOSE, code));
        let reason = usize::from(head[1]) - 2;
        assert!(std::str::from_utf8(self.reader.readexactly(reason).await.unwrap()).is_ok());
        self.end().await;
    }
}

/// On virtual time; gives the time at the end.
fn run(test: impl Future<Output = ()>) -> u32 {
    let run = EventLoop::with_platform(VirtualTime::new()).run_until_complete(async {
        test.await;
        get_event_loop().time().as_millis()
    });
    run.unwrap()
}

#[test]
fn messages_of_every_length_come_back() {
    run(async {
        let mut client = Client::upgraded().await;
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let (text, binary) = ("x".repeat(length), frame(FIN | BINARY, &payload));
            // It waits for nobody to read while it writes: a part of the message is on its way back.
            client.send(&frame(FIN | TEXT, text.as_bytes())).await;
            client.expect(answer(FIN | TEXT, text.as_bytes())).await;
            client.send(&binary).await;
            client.expect(answer(FIN | BINARY, &payload)).await;
        }
        client.send(&frame(FIN | CLOSE, &close(1000, "enough"))).await;
        client.expect(answer(FIN | CLOSE, &close(1000, "enough"))).await;
        client.end().await;
    });
}

#[test]
fn what_comes_with_the_handshake_counts() {
    run(async {
        let mut client = Client::new();
        client.send(&[UPGRADE.as_bytes(), &frame(FIN | TEXT, b"early")].concat()).await;
        client.reader.readuntil(b"\r\n\r\n").await.unwrap();
        client.expect(answer(FIN | TEXT, b"early")).await;
    });
}

#[test]
fn fragments_are_put_together_and_pings_answered_between_them() {
    run(async {
        let mut client = Client::upgraded().await;
        // A character is cut in two.
        client.send(&frame(TEXT, b"gr\xc3")).await;
        client.send(&frame(FIN | PING, b"there?")).await;
        client.expect(answer(FIN | PONG, b"there?")).await;
        client.send(&frame(CONTINUATION, b"\xbc")).await;
        client.send(&frame(FIN | PONG, b"nobody has asked")).await;
        client.send(&frame(FIN | CONTINUATION, b"n")).await;
        client.expect(answer(FIN | TEXT, "grün".as_bytes())).await;
        // Byte by byte, and the frames in pieces too.
        for byte in [frame(BINARY, b"a"), frame(CONTINUATION, b""), frame(FIN | CONTINUATION, b"b")].concat() {
            client.send(&[byte]).await;
            sleep_ms(1).await;
        }
        client.expect(answer(FIN | BINARY, b"ab")).await;
        client.send(&frame(FIN | PING, &[7; 125])).await;
        client.expect(answer(FIN | PONG, &[7; 125])).await;
    });
}

#[test]
fn the_close_of_a_client_is_echoed() {
    let table = [
        (vec![], vec![]),
        (close(1000, ""), close(1000, "")),
        (close(1001, "good-bye"), close(1001, "good-bye")),
        (close(3000, "ours"), close(3000, "ours")),
        (close(4999, &"x".repeat(123)), close(4999, &"x".repeat(123))),
    ];
    for (sent, expected) in table {
        run(async {
            let mut client = Client::upgraded().await;
            client.send(&frame(FIN | CLOSE, &sent)).await;
            client.expect(answer(FIN | CLOSE, &expected)).await;
            // After that nothing is listened to.
            client.send(&frame(FIN | TEXT, b"and another thing")).await;
            client.end().await;
        });
    }
}

#[test]
fn invalid_frames_are_refused_with_their_code() {
    let long = |first| [head(first, 70_001, 0x80), vec![0; 4]].concat();
    let table: Vec<(&str, Vec<u8>, u16)> = vec![
        ("reserved bit 1", frame(FIN | 0x40 | TEXT, b"x"), 1002),
        ("reserved bit 2", frame(FIN | 0x20 | TEXT, b"x"), 1002),
        ("reserved bit 3", frame(FIN | 0x10 | PING, b"x"), 1002),
        ("reserved data opcode", frame(FIN | 3, b"x"), 1002),
        ("reserved control opcode", frame(FIN | 11, b"x"), 1002),
        ("no mask", answer(FIN | TEXT, b"x"), 1002),
        ("fragmented ping", frame(PING, b"x"), 1002),
        ("fragmented close", frame(CLOSE, b""), 1002),
        ("ping of 126 bytes", frame(FIN | PING, &[0; 126]), 1002),
        ("close of 126 bytes", frame(FIN | CLOSE, &close(1000, &"x".repeat(124))), 1002),
        ("continuation of nothing", frame(FIN | CONTINUATION, b"x"), 1002),
        ("a message inside a message", [frame(TEXT, b"x"), frame(FIN | TEXT, b"y")].concat(), 1002),
        ("a close of one byte", frame(FIN | CLOSE, b"x"), 1002),
        ("a code that means nothing", frame(FIN | CLOSE, &close(999, "")), 1002),
        ("a code that is never sent", frame(FIN | CLOSE, &close(1005, "")), 1002),
        ("another", frame(FIN | CLOSE, &close(1006, "")), 1002),
        ("a code of nobody", frame(FIN | CLOSE, &close(5000, "")), 1002),
        ("invalid UTF-8", frame(FIN | TEXT, b"\xff"), 1007),
        ("a surrogate", frame(FIN | TEXT, b"\xed\xa0\x80"), 1007),
        ("half a character", frame(FIN | TEXT, b"\xc3"), 1007),
        ("half a character at the end", [frame(TEXT, b"x"), frame(FIN | CONTINUATION, b"\xc3")].concat(), 1007),
        ("invalid before the end", [frame(TEXT, b"x"), frame(CONTINUATION, b"\xff")].concat(), 1007),
        ("a reason of no UTF-8", frame(FIN | CLOSE, b"\x03\xe8\xff"), 1007),
        ("a frame too long", long(FIN | BINARY), 1009),
        ("a fragment too long", long(TEXT), 1009),
        ("a message too long", [frame(BINARY, &[0; 60_000]), frame(FIN | CONTINUATION, &[0; 60_000])].concat(), 1009),
        ("a length of 2^63", [&[FIN | BINARY, 0xff][..], &[0x80, 0, 0, 0, 0, 0, 0, 0], &[0; 4]].concat(), 1009),
    ];
    for (what, bytes, code) in table {
        println!("{what}");
        run(async {
            let mut client = Client::upgraded().await;
            client.send(&frame(FIN | TEXT, b"valid")).await;
            client.expect(answer(FIN | TEXT, b"valid")).await;
            client.send(&bytes).await;
            client.closed(code).await;
        });
    }
}

#[test]
fn a_client_that_is_gone_ends_its_task() {
    let beginnings = [vec![], frame(TEXT, b"half"), vec![FIN | TEXT], frame(FIN | BINARY, &[0; 60_000])];
    for bytes in beginnings {
        run(async {
            let mut client = Client::upgraded().await;
            client.send(&bytes).await;
            let Client { reader, writer, server, .. } = client;
            drop((reader, writer));
            server.await.unwrap().unwrap();
        });
    }
}

#[test]
fn silence_is_asked_about() {
    let end = run(async {
        let mut client = Client::upgraded().await;
        let now = || get_event_loop().time().as_millis();
        client.expect(answer(FIN | PING, b"")).await;
        assert_eq!(now(), 30_000);
        sleep_ms(10_000).await;
        client.send(&frame(FIN | PONG, b"")).await;
        // It has answered, so the silence begins anew.
        client.expect(answer(FIN | PING, b"")).await;
        assert_eq!(now(), 70_000);
        client.closed(1011).await;
    });
    // With the time that it has had to answer the close frame.
    assert_eq!(end, 105_000);
}

#[test]
fn a_client_that_does_not_read_is_left() {
    let end = run(async {
        let mut client = Client::upgraded().await;
        // More than the pipe holds.
        client.send(&frame(FIN | TEXT, &[b'x'; 60_000])).await;
        let Client { reader, writer, server, .. } = client;
        server.await.unwrap().unwrap();
        drop((reader, writer));
    });
    // As long as an answer may take, and then a little for the farewell.
    assert_eq!(end, 35_000);
}

#[test]
fn the_end_of_the_server_is_told() {
    run(async {
        let mut client = Client::upgraded().await;
        client.closing.set();
        // What was sent before the client knew is not echoed any more.
        client.send(&frame(FIN | TEXT, b"too late")).await;
        let reason = "the server is shutting down";
        client.expect(answer(FIN | CLOSE, &close(1001, reason))).await;
        client.send(&frame(FIN | CLOSE, &close(1001, reason))).await;
        client.end().await;
    });
    // One that does not answer has five seconds.
    let end = run(async {
        let client = Client::upgraded().await;
        client.closing.set();
        let Client { reader, writer, server, .. } = client;
        server.await.unwrap().unwrap();
        drop((reader, writer));
    });
    assert_eq!(end, 5_000);
    // Before the handshake there is nobody to be told.
    let end = run(async {
        let client = Client::new();
        client.closing.set();
        client.end().await;
    });
    assert_eq!(end, 0);
}

/// What is answered to a request.
async fn ask(request: &str) -> String {
    let mut client = Client::new();
    client.send(request.as_bytes()).await;
    let mut answer = client.reader.readuntil(b"\r\n\r\n").await.unwrap().to_vec();
    // No further request comes.
    client.writer.write_eof().await.unwrap();
    answer.extend(client.reader.read_to_end(10_000).await.unwrap());
    String::from_utf8(answer).unwrap()
}

#[test]
fn requests_that_open_nothing_are_answered() {
    let without = |header: &str| UPGRADE.split_inclusive("\r\n").filter(|line| !line.starts_with(header)).collect::<String>();
    let table = [
        (without("upgrade"), 426, "sec-websocket-version: 13"),
        (without("sec-websocket-version"), 426, "upgrade: websocket"),
        (UPGRADE.replace("version: 13", "version: 8"), 426, "sec-websocket-version: 13"),
        (without("sec-websocket-key"), 400, "Sec-WebSocket-Key"),
        (UPGRADE.replace("dGhl", "dGh"), 400, "Sec-WebSocket-Key"),
        (UPGRADE.replace("GET", "POST"), 405, "allow: GET"),
        (UPGRADE.replace("/echo", "/nowhere"), 404, "there is / and /echo"),
        (UPGRADE.replace("HTTP/1.1", "HTTP/1.2"), 400, ""),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 200, "<title>ws_echo</title>"),
        ("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 200, "content-security-policy"),
    ];
    for (request, status, has) in table {
        run(async {
            let answer = ask(&request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
            assert!(answer.to_lowercase().contains(&has.to_lowercase()), "{request}{answer}");
        });
    }
}

#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    for begun in ["", "GET /ec", &UPGRADE[..UPGRADE.len() - 2]] {
        let end = run(async {
            let mut client = Client::new();
            client.send(begun.as_bytes()).await;
            let _ = client.reader.read_to_end(1_000).await.unwrap();
            assert!(client.server.await.unwrap().unwrap_err().is_timeout());
        });
        assert_eq!(end, 10_000, "{begun:?}");
    }
}
