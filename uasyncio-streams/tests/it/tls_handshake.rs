//! The handshake of TLS: how a stream becomes a session, what both sides learn, and what is refused. In memory, on virtual time.
#![cfg(target_os = "linux")]

use std::io;

use crate::certificates::{Certificates, both};
use crate::sessions::{is_pending, run, tls_error, try_sessions};
use uasyncio_core::{create_task, get_event_loop};
use uasyncio_streams::tls::rustls::server::WebPkiClientVerifier;
use uasyncio_streams::tls::rustls::{self, ClientConfig, ProtocolVersion, ServerConfig, version};
use uasyncio_streams::tls::{TlsAcceptor, TlsConnector};
use uasyncio_streams::{duplex, split};

#[test]
fn a_stream_becomes_a_session_with_what_was_read_ahead() {
    run(async {
        let (connector, acceptor) = both();
        let (near, far) = duplex(10_000);
        let (mut far_reader, mut far_writer) = split(far);
        let serving = create_task(async move {
            assert_eq!(far_reader.readline().await.unwrap(), b"STARTTLS\n");
            // The client has not waited for an answer.
            assert!(!far_reader.buffered().is_empty());
            far_reader.set_limit(12);
            far_writer.write(b"").unwrap();
            let (mut reader, mut writer) = acceptor.accept(far_reader, far_writer).await.unwrap();
            assert_eq!(reader.limit(), 12);
            assert_eq!(reader.readline().await.unwrap(), b"secret\n");
            writer.awritestr("yes\n").await.unwrap();
            writer.aclose().await.unwrap();
        });
        let (reader, mut writer) = split(near);
        writer.awritestr("STARTTLS\n").await.unwrap();
        let (mut reader, mut writer) = connector.connect("localhost", reader, writer).await.unwrap();
        writer.awritestr("secret\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"yes\n");
        serving.await.unwrap();
    });
}

// What a stranger puts behind STARTTLS must not seem to come from inside the session (CVE-2011-0411).
#[test]
fn plain_text_behind_starttls_is_not_part_of_the_session() {
    run(async {
        let (_, acceptor) = both();
        let (near, far) = duplex(10_000);
        let (mut far_reader, far_writer) = split(far);
        let (mut reader, mut writer) = split(near);
        writer.awritestr("STARTTLS\nQUIT and other commands that somebody has put here\n").await.unwrap();
        assert_eq!(far_reader.readline().await.unwrap(), b"STARTTLS\n");
        let error = acceptor.accept(far_reader, far_writer).await.unwrap_err();
        assert!(matches!(tls_error(error), rustls::Error::InvalidMessage(_)));
        // The peer is told, and the connection is closed.
        assert!(!reader.read_to_end(100).await.unwrap().is_empty());
    });
}

#[test]
fn what_write_has_buffered_goes_before_the_handshake() {
    run(async {
        let (connector, acceptor) = both();
        let (near, far) = duplex(4);
        let (mut far_reader, far_writer) = split(far);
        let (reader, mut writer) = split(near);
        writer.write(b"STARTTLS\n").unwrap();
        assert!(!writer.unwritten().is_empty());
        let connecting = create_task(async move { connector.connect("localhost", reader, writer).await.map(drop) });
        assert_eq!(far_reader.readline().await.unwrap(), b"STARTTLS\n");
        let _session = acceptor.accept(far_reader, far_writer).await.unwrap();
        connecting.await.unwrap().unwrap();
    });
}

#[test]
fn a_handshake_has_a_deadline() {
    run(async {
        let start = get_event_loop().time();
        let passed = || get_event_loop().time().diff(start);
        let (connector, acceptor) = both();
        let (near, far) = duplex(10_000);
        let (mut far_reader, _far_writer) = split(far);
        let (reader, writer) = split(near);
        let error = connector.connect("localhost", reader, writer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((10_000..=10_002).contains(&passed()), "{}", passed());
        // The connection was closed.
        assert!(!far_reader.read_to_end(10_000).await.unwrap().is_empty());

        let (near, _far) = duplex(10_000);
        let (reader, writer) = split(near);
        let acceptor = acceptor.handshake_deadline(std::time::Duration::from_millis(500));
        let error = acceptor.accept(reader, writer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((10_500..=10_504).contains(&passed()), "{}", passed());
    });
}

#[test]
fn a_handshake_works_without_a_loop() {
    let (connector, acceptor) = both();
    let (near, far) = duplex(100_000);
    let ((reader, writer), (far_reader, far_writer)) = (split(near), split(far));
    let mut connecting = Box::pin(connector.connect("localhost", reader, writer));
    let mut accepting = Box::pin(acceptor.accept(far_reader, far_writer));
    assert!(crate::common::poll_once(&mut connecting).is_pending());
    assert!(crate::common::poll_once(&mut accepting).is_pending());
    assert!(crate::common::poll_once(&mut connecting).is_ready());
    assert!(crate::common::poll_once(&mut accepting).is_ready());
}

#[test]
fn a_cancelled_handshake_closes_the_connection() {
    run(async {
        let (connector, _) = both();
        let (near, far) = duplex(10_000);
        let (mut far_reader, _far_writer) = split(far);
        let (reader, writer) = split(near);
        let mut connecting = Box::pin(connector.connect("localhost", reader, writer));
        assert!(is_pending(&mut connecting).await);
        drop(connecting);
        assert!(!far_reader.read_to_end(10_000).await.unwrap().is_empty());
    });
}

#[test]
fn a_peer_that_leaves_during_the_handshake_is_an_error() {
    run(async {
        let (connector, _) = both();
        let (near, far) = duplex(10_000);
        let (reader, writer) = split(near);
        let (mut far_reader, mut far_writer) = split(far);
        let leaving = create_task(async move {
            far_reader.fill_buf().await.unwrap();
            far_writer.aclose().await.unwrap();
        });
        let error = connector.connect("localhost", reader, writer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        leaving.await.unwrap();
    });
}

#[test]
fn an_unknown_authority_and_a_wrong_name_are_refused_and_the_server_is_told() {
    run(async {
        let (near, far) = duplex(10_000);
        let (client, server) = try_sessions((both().0, both().1), near, far).await;
        assert!(matches!(tls_error(client.unwrap_err()), rustls::Error::InvalidCertificate(_)));
        assert!(matches!(tls_error(server.unwrap_err()), rustls::Error::AlertReceived(_)));

        let (connector, acceptor) = both();
        let (near, far) = duplex(10_000);
        let ((reader, writer), (far_reader, far_writer)) = (split(near), split(far));
        let accepting = create_task(async move { acceptor.accept(far_reader, far_writer).await.map(drop) });
        let error = connector.connect("example.org", reader, writer).await.unwrap_err();
        assert!(matches!(tls_error(error), rustls::Error::InvalidCertificate(_)));
        accepting.await.unwrap().unwrap_err();
    });
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    run(async {
        let (connector, _) = both();
        let ((near, far), (other, _other_far)) = (duplex(100), duplex(100));
        let ((reader, writer), (other_reader, _other_writer)) = (split(near), split(other));
        let error = connector.connect("localhost", other_reader, writer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        drop(reader);
        assert_eq!(split(far).0.fill_buf().await.unwrap(), b"");
        let (near, far) = duplex(100);
        let (reader, writer) = split(near);
        let error = connector.connect("no name", reader, writer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(split(far).0.fill_buf().await.unwrap(), b"");
    });
}

#[test]
fn both_sides_know_what_was_agreed_on() {
    for protocol in [&version::TLS12, &version::TLS13] {
        run(async move {
            let made = Certificates::new();
            let verifier = WebPkiClientVerifier::builder(made.roots()).build().unwrap();
            let mut server = ServerConfig::builder_with_protocol_versions(&[protocol])
                .with_client_cert_verifier(verifier)
                .with_single_cert(vec![made.certificate.clone()], made.key())
                .unwrap();
            server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let mut client = ClientConfig::builder()
                .with_root_certificates(made.roots())
                .with_client_auth_cert(vec![made.certificate.clone()], made.key())
                .unwrap();
            client.alpn_protocols = vec![b"http/1.1".to_vec()];
            let (near, far) = duplex(10_000);
            let pair = (TlsConnector::new(client), TlsAcceptor::new(server));
            let (near, far) = try_sessions(pair, near, far).await;
            let ((reader, mut writer), (mut far_reader, _far_writer)) = (near.unwrap(), far.unwrap());
            for transport in [reader.transport(), far_reader.transport()] {
                assert_eq!(transport.alpn_protocol(), Some(&b"http/1.1"[..]));
                assert_eq!(transport.peer_certificates().unwrap(), std::slice::from_ref(&made.certificate));
                let expected = if protocol.version == ProtocolVersion::TLSv1_2 {
                    ProtocolVersion::TLSv1_2
                } else {
                    ProtocolVersion::TLSv1_3
                };
                assert_eq!(transport.protocol_version(), Some(expected));
            }
            assert_eq!(far_reader.transport().server_name(), Some("localhost"));
            assert_eq!(reader.transport().server_name(), None);
            writer.awritestr("both ways\n").await.unwrap();
            assert_eq!(far_reader.readline().await.unwrap(), b"both ways\n");
        });
    }
}
