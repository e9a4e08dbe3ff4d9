//! What holds over every transport: the same tests over `duplex`, on virtual time, and over TCP, Unix sockets and plain descriptors, on the
//! reactor; with the feature `tls`, over TLS on these too.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::common::Random;
use uasyncio_core::{EventLoop, VirtualTime, create_task, yield_now};
#[cfg(unix)]
use uasyncio_streams::{DescriptorTransport, UnixTransport};
use uasyncio_streams::{Duplex, ReadError, StreamReader, StreamWriter, TcpTransport, Transport, duplex, split};

fn over_duplex<F: Future<Output = ()>>(test: impl FnOnce(Duplex, Duplex) -> F) {
    let (near, far) = duplex(1000);
    EventLoop::with_platform(VirtualTime::new()).run_until_complete(test(near, far)).unwrap();
}

fn over_tcp<F: Future<Output = ()>>(test: impl FnOnce(TcpTransport, TcpTransport) -> F) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    uasyncio_io::run(async {
        test(TcpTransport::from_std(near).unwrap(), TcpTransport::from_std(far).unwrap()).await;
    });
}

#[cfg(unix)]
fn over_unix<F: Future<Output = ()>>(test: impl FnOnce(UnixTransport, UnixTransport) -> F) {
    let (near, far) = UnixStream::pair().unwrap();
    uasyncio_io::run(async {
        test(UnixTransport::from_std(near).unwrap(), UnixTransport::from_std(far).unwrap()).await;
    });
}

/// A descriptor that goes both ways, of which nothing else is known.
#[cfg(unix)]
fn over_descriptors<F: Future<Output = ()>>(test: impl FnOnce(DescriptorTransport, DescriptorTransport) -> F) {
    let (near, far) = UnixStream::pair().unwrap();
    uasyncio_io::run(async {
        test(DescriptorTransport::from_fd(near).unwrap(), DescriptorTransport::from_fd(far).unwrap()).await;
    });
}

/// A TLS session over two transports: the near end is the client.
#[cfg(all(feature = "tls", target_os = "linux"))]
async fn over_tls<T: Transport + 'static>(near: T, far: T) -> [uasyncio_streams::tls::TlsTransport<T>; 2] {
    let (near, far) = crate::sessions::sessions(near, far).await;
    [near, far].map(|(reader, writer)| uasyncio_streams::unsplit(reader, writer).unwrap().transport)
}

