//! HTTP for the tests of hyper: bodies, a service, a client of either version, and what they talk over.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod carriers;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use uasyncio_compat::hyper::{LoopExecutor, LoopTimer};
use uasyncio_core::{sleep_ms, spawn};
use uasyncio_sync::Event;

pub(crate) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

pub(crate) fn body_of(text: &str) -> Body {
    Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A body of so many pieces that notes how many were asked for.
pub(crate) struct Pieces {
    left: usize,
    taken: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

/// The length of a piece.
pub(crate) const PIECE: usize = 16 * 1024;

/// A body of `count` pieces, and how many of them were taken so far.
pub(crate) fn pieces(count: usize) -> (Body, impl Fn() -> usize + use<>) {
    let taken = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let body = Pieces { left: count, taken: taken.clone() };
    (body.boxed_unsync(), move || taken.load(std::sync::atomic::Ordering::Relaxed))
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; PIECE])))))
    }
}

/// Reads a body to its end, and gives its length.
pub(crate) async fn length(mut body: Incoming) -> hyper::Result<usize> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(length)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Version {
    One,
    Two,
}

pub(crate) const VERSIONS: [Version; 2] = [Version::One, Version::Two];

/// What the service has done, and what it waits for. Not `Send`.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) begun: Cell<usize>,
    /// How many requests were given up before they were answered.
    pub(crate) given_up: Cell<usize>,
    /// Lets `/gate` and `/swallow` go on.
    pub(crate) gate: Event,
    /// Is set when a request has begun.
    pub(crate) arrival: Event,
}

/// Notes that a request was given up, unless it was answered.
struct Answering<'s>(&'s State, bool);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.given_up.set(self.0.given_up.get() + 1);
        }
    }
}

async fn service(state: Rc<State>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    state.begun.set(state.begun.get() + 1);
    state.arrival.set();
    let mut answering = Answering(&state, false);
    let response = match request.uri().path() {
        "/hello" => Response::new(body_of("hello")),
        "/echo" => Response::new(request.into_body().boxed_unsync()),
        "/slow" => {
            sleep_ms(20).await;
            Response::new(body_of("slow"))
        }
        "/gate" => {
            state.gate.wait().await;
            Response::new(body_of("open"))
        }
        // Reads nothing before it may.
        "/swallow" => {
            state.gate.wait().await;
            Response::new(body_of(&length(request.into_body()).await?.to_string()))
        }
        "/much" => Response::new(pieces(1_000).0),
        _ => {
            let mut response = Response::new(body_of("no such page"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    answering.1 = true;
    Ok(response)
}

/// Serves a connection to its end; with `shut_down`, to the end of what goes on when that is set.
pub(crate) async fn serve_until<I>(io: I, version: Version, state: Rc<State>, shut_down: Rc<Event>) -> hyper::Result<()>
where
    I: Read + Write + Unpin + 'static,
{
    /// Serves on, and says once that it is enough.
    macro_rules! drive {
        ($connection:expr) => {{
            let connection = std::pin::pin!($connection);
            match uasyncio_sync::select(connection, std::pin::pin!(shut_down.wait())).await {
                uasyncio_sync::Selected::First(result, _) => result,
                uasyncio_sync::Selected::Second(mut connection, ()) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }};
    }
    let service = service_fn(move |request| service(state.clone(), request));
    match version {
        Version::One => drive!(server::conn::http1::Builder::new().timer(LoopTimer::new()).serve_connection(io, service)),
        Version::Two => {
            let mut builder = server::conn::http2::Builder::new(LoopExecutor::new());
            drive!(builder.timer(LoopTimer::new()).serve_connection(io, service))
        }
    }
}

pub(crate) async fn serve<I>(io: I, version: Version, state: Rc<State>) -> hyper::Result<()>
where
    I: Read + Write + Unpin + 'static,
{
    serve_until(io, version, state, Rc::default()).await
}

/// A client of either version.
pub(crate) enum Client {
    One(client::conn::http1::SendRequest<Body>),
    Two(client::conn::http2::SendRequest<Body>),
}

impl Client {
    /// The connection's end, whatever it is, is noted nowhere: each request says how it ended.
    pub(crate) async fn new<I: Read + Write + Unpin + 'static>(io: I, version: Version) -> Client {
        match version {
            Version::One => {
                let (sender, connection) = client::conn::http1::handshake(io).await.unwrap();
                spawn(async move { drop(connection.await) });
                Client::One(sender)
            }
            Version::Two => {
                let builder = client::conn::http2::Builder::new(LoopExecutor::new());
                let (sender, connection) = builder.handshake(io).await.unwrap();
                spawn(async move { drop(connection.await) });
                Client::Two(sender)
            }
        }
    }

    pub(crate) async fn try_send(&mut self, path: &str, body: Body) -> hyper::Result<Response<Incoming>> {
        let request = |path: &str| Request::post(path).header("host", "here").body(body).unwrap();
        match self {
            Client::One(sender) => {
                sender.ready().await?;
                sender.send_request(request(path)).await
            }
            Client::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request(&format!("http://here{path}"))).await
            }
        }
    }

    pub(crate) async fn send(&mut self, path: &str, body: Body) -> Response<Incoming> {
        self.try_send(path, body).await.unwrap()
    }

    /// Waits until the client knows that the connection has ended.
    pub(crate) async fn ended(&mut self) {
        while match self {
            Client::One(sender) => sender.ready().await.is_ok(),
            Client::Two(sender) => sender.ready().await.is_ok(),
        } {
            uasyncio_core::yield_now().await;
        }
    }
}

/// Checks how a server's connection ended whose client is gone: well, or with nobody left to say farewell to.
pub(crate) fn ended_well(result: hyper::Result<()>) {
    if let Err(error) = result {
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::BrokenPipe), "{error:?}");
    }
}

/// What every connection is put through.
pub(crate) async fn converse<A, B>(near: A, far: B, version: Version)
where
    A: Read + Write + Unpin + 'static,
    B: Read + Write + Unpin + 'static,
{
    let state = Rc::<State>::default();
    let server = uasyncio_core::create_task(serve(far, version, state.clone()));
    let mut client = Client::new(near, version).await;
    for _ in 0..3 {
        let response = client.send("/hello", body_of("")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response).await, "hello");
    }
    // Longer than every buffer on the way, in both directions at a time.
    let long = "0123456789abcdef".repeat(6_000);
    let response = client.send("/echo", body_of(&long)).await;
    assert!(text(response).await == long);
    let response = client.send("/slow", body_of("")).await;
    assert_eq!(text(response).await, "slow");
    let response = client.send("/nowhere", body_of("")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(text(response).await, "no such page");
    drop(client);
    ended_well(server.await.unwrap());
    assert_eq!((state.begun.get(), state.given_up.get()), (6, 0));
}
