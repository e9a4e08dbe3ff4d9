//! The certificate and the key of a server, from files.

use std::fmt::Display;
use std::io;

use uasyncio_streams::tls::TlsAcceptor;
use uasyncio_streams::tls::rustls::ServerConfig;
use uasyncio_streams::tls::rustls::pki_types::pem::PemObject;
use uasyncio_streams::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// For a file of certificates, the server's own first, and one with its private key, both in the format PEM.
pub(crate) fn acceptor(certificates: &str, key: &str) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificates).map_err(of(certificates))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(of(certificates))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(of(key))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(of(certificates))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::new(config))
}

fn of<E: Display>(file: &str) -> impl Fn(E) -> io::Error {
    move |error| io::Error::new(io::ErrorKind::InvalidInput, format!("{file}: {error}"))
}
