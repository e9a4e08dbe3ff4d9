//! What HTTP goes over in the tests: a pipe in memory, TCP, and TLS over either.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use uasyncio_compat::hyper::HyperIo;
use uasyncio_streams::{StreamReader, StreamWriter, TcpTransport, Transport, duplex, split};

use super::Version;

/// A connection of any kind, with a second handle that cuts it.
#[derive(Clone)]
pub(crate) struct Connection(Rc<RefCell<dyn Carried>>);

trait Carried {
    fn read(&mut self, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>>;
    fn write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn abort(&mut self);
}

type OfHalves<T> = HyperIo<(StreamReader<T>, StreamWriter<T>)>;

impl<T: Transport> Carried for OfHalves<T> {
    fn read(&mut self, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_read(cx, buffer)
    }

    fn write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write_vectored(cx, slices)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(cx)
    }

    fn shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_shutdown(cx)
    }

    fn abort(&mut self) {
        self.get_mut().1.abort();
    }
}

impl Connection {
    fn new<T: Transport + 'static>(halves: (StreamReader<T>, StreamWriter<T>)) -> Connection {
        Connection(Rc::new(RefCell::new(HyperIo::new(halves))))
    }

    /// Cuts it, without a proper end: over TCP, the peer gets a reset.
    pub(crate) fn abort(&self) {
        self.0.borrow_mut().abort();
    }
}

impl Read for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().read(cx, buffer)
    }
}

impl Write for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().write(cx, &[IoSlice::new(data)])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().write(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().shutdown(cx)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Carrier {
    /// In memory, with so many bytes on the way.
    Pipe(usize),
    Tcp,
    Tls,
    /// TLS over a pipe, which virtual time suits.
    TlsOverPipe(usize),
}

/// Each kind once.
#[cfg(target_os = "linux")]
pub(crate) const CARRIERS: [Carrier; 3] = [Carrier::Pipe(4_096), Carrier::Tcp, Carrier::Tls];
#[cfg(not(target_os = "linux"))]
pub(crate) const CARRIERS: [Carrier; 2] = [Carrier::Pipe(4_096), Carrier::Tcp];

impl Carrier {
    /// The two ends of a connection. With TLS they have agreed on the version by ALPN.
    pub(crate) async fn pair(self, version: Version) -> (Connection, Connection) {
        match self {
            Carrier::Pipe(capacity) => plain(duplex(capacity)),
            Carrier::Tcp => plain(tcp_pair()),
            Carrier::Tls => over_tls(tcp_pair(), version).await,
            Carrier::TlsOverPipe(capacity) => over_tls(duplex(capacity), version).await,
        }
    }
}

fn plain<T: Transport + 'static>((near, far): (T, T)) -> (Connection, Connection) {
    (Connection::new(split(near)), Connection::new(split(far)))
}

fn tcp_pair() -> (TcpTransport, TcpTransport) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (TcpTransport::from_std(client).unwrap(), TcpTransport::from_std(server).unwrap())
}

#[cfg(not(target_os = "linux"))]
async fn over_tls<T>(_: (T, T), _: Version) -> (Connection, Connection) {
    unreachable!("the certificates are made on Linux only")
}

/// The server takes either version, the client has one in mind.
#[cfg(target_os = "linux")]
async fn over_tls<T: Transport + 'static>((near, far): (T, T), version: Version) -> (Connection, Connection) {
    use uasyncio_streams::tls::{TlsAcceptor, TlsConnector};

    let (mut client, mut server) = tls::configurations();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    client.alpn_protocols = vec![tls::name_of(version).to_vec()];
    let (reader, writer) = split(far);
    let accepting = uasyncio_core::create_task(async move { TlsAcceptor::new(server).accept(reader, writer).await });
    let (reader, writer) = split(near);
    let near = TlsConnector::new(client).connect("localhost", reader, writer).await.unwrap();
    let far = accepting.await.unwrap().unwrap();
    for agreed in [near.0.transport().alpn_protocol(), far.0.transport().alpn_protocol()] {
        assert_eq!(agreed, Some(tls::name_of(version)));
    }
    (Connection::new(near), Connection::new(far))
}

#[cfg(target_os = "linux")]
pub(crate) mod tls {
    use uasyncio_streams::tls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    use uasyncio_streams::tls::rustls::{ClientConfig, RootCertStore, ServerConfig};

    use super::Version;

    /// The name of a version in ALPN.
    pub(crate) fn name_of(version: Version) -> &'static [u8] {
        match version {
            Version::One => b"http/1.1",
            Version::Two => b"h2",
        }
    }

    /// A client and a server that trust each other, by a certificate made for the occasion.
    pub(crate) fn configurations() -> (ClientConfig, ServerConfig) {
        let (client, server, _) = configurations_and_certificate();
        (client, server)
    }

    /// The same, and the certificate as PEM.
    pub(crate) fn configurations_and_certificate() -> (ClientConfig, ServerConfig, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key.into());
        (client_that_trusts(certificate), server.unwrap(), made.cert.pem())
    }

    pub(crate) fn client_that_trusts(certificate: CertificateDer<'static>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    }
}
