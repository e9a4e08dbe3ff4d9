//! The millisecond clock, and the sleep until a deadline or an interrupt.
//!
//! The [`counter`] counts microseconds in 32 bits and is never stopped. Milliseconds are made of them whenever the loop asks for the time or waits,
//! which must be once in the 71 minutes that the counter takes to come round: each pass of the loop does, and no sleep is
//! longer than a quarter of that.
//!
//! No wake-up is lost: interrupts are held back from the look at the notice until the processor is awake again. One that comes
//! in between ends the `WFI` all the same, and is handled as soon as they are let through.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use core::task::Waker;

use uasyncio_core::{LoopContext, Platform, Ticks};

use crate::{context, counter, interrupt, notice};

/// Microseconds in a millisecond.
const MILLI: u32 = 1_000;
/// The longest sleep, in milliseconds: 2^30 microseconds.
const LONGEST: u32 = (1 << 30) / MILLI;

/// Where the counter was when the present millisecond began, and which one that is. Only the loop touches them.
static BEGAN: AtomicU32 = AtomicU32::new(0);
static MILLIS: AtomicU32 = AtomicU32::new(0);
/// How many times the processor has slept and come back. Only the loop touches it.
static WAKE_UPS: AtomicU32 = AtomicU32::new(0);

/// The platform of a loop on this board.
#[derive(Clone, Copy, Debug)]
pub struct Clock(());

impl Clock {
    /// Starts the clock at so many milliseconds. Once, before the loop runs.
    pub fn start_at(millis: u32) -> Clock {
        MILLIS.store(millis, Relaxed);
        counter::start();
        Clock(())
    }

    /// Starts the clock at zero. Once, before the loop runs.
    pub fn start() -> Clock {
        Clock::start_at(0)
    }

    /// How many times the processor has slept and come back.
    pub fn wake_ups(&self) -> u32 {
        WAKE_UPS.load(Relaxed)
    }
}

fn now() -> u32 {
    let began = BEGAN.load(Relaxed);
    let whole = in_millis(counter::read().wrapping_sub(began));
    BEGAN.store(began.wrapping_add(whole * MILLI), Relaxed);
    let millis = MILLIS.load(Relaxed).wrapping_add(whole);
    MILLIS.store(millis, Relaxed);
    millis
}

/// Divides by a thousand, as one does on paper: the processor cannot, and the compiler's function is ten times as large.
fn in_millis(mut microseconds: u32) -> u32 {
    let mut millis = 0;
    for shift in (0..=MILLI.leading_zeros()).rev() {
        if microseconds >= MILLI << shift {
            microseconds -= MILLI << shift;
            millis |= 1 << shift;
        }
    }
    millis
}

impl Platform for Clock {
    fn now(&self) -> Ticks {
        Ticks::from_millis(now())
    }

    /// Counts from the last reading of the clock, so that it wakes at the very start of a millisecond.
    fn wait(&self, timeout: Option<u32>) {
        if timeout != Some(0) {
            let until = BEGAN.load(Relaxed).wrapping_add(timeout.unwrap_or(LONGEST).min(LONGEST) * MILLI);
            critical_section::with(|_| {
                if counter::interrupt_at(until) && !notice::is_given() {
                    cortex_m::asm::wfi();
                    WAKE_UPS.store(WAKE_UPS.load(Relaxed).wrapping_add(1), Relaxed);
                }
            });
        }
        notice::forget();
        now();
    }

    fn notifier(&self) -> Waker {
        notice::notifier()
    }

    fn loop_context(&self) -> Option<LoopContext> {
        context::outside_interrupts()
    }
}

#[interrupt]
fn TIMER0() {
    // That it came was all that was to be done.
    counter::acknowledge();
}
