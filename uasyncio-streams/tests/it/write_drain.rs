//! `write` and `drain`: the bounded buffer, its order, and what becomes of it in the end.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use crate::common::{BLOCK_READ, BLOCK_WRITE, Random, Script, Step, accept, block_on, poll_once};
use uasyncio_core::{EventLoop, VirtualTime, create_task, get_event_loop, yield_now};
use uasyncio_streams::io::{self, IoSlice};
use uasyncio_streams::{Duplex, StreamReader, StreamWriter, WriteError, duplex, split};

fn writer(steps: impl IntoIterator<Item = Step>) -> StreamWriter<Script> {
    split(Script::writing(steps)).1
}

fn written(writer: &StreamWriter<Script>) -> Vec<u8> {
    writer.transport().written.borrow().clone()
}

/// A writer that cannot write, and what its peer reads.
fn stalled() -> (StreamWriter<Duplex>, StreamReader<Duplex>, impl Sized) {
    let (near, far) = duplex(1);
    let (near_reader, mut writer) = split(near);
    let (reader, far_writer) = split(far);
    writer.write(b"-").unwrap();
    (writer, reader, (near_reader, far_writer))
}

#[test]
fn what_the_transport_takes_at_once_is_not_buffered() {
    let mut writer = writer([accept(2), accept(1)]);
    writer.write(b"abcdef").unwrap();
    assert_eq!((writer.unwritten(), writer.written()), (&b""[..], 6));
    assert_eq!(written(&writer), b"abcdef");
    writer.write(b"").unwrap();
    assert_eq!(writer.transport().attempts.get(), 3);
}

#[test]
fn the_rest_waits_for_drain() {
    let mut writer = writer([accept(2), BLOCK_WRITE, accept(1), BLOCK_READ, accept(4)]);
    writer.write(b"abc").unwrap();
    writer.write(b"def").unwrap();
    assert_eq!((writer.unwritten(), writer.written()), (&b"cdef"[..], 2));
    let mut drain = writer.drain();
    assert!(poll_once(&mut drain).is_pending());
    // Cancelled: no byte is lost or written twice.
    drop(drain);
    assert_eq!((writer.unwritten(), writer.written()), (&b"def"[..], 3));
    block_on(writer.drain()).unwrap();
    assert_eq!((writer.unwritten(), writer.written()), (&b""[..], 6));
    assert_eq!(written(&writer), b"abcdef");
    block_on(writer.drain()).unwrap();
    assert_eq!(writer.transport().attempts.get(), 5);
}

// N13: no buffer is unbounded.
#[test]
fn n13_over_the_limit_is_an_error_and_nothing_of_it_is_accepted() {
    let mut writer = writer([BLOCK_WRITE]);
    writer.set_write_limit(10);
    writer.write(b"0123456").unwrap();
    match writer.write(b"abcd") {
        Err(WriteError::Full { buffered: 7, limit: 10 }) => {}
        other => panic!("{other:?}"),
    }
    writer.write(b"789").unwrap();
    assert_eq!(io::Error::from(writer.write(b"x").unwrap_err()).kind(), io::ErrorKind::WouldBlock);
    assert_eq!(writer.unwritten(), b"0123456789");
    // Whether it fits does not depend on how fast the peer is.
    block_on(writer.drain()).unwrap();
    assert!(matches!(writer.write(b"0123456789a"), Err(WriteError::Full { buffered: 0, limit: 10 })));
    assert_eq!(written(&writer), b"0123456789");
    writer.set_write_limit(11);
    writer.write(b"0123456789a").unwrap();
}

#[test]
fn the_buffer_holds_as_much_as_its_limit_allows() {
    let (mut writer, mut reader, _keep) = stalled();
    assert_eq!(writer.write_limit(), 65_536);
    for _ in 0..64 {
        writer.write(&[b'x'; 1024]).unwrap();
    }
    assert_eq!(writer.unwritten().len(), 65_536);
    assert!(matches!(writer.write(b"x"), Err(WriteError::Full { .. })));
    writer.set_write_limit(100);
    assert!(matches!(writer.write(b"x"), Err(WriteError::Full { buffered: 65_536, limit: 100 })));
    let mut drain = writer.drain();
    let mut received: Vec<u8> = Vec::new();
    while poll_once(&mut drain).is_pending() {
        received.extend(block_on(reader.fill_buf()).unwrap());
        reader.consume(reader.buffered().len());
    }
    received.extend(block_on(reader.readexactly(1)).unwrap());
    assert_eq!(received.len(), 65_537);
}

