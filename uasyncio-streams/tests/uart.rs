//! Streams over an interrupt-driven UART, as on a microcontroller: a transport that is a `static`, with rings that interrupts fill
//! and empty, and a buffer that is lent. The interrupts are those of another thread, or come at chosen moments.

#[path = "it/common/mod.rs"]
mod common;
#[path = "it/counting_allocator/mod.rs"]
mod counting_allocator;
#[path = "it/uart_transport/mod.rs"]
mod uart_transport;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

use common::{Random, Wakes, block_on, poll_once};
use counting_allocator::allocations;
use uart_transport::{DEPTH, Uart};
use uasyncio_core::{EventLoop, VirtualTime, create_task, get_event_loop, sleep_ms, spawn, yield_now};
use uasyncio_streams::io::{self, IoSlice};
use uasyncio_streams::{Direction, LentReader, LentWriter, ReadError, split_with};

/// Runs it on virtual time, which ends with an error when all tasks wait for what does not come.
fn run<T>(test: impl AsyncFnOnce() -> T) -> T {
    EventLoop::with_platform(VirtualTime::new()).run_until_complete(test()).unwrap()
}

/// The same while another thread does the line's part.
fn run_beside<T>(line: impl FnOnce() + Send, test: impl AsyncFnOnce() -> T) -> T {
    let virtual_time = VirtualTime::new();
    let hold = virtual_time.hold();
    let event_loop = EventLoop::with_platform(virtual_time);
    thread::scope(|scope| {
        scope.spawn(move || {
            line();
            drop(hold);
        });
        event_loop.run_until_complete(test()).unwrap()
    })
}

/// Gives up after so many milliseconds.
async fn within<F: Future>(millis: u32, future: F) -> Option<F::Output> {
    let (mut future, mut end) = (pin!(future), pin!(sleep_ms(millis)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(cx).map(|_| None),
    })
    .await
}

/// Makes the future anew for every poll, and drops it each time: a cancel at every poll.
macro_rules! cancelled_at_every_poll {
    ($future:expr) => {
        loop {
            let mut future = $future;
            if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await {
                break output;
            }
            drop(future);
            // Whom the dropped future has left its waker with wakes this task.
            let mut first = true;
            poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
        }
    };
}

/// Lines of all lengths up to `longest`, each with its `\n`.
fn lines(longest: usize, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let line = |_| (0..random.below(longest)).map(|at| b'a' + (at % 26) as u8).chain([b'\n']).collect();
    (0..count).map(line).collect()
}

const LINES: usize = if cfg!(miri) { 20 } else { 500 };

#[test]
fn lines_come_by_interrupts_and_answers_go_by_interrupts() {
    static UART: Uart = Uart::new();
    let sent = lines(60, LINES);
    let everything = sent.concat();
    let line = || assert_eq!(UART.converse(&everything, everything.len()), everything);
    run_beside(line, async || {
        let mut buffer = [0; 64];
        let (mut reader, mut writer) = split_with(&UART, &mut buffer);
        for expected in &sent {
            let line = reader.readline().await.unwrap();
            assert_eq!(line, expected);
            writer.awrite(line).await.unwrap();
        }
    });
    assert_eq!(UART.overruns(), 0);
}

// N3.
#[test]
fn n3_a_cancel_at_every_poll_loses_and_repeats_no_byte() {
    static UART: Uart = Uart::new();
    let sent = lines(60, LINES);
    let everything = sent.concat();
    let line = || assert_eq!(UART.converse(&everything, 0), b"");
    run_beside(line, async || {
        let mut buffer = [0; 64];
        let mut reader = LentReader::over(&UART, &mut buffer);
        for (number, expected) in sent.iter().enumerate() {
            let (head, last) = expected.split_at(expected.len() - 1);
            match number % 5 {
                0 => assert_eq!(cancelled_at_every_poll!(reader.readline()).unwrap(), expected),
                1 => assert_eq!(cancelled_at_every_poll!(reader.readuntil(b"\n")).unwrap(), expected),
                2 => assert_eq!(cancelled_at_every_poll!(reader.readexactly(expected.len())).unwrap(), expected),
                3 => {
                    assert!(cancelled_at_every_poll!(reader.skip_until(b"\n")).unwrap());
                }
                _ => {
                    let mut place = [0; 60];
                    let mut count = 0;
                    while count < head.len() {
                        count += cancelled_at_every_poll!(reader.read(&mut place[count..head.len()])).unwrap();
                    }
                    assert_eq!(&place[..count], head);
                    assert_eq!(cancelled_at_every_poll!(reader.fill_buf()).unwrap()[0], last[0]);
                    reader.consume(1);
                }
            }
        }
    });
}

