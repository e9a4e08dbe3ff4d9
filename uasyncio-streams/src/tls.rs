//! TLS, by `rustls`: clients, servers, and the upgrade of a connection that began without.
//!
//! A [`TlsConnector`] or a [`TlsAcceptor`] takes the two halves of a stream over any transport and gives back the two halves
//! of a stream over [`TlsTransport`]. They have all that other streams have.
//!
//! `open_connection(host, port).tls(host)` trusts whom the system trusts, as [`TlsConnector::with_system_roots`] does. Anything else is said by the
//! `ClientConfig` of [`rustls`], which this module passes on to its users; there is no store of root certificates in here. The
//! cryptography is that of the crate `ring`, unless the configuration, or the program as a whole, names another.
//!
#![cfg_attr(all(feature = "net", target_os = "linux"), doc = "```")]
#![cfg_attr(not(all(feature = "net", target_os = "linux")), doc = "```ignore")]
//! use std::sync::Arc;
//! use uasyncio_streams::tls::{TlsAcceptor, TlsConnector, rustls};
//! use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A certificate for this example, made by the crate `rcgen`. Others come from files:
//! // `CertificateDer::pem_file_iter` and `PrivateKeyDer::from_pem_file` of `rustls::pki_types`.
//! let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! let certificate = made.cert.der().clone();
//! let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
//!
//! let config = rustls::ServerConfig::builder()
//!     .with_no_client_auth()
//!     .with_single_cert(vec![certificate.clone()], key.into())?;
//! let acceptor = TlsAcceptor::new(config);
//!
//! let mut roots = rustls::RootCertStore::empty();
//! roots.add(certificate)?;
//! let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
//! let connector = TlsConnector::new(config);
//!
//! uasyncio_io::run(async {
//!     let echo = move |reader: TcpReader, writer: TcpWriter| {
//!         let acceptor = acceptor.clone();
//!         async move {
//!             let (mut reader, mut writer) = acceptor.accept(reader, writer).await?;
//!             writer.awrite(reader.readline().await?).await?;
//!             writer.aclose().await
//!         }
//!     };
//!     let server = start_server(echo, "localhost", 0).await?;
//!     let (mut reader, mut writer) = open_connection("localhost", server.local_addr().port()).tls_with(&connector, "localhost").await?;
//!     writer.awritestr("hello\n").await?;
//!     assert_eq!(reader.readline().await?, b"hello\n");
//!     writer.aclose().await
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # Deadlines
//!
//! A handshake fails with [`TimedOut`](io::ErrorKind::TimedOut) after 10 seconds, or what is set by `handshake_deadline`, if it runs in
//! a loop of `uasyncio-core`. Other executors have no clock of ours, so a time limit is their business.

mod session;
mod system_roots;
mod transport;
mod waiters;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use uasyncio_core::{sleep, try_get_event_loop};

pub use self::transport::TlsTransport;
/// The crate that does the work: its configurations are the parameters here.
pub use rustls;

use crate::parts::{Parts, unsplit};
use crate::reader::StreamReader;
use crate::transport::{Transport, poll_attempt};
use crate::writer::StreamWriter;

/// The reading half of a TLS session over a transport.
pub type TlsReader<T> = StreamReader<TlsTransport<T>>;

/// The writing half of a TLS session over a transport.
pub type TlsWriter<T> = StreamWriter<TlsTransport<T>>;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Makes TLS sessions as a client. Cloning it is cheap. asyncio's `SSLContext` of a client.
#[derive(Clone)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    deadline: Duration,
}

impl TlsConnector {
    /// Sessions with this configuration: whom to trust, which certificate to show, ALPN.
    pub fn new(config: impl Into<Arc<ClientConfig>>) -> Self {
        TlsConnector { config: config.into(), deadline: HANDSHAKE_DEADLINE }
    }

