//! A command line on the serial port, beside a sensor that a timer's interrupt reads out and an alarm.
//!
//! ```text
//!   TIMER1 ─ThreadSafeFlag─► sensor ─RingbufQueue─► command ◄─► UART (interrupts on both sides)
//!                                                      │ Event
//!                                                      └──────► alarm ──► UART, which the two share by a Lock
//! ```

#![no_std]
#![no_main]

mod command;
mod tasks;
mod text;

use core::pin::pin;

use board::uart::{UART, Uart};
use board::{Clock, interrupt, led, periodic};
use cortex_m_rt::entry;
use uasyncio_core::StaticLoop;
use uasyncio_streams::{LentReader, LentWriter};
use uasyncio_sync::{Event, Lock, RingbufQueue, ThreadSafeFlag};

/// The names of the tasks, in the order in which the loop gets them.
const TASKS: [&str; 3] = ["command", "sensor", "alarm"];

static LOOP: StaticLoop<3> = StaticLoop::new();

/// Set each time a reading is due.
static DUE: ThreadSafeFlag = ThreadSafeFlag::new();
/// How often that is, in microseconds.
const SENSOR_PERIOD: u16 = 50_000;

/// The longest line that may be typed.
const LONGEST_LINE: usize = 48;

/// What the tasks share.
struct Shared {
    clock: Clock,
    readings: RingbufQueue<u16, 4>,
    alarm: Event,
    writer: Lock<LentWriter<'static, Uart>>,
}

impl Shared {
    /// Sends a text, with nobody else's in between.
    async fn say(&self, text: &[u8]) {
        let _ = self.writer.lock().await.awrite(text).await; // a UART does not fail
    }
}

#[entry]
fn main() -> ! {
    led::start();
    let clock = Clock::start();
    UART.start();
    periodic::start(SENSOR_PERIOD);
    let mut line = [0; LONGEST_LINE];
    let reader = LentReader::over(&UART, &mut line);
    let shared = Shared { clock, readings: RingbufQueue::new(), alarm: Event::new(), writer: Lock::new(LentWriter::over(&UART)) };
    LOOP.run_forever(&clock, [pin!(command::serve(reader, &shared)), pin!(tasks::sensor(&shared)), pin!(tasks::alarm(&shared))])
}

#[interrupt]
fn UART0() {
    UART.interrupt();
}

#[interrupt]
fn TIMER1() {
    periodic::acknowledge();
    DUE.set();
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    led::set(0, true); // the first LED says that something went wrong
    loop {
        cortex_m::asm::wfi();
    }
}
