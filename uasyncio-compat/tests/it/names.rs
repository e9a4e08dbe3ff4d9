//! asyncio's names: a program that keeps its words, and the edges where names meant something else.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use uasyncio_compat::names as asyncio;
use uasyncio_compat::names::{StreamReader, StreamWriter};
use uasyncio_core::{EventLoop, VirtualTime};
use uasyncio_streams::{ReadError, duplex, split};

fn virtually<F: std::future::Future>(future: F) -> F::Output {
    EventLoop::with_platform(VirtualTime::new()).run_until_complete(future).unwrap()
}

fn now() -> u32 {
    asyncio::ticks().as_millis()
}

#[test]
fn seconds_are_numbers() {
    virtually(async {
        asyncio::sleep(1.5).await;
        assert_eq!(now(), 1_500);
        asyncio::sleep(0.0001).await;
        assert_eq!(now(), 1_501);
        asyncio::sleep(-3.0).await;
        asyncio::sleep(f64::NAN).await;
        assert_eq!(now(), 1_501);
        assert!(asyncio::wait_for(asyncio::sleep(f64::INFINITY), 2.0).await.is_err());
        assert_eq!(now(), 3_501);
        assert!(asyncio::wait_for_ms(asyncio::sleep(1e300), 500).await.is_err());
        assert_eq!(now(), 4_001);
        assert!(asyncio::wait_for(asyncio::sleep(60.0), None).await.is_ok());
        assert!(asyncio::wait_for_ms(asyncio::sleep_ms(999), None).await.is_ok());
        assert_eq!(now(), 65_000);
    });
}

#[test]
fn callbacks_come_in_the_order_of_time() {
    virtually(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let note = |name: &'static str| {
            let order = order.clone();
            move || order.borrow_mut().push((name, now()))
        };
        asyncio::call_later(0.02, note("later"));
        asyncio::call_later_ms(10, note("sooner"));
        asyncio::call_soon(note("soon"));
        asyncio::call_later(-1.0, note("at once"));
        asyncio::sleep(1.0).await;
        assert_eq!(order.take(), [("soon", 0), ("at once", 0), ("sooner", 10), ("later", 20)]);
    });
}

#[test]
fn tasks_are_made_and_cancelled() {
    virtually(async {
        let task = asyncio::ensure_future(async { 42 });
        assert_eq!(task.await.unwrap(), 42);
        let task = asyncio::create_task(asyncio::sleep(60.0));
        asyncio::sleep_ms(1).await;
        assert!(asyncio::cancel(&task));
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(now(), 1);
        assert_eq!(asyncio::gather((async { 1 }, async { "two" })).await, (1, "two"));
    });
}

#[test]
fn ticks_wrap() {
    let start = uasyncio_core::Ticks::from_millis(u32::MAX - 1);
    let end = asyncio::ticks_add(start, 10);
    assert_eq!(end.as_millis(), 8);
    assert_eq!(asyncio::ticks_diff(end, start), 10);
    assert_eq!(asyncio::ticks_diff(start, end), -10);
    assert_eq!(asyncio::ticks_add(end, -10), start);
}

#[test]
fn reads_give_bytes() {
    virtually(async {
        let (near, far) = duplex(64);
        let mut reader = StreamReader::from(split(near).0);
        let mut writer = StreamWriter::from(split(far).1);
        assert!(asyncio::wait_for(reader.read(1), 0.1).await.is_err(), "it waits for the first byte");
        writer.awritestr("one\ntwo\nthree").await.unwrap();
        assert_eq!(reader.read(0).await.unwrap(), b"");
        assert_eq!(reader.read(2).await.unwrap(), b"on");
        assert_eq!(reader.readline().await.unwrap(), b"e\n");
        assert_eq!(reader.readexactly(3).await.unwrap(), b"two");
        let mut buffer = [0; 3];
        assert_eq!(reader.readinto(&mut buffer).await.unwrap(), 3);
        assert_eq!(&buffer, b"\nth");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert_eq!(reader.read(-1).await.unwrap(), b"ree");
        assert_eq!(reader.read(-1).await.unwrap(), b"");
        assert_eq!(reader.read(7).await.unwrap(), b"");
        assert!(matches!(reader.readexactly(1).await, Err(ReadError::Incomplete { .. })));
    });
}

