//! Connections that leave HTTP: hyper's upgraded connections under our streams, and our own connection back from it.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use crate::common::carriers::{CARRIERS, Connection};
use crate::common::{Body, Client, Version, body_of, ended_well, text};
use hyper::body::Incoming;
use hyper::rt::Write;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, client, server, upgrade};
use uasyncio_compat::hyper::{FromHyper, HyperIo, LoopExecutor, TiedIo};
use uasyncio_core::{create_task, run, spawn};
use uasyncio_streams::{StreamReader, StreamWriter, Transport, duplex, split};

/// Answers `/upgrade` by leaving HTTP for lines that are answered by the traits, whatever is inside.
async fn service(mut request: Request<Incoming>) -> hyper::Result<Response<Body>> {
    let leaves = request.method() == Method::CONNECT || request.uri().path() == "/upgrade";
    if !leaves {
        return Ok(Response::new(body_of("plain")));
    }
    let mut response = Response::new(body_of(""));
    if request.method() != Method::CONNECT {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("upgrade", "lines".parse().unwrap());
    }
    let upgraded = upgrade::on(&mut request);
    spawn(async move {
        let (mut reader, mut writer) = split(FromHyper::new(upgraded.await.unwrap()));
        while let Ok(line) = reader.readline().await {
            if line.is_empty() {
                break;
            }
            let answer = format!("you said {}", String::from_utf8_lossy(line));
            writer.awritestr(&answer).await.unwrap();
        }
        writer.aclose().await.unwrap();
    });
    Ok(response)
}

/// Talks to the lines of the service, and ends.
async fn talk<T: Transport>(reader: &mut StreamReader<T>, writer: &mut StreamWriter<T>) {
    for number in 0..30 {
        writer.awritestr(&format!("{number}\n")).await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), format!("you said {number}\n").as_bytes());
    }
    // More than is on its way at a time.
    let long = "x".repeat(50_000) + "\n";
    let mut answer = Vec::new();
    let (written, read) = uasyncio_sync::gather((writer.awritestr(&long), reader.readline_into(&mut answer))).await;
    written.unwrap();
    read.unwrap();
    assert_eq!(answer.len(), "you said ".len() + long.len());
    writer.write_eof().await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"");
}

#[test]
fn http1_leaves_for_lines_over_everything() {
    uasyncio_io::run(async {
        for carrier in CARRIERS {
            let (near, far) = carrier.pair(Version::One).await;
            let server = create_task(async move {
                let connection = server::conn::http1::Builder::new().serve_connection(TiedIo::new(far), service_fn(service));
                connection.with_upgrades().await
            });
            let (mut sender, connection) = client::conn::http1::handshake(TiedIo::new(near)).await.unwrap();
            spawn(async move { connection.with_upgrades().await.unwrap() });
            let plain = Request::get("/plain").header("host", "here").body(body_of("")).unwrap();
            assert_eq!(text(sender.send_request(plain).await.unwrap()).await, "plain");
            let request = Request::get("/upgrade").header("host", "here").header("upgrade", "lines");
            let request = request.header("connection", "upgrade").body(body_of("")).unwrap();
            sender.ready().await.unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);

            // Back to what it was made of.
            let parts = upgrade::on(response).await.unwrap().downcast::<TiedIo<Connection>>().unwrap();
            assert!(parts.read_buf.is_empty());
            let (mut reader, mut writer) = split(FromHyper::new(parts.io.into_inner()));
            talk(&mut reader, &mut writer).await;
            server.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_stream_of_http2_becomes_a_tunnel_over_everything() {
    uasyncio_io::run(async {
        for carrier in CARRIERS {
            let (near, far) = carrier.pair(Version::Two).await;
            let server = create_task(async move {
                let builder = server::conn::http2::Builder::new(LoopExecutor::new());
                builder.serve_connection(far, service_fn(service)).await
            });
            let mut client = Client::new(near, Version::Two).await;
            let Client::Two(sender) = &mut client else { unreachable!() };
            let request = Request::connect("here:80").body(body_of("")).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let (mut reader, mut writer) = split(FromHyper::new(upgrade::on(response).await.unwrap()));
            // Requests go on beside it.
            assert_eq!(text(client.send("/plain", body_of("")).await).await, "plain");
            talk(&mut reader, &mut writer).await;
            assert_eq!(text(client.send("/plain", body_of("")).await).await, "plain");
            drop((client, reader, writer));
            ended_well(server.await.unwrap());
        }
    });
}

#[test]
fn a_connection_that_is_tied_to_a_thread_refuses_others() {
    run(async {
        let (near, far) = duplex(64);
        let mut tied = TiedIo::new(HyperIo::new(split(near)));
        let (mut tied, message) = std::thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            let poll = || Pin::new(&mut tied).poll_flush(&mut cx).is_ready();
            let panic = catch_unwind(AssertUnwindSafe(poll)).unwrap_err();
            (tied, *panic.downcast::<&str>().expect("a plain message"))
        })
        .join()
        .unwrap();
        assert!(message.contains("belongs to the thread that made it"), "{message}");
        // Here it works as before.
        let (mut reader, _writer) = split(far);
        assert_eq!(poll_fn(|cx| Pin::new(&mut tied).poll_write(cx, b"hello")).await.unwrap(), 5);
        assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");

        // Dropped elsewhere, it is closed when this thread ties the next one.
        std::thread::spawn(move || drop(tied)).join().unwrap();
        assert!(poll_once(pin!(reader.readline())).is_pending());
        let _next = TiedIo::new(HyperIo::new(split(duplex(64).0)));
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