#[test]
fn the_order_of_the_bytes_is_the_order_of_the_calls() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let steps: Vec<Step> = (0..80)
            .map(|_| match random.below(3) {
                0 => BLOCK_WRITE,
                1 => BLOCK_READ,
                _ => accept(1 + random.below(9)),
            })
            .collect();
        let mut writer = writer(steps);
        let mut expected = Vec::new();
        for _ in 0..40 {
            let data: Vec<u8> = (0..1 + random.below(20)).map(|_| random.below(256) as u8).collect();
            expected.extend(&data);
            let (head, tail) = data.split_at(data.len() / 2);
            match random.below(6) {
                0 => block_on(writer.awrite(&data)).unwrap(),
                1 => block_on(writer.awriteiter([head, &[], tail])).unwrap(),
                2 => block_on(writer.awritev(&[IoSlice::new(head), IoSlice::new(tail)])).unwrap(),
                3 => {
                    writer.write(&data).unwrap();
                    block_on(writer.drain()).unwrap();
                }
                _ => writer.write(&data).unwrap(),
            }
            assert_eq!(writer.written() as usize + writer.unwritten().len(), expected.len(), "seed {seed}");
        }
        block_on(writer.write_eof()).unwrap();
        assert_eq!(written(&writer), expected, "seed {seed}");
    }
}

#[test]
fn a_write_of_nothing_and_a_cancelled_awrite_keep_the_order() {
    let mut writer = writer([BLOCK_WRITE, BLOCK_WRITE]);
    writer.write(b"first ").unwrap();
    assert!(poll_once(&mut writer.awrite(b"")).is_ready(), "empty data touches nothing");
    let mut write = writer.awrite(b"second");
    assert!(poll_once(&mut write).is_pending());
    assert_eq!(write.written(), 0, "what is buffered is not counted");
    drop(write);
    block_on(writer.awrite(b"third")).unwrap();
    assert_eq!(written(&writer), b"first third");
}

#[test]
fn an_error_comes_from_write_or_from_drain() {
    let reset = || Step::Fail(io::ErrorKind::ConnectionReset);
    let mut first = writer([accept(2), reset()]);
    match first.write(b"abc") {
        Err(WriteError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
    assert_eq!((first.written(), first.unwritten()), (2, &b""[..]));

    let mut second = writer([BLOCK_WRITE, reset(), accept(0)]);
    second.write(b"abc").unwrap();
    assert_eq!(block_on(second.drain()).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(second.unwritten(), b"abc");
    assert_eq!(block_on(second.awrite(b"d")).unwrap_err().kind(), io::ErrorKind::WriteZero);
}

#[test]
fn aclose_and_write_eof_write_what_is_buffered_first() {
    for with_eof in [true, false] {
        let (mut writer, mut reader, _keep) = stalled();
        writer.write(b"last words").unwrap();
        let mut ends = async || if with_eof { writer.write_eof().await } else { writer.aclose().await };
        let mut end = Box::pin(ends());
        assert!(poll_once(&mut end).is_pending());
        let mut received: Vec<u8> = Vec::new();
        let mut ended = false;
        loop {
            ended = ended || poll_once(&mut end).is_ready();
            if let Poll::Ready(bytes) = poll_once(&mut reader.fill_buf()) {
                let bytes = bytes.unwrap();
                if bytes.is_empty() {
                    break;
                }
                received.extend(bytes);
                reader.consume(reader.buffered().len());
            }
        }
        assert!(ended);
        assert_eq!(received, b"-last words");
    }
}

/// What the loop's exception handler hears while `test` runs.
fn heard<F: Future<Output = ()>>(test: impl FnOnce() -> F) -> Vec<String> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let log = heard.clone();
    let run = EventLoop::with_platform(VirtualTime::new()).run_until_complete(async {
        get_event_loop().set_exception_handler(move |context| log.borrow_mut().push(context.to_string()));
        test().await;
    });
    run.unwrap();
    heard.take()
}

#[test]
fn bytes_in_a_buffer_that_is_dropped_are_tried_once_more_and_never_lost_in_silence() {
    let reports = heard(async || {
        let (mut writer, _reader, keep) = stalled();
        writer.write(b"lost").unwrap();
        drop((writer, keep));
    });
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("4 bytes") && reports[0].contains("aclose"), "{reports:?}");

    let reports = heard(async || {
        let (mut writer, mut reader, keep) = stalled();
        writer.write(b"!").unwrap();
        assert_eq!(reader.readexactly(1).await.unwrap(), b"-");
        drop((writer, keep));
        assert_eq!(reader.readline().await.unwrap(), b"!");
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn what_aclose_could_not_write_is_its_error_and_abort_throws_it_away() {
    let reports = heard(async || {
        let (mut writer, reader, keep) = stalled();
        writer.write(b"lost").unwrap();
        let closing = create_task(async move { (writer.aclose().await, writer.aclose().await, writer) });
        yield_now().await;
        assert!(!closing.done());
        drop((reader, keep));
        let (first, second, writer) = closing.await.unwrap();
        assert_eq!(first.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        second.unwrap();
        drop(writer);

        let (mut writer, mut reader, _keep) = stalled();
        writer.write(b"gone").unwrap();
        writer.abort();
        assert_eq!(reader.readline().await.unwrap(), b"-");
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn aclose_of_the_reader_leaves_the_buffer_and_drain_says_so() {
    let (near, far) = duplex(1);
    let (mut reader, mut writer) = split(near);
    writer.write(b"-abc").unwrap();
    block_on(reader.aclose()).unwrap();
    assert_eq!(block_on(writer.drain()).unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(writer.unwritten(), b"abc");
    writer.abort();
    drop(far);
}
