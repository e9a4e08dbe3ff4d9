//! The serial port as a transport of `uasyncio-streams`: interrupts move the bytes between the chip and two small rings.
//!
//! A byte that comes while the ring of received ones is full is lost, and counted.

use core::cell::Cell;
use core::task::{Context, Poll};

use critical_section::{CriticalSection, Mutex};
use uasyncio_core::SharedWaker;
use uasyncio_streams::{Direction, Transport, TryError, io};

use crate::interrupts::{self, Interrupt};
use crate::registers::uart;

const TX_PIN: u32 = 24;
const RX_PIN: u32 = 25;
const BAUD_115200: u32 = 0x01D7_E000;
const ENABLED: u32 = 4;
const RX_READY: u32 = 1 << 2;
const TX_READY: u32 = 1 << 7;

/// How many bytes each ring holds.
const CAPACITY: usize = 64;

/// The serial port; there is one.
pub static UART: Uart = Uart {
    received: Mutex::new(Bytes::new()),
    to_send: Mutex::new(Bytes::new()),
    sending: Mutex::new(Cell::new(false)),
    lost: Mutex::new(Cell::new(0)),
    readable: SharedWaker::new(),
    writable: SharedWaker::new(),
};

/// The type of [`UART`].
#[derive(Debug)]
pub struct Uart {
    received: Mutex<Bytes>,
    to_send: Mutex<Bytes>,
    /// A byte is on its way out: when it has gone there is an interrupt.
    sending: Mutex<Cell<bool>>,
    lost: Mutex<Cell<u32>>,
    readable: SharedWaker,
    writable: SharedWaker,
}

impl Uart {
    /// Starts both directions, at 115 200 baud. Once.
    pub fn start(&self) {
        uart::TX_PIN.write(TX_PIN);
        uart::RX_PIN.write(RX_PIN);
        uart::BAUD_RATE.write(BAUD_115200);
        uart::ENABLE.write(ENABLED);
        uart::INTERRUPT_SET.write(RX_READY | TX_READY);
        uart::START_RX.trigger();
        uart::START_TX.trigger();
        interrupts::enable(Interrupt::UART0);
    }

    /// How many bytes have come and found no room.
    pub fn lost(&self) -> u32 {
        critical_section::with(|section| self.lost.borrow(section).get())
    }

    /// Sends the next byte, if there is one and none is on its way.
    fn send_next(&self, section: CriticalSection<'_>) {
        let sending = self.sending.borrow(section);
        if !sending.get() {
            if let Some(byte) = self.to_send.borrow(section).pop() {
                sending.set(true);
                uart::TX_DATA.write(byte.into());
            }
        }
    }

    /// What whoever uses the port does in its interrupt, [`UART0`](Interrupt).
    pub fn interrupt(&self) {
        while uart::RX_READY.read() != 0 {
            uart::RX_READY.write(0);
            let byte = uart::RX_DATA.read() as u8;
            critical_section::with(|section| {
                if !self.received.borrow(section).push(byte) {
                    let lost = self.lost.borrow(section);
                    lost.set(lost.get().saturating_add(1));
                }
            });
            self.readable.wake();
        }
        if uart::TX_READY.read() != 0 {
            uart::TX_READY.write(0);
            critical_section::with(|section| {
                self.sending.borrow(section).set(false);
                self.send_next(section);
            });
            self.writable.wake();
        }
    }
}

impl Transport for Uart {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        let mut count = 0;
        for place in buffer {
            let Some(byte) = critical_section::with(|section| self.received.borrow(section).pop()) else {
                break;
            };
            *place = byte;
            count += 1;
        }
        if count == 0 { Err(TryError::Blocked(Direction::Read)) } else { Ok(count) }
    }

    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        let mut count = 0;
        for &byte in data {
            let taken = critical_section::with(|section| {
                let taken = self.to_send.borrow(section).push(byte);
                self.send_next(section);
                taken
            });
            if !taken {
                break;
            }
            count += 1;
        }
        if count == 0 { Err(TryError::Blocked(Direction::Write)) } else { Ok(count) }
    }

    /// Registers first and looks afterwards, so that an interrupt in between is not missed.
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let ready = match direction {
            Direction::Read => {
                self.readable.register(cx.waker());
                critical_section::with(|section| self.received.borrow(section).length.get() > 0)
            }
            Direction::Write => {
                self.writable.register(cx.waker());
                critical_section::with(|section| usize::from(self.to_send.borrow(section).length.get()) < CAPACITY)
            }
        };
        if ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn close_write(&self) -> Result<(), TryError> {
        Ok(())
    }

    fn close(&self) {}
}

/// A ring of bytes.
#[derive(Debug)]
struct Bytes {
    bytes: [Cell<u8>; CAPACITY],
    first: Cell<u8>,
    length: Cell<u8>,
}

impl Bytes {
    const fn new() -> Bytes {
        Bytes { bytes: [const { Cell::new(0) }; CAPACITY], first: Cell::new(0), length: Cell::new(0) }
    }

    /// `false`: there is no room.
    fn push(&self, byte: u8) -> bool {
        let length = self.length.get();
        if usize::from(length) == CAPACITY {
            return false;
        }
        self.bytes[usize::from(self.first.get() + length) % CAPACITY].set(byte);
        self.length.set(length + 1);
        true
    }

    fn pop(&self) -> Option<u8> {
        let length = self.length.get().checked_sub(1)?;
        let first = usize::from(self.first.get()) % CAPACITY;
        self.length.set(length);
        self.first.set(((first + 1) % CAPACITY) as u8);
        Some(self.bytes[first].get())
    }
}
