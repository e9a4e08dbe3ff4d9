//! A point in time, however far ahead, on a clock that wraps around.

use core::time::Duration;

use uasyncio_core::Ticks;

/// Milliseconds that one hop is long at most.
const HOP: u64 = 1 << 30;

/// A point in time. What is beyond the next 2^30 ms is reached in hops, so somebody must look at it at least every 24 days.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    next: Ticks,
    beyond: u64,
}

impl Deadline {
    pub(crate) fn after(start: Ticks, millis: u64) -> Deadline {
        let hop = millis.min(HOP);
        Deadline { next: start.wrapping_add(hop as u32), beyond: millis - hop }
    }

    /// The next hop, which is the deadline itself when that is near: when to look again.
    pub(crate) fn next(self) -> Ticks {
        self.next
    }

    /// How long ago the deadline was, in milliseconds, or `None` if it is still to come.
    pub(crate) fn lateness(&mut self, now: Ticks) -> Option<u32> {
        loop {
            let late = u32::try_from(now.diff(self.next)).ok()?;
            if self.beyond == 0 {
                return Some(late);
            }
            *self = Deadline::after(self.next, self.beyond);
        }
    }
}

/// Whole milliseconds, rounded up.
pub(crate) fn millis(duration: Duration) -> u64 {
    let part = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    duration.as_secs().saturating_mul(1_000).saturating_add(part)
}
