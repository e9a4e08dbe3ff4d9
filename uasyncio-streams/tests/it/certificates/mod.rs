//! Certificates for tests, made anew each time.
#![allow(dead_code, unreachable_pub)]

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use uasyncio_streams::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use uasyncio_streams::tls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use uasyncio_streams::tls::{TlsAcceptor, TlsConnector};

/// An authority, and a certificate of it for `localhost` and `127.0.0.1`, for servers and clients.
pub struct Certificates {
    pub authority_pem: String,
    pub authority: CertificateDer<'static>,
    pub certificate_pem: String,
    pub certificate: CertificateDer<'static>,
    pub key_pem: String,
    key: Vec<u8>,
}

impl Certificates {
    pub fn new() -> Certificates {
        let authority_key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "authority of a test");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = parameters.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(parameters, authority_key);
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "localhost");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        Certificates {
            authority_pem: authority.pem(),
            authority: authority.der().clone(),
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
        }
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        Arc::new(roots)
    }

    pub fn server(&self) -> ServerConfig {
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![self.certificate.clone()], self.key()).unwrap()
    }

    pub fn client(&self) -> ClientConfig {
        ClientConfig::builder().with_root_certificates(self.roots()).with_no_client_auth()
    }
}

/// A client and a server that trust each other.
pub fn both() -> (TlsConnector, TlsAcceptor) {
    let made = Certificates::new();
    (TlsConnector::new(made.client()), TlsAcceptor::new(made.server()))
}
