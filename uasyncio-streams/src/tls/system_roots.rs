//! Whom the system trusts.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};

use super::TlsConnector;

/// Of the first call that succeeded. One for the process, so that its sessions can be resumed, too.
static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();

impl TlsConnector {
    /// Sessions with servers that the system trusts: those with a certificate of an authority in its store. asyncio's
    /// `ssl.create_default_context()`.
    ///
    /// The store is read by the crate `rustls-native-certs`: from files on Unix, for example `/etc/ssl/certs`, where the variables `SSL_CERT_FILE`
    /// and `SSL_CERT_DIR` may name others; from the keychain on macOS, and from the store of Windows. This is done once in a process,
    /// and takes some milliseconds in which the loop stands still: `to_thread(TlsConnector::with_system_roots)` avoids that.
    /// What changes in the store later is not seen. Certificates there that cannot be read are passed over.
    ///
    /// # Errors
    /// `NotFound` when no certificate is found, with what the system said.
    pub fn with_system_roots() -> io::Result<TlsConnector> {
        if let Some(connector) = Self::known_system_roots() {
            return Ok(connector);
        }
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            let why = format!("the system has no root certificates; {}", reasons.join("; "));
            return Err(io::Error::new(io::ErrorKind::NotFound, why.trim_end_matches("; ")));
        }
        // Not `builder`, which panics when a program has two providers and has not said which one it wants.
        let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
        Ok(TlsConnector::new(CONFIG.get_or_init(|| Arc::new(config)).clone()))
    }

    /// The same, if it has been made before.
    pub(crate) fn known_system_roots() -> Option<TlsConnector> {
        Some(TlsConnector::new(CONFIG.get()?.clone()))
    }
}
