//! Servers for the tests of `fetch`: hyper's, with and without TLS, and ones that say what they are told to.
#![allow(dead_code, unreachable_pub)]

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderMap, LOCATION};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use uasyncio_compat::hyper::{HyperIo, LoopExecutor};
use uasyncio_core::sleep_ms;
use uasyncio_streams::tls::{TlsAcceptor, rustls::ServerConfig};
use uasyncio_streams::{StreamReader, StreamWriter, Transport};

/// What a server speaks.
#[derive(Clone)]
pub enum Speaks {
    One,
    Two,
    /// Over TLS, by ALPN.
    Tls(Rc<ServerConfig>, &'static [&'static str]),
    /// Reads a head, says this, and closes. With TLS it says no good-bye.
    Bytes(&'static str),
    TlsBytes(Rc<ServerConfig>, &'static str),
    /// Says this, and then nothing.
    Stalls(&'static str),
}

/// Not `Send`, as it may sleep on our loop.
type Body = Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = Infallible>>>;

impl Speaks {
    pub async fn serve<T: Transport + 'static>(self, mut reader: StreamReader<T>, mut writer: StreamWriter<T>) {
        match self {
            Speaks::One => one(reader, writer).await,
            Speaks::Two => two(reader, writer).await,
            Speaks::Tls(config, protocols) => {
                let mut config = ServerConfig::clone(&config);
                config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
                // A client that does not trust us leaves.
                let Ok((reader, writer)) = TlsAcceptor::new(config).accept(reader, writer).await else { return };
                match reader.transport().alpn_protocol() == Some(b"h2") {
                    true => two(reader, writer).await,
                    false => one(reader, writer).await,
                }
            }
            Speaks::Bytes(text) => {
                say(&mut reader, &mut writer, text).await;
                let _ = writer.aclose().await;
            }
            Speaks::TlsBytes(config, text) => {
                let Ok((mut reader, mut writer)) = TlsAcceptor::new(ServerConfig::clone(&config)).accept(reader, writer).await
                else {
                    return;
                };
                say(&mut reader, &mut writer, text).await;
                // What has been said is on its way; the end of the session is not.
                writer.abort();
            }
            Speaks::Stalls(text) => {
                say(&mut reader, &mut writer, text).await;
                let _ = reader.read_to_end(1_000_000).await;
            }
        }
    }
}

async fn say<T: Transport>(reader: &mut StreamReader<T>, writer: &mut StreamWriter<T>, text: &str) {
    if !text.is_empty() && reader.readuntil(b"\r\n\r\n").await.is_ok() {
        let _ = writer.awritestr(text).await;
        let _ = writer.drain().await;
    }
}

async fn one<T: Transport + 'static>(reader: StreamReader<T>, writer: StreamWriter<T>) {
    let _ = http1::Builder::new().serve_connection(HyperIo::new((reader, writer)), service_fn(answer)).await;
}

async fn two<T: Transport + 'static>(reader: StreamReader<T>, writer: StreamWriter<T>) {
    let builder = http2::Builder::new(LoopExecutor::new());
    let _ = builder.serve_connection(HyperIo::new((reader, writer)), service_fn(answer)).await;
}

fn full(text: impl Into<Bytes>) -> Body {
    Box::pin(Full::new(text.into()))
}

/// Pieces with a pause before each; never a length. `None` is a trailer.
fn pieces(pieces: Vec<(u32, Option<&'static str>)>) -> Body {
    let frames = stream::iter(pieces).then(|(pause, piece)| async move {
        sleep_ms(pause).await;
        Ok(match piece {
            Some(piece) => Frame::data(piece.into()),
            None => Frame::trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "6".parse().unwrap())])),
        })
    });
    Box::pin(StreamBody::new(frames))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut response = Response::<Body>::new(Box::pin(Empty::new()));
    if let Some(status) = path.strip_prefix("/redirect/").and_then(|status| status.parse().ok()) {
        *response.status_mut() = status;
        let to = head.uri.query().unwrap_or_default().strip_prefix("to=").unwrap_or_default().parse().unwrap();
        response.headers_mut().insert(LOCATION, to);
        return Ok(response);
    }
    if let Some(number) = path.strip_prefix("/countdown/") {
        let number: u32 = number.parse().unwrap();
        if number > 0 {
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, (number - 1).to_string().parse().unwrap());
        }
        return Ok(response);
    }
    *response.body_mut() = match path.as_str() {
        "/missing" => {
            *response.status_mut() = StatusCode::NOT_FOUND;
            full("there is no such page")
        }
        "/nowhere" => {
            *response.status_mut() = StatusCode::FOUND;
            full("no location")
        }
        "/nothing" => Box::pin(Empty::new()),
        "/long" if head.method == Method::HEAD => {
            response.headers_mut().insert(CONTENT_LENGTH, 1_000_000.into());
            Box::pin(Empty::new())
        }
        "/long" => full("0123456789".repeat(100_000)),
        "/chunked" => pieces(vec![(0, Some("one ")), (0, Some("two ")), (0, Some("three")), (0, None)]),
        "/slow" => pieces((0..10).map(|_| (1_000, Some("x"))).collect()),
        "/stalled" => pieces(vec![(0, Some("begun")), (u32::MAX / 4, Some("never"))]),
        "/short" => {
            // Announces more than comes.
            response.headers_mut().insert(CONTENT_LENGTH, 10.into());
            pieces(vec![(0, Some("short"))])
        }
        _ => {
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let host = head.uri.authority().map_or(String::new(), |authority| format!("host: {authority}\n"));
            let mut lines: Vec<String> = (head.headers.iter())
                .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
                .collect();
            lines.sort();
            let target = head.uri.path_and_query().map_or("", |target| target.as_str());
            let body = String::from_utf8_lossy(&body);
            full(format!("{} {target}\n{host}{}\n{body}", head.method, lines.concat()))
        }
    };
    Ok(response)
}
