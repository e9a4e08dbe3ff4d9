//! `StreamReader` over a scripted transport and over `duplex`.

use std::future::Future;
use std::task::Poll;

use crate::common::{BLOCK_READ, BLOCK_WRITE, Random, Script, Step, Wakes, block_on, bytes, poll_once};
use uasyncio_streams::read::{FillBuf, Read, ReadExactly, ReadLine, ReadUntil};
use uasyncio_streams::{Direction, Duplex, ReadError, StreamReader, duplex, io, split};

fn reader(steps: impl IntoIterator<Item = Step>) -> StreamReader<Script> {
    split(Script::reading(steps)).0
}

#[test]
fn read_gives_what_there_is_and_then_the_end() {
    let mut reader = reader([bytes("abc"), BLOCK_READ, bytes("defgh")]);
    let mut buffer = [0; 4];
    assert_eq!(block_on(reader.read(&mut buffer)).unwrap(), 3);
    assert_eq!(&buffer[..3], b"abc");
    assert_eq!(block_on(reader.read(&mut buffer)).unwrap(), 4);
    assert_eq!(&buffer, b"defg");
    assert_eq!(block_on(reader.read(&mut buffer)).unwrap(), 1);
    assert_eq!(block_on(reader.read(&mut buffer)).unwrap(), 0);
}

#[test]
fn read_into_an_empty_buffer_touches_nothing() {
    let mut reader = reader([bytes("abc")]);
    assert_eq!(block_on(reader.read(&mut [])).unwrap(), 0);
    assert_eq!(block_on(reader.readexactly(0)).unwrap(), b"");
    assert_eq!(reader.transport().attempts.get(), 0);
}

#[test]
fn read_takes_bytes_read_ahead_first_and_then_reads_past_the_buffer() {
    let mut reader = reader([bytes("line\nrest"), bytes("direct")]);
    assert_eq!(block_on(reader.readline()).unwrap(), b"line\n");
    let mut buffer = [0; 16];
    assert_eq!(block_on(reader.read(&mut buffer)).unwrap(), 4);
    assert_eq!(&buffer[..4], b"rest");
    assert_eq!(block_on(reader.read(&mut buffer)).unwrap(), 6);
    assert_eq!(&buffer[..6], b"direct");
    assert_eq!(reader.buffered(), b"");
}

// Trap 35: "unterminated rest, then empty".
#[test]
fn readline_at_the_end_gives_the_unterminated_rest_and_then_nothing() {
    let mut reader = reader([bytes("one\ntw"), bytes("o")]);
    assert_eq!(block_on(reader.readline()).unwrap(), b"one\n");
    assert_eq!(block_on(reader.readline()).unwrap(), b"two");
    assert_eq!(block_on(reader.readline()).unwrap(), b"");
    assert_eq!(block_on(reader.readline()).unwrap(), b"");
}

// Trap 34.
#[test]
fn the_end_inside_readexactly_is_an_error_with_the_partial_bytes() {
    let mut reader = reader([bytes("abc"), BLOCK_READ, bytes("de")]);
    match block_on(reader.readexactly(6)) {
        Err(ReadError::Incomplete { partial }) => assert_eq!(partial, b"abcde"),
        other => panic!("{other:?}"),
    }
    assert_eq!(block_on(reader.readline()).unwrap(), b"", "asyncio takes the partial bytes out too");
}

