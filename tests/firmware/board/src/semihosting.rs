//! Talking to the debugger, or to QEMU with `-semihosting`. Without either of them, a call here is a hard fault.

use core::arch::asm;
use core::fmt;

const WRITE0: u32 = 0x04;
const EXIT: u32 = 0x18;
const STOPPED_WELL: usize = 0x2_0026;
const STOPPED_BADLY: usize = 0x2_0023;

fn call(operation: u32, argument: usize) {
    // SAFETY: F4.
    unsafe { asm!("bkpt 0xAB", inout("r0") operation => _, in("r1") argument, options(nostack)) };
}

/// Ends the simulation: exit code 0 if all is well, else 1.
pub fn exit(well: bool) -> ! {
    call(EXIT, if well { STOPPED_WELL } else { STOPPED_BADLY });
    loop {
        cortex_m::asm::wfi();
    }
}

/// Writes text to the debugger's console.
#[derive(Debug)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const PART: usize = 63;
        for part in text.as_bytes().chunks(PART) {
            let mut block = [0; PART + 1]; // the call wants a zero at the end
            block[..part.len()].copy_from_slice(part);
            call(WRITE0, block.as_ptr().expose_provenance());
        }
        Ok(())
    }
}
