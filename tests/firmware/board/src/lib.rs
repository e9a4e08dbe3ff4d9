//! The micro:bit's nRF51 (Cortex-M0, 16 KB RAM, 256 KB flash) as far as the firmware here needs it.
//!
//! `Clock` is the `Platform` of `uasyncio-core`: TIMER0 tells the time and ends the sleep. `Nap` is one for programs without timers.

#![no_std]
#![deny(unsafe_code)]

use core::future::poll_fn;
use core::task::Poll;

#[cfg(feature = "clock")]
mod clock;
#[cfg(feature = "nap")]
#[allow(unsafe_code)]
mod context;
pub mod counter;
#[allow(unsafe_code)]
mod interrupts;
pub mod led;
#[allow(unsafe_code)]
pub mod memory;
#[cfg(feature = "nap")]
mod nap;
#[cfg(feature = "clock")]
#[allow(unsafe_code)]
mod notice;
pub mod periodic;
#[allow(unsafe_code)]
mod registers;
#[allow(unsafe_code)]
pub mod semihosting;
#[cfg(feature = "uart")]
pub mod uart;

#[cfg(feature = "clock")]
pub use clock::Clock;
/// The attribute of an interrupt's handler, and the names that it knows.
pub use cortex_m_rt::interrupt;
#[doc(hidden)]
pub use interrupts::Interrupt as interrupt;
pub use interrupts::Interrupt;
#[cfg(feature = "nap")]
pub use nap::Nap;

/// Lets the other tasks go first, on any executor.
pub async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
