//! Sleep without a clock.

use core::task::Waker;

use uasyncio_core::{LoopContext, Platform, Ticks};

use crate::context;

/// A platform for programs without timers: it sleeps until an interrupt comes, and knows no time.
///
/// Only interrupts wake tasks while it sleeps, and the end of one is an event: if it was before the `WFE`, that does not wait.
#[derive(Clone, Copy, Debug)]
pub struct Nap;

impl Platform for Nap {
    fn now(&self) -> Ticks {
        Ticks::from_millis(0)
    }

    fn wait(&self, timeout: Option<u32>) {
        if timeout != Some(0) {
            cortex_m::asm::wfe();
        }
    }

    fn notifier(&self) -> Waker {
        Waker::noop().clone()
    }

    fn needs_notice(&self) -> bool {
        false
    }

    fn loop_context(&self) -> Option<LoopContext> {
        context::outside_interrupts()
    }
}