// AW-6: exactly the slice; -1 to the end; an empty one writes nothing.
#[test]
fn awrite_takes_an_offset_and_a_size() {
    virtually(async {
        let (near, far) = duplex(64);
        let mut writer = StreamWriter::from(split(near).1);
        for (off, sz) in [(0, -1), (2, 2), (4, -1), (4, 100), (9, 3), (3, 0)] {
            writer.awrite("abcdef", off, sz).await.unwrap();
        }
        assert_eq!(writer.written(), 6 + 2 + 2 + 2);
        writer.aclose().await.unwrap();
        assert_eq!(split(far).0.read_to_end(64).await.unwrap(), b"abcdefcdefef");
    });
}

#[test]
#[cfg_attr(miri, ignore = "real sockets")]
fn a_server_and_its_clients_keep_their_words() {
    asyncio::run(async {
        let handler = |mut reader: StreamReader, mut writer: StreamWriter| async move {
            let line = reader.readline().await?;
            writer.write(&line)?;
            writer.drain().await?;
            let peer = writer.get_extra_info("peername").map(|address| address.ip().to_string());
            writer.awrite(peer.unwrap_or_default(), 0, -1).await?;
            writer.aclose().await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        let server = asyncio::start_server(handler, "127.0.0.1", 0, 10).await.unwrap();
        for _ in 0..3 {
            let (mut reader, mut writer) = asyncio::open_connection("127.0.0.1", server.local_addr().port()).await.unwrap();
            assert_eq!(writer.get_extra_info("peername"), Some(server.local_addr()));
            assert_eq!(writer.get_extra_info("sockname"), writer.local_addr().ok());
            assert_eq!(writer.get_extra_info("cipher"), None);
            writer.awriteiter(["hel", "lo\n"]).await.unwrap();
            assert_eq!(reader.read(-1).await.unwrap(), b"hello\n127.0.0.1");
        }
        server.close();
        server.wait_closed().await.unwrap();
    });
}

#[test]
#[cfg_attr(miri, ignore = "a real reactor")]
fn a_new_loop_is_another_one() {
    let one = asyncio::new_event_loop().unwrap();
    let two = asyncio::new_event_loop().unwrap();
    let task = one.create_task(async { 1 });
    assert_eq!(two.run_until_complete(async { 2 }).ok(), Some(2));
    assert!(!task.done());
    one.call_later(Duration::ZERO, || ());
    assert_eq!(one.run_until_complete(task).unwrap().unwrap(), 1);
}

#[test]
#[cfg_attr(miri, ignore = "real sockets")]
fn datagrams_go_by_functions() {
    use asyncio::udp;
    asyncio::run(async {
        let server = udp::socket(udp::AF_INET).unwrap();
        server.bind_to(([127, 0, 0, 1], 0)).unwrap();
        let address = server.local_addr().unwrap();
        let client = udp::socket(udp::AF_INET).unwrap();
        for datagram in [&b"abcdef"[..], b"", b"xyz"] {
            udp::sendto(&client, datagram, address).await.unwrap();
        }
        assert_eq!(udp::recv(&server, 4).await.unwrap(), b"abcd");
        assert_eq!(udp::recv(&server, 4).await.unwrap(), b"", "an empty datagram is one");
        let (datagram, from) = udp::recvfrom(&server, 100).await.unwrap();
        assert_eq!((&datagram[..], from.port()), (&b"xyz"[..], client.local_addr().unwrap().port()));
        // Nothing more comes; a receive that is given up loses nothing.
        assert!(asyncio::wait_for_ms(udp::recv(&server, 4), 5).await.is_err());
        udp::sendto(&client, b"late", address).await.unwrap();
        assert_eq!(udp::recv(&server, 4).await.unwrap(), b"late");
        // Somebody who has closed is an error of nobody's receive.
        udp::close(&client);
        udp::sendto(&server, b"gone", from).await.unwrap();
        assert!(asyncio::wait_for_ms(udp::recv(&server, 4), 5).await.is_err());
        assert!(udp::socket(udp::AF_INET6).is_ok_and(|socket| socket.family() == udp::Family::V6));
    });
}