#[test]
fn the_end_inside_readuntil_is_an_error_with_the_partial_bytes() {
    let mut reader = reader([bytes("abc\r"), bytes("\r")]);
    match block_on(reader.readuntil(b"\r\n")) {
        Err(ReadError::Incomplete { partial }) => assert_eq!(partial, b"abc\r\r"),
        other => panic!("{other:?}"),
    }
    let error: io::Error = block_on(reader.readuntil(b"\n")).unwrap_err().into();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_delimiter_cut_into_pieces_is_found_and_what_follows_is_kept() {
    let mut reader = reader(["GET", " /\r", "\n", "\r", "\n\r\nbody"].map(bytes));
    assert_eq!(block_on(reader.readuntil(b"\r\n\r\n")).unwrap(), b"GET /\r\n\r\n");
    assert_eq!(reader.buffered(), b"\r\nbody");
}

#[test]
fn the_transports_error_comes_through_and_bytes_before_it_are_kept() {
    let mut reader = reader([bytes("abc"), Step::Fail(io::ErrorKind::ConnectionReset)]);
    match block_on(reader.readline()) {
        Err(ReadError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.buffered(), b"abc");
    assert_eq!(block_on(reader.readexactly(3)).unwrap(), b"abc");
}

// AW-8, the reading side: a TLS-like wrapper must write before it can read.
#[test]
fn aw_8_a_read_that_wants_to_write_waits_for_that_direction() {
    let mut reader = reader([BLOCK_WRITE, BLOCK_READ, bytes("abc\n")]);
    assert_eq!(block_on(reader.readline()).unwrap(), b"abc\n");
    assert_eq!(*reader.transport().waits.borrow(), [Direction::Write, Direction::Read]);
}

// N14: 10 MB without a newline against 256 bytes, constant memory, and on to the next line.
#[test]
fn n14_a_line_over_the_limit_is_an_error_and_the_stream_goes_on_after_it() {
    let endless = vec![b'x'; 100_000];
    let steps = (0..100).map(|_| bytes(&endless)).chain([bytes("\nnext\n")]);
    let mut reader = reader(steps);
    reader.set_limit(256);
    match block_on(reader.readline()) {
        Err(ReadError::LimitExceeded { limit: 256 }) => {}
        other => panic!("{other:?}"),
    }
    let attempts = reader.transport().attempts.get();
    assert_eq!(attempts, 1, "the limit is seen as soon as it is exceeded");
    // Nothing was taken: asking again gives the same answer, without reading.
    assert!(matches!(block_on(reader.readuntil(b"\n")), Err(ReadError::LimitExceeded { .. })));
    assert_eq!(reader.transport().attempts.get(), attempts);
    assert!(reader.buffered().len() <= 8192);
    assert!(reader.buffered().iter().all(|&byte| byte == b'x'));
    assert!(block_on(reader.skip_until(b"\n")).unwrap());
    assert_eq!(block_on(reader.readline()).unwrap(), b"next\n");
}

#[test]
fn a_result_may_be_as_long_as_the_limit_and_no_longer() {
    let mut reader = reader([bytes("1234567\n12345678\n")]);
    assert_eq!(block_on(reader.readline().limit(8)).unwrap(), b"1234567\n");
    assert!(matches!(block_on(reader.readline().limit(8)), Err(ReadError::LimitExceeded { limit: 8 })));
    assert_eq!(block_on(reader.readline().limit(9)).unwrap(), b"12345678\n");
}

#[test]
fn readexactly_above_the_limit_reads_nothing() {
    let mut reader = reader([bytes(vec![1; 100_000])]);
    assert!(matches!(block_on(reader.readexactly(70_000)), Err(ReadError::LimitExceeded { limit: 65_536 })));
    assert_eq!(reader.transport().attempts.get(), 0);
    assert_eq!(block_on(reader.readexactly(70_000).limit(70_000)).unwrap().len(), 70_000);
    assert_eq!(block_on(reader.readexactly(30_000)).unwrap().len(), 30_000);
}

#[test]
fn skip_until_keeps_what_follows_and_tells_of_the_end() {
    let mut reader = reader(["aaab", "aab", "cc", "xxaa"].map(bytes));
    assert!(block_on(reader.skip_until(b"aabc")).unwrap());
    assert_eq!(reader.buffered(), b"c");
    assert!(!block_on(reader.skip_until(b"aab")).unwrap());
    assert_eq!(reader.buffered(), b"");
}

#[test]
fn the_into_methods_append_only_on_success() {
    let mut reader = reader([bytes("ab\ncd|efgh"), BLOCK_READ, bytes("i")]);
    let mut target = b">".to_vec();
    assert_eq!(block_on(reader.readline_into(&mut target)).unwrap(), 3);
    assert_eq!(block_on(reader.readuntil_into(b"|", &mut target)).unwrap(), 3);
    assert_eq!(block_on(reader.readexactly_into(2, &mut target)).unwrap(), 2);
    assert!(block_on(reader.readexactly_into(4, &mut target)).is_err());
    assert_eq!(target, b">ab\ncd|ef");
}

#[test]
fn a_parser_looks_at_the_buffer_in_place() {
    let mut reader = reader([bytes("GET"), bytes(" /"), bytes("\n"), BLOCK_READ]);
    assert_eq!(block_on(reader.fill_more()).unwrap(), 3);
    assert_eq!(block_on(reader.fill_more()).unwrap(), 2);
    assert_eq!(reader.buffered(), b"GET /");
    reader.consume(4);
    assert_eq!(block_on(reader.fill_buf()).unwrap(), b"/", "what is there comes first");
    assert_eq!(block_on(reader.fill_more()).unwrap(), 1);
    assert_eq!(reader.buffered(), b"/\n");
    assert_eq!(block_on(reader.fill_more()).unwrap(), 0, "the end");
    assert_eq!(reader.buffered(), b"/\n");
    reader.set_limit(2);
    assert!(matches!(block_on(reader.fill_more()), Err(ReadError::LimitExceeded { limit: 2 })));
}

#[test]
#[should_panic(expected = "cannot consume 3 bytes: only 2 are buffered")]
fn consuming_more_than_there_is_panics() {
    let mut reader = reader([bytes("ab")]);
    block_on(reader.fill_buf()).unwrap();
    reader.consume(3);
}

/// What each method gives for `data`, from a cursor on: the oracle.
struct Oracle<'a> {
    data: &'a [u8],
}

impl<'a> Oracle<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.data.split_at(count.min(self.data.len()));
        self.data = rest;
        taken
    }

    fn until(&self, delimiter: &[u8]) -> Option<usize> {
        self.data.windows(delimiter.len()).position(|window| window == delimiter).map(|at| at + delimiter.len())
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

// N3: random splits, a cancel at every poll or at random ones, every method: no byte is lost or repeated.
#[test]
fn n3_no_cancel_of_any_read_loses_a_byte() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let often = seed % 2 == 0;
        // Seeds of the second kind have long lines, so that buffers grow and move.
        let (length, alphabet) = if seed % 3 == 0 { (40_000, 5_000) } else { (2_000, 40) };
        let data: Vec<u8> = (0..length)
            .map(|_| match random.below(alphabet) {
                0 => b'\n',
                1..=4 => b'|',
                other => b'a' + (other % 26) as u8,
            })
            .collect();
        let mut steps = Vec::new();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let most = if random.below(4) == 0 { 9_000 } else { 30 };
            let chunk = rest.len().min(1 + random.below(most));
            steps.push(bytes(&rest[..chunk]));
            rest = &rest[chunk..];
            match random.below(3) {
                0 => steps.push(BLOCK_READ),
                1 => steps.push(BLOCK_WRITE),
                _ => {}
            }
        }
        let mut reader = reader(steps);
        let mut oracle = Oracle { data: &data };
        let mut target = Vec::new();
        while !oracle.data.is_empty() {
            match random.below(8) {
                0 => {
                    let mut buffer = vec![0; 1 + random.below(300)];
                    let count = with_cancels!(random, often, reader.read(&mut buffer)).unwrap();
                    assert!(count > 0, "seed {seed}");
                    assert_eq!(&buffer[..count], oracle.take(count), "seed {seed}");
                }
                1 => {
                    let count = random.below(500);
                    match with_cancels!(random, often, reader.readexactly(count)) {
                        Ok(bytes) => assert_eq!((bytes, bytes.len()), (oracle.take(count), count), "seed {seed}"),
                        Err(ReadError::Incomplete { partial }) => {
                            assert!(oracle.data.len() < count, "seed {seed}");
                            assert_eq!(partial, oracle.take(count), "seed {seed}");
                        }
                        Err(error) => panic!("seed {seed}: {error}"),
                    }
                }
                2 => {
                    let length = oracle.until(b"\n").unwrap_or(oracle.data.len());
                    let line = with_cancels!(random, often, reader.readline()).unwrap();
                    assert_eq!(line, oracle.take(length), "seed {seed}");
                }
                3 => {
                    let delimiter: &[u8] = [&b"|"[..], b"||", b"a|", b"\n|"][random.below(4)];
                    match with_cancels!(random, often, reader.readuntil(delimiter)) {
                        Ok(bytes) => {
                            let length = oracle.until(delimiter).unwrap();
                            assert_eq!(bytes, oracle.take(length), "seed {seed}");
                        }
                        Err(ReadError::Incomplete { partial }) => {
                            assert_eq!(oracle.until(delimiter), None, "seed {seed}");
                            assert_eq!(partial, oracle.take(usize::MAX), "seed {seed}");
                        }
                        Err(error) => panic!("seed {seed}: {error}"),
                    }
                }
                4 => {
                    target.clear();
                    let length = oracle.until(b"\n").unwrap_or(oracle.data.len());
                    let count = with_cancels!(random, often, reader.readline_into(&mut target)).unwrap();
                    assert_eq!((&target[..], count), (oracle.take(length), length), "seed {seed}");
                }
                5 => {
                    let bytes = with_cancels!(random, often, reader.fill_buf()).unwrap();
                    let count = 1 + random.below(bytes.len());
                    assert_eq!(&bytes[..count], oracle.take(count), "seed {seed}");
                    reader.consume(count);
                }
                6 => {
                    let _ = with_cancels!(random, often, reader.fill_more());
                    let count = reader.buffered().len();
                    assert_eq!(reader.buffered(), &oracle.data[..count], "seed {seed}");
                }
                _ => match with_cancels!(random, often, reader.readline().limit(50)) {
                    Ok(line) => assert_eq!(line, oracle.take(line.len()), "seed {seed}"),
                    Err(ReadError::LimitExceeded { limit: 50 }) => {
                        assert!(oracle.until(b"\n").is_none_or(|length| length > 50), "seed {seed}");
                        let found = with_cancels!(random, often, reader.skip_until(b"\n")).unwrap();
                        assert_eq!(found, oracle.until(b"\n").is_some(), "seed {seed}");
                        oracle.take(oracle.until(b"\n").unwrap_or(usize::MAX));
                    }
                    Err(error) => panic!("seed {seed}: {error}"),
                },
            }
        }
        assert_eq!(block_on(reader.readline()).unwrap(), b"", "seed {seed}");
    }
}

