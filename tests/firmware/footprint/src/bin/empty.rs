//! Nothing but the start-up code and the vector table: what every program has.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint as _;

#[entry]
fn main() -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
