//! Streams without a heap: a transport that is borrowed, and a buffer that is lent. What differs from streams on the heap; the
//! code of the rest is the same.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::common::{BLOCK_READ, BLOCK_WRITE, Random, Script, Step, Wakes, accept, block_on, bytes, poll_once};
use uasyncio_streams::io::{self, IoSlice};
use uasyncio_streams::read::{ReadLine, ReadUntil};
use uasyncio_streams::write::AWrite;
use uasyncio_streams::{Direction, Lent, LentReader, LentWriter, ReadError, StreamWriter, Wire, split_with};

/// The bytes that are in the buffer when a stream ends too early stay there.
#[track_caller]
fn assert_incomplete(result: Result<Vec<u8>, ReadError>, reader: &LentReader<'_, Script>, left: &[u8]) {
    match result {
        #[cfg(feature = "alloc")]
        Err(ReadError::Incomplete { partial }) => assert_eq!(partial, b""),
        #[cfg(not(feature = "alloc"))]
        Err(ReadError::Incomplete { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.buffered(), left);
}

#[test]
fn lines_are_read_into_the_lent_buffer_and_the_rest_is_kept() {
    let script = Script::reading([bytes("one\ntw"), BLOCK_READ, bytes("o\nthree")]);
    let mut buffer = [0; 10];
    let (mut reader, _writer) = split_with(&script, &mut buffer);
    assert_eq!(block_on(reader.readline()).unwrap(), b"one\n");
    assert_eq!(block_on(reader.readline()).unwrap(), b"two\n");
    assert_eq!(reader.buffered(), b"th");
    assert_eq!(block_on(reader.readline()).unwrap(), b"three");
    assert_eq!(block_on(reader.readline()).unwrap(), b"");
}

#[test]
fn the_length_of_the_buffer_is_the_limit() {
    let script = Script::reading([bytes("1234567\n12345678\nnext\n")]);
    let mut buffer = [0; 8];
    let (mut reader, _writer) = split_with(&script, &mut buffer);
    assert_eq!(reader.limit(), 8);
    assert_eq!(block_on(reader.readline()).unwrap(), b"1234567\n");
    assert!(matches!(block_on(reader.readline()), Err(ReadError::LimitExceeded { limit: 8 })));
    assert_eq!(reader.buffered(), b"12345678");
    // More than the buffer holds cannot be allowed, less can.
    assert!(matches!(block_on(reader.readline().limit(100)), Err(ReadError::LimitExceeded { limit: 8 })));
    assert!(matches!(block_on(reader.readuntil(b"\n").limit(5)), Err(ReadError::LimitExceeded { limit: 5 })));
    assert!(matches!(block_on(reader.readexactly(9).limit(100)), Err(ReadError::LimitExceeded { limit: 8 })));
    assert!(matches!(block_on(reader.fill_more()), Err(ReadError::LimitExceeded { limit: 8 })));
    reader.set_limit(100);
    assert_eq!(reader.limit(), 8);
    assert!(block_on(reader.skip_until(b"\n")).unwrap());
    assert_eq!(block_on(reader.readline()).unwrap(), b"next\n");
}

#[test]
fn the_whole_buffer_is_used_wherever_its_bytes_are() {
    // After two bytes were consumed, eight more only fit if the rest moves to the start.
    let script = Script::reading([bytes("a\nbcdefgh"), bytes("ij\n")]);
    let mut buffer = [0; 8];
    let (mut reader, _writer) = split_with(&script, &mut buffer);
    assert_eq!(block_on(reader.readline()).unwrap(), b"a\n");
    assert_eq!(block_on(reader.readexactly(8)).unwrap(), b"bcdefghi");
    assert_eq!(block_on(reader.readline()).unwrap(), b"j\n");
}

#[test]
fn a_stream_that_ends_too_early_leaves_its_bytes_in_the_buffer() {
    let script = Script::reading([bytes("abc"), BLOCK_READ, bytes("de")]);
    let mut buffer = [0; 8];
    let (mut reader, _writer) = split_with(&script, &mut buffer);
    let result = block_on(reader.readexactly(6)).map(<[u8]>::to_vec);
    assert_incomplete(result, &reader, b"abcde");
    let result = block_on(reader.readuntil(b"!")).map(<[u8]>::to_vec);
    assert_incomplete(result, &reader, b"abcde");
    assert_eq!(block_on(reader.readexactly(5)).unwrap(), b"abcde");
    let error: io::Error = block_on(reader.readexactly(1)).unwrap_err().into();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn the_end_is_told_from_too_much_by_one_byte() {
    for (data, limit, expected) in
        [("1234567", 100, Ok("1234567")), ("12345678", 100, Err(7)), ("1234", 3, Err(3)), ("123", 3, Ok("123")), ("", 3, Ok(""))]
    {
        let script = Script::reading([bytes(data)].into_iter().filter(|_| !data.is_empty()));
        let mut buffer = [0; 8];
        let (mut reader, _writer) = split_with(&script, &mut buffer);
        match block_on(reader.read_to_end(limit)) {
            Ok(all) => assert_eq!(Ok(all), expected.map(str::as_bytes)),
            Err(ReadError::LimitExceeded { limit }) => assert_eq!(Err(limit), expected),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_delimiter_that_does_not_fit_in_the_buffer_is_refused() {
    let script = Script::reading([bytes("abcdefgh")]);
    let mut buffer = [0; 4];
    let (mut reader, _writer) = split_with(&script, &mut buffer);
    assert_eq!(block_on(reader.skip_until(b"abcde")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(matches!(block_on(reader.readuntil(b"abcde")), Err(ReadError::LimitExceeded { limit: 4 })));
    assert!(block_on(reader.skip_until(b"defg")).unwrap());
    assert_eq!(block_on(reader.readline()).unwrap(), b"h");
}

#[test]
#[should_panic(expected = "a buffer of 0 bytes")]
fn an_empty_buffer_is_refused() {
    LentReader::over(&Script::default(), &mut []);
}

#[test]
#[should_panic(expected = "more bytes than are buffered")]
fn no_more_is_consumed_than_there_is() {
    let script = Script::reading([bytes("abc")]);
    let mut buffer = [0; 8];
    let (mut reader, _writer) = split_with(&script, &mut buffer);
    assert_eq!(block_on(reader.fill_more()).unwrap(), 3);
    reader.consume(4);
}

#[test]
fn the_halves_leave_the_transport_open_and_another_pair_goes_on() {
    let script = Script::reading([bytes("one\n"), bytes("two\n")]);
    for line in ["one\n", "two\n"] {
        let mut buffer = [0; 8];
        let (mut reader, mut writer) = split_with(&script, &mut buffer);
        assert_eq!(block_on(reader.readline()).unwrap(), line.as_bytes());
        block_on(writer.awritestr(line)).unwrap();
    }
    assert_eq!(*script.written.borrow(), b"one\ntwo\n");
    // A writer alone.
    block_on(StreamWriter::over(&script).awrite(b"!")).unwrap();
    assert_eq!(*script.written.borrow(), b"one\ntwo\n!");
}

// AW-5, AW-9.
#[test]
fn writes_go_on_at_the_right_byte_and_tell_how_far_they_got() {
    let script = Script::writing([accept(2), BLOCK_WRITE, accept(3), BLOCK_READ, accept(1), accept(4), accept(1)]);
    let mut writer = LentWriter::over(&script);
    let mut write = writer.awrite(b"abcdef");
    assert!(poll_once(&mut write).is_pending());
    assert_eq!(write.written(), 2);
    drop(write);
    assert_eq!(writer.written(), 2);
    block_on(writer.awrite(b"cdef")).unwrap();
    block_on(writer.awritev(&[IoSlice::new(b"ghi"), IoSlice::new(b"jklm")])).unwrap();
    block_on(writer.awriteiter([b"no", b"pq"])).unwrap();
    block_on(writer.awrite(b"")).unwrap();
    block_on(writer.write_eof()).unwrap();
    assert_eq!(*script.written.borrow(), b"abcdefghijklmnopq");
    // AW-8.
    assert_eq!(*script.waits.borrow(), [Direction::Write, Direction::Read]);
}

#[test]
fn errors_come_through() {
    let script = Script::writing([accept(0), Step::Fail(io::ErrorKind::BrokenPipe)]);
    script.reads.borrow_mut().extend([bytes("ab"), Step::Fail(io::ErrorKind::InvalidData), bytes("c\n")]);
    let mut buffer = [0; 8];
    let (mut reader, mut writer) = split_with(&script, &mut buffer);
    assert_eq!(block_on(writer.awrite(b"x")).unwrap_err().kind(), io::ErrorKind::WriteZero);
    assert_eq!(block_on(writer.awrite(b"x")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    match block_on(reader.readline()) {
        Err(ReadError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
        other => panic!("{other:?}"),
    }
    // A parity error, for example: what came before and what comes after is not lost.
    assert_eq!(block_on(reader.readline()).unwrap(), b"abc\n");
}

#[test]
fn a_stream_that_always_has_bytes_lets_others_run() {
    let operations = uasyncio_core::run(async {
        let others_ran = Rc::new(Cell::new(false));
        let flag = others_ran.clone();
        uasyncio_core::spawn(async move { flag.set(true) });
        let script = Script::reading([bytes(vec![b'x'; 1_000])]);
        let mut buffer = [0; 16];
        let mut reader = LentReader::over(&script, &mut buffer);
        let mut operations = 0;
        while !others_ran.get() {
            assert_eq!(reader.readexactly(1).await.unwrap(), b"x");
            operations += 1;
        }
        operations
    });
    assert!((100..=129).contains(&operations), "{operations}");
}

#[test]
fn the_parts_are_a_few_words() {
    const WORD: usize = size_of::<usize>();
    assert_eq!(size_of::<LentReader<'_, Script>>(), 6 * WORD);
    assert_eq!(size_of::<LentWriter<'_, Script>>(), WORD + size_of::<u64>());
    assert_eq!(size_of::<ReadLine<'_, Script, Lent<'_>>>(), 3 * WORD);
    assert_eq!(size_of::<ReadUntil<'_, Script, Lent<'_>>>(), 5 * WORD);
    assert_eq!(size_of::<AWrite<'_, Script, Lent<'_>>>(), 4 * WORD);
    #[cfg(not(feature = "std"))]
    assert_eq!(size_of::<io::Error>(), 1);
}

#[test]
fn debug_shows_what_is_buffered() {
    let mut wire = Wire::<8>::new();
    let (near, _far) = wire.ends();
    let mut buffer = [0; 4];
    let (reader, writer) = split_with(&near, &mut buffer);
    assert!(format!("{reader:?}").ends_with("buffered: 0, limit: 4 }"));
    assert!(format!("{writer:?}").ends_with("written: 0, unwritten: 0 }"));
}

#[test]
fn a_wire_carries_both_directions_and_waits_when_it_is_full_or_empty() {
    let mut wire = Wire::<10>::new();
    let (near, far) = wire.ends();
    let (mut buffer, mut far_buffer) = ([0; 16], [0; 16]);
    let (mut reader, mut writer) = split_with(&near, &mut buffer);
    let (mut far_reader, mut far_writer) = split_with(&far, &mut far_buffer);
    assert!(poll_once(&mut writer.awrite(b"0123456")).is_ready());
    let (wakes, waker) = Wakes::new();
    let mut context = Context::from_waker(&waker);
    let mut write = writer.awrite(b"789abcdefghijklmn");
    assert!(std::pin::Pin::new(&mut write).poll(&mut context).is_pending());
    assert_eq!((write.written(), wakes.take()), (3, 0));
    assert_eq!(block_on(far_reader.readexactly(10)).unwrap(), b"0123456789");
    assert_eq!(wakes.take(), 1, "the reader made room");
    assert!(std::pin::Pin::new(&mut write).poll(&mut context).is_pending());
    assert_eq!(block_on(far_reader.readexactly(10)).unwrap(), b"abcdefghij");
    assert!(std::pin::Pin::new(&mut write).poll(&mut context).is_ready());

    let mut line = reader.readline();
    assert!(std::pin::Pin::new(&mut line).poll(&mut context).is_pending());
    wakes.take();
    block_on(far_writer.awrite(b"answer\n")).unwrap();
    assert_eq!(wakes.take(), 1);
    assert!(matches!(std::pin::Pin::new(&mut line).poll(&mut context), Poll::Ready(Ok(b"answer\n"))));
}

// DIF-14.
#[test]
fn a_closed_end_of_a_wire_is_the_end_for_the_other() {
    for drop_it in [true, false] {
        let mut wire = Wire::<16>::new();
        let (near, far) = wire.ends();
        let mut far_buffer = [0; 16];
        let (mut far_reader, mut far_writer) = split_with(&far, &mut far_buffer);
        let mut buffer = [0; 16];
        let (mut reader, mut writer) = split_with(&near, &mut buffer);
        block_on(writer.awrite(b"last words")).unwrap();
        if drop_it {
            drop(near);
        } else {
            block_on(writer.aclose()).unwrap();
            block_on(reader.aclose()).unwrap();
            assert_eq!(block_on(writer.awrite(b"x")).unwrap_err().kind(), io::ErrorKind::NotConnected);
            assert_eq!(block_on(reader.fill_buf()).unwrap_err().kind(), io::ErrorKind::NotConnected);
        }
        assert_eq!(block_on(far_reader.readline()).unwrap(), b"last words");
        assert_eq!(block_on(far_reader.readline()).unwrap(), b"");
        assert_eq!(block_on(far_writer.awrite(b"x")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_wire_begins_anew_with_new_ends() {
    let mut wire = Wire::<16>::default();
    for _ in 0..2 {
        let (near, far) = wire.ends();
        let mut buffer = [0; 8];
        assert!(poll_once(&mut LentReader::over(&far, &mut buffer).readline()).is_pending());
        block_on(LentWriter::over(&near).awrite(b"left behind")).unwrap();
    }
}

/// Polls a new future of the method again and again, each up to `polls` times before it is dropped.
macro_rules! with_cancels {
    ($random:ident, $often:expr, $future:expr) => {
        'issued: loop {
            let mut future = $future;
            let polls = if $often { 1 } else { 1 + $random.below(4) };
            for _ in 0..polls {
                if let Poll::Ready(result) = poll_once(&mut future) {
                    break 'issued result;
                }
            }
        }
    };
}

// N3: buffers of every size, random splits, a cancel at every poll or at random ones, every method: no byte is lost or repeated.
#[test]
fn n3_no_cancel_of_any_read_loses_a_byte() {
    for seed in 0..if cfg!(miri) { 20 } else { 1_000 } {
        let mut random = Random::new(seed);
        let often = seed % 2 == 0;
        let data: Vec<u8> = (0..2_000)
            .map(|_| match random.below(15) {
                0 => b'\n',
                other => b'a' + other as u8,
            })
            .collect();
        let mut steps = Vec::new();
        let mut unsent = &data[..];
        while !unsent.is_empty() {
            let (chunk, later) = unsent.split_at(unsent.len().min(1 + random.below(30)));
            steps.push(bytes(chunk));
            unsent = later;
            match random.below(3) {
                0 => steps.push(BLOCK_READ),
                1 => steps.push(BLOCK_WRITE),
                _ => {}
            }
        }
        let script = Script::reading(steps);
        let size = 1 + random.below(40);
        let mut buffer = vec![0; size];
        let (mut reader, _writer) = split_with(&script, &mut buffer);
        let mut rest = &data[..];
        let line_of = |rest: &[u8]| rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |position| position + 1);
        while !rest.is_empty() {
            let taken = match random.below(5) {
                0 => {
                    let mut target = vec![0; 1 + random.below(60)];
                    let count = with_cancels!(random, often, reader.read(&mut target)).unwrap();
                    assert!(count > 0, "seed {seed}");
                    target.truncate(count);
                    target
                }
                1 => {
                    let count = random.below(size + 1).min(rest.len());
                    let bytes = with_cancels!(random, often, reader.readexactly(count)).unwrap();
                    assert_eq!(bytes.len(), count, "seed {seed}");
                    bytes.to_vec()
                }
                2 => {
                    let line = line_of(rest);
                    match with_cancels!(random, often, reader.readline()) {
                        Ok(bytes) => {
                            assert_eq!(bytes.len(), line, "seed {seed}");
                            bytes.to_vec()
                        }
                        Err(ReadError::LimitExceeded { limit }) => {
                            // With the end of the line, that is, even if what comes is the end of the stream.
                            let length = line + usize::from(!rest[..line].ends_with(b"\n"));
                            assert!(limit == size && length > size, "seed {seed}");
                            with_cancels!(random, often, reader.skip_until(b"\n")).unwrap();
                            rest[..line].to_vec()
                        }
                        Err(error) => panic!("seed {seed}: {error}"),
                    }
                }
                3 => {
                    let bytes = with_cancels!(random, often, reader.fill_buf()).unwrap();
                    let bytes = bytes[..1 + random.below(bytes.len())].to_vec();
                    reader.consume(bytes.len());
                    bytes
                }
                _ => {
                    if reader.buffered().len() < size {
                        with_cancels!(random, often, reader.fill_more()).unwrap();
                    }
                    assert!(rest.starts_with(reader.buffered()), "seed {seed}");
                    Vec::new()
                }
            };
            assert!(rest.starts_with(&taken), "seed {seed}");
            rest = &rest[taken.len()..];
        }
        assert_eq!(block_on(reader.readline()).unwrap(), b"", "seed {seed}");
    }
}

/// What needs the heap works with a lent buffer too.
#[cfg(feature = "alloc")]
mod with_a_heap {
    use super::*;
    use uasyncio_streams::split;

    #[test]
    fn results_may_go_into_a_vec() {
        let script = Script::reading([bytes("one\ntwo\nthree and ")]);
        let mut buffer = [0; 16];
        let (mut reader, _writer) = split_with(&script, &mut buffer);
        let mut target = Vec::new();
        assert_eq!(block_on(reader.readline_into(&mut target)).unwrap(), 4);
        assert_eq!(block_on(reader.readexactly_into(4, &mut target)).unwrap(), 4);
        assert_eq!(target, b"one\ntwo\n");
        assert_eq!(block_on(reader.fill_more()).unwrap(), 2);
        assert_eq!(reader.take_buffered(), b"three and ");
        assert_eq!(reader.buffered(), b"");
    }

    #[test]
    fn a_borrowed_transport_is_a_transport() {
        let script = Script::reading([bytes("one\n")]);
        let (mut reader, mut writer) = split(&script);
        assert_eq!(block_on(reader.readline()).unwrap(), b"one\n");
        block_on(writer.awrite(b"two")).unwrap();
        assert_eq!(*script.written.borrow(), b"two");
    }
}