thread_local! {
    /// In which of the gaps from now on the interrupt comes.
    static GAPS_LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Whether the moment of the interrupt is now.
fn is_the_moment() -> bool {
    let left = GAPS_LEFT.get();
    GAPS_LEFT.set(left.and_then(|left| left.checked_sub(1)));
    left == Some(0)
}

/// How often the stream looks at the UART before it waits.
const GAPS: usize = 5;

/// Polls for as long as it is woken. Whether it completed.
fn completes<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    let (wakes, waker) = Wakes::new();
    loop {
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return true;
        }
        if wakes.take() == 0 {
            return false;
        }
    }
}

#[test]
fn no_wake_is_lost_whenever_the_interrupt_comes() {
    for gap in 0..2 * GAPS {
        let uart = Uart::with_interrupts(|uart| {
            if is_the_moment() {
                assert!(uart.on_received(b'a') && uart.on_received(b'\n'));
            }
        });
        GAPS_LEFT.set(Some(gap));
        let mut buffer = [0; 8];
        let line_came = completes(LentReader::over(&uart, &mut buffer).readline());
        assert_eq!((line_came, GAPS_LEFT.take().is_none()), (gap < GAPS, gap < GAPS), "gap {gap}");

        let uart = Uart::with_interrupts(|uart| {
            if is_the_moment() {
                assert_eq!(uart.on_sendable(), Some(b'x'));
            }
        });
        let mut writer = LentWriter::over(&uart);
        assert!(completes(writer.awrite(&[b'x'; DEPTH])));
        GAPS_LEFT.set(Some(gap));
        let written = completes(writer.awrite(b"y"));
        assert_eq!((written, GAPS_LEFT.take().is_none()), (gap < GAPS, gap < GAPS), "gap {gap}");
    }
}

// A byte a millisecond, as at 9600 baud.
#[test]
fn a_line_arrives_with_its_last_byte_and_timeouts_lose_nothing() {
    static UART: Uart = Uart::new();
    run(async || {
        spawn(async {
            for &byte in b"temperature\n21.5\n" {
                sleep_ms(1).await;
                UART.on_received(byte);
            }
        });
        let mut buffer = [0; 32];
        let mut reader = LentReader::over(&UART, &mut buffer);
        assert_eq!(reader.readline().await.unwrap(), b"temperature\n");
        assert_eq!(get_event_loop().time().as_millis(), 12);
        // Given up every two milliseconds, and asked for again.
        let mut attempts = 0;
        let line = loop {
            attempts += 1;
            if let Some(line) = within(2, reader.readline()).await {
                break line.unwrap().to_vec();
            }
        };
        assert_eq!((&line[..], attempts), (&b"21.5\n"[..], 3));
        assert_eq!(get_event_loop().time().as_millis(), 17);
    });
}

#[test]
fn an_overrun_costs_the_bytes_that_had_no_room_and_nothing_else() {
    let uart = Uart::new();
    for byte in b"0123456789abcdefghij\n" {
        uart.on_received(*byte);
    }
    assert_eq!(uart.overruns(), 5);
    let mut buffer = [0; 8];
    let mut reader = LentReader::over(&uart, &mut buffer);
    // A line that is longer than the buffer: an error, and on to the next one.
    assert!(matches!(block_on(reader.readline()), Err(ReadError::LimitExceeded { limit: 8 })));
    let mut skip = reader.skip_until(b"\n");
    assert!(poll_once(&mut skip).is_pending());
    for byte in b"\nnext\n" {
        assert!(uart.on_received(*byte));
    }
    assert!(matches!(poll_once(&mut skip), Poll::Ready(Ok(true))));
    assert_eq!(block_on(reader.readline()).unwrap(), b"next\n");
}

#[test]
fn aw_1_aw_5_a_large_write_arrives_whole_and_in_order() {
    static UART: Uart = Uart::new();
    let text = lines(100, LINES).concat();
    let line = || assert_eq!(UART.converse(b"", 2 * text.len()), [&text[..], &text].concat());
    run_beside(line, async || {
        let mut writer = LentWriter::over(&UART);
        writer.awrite(&text).await.unwrap();
        assert_eq!(writer.written(), text.len() as u64);
        let (head, body) = text.split_at(100);
        writer.awritev(&[IoSlice::new(head), IoSlice::new(b""), IoSlice::new(body)]).await.unwrap();
    });
}

