//! `StreamWriter`: the requirements AW-1 to AW-9 of asynchronous writing.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::common::{BLOCK_READ, BLOCK_WRITE, Random, Script, Step, Wakes, accept, block_on, poll_once};
use uasyncio_streams::io::{self, IoSlice};
use uasyncio_streams::write::{AWrite, AWriteV};
use uasyncio_streams::{Direction, Duplex, StreamWriter, duplex, split};

fn writer(steps: impl IntoIterator<Item = Step>) -> StreamWriter<Script> {
    split(Script::writing(steps)).1
}

fn written(writer: &StreamWriter<Script>) -> Vec<u8> {
    writer.transport().written.borrow().clone()
}

#[test]
fn aw_1_awrite_completes_when_every_byte_was_accepted() {
    let mut writer = writer([accept(2), BLOCK_WRITE, accept(3), accept(1)]);
    let mut write = writer.awrite(b"abcdef");
    assert!(poll_once(&mut write).is_pending());
    assert_eq!(write.written(), 2);
    assert!(matches!(poll_once(&mut write), Poll::Ready(Ok(()))));
    assert_eq!(writer.written(), 6);
    assert_eq!(written(&writer), b"abcdef");
}

#[test]
fn aw_1_awrite_fails_with_the_transports_error() {
    let mut writer = writer([accept(2), Step::Fail(io::ErrorKind::BrokenPipe)]);
    let error = block_on(writer.awrite(b"abcdef")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(writer.written(), 2);
}

#[test]
fn a_transport_that_accepts_nothing_is_an_error_and_not_a_busy_loop() {
    let mut writer = writer([accept(0)]);
    assert_eq!(block_on(writer.awrite(b"abc")).unwrap_err().kind(), io::ErrorKind::WriteZero);
}

#[test]
fn aw_3_writes_to_a_peer_that_reads_nothing_wait_until_it_reads() {
    let (near, far) = duplex(10);
    let (_reader, mut writer) = split(near);
    let (mut far_reader, _far_writer) = split(far);
    assert!(poll_once(&mut writer.awrite(b"0123456")).is_ready());
    let (wakes, waker) = Wakes::new();
    let mut write = writer.awrite(b"789abcdefghijklmn");
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut write).poll(&mut context).is_pending());
    assert_eq!((write.written(), wakes.take()), (3, 0));
    assert_eq!(block_on(far_reader.readexactly(10)).unwrap(), b"0123456789");
    assert_eq!(wakes.take(), 1, "the reader made room");
    assert!(Pin::new(&mut write).poll(&mut context).is_pending());
    assert_eq!(write.written(), 13);
    assert_eq!(block_on(far_reader.readexactly(10)).unwrap(), b"abcdefghij");
    assert!(Pin::new(&mut write).poll(&mut context).is_ready());
}

#[test]
fn aw_4_a_write_that_is_accepted_at_once_does_not_wait() {
    let mut writer = writer([]);
    assert!(poll_once(&mut writer.awrite(b"abc")).is_ready());
    assert_eq!(writer.transport().attempts.get(), 1);
    assert!(writer.transport().waits.borrow().is_empty());
}

#[test]
fn aw_5_partial_acceptance_loses_and_repeats_nothing() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let steps: Vec<Step> = (0..60)
            .map(|_| match random.below(4) {
                0 => BLOCK_WRITE,
                1 => BLOCK_READ,
                _ => accept(1 + random.below(9)),
            })
            .collect();
        let mut writer = writer(steps);
        let mut expected = Vec::new();
        for _ in 0..20 {
            let pieces: Vec<Vec<u8>> =
                (0..random.below(6)).map(|_| (0..random.below(12)).map(|_| random.below(256) as u8).collect()).collect();
            let all = pieces.concat();
            match random.below(3) {
                0 => block_on(writer.awrite(&all)).unwrap(),
                1 => block_on(writer.awriteiter(&pieces)).unwrap(),
                _ => {
                    let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                    block_on(writer.awritev(&slices)).unwrap();
                }
            }
            expected.extend(all);
            assert_eq!(writer.written(), expected.len() as u64, "seed {seed}");
        }
        assert_eq!(written(&writer), expected, "seed {seed}");
    }
}

#[test]
fn aw_6_a_slice_is_written_exactly_and_empty_data_touches_nothing() {
    let mut writer = writer([]);
    block_on(writer.awrite(&b"0123456789"[3..3 + 4])).unwrap();
    assert_eq!(written(&writer), b"3456");
    block_on(writer.awrite(b"")).unwrap();
    block_on(writer.awritestr("")).unwrap();
    block_on(writer.awritev(&[IoSlice::new(b""), IoSlice::new(b"")])).unwrap();
    block_on(writer.awriteiter([b"", b""])).unwrap();
    assert_eq!(writer.transport().attempts.get(), 1);
    // Trap 42: a string counts in bytes.
    block_on(writer.awritestr("é")).unwrap();
    assert_eq!(written(&writer), "3456é".as_bytes());
}

