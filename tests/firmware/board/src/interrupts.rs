//! The chip's part of the vector table, and the switch of each interrupt.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

/// The interrupts that the firmware may handle, with `#[interrupt]` of `cortex-m-rt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Interrupt {
    /// The serial port.
    UART0 = 2,
    /// The clock's.
    TIMER0 = 8,
    /// The periodic one's.
    TIMER1 = 9,
    /// Free.
    TIMER2 = 10,
}

// SAFETY: F2. The numbers are the chip's, and fixed.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Lets the interrupt through.
pub(crate) fn enable(interrupt: Interrupt) {
    // SAFETY: F2, it has a handler. No critical section here is made by switching a single interrupt off.
    unsafe { NVIC::unmask(interrupt) };
}

type Handler = unsafe extern "C" fn();

// SAFETY: F2. The linker finds these functions, or puts the default handler in their place.
unsafe extern "C" {
    fn UART0();
    fn TIMER0();
    fn TIMER1();
    fn TIMER2();
}

/// The entry of an interrupt that nobody can switch on.
unsafe extern "C" fn never() {}

// SAFETY: F2. `cortex-m-rt` defines this section and this name for the table.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Handler; 11] = [never, never, UART0, never, never, never, never, never, TIMER0, TIMER1, TIMER2];