#[test]
fn a_long_line_is_scanned_once_however_it_arrives() {
    // 60 000 single bytes: a scan from the start each time would look at 1 800 000 000 bytes.
    let mut steps: Vec<Step> = (0..60_000).map(|_| bytes("x")).collect();
    steps.push(bytes("\n"));
    let mut reader = reader(steps);
    assert_eq!(block_on(reader.readline()).unwrap().len(), 60_001);
}

#[test]
fn the_futures_are_a_few_words() {
    const WORD: usize = size_of::<usize>();
    assert_eq!(size_of::<Read<'_, Duplex>>(), 3 * WORD);
    assert_eq!(size_of::<FillBuf<'_, Duplex>>(), WORD);
    assert_eq!(size_of::<ReadExactly<'_, Duplex>>(), 3 * WORD);
    assert_eq!(size_of::<ReadLine<'_, Duplex>>(), 3 * WORD);
    assert_eq!(size_of::<ReadUntil<'_, Duplex>>(), 5 * WORD);
    assert_eq!(size_of::<StreamReader<Duplex>>(), 6 * WORD);
}

// Trap 37: a task that waits for the other half does not hang.
#[test]
fn aclose_of_the_writer_wakes_a_waiting_reader_with_an_error() {
    let (near, _far) = duplex(8);
    let (mut reader, mut writer) = split(near);
    let (wakes, waker) = Wakes::new();
    let mut line = reader.readline();
    let mut context = std::task::Context::from_waker(&waker);
    assert!(std::pin::Pin::new(&mut line).poll(&mut context).is_pending());
    block_on(writer.aclose()).unwrap();
    assert_eq!(wakes.take(), 1);
    match block_on(line) {
        Err(ReadError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::NotConnected),
        other => panic!("{other:?}"),
    }
}

/// A naive join asks all of its members in every poll. Those that wait must not use up the budget of those behind them.
#[test]
fn a_task_may_wait_for_more_reads_than_its_budget_has_operations() {
    let woken_reader = uasyncio_core::run(async {
        let (near, mut far): (Vec<_>, Vec<_>) = (0..300).map(|_| duplex(4)).unzip();
        let mut readers: Vec<_> = near.into_iter().map(|end| split(end).0).collect();
        let last = split(far.remove(299)).1;
        let mut writer = Some(last);
        let mut polls = 0;
        std::future::poll_fn(|cx| {
            polls += 1;
            assert!(polls < 10, "the last reader is never asked");
            if let Some(mut writer) = writer.take() {
                uasyncio_core::spawn(async move { writer.awrite(b"x").await.unwrap() });
            }
            for (index, reader) in readers.iter_mut().enumerate() {
                let mut byte = [0];
                if std::pin::Pin::new(&mut reader.read(&mut byte)).poll(cx).is_ready() {
                    return Poll::Ready(index);
                }
            }
            Poll::Pending
        })
        .await
    });
    assert_eq!(woken_reader, 299);
}
