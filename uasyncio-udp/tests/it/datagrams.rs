//! Datagrams, one at a time: what arrives, and what is known of it. Trap 45, T-27, T-39.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use crate::support::{bound, bound_aside, has_ipv6, pair, run, stats};
use uasyncio_core::{create_task, spawn};
use uasyncio_udp::{Family, UdpSocket, socket};

#[test]
fn an_echo_goes_back_to_whoever_sent_it() {
    run(async {
        let (server, address) = bound();
        spawn(async move {
            let mut buffer = [0; 64];
            loop {
                let received = server.recv_from(&mut buffer).await.unwrap();
                server.send_to(&buffer[..received.len], received.from).await.unwrap();
            }
        });
        for text in [&b"hello"[..], b"", &[7; 64]] {
            let (client, _) = bound();
            client.send_to(text, address).await.unwrap();
            let mut buffer = [0; 100];
            let received = client.recv(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..received.len], received.from), (text, address));
            assert_eq!((received.full_len, received.truncated, received.local), (text.len(), false, None));
        }
    });
}

#[test]
fn a_buffer_that_is_too_short_gets_the_beginning_and_the_full_length() {
    run(async {
        let (socket, address) = bound();
        let data: Vec<u8> = (0..1400).map(|number| number as u8).collect();
        for room in [0, 1, 512, 1399, 1400, 1401, 65_535] {
            socket.send_to(&data, address).await.unwrap();
            // The next one is not touched by it.
            socket.send_to(b"next", address).await.unwrap();
            let mut buffer = vec![0xff; room];
            let received = socket.recv(&mut buffer).await.unwrap();
            let len = room.min(1400);
            assert_eq!((received.len, received.full_len, received.truncated), (len, 1400, len < 1400));
            assert_eq!(buffer[..len], data[..len]);
            assert!(buffer[len..].iter().all(|&byte| byte == 0xff), "nothing beyond the datagram is touched");
            assert_eq!(socket.recv(&mut [0; 16]).await.unwrap().len, 4);
        }
    });
}

#[test]
fn an_empty_datagram_is_no_end() {
    run(async {
        let (socket, address) = bound();
        socket.send_to(b"", address).await.unwrap();
        socket.send_to(b"a", address).await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(socket.recv(&mut buffer).await.unwrap().len, 0);
        assert_eq!(socket.recv(&mut buffer).await.unwrap().len, 1);
    });
}

#[test]
fn the_longest_datagram_goes_through_and_a_longer_one_is_an_error_of_its_own() {
    run(async {
        let (socket, address) = bound();
        let data = vec![7; 65_508];
        assert!(socket.send_to(&data, address).await.is_err());
        assert_eq!(socket.icmp_errors(), 0);
        socket.send_to(&data[1..], address).await.unwrap();
        let mut buffer = vec![0; 65_507];
        let received = socket.recv(&mut buffer).await.unwrap();
        assert_eq!((received.len, received.truncated), (65_507, false));
    });
}

#[test]
fn a_connected_socket_hears_its_peer_alone_and_can_change_it() {
    run(async {
        let (first, second) = pair();
        let (stranger, stranger_address) = bound();
        stranger.send_to(b"stranger", first.local_addr().unwrap()).await.unwrap();
        second.send(b"peer").await.unwrap();
        let mut buffer = [0; 16];
        let received = first.recv(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..received.len], received.from), (&b"peer"[..], second.local_addr().unwrap()));
        assert_eq!(first.peer_addr().unwrap(), second.local_addr().unwrap());
        first.connect(stranger_address).unwrap();
        first.send(b"hello").await.unwrap();
        assert_eq!(stranger.recv(&mut buffer).await.unwrap().from, first.local_addr().unwrap());
    });
}

#[test]
fn send_without_a_peer_is_an_error_and_the_socket_stays_as_it_was() {
    run(async {
        let (socket, address) = bound();
        assert!(socket.send(b"to whom?").await.is_err());
        assert!(socket.try_send(b"to whom?").is_err());
        assert_eq!(socket.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        socket.send_to(b"to me", address).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 16]).await.unwrap().len, 5);
    });
}