#[test]
fn aw_7_awriteiter_takes_a_piece_only_when_the_one_before_was_written() {
    let taken = Cell::new(0);
    let pieces = (0..5).inspect(|_| taken.set(taken.get() + 1)).map(|number| vec![b'0' + number; 3]);
    let mut writer = writer([accept(3), accept(1), BLOCK_WRITE]);
    let mut write = writer.awriteiter(pieces);
    assert!(poll_once(&mut write).is_pending());
    assert_eq!((taken.get(), write.written()), (2, 4));
    block_on(write).unwrap();
    assert_eq!(written(&writer), b"000111222333444");
}

#[test]
fn aw_7_awriteiter_stops_at_the_first_error() {
    let taken = Cell::new(0);
    let pieces = std::iter::repeat_with(|| {
        taken.set(taken.get() + 1);
        "abc"
    });
    let mut writer = writer([accept(3), accept(2), Step::Fail(io::ErrorKind::ConnectionReset)]);
    let error = block_on(writer.awriteiter(pieces)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!((taken.get(), writer.written()), (2, 5));
}

#[test]
fn aw_8_a_write_that_wants_to_read_waits_for_that_direction() {
    let mut writer = writer([BLOCK_READ, accept(1), BLOCK_WRITE, BLOCK_READ]);
    block_on(writer.awrite(b"abc")).unwrap();
    assert_eq!(*writer.transport().waits.borrow(), [Direction::Read, Direction::Write, Direction::Read]);
    assert_eq!(written(&writer), b"abc");
}

#[test]
fn aw_9_a_cancelled_write_tells_how_much_was_written_and_the_stream_goes_on() {
    for polls in 1..10 {
        let data = b"the quick brown fox";
        let mut writer = writer((0..9).flat_map(|_| [accept(2), BLOCK_WRITE]));
        let mut write = writer.awrite(data);
        for _ in 0..polls {
            let _ = poll_once(&mut write);
        }
        assert_eq!(write.written(), 2 * polls);
        drop(write);
        assert_eq!(writer.written(), 2 * polls as u64);
        block_on(writer.awrite(&data[2 * polls..])).unwrap();
        assert_eq!(written(&writer), data);
    }
}

#[test]
fn awritev_is_one_operation_when_it_is_accepted_at_once() {
    let mut writer = writer([]);
    block_on(writer.awritev(&[IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")])).unwrap();
    assert_eq!(writer.transport().attempts.get(), 1);
    assert_eq!(written(&writer), b"headbody");
}

#[test]
fn the_futures_are_a_few_words() {
    const WORD: usize = size_of::<usize>();
    assert_eq!(size_of::<AWrite<'_, Duplex>>(), 4 * WORD);
    assert_eq!(size_of::<AWriteV<'_, Duplex>>(), 6 * WORD);
    assert_eq!(size_of::<StreamWriter<Duplex>>(), 2 * WORD + size_of::<u64>());
}

#[test]
fn write_eof_ends_one_direction_and_the_other_goes_on() {
    let (near, far) = duplex(64);
    let (mut reader, mut writer) = split(near);
    let (mut far_reader, mut far_writer) = split(far);
    block_on(writer.awrite(b"question")).unwrap();
    block_on(writer.write_eof()).unwrap();
    block_on(writer.write_eof()).unwrap();
    assert_eq!(block_on(writer.awrite(b"more")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(block_on(far_reader.readline()).unwrap(), b"question");
    assert_eq!(block_on(far_reader.readline()).unwrap(), b"");
    block_on(far_writer.awrite(b"answer\n")).unwrap();
    assert_eq!(block_on(reader.readline()).unwrap(), b"answer\n");
}

// DIF-14, over `duplex`; `net.rs` has it over TCP.
#[test]
fn dif_14_closing_either_half_closes_the_connection_and_twice_is_harmless() {
    for close_reader in [true, false] {
        let (near, far) = duplex(64);
        let (mut reader, mut writer) = split(near);
        let (mut far_reader, mut far_writer) = split(far);
        block_on(writer.awrite(b"last words")).unwrap();
        if close_reader {
            block_on(reader.aclose()).unwrap();
        } else {
            block_on(writer.aclose()).unwrap();
        }
        block_on(writer.aclose()).unwrap();
        block_on(reader.aclose()).unwrap();
        assert_eq!(block_on(far_reader.readline()).unwrap(), b"last words");
        assert_eq!(block_on(far_reader.readline()).unwrap(), b"");
        assert_eq!(block_on(far_writer.awrite(b"x")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(block_on(writer.awrite(b"x")).unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert_eq!(block_on(reader.fill_buf()).unwrap_err().kind(), io::ErrorKind::NotConnected);
    }
}

#[test]
fn a_connection_is_closed_when_both_halves_are_dropped_and_not_before() {
    let (near, far) = duplex(64);
    let (reader, mut writer) = split(near);
    let (mut far_reader, mut far_writer) = split(far);
    drop(reader);
    block_on(writer.awrite(b"x")).unwrap();
    block_on(far_writer.awrite(b"nobody reads this")).unwrap();
    drop(writer);
    assert_eq!(block_on(far_reader.readline()).unwrap(), b"x");
    assert_eq!(block_on(far_writer.awrite(b"y")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
