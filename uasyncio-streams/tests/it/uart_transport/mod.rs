//! A simulated UART whose interrupts move the bytes: what a microcontroller has as a `static`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use uasyncio_core::{SharedRing, SharedWaker};
use uasyncio_streams::{Direction, Transport, TryError, io};

/// How many bytes either direction holds.
pub(crate) const DEPTH: usize = 16;

#[derive(Debug)]
pub(crate) struct Uart {
    received: SharedRing<u8, DEPTH>,
    readable: SharedWaker,
    to_send: SharedRing<u8, DEPTH>,
    writable: SharedWaker,
    overruns: AtomicUsize,
    closed: AtomicBool,
    /// Called wherever an interrupt could come while the stream looks at the UART.
    in_between: fn(&Uart),
}

impl Uart {
    pub(crate) const fn new() -> Uart {
        Uart::with_interrupts(|_| {})
    }

    pub(crate) const fn with_interrupts(in_between: fn(&Uart)) -> Uart {
        Uart {
            received: SharedRing::new(),
            readable: SharedWaker::new(),
            to_send: SharedRing::new(),
            writable: SharedWaker::new(),
            overruns: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            in_between,
        }
    }

    /// The interrupt when a byte has come. `false`: there was no room, and the byte is lost.
    pub(crate) fn on_received(&self, byte: u8) -> bool {
        let kept = self.received.push(byte).is_ok();
        if !kept {
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
        self.readable.wake();
        kept
    }

    /// The other side of the line, which heeds RTS: it sends all of `bytes` as there is room, and gives what came back, which is
    /// as long as it was told.
    pub(crate) fn converse(&self, mut bytes: &[u8], answer: usize) -> Vec<u8> {
        let mut answered = Vec::with_capacity(answer);
        while !bytes.is_empty() || answered.len() < answer {
            match bytes.split_first() {
                Some((&byte, rest)) if self.received.push(byte).is_ok() => {
                    self.readable.wake();
                    bytes = rest;
                }
                _ => std::thread::yield_now(),
            }
            answered.extend(self.on_sendable());
        }
        answered
    }

    /// The interrupt when a byte may be sent: that byte.
    pub(crate) fn on_sendable(&self) -> Option<u8> {
        let byte = self.to_send.pop();
        self.writable.wake();
        byte
    }

    /// Everything that waits to be sent.
    pub(crate) fn sent(&self) -> Vec<u8> {
        std::iter::from_fn(|| self.on_sendable()).collect()
    }

    pub(crate) fn overruns(&self) -> usize {
        self.overruns.load(Ordering::Relaxed)
    }

    /// Whether somebody waits, or has waited, in this direction. It forgets him.
    pub(crate) fn take_waiter(&self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.readable.take(),
            Direction::Write => self.writable.take(),
        }
        .is_some()
    }

    fn check_open(&self) -> Result<(), TryError> {
        (self.in_between)(self);
        match self.closed.load(Ordering::Acquire) {
            true => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
            false => Ok(()),
        }
    }
}

impl Transport for Uart {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        self.check_open()?;
        let mut count = 0;
        for (place, byte) in buffer.iter_mut().zip(std::iter::from_fn(|| self.received.pop())) {
            *place = byte;
            count += 1;
        }
        (self.in_between)(self);
        if count == 0 { Err(TryError::Blocked(Direction::Read)) } else { Ok(count) }
    }

    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        self.check_open()?;
        let count = data.iter().take_while(|byte| self.to_send.push(**byte).is_ok()).count();
        (self.in_between)(self);
        if count == 0 { Err(TryError::Blocked(Direction::Write)) } else { Ok(count) }
    }

    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        (self.in_between)(self);
        match direction {
            Direction::Read => self.readable.register(cx.waker()),
            Direction::Write => self.writable.register(cx.waker()),
        }
        (self.in_between)(self);
        let ready = self.closed.load(Ordering::Acquire)
            || match direction {
                Direction::Read => !self.received.is_empty(),
                Direction::Write => self.to_send.len() < DEPTH,
            };
        (self.in_between)(self);
        if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn close_write(&self) -> Result<(), TryError> {
        self.check_open()
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.readable.wake();
        self.writable.wake();
    }
}
