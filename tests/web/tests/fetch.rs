//! The client of the example `fetch`, with servers on the same loop: over pipes on virtual time, so that limits are exact.

#[path = "../../../uasyncio-streams/tests/it/certificates/mod.rs"]
mod certificates;
#[path = "../examples/fetch/client.rs"]
mod client;
#[path = "../examples/fetch/exchange.rs"]
mod exchange;
#[path = "../examples/fetch/failure.rs"]
#[allow(dead_code)]
mod failure;
#[path = "../examples/fetch/network.rs"]
#[allow(dead_code)]
mod network;
#[path = "../examples/fetch/progress.rs"]
#[allow(dead_code)]
mod progress;
#[path = "../examples/fetch/request.rs"]
mod request;
mod servers;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use certificates::Certificates;
use client::{Client, Limits, Output, Version};
use failure::{Failure, Kind};
use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Method, StatusCode};
use network::Network;
use request::Request;
use servers::Speaks;
use uasyncio_core::{EventLoop, VirtualTime, get_event_loop, spawn};
use uasyncio_streams::tls::rustls::ClientConfig;
use uasyncio_streams::{Duplex, StreamReader, StreamWriter, duplex, split};

/// A network without wires: the port says who is there. Host names are nobody's business.
struct Pipes {
    made: Certificates,
    connections: Rc<Cell<u32>>,
}

const SHORT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort";

impl Network for Pipes {
    type Transport = Duplex;

    async fn open(&self, _: &str, port: u16) -> io::Result<(StreamReader<Duplex>, StreamWriter<Duplex>)> {
        let tls = || Rc::new(self.made.server());
        let server = match port {
            80 | 81 => Speaks::One,
            82 => Speaks::Two,
            443 | 444 => Speaks::Tls(tls(), &["h2", "http/1.1"]),
            445 => Speaks::Tls(tls(), &["http/1.1"]),
            446 => Speaks::Tls(tls(), &[]),
            1001 => Speaks::Bytes(SHORT),
            1002 => Speaks::Bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n"),
            1003 => Speaks::Bytes("HTTP/1.1 200 OK\r\ncontent-le"),
            1004 => Speaks::Bytes("SSH-2.0-something\r\n\r\n"),
            1005 => Speaks::Bytes("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
            1006 => Speaks::TlsBytes(tls(), SHORT),
            1007 => Speaks::TlsBytes(tls(), "HTTP/1.1 200 OK\r\n\r\nuntil the end?"),
            1008 => Speaks::Bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nshort\r\n0\r\nx-sum: 1\r\n\r\n"),
            1009 => Speaks::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nshort!"),
            1010 => Speaks::Bytes("HTTP/1.1 302 Found\r\nlocation: \u{fc}\r\ncontent-length: 0\r\n\r\n"),
            1011 => Speaks::Bytes("HTTP/1.1 302 Found\r\nlocation: #x\r\ncontent-length: 0\r\n\r\n"),
            2001 => Speaks::Stalls(""),
            2002 => Speaks::Stalls("HTTP/1.1 200 OK\r\n"),
            2003 => Speaks::Stalls(SHORT),
            3001 => return pending().await,
            _ => return Err(io::ErrorKind::ConnectionRefused.into()),
        };
        self.connections.set(self.connections.get() + 1);
        let (near, far) = duplex(4_096);
        let (reader, writer) = split(far);
        spawn(server.serve(reader, writer));
        Ok(split(near))
    }
}

#[derive(Default)]
struct Collected {
    head: Option<Parts>,
    length: Option<u64>,
    body: Vec<u8>,
    finished: bool,
}

impl Output for Rc<RefCell<Collected>> {
    async fn begin(&mut self, head: &Parts, length: Option<u64>) -> Result<(), Failure> {
        let mut collected = self.borrow_mut();
        (collected.head, collected.length) = (Some(head.clone()), length);
        Ok(())
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        self.borrow_mut().body.extend(piece);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        self.borrow_mut().finished = true;
        Ok(())
    }
}

/// A fetch to be made.
struct Fetch {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: &'static str,
    version: Version,
    limits: Limits,
    allow_downgrade: bool,
    trusting: bool,
}

/// What has become of it.
struct Fetched {
    result: Result<StatusCode, Failure>,
    got: Collected,
    milliseconds: u32,
    connections: u32,
}

fn get(url: &str) -> Fetch {
    let limits = Limits {
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(30),
        total: Duration::MAX,
        redirects: 10,
        size: u64::MAX,
    };
    Fetch {
        method: Method::GET,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        body: "",
        version: Version::Any,
        limits,
        allow_downgrade: false,
        trusting: true,
    }
}

impl Fetch {
    fn method(mut self, method: Method, body: &'static str) -> Fetch {
        (self.method, self.body) = (method, body);
        self
    }

