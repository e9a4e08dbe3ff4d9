//! Three LEDs that blink, each at its own rate: the smallest program.

#![no_std]
#![no_main]

use core::pin::pin;

use board::{Clock, led};
use cortex_m_rt::entry;
use uasyncio_core::{StaticLoop, sleep_ms};

static LOOP: StaticLoop<3> = StaticLoop::new();

async fn blink(led: u32, period: u32) {
    loop {
        led::toggle(led);
        sleep_ms(period).await;
    }
}

#[entry]
fn main() -> ! {
    led::start();
    LOOP.run_forever(&Clock::start(), [pin!(blink(0, 250)), pin!(blink(1, 400)), pin!(blink(2, 1000))])
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
