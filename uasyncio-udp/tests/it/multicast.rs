//! Groups: who is in one hears what is sent to it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::support::{again_in_a_network, has_ipv6, is_again, run, skipped};
use uasyncio_udp::{Family, UdpSocket, socket};

/// A group that no other test is in: Linux gives a socket what any socket of the machine has joined the group for.
fn group(test: u8) -> Ipv4Addr {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    Ipv4Addr::new(239, 192 + test, high, low)
}

/// A member of a group at a port, which others may be at too.
fn member(group: Ipv4Addr, port: u16) -> UdpSocket {
    let member = socket(Family::V4).unwrap();
    member.set_reuse_address(true).unwrap();
    member.bind_to((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    member.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
    member
}

#[test]
fn every_member_of_a_group_hears_what_is_sent_to_it_until_it_leaves() {
    run(async {
        let group = group(1);
        let first = member(group, 0);
        let port = first.local_addr().unwrap().port();
        let second = member(group, port);
        let sender = socket(Family::V4).unwrap();
        sender.set_multicast_interface_v4(Ipv4Addr::LOCALHOST).unwrap();
        let mut buffer = [0; 16];

        sender.send_to(b"to both", (group, port)).await.unwrap();
        assert_eq!(first.recv(&mut buffer).await.unwrap().len, 7);
        assert_eq!(second.recv(&mut buffer).await.unwrap().len, 7);

        first.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        second.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        assert!(second.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).is_err());
        sender.send_to(b"to nobody", (group, port)).await.unwrap();
        assert_eq!(first.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(second.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_member_for_one_source_hears_no_other() {
    run(async {
        let group = Ipv4Addr::new(232, 1, group(4).octets()[2], group(4).octets()[3]);
        let member = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = member.local_addr().unwrap().port();
        let [wanted, other] = [5, 6].map(|last| Ipv4Addr::new(127, 0, 0, last));
        let sender = |address| {
            let sender = UdpSocket::bind((address, 0)).unwrap();
            sender.set_multicast_interface_v4(Ipv4Addr::LOCALHOST).unwrap();
            sender
        };
        let (from_wanted, from_other) = (sender(wanted), sender(other));
        member.join_multicast_source_v4(group, wanted, Ipv4Addr::LOCALHOST).unwrap();
        assert!(member.join_multicast_v4(group, Ipv4Addr::LOCALHOST).is_err(), "for all, and for one");
        from_other.send_to(b"other", (group, port)).await.unwrap();
        from_wanted.send_to(b"wanted one", (group, port)).await.unwrap();
        let mut buffer = [0; 16];
        let received = member.recv(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..received.len], received.from.ip()), (&b"wanted one"[..], wanted.into()));

        member.join_multicast_source_v4(group, other, Ipv4Addr::LOCALHOST).unwrap();
        from_other.send_to(b"other", (group, port)).await.unwrap();
        assert_eq!(member.recv(&mut buffer).await.unwrap().len, 5);

        member.leave_multicast_source_v4(group, wanted, Ipv4Addr::LOCALHOST).unwrap();
        assert!(member.leave_multicast_source_v4(group, wanted, Ipv4Addr::LOCALHOST).is_err());
        from_wanted.send_to(b"wanted one", (group, port)).await.unwrap();
        from_other.send_to(b"other", (group, port)).await.unwrap();
        assert_eq!(member.recv(&mut buffer).await.unwrap().len, 5);
        assert_eq!(member.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_sender_may_keep_its_datagrams_from_its_own_machine() {
    run(async {
        let group = group(2);
        let member = member(group, 0);
        let port = member.local_addr().unwrap().port();
        let sender = socket(Family::V4).unwrap();
        sender.set_multicast_interface_v4(Ipv4Addr::LOCALHOST).unwrap();
        sender.set_multicast_ttl(0).unwrap();
        sender.send_to(b"heard", (group, port)).await.unwrap();
        assert_eq!(member.recv(&mut [0; 16]).await.unwrap().len, 5);
    });
}

#[test]
fn groups_of_ipv6_are_joined_by_the_number_of_an_interface() {
    if !has_ipv6("groups of IPv6") {
        return;
    }
    let sent = run(async {
        let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0x71, 3);
        let member = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = member.local_addr().unwrap().port();
        member.join_multicast_v6(group, 1).unwrap();
        let sender = socket(Family::V6).unwrap();
        sender.set_multicast_interface_v6(1).unwrap();
        let sent = match sender.send_to(b"hello", (group, port)).await {
            Err(error) if error.kind() == ErrorKind::NetworkUnreachable => false,
            sent => {
                sent.unwrap();
                assert_eq!(member.recv(&mut [0; 16]).await.unwrap().len, 5);
                true
            }
        };
        member.leave_multicast_v6(group, 1).unwrap();
        assert!(member.leave_multicast_v6(group, 1).is_err());
        sent
    });
    if !sent {
        // Linux gives loopback no route to groups; in a network of its own, this test may.
        assert!(!is_again(), "there is a route");
        let route = "ip -6 route add local ff00::/8 dev lo";
        if !again_in_a_network(route, "multicast::groups_of_ipv6_are_joined_by_the_number_of_an_interface") {
            skipped("sending to a group of IPv6", "no route to groups on loopback, and no network of its own by unshare and ip");
        }
    }
}
