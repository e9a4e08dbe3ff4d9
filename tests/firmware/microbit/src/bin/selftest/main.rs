//! Tests that run on the target: tasks, timers on the real clock, what tasks coordinate with, and wakes from interrupts.
//!
//! There is no allocator in this program, so nothing in it allocates: a single allocation would not link.

#![no_std]
#![no_main]

mod harness;
mod interrupts;
mod order;
mod sync;
mod timers;

use board::Clock;
use cortex_m_rt::entry;
use uasyncio_core::StaticLoop;

static LOOP: StaticLoop<8> = StaticLoop::new();

/// So long before its wrap the clock starts, in milliseconds.
const BEFORE_WRAP: u32 = 1_000;

#[entry]
fn main() -> ! {
    let clock = Clock::start_at(BEFORE_WRAP.wrapping_neg());
    timers::tests(clock);
    order::tests(clock);
    sync::tests(clock);
    interrupts::tests(clock);
    harness::finish()
}
