//! TIMER1: a steady interrupt. Whoever starts it handles [`TIMER1`](crate::Interrupt) and calls [`acknowledge`] there.

use crate::interrupts::{self, Interrupt};
use crate::registers::{COMPARE0, COMPARE0_CLEAR, TIMER1};

/// Lets the interrupt come every so many microseconds, at most 65 535.
pub fn start(microseconds: u16) {
    TIMER1.bit_mode().write(0); // 16 bits
    TIMER1.prescaler().write(4); // 16 MHz / 2^4
    TIMER1.compare::<0>().write(microseconds.into());
    TIMER1.shortcuts().write(COMPARE0_CLEAR);
    TIMER1.interrupt_set().write(COMPARE0);
    TIMER1.clear().trigger();
    TIMER1.start().trigger();
    interrupts::enable(Interrupt::TIMER1);
}

/// No more interrupts until the next start.
pub fn stop() {
    TIMER1.stop().trigger();
}

/// The interrupt has been seen.
pub fn acknowledge() {
    TIMER1.compared::<0>().write(0);
}
