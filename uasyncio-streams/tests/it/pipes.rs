//! Streams over pipes, FIFOs, terminals, files and other descriptors.
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::common::Random;
use rustix::event::EventfdFlags;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::pty::OpenptFlags;
use uasyncio_core::{create_task, yield_now};
use uasyncio_io::Reactor;
use uasyncio_streams::{DescriptorTransport, PipeReader, PipeWriter, ReadError, connect_read_pipe, connect_write_pipe, split};

fn pipe() -> (PipeReader, PipeWriter) {
    let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
    (connect_read_pipe(reading).unwrap(), connect_write_pipe(writing).unwrap())
}

fn is_non_blocking(descriptor: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(descriptor).unwrap().contains(OFlags::NONBLOCK)
}

/// A file that is gone when this is dropped.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str) -> TemporaryFile {
        TemporaryFile(std::env::temp_dir().join(format!("uasyncio-pipes-{name}-{}", std::process::id())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Both sides of a terminal: what a person types and sees, and what a program reads and writes.
fn terminal() -> (File, OwnedFd) {
    let person = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    rustix::pty::unlockpt(&person).unwrap();
    let name = rustix::pty::ptsname(&person, Vec::new()).unwrap();
    let program = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    (person.into(), program)
}

/// Lets the other tasks run until they wait, and the loop ask the poller.
async fn turn() {
    let waits = || Reactor::current().unwrap().stats().waits;
    for _ in 0..2 {
        let before = waits();
        while waits() == before {
            yield_now().await;
        }
    }
}

/// Polls a future once and drops it.
async fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await
}

// AW-1, AW-5, T-34: through a pipe of one page.
#[test]
fn aw_1_a_large_write_arrives_whole_through_a_small_pipe() {
    uasyncio_io::run(async {
        let (mut reader, mut writer) = pipe();
        rustix::pipe::fcntl_setpipe_size(writer.transport().try_clone_fd().unwrap(), 4096).unwrap();
        let data: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let expected = data.clone();
        let writing = create_task(async move {
            writer.awrite(&data[..500_000]).await.unwrap();
            let slices: Vec<IoSlice<'_>> = data[500_000..].chunks(333).map(IoSlice::new).collect();
            writer.awritev(&slices).await.unwrap();
            writer.written()
        });
        assert!(reader.read_to_end(2_000_000).await.unwrap() == expected);
        assert_eq!(writing.await.unwrap(), 1_000_000);
    });
}

// AW-3 and AW-9.
#[test]
fn aw_3_a_write_waits_for_the_reader_and_a_cancelled_one_says_how_much_went() {
    uasyncio_io::run(async {
        let (mut reader, mut writer) = pipe();
        let data = vec![7; 200_000];
        let mut write = writer.awrite(&data);
        for _ in 0..10 {
            assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut write).poll(cx))).await.is_pending());
            yield_now().await;
        }
        let written = write.written();
        assert!((1..200_000).contains(&written), "{written}");
        drop(write);
        assert_eq!(writer.written(), written as u64);
        let rest = data[written..].to_vec();
        let finishing = create_task(async move { writer.awrite(&rest).await });
        assert_eq!(reader.read_to_end(200_000).await.unwrap(), data);
        finishing.await.unwrap().unwrap();
    });
}

// N3, trap 35.
#[test]
fn n3_no_cancel_of_any_read_loses_a_byte() {
    uasyncio_io::run(async {
        let (mut reader, mut writer) = pipe();
        let mut random = Random::new(11);
        let data: Vec<u8> = (0..100_000).map(|_| if random.below(50) == 0 { b'\n' } else { b'a' }).collect();
        let sent = data.clone();
        let sending = create_task(async move {
            let mut random = Random::new(12);
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let (chunk, next) = rest.split_at(rest.len().min(1 + random.below(700)));
                writer.awrite(chunk).await.unwrap();
                rest = next;
                if random.below(3) == 0 {
                    yield_now().await;
                }
            }
        });
        let mut received: Vec<u8> = Vec::new();
        while received.len() < data.len() {
            let got = match random.below(2) {
                0 => poll_once(reader.readexactly(1 + received.len() % 500)).await.map_ok(<[u8]>::to_vec),
                _ => poll_once(reader.readline()).await.map_ok(<[u8]>::to_vec),
            };
            match got {
                Poll::Ready(Ok(bytes)) => received.extend(bytes),
                Poll::Ready(Err(ReadError::Incomplete { partial })) => received.extend(partial),
                Poll::Ready(Err(error)) => panic!("{error}"),
                Poll::Pending => yield_now().await,
            }
        }
        assert!(received == data);
        assert_eq!(reader.readline().await.unwrap(), b"");
        sending.await.unwrap();
    });
}

