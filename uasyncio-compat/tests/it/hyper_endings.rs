//! How requests and connections of hyper's end before their time, over everything: given up, shut down, reset.

use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::common::carriers::{CARRIERS, Carrier};
use crate::common::{Client, State, VERSIONS, Version, body_of, ended_well, length, pieces, serve, serve_until, text};
use http_body_util::BodyExt;
use uasyncio_compat::hyper::HyperIo;
use uasyncio_core::{create_task, yield_now};
use uasyncio_streams::{duplex, split};
use uasyncio_sync::Event;

/// Runs a test with each carrier and version.
fn with_each(test: impl AsyncFn(Carrier, Version)) {
    uasyncio_io::run(async {
        for carrier in CARRIERS {
            for version in VERSIONS {
                test(carrier, version).await;
            }
        }
    });
}

async fn until(done: impl Fn() -> bool) {
    while !done() {
        yield_now().await;
    }
}

#[test]
fn a_request_that_is_given_up_is_given_up_by_the_server_too() {
    with_each(async |carrier, version| {
        let (near, far) = carrier.pair(version).await;
        let state = Rc::<State>::default();
        let server = create_task(serve(far, version, state.clone()));
        let mut client = Client::new(near, version).await;
        {
            let mut request = std::pin::pin!(client.try_send("/gate", body_of("")));
            while state.begun.get() == 0 {
                assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                yield_now().await;
            }
        }
        match version {
            // There is no other way to tell the server than to close the connection.
            Version::One => drop(server.await.unwrap()),
            Version::Two => {
                until(|| state.given_up.get() == 1).await;
                // The stream ended, not the connection.
                assert_eq!(text(client.send("/hello", body_of("")).await).await, "hello");
                drop(client);
                ended_well(server.await.unwrap());
            }
        }
        assert_eq!(state.given_up.get(), 1, "{carrier:?}, {version:?}");
    });
}

#[test]
fn a_response_that_is_given_up_half_read_ends_no_more_than_it_has_to() {
    with_each(async |carrier, version| {
        let (near, far) = carrier.pair(version).await;
        let server = create_task(serve(far, version, Rc::default()));
        let mut client = Client::new(near, version).await;
        let mut response = client.send("/much", body_of("")).await;
        assert!(response.frame().await.unwrap().is_ok());
        drop(response);
        match version {
            Version::One => {
                client.ended().await;
                drop(server.await.unwrap());
            }
            Version::Two => {
                assert_eq!(text(client.send("/hello", body_of("")).await).await, "hello");
                drop(client);
                ended_well(server.await.unwrap());
            }
        }
    });
}

#[test]
fn a_graceful_shutdown_finishes_what_was_begun() {
    with_each(async |carrier, version| {
        let (near, far) = carrier.pair(version).await;
        let (state, shut_down) = (Rc::<State>::default(), Rc::<Event>::default());
        let server = create_task(serve_until(far, version, state.clone(), shut_down.clone()));
        let mut client = Client::new(near, version).await;
        assert_eq!(text(client.send("/hello", body_of("")).await).await, "hello");
        let asking = create_task(async move {
            let response = client.send("/gate", body_of("")).await;
            (client, text(response).await)
        });
        until(|| state.begun.get() == 2).await;
        shut_down.set();
        yield_now().await;
        assert!(!server.done(), "{carrier:?}, {version:?}: it waits for the request");
        state.gate.set();
        let (mut client, answer) = asking.await.unwrap();
        assert_eq!(answer, "open");
        server.await.unwrap().unwrap();
        client.ended().await;
        assert!(client.try_send("/hello", body_of("")).await.is_err(), "{carrier:?}, {version:?}");
    });
}

#[test]
fn a_graceful_shutdown_of_a_quiet_connection_ends_it() {
    with_each(async |carrier, version| {
        let (near, far) = carrier.pair(version).await;
        let shut_down = Rc::<Event>::default();
        let server = create_task(serve_until(far, version, Rc::default(), shut_down.clone()));
        let mut client = Client::new(near, version).await;
        assert_eq!(text(client.send("/hello", body_of("")).await).await, "hello");
        shut_down.set();
        let ended = server.await.unwrap();
        // In HTTP/2 it has one more word to say, and the client may be gone by then.
        assert!(ended.is_ok() || version == Version::Two, "{carrier:?}: {ended:?}");
        client.ended().await;
    });
}

#[test]
fn a_client_that_resets_is_an_error_of_its_connection_only() {
    with_each(async |carrier, version| {
        let (near, far) = carrier.pair(version).await;
        let cut = near.clone();
        let state = Rc::<State>::default();
        let server = create_task(serve(far, version, state.clone()));
        let mut client = Client::new(near, version).await;
        let (body, taken) = pieces(100_000);
        // An endless echo: the server reads and writes when the reset comes.
        let response = client.send("/echo", body).await;
        let reading = create_task(length(response.into_body()));
        until(|| taken() > 100).await;
        cut.abort();
        assert!(server.await.unwrap().is_err(), "{carrier:?}, {version:?}");
        assert!(reading.await.unwrap().is_err(), "{carrier:?}, {version:?}");
        client.ended().await;
    });
}

#[test]
fn a_server_that_resets_is_an_error_of_the_response() {
    with_each(async |carrier, version| {
        let (near, far) = carrier.pair(version).await;
        let cut = far.clone();
        let state = Rc::<State>::default();
        let server = create_task(serve(far, version, state.clone()));
        let mut client = Client::new(near, version).await;
        let mut response = client.send("/much", body_of("")).await;
        assert!(response.frame().await.unwrap().is_ok());
        cut.abort();
        assert!(length(response.into_body()).await.is_err(), "{carrier:?}, {version:?}");
        assert!(client.try_send("/hello", body_of("")).await.is_err(), "{carrier:?}, {version:?}");
        drop(server.await.unwrap());
    });
}

#[test]
fn a_client_that_goes_away_is_an_error_of_its_connection_only() {
    uasyncio_core::run(async {
        let (near, far) = duplex(64);
        let server = create_task(serve(HyperIo::new(split(far)), Version::One, Rc::default()));
        let (reader, mut writer) = split(near);
        writer.awritestr("POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
        drop((reader, writer));
        assert!(server.await.unwrap().is_err());
    });
}

#[test]
fn a_connection_that_is_dropped_is_closed_and_its_requests_fail() {
    with_each(async |carrier, version| {
        let (near, far) = carrier.pair(version).await;
        let state = Rc::<State>::default();
        let server = create_task(serve(far, version, state.clone()));
        let mut client = Client::new(near, version).await;
        let asking = create_task(async move { client.try_send("/gate", body_of("")).await.is_err() });
        until(|| state.begun.get() == 1).await;
        server.cancel();
        assert!(asking.await.unwrap(), "{carrier:?}, {version:?}");
        until(|| state.given_up.get() == 1).await;
    });
}
