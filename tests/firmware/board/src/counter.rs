//! TIMER0: counts microseconds in 32 bits, and interrupts at one of them.

use crate::interrupts::{self, Interrupt};
use crate::registers::{COMPARE0, TIMER0};

/// A comparison so close ahead, in microseconds, may come too late: it counts as passed.
const TOO_CLOSE: i32 = 2;

/// Lets the counter run, for ever.
pub fn start() {
    TIMER0.bit_mode().write(3); // 32 bits
    TIMER0.prescaler().write(4); // 16 MHz / 2^4
    TIMER0.interrupt_set().write(COMPARE0);
    TIMER0.start().trigger();
    interrupts::enable(Interrupt::TIMER0);
}

/// Microseconds since the start.
pub fn read() -> u32 {
    TIMER0.capture::<1>().trigger();
    TIMER0.compare::<1>().read()
}

/// Lets the interrupt come at `until` in place of what was said before; less than 2^31 microseconds ahead. `false`: that has passed, and no
/// interrupt may come.
pub fn interrupt_at(until: u32) -> bool {
    TIMER0.compare::<0>().write(until);
    until.wrapping_sub(read()) as i32 > TOO_CLOSE
}

/// The interrupt has been seen.
pub fn acknowledge() {
    TIMER0.compared::<0>().write(0);
}