// Traps 27 and 40, T-32.
#[test]
fn t_32_a_pipe_without_a_reader_is_broken_also_for_who_waits() {
    uasyncio_io::run(async {
        let (reader, mut writer) = pipe();
        drop(reader);
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);

        let (reader, mut writer) = pipe();
        let writing = create_task(async move { writer.awrite(&[0; 1_000_000]).await.unwrap_err().kind() });
        turn().await;
        assert!(!writing.done());
        drop(reader);
        assert_eq!(writing.await.unwrap(), io::ErrorKind::BrokenPipe);
    });
}

// Trap 37.
#[test]
fn the_end_comes_when_the_writer_is_dropped_also_for_who_waits() {
    uasyncio_io::run(async {
        let (mut reader, writer) = pipe();
        let reading = create_task(async move { reader.readline().await.unwrap().to_vec() });
        turn().await;
        assert!(!reading.done());
        drop(writer);
        assert_eq!(reading.await.unwrap(), b"");
    });
}

#[test]
fn write_eof_closes_and_says_so_afterwards() {
    uasyncio_io::run(async {
        let (mut reader, mut writer) = pipe();
        writer.awritestr("last words").await.unwrap();
        writer.write_eof().await.unwrap();
        writer.write_eof().await.unwrap();
        assert_eq!(reader.read_to_end(100).await.unwrap(), b"last words");
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        writer.aclose().await.unwrap();

        let (_reader, mut writer) = pipe();
        writer.aclose().await.unwrap();
        assert_eq!(writer.write_eof().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn what_write_has_buffered_goes_before_the_end() {
    uasyncio_io::run(async {
        let (mut reader, mut writer) = pipe();
        let writing = create_task(async move {
            writer.set_write_limit(400_000);
            writer.write(&[b'x'; 300_000]).unwrap();
            assert!(!writer.unwritten().is_empty());
            writer.write_eof().await.unwrap();
        });
        assert_eq!(reader.read_to_end(400_000).await.unwrap().len(), 300_000);
        writing.await.unwrap();
    });
}

#[test]
fn what_is_not_open_for_a_direction_is_refused() {
    uasyncio_io::run(async {
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let kinds = [
            connect_write_pipe(reading.try_clone().unwrap()).unwrap_err().kind(),
            connect_read_pipe(writing.try_clone().unwrap()).unwrap_err().kind(),
            DescriptorTransport::from_fd(reading.try_clone().unwrap()).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [io::ErrorKind::InvalidInput; 3]);
        assert!(!is_non_blocking(&reading) && !is_non_blocking(&writing));
    });
    let (reading, _writing) = rustix::pipe::pipe().unwrap();
    let other = reading.try_clone().unwrap();
    let error = uasyncio_core::run(async { connect_read_pipe(other) }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(!is_non_blocking(reading));
}

#[test]
fn non_blocking_mode_is_shared_and_put_back_if_it_was_not_there() {
    uasyncio_io::run(async {
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let shared = reading.try_clone().unwrap();
        let reader = connect_read_pipe(reading).unwrap();
        assert!(is_non_blocking(&shared));
        drop(reader);
        assert!(!is_non_blocking(&shared));

        let shared = writing.try_clone().unwrap();
        rustix::io::ioctl_fionbio(&shared, true).unwrap();
        let mut writer = connect_write_pipe(writing).unwrap();
        writer.aclose().await.unwrap();
        assert!(is_non_blocking(&shared), "it was there before");
    });
}

// Packets make short reads that say nothing of what comes next.
#[test]
fn a_pipe_of_packets_loses_none() {
    uasyncio_io::run(async {
        let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::DIRECT).unwrap();
        let (mut reader, mut writer) = (connect_read_pipe(reading).unwrap(), connect_write_pipe(writing).unwrap());
        let reading = create_task(async move { reader.read_to_end(1000).await.unwrap().to_vec() });
        for round in 0..20_u8 {
            // Several at a time, while the reader waits in the poller.
            for packet in 0..5 {
                writer.awrite(&[round, packet]).await.unwrap();
            }
            turn().await;
        }
        writer.write_eof().await.unwrap();
        let expected: Vec<u8> = (0..20).flat_map(|round| (0..5).flat_map(move |packet| [round, packet])).collect();
        assert_eq!(reading.await.unwrap(), expected);
    });
}

#[test]
fn a_fifo_has_a_name_and_two_ends() {
    let file = TemporaryFile::new("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &file.0, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    uasyncio_io::run(async {
        // Open for both, because opening one end waits for the other.
        let both = OpenOptions::new().read(true).write(true).open(&file.0).unwrap();
        let mut reader = connect_read_pipe(File::open(&file.0).unwrap()).unwrap();
        let mut writer = connect_write_pipe(both).unwrap();
        writer.awritestr("hello\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        writer.write_eof().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

// Trap 30.
#[test]
fn regular_files_are_always_ready_say_so_and_let_others_run() {
    let file = TemporaryFile::new("file");
    uasyncio_io::run(async {
        let mut writer = connect_write_pipe(File::create(&file.0).unwrap()).unwrap();
        assert!(writer.transport().is_always_ready());
        let data = vec![b'x'; 3_000_000];
        writer.awrite(&data).await.unwrap();
        writer.write_eof().await.unwrap();
        assert!(writer.transport().is_always_ready(), "also when it is closed");

        let descriptor = File::open(&file.0).unwrap();
        let shared = descriptor.try_clone().unwrap();
        let mut reader = connect_read_pipe(descriptor).unwrap();
        assert!(reader.transport().is_always_ready() && !is_non_blocking(shared));
        let length = Rc::new(Cell::new(0));
        let counter = length.clone();
        let reading = create_task(async move {
            while !reader.fill_buf().await.unwrap().is_empty() {
                let count = reader.buffered().len();
                counter.set(counter.get() + count);
                reader.consume(count);
            }
        });
        let mut steps = 0;
        while !reading.done() {
            yield_now().await;
            steps += 1;
        }
        assert_eq!(length.get(), data.len());
        assert!(steps >= 3, "{steps}");

        let (reader, _writer) = pipe();
        assert!(!reader.transport().is_always_ready());
    });
}

#[test]
fn the_null_device_never_waits() {
    uasyncio_io::run(async {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        let (mut reader, mut writer) = split(DescriptorTransport::from_fd(null).unwrap());
        writer.awrite(&[0; 100_000]).await.unwrap();
        assert_eq!(reader.read_to_end(10).await.unwrap(), b"");
    });
}

#[test]
fn an_eventfd_gives_eight_bytes_when_it_is_set() {
    uasyncio_io::run(async {
        let event: OwnedFd = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let (mut reader, mut writer) = split(DescriptorTransport::from_fd(event).unwrap());
        let reading = create_task(async move {
            let mut seen = Vec::new();
            for _ in 0..2 {
                seen.push(u64::from_ne_bytes(reader.readexactly(8).await.unwrap().try_into().unwrap()));
            }
            seen
        });
        for number in [3_u64, 4] {
            turn().await;
            writer.awrite(&number.to_ne_bytes()).await.unwrap();
        }
        assert_eq!(reading.await.unwrap(), [3, 4]);
    });
}

// A terminal gives one line at a time, however many there are: a short read that says nothing of what comes next.
#[test]
fn a_terminal_is_read_and_written() {
    uasyncio_io::run(async {
        let (mut person, program) = terminal();
        let (mut reader, mut writer) = split(DescriptorTransport::from_fd(program).unwrap());
        let reading = create_task(async move {
            let mut lines = Vec::new();
            for _ in 0..4 {
                lines.push(reader.readline().await.unwrap().to_vec());
            }
            (lines, reader)
        });
        turn().await;
        assert!(!reading.done());
        person.write_all(b"one\ntwo\nthree\nfour\n").unwrap();
        let (lines, mut reader) = reading.await.unwrap();
        assert_eq!(lines, [&b"one\n"[..], b"two\n", b"three\n", b"four\n"]);

        // Reading and writing in two tasks. The terminal shows what is typed, and ends its lines in its own way.
        let reading = create_task(async move { reader.readline().await.unwrap().to_vec() });
        writer.awritestr("your name? ").await.unwrap();
        let mut shown = vec![0; "one\r\ntwo\r\nthree\r\nfour\r\nyour name? ".len()];
        person.read_exact(&mut shown).unwrap();
        assert_eq!(shown, b"one\r\ntwo\r\nthree\r\nfour\r\nyour name? ");
        person.write_all(b"ann\n").unwrap();
        assert_eq!(reading.await.unwrap(), b"ann\n");

        assert_eq!(writer.write_eof().await.unwrap_err().kind(), io::ErrorKind::Unsupported);
        writer.awritestr("bye\n").await.unwrap();
        // The person ends the input (control-D): the end of a line without a line.
        let shared = writer.transport().try_clone_fd().unwrap();
        assert!(is_non_blocking(&shared));
        writer.aclose().await.unwrap();
        assert!(!is_non_blocking(&shared));
    });
}
