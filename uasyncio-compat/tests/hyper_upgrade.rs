//! A connection that leaves HTTP: hyper's upgraded connection under our streams, and our own streams back from it.

mod common;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use common::{body_of, text};
use hyper::rt::Write;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server, upgrade};
use uasyncio_compat::hyper::{FromHyper, HyperIo, TiedIo};
use uasyncio_core::{create_task, run, spawn};
use uasyncio_streams::{Duplex, StreamReader, StreamWriter, duplex, split};

#[test]
fn both_ends_go_on_with_streams_of_ours() {
    run(async {
        let (near, far) = duplex(256);
        let server = create_task(async move {
            let service = service_fn(|mut request: Request<hyper::body::Incoming>| async move {
                if request.uri().path() != "/upgrade" {
                    return Ok::<_, hyper::Error>(Response::new(body_of("plain")));
                }
                let upgraded = upgrade::on(&mut request);
                spawn(async move {
                    // By the traits, whatever is inside.
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
                let mut response = Response::new(body_of(""));
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response.headers_mut().insert("upgrade", "lines".parse().unwrap());
                Ok(response)
            });
            let io = TiedIo::new(HyperIo::new(split(far)));
            server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await
        });

        let (mut sender, connection) = client::conn::http1::handshake(TiedIo::new(HyperIo::new(split(near)))).await.unwrap();
        spawn(async move { connection.with_upgrades().await.unwrap() });
        let plain = Request::get("/plain").header("host", "here").body(body_of("")).unwrap();
        assert_eq!(text(sender.send_request(plain).await.unwrap()).await, "plain");
        let request = Request::get("/upgrade").header("host", "here").header("upgrade", "lines");
        let request = request.header("connection", "upgrade").body(body_of("")).unwrap();
        sender.ready().await.unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);

        // Back to what it was made of.
        type Halves = (StreamReader<Duplex>, StreamWriter<Duplex>);
        let parts = upgrade::on(response).await.unwrap().downcast::<TiedIo<HyperIo<Halves>>>().unwrap();
        assert!(parts.read_buf.is_empty());
        let (mut reader, mut writer) = parts.io.into_inner().into_inner();
        for number in 0..30 {
            writer.awritestr(&format!("{number}\n")).await.unwrap();
            assert_eq!(reader.readline().await.unwrap(), format!("you said {number}\n").as_bytes());
        }
        writer.write_eof().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"");
        server.await.unwrap().unwrap();
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
