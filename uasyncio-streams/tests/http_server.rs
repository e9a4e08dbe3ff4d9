//! The example `http_server`: its parser, and its service over an in-memory pipe.

#[path = "it/common/mod.rs"]
mod common;
#[path = "../examples/http_server/http.rs"]
mod http;
#[path = "../examples/http_server/service.rs"]
mod service;

use std::time::Duration;

use common::Random;
use http::{LONGEST_HEAD, Request, parse};
use service::Service;
use uasyncio_core::{EventLoop, VirtualTime, create_task, get_event_loop, sleep_ms, spawn};
use uasyncio_streams::{duplex, split};

/// How long the head of a request may take.
const DEADLINE: Duration = Duration::from_secs(10);

fn request(method: &'static str, path: &'static str, keep_alive: bool, head: usize, body: u64) -> Request<'static> {
    Request { method, path, keep_alive, head, body }
}

#[test]
fn requests_are_understood() {
    let table = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", request("GET", "/", true, 27, 0)),
        ("GET / HTTP/1.0\r\n\r\n", request("GET", "/", false, 18, 0)),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", request("GET", "/", true, 42, 0)),
        ("GET / HTTP/1.1\r\nhost:a\r\nconnection: x , Close\r\n\r\n", request("GET", "/", false, 49, 0)),
        ("HEAD /a/b?c=/d?e HTTP/1.0\r\n\r\n", request("HEAD", "/a/b", false, 29, 0)),
        ("GET http://a:80/b HTTP/1.1\r\nHost: a\r\n\r\n", request("GET", "/b", true, 39, 0)),
        ("GET http://a HTTP/1.0\r\n\r\n", request("GET", "/", false, 25, 0)),
        ("PUT / HTTP/1.0\r\nContent-Length: 7\r\n\r\n", request("PUT", "/", false, 37, 7)),
        ("PUT / HTTP/1.0\r\nContent-Length: 7\r\nCONTENT-LENGTH: 07\r\n\r\n", request("PUT", "/", false, 57, 7)),
        ("GET / HTTP/1.0\n\n", request("GET", "/", false, 16, 0)),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text.as_bytes()), Ok(Some(expected)), "{text:?}");
        for cut in 0..expected.head {
            assert_eq!(parse(&text.as_bytes()[..cut]), Ok(None), "{text:?} cut at {cut}");
        }
    }
}