/// Some tests of each function: one over each transport.
macro_rules! over_all {
    ($($name:ident),* $(,)?) => {
        mod duplex_ { $( #[test] fn $name() { super::over_duplex(super::$name) } )* }
        mod tcp { $( #[test] fn $name() { super::over_tcp(super::$name) } )* }
        #[cfg(unix)]
        mod unix { $( #[test] fn $name() { super::over_unix(super::$name) } )* }
        #[cfg(unix)]
        mod descriptors { $( #[test] fn $name() { super::over_descriptors(super::$name) } )* }
        #[cfg(all(feature = "tls", target_os = "linux"))]
        mod tls_on_duplex {
            use super::*;
            $( #[test] fn $name() {
                over_duplex(async |near, far| { let [near, far] = over_tls(near, far).await; super::$name(near, far).await })
            } )*
        }
        #[cfg(all(feature = "tls", target_os = "linux"))]
        mod tls_on_tcp {
            use super::*;
            $( #[test] fn $name() {
                over_tcp(async |near, far| { let [near, far] = over_tls(near, far).await; super::$name(near, far).await })
            } )*
        }
        #[cfg(all(feature = "tls", target_os = "linux"))]
        mod tls_on_unix {
            use super::*;
            $( #[test] fn $name() {
                over_unix(async |near, far| { let [near, far] = over_tls(near, far).await; super::$name(near, far).await })
            } )*
        }
    };
}

over_all!(
    n3_no_cancel_of_any_read_loses_a_byte,
    t_35_a_line_over_the_limit_is_an_error_and_the_stream_goes_on,
    an_end_inside_readexactly_gives_what_there_was,
    aw_4_aw_6_a_small_write_is_done_at_once_and_nothing_is_nothing,
    aw_7_pieces_are_taken_one_by_one_until_the_peer_is_gone,
    aw_9_a_cancelled_write_tells_how_much_went_and_the_stream_goes_on,
    aw_3_a_loop_of_writes_waits_for_the_peer_and_others_run_on,
    dif_13_aw_1_a_large_write_arrives_whole,
    dif_14_closing_either_half_closes_the_connection,
    dif_17_a_stream_may_be_lent_to_another_coroutine,
    dif_18_reader_and_writer_may_be_used_by_two_tasks,
    a_half_closed_stream_still_carries_the_answer,
    aclose_of_a_half_wakes_a_task_that_waits_for_the_other,
    a_dropped_stream_is_the_end_for_the_peer,
    what_write_has_buffered_arrives_before_the_end,
    vectored_writes_and_pieces_arrive_in_order,
    an_aborted_stream_is_over_for_both_ends,
);

/// Polls a future once and drops it.
async fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await
}

async fn n3_no_cancel_of_any_read_loses_a_byte<T: Transport + 'static>(near: T, far: T) {
    let seed = 3;
    let mut random = Random::new(seed);
    let data: Vec<u8> = (0..200_000).map(|_| if random.below(50) == 0 { b'\n' } else { b'a' }).collect();
    let sent = data.clone();
    let (_far_reader, mut far_writer) = split(far);
    let sending = create_task(async move {
        let mut random = Random::new(seed + 1);
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let (chunk, next) = rest.split_at(rest.len().min(1 + random.below(700)));
            far_writer.awrite(chunk).await.unwrap();
            rest = next;
            if random.below(3) == 0 {
                yield_now().await;
            }
        }
        far_writer.aclose().await.unwrap();
    });
    let (mut reader, _writer) = split(near);
    let mut received: Vec<u8> = Vec::new();
    let mut buffer = [0; 300];
    loop {
        let before = received.len();
        match random.below(4) {
            0 => {
                if let Poll::Ready(count) = poll_once(reader.read(&mut buffer)).await {
                    received.extend(&buffer[..count.unwrap()]);
                }
            }
            1 => match poll_once(reader.readexactly(1 + before % 500)).await {
                Poll::Ready(Ok(bytes)) => received.extend(bytes),
                Poll::Ready(Err(ReadError::Incomplete { partial })) => received.extend(partial),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => {}
            },
            2 => match poll_once(reader.readuntil(b"a\n")).await {
                Poll::Ready(Ok(bytes)) => received.extend(bytes),
                Poll::Ready(Err(ReadError::Incomplete { partial })) => received.extend(partial),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => {}
            },
            _ => {
                if let Poll::Ready(line) = poll_once(reader.readline()).await {
                    received.extend(line.unwrap());
                }
            }
        }
        assert_eq!(received[before..], data[before..received.len()]);
        if received.len() == data.len() {
            break;
        }
        yield_now().await;
    }
    assert_eq!(reader.readline().await.unwrap(), b"");
    sending.await.unwrap();
}

// Trap 35: 2 MB without a line end, of which the reader holds no more than its limit.
async fn t_35_a_line_over_the_limit_is_an_error_and_the_stream_goes_on<T: Transport + 'static>(near: T, far: T) {
    let (_far_reader, mut far_writer) = split(far);
    let sending = create_task(async move {
        for _ in 0..200 {
            far_writer.awrite(&[b'x'; 10_000]).await.unwrap();
        }
        far_writer.awritestr("\nnext\n").await.unwrap();
        far_writer.write_eof().await.unwrap();
    });
    let (mut reader, _writer) = split(near);
    reader.set_limit(256);
    assert!(matches!(reader.readline().await, Err(ReadError::LimitExceeded { .. })));
    // Again, for nothing is consumed.
    assert!(matches!(reader.readline().await, Err(ReadError::LimitExceeded { .. })));
    assert!(reader.skip_until(b"\n").await.unwrap());
    assert_eq!(reader.readline().await.unwrap(), b"next\n");
    assert_eq!(reader.readline().await.unwrap(), b"");
    sending.await.unwrap();
}

// Trap 34.
async fn an_end_inside_readexactly_gives_what_there_was<T: Transport + 'static>(near: T, far: T) {
    let (_far_reader, mut far_writer) = split(far);
    let (mut reader, _writer) = split(near);
    far_writer.awritestr("line\nrest").await.unwrap();
    far_writer.write_eof().await.unwrap();
    assert_eq!(reader.readexactly(5).await.unwrap(), b"line\n");
    match reader.readexactly(5).await {
        Err(ReadError::Incomplete { partial }) => assert_eq!(partial, b"rest"),
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.read(&mut [0; 5]).await.unwrap(), 0);
}

