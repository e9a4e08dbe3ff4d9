//! `open_connection(..).tls(..)`: connections that are TLS sessions from the start.
#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use crate::again::{again, role};
use crate::certificates::{Certificates, both};
use crate::common::refusing;
use uasyncio_streams::tls::{TlsAcceptor, rustls};
use uasyncio_streams::{
    ConnectOptions, StreamReader, StreamWriter, Transport, open_connection, open_unix_connection, start_server, start_unix_server,
};

/// Sends one line back, over TLS.
async fn echo<T: Transport + 'static>(acceptor: TlsAcceptor, reader: StreamReader<T>, writer: StreamWriter<T>) {
    // A client that does not trust us is gone by now.
    if let Ok((mut reader, mut writer)) = acceptor.accept(reader, writer).await {
        writer.awrite(reader.readline().await.unwrap()).await.unwrap();
        let _ = writer.aclose().await;
    }
}

async fn converse<T: Transport>((mut reader, mut writer): (StreamReader<T>, StreamWriter<T>)) {
    writer.awritestr("hello\n").await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"hello\n");
    writer.aclose().await.unwrap();
}

#[test]
fn whatever_opens_a_connection_opens_one_with_tls() {
    let (connector, acceptor) = both();
    uasyncio_io::run(async {
        let (over_tcp, over_unix) = (acceptor.clone(), acceptor);
        let server = start_server(move |reader, writer| echo(over_tcp.clone(), reader, writer), "127.0.0.1", 0).await.unwrap();
        let port = server.local_addr().port();
        converse(open_connection("localhost", port).tls_with(&connector, "localhost").await.unwrap()).await;
        let options = ConnectOptions::default().local_addr("127.0.0.1:0".parse().unwrap());
        converse(options.open("127.0.0.1", port).tls_with(&connector, "127.0.0.1").await.unwrap()).await;

        let path = env::temp_dir().join(format!("uasyncio-tls-connect-{}", std::process::id()));
        let handler = move |reader, writer| echo(over_unix.clone(), reader, writer);
        let server = start_unix_server(handler, &path).await.unwrap();
        converse(open_unix_connection(&path).tls_with(&connector, "localhost").await.unwrap()).await;
        server.close();
    });
}

#[test]
fn a_name_that_is_none_is_refused_before_anything_is_opened() {
    let (connector, _) = both();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    uasyncio_io::run(async {
        let opening = open_connection("127.0.0.1", listener.local_addr().unwrap().port());
        let error = opening.tls_with(&connector, "no name").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_connection_that_is_refused_is_that_error_and_no_other() {
    let (connector, _) = both();
    let (address, _refusing) = refusing();
    uasyncio_io::run(async {
        let error = open_connection("127.0.0.1", address.port()).tls_with(&connector, "localhost").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}

// The peer accepts, and then says nothing.
#[test]
fn a_session_that_is_cancelled_on_its_way_closes_the_connection() {
    let (connector, _) = both();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut peer = uasyncio_io::run(async {
        let mut opening = pin!(open_connection("127.0.0.1", port).tls_with(&connector, "localhost"));
        poll_fn(|cx| {
            assert!(opening.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let peer = uasyncio_io::to_thread(move || {
            let mut peer = listener.accept().unwrap().0;
            // The beginning of the handshake; so the connection is there.
            peer.read_exact(&mut [0; 5]).unwrap();
            peer
        });
        let mut peer = pin!(peer);
        poll_fn(|cx| {
            assert!(opening.as_mut().poll(cx).is_pending());
            peer.as_mut().poll(cx)
        })
        .await
        .unwrap()
    });
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
}

/// In a process with a store of its own: two sessions with the server at this port. The second has the certificates from the first.
fn try_twice(port: u16) {
    uasyncio_io::run(async {
        for _ in 0..2 {
            match open_connection("127.0.0.1", port).tls("localhost").await {
                Ok(session) => {
                    converse(session).await;
                    println!("hello, too");
                }
                Err(error) => println!("{error}"),
            }
        }
    });
}

#[test]
fn whom_the_system_trusts_is_trusted_and_nobody_else() {
    if let Some(port) = role() {
        return try_twice(port.parse().unwrap());
    }
    let folder = env::temp_dir().join(format!("uasyncio-store-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (made, others) = (Certificates::new(), Certificates::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A server that is none of ours, for four sessions.
    let config = Arc::new(made.server());
    let server = thread::spawn(move || {
        for _ in 0..4 {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut socket = listener.accept().unwrap().0;
            let mut stream = rustls::Stream::new(&mut session, &mut socket);
            let mut line = [0; 6];
            if stream.read_exact(&mut line).is_ok() {
                stream.write_all(&line).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
        }
    });
    let (ours, others) = (made.authority_pem.as_str(), others.authority_pem.as_str());
    for (store, expected) in [(ours, "hello, too"), (others, "invalid peer certificate"), ("", "no root certificates")] {
        let path = folder.join("store.pem");
        fs::write(&path, store).unwrap();
        let mut child = again("tls_connect::whom_the_system_trusts_is_trusted_and_nobody_else", &port.to_string());
        let output = child.env("SSL_CERT_FILE", &path).env_remove("SSL_CERT_DIR").output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        assert_eq!(told.matches(expected).count(), 2, "{told}");
    }
    fs::remove_dir_all(&folder).unwrap();
    server.join().unwrap();
}