    fn header(mut self, name: HeaderName, value: &'static str) -> Fetch {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    fn version(mut self, version: Version) -> Fetch {
        self.version = version;
        self
    }

    fn limit(mut self, set: impl FnOnce(&mut Limits)) -> Fetch {
        set(&mut self.limits);
        self
    }

    fn run(self) -> Fetched {
        let made = Certificates::new();
        let tls = if self.trusting { made.client() } else { distrustful() };
        let connections = Rc::new(Cell::new(0));
        let pipes = Pipes { made, connections: connections.clone() };
        let client = Client::new(pipes, tls, self.version, self.limits, self.allow_downgrade);
        let collected = Rc::new(RefCell::new(Collected::default()));
        let mut output = collected.clone();
        let run = EventLoop::with_platform(VirtualTime::new()).run_until_complete(async {
            let result = match Request::new(self.method, &self.url, self.headers, self.body.into()) {
                Ok(request) => client.fetch(request, &mut output).await,
                Err(failure) => Err(failure),
            };
            (result, get_event_loop().time().as_millis())
        });
        let (result, milliseconds) = run.unwrap();
        Fetched { result, got: collected.take(), milliseconds, connections: connections.get() }
    }

    /// The body of a fetch that goes well.
    #[track_caller]
    fn text(self) -> String {
        let fetched = self.run();
        fetched.result.unwrap();
        assert!(fetched.got.finished);
        String::from_utf8(fetched.got.body).unwrap()
    }

