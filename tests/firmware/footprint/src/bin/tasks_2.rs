//! 2 tasks that wait for ever.

#![no_std]
#![no_main]

use core::future::pending;
use core::pin::pin;

use board::Nap;
use cortex_m_rt::entry;
use footprint as _;
use uasyncio_core::StaticLoop;

static LOOP: StaticLoop<2> = StaticLoop::new();

async fn task() {
    pending().await
}

#[entry]
fn main() -> ! {
    LOOP.run_forever(&Nap, [pin!(task()), pin!(task())])
}
