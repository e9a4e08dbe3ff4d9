//! What allocates, and what does not.

#[path = "it/counting_allocator/mod.rs"]
mod counting_allocator;

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::net::{TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use counting_allocator::allocations;
use uasyncio_core::create_task;
#[cfg(unix)]
use uasyncio_streams::UnixTransport;
use uasyncio_streams::{StreamReader, StreamWriter, TcpTransport, Transport, duplex, split};

#[test]
fn aw_2_a_write_of_100_mb_to_a_stalled_peer_allocates_nothing() {
    const SIZE: usize = 100_000_000;
    let data = vec![0; SIZE];
    let (near, far) = duplex(64 * 1024);
    let (_reader, mut writer) = split(near);
    let (mut far_reader, _far_writer) = split(far);
    let mut context = Context::from_waker(Waker::noop());
    // The queue of the pipe itself grows to its capacity once.
    let mut buffer = vec![0; 64 * 1024];
    let mut write = writer.awrite(&data);
    assert!(Pin::new(&mut write).poll(&mut context).is_pending());

    let before = allocations();
    for _ in 0..1000 {
        assert!(Pin::new(&mut write).poll(&mut context).is_pending());
    }
    let mut received = 0;
    while received < SIZE {
        match Pin::new(&mut far_reader.read(&mut buffer)).poll(&mut context) {
            Poll::Ready(count) => received += count.unwrap(),
            Poll::Pending => {
                let _ = Pin::new(&mut write).poll(&mut context);
            }
        }
    }
    assert_eq!(allocations() - before, 0);
    assert_eq!(received, SIZE);
}

#[test]
fn write_allocates_nothing_before_it_has_to_buffer_and_little_then() {
    let (near, far) = duplex(64);
    let (_reader, mut writer) = split(near);
    let (mut far_reader, _far_writer) = split(far);
    let mut context = Context::from_waker(Waker::noop());
    writer.write(&[0; 64]).unwrap();
    assert!(Pin::new(&mut far_reader.readexactly(64)).poll(&mut context).is_ready());
    let before = allocations();
    writer.write(&[0; 64]).unwrap();
    assert_eq!(allocations() - before, 0);
    // Its own few words, and a block for the pool.
    writer.write(&[0; 64]).unwrap();
    assert!(allocations() - before <= 2);
    let before = allocations();
    for _ in 0..100 {
        assert!(Pin::new(&mut writer.drain()).poll(&mut context).is_pending());
        assert!(Pin::new(&mut far_reader.readexactly(64)).poll(&mut context).is_ready());
        assert!(Pin::new(&mut writer.drain()).poll(&mut context).is_ready());
        writer.write(&[0; 64]).unwrap();
    }
    assert_eq!(allocations() - before, 0);
}

async fn echo<T: Transport>(mut reader: StreamReader<T>, mut writer: StreamWriter<T>) {
    loop {
        let data = reader.fill_buf().await.unwrap();
        if data.is_empty() {
            return;
        }
        let count = data.len();
        writer.awrite(data).await.unwrap();
        reader.consume(count);
    }
}

async fn round_trips_allocate_nothing<T: Transport + 'static>(near: T, far: T) {
    let (reader, writer) = split(far);
    let echoing = create_task(echo(reader, writer));
    let (mut reader, mut writer) = split(near);
    let mut before = 0;
    for round in 0..200 {
        // The first rounds fill the pool of buffers, and the loop's tables.
        if round == 10 {
            before = allocations();
        }
        writer.awritev(&[IoSlice::new(b"two "), IoSlice::new(b"pieces\n")]).await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"two pieces\n");
        writer.awritestr("0123456789").await.unwrap();
        assert_eq!(reader.readexactly(10).await.unwrap(), b"0123456789");
    }
    assert_eq!(allocations() - before, 0);
    writer.aclose().await.unwrap();
    echoing.await.unwrap();
}

#[test]
fn round_trips_over_a_pipe_allocate_nothing() {
    uasyncio_core::run(async {
        let (near, far) = duplex(1024);
        round_trips_allocate_nothing(near, far).await;
    });
}

#[test]
fn round_trips_over_tcp_allocate_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    uasyncio_io::run(async {
        let (near, far) = (TcpTransport::from_std(near).unwrap(), TcpTransport::from_std(far).unwrap());
        round_trips_allocate_nothing(near, far).await;
    });
}

/// AW-2 where the kernel is in between.
async fn a_write_to_a_stalled_peer_allocates_nothing<T: Transport>(near: T, far: T) {
    const SIZE: usize = 32_000_000;
    let data = vec![0; SIZE];
    let mut buffer = vec![0; 64 * 1024];
    let (_reader, mut writer) = split(near);
    let (mut far_reader, _far_writer) = split(far);
    // Both directions have waited once.
    {
        let mut read = pin!(far_reader.readexactly(1));
        assert!(poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await);
        writer.awrite(&[0]).await.unwrap();
        read.await.unwrap();
    }
    let mut write = pin!(writer.awrite(&data));
    assert!(poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_pending())).await);

    let before = allocations();
    for _ in 0..1000 {
        assert!(poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_pending())).await);
    }
    let (mut received, mut is_written) = (0, false);
    while received < SIZE {
        let mut read = pin!(far_reader.read(&mut buffer));
        received += poll_fn(|cx| {
            is_written = is_written || write.as_mut().poll(cx).map(Result::unwrap).is_ready();
            read.as_mut().poll(cx).map(Result::unwrap)
        })
        .await;
    }
    assert_eq!(allocations() - before, 0);
    assert_eq!(received, SIZE);
}

#[test]
fn aw_2_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    uasyncio_io::run(async {
        let (near, far) = (TcpTransport::from_std(near).unwrap(), TcpTransport::from_std(far).unwrap());
        a_write_to_a_stalled_peer_allocates_nothing(near, far).await;
    });
}

#[cfg(unix)]
#[test]
fn aw_2_over_a_unix_socket() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    uasyncio_io::run(async {
        let (near, far) = (UnixTransport::from_std(near).unwrap(), UnixTransport::from_std(far).unwrap());
        a_write_to_a_stalled_peer_allocates_nothing(near, far).await;
    });
}
