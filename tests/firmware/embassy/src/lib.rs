//! What the programs on embassy share.

#![no_std]

#[cfg(feature = "time")]
mod time_driver;

use board as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