async fn aw_4_aw_6_a_small_write_is_done_at_once_and_nothing_is_nothing<T: Transport + 'static>(near: T, far: T) {
    let (_reader, mut writer) = split(near);
    assert!(matches!(poll_once(writer.awrite(&b"0123456789"[3..7])).await, Poll::Ready(Ok(()))));
    assert!(matches!(poll_once(writer.awritestr("é")).await, Poll::Ready(Ok(()))));
    assert!(matches!(poll_once(writer.awrite(b"")).await, Poll::Ready(Ok(()))));
    assert_eq!(writer.written(), 6);
    drop((writer, _reader));
    let (mut far_reader, _far_writer) = split(far);
    assert_eq!(far_reader.read_to_end(100).await.unwrap(), "3456é".as_bytes());
}

async fn aw_7_pieces_are_taken_one_by_one_until_the_peer_is_gone<T: Transport + 'static>(near: T, far: T) {
    let taken = Rc::new(Cell::new(0_u64));
    let count = taken.clone();
    let (_reader, mut writer) = split(near);
    let writing = create_task(async move {
        let pieces = std::iter::repeat_with(|| {
            count.set(count.get() + 1);
            [b'x'; 1000]
        });
        let error = writer.awriteiter(pieces).await.unwrap_err();
        (error.kind(), writer.written())
    });
    let (mut far_reader, far_writer) = split(far);
    assert_eq!(far_reader.readexactly(3000).await.unwrap(), [b'x'; 3000]);
    assert!(!writing.done());
    drop((far_reader, far_writer));
    let (kind, written) = writing.await.unwrap();
    assert!(matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{kind}");
    // None was taken after the one that failed; TLS may have taken that one in whole.
    assert!(taken.get() - written / 1000 <= 1, "{} {written}", taken.get());
}

async fn aw_9_a_cancelled_write_tells_how_much_went_and_the_stream_goes_on<T: Transport + 'static>(near: T, far: T) {
    let data: Vec<u8> = (0..4_000_000_u32).map(|number| (number % 251) as u8).collect();
    let expected = data.clone();
    let (_reader, mut writer) = split(near);
    let writing = create_task(async move {
        let (mut done, mut cancels) = (0, 0);
        while done < data.len() {
            // Now and then a poll is all that it gets.
            let mut write = writer.awrite(&data[done..]);
            for _ in 0..1 + cancels % 3 {
                if poll_once(&mut write).await.is_ready() {
                    break;
                }
                yield_now().await;
            }
            done += write.written();
            cancels += 1;
            assert_eq!(writer.written(), done as u64);
        }
        writer.write_eof().await.unwrap();
        cancels
    });
    let (mut far_reader, _far_writer) = split(far);
    let mut rest = &expected[..];
    while !far_reader.fill_buf().await.unwrap().is_empty() {
        let length = far_reader.buffered().len();
        assert_eq!(far_reader.buffered(), &rest[..length]);
        far_reader.consume(length);
        rest = &rest[length..];
        yield_now().await;
    }
    assert!(rest.is_empty());
    assert!(writing.await.unwrap() > 1, "it had to wait");
}

async fn aw_3_a_loop_of_writes_waits_for_the_peer_and_others_run_on<T: Transport + 'static>(near: T, far: T) {
    static CHUNK: [u8; 50_000] = [7; 50_000];
    let (_reader, mut writer) = split(near);
    let completed = Rc::new(Cell::new(0_u64));
    let counter = completed.clone();
    let writing = create_task(async move {
        loop {
            match writer.awrite(&CHUNK).await {
                Ok(()) => counter.set(counter.get() + 1),
                Err(_) => return writer.written(),
            }
        }
    });
    // The writer stops when the buffers on the way are full; this task runs all the while.
    let (mut last, mut unchanged) = (u64::MAX, 0);
    while unchanged < 100 {
        yield_now().await;
        unchanged = if completed.get() == last { unchanged + 1 } else { 0 };
        last = completed.get();
    }
    assert!(!writing.done());
    let (mut far_reader, far_writer) = split(far);
    // It goes on when the peer reads.
    let mut received = 0;
    while completed.get() < last + 3 {
        let count = far_reader.fill_buf().await.unwrap().len();
        received += count as u64;
        far_reader.consume(count);
    }
    drop((far_reader, far_writer));
    assert!(writing.await.unwrap() >= received);
}

