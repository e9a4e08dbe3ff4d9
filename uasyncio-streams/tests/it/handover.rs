//! Reading everything, reading lines as a `Stream`, and handing a connection over to other code.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::common::{BLOCK_READ, Random, Script, Step, block_on, bytes, poll_once};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use uasyncio_streams::{Lines, Parts, ReadError, StreamReader, duplex, io, split, unsplit};

fn reader(steps: impl IntoIterator<Item = Step>) -> StreamReader<Script> {
    split(Script::reading(steps)).0
}

fn next(lines: &mut Lines<'_, Script>) -> Poll<Option<Result<Vec<u8>, ReadError>>> {
    Pin::new(lines).poll_next(&mut Context::from_waker(Waker::noop()))
}

fn line(lines: &mut Lines<'_, Script>) -> Option<Result<Vec<u8>, ReadError>> {
    loop {
        if let Poll::Ready(line) = next(lines) {
            return line;
        }
    }
}

#[test]
fn lines_are_those_of_readline() {
    let mut reader = reader([bytes("one\n\ntw"), BLOCK_READ, bytes("o\nthree")]);
    let mut lines = reader.lines();
    for expected in ["one\n", "\n", "two\n", "three"] {
        assert_eq!(line(&mut lines).unwrap().unwrap(), expected.as_bytes());
    }
    assert!(!lines.is_terminated());
    assert!(line(&mut lines).is_none());
    assert!(lines.is_terminated());
    assert!(line(&mut lines).is_none());
}

#[test]
fn a_dropped_stream_of_lines_loses_nothing() {
    let mut reader = reader([bytes("one\ntw"), BLOCK_READ, bytes("o\n")]);
    let mut lines = reader.lines();
    assert_eq!(line(&mut lines).unwrap().unwrap(), b"one\n");
    assert!(next(&mut lines).is_pending());
    assert_eq!(block_on(reader.readline()).unwrap(), b"two\n");
}

#[test]
fn lines_end_with_an_error_and_the_reader_goes_on() {
    let mut reader = reader([bytes("short\nmuch too long\nnext\n"), Step::Fail(io::ErrorKind::ConnectionReset)]);
    let mut lines = reader.lines().limit(8);
    assert_eq!(line(&mut lines).unwrap().unwrap(), b"short\n");
    assert!(matches!(line(&mut lines), Some(Err(ReadError::LimitExceeded { limit: 8 }))));
    assert!(line(&mut lines).is_none());
    assert!(block_on(reader.skip_until(b"\n")).unwrap());
    let mut lines = reader.lines();
    assert_eq!(line(&mut lines).unwrap().unwrap(), b"next\n");
    assert!(matches!(line(&mut lines), Some(Err(ReadError::Io(_)))));
    assert!(line(&mut lines).is_none());
}

#[test]
fn a_line_that_comes_byte_by_byte_is_scanned_once() {
    let steps = (0..40_000).flat_map(|_| [bytes("x"), BLOCK_READ]).chain([bytes("\n")]);
    let mut reader = reader(steps);
    assert_eq!(line(&mut reader.lines()).unwrap().unwrap().len(), 40_001);
}

#[test]
fn read_to_end_gives_everything_up_to_the_limit() {
    for length in [0, 1, 99, 100, 8191, 8192, 8193, 50_000] {
        let data: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
        let mut random = Random::new(length as u64);
        let mut steps = Vec::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(rest.len().min(1 + random.below(5000)));
            steps.extend([bytes(chunk), BLOCK_READ]);
            rest = later;
        }
        let mut first = reader(steps.clone());
        // Cancelled at every wait, it goes on with what it has.
        let all = loop {
            if let Poll::Ready(all) = poll_once(&mut first.read_to_end(length)) {
                break all.unwrap().to_vec();
            }
        };
        assert_eq!(all, data);
        assert_eq!(block_on(first.read_to_end(0)).unwrap(), b"");
        if length > 0 {
            let mut second = reader(steps);
            assert!(matches!(block_on(second.read_to_end(length - 1)), Err(ReadError::LimitExceeded { .. })));
            let mut target = vec![b'>'];
            assert!(block_on(second.read_to_end_into(length - 1, &mut target)).is_err());
            assert_eq!(block_on(second.read_to_end_into(length, &mut target)).unwrap(), length);
            assert_eq!((target[0], &target[1..]), (b'>', &data[..]));
        }
    }
}

#[test]
fn read_to_end_keeps_what_came_before_an_error() {
    let mut reader = reader([bytes("abc"), Step::Fail(io::ErrorKind::ConnectionReset)]);
    assert!(matches!(block_on(reader.read_to_end(100)), Err(ReadError::Io(_))));
    assert_eq!(reader.take_buffered(), b"abc");
    assert_eq!(reader.buffered(), b"");
}

// Trap 36: what was read ahead belongs to whoever the stream is handed to.
#[test]
fn the_halves_are_put_together_with_what_was_read_ahead() {
    let (near, far) = duplex(64);
    let (mut reader, mut writer) = split(near);
    let (mut far_reader, mut far_writer) = split(far);
    block_on(far_writer.awritestr("STARTTLS\nnot text")).unwrap();
    assert_eq!(block_on(reader.readline()).unwrap(), b"STARTTLS\n");
    block_on(writer.awritestr("go\n")).unwrap();
    let Parts { transport, read_ahead } = unsplit(reader, writer).unwrap();
    assert_eq!(read_ahead, b"not text");
    let (mut reader, mut writer) = Parts { transport, read_ahead }.split();
    block_on(far_writer.awritestr(", and more")).unwrap();
    assert_eq!(block_on(reader.readexactly(18)).unwrap(), b"not text, and more");
    block_on(writer.awritestr("on")).unwrap();
    block_on(writer.aclose()).unwrap();
    assert_eq!(block_on(far_reader.read_to_end(99)).unwrap(), b"go\non");
}

#[test]
fn a_reader_gives_more_than_its_limit_if_it_began_with_it() {
    let read_ahead = vec![b'x'; 100_000];
    let (mut reader, _writer) = Parts { transport: Script::reading([bytes("y\n")]), read_ahead }.split();
    assert!(matches!(block_on(reader.readline()), Err(ReadError::LimitExceeded { limit: 65_536 })));
    assert_eq!(block_on(reader.readline().limit(200_000)).unwrap().len(), 100_002);
}

#[test]
fn halves_of_two_streams_are_refused_and_given_back() {
    let (one, two) = duplex(64);
    let ((one_reader, one_writer), (two_reader, two_writer)) = (split(one), split(two));
    let error = unsplit(one_reader, two_writer).unwrap_err();
    assert!(error.to_string().contains("not halves of one stream"));
    let parts = unsplit(error.reader, one_writer).unwrap();
    assert!(unsplit(two_reader, error.writer).is_ok());
    drop(parts);
}

#[test]
fn a_stream_with_undrained_bytes_is_refused_and_given_back() {
    let (near, far) = duplex(1);
    let (reader, mut writer) = split(near);
    writer.write(b"abc").unwrap();
    let mut error = unsplit(reader, writer).unwrap_err();
    assert!(error.to_string().contains("drain"));
    let mut far_reader = split(far).0;
    while poll_once(&mut error.writer.drain()).is_pending() {
        block_on(far_reader.readexactly(1)).unwrap();
    }
    assert!(unsplit(error.reader, error.writer).is_ok());
}
