//! The client: connects, follows redirects, keeps to its limits, and hands over what comes.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::http::response::Parts;
use hyper::{Method, Response, StatusCode};
use uasyncio_streams::tls::{TlsConnector, rustls};
use uasyncio_sync::wait_for;
use url::Host;

use crate::exchange::{Exchange, protocol};
use crate::failure::{Failure, Kind};
use crate::network::Network;
use crate::request::Request;

/// What one fetch may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Until there is a connection: the look-up of the name, TCP, TLS.
    pub(crate) connect: Duration,
    /// Between the request and the head of the answer, and between two pieces of its body.
    pub(crate) stall: Duration,
    /// Everything, redirects included.
    pub(crate) total: Duration,
    /// Redirects that are followed.
    pub(crate) redirects: usize,
    /// The longest body, in bytes.
    pub(crate) size: u64,
}

/// Which versions of HTTP to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// With TLS what ALPN says, and HTTP/1.1 otherwise.
    Any,
    One,
    Two,
}

/// Where an answer goes.
pub(crate) trait Output {
    /// The head of the answer that is not a redirect, and the length of its body, if it says that.
    async fn begin(&mut self, head: &Parts, length: Option<u64>) -> Result<(), Failure>;

    /// The next piece of the body.
    async fn write(&mut self, piece: Bytes) -> Result<(), Failure>;

    /// The body was complete.
    async fn finish(&mut self) -> Result<(), Failure>;
}

/// An HTTP client. Each request has a connection of its own.
pub(crate) struct Client<N> {
    network: N,
    tls: TlsConnector,
    version: Version,
    limits: Limits,
    allow_downgrade: bool,
}

impl<N: Network> Client<N> {
    /// `tls` says whom to trust.
    pub(crate) fn new(
        network: N,
        mut tls: rustls::ClientConfig,
        version: Version,
        limits: Limits,
        allow_downgrade: bool,
    ) -> Client<N> {
        let protocols: &[&[u8]] = match version {
            Version::Any => &[b"h2", b"http/1.1"],
            Version::One => &[b"http/1.1"],
            Version::Two => &[b"h2"],
        };
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        // The limit for the connection is the limit of the handshake.
        let tls = TlsConnector::new(tls).handshake_deadline(Duration::MAX);
        Client { network, tls, version, limits, allow_downgrade }
    }

    /// Fetches, and gives the status of the answer that was no redirect.
    ///
    /// When it is dropped, its connection is closed.
    pub(crate) async fn fetch(&self, request: Request, output: &mut impl Output) -> Result<StatusCode, Failure> {
        within(self.limits.total, "it was not done", self.follow(request, output)).await
    }

    async fn follow(&self, mut request: Request, output: &mut impl Output) -> Result<StatusCode, Failure> {
        let mut seen = HashSet::new();
        loop {
            if !seen.insert((request.method.clone(), request.url.clone())) {
                return Err(Failure::new(Kind::Redirect, format!("the redirects go in a circle, by {}", request.url)));
            }
            let mut exchange = within(self.limits.connect, "there was no connection", self.connect(&request)).await?;
            let response = within(self.limits.stall, "there was no answer", exchange.send(&request)).await?;
            let next = request.redirected(response.status(), response.headers(), self.allow_downgrade)?;
            let Some(next) = next else { return self.receive(&request.method, response, output).await };
            if seen.len() > self.limits.redirects {
                return Err(Failure::new(Kind::Redirect, format!("more than {} redirects", self.limits.redirects)));
            }
            request = next;
        }
    }

    async fn connect(&self, request: &Request) -> Result<Exchange, Failure> {
        let url = &request.url;
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            // Without the brackets.
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(Failure::new(Kind::Usage, format!("{url}: no host"))),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        let failed = |error: io::Error| Failure::new(Kind::Connect, error);
        let stream = self.network.open(&host, port).await.map_err(failed)?;
        if url.scheme() == "http" {
            return if self.version == Version::Two { Exchange::http2(stream).await } else { Exchange::http1(stream).await };
        }
        let (reader, writer) = stream;
        let untrusted = |error: io::Error| {
            let kind = if error.kind() == io::ErrorKind::InvalidData { Kind::Tls } else { Kind::Connect };
            Failure::new(kind, format!("no encrypted connection to {host}: {error}"))
        };
        let (reader, writer) = self.tls.connect(&host, reader, writer).await.map_err(untrusted)?;
        let two = reader.transport().alpn_protocol() == Some(b"h2");
        match (two, self.version) {
            (true, _) => Exchange::http2((reader, writer)).await,
            (false, Version::Two) => Err(Failure::new(Kind::Protocol, format!("{host} does not speak HTTP/2"))),
            (false, _) => Exchange::http1((reader, writer)).await,
        }
    }

    async fn receive(
        &self,
        method: &Method,
        response: Response<Incoming>,
        output: &mut impl Output,
    ) -> Result<StatusCode, Failure> {
        let too_long = || Failure::new(Kind::TooLong, format!("the body is longer than {} bytes", self.limits.size));
        let (head, mut body) = response.into_parts();
        // An answer to HEAD tells the length of what it does not have.
        let length = body.size_hint().exact().filter(|_| *method != Method::HEAD);
        if length.is_some_and(|length| length > self.limits.size) {
            return Err(too_long());
        }
        output.begin(&head, length).await?;
        let mut received = 0;
        // Hyper compares what comes with what was announced: a body that was cut short is an error here.
        while let Some(frame) = within(self.limits.stall, "the body stopped", async { Ok(body.frame().await) }).await? {
            // What is no data is a trailer, which nobody has asked for.
            let Ok(piece) = frame.map_err(protocol)?.into_data() else { continue };
            received += piece.len() as u64;
            if received > self.limits.size {
                return Err(too_long());
            }
            output.write(piece).await?;
        }
        output.finish().await?;
        Ok(head.status)
    }
}

/// A time limit as a failure that says what it was for.
async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match wait_for(future, limit).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(Kind::TimedOut, format!("{what} within {limit:?}"))),
    }
}
