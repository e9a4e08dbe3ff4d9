//! Our streams with the traits of embedded-io-async, and drivers under our streams.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use embedded_io_async::{BufRead, ErrorType, Read, ReadExactError, Write};
use uasyncio_compat::embedded_io::{AsEmbedded, FromEmbedded};
use uasyncio_core::{create_task, run, sleep_ms};
use uasyncio_streams::{Direction, Transport, TryError, duplex, split};
use uasyncio_sync::wait_for_ms;

#[test]
fn ours_reads_in_parts_and_to_the_end() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsEmbedded::new(split(near));
        split(far).1.awritestr("hello").await.unwrap();
        let mut buffer = [0; 3];
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(ours.fill_buf().await.unwrap(), b"lo");
        ours.consume(1);
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(ours.fill_buf().await.unwrap(), b"");
        assert!(matches!(ours.read_exact(&mut buffer).await, Err(ReadExactError::UnexpectedEof)));
    });
}

#[test]
fn ours_writes_and_flushes() {
    run(async {
        let (near, far) = duplex(4);
        let mut ours = AsEmbedded::new(split(near).1);
        assert_eq!(ours.write(b"hello").await.unwrap(), 4);
        assert!(wait_for_ms(ours.write(b"o"), 1).await.is_err());
        let reader = create_task(async move { split(far).0.readexactly(5).await.map(<[u8]>::to_vec) });
        ours.write_all(b"o").await.unwrap();
        ours.flush().await.unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), b"hello");
    });
}

/// A UART that takes its time, a few bytes at a time, and would lose what a dropped read had taken.
#[derive(Clone, Default)]
struct Uart {
    line: Rc<RefCell<VecDeque<u8>>>,
    reads: Rc<RefCell<u32>>,
}

#[derive(Debug)]
struct Noise;

impl std::fmt::Display for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("noise on the line")
    }
}

impl std::error::Error for Noise {}

impl embedded_io_async::Error for Noise {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        embedded_io_async::ErrorKind::InvalidData
    }
}

impl ErrorType for Uart {
    type Error = Noise;
}

impl Read for Uart {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Noise> {
        *self.reads.borrow_mut() += 1;
        while self.line.borrow().is_empty() {
            sleep_ms(1).await;
        }
        let first = self.line.borrow_mut().pop_front().unwrap();
        // Taken from the line, and not handed over yet.
        sleep_ms(3).await;
        if first == 0xff {
            return Err(Noise);
        }
        buffer[0] = first;
        Ok(1)
    }
}

impl Write for Uart {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Noise> {
        sleep_ms(1).await;
        let count = data.len().min(3);
        self.line.borrow_mut().extend(&data[..count]);
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), Noise> {
        sleep_ms(1).await;
        Ok(())
    }
}

#[test]
fn a_stream_over_a_driver() {
    run(async {
        let (there, back) = (Uart::default(), Uart::default());
        let (mut reader, mut writer) = split(FromEmbedded::new(back.clone(), there.clone()));
        let (mut far_reader, mut far_writer) = split(FromEmbedded::new(there, back));
        let echo = create_task(async move {
            let line = far_reader.readline().await?.to_vec();
            far_writer.awrite(&line).await
        });
        writer.awritestr("hello\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn a_read_that_is_dropped_loses_nothing_of_a_driver() {
    run(async {
        let uart = Uart::default();
        uart.line.borrow_mut().extend(b"abc\n");
        let (mut reader, _writer) = split(FromEmbedded::new(uart.clone(), uart));
        let mut limits = 0;
        let line = loop {
            match wait_for_ms(reader.readline(), 2).await {
                Ok(line) => break line.unwrap().to_vec(),
                Err(_) => limits += 1,
            }
        };
        assert_eq!(line, b"abc\n");
        assert!(limits > 1);
    });
}

#[test]
fn errors_of_a_driver_come_with_their_kind() {
    run(async {
        let uart = Uart::default();
        uart.line.borrow_mut().extend([0xff, b'x']);
        let (mut reader, mut writer) = split(FromEmbedded::new(uart.clone(), uart.clone()));
        let mut buffer = [0; 4];
        let error = reader.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "noise on the line");
        // The next read goes on.
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(buffer[0], b'x');
        assert_eq!(*uart.reads.borrow(), 2);
        writer.write_eof().await.unwrap();
        assert_eq!(writer.awritestr("more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_write_is_done_when_the_driver_has_flushed_it() {
    run(async {
        let uart = Uart::default();
        let (_reader, mut writer) = split(FromEmbedded::new(uart.clone(), uart.clone()));
        let long = [7; 1_300];
        writer.awrite(&long).await.unwrap();
        assert_eq!(uart.line.borrow().len(), 1_300);
    });
}

#[test]
fn the_halves_come_back_when_nothing_is_going_on() {
    run(async {
        let transport = FromEmbedded::new(Uart::default(), Uart::default());
        assert!(transport.into_inner().is_some());
        let transport = FromEmbedded::new(Uart::default(), Uart::default());
        assert!(matches!(transport.try_read(&mut [0; 4]), Err(TryError::Blocked(Direction::Read))));
        assert!(transport.into_inner().is_none());
    });
}