async fn dif_13_aw_1_a_large_write_arrives_whole<T: Transport + 'static>(near: T, far: T) {
    let data: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let expected = data.clone();
    let (reader, mut writer) = split(near);
    let writing = create_task(async move {
        writer.awrite(&data).await.unwrap();
        assert_eq!(writer.written(), data.len() as u64);
    });
    let (mut far_reader, _far_writer) = split(far);
    let mut rest = &expected[..];
    while !rest.is_empty() {
        let length = far_reader.fill_buf().await.unwrap().len();
        assert_eq!(far_reader.buffered(), &rest[..length]);
        far_reader.consume(length);
        rest = &rest[length..];
    }
    writing.await.unwrap();
    drop(reader);
    assert_eq!(far_reader.readline().await.unwrap(), b"", "nothing was written twice");
}

async fn dif_14_closing_either_half_closes_the_connection<T: Transport + 'static>(near: T, far: T) {
    let (mut reader, mut writer) = split(near);
    let (mut far_reader, mut far_writer) = split(far);
    writer.awrite(b"last words").await.unwrap();
    reader.aclose().await.unwrap();
    // A second time, and of the other half, is harmless.
    reader.aclose().await.unwrap();
    writer.aclose().await.unwrap();
    assert_eq!(far_reader.readline().await.unwrap(), b"last words");
    assert_eq!(far_reader.readline().await.unwrap(), b"");
    assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(writer.write_eof().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(reader.fill_buf().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    far_writer.aclose().await.unwrap();
}

async fn dif_17_a_stream_may_be_lent_to_another_coroutine<T: Transport + 'static>(near: T, far: T) {
    async fn ask<T: Transport>(reader: &mut StreamReader<T>, writer: &mut StreamWriter<T>) -> Vec<u8> {
        writer.awritestr("question\n").await.unwrap();
        reader.readline().await.unwrap().to_vec()
    }
    let (mut reader, mut writer) = split(near);
    // It may also be moved into another task.
    let (mut far_reader, mut far_writer) = split(far);
    let answering = create_task(async move {
        for _ in 0..2 {
            assert_eq!(far_reader.readline().await.unwrap(), b"question\n");
            far_writer.awritestr("answer\n").await.unwrap();
        }
    });
    assert_eq!(ask(&mut reader, &mut writer).await, b"answer\n");
    assert_eq!(ask(&mut reader, &mut writer).await, b"answer\n");
    answering.await.unwrap();
}