#[test]
fn what_cannot_be_understood_gets_a_status() {
    let long = format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(LONGEST_HEAD));
    let many = format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(65));
    let table = [
        ("\0", 400),
        ("GET\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nspace : a\r\n\r\n", 400),
        ("PUT / HTTP/1.0\r\nContent-Length: -1\r\n\r\n", 400),
        ("PUT / HTTP/1.0\r\nContent-Length: +1\r\n\r\n", 400),
        ("PUT / HTTP/1.0\r\nContent-Length:\r\n\r\n", 400),
        ("PUT / HTTP/1.0\r\nContent-Length: 1, 1\r\n\r\n", 400),
        ("PUT / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("PUT / HTTP/1.0\r\nContent-Length: 1048577\r\n\r\n", 413),
        ("PUT / HTTP/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (&long[..], 431),
        (&long[..LONGEST_HEAD], 431),
        (&many[..], 431),
    ];
    for (text, status) in table {
        assert_eq!(parse(text.as_bytes()), Err(status), "{text:?}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let pieces = ["GET ", "/", " HTTP/1.1", "\r\n", "\n", "Host: a", "Content-Length: ", "9", ":", "\0", "é", "x", " "];
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let text: String = (0..random.below(20)).map(|_| pieces[random.below(pieces.len())]).collect();
        let _ = parse(text.as_bytes());
    }
}

/// What the server answers to `input` before it closes, or says that it has nothing more to say.
fn exchange(input: impl AsRef<[u8]>) -> String {
    let input = input.as_ref().to_vec();
    let run = EventLoop::with_platform(VirtualTime::new()).run_until_complete(async move {
        let (client, server) = duplex(100);
        create_task(async move {
            let (mut reader, mut writer) = split(server);
            let _ = Service::hello(10, DEADLINE).serve(&mut reader, &mut writer).await;
        })
        .set_name("server");
        let (mut reader, mut writer) = split(client);
        create_task(async move {
            // A server that refuses may close before it has read everything.
            if writer.awrite(&input).await.is_ok() {
                let _ = writer.write_eof().await;
            }
        })
        .set_name("client");
        let mut answer = Vec::new();
        while !reader.fill_buf().await.unwrap().is_empty() {
            answer.extend(reader.buffered());
            reader.consume(reader.buffered().len());
        }
        String::from_utf8(answer).unwrap()
    });
    run.unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = if body.is_empty() { 10 } else { body.len() };
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

const KEEP_ALIVE: &str = "Connection: keep-alive\r\n";
const CLOSE: &str = "Connection: close\r\n";
const DOCUMENT: &str = "Hello.\r\nHe";

#[test]
fn a_request_of_http_1_0_gets_the_document_and_the_end() {
    assert_eq!(exchange("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"), answer("200 OK", CLOSE, DOCUMENT));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let allow = format!("{KEEP_ALIVE}Allow: GET, HEAD\r\n");
    let input = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
                 HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\
                 GET /x HTTP/1.1\r\nHost: a\r\n\r\n\
                 POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n";
    let input = format!("{input}{}GET / HTTP/1.0\r\n\r\n", "b".repeat(300));
    let expected = [
        answer("200 OK", KEEP_ALIVE, DOCUMENT),
        answer("200 OK", KEEP_ALIVE, ""),
        answer("404 Not Found", KEEP_ALIVE, "404\n"),
        answer("405 Method Not Allowed", &allow, "405\n"),
        answer("200 OK", CLOSE, DOCUMENT),
    ];
    assert_eq!(exchange(input), expected.concat());
}

#[test]
fn a_bad_request_is_refused_and_ends_the_connection() {
    for (input, status) in [
        ("nonsense\r\n\r\nGET / HTTP/1.0\r\n\r\n".to_owned(), "400 Bad Request"),
        (format!("GET / HTTP/1.0\r\nA: {}", "a".repeat(1_000_000)), "431 Request Header Fields Too Large"),
        (format!("PUT / HTTP/1.0\r\nContent-Length: 9999999\r\n\r\n{}", "b".repeat(999_999)), "413 Content Too Large"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".to_owned(), "411 Length Required"),
    ] {
        assert_eq!(exchange(input), answer(status, CLOSE, &format!("{}\n", &status[..3])));
    }
}

#[test]
fn a_client_that_leaves_inside_a_request_gets_nothing() {
    assert_eq!(exchange(""), "");
    assert_eq!(exchange("GET / HT"), "");
}

/// What a client gets that sends these bytes, and then waits so many milliseconds, again and again; when that ended, and when the
/// server has had enough of listening.
fn slowly(pieces: Vec<(&'static str, u32)>) -> (String, u32, u32) {
    let run = EventLoop::with_platform(VirtualTime::new()).run_until_complete(async move {
        let (client, server) = duplex(100);
        let server = create_task(async move {
            let (mut reader, mut writer) = split(server);
            let _ = Service::hello(10, DEADLINE).serve(&mut reader, &mut writer).await;
        });
        let (mut reader, mut writer) = split(client);
        spawn(async move {
            for (piece, pause) in pieces {
                if writer.awritestr(piece).await.is_err() {
                    break;
                }
                sleep_ms(pause).await;
            }
            std::future::pending::<()>().await;
        });
        let answer = String::from_utf8(reader.read_to_end(10_000).await.unwrap().to_vec()).unwrap();
        let now = || get_event_loop().time().as_millis();
        let end = now();
        server.await.unwrap();
        (answer, end, now())
    });
    run.unwrap()
}

// T-03: the deadline of a head is absolute, and no byte puts it off.
#[test]
fn t_03_a_head_that_comes_too_slowly_is_answered_by_408() {
    let refusal = answer("408 Request Timeout", CLOSE, "408\n");
    let byte_by_byte: Vec<_> = "GET / HTTP/1.0\r\n".split_inclusive(|_| true).chain(["A"; 8]).map(|byte| (byte, 1_000)).collect();
    // The answer comes after 10 s; for 2 s more the client is listened to.
    assert_eq!(slowly(byte_by_byte), (refusal.clone(), 10_000, 12_000));
    // Only the head in question counts, not the time before it, nor the requests before.
    let late = vec![("", 50_000), ("GET / HTTP/1.1\r\n", 9_999), ("Host: a\r\n\r\nG", 20_000)];
    assert_eq!(slowly(late), (answer("200 OK", KEEP_ALIVE, DOCUMENT) + &refusal, 69_999, 71_999));
}

#[test]
fn t_03_a_head_or_a_body_that_comes_slowly_but_in_time_is_served() {
    let in_time = vec![("GET / HTTP/1.0", 3_000), ("\r\n", 6_999), ("\r\n", 0)];
    assert_eq!(slowly(in_time), (answer("200 OK", CLOSE, DOCUMENT), 9_999, 9_999));
    let get = "GET / HTTP/1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n";
    let body = vec![(get, 9_000), ("b", 900), ("bGET / HTTP/1.0\r\n\r\n", 0)];
    let both = answer("200 OK", KEEP_ALIVE, DOCUMENT) + &answer("200 OK", CLOSE, DOCUMENT);
    assert_eq!(slowly(body), (both, 9_900, 9_900));
    let endless = vec![(get, 9_000), ("b", 50_000)];
    assert_eq!(slowly(endless), (answer("200 OK", KEEP_ALIVE, DOCUMENT), 10_000, 10_000));
}
