//! Options: what is set is what the socket has, for each family.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::support::{batches, bound, has_ipv6, run};
use uasyncio_udp::{Family, UdpSocket, socket};

fn families() -> Vec<Family> {
    let mut families = vec![Family::V4];
    if has_ipv6("options of IPv6 sockets") {
        families.extend([Family::V6, Family::Dual]);
    }
    families
}

#[test]
fn options_are_what_they_were_set_to() {
    run(async {
        for family in families() {
            let socket = socket(family).unwrap();
            socket.set_ttl(33).unwrap();
            socket.set_tos(0xb8).unwrap();
            socket.set_multicast_ttl(7).unwrap();
            socket.set_broadcast(true).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.set_reuse_port(true).unwrap();
            assert_eq!((socket.ttl().unwrap(), socket.tos().unwrap()), (33, 0xb8), "{family:?}");
            assert_eq!(socket.multicast_ttl().unwrap(), 7);
            assert!(socket.broadcast().unwrap() && socket.reuse_address().unwrap() && socket.reuse_port().unwrap());
            assert!(socket.multicast_loop().unwrap());
            socket.set_multicast_loop(false).unwrap();
            socket.set_broadcast(false).unwrap();
            assert!(!socket.multicast_loop().unwrap() && !socket.broadcast().unwrap());
            socket.set_recv_buffer_size(50_000).unwrap();
            socket.set_send_buffer_size(40_000).unwrap();
            // Linux doubles what was asked for.
            assert!((50_000..=100_000).contains(&socket.recv_buffer_size().unwrap()));
            assert!((40_000..=80_000).contains(&socket.send_buffer_size().unwrap()));
        }
    });
}

#[test]
fn the_interface_for_groups_is_chosen_by_address_or_by_number() {
    run(async {
        let (v4, _) = bound();
        v4.set_multicast_interface_v4(Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(v4.multicast_interface_v4().unwrap(), Ipv4Addr::LOCALHOST);
        if has_ipv6("the interface of IPv6 groups") {
            let v6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
            assert_eq!(v6.multicast_interface_v6().unwrap(), 0);
            v6.set_multicast_interface_v6(1).unwrap();
            assert_eq!(v6.multicast_interface_v6().unwrap(), 1);
        }
    });
}

#[test]
fn a_port_can_be_shared_if_both_want_it() {
    run(async {
        let first = socket(Family::V4).unwrap();
        first.set_reuse_port(true).unwrap();
        first.bind_to(([127, 0, 0, 1], 0)).unwrap();
        let address = first.local_addr().unwrap();
        assert_eq!(UdpSocket::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
        let second = socket(Family::V4).unwrap();
        second.set_reuse_port(true).unwrap();
        second.bind_to(address).unwrap();
    });
}

#[test]
fn broadcast_has_to_be_allowed() {
    run(async {
        let (receiver, address) = bound();
        let wide = UdpSocket::bind(([0, 0, 0, 0], 0)).unwrap();
        drop(receiver);
        let broadcast = ([127, 255, 255, 255], address.port());
        assert_eq!(wide.send_to(b"all", broadcast).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
        wide.set_broadcast(true).unwrap();
        let listener = UdpSocket::bind(([127, 255, 255, 255], 0)).unwrap();
        wide.send_to(b"all", listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(listener.recv(&mut [0; 16]).await.unwrap().len, 3);
    });
}

#[test]
fn a_datagram_says_which_address_it_was_sent_to() {
    run(async {
        for family in families() {
            let server = socket(family).unwrap();
            match server.set_packet_info(true) {
                Err(error) => {
                    assert!(!batches(), "{error}");
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    server.set_packet_info(false).unwrap();
                    continue;
                }
                Ok(()) => assert!(batches()),
            }
            let (any, local): (std::net::IpAddr, std::net::IpAddr) = match family {
                Family::V4 => ([0, 0, 0, 0].into(), [127, 0, 0, 9].into()),
                Family::V6 => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
                Family::Dual => (Ipv6Addr::UNSPECIFIED.into(), [127, 0, 0, 9].into()),
            };
            server.bind_to((any, 0)).unwrap();
            let port = server.local_addr().unwrap().port();
            let client = socket(family).unwrap();
            for _ in 0..2 {
                client.send_to(b"hello", (local, port)).await.unwrap();
                let received = server.recv(&mut [0; 3]).await.unwrap();
                let info = received.local.unwrap();
                assert_eq!((info.address, info.interface), (local, 1), "{family:?}");
                assert_eq!((received.len, received.full_len), (3, 5));
            }
            server.set_packet_info(false).unwrap();
            client.send_to(b"hello", (local, port)).await.unwrap();
            assert_eq!(server.recv(&mut [0; 16]).await.unwrap().local, None);
        }
    });
}

// an answer comes from the address that was asked.
#[test]
fn a_datagram_is_sent_from_the_address_of_choice() {
    run(async {
        for family in families() {
            let server = socket(family).unwrap();
            let (any, to, from): (std::net::IpAddr, std::net::IpAddr, std::net::IpAddr) = match family {
                Family::V4 => ([0, 0, 0, 0].into(), [127, 0, 0, 1].into(), [127, 0, 0, 9].into()),
                Family::V6 => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
                Family::Dual => (Ipv6Addr::UNSPECIFIED.into(), [127, 0, 0, 1].into(), [127, 0, 0, 9].into()),
            };
            server.bind_to((any, 0)).unwrap();
            let client = UdpSocket::bind((to, 0)).unwrap();
            let address = client.local_addr().unwrap();
            if !batches() {
                assert_eq!(server.try_send_from(b"hello", from, address).unwrap_err().kind(), ErrorKind::Unsupported);
                continue;
            }
            server.send_from(b"hello", from, address).await.unwrap();
            server.try_send_from(b"hello", from, address).unwrap();
            for _ in 0..2 {
                let received = client.recv(&mut [0; 16]).await.unwrap();
                assert_eq!((received.from.ip(), received.from.port()), (from, server.local_addr().unwrap().port()), "{family:?}");
            }
            let not_ours: std::net::IpAddr = if from.is_ipv4() { [192, 0, 2, 1].into() } else { "2001:db8::1".parse().unwrap() };
            let error = server.send_from(b"hello", not_ours, address).await.unwrap_err();
            let kinds = [ErrorKind::InvalidInput, ErrorKind::AddrNotAvailable, ErrorKind::NetworkUnreachable];
            assert!(kinds.contains(&error.kind()), "{error}");
            let mixed: std::net::IpAddr = if from.is_ipv4() { Ipv6Addr::LOCALHOST.into() } else { [127, 0, 0, 1].into() };
            let error = server.send_from(b"hello", mixed, address).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    });
}