async fn dif_18_reader_and_writer_may_be_used_by_two_tasks<T: Transport + 'static>(near: T, far: T) {
    const TOTAL: usize = 2_000_000;
    let mut tasks = Vec::new();
    for transport in [near, far] {
        let (mut reader, mut writer) = split(transport);
        // Both directions are full at the same time: a stream that could wait for one only would hang.
        tasks.push(create_task(async move {
            writer.awrite(&vec![1; TOTAL]).await.unwrap();
            writer.write_eof().await.unwrap();
        }));
        tasks.push(create_task(async move {
            let mut received = 0;
            while !reader.fill_buf().await.unwrap().is_empty() {
                received += reader.buffered().len();
                reader.consume(reader.buffered().len());
            }
            assert_eq!(received, TOTAL);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn a_half_closed_stream_still_carries_the_answer<T: Transport + 'static>(near: T, far: T) {
    let (mut reader, mut writer) = split(near);
    let (mut far_reader, mut far_writer) = split(far);
    writer.awritestr("all I have").await.unwrap();
    writer.write_eof().await.unwrap();
    writer.write_eof().await.unwrap();
    assert_eq!(writer.awrite(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(far_reader.readline().await.unwrap(), b"all I have");
    assert_eq!(far_reader.readline().await.unwrap(), b"");
    far_writer.awritestr("the answer\n").await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"the answer\n");
}

// Trap 37.
async fn aclose_of_a_half_wakes_a_task_that_waits_for_the_other<T: Transport + 'static>(near: T, far: T) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let (mut reader, mut writer) = split(near);
    let read_log = log.clone();
    let reading = create_task(async move {
        let error = reader.readline().await.unwrap_err();
        read_log.borrow_mut().push(io::Error::from(error).kind());
    });
    yield_now().await;
    yield_now().await;
    assert!(!reading.done());
    writer.aclose().await.unwrap();
    reading.await.unwrap();

    let (mut reader, mut writer) = split(far);
    let write_log = log.clone();
    let writing = create_task(async move {
        // The near end is closed; over TCP this may end in a reset before the close below does it.
        while let Ok(()) = writer.awrite(&[0; 1000]).await {}
        write_log.borrow_mut().push(io::ErrorKind::Other);
    });
    yield_now().await;
    reader.aclose().await.unwrap();
    writing.await.unwrap();
    assert_eq!(*log.borrow(), [io::ErrorKind::NotConnected, io::ErrorKind::Other]);
}

async fn a_dropped_stream_is_the_end_for_the_peer<T: Transport + 'static>(near: T, far: T) {
    let (reader, mut writer) = split(near);
    let (mut far_reader, _far_writer) = split(far);
    drop(reader);
    writer.awrite(b"still open\n").await.unwrap();
    assert_eq!(far_reader.readline().await.unwrap(), b"still open\n");
    drop(writer);
    assert_eq!(far_reader.readline().await.unwrap(), b"");
}

async fn what_write_has_buffered_arrives_before_the_end<T: Transport + 'static>(near: T, far: T) {
    let (_reader, mut writer) = split(near);
    let (mut far_reader, _far_writer) = split(far);
    let sending = create_task(async move {
        let (mut calls, mut total) = (0, 0);
        // Until something has to wait, at least.
        while writer.unwritten().is_empty() && calls < 100_000 {
            writer.write(&[b'x'; 5000]).unwrap();
            (calls, total) = (calls + 1, total + 5000);
        }
        writer.aclose().await.unwrap();
        assert_eq!(writer.written(), total);
        total
    });
    let mut received = 0;
    while !far_reader.fill_buf().await.unwrap().is_empty() {
        received += far_reader.buffered().len() as u64;
        far_reader.consume(far_reader.buffered().len());
    }
    assert_eq!(sending.await.unwrap(), received);
}

async fn vectored_writes_and_pieces_arrive_in_order<T: Transport + 'static>(near: T, far: T) {
    let pieces: Vec<Vec<u8>> = (0..200).map(|number| vec![number as u8; number * 7 % 900]).collect();
    let expected = [pieces.concat(), pieces.concat()].concat();
    let (_reader, mut writer) = split(near);
    let (mut far_reader, _far_writer) = split(far);
    let sending = create_task(async move {
        let slices: Vec<io::IoSlice<'_>> = pieces.iter().map(|piece| io::IoSlice::new(piece)).collect();
        writer.awritev(&slices).await.unwrap();
        writer.awriteiter(&pieces).await.unwrap();
        writer.write_eof().await.unwrap();
        writer
    });
    assert!(far_reader.read_to_end(1_000_000).await.unwrap() == expected);
    assert_eq!(sending.await.unwrap().written(), expected.len() as u64);
}

async fn an_aborted_stream_is_over_for_both_ends<T: Transport + 'static>(near: T, far: T) {
    let (mut reader, mut writer) = split(near);
    let (mut far_reader, mut far_writer) = split(far);
    let reading = create_task(async move { reader.fill_buf().await.unwrap_err().kind() });
    yield_now().await;
    yield_now().await;
    writer.abort();
    assert_eq!(reading.await.unwrap(), io::ErrorKind::NotConnected);
    assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    // An error or the end, as the transport has it; what comes after it is an error in any case.
    let _ = far_reader.readline().await;
    while far_writer.awrite(&[0; 1000]).await.is_ok() {}
}
