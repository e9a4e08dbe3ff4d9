//! One connection: HTTP, until a request makes a WebSocket of it.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;

use async_tungstenite::tungstenite::Error;
use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::handshake::server::create_response_with_body;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use uasyncio_compat::hyper::{HyperIo, LoopTimer};
use uasyncio_streams::{StreamReader, StreamWriter, Transport};
use uasyncio_sync::Event;

use crate::session::{self, Limits};

/// Shown at `/`: a WebSocket to type into.
const PAGE: &str = include_str!("page.html");

/// Serves a connection to its end. `closing` is set when the server shuts down.
pub(crate) async fn serve<T: Transport + 'static>(
    reader: StreamReader<T>,
    writer: StreamWriter<T>,
    limits: &Limits,
    closing: &Event,
) -> hyper::Result<()> {
    let upgraded = Rc::new(Cell::new(false));
    let noted = upgraded.clone();
    let service = service_fn(move |request| {
        let response = answer(&request);
        noted.set(response.status() == StatusCode::SWITCHING_PROTOCOLS);
        ready(Ok::<_, Infallible>(response))
    });
    let mut builder = http1::Builder::new();
    builder.timer(LoopTimer::new()).header_read_timeout(limits.handshake).max_buf_size(16 * 1024);
    let mut connection = builder.serve_connection(HyperIo::new((reader, writer)), service);
    let mut shutdown = pin!(closing.wait());
    let mut told = false;
    poll_fn(|cx| {
        if !told && shutdown.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    })
    .await?;
    // On one thread there is no need of hyper's `upgrade::on` and a second task: the connection is here.
    let parts = connection.into_parts();
    let (reader, mut writer) = parts.io.into_inner();
    if upgraded.get() {
        session::echo((reader, writer), parts.read_buf.into(), limits, closing).await;
    } else {
        let _ = writer.aclose().await;
    }
    Ok(())
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.uri().path(), request.method()) {
        ("/", &Method::GET | &Method::HEAD) => {
            let mut response = Response::new(PAGE.into());
            set(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
            let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";
            set(&mut response, CONTENT_SECURITY_POLICY, policy);
            response
        }
        ("/echo", &Method::GET) => match create_response_with_body(request, Full::default) {
            Ok(response) => response,
            // It has come for something else, or speaks a draft of the protocol.
            Err(Error::Protocol(
                ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingSecWebSocketVersionHeader,
            )) => {
                let mut response = plain(StatusCode::UPGRADE_REQUIRED, "here is a WebSocket of version 13\n");
                set(&mut response, UPGRADE, "websocket");
                set(&mut response, SEC_WEBSOCKET_VERSION, "13");
                response
            }
            Err(why) => plain(StatusCode::BAD_REQUEST, format!("{why}\n")),
        },
        ("/" | "/echo", _) => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            set(&mut response, ALLOW, "GET");
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "there is / and /echo\n"),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}

fn set(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
