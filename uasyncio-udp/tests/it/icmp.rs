//! What ICMP messages do to a socket: nothing that ends it. T-28, trap 44.

use std::io::ErrorKind;
use std::rc::Rc;

use crate::support::{bound, nobody, poll_once, run, until_parked};
use uasyncio_core::{create_task, yield_now};
use uasyncio_udp::{Outgoing, RecvBatch, UdpSocket};

/// A socket that is connected to an address where nobody listens.
fn without_a_peer() -> UdpSocket {
    let socket = bound().0;
    socket.connect(nobody()).unwrap();
    socket
}

#[test]
fn a_peer_that_is_gone_does_not_end_the_loop_of_a_server() {
    run(async {
        let (server, address) = bound();
        let (live, _) = bound();
        for _ in 0..10 {
            server.send_to(b"to nobody", nobody()).await.unwrap();
            live.send_to(b"hello", address).await.unwrap();
            assert_eq!(server.recv(&mut [0; 16]).await.unwrap().from, live.local_addr().unwrap());
        }
    });
}

#[test]
fn a_refused_datagram_is_counted_and_does_not_end_the_wait_for_another() {
    run(async {
        let client = without_a_peer();
        let peer = client.peer_addr().unwrap();
        client.send(b"to nobody").await.unwrap();
        // The error is there before the wait.
        let mut buffer = [0; 16];
        assert!(poll_once(&mut client.recv(&mut buffer)).is_pending());
        assert_eq!(client.icmp_errors(), 1);
        // And it comes while a task waits.
        let client = Rc::new(client);
        let waiting = client.clone();
        let task = create_task(async move { waiting.recv(&mut [0; 16]).await });
        until_parked(1).await;
        client.send(b"to nobody").await.unwrap();
        while client.icmp_errors() < 2 {
            yield_now().await;
        }
        // Somebody comes to listen there after all.
        let server = UdpSocket::bind(peer).unwrap();
        client.send(b"hello").await.unwrap();
        let received = server.recv(&mut buffer).await.unwrap();
        server.send_to(b"welcome", received.from).await.unwrap();
        assert_eq!(task.await.unwrap().unwrap().len, 7);
        assert_eq!(client.icmp_errors(), 2);
        // Each is there to be asked for, the last one once.
        assert_eq!(client.take_error().unwrap().unwrap().kind(), ErrorKind::ConnectionRefused);
        assert!(client.take_error().unwrap().is_none());
    });
}

#[test]
fn a_datagram_is_sent_although_the_one_before_was_refused() {
    run(async {
        let client = without_a_peer();
        client.send(b"to nobody").await.unwrap();
        let server = UdpSocket::bind(client.peer_addr().unwrap()).unwrap();
        // A plain `send` would fail here, with the error of the first one, and send nothing.
        client.send(b"second").await.unwrap();
        assert_eq!(server.recv(&mut [0; 16]).await.unwrap().len, 6);
        assert_eq!(client.icmp_errors(), 1);
        drop(server);
        client.try_send(b"third").unwrap();
        client.try_send(b"fourth").unwrap();
        assert_eq!(client.icmp_errors(), 2);
        assert_eq!(client.try_recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(client.icmp_errors(), 3);
    });
}

#[test]
fn an_error_that_nothing_met_yet_can_be_asked_for() {
    run(async {
        let client = without_a_peer();
        assert!(client.take_error().unwrap().is_none());
        client.send(b"to nobody").await.unwrap();
        assert_eq!(client.take_error().unwrap().unwrap().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(client.icmp_errors(), 1);
        assert!(client.take_error().unwrap().is_none());
    });
}

#[test]
fn a_client_that_wants_to_know_is_told_once_for_each() {
    run(async {
        let client = without_a_peer();
        client.report_icmp(true);
        for _ in 0..3 {
            client.send(b"to nobody").await.unwrap();
            assert_eq!(client.recv(&mut [0; 16]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
            assert_eq!(client.try_recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
        client.send(b"to nobody").await.unwrap();
        assert_eq!(client.send(b"again").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // Nothing was sent by that; the socket is as good as before.
        let server = UdpSocket::bind(client.peer_addr().unwrap()).unwrap();
        client.send(b"hello").await.unwrap();
        assert_eq!(server.recv(&mut [0; 16]).await.unwrap().len, 5);
        assert!(client.take_error().unwrap().is_none());
        assert_eq!(client.icmp_errors(), 4);
    });
}

#[test]
fn batches_skip_them_too() {
    run(async {
        let client = without_a_peer();
        let sent = client.send_many(&[Outgoing::new(b"to nobody"); 5]).await.unwrap();
        assert_eq!(sent, 5);
        let mut batch = RecvBatch::new(4, 16);
        assert!(poll_once(&mut client.recv_many(&mut batch)).is_pending());
        // The system keeps one at a time, and loses it when it stops amid a batch.
        assert!((1..=5).contains(&client.icmp_errors()), "{}", client.icmp_errors());
        assert_eq!(client.send_segments(&[7; 1_000], 100, None).await.unwrap(), 1_000);
        let server = UdpSocket::bind(client.peer_addr().unwrap()).unwrap();
        let sent = client.send_many(&[Outgoing::new(b"to somebody"); 5]).await.unwrap();
        assert_eq!(sent, 5);
        let mut batch = RecvBatch::new(8, 16);
        assert_eq!(server.recv_many(&mut batch).await.unwrap(), 5);
    });
}