    /// Why one goes wrong, which is never mistaken for the end.
    #[track_caller]
    fn failure(self) -> (Kind, String) {
        let fetched = self.run();
        assert!(!fetched.got.finished);
        let failure = fetched.result.expect_err("a fetch that fails");
        (failure.kind, failure.to_string())
    }
}

/// Trusts another authority.
fn distrustful() -> ClientConfig {
    Certificates::new().client()
}

#[test]
fn each_version_of_http_with_and_without_tls() {
    let table = [
        ("http://localhost/x?y=z", Version::Any, hyper::Version::HTTP_11),
        ("http://localhost/x?y=z", Version::One, hyper::Version::HTTP_11),
        ("http://localhost:82/x?y=z", Version::Two, hyper::Version::HTTP_2),
        ("https://localhost/x?y=z", Version::Any, hyper::Version::HTTP_2),
        ("https://localhost/x?y=z", Version::One, hyper::Version::HTTP_11),
        ("https://localhost/x?y=z", Version::Two, hyper::Version::HTTP_2),
        ("https://localhost:445/x?y=z", Version::Any, hyper::Version::HTTP_11),
        ("https://localhost:446/x?y=z", Version::Any, hyper::Version::HTTP_11),
        ("https://127.0.0.1/x?y=z#end", Version::Any, hyper::Version::HTTP_2),
    ];
    for (url, version, expected) in table {
        let fetched = get(url).method(Method::PUT, "a body").version(version).run();
        assert_eq!(fetched.result.unwrap(), StatusCode::OK, "{url}");
        assert_eq!(fetched.got.head.unwrap().version, expected, "{url} {version:?}");
        let body = String::from_utf8(fetched.got.body).unwrap();
        assert!(body.starts_with("PUT /x?y=z\n"), "{body}");
        let authority = url.split('/').nth(2).unwrap();
        assert!(body.contains(&format!("\nhost: {authority}\n")), "{body}");
        assert!(body.ends_with("\n\na body"), "{body}");
        assert_eq!(fetched.got.length, Some(body.len() as u64));
    }
    // A server that knows one version only is not spoken to in the other.
    for url in ["https://localhost:445/", "https://localhost:446/"] {
        let (kind, why) = get(url).version(Version::Two).failure();
        assert!(matches!(kind, Kind::Tls | Kind::Protocol | Kind::Connect), "{kind:?} {why}");
    }
}

#[test]
fn bodies_of_every_kind_arrive_whole() {
    for base in ["http://localhost", "https://localhost"] {
        assert!(get(&format!("{base}/long")).text() == "0123456789".repeat(100_000));
        // With a trailer, which is nothing of the body.
        assert_eq!(get(&format!("{base}/chunked")).text(), "one two three");
        assert_eq!(get(&format!("{base}/nothing")).text(), "");
        let head = get(&format!("{base}/long")).method(Method::HEAD, "").limit(|limits| limits.size = 0).run();
        assert_eq!(head.got.head.unwrap().headers["content-length"], "1000000", "{base}");
        assert_eq!(head.result.unwrap(), StatusCode::OK, "{base}");
        assert!(head.got.body.is_empty() && head.got.finished, "{base}");
    }
    assert_eq!(get("http://localhost:1005/").text(), "until the end");
    assert_eq!(get("http://localhost:1008/").text(), "short");
    // An error of the server has a body too.
    let missing = get("http://localhost/missing").run();
    assert_eq!(missing.result.unwrap(), StatusCode::NOT_FOUND);
    assert_eq!(missing.got.body, b"there is no such page");
}

#[test]
fn what_was_cut_short_is_an_error() {
    let table = [
        "http://localhost:1001/",
        "http://localhost:1002/",
        "http://localhost:1003/",
        "http://localhost:1004/",
        "https://localhost:1006/",
        "https://localhost:1007/",
        "http://localhost:1009/",
        "https://localhost/short",
    ];
    for url in table {
        let (kind, why) = get(url).failure();
        assert_eq!(kind, Kind::Protocol, "{url}: {why}");
    }
    let cut = get("http://localhost:1001/").run();
    assert_eq!((&cut.got.body[..], cut.got.length), (&b"short"[..], Some(10)));
    assert_eq!(get("http://localhost:9/").failure().0, Kind::Connect);
}

#[test]
fn each_redirect_has_its_method() {
    let table = [
        (301, Method::GET, Method::GET),
        (301, Method::POST, Method::GET),
        (301, Method::PUT, Method::PUT),
        (302, Method::POST, Method::GET),
        (302, Method::DELETE, Method::DELETE),
        (303, Method::POST, Method::GET),
        (303, Method::PUT, Method::GET),
        (307, Method::POST, Method::POST),
        (308, Method::POST, Method::POST),
        (308, Method::PUT, Method::PUT),
    ];
    for (status, before, after) in table {
        for base in ["http://localhost", "https://localhost"] {
            let url = format!("{base}/redirect/{status}?to=/there");
            let fetch = get(&url).method(before.clone(), "a body").header("content-type".parse().unwrap(), "text/x");
            let body = fetch.text();
            assert!(body.starts_with(&format!("{after} /there\n")), "{status} {before}: {body}");
            // The body is for the one who gets the method that it was meant for.
            assert_eq!(body.ends_with("\n\na body"), before == after, "{status} {before}: {body}");
            assert_eq!(body.contains("content-type: text/x"), before == after, "{status} {before}: {body}");
        }
        let head = get(&format!("http://localhost/redirect/{status}?to=/there")).method(Method::HEAD, "").run();
        assert_eq!((head.result.unwrap(), head.connections, head.got.body.len()), (StatusCode::OK, 2, 0), "{status}");
    }
    for status in [300, 304, 305, 306] {
        let fetched = get(&format!("http://localhost/redirect/{status}?to=/there")).run();
        assert_eq!((fetched.result.unwrap().as_u16(), fetched.connections), (status, 1));
    }
    let nowhere = get("http://localhost/nowhere").run();
    assert_eq!((nowhere.result.unwrap(), &nowhere.got.body[..]), (StatusCode::FOUND, &b"no location"[..]));
}

#[test]
fn redirects_may_be_relative() {
    let table = [
        ("/a", "/a"),
        ("a", "/redirect/a"),
        ("../a", "/a"),
        ("?q", "/redirect/302?q"),
        ("//localhost:81/a", "/a"),
        ("http://localhost:81/a", "/a"),
        ("HTTP://LOCALHOST:81/a#b", "/a"),
    ];
    for (to, expected) in table {
        let url = format!("http://localhost/redirect/302?to={to}");
        if to == "?q" {
            // It leads to a redirect without a place to go.
            assert_eq!(get(&url).failure().0, Kind::Redirect);
            continue;
        }
        let body = get(&url).text();
        assert!(body.starts_with(&format!("GET {expected}\n")), "{to}: {body}");
    }
}

#[test]
fn secrets_stay_with_their_host() {
    let secret = |url: &str| {
        let fetch = get(url).header(AUTHORIZATION, "Bearer s3cret").header(COOKIE, "s3cret");
        fetch.header("x-key".parse().unwrap(), "s3cret").header("accept".parse().unwrap(), "text/x").text()
    };
    for base in ["http://localhost", "https://localhost"] {
        assert_eq!(secret(&format!("{base}/redirect/307?to=/there")).matches("s3cret").count(), 3);
    }
    let others = [
        "http://localhost/redirect/307?to=http://127.0.0.1/there",
        "http://localhost/redirect/307?to=http://localhost:81/there",
        "http://localhost/redirect/307?to=https://localhost/there",
        // And what is lost is not found again.
        "http://localhost/redirect/307?to=http://127.0.0.1/redirect/307?to=http://localhost/there",
    ];
    for url in others {
        let body = secret(url);
        assert!(body.starts_with("GET /there\n") && !body.contains("s3cret") && body.contains("accept: text/x"), "{url}: {body}");
    }
    // Those of a URL are no part of what is asked for.
    let body = get("http://me%40home:s%3Acret@localhost/there").text();
    assert!(body.contains("authorization: Basic bWVAaG9tZTpzOmNyZXQ=\n"), "{body}");
    assert!(body.contains("host: localhost\n"), "{body}");
    let body = get("http://me:secret@localhost/redirect/302?to=http://127.0.0.1/there").text();
    assert!(!body.contains("authorization"), "{body}");
}

#[test]
fn redirects_come_to_an_end() {
    let circle = get("http://localhost/redirect/302?to=/redirect/303?to=/redirect/303").run();
    assert_eq!((circle.result.unwrap_err().kind, circle.connections), (Kind::Redirect, 3));
    for itself in ["http://localhost/redirect/301", "http://localhost:1011/"] {
        let itself = get(itself).run();
        assert_eq!((itself.result.unwrap_err().kind, itself.connections), (Kind::Redirect, 1));
    }
    let ten = get("http://localhost/countdown/10").run();
    assert_eq!((ten.result.unwrap(), ten.connections), (StatusCode::OK, 11));
    let eleven = get("http://localhost/countdown/11").run();
    assert_eq!((eleven.result.unwrap_err().kind, eleven.connections), (Kind::Redirect, 11));
    let none = get("http://localhost/countdown/1").limit(|limits| limits.redirects = 0).run();
    assert_eq!((none.result.unwrap_err().kind, none.connections), (Kind::Redirect, 1));
}

#[test]
fn some_redirects_are_not_followed() {
    for to in ["ftp://localhost/", "file:///etc/passwd", "javascript:0", "http://:80/"] {
        let (kind, why) = get(&format!("http://localhost/redirect/302?to={to}")).failure();
        assert_eq!(kind, Kind::Redirect, "{to}: {why}");
    }
    assert_eq!(get("http://localhost:1010/").failure().0, Kind::Redirect);
    let downgrade = "https://localhost/redirect/302?to=http://localhost/there";
    let (kind, why) = get(downgrade).failure();
    assert_eq!(kind, Kind::Redirect);
    assert!(why.contains("--allow-downgrade"), "{why}");
    assert!(Fetch { allow_downgrade: true, ..get(downgrade) }.text().starts_with("GET /there\n"));
}

#[test]
fn only_who_is_trusted_is_spoken_to() {
    let stranger = Fetch { trusting: false, ..get("https://localhost/") }.failure();
    assert_eq!(stranger.0, Kind::Tls, "{}", stranger.1);
    let (kind, why) = get("https://elsewhere.example/").failure();
    assert_eq!(kind, Kind::Tls, "{why}");
    // Nor after a redirect.
    assert_eq!(get("https://localhost/redirect/302?to=https://elsewhere.example/").failure().0, Kind::Tls);
    // A server that speaks no TLS.
    assert_eq!(get("https://localhost:80/").failure().0, Kind::Tls);
}

#[test]
fn time_limits_are_kept_to_the_millisecond() {
    let connect = |limits: &mut Limits| limits.connect = Duration::from_millis(700);
    let stall = |limits: &mut Limits| limits.stall = Duration::from_millis(800);
    let total = |limits: &mut Limits| limits.total = Duration::from_millis(4_500);
    type Set = fn(&mut Limits);
    let table: [(&str, Set, u32, usize); 8] = [
        // There is no connection, and there is one, but no handshake.
        ("http://localhost:3001/", connect, 700, 0),
        ("https://localhost:2001/", connect, 700, 0),
        ("http://localhost:2001/", stall, 800, 0),
        ("http://localhost:2002/", stall, 800, 0),
        ("http://localhost:2003/", stall, 800, 5),
        ("https://localhost/stalled", stall, 800, 5),
        // Never a second without a byte, and still too long.
        ("http://localhost/slow", total, 4_500, 4),
        ("https://localhost:2001/", |limits| limits.total = Duration::from_millis(10), 10, 0),
    ];
    for (url, set, milliseconds, received) in table {
        let fetched = get(url).limit(set).run();
        let failure = fetched.result.unwrap_err();
        assert_eq!(failure.kind, Kind::TimedOut, "{url}: {failure}");
        assert_eq!((fetched.milliseconds, fetched.got.body.len()), (milliseconds, received), "{url}: {failure}");
    }
    let slow = get("http://localhost/slow").limit(|limits| limits.stall = Duration::from_millis(1_001)).run();
    assert_eq!((slow.result.unwrap(), slow.milliseconds, slow.got.body.len()), (StatusCode::OK, 10_000, 10));
}

#[test]
fn a_body_that_is_too_long_is_given_up() {
    let limited = |path: &str, size| get(&format!("http://localhost{path}")).limit(|limits| limits.size = size).run();
    // It says how long it is: not a byte of it is taken.
    let announced = limited("/long", 999_999);
    assert_eq!((announced.result.unwrap_err().kind, announced.got.head.is_some()), (Kind::TooLong, false));
    assert!(limited("/long", 1_000_000).result.is_ok());
    let chunked = limited("/chunked", 12);
    assert_eq!((chunked.result.unwrap_err().kind, chunked.got.finished), (Kind::TooLong, false));
    assert!(chunked.got.body.len() <= 12);
    assert!(limited("/chunked", 13).result.is_ok());
}

#[test]
fn what_makes_no_sense_is_not_asked_for() {
    for url in ["localhost", "ftp://localhost/", "http://", "http://local host/", "http://localhost:99999/"] {
        assert_eq!(get(url).failure().0, Kind::Usage, "{url}");
    }
    assert_eq!(get("http://localhost/").method(Method::CONNECT, "").failure().0, Kind::Usage);
    assert_eq!(get("http://localhost/").header("content-length".parse().unwrap(), "7").failure().0, Kind::Usage);
}

#[test]
fn the_line_of_progress_tells_how_far_it_is() {
    let line = |received, total, milliseconds| progress::line(received, total, Duration::from_millis(milliseconds));
    assert_eq!(line(0, None, 0), "0 B");
    assert_eq!(line(1_500_000, Some(6_000_000), 2_000), "[#####---------------]  25 %  1.5 MB of 6.0 MB, 750.0 kB/s");
    assert_eq!(line(2_000, Some(2_000), 50), "[####################] 100 %  2.0 kB of 2.0 kB");
    assert_eq!(line(3_210_000_000, None, 1_000), "3.21 GB, 3.21 GB/s");
    assert_eq!(line(0, Some(0), 1_000), "0 B, 0 B/s");
}