#[test]
fn a_socket_is_bound_once_and_its_address_is_its_own_until_it_is_dropped() {
    run(async {
        let (first, address) = bound_aside();
        assert_eq!(UdpSocket::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(first.bind_to(([127, 0, 0, 1], 0)).is_err());
        drop(first);
        UdpSocket::bind(address).unwrap();
    });
}

#[test]
fn sending_binds_a_socket_that_has_no_address_yet() {
    run(async {
        let (receiver, address) = bound();
        let sender = socket(Family::V4).unwrap();
        sender.send_to(b"hello", address).await.unwrap();
        let received = receiver.recv(&mut [0; 16]).await.unwrap();
        assert_eq!(received.from.port(), sender.local_addr().unwrap().port());
    });
}

#[test]
fn a_socket_of_the_standard_library_is_taken_over() {
    run(async {
        let std = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = std.local_addr().unwrap();
        let socket = UdpSocket::from_std(std).unwrap();
        assert_eq!((socket.family(), socket.local_addr().unwrap()), (Family::V4, address));
        // It would block for ever otherwise.
        assert_eq!(socket.try_recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        socket.send_to(b"hello", address).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 16]).await.unwrap().len, 5);
        assert!(format!("{socket:?}").contains("127.0.0.1"));
    });
}

#[test]
fn outside_a_loop_with_a_reactor_the_error_says_what_to_do() {
    let error = UdpSocket::bind(([127, 0, 0, 1], 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("uasyncio_io::run"));
}

#[test]
fn ipv6_is_ipv6_alone() {
    if !has_ipv6("UDP over IPv6") {
        return;
    }
    run(async {
        let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = v6.local_addr().unwrap().port();
        // So the same port is free for IPv4.
        let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        v4.send_to(b"four", ([127, 0, 0, 1], port)).await.unwrap();
        v6.send_to(b"six", (Ipv6Addr::LOCALHOST, port)).await.unwrap();
        assert_eq!(v4.recv(&mut [0; 16]).await.unwrap().len, 4);
        let received = v6.recv(&mut [0; 16]).await.unwrap();
        assert_eq!((received.len, received.from.ip()), (3, IpAddr::from(Ipv6Addr::LOCALHOST)));
        assert!(v6.send_to(b"four", ([127, 0, 0, 1], port)).await.is_err());
    });
}

#[test]
fn one_socket_speaks_to_both_families_and_ipv4_peers_have_ipv4_addresses() {
    if !has_ipv6("UDP over both families") {
        return;
    }
    run(async {
        let server = socket(Family::Dual).unwrap();
        server.bind_to((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let client = UdpSocket::bind((address, 0)).unwrap();
            client.send_to(b"hello", (address, port)).await.unwrap();
            let from = server.recv(&mut [0; 16]).await.unwrap().from;
            assert_eq!(from, client.local_addr().unwrap());
            server.send_to(b"back", from).await.unwrap();
            assert_eq!(client.recv(&mut [0; 16]).await.unwrap().from, (address, port).into());
        }
        // Taken over, it is known for what it is.
        let same = UdpSocket::from_std(server.try_clone_std().unwrap()).unwrap();
        assert_eq!(same.family(), Family::Dual);
    });
}

#[test]
fn a_closed_socket_says_so_and_frees_its_port() {
    run(async {
        let (socket, address) = bound_aside();
        socket.close();
        socket.close();
        assert_eq!(socket.recv(&mut [0; 16]).await.unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(socket.send_to(b"a", address).await.unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(socket.try_recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(socket.local_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(socket.set_ttl(1).unwrap_err().kind(), ErrorKind::NotConnected);
        assert!(format!("{socket:?}").contains("V4"));
        UdpSocket::bind(address).unwrap();
    });
}

#[test]
fn closing_ends_the_wait_of_another_task() {
    run(async {
        let socket = Rc::new(bound().0);
        let waiting = socket.clone();
        let task = create_task(async move { waiting.recv(&mut [0; 16]).await });
        crate::support::until_parked(1).await;
        socket.close();
        assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(stats().parked, 0);
    });
}
