//! 8 tasks that sleep again and again.

#![no_std]
#![no_main]

use core::pin::pin;

use board::Clock;
use cortex_m_rt::entry;
use footprint as _;
use uasyncio_core::{StaticLoop, sleep_ms};

static LOOP: StaticLoop<8> = StaticLoop::new();

async fn task() {
    loop {
        sleep_ms(10).await;
    }
}

#[entry]
fn main() -> ! {
    LOOP.run_forever(
        &Clock::start(),
        [pin!(task()), pin!(task()), pin!(task()), pin!(task()), pin!(task()), pin!(task()), pin!(task()), pin!(task())],
    )
}
