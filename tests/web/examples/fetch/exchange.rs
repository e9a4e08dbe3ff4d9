//! One request and its answer, over a connection of its own.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request as HyperRequest, Response, Uri};
use uasyncio_compat::hyper::{HyperIo, LoopExecutor};
use uasyncio_core::{CancelOnDrop, create_task};
use uasyncio_streams::{StreamReader, StreamWriter, Transport};
use url::Position;

use crate::failure::{Failure, Kind};
use crate::request::Request;

type Body = Full<Bytes>;

/// A connection that is ready for a request.
pub(crate) struct Exchange {
    sender: Sender,
    /// Hyper's part of the connection; it ends with this.
    _connection: CancelOnDrop<()>,
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Exchange {
    /// Agrees with the server on HTTP/1.1.
    pub(crate) async fn http1<T: Transport + 'static>(stream: (StreamReader<T>, StreamWriter<T>)) -> Result<Exchange, Failure> {
        let (sender, connection) = http1::handshake(HyperIo::new(stream)).await.map_err(protocol)?;
        // How the connection ends is seen in the answer.
        let connection = create_task(async move { drop(connection.await) }).cancel_on_drop();
        Ok(Exchange { sender: Sender::One(sender), _connection: connection })
    }

    /// Agrees with the server on HTTP/2.
    pub(crate) async fn http2<T: Transport + 'static>(stream: (StreamReader<T>, StreamWriter<T>)) -> Result<Exchange, Failure> {
        let builder = http2::Builder::new(LoopExecutor::new());
        let (sender, connection) = builder.handshake(HyperIo::new(stream)).await.map_err(protocol)?;
        let connection = create_task(async move { drop(connection.await) }).cancel_on_drop();
        Ok(Exchange { sender: Sender::Two(sender), _connection: connection })
    }

    /// Sends the request and waits for the head of the answer.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<Response<Incoming>, Failure> {
        let url = &request.url;
        let mut message = HyperRequest::new(Full::new(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.headers_mut() = request.headers.clone();
        let invalid = |error: &dyn std::fmt::Display| Failure::new(Kind::Usage, format!("{url}: {error}"));
        match &mut self.sender {
            Sender::One(sender) => {
                *message.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse().map_err(|error| invalid(&error))?;
                if !message.headers().contains_key(HOST) {
                    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
                    message.headers_mut().insert(HOST, host.map_err(|error| invalid(&error))?);
                }
                sender.send_request(message).await.map_err(protocol)
            }
            Sender::Two(sender) => {
                // What HTTP/1 has in this header is the authority of the URI here.
                let host = message.headers_mut().remove(HOST);
                let authority = host.as_ref().and_then(|host| host.to_str().ok());
                let uri = Uri::builder()
                    .scheme(url.scheme())
                    .authority(authority.unwrap_or(&url[Position::BeforeHost..Position::AfterPort]))
                    .path_and_query(&url[Position::BeforePath..Position::AfterQuery]);
                *message.uri_mut() = uri.build().map_err(|error| invalid(&error))?;
                sender.send_request(message).await.map_err(protocol)
            }
        }
    }
}

/// What hyper says, with what is behind it.
pub(crate) fn protocol(error: hyper::Error) -> Failure {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        why.push_str(&format!(": {error}"));
        source = error.source();
    }
    let kind = if error.is_timeout() { Kind::TimedOut } else { Kind::Protocol };
    Failure::new(kind, why)
}