#[test]
fn aw_2_neither_reading_nor_writing_allocates() {
    let uart = Uart::new();
    let mut buffer = [0; 16];
    let (mut reader, mut writer) = split_with(&uart, &mut buffer);
    let data = [b'x'; 100 * DEPTH];
    let before = allocations();
    let mut write = writer.awrite(&data);
    for part in 1..=100 {
        assert_eq!(poll_once(&mut write).is_ready(), part == 100);
        assert_eq!(write.written(), part * DEPTH);
        while uart.on_sendable().is_some() {}
    }
    for _ in 0..100 {
        assert!(poll_once(&mut reader.readline()).is_pending());
        assert!(b"a line\n".iter().all(|byte| uart.on_received(*byte)));
        assert!(matches!(poll_once(&mut reader.readline()), Poll::Ready(Ok(b"a line\n"))));
    }
    assert_eq!(allocations() - before, 0);
}

#[test]
fn aw_3_a_write_waits_while_nothing_is_sent_and_other_tasks_run_on() {
    static UART: Uart = Uart::new();
    run(async || {
        spawn(async {
            let mut writer = LentWriter::over(&UART);
            writer.awrite(&[b'x'; DEPTH + 2]).await.unwrap();
            assert_eq!(get_event_loop().time().as_millis(), 1_001);
            writer.awrite(b"the end").await.unwrap();
        });
        sleep_ms(1_000).await;
        // One byte makes room for one; a millisecond later there is room for all.
        assert_eq!(UART.on_sendable(), Some(b'x'));
        sleep_ms(1).await;
        assert_eq!(UART.sent().len(), DEPTH);
        sleep_ms(1).await;
        assert_eq!(UART.sent(), b"xthe end");
    });
}

#[test]
fn aw_4_aw_6_what_is_accepted_at_once_waits_for_nothing_and_nothing_is_nothing() {
    let uart = Uart::new();
    let mut writer = LentWriter::over(&uart);
    assert!(matches!(poll_once(&mut writer.awritestr("")), Poll::Ready(Ok(()))));
    assert!(matches!(poll_once(&mut writer.awrite(&b"0123456"[2..4])), Poll::Ready(Ok(()))));
    assert!(!uart.take_waiter(Direction::Write));
    assert_eq!(uart.sent(), b"23");
    assert!(poll_once(&mut writer.awrite(&[0; DEPTH + 1])).is_pending());
    assert!(uart.take_waiter(Direction::Write));
}

#[test]
fn aw_7_pieces_are_taken_as_they_are_written_until_the_first_error() {
    let uart = Uart::new();
    let taken = Cell::new(0);
    let pieces = std::iter::repeat_with(|| {
        taken.set(taken.get() + 1);
        [b'x'; 10]
    });
    let mut writer = LentWriter::over(&uart);
    let mut write = writer.awriteiter(pieces);
    assert!(poll_once(&mut write).is_pending());
    assert_eq!((taken.get(), write.written()), (2, DEPTH as u64));
    uart.sent();
    block_on(LentReader::over(&uart, &mut [0]).aclose()).unwrap();
    assert_eq!(block_on(&mut write).unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(taken.get(), 2);
}

// AW-9: the number of bytes that went is known at every moment.
#[test]
fn aw_9_a_cancel_at_every_poll_of_a_write_loses_and_repeats_nothing() {
    static UART: Uart = Uart::new();
    let text = lines(100, LINES).concat();
    let line = || assert_eq!(UART.converse(b"", text.len()), text);
    run_beside(line, async || {
        let mut writer = LentWriter::over(&UART);
        cancelled_at_every_poll!({
            let rest = &text[writer.written() as usize..];
            writer.awrite(rest)
        })
        .unwrap();
    });
}

// DIF-18, trap 37.
#[test]
fn two_tasks_use_the_two_halves_and_aclose_of_one_ends_the_others_wait() {
    static UART: Uart = Uart::new();
    run(async || {
        let buffer: &'static mut [u8] = Box::leak(Box::new([0; 16]));
        let (mut reader, mut writer) = split_with(&UART, buffer);
        let reading = create_task(async move { reader.readline().await.map(<[u8]>::to_vec) });
        yield_now().await;
        writer.awritestr("ready\n").await.unwrap();
        assert_eq!(UART.sent(), b"ready\n");
        writer.aclose().await.unwrap();
        writer.aclose().await.unwrap();
        match reading.await.unwrap() {
            Err(ReadError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::NotConnected),
            other => panic!("{other:?}"),
        }
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}