    /// How long a handshake may take: 10 seconds unless set here; `Duration::MAX` means for ever.
    pub fn handshake_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Makes a TLS session of a stream, as its client, and verifies that the peer is `server_name`: a DNS name or an IP address.
    /// asyncio's `start_tls`, and the second half of `open_connection(.., ssl=..)`.
    ///
    /// The stream may have been used before, as with STARTTLS. What its reader has read ahead is taken as the beginning of the session.
    ///
    /// # Errors
    /// The certificate, the handshake or the peer's records are not right: [`InvalidData`](io::ErrorKind::InvalidData) with the
    /// `rustls::Error` in it. [`TimedOut`](io::ErrorKind::TimedOut) after the deadline. [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// when `server_name` is none, or the halves belong to two streams. The transport's error. The connection is closed then.
    ///
    /// # Cancel safety
    /// When the future is dropped, the connection is closed.
    #[doc(alias = "start_tls")]
    pub async fn connect<T: Transport>(
        &self,
        server_name: &str,
        reader: StreamReader<T>,
        writer: StreamWriter<T>,
    ) -> io::Result<(TlsReader<T>, TlsWriter<T>)> {
        self.connect_to(to_server_name(server_name)?, reader, writer).await
    }

    pub(crate) async fn connect_to<T: Transport>(
        &self,
        name: ServerName<'static>,
        reader: StreamReader<T>,
        writer: StreamWriter<T>,
    ) -> io::Result<(TlsReader<T>, TlsWriter<T>)> {
        let session = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        handshake(session.into(), self.deadline, reader, writer).await
    }
}

/// Makes TLS sessions as a server. Cloning it is cheap. asyncio's `SSLContext` of a server.
#[derive(Clone)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    deadline: Duration,
}

impl TlsAcceptor {
    /// Sessions with this configuration: which certificate to show, whom to ask for one, ALPN.
    pub fn new(config: impl Into<Arc<ServerConfig>>) -> Self {
        TlsAcceptor { config: config.into(), deadline: HANDSHAKE_DEADLINE }
    }

    /// How long a handshake may take: 10 seconds unless set here; `Duration::MAX` means for ever.
    pub fn handshake_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Makes a TLS session of a stream, as its server: first thing in the handler of a server, or after a command such as STARTTLS.
    /// What the reader has read ahead is taken as the beginning of the session, never as part of what it carries.
    ///
    /// # Errors
    /// As for [`TlsConnector::connect`].
    ///
    /// # Cancel safety
    /// When the future is dropped, the connection is closed.
    pub async fn accept<T: Transport>(
        &self,
        reader: StreamReader<T>,
        writer: StreamWriter<T>,
    ) -> io::Result<(TlsReader<T>, TlsWriter<T>)> {
        let session = ServerConnection::new(self.config.clone()).map_err(io::Error::other)?;
        handshake(session.into(), self.deadline, reader, writer).await
    }
}

// A configuration knows keys.
impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

pub(crate) fn to_server_name(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a server")))
}

async fn handshake<T: Transport>(
    session: Connection,
    deadline: Duration,
    reader: StreamReader<T>,
    mut writer: StreamWriter<T>,
) -> io::Result<(TlsReader<T>, TlsWriter<T>)> {
    let transport = {
        // The time that the peer takes to read what `write` has buffered counts too.
        let mut timer = pin!(try_get_event_loop().map(|_| sleep(deadline)));
        let mut steps = pin!(async {
            writer.drain().await?;
            let limit = reader.limit();
            let Parts { transport, read_ahead } = unsplit(reader, writer)?;
            let transport = TlsTransport::new(transport, read_ahead, session);
            poll_fn(|cx| poll_attempt(&transport, cx, "a TLS handshake", |transport| transport.try_handshake())).await?;
            Ok::<_, io::Error>((transport, limit))
        });
        poll_fn(|cx| {
            let done = steps.as_mut().poll(cx);
            let late = done.is_pending() && timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready());
            if late {
                let why = format!("the TLS handshake took longer than {deadline:?}");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
            done
        })
        .await
    };
    let (transport, limit) = transport?;
    let (mut reader, writer) = crate::split(transport);
    reader.set_limit(limit);
    Ok((reader, writer))
}
