//! hyper's client and server on our loop: over TCP and over `duplex`, HTTP/1 and HTTP/2.

mod common;

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use common::{Body, body_of, text};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use uasyncio_compat::hyper::{HyperIo, LoopExecutor, LoopTimer};
use uasyncio_core::{create_task, get_event_loop, sleep_ms, spawn};
use uasyncio_streams::{TcpTransport, Transport, duplex, open_connection, split, start_server};

/// A service with state that is not `Send`.
async fn service(count: Rc<Cell<usize>>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    count.set(count.get() + 1);
    match request.uri().path() {
        "/hello" => Ok(Response::new(body_of("hello"))),
        "/echo" => Ok(Response::new(request.into_body().boxed_unsync())),
        "/slow" => {
            sleep_ms(20).await;
            Ok(Response::new(body_of("slow")))
        }
        _ => {
            let mut response = Response::new(body_of("no such page"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

async fn serve<T: Transport + 'static>(transport: T, version: Version, count: Rc<Cell<usize>>) -> hyper::Result<()> {
    let io = HyperIo::new(split(transport));
    let service = service_fn(move |request| service(count.clone(), request));
    match version {
        Version::One => server::conn::http1::Builder::new().timer(LoopTimer::new()).serve_connection(io, service).await,
        Version::Two => {
            let mut builder = server::conn::http2::Builder::new(LoopExecutor::new());
            builder.timer(LoopTimer::new()).serve_connection(io, service).await
        }
    }
}

/// A client of either version.
enum Client {
    One(client::conn::http1::SendRequest<Body>),
    Two(client::conn::http2::SendRequest<Body>),
}

impl Client {
    async fn new<T: Transport + 'static>(transport: T, version: Version) -> Client {
        let io = HyperIo::new(split(transport));
        match version {
            Version::One => {
                let (sender, connection) = client::conn::http1::handshake(io).await.unwrap();
                spawn(async move { connection.await.unwrap() });
                Client::One(sender)
            }
            Version::Two => {
                let builder = client::conn::http2::Builder::new(LoopExecutor::new());
                let (sender, connection) = builder.handshake(io).await.unwrap();
                spawn(async move { connection.await.unwrap() });
                Client::Two(sender)
            }
        }
    }

    async fn send(&mut self, path: &str, body: Body) -> Response<Incoming> {
        let request = Request::post(path).header("host", "here").body(body).unwrap();
        match self {
            Client::One(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Client::Two(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
        }
    }

    fn path(&self, path: &str) -> String {
        match self {
            Client::One(_) => path.to_owned(),
            Client::Two(_) => format!("http://here{path}"),
        }
    }
}

/// What every connection is put through.
async fn converse<A: Transport + 'static, B: Transport + 'static>(near: A, far: B, version: Version) {
    let count = Rc::new(Cell::new(0));
    let server = create_task(serve(far, version, count.clone()));
    let mut client = Client::new(near, version).await;
    for _ in 0..3 {
        let response = client.send(&client.path("/hello"), body_of("")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response).await, "hello");
    }
    // Longer than every buffer on the way, in both directions at a time.
    let long = "0123456789abcdef".repeat(6_000);
    let response = client.send(&client.path("/echo"), body_of(&long)).await;
    assert!(text(response).await == long);
    let response = client.send(&client.path("/slow"), body_of("")).await;
    assert_eq!(text(response).await, "slow");
    let response = client.send(&client.path("/nowhere"), body_of("")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(text(response).await, "no such page");
    drop(client);
    server.await.unwrap().unwrap();
    assert_eq!(count.get(), 6);
}

async fn tcp_pair() -> (TcpTransport, TcpTransport) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (TcpTransport::from_std(client).unwrap(), TcpTransport::from_std(server).unwrap())
}

#[test]
fn http1_over_a_pipe() {
    uasyncio_core::run(async {
        for capacity in [13, 50, 100_000] {
            let (near, far) = duplex(capacity);
            converse(near, far, Version::One).await;
        }
    });
}

#[test]
fn http2_over_a_pipe() {
    uasyncio_core::run(async {
        for capacity in [50, 100_000] {
            let (near, far) = duplex(capacity);
            converse(near, far, Version::Two).await;
        }
    });
}

#[test]
fn http1_over_tcp() {
    uasyncio_io::run(async {
        let (near, far) = tcp_pair().await;
        converse(near, far, Version::One).await;
    });
}

#[test]
fn http2_over_tcp() {
    uasyncio_io::run(async {
        let (near, far) = tcp_pair().await;
        converse(near, far, Version::Two).await;
    });
}

#[test]
fn http2_carries_many_requests_at_a_time() {
    let event_loop = uasyncio_core::EventLoop::with_platform(uasyncio_core::VirtualTime::new());
    let end = event_loop.run_until_complete(async {
        let (near, far) = duplex(10_000);
        spawn(async { serve(far, Version::Two, Rc::default()).await.unwrap() });
        let Client::Two(sender) = Client::new(near, Version::Two).await else { unreachable!() };
        let requests = (0..100).map(|_| {
            let mut sender = sender.clone();
            async move {
                sender.ready().await.unwrap();
                let request = Request::get("http://here/slow").body(body_of("")).unwrap();
                text(sender.send_request(request).await.unwrap()).await
            }
        });
        for answer in uasyncio_sync::gather(requests.collect::<Vec<_>>()).await {
            assert_eq!(answer, "slow");
        }
        get_event_loop().time().as_millis()
    });
    // One after the other they would take two seconds.
    assert_eq!(end.unwrap(), 20);
}

#[test]
fn our_server_and_our_client_on_many_connections() {
    uasyncio_io::run(async {
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        let handler = move |reader, writer| {
            let count = counted.clone();
            async move {
                let service = service_fn(|request| service(count.clone(), request));
                let io = HyperIo::new((reader, writer));
                let served = server::conn::http1::Builder::new().serve_connection(io, service).await;
                served.map_err(std::io::Error::other)
            }
        };
        let server = start_server(handler, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addr().port();
        let clients = (0..20).map(|_| async move {
            let stream = open_connection("127.0.0.1", port).await.unwrap();
            let (mut sender, connection) = client::conn::http1::handshake(HyperIo::new(stream)).await.unwrap();
            spawn(async move { connection.await.unwrap() });
            for _ in 0..10 {
                sender.ready().await.unwrap();
                let request = Request::get("/hello").header("host", "here").body(body_of("")).unwrap();
                assert_eq!(text(sender.send_request(request).await.unwrap()).await, "hello");
            }
        });
        uasyncio_sync::gather(clients.collect::<Vec<_>>()).await;
        assert_eq!(count.get(), 200);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    uasyncio_core::run(async {
        let (near, far) = duplex(4_096);
        spawn(async { serve(far, Version::One, Rc::default()).await.unwrap() });
        let (mut reader, mut writer) = split(near);
        writer.awritestr(&"GET /hello HTTP/1.1\r\nhost: here\r\n\r\n".repeat(3)).await.unwrap();
        writer.awritestr("GET /nowhere HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await.unwrap();
        let answers = reader.read_to_end(4_096).await.unwrap();
        let answers = String::from_utf8_lossy(answers);
        assert_eq!(answers.matches("hello").count(), 3);
        assert!(answers.ends_with("no such page"), "{answers}");
    });
}

#[test]
fn a_header_that_does_not_come_ends_the_connection_in_time() {
    // Virtual time: the limit is half a minute.
    let event_loop = uasyncio_core::EventLoop::with_platform(uasyncio_core::VirtualTime::new());
    let end = event_loop.run_until_complete(async {
        let (near, far) = duplex(4_096);
        let service = service_fn(|request| service(Rc::default(), request));
        let mut builder = server::conn::http1::Builder::new();
        builder.timer(LoopTimer::new()).header_read_timeout(Duration::from_secs(30));
        let server = create_task(builder.serve_connection(HyperIo::new(split(far)), service));
        let (mut reader, mut writer) = split(near);
        writer.awritestr("GET /hello HTTP/1.1\r\nhost: here\r\n\r\nGET /hel").await.unwrap();
        assert!(server.await.unwrap().unwrap_err().is_timeout());
        let answer = String::from_utf8_lossy(reader.read_to_end(4_096).await.unwrap()).into_owned();
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
        get_event_loop().time().as_millis()
    });
    assert_eq!(end.unwrap(), 30_000);
}

#[test]
fn a_client_that_goes_away_is_an_error_of_its_connection_only() {
    uasyncio_core::run(async {
        let (near, far) = duplex(64);
        let server = create_task(serve(far, Version::One, Rc::default()));
        let (reader, mut writer) = split(near);
        writer.awritestr("POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
        drop((reader, writer));
        assert!(server.await.unwrap().is_err());
    });
}

#[test]
fn a_response_that_is_dropped_half_read_leaves_the_loop_in_order() {
    uasyncio_core::run(async {
        let (near, far) = duplex(256);
        let server = create_task(serve(far, Version::Two, Rc::default()));
        let mut client = Client::new(near, Version::Two).await;
        let response = client.send("http://here/echo", body_of(&"x".repeat(300_000))).await;
        drop(response);
        let response = client.send("http://here/hello", body_of("")).await;
        assert_eq!(text(response).await, "hello");
        drop(client);
        server.await.unwrap().unwrap();
    });
}
