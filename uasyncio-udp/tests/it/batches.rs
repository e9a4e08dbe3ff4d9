//! Many datagrams at once: the same as one after the other, in fewer calls.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr};

use crate::support::{batches, bound, has_ipv6, pair, poll_once, run, until_parked};
use uasyncio_core::create_task;
use uasyncio_udp::{Family, Outgoing, RecvBatch, UdpSocket, socket};

/// The first bytes and lengths of what a batch holds.
fn contents(batch: &RecvBatch) -> Vec<(u8, usize)> {
    batch.iter().map(|datagram| (datagram.data[0], datagram.data.len())).collect()
}

async fn send_all(socket: &UdpSocket, mut datagrams: &[Outgoing<'_>]) {
    while !datagrams.is_empty() {
        let sent = socket.send_many(datagrams).await.unwrap();
        assert!((1..=datagrams.len()).contains(&sent));
        datagrams = &datagrams[sent..];
    }
}

async fn send_all_segments(socket: &UdpSocket, mut data: &[u8], segment: usize, to: SocketAddr) {
    while !data.is_empty() {
        let sent = socket.send_segments(data, segment, Some(to)).await.unwrap();
        assert!(sent == data.len() || (sent > 0 && sent % segment == 0), "{sent} of {}", data.len());
        data = &data[sent..];
    }
}

#[test]
fn a_batch_holds_what_there_is_in_order_and_leaves_the_rest() {
    run(async {
        let (socket, address) = bound();
        let data: Vec<[u8; 3]> = (0..100).map(|number| [number; 3]).collect();
        let datagrams: Vec<_> = data.iter().map(|data| Outgoing::to(data, address)).collect();
        send_all(&socket, &datagrams).await;
        let mut batch = RecvBatch::new(40, 16);
        let mut got = Vec::new();
        for expected in [40, 40, 20] {
            assert_eq!(socket.recv_many(&mut batch).await.unwrap(), expected);
            assert_eq!((batch.len(), batch.is_empty()), (expected, false));
            assert!(batch.iter().all(|datagram| datagram.received.from == address && !datagram.received.truncated));
            got.extend(contents(&batch));
        }
        assert_eq!(got, (0..100).map(|number| (number, 3)).collect::<Vec<_>>());
        assert_eq!(socket.try_recv_many(&mut batch).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(batch.is_empty(), "what was in it is gone");
    });
}

#[test]
fn a_batch_waits_for_the_first_datagram_only() {
    run(async {
        let (first, second) = pair();
        let task = create_task(async move {
            let mut batch = RecvBatch::new(8, 16);
            (second.recv_many(&mut batch).await.unwrap(), contents(&batch))
        });
        until_parked(1).await;
        first.send(b"a").await.unwrap();
        assert_eq!(task.await.unwrap(), (1, vec![(b'a', 1)]));
    });
}

#[test]
fn a_batch_that_is_dropped_while_it_waits_has_taken_nothing() {
    run(async {
        let (first, second) = pair();
        let mut batch = RecvBatch::new(8, 16);
        assert!(poll_once(&mut second.recv_many(&mut batch)).is_pending());
        first.send(b"a").await.unwrap();
        assert_eq!(second.recv_many(&mut batch).await.unwrap(), 1);
    });
}

#[test]
fn each_datagram_of_a_batch_says_whether_it_was_cut() {
    run(async {
        let (socket, address) = bound();
        send_all(&socket, &[5, 0, 9, 8, 2000].map(|len| Outgoing::to(&[7; 2000][..len], address))).await;
        let mut batch = RecvBatch::new(8, 8);
        assert_eq!(socket.recv_many(&mut batch).await.unwrap(), 5);
        let lengths = batch.iter().map(|datagram| {
            assert_eq!(datagram.data.len(), datagram.received.len);
            (datagram.received.len, datagram.received.full_len, datagram.received.truncated)
        });
        let expected = [(5, 5, false), (0, 0, false), (8, 9, true), (8, 8, false), (8, 2000, true)];
        assert_eq!(lengths.collect::<Vec<_>>(), expected);
    });
}

#[test]
fn one_batch_serves_sockets_of_both_families_in_turn() {
    if !has_ipv6("a batch for sockets of both families") {
        return;
    }
    run(async {
        let v4 = bound();
        let v6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let v6 = (v6.local_addr().unwrap(), v6);
        let mut batch = RecvBatch::new(4, 16);
        for _ in 0..2 {
            for (socket, address) in [(&v4.0, v4.1), (&v6.1, v6.0)] {
                socket.send_to(b"hello", address).await.unwrap();
                socket.recv_many(&mut batch).await.unwrap();
                assert_eq!(batch.iter().next().unwrap().received.from, address);
            }
        }
        let dual = socket(Family::Dual).unwrap();
        dual.bind_to((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        v4.0.send_to(b"hello", ([127, 0, 0, 1], dual.local_addr().unwrap().port())).await.unwrap();
        dual.recv_many(&mut batch).await.unwrap();
        assert_eq!(batch.iter().next().unwrap().received.from, v4.1);
        dual.send_many(&[Outgoing::to(b"a", v4.1), Outgoing::to(b"b", v4.1)]).await.unwrap();
        assert_eq!(v4.0.recv_many(&mut batch).await.unwrap(), 2);
    });
}

#[test]
fn sending_stops_before_a_datagram_that_fails_and_tells_its_error_next_time() {
    run(async {
        let (socket, address) = bound();
        let long = vec![7; 65_536];
        let datagrams = [b"one", b"two", &long[..], b"four"].map(|data| Outgoing::to(data, address));
        assert_eq!(socket.send_many(&datagrams).await.unwrap(), 2);
        assert!(socket.send_many(&datagrams[2..]).await.is_err());
        assert_eq!(socket.send_many(&datagrams[3..]).await.unwrap(), 1);
        assert_eq!(socket.send_many(&[]).await.unwrap(), 0);
        let mut batch = RecvBatch::new(8, 16);
        assert_eq!(socket.recv_many(&mut batch).await.unwrap(), 3);
        assert_eq!(socket.icmp_errors(), 0);
    });
}

#[test]
fn a_connected_socket_sends_batches_to_its_peer_and_to_others() {
    run(async {
        let (first, second) = pair();
        let (other, address) = bound();
        let datagrams = [Outgoing::new(b"peer"), Outgoing::to(b"other", address), Outgoing::new(b"peer")];
        send_all(&first, &datagrams).await;
        let mut batch = RecvBatch::new(8, 16);
        assert_eq!(second.recv_many(&mut batch).await.unwrap(), 2);
        assert_eq!(other.recv_many(&mut batch).await.unwrap(), 1);
    });
}

#[test]
fn segments_arrive_as_datagrams_of_their_own() {
    run(async {
        let (socket, address) = bound();
        let mut batch = RecvBatch::new(64, 10_000);
        for (len, segment) in [(1, 1), (100, 100), (101, 100), (99, 100), (6_400, 100), (20_000, 1_200), (20_000, 9_000), (9, 1)]
        {
            let data: Vec<u8> = (0..len).map(|index| (index / segment) as u8).collect();
            send_all_segments(&socket, &data, segment, address).await;
            let mut got = Vec::new();
            while got.iter().map(|(_, len)| len).sum::<usize>() < len {
                socket.recv_many(&mut batch).await.unwrap();
                got.extend(contents(&batch));
            }
            let expected: Vec<_> = data.chunks(segment).map(|data| (data[0], data.len())).collect();
            assert_eq!(got, expected, "{len} bytes by {segment}");
        }
        assert_eq!(socket.send_segments(b"", 100, Some(address)).await.unwrap(), 0);
        let error = socket.send_segments(b"a", 0, Some(address)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn one_call_sends_as_many_segments_as_the_system_takes() {
    run(async {
        let (socket, address) = bound();
        let sent = socket.send_segments(&[7; 20_000], 100, Some(address)).await.unwrap();
        assert_eq!(sent, if batches() { 6_400 } else { 3_200 });
    });
}

/// A receiver that joins datagrams, where that is to be had.
fn joining() -> Option<(UdpSocket, SocketAddr)> {
    let (socket, address) = bound();
    match socket.set_gro(true) {
        Ok(()) => Some((socket, address)),
        Err(error) => {
            assert!(!batches(), "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            socket.set_gro(false).unwrap();
            None
        }
    }
}

#[test]
fn datagrams_that_the_system_joined_are_taken_apart() {
    run(async {
        let Some((socket, address)) = joining() else { return };
        let mut batch = RecvBatch::new(2, 65_535);
        // Joined and not joined ones in turn: the batch must be ready for both each time.
        for _ in 0..3 {
            let data: Vec<u8> = (0..10_500).map(|index| (index / 1_000) as u8).collect();
            assert_eq!(socket.send_segments(&data, 1_000, Some(address)).await.unwrap(), 10_500);
            assert_eq!(socket.recv_many(&mut batch).await.unwrap(), 11);
            let expected: Vec<_> = data.chunks(1_000).map(|data| (data[0], data.len())).collect();
            assert_eq!(contents(&batch), expected);
            assert!(batch.iter().all(|datagram| {
                let received = datagram.received;
                received.full_len == received.len && !received.truncated && received.from == address
            }));
            socket.send_to(b"alone", address).await.unwrap();
            assert_eq!(socket.recv_many(&mut batch).await.unwrap(), 1);
        }
    });
}

#[test]
fn a_receive_of_one_refuses_to_pass_joined_datagrams_for_one() {
    run(async {
        let Some((socket, address)) = joining() else { return };
        socket.send_segments(&[7; 300], 100, Some(address)).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 1_000]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(socket.try_clone().unwrap().recv(&mut [0; 1_000]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        // Nothing is lost by that.
        assert_eq!(socket.recv_many(&mut RecvBatch::new(1, 1_000)).await.unwrap(), 3);
        socket.set_gro(false).unwrap();
        socket.send_to(b"alone", address).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 1_000]).await.unwrap().len, 5);
    });
}

#[test]
fn joined_datagrams_that_do_not_fit_leave_a_mark() {
    run(async {
        let Some((socket, address)) = joining() else { return };
        socket.send_segments(&[7; 1_000], 100, Some(address)).await.unwrap();
        let mut batch = RecvBatch::new(1, 250);
        assert_eq!(socket.recv_many(&mut batch).await.unwrap(), 3);
        let marks = batch.iter().map(|datagram| (datagram.received.len, datagram.received.full_len, datagram.received.truncated));
        assert_eq!(marks.collect::<Vec<_>>(), [(100, 100, false), (100, 100, false), (50, 100, true)]);
    });
}

#[test]
fn a_batch_says_which_address_each_was_sent_to_also_after_one_that_did_not() {
    run(async {
        let socket = UdpSocket::bind(([0, 0, 0, 0], 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut batch = RecvBatch::new(4, 16);
        let (sender, _) = bound();
        for on in [false, true, false, true, true] {
            match socket.set_packet_info(on) {
                Err(error) if !batches() => return assert_eq!(error.kind(), ErrorKind::Unsupported),
                result => result.unwrap(),
            }
            for last in [5, 6] {
                sender.send_to(b"hello", ([127, 0, 0, last], port)).await.unwrap();
            }
            assert_eq!(socket.recv_many(&mut batch).await.unwrap(), 2);
            let local: Vec<_> = batch.iter().map(|datagram| Some(datagram.received.local?.address.to_string())).collect();
            let expected = ["127.0.0.5", "127.0.0.6"].map(|address| on.then(|| address.to_owned()));
            assert_eq!(local, expected);
        }
    });
}
