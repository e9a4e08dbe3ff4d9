//! Where the processor is: in the program or in an interrupt.

use uasyncio_core::LoopContext;

use crate::registers::INTERRUPT_STATE;

/// The number of the exception that is being handled, in the register of the interrupts' state; 0: none is.
const ACTIVE: u32 = 0x1FF;

/// The statement that the loop's state may be touched, unless an interrupt is being handled.
pub(crate) fn outside_interrupts() -> Option<LoopContext> {
    let outside = INTERRUPT_STATE.read() & ACTIVE == 0;
    // SAFETY: F3.
    outside.then(|| unsafe { LoopContext::assume() })
}
