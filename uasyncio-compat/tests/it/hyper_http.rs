//! hyper's client and server on our loop: over `duplex`, TCP and TLS, HTTP/1 and HTTP/2.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::common::carriers::{CARRIERS, Carrier, Connection};
use crate::common::{Client, PIECE, State, VERSIONS, Version, body_of, converse, ended_well, pieces, serve, text};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use uasyncio_compat::hyper::{HyperIo, LoopTimer};
use uasyncio_core::{EventLoop, VirtualTime, create_task, get_event_loop, sleep_ms, spawn};
use uasyncio_streams::{duplex, open_connection, split, start_server};

/// Runs in virtual time, and gives the milliseconds at the end.
fn virtually(test: impl Future<Output = ()>) -> u32 {
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop
        .run_until_complete(async {
            test.await;
            get_event_loop().time().as_millis()
        })
        .unwrap()
}

#[test]
fn both_versions_over_everything() {
    uasyncio_io::run(async {
        for carrier in CARRIERS {
            for version in VERSIONS {
                let (near, far) = carrier.pair(version).await;
                converse(near, far, version).await;
            }
        }
    });
}

#[test]
fn both_versions_however_little_goes_through_at_a_time() {
    virtually(async {
        for capacity in [13, 50, 100_000] {
            let (near, far) = Carrier::Pipe(capacity).pair(Version::One).await;
            converse(near, far, Version::One).await;
        }
        for capacity in [50, 100_000] {
            let (near, far) = Carrier::Pipe(capacity).pair(Version::Two).await;
            converse(near, far, Version::Two).await;
        }
        #[cfg(target_os = "linux")]
        for version in VERSIONS {
            let (near, far) = Carrier::TlsOverPipe(100).pair(version).await;
            converse(near, far, version).await;
        }
    });
}

/// Uploads to a service that does not read yet, then to one that does. Gives how much was taken from the body until `still`.
async fn upload((near, far): (Connection, Connection), version: Version, count: usize, still: impl AsyncFn()) -> usize {
    let state = Rc::<State>::default();
    let server = create_task(serve(far, version, state.clone()));
    let mut client = Client::new(near, version).await;
    let (body, taken) = pieces(count);
    let response = create_task(async move {
        let response = client.send("/swallow", body).await;
        text(response).await
    });
    still().await;
    let before = taken();
    state.gate.set();
    assert_eq!(response.await.unwrap(), (count * PIECE).to_string());
    assert_eq!(taken(), count);
    ended_well(server.await.unwrap());
    before
}

#[test]
fn a_service_that_does_not_read_holds_the_client_back() {
    // In virtual time a sleep ends when nothing else goes on, so what was taken by then is all that would be.
    virtually(async {
        #[cfg(target_os = "linux")]
        let carriers = [Carrier::Pipe(10_000), Carrier::TlsOverPipe(10_000)];
        #[cfg(not(target_os = "linux"))]
        let carriers = [Carrier::Pipe(10_000)];
        for carrier in carriers {
            for version in VERSIONS {
                let pair = carrier.pair(version).await;
                let taken = upload(pair, version, 1_000, async || sleep_ms(1_000).await).await;
                assert!((1..100).contains(&taken), "{carrier:?}, {version:?}: {taken} pieces of 1 000");
            }
        }
    });
}

#[test]
fn so_it_does_over_sockets() {
    uasyncio_io::run(async {
        for carrier in CARRIERS {
            for version in VERSIONS {
                let pair = carrier.pair(version).await;
                // 64 MB, more than the system's buffers take, whether there was time to fill them or not.
                let taken = upload(pair, version, 4_000, async || sleep_ms(30).await).await;
                assert!(taken < 4_000, "{carrier:?}, {version:?}: all was taken");
            }
        }
    });
}

#[test]
fn a_client_that_does_not_read_holds_the_service_back() {
    virtually(async {
        for version in VERSIONS {
            let (near, far) = Carrier::Pipe(10_000).pair(version).await;
            spawn(async move { drop(serve(far, version, Rc::default()).await) });
            let mut client = Client::new(near, version).await;
            let (body, taken) = pieces(1_000);
            let response = client.send("/echo", body).await;
            sleep_ms(1_000).await;
            // HTTP/2 lets 1 MB come to the service, and 2 MB to the client, before either has to read.
            assert!((1..250).contains(&taken()), "{version:?}: {} pieces of 1 000", taken());
            assert_eq!(crate::common::length(response.into_body()).await.unwrap(), 1_000 * PIECE);
            assert_eq!(taken(), 1_000);
        }
    });
}

#[test]
fn http2_carries_many_requests_at_a_time() {
    let end = virtually(async {
        let (near, far) = Carrier::Pipe(10_000).pair(Version::Two).await;
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
    });
    // One after the other they would take two seconds.
    assert_eq!(end, 20);
}

#[test]
fn our_server_and_our_client_on_many_connections() {
    uasyncio_io::run(async {
        let state = Rc::<State>::default();
        let served = state.clone();
        let handler = move |reader, writer| {
            let connection = serve(HyperIo::new((reader, writer)), Version::One, served.clone());
            async { connection.await.map_err(std::io::Error::other) }
        };
        let server = start_server(handler, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addr().port();
        let clients = (0..20).map(|_| async move {
            let stream = open_connection("127.0.0.1", port).await.unwrap();
            let mut client = Client::new(HyperIo::new(stream), Version::One).await;
            for _ in 0..10 {
                assert_eq!(text(client.send("/hello", body_of("")).await).await, "hello");
            }
        });
        uasyncio_sync::gather(clients.collect::<Vec<_>>()).await;
        assert_eq!(state.begun.get(), 200);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    uasyncio_core::run(async {
        let (near, far) = duplex(4_096);
        spawn(async { serve(HyperIo::new(split(far)), Version::One, Rc::default()).await.unwrap() });
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
    // The limit is half a minute, of virtual time.
    let end = virtually(async {
        let (near, far) = duplex(4_096);
        let service = service_fn(async |_: Request<Incoming>| Ok::<_, hyper::Error>(Response::new(body_of("hello"))));
        let mut builder = server::conn::http1::Builder::new();
        builder.timer(LoopTimer::new()).header_read_timeout(Duration::from_secs(30));
        let server = create_task(builder.serve_connection(HyperIo::new(split(far)), service));
        let (mut reader, mut writer) = split(near);
        writer.awritestr("GET /hello HTTP/1.1\r\nhost: here\r\n\r\nGET /hel").await.unwrap();
        assert!(server.await.unwrap().unwrap_err().is_timeout());
        let answer = String::from_utf8_lossy(reader.read_to_end(4_096).await.unwrap()).into_owned();
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    });
    assert_eq!(end, 30_000);
}
