//! Timers without a heap: one list, sorted by deadline.
//!
//! A timer is a [`Node`] inside the future that waits. It goes behind all whose deadline is not later, found from the end, so that
//! equal deadlines stay FIFO and timers of one length, as tasks have them that do the same again and again, are armed in
//! constant time; the worst is a step for each timer. Cancelling is unlinking (U9).
//!
//! Deadlines are compared by their distance to the clock, not to each other: as long as each is at most 2^30 ms ahead of it and less
//! than 2^31 ms behind it, the order is right, on whichever side of the wrap they are.

use crate::Ticks;
use crate::timer_node::{Link, Node, STATIC_ID};

/// How many timers one pass fires.
const TIMERS_PER_PASS: usize = 1024;

/// The timers of one run. It stays where it is from the first time that one is armed until [`detach_all`](TimerList::detach_all).
///
/// Until then its head points at nothing: in a program that arms none, the compiler sees that, and leaves out what fires them.
pub(crate) struct TimerList {
    head: Link,
}

impl TimerList {
    pub(crate) const fn new() -> TimerList {
        TimerList { head: Link::new() }
    }

    /// As [`Timers::arm`](crate::timer_node::Timers::arm).
    pub(crate) fn arm(&self, node: &Node, deadline: Ticks, now: Ticks) {
        if !self.head.is_linked() {
            self.head.close();
        }
        node.set_deadline(deadline);
        node.join(STATIC_ID);
        let distance = deadline.diff(now);
        self.head.insert_behind(node, |other| other.deadline().diff(now) > distance);
    }

    /// Fires what is due, at most [`TIMERS_PER_PASS`], and gives the milliseconds to the next deadline: 0 if something has fired, for that
    /// is to be looked at first. The clock is read if there are timers.
    ///
    /// A waker that panics has fired; the next call goes on behind it.
    pub(crate) fn advance(&self, now: impl FnOnce() -> Ticks) -> Option<u32> {
        let mut node = self.first()?;
        let now = now();
        for fired in 0..TIMERS_PER_PASS {
            let left = node.deadline().diff(now);
            if left > 0 {
                return Some(if fired == 0 { left as u32 } else { 0 });
            }
            if let Some(waker) = node.fire() {
                waker.wake();
            }
            let Some(next) = self.first() else { break };
            node = next;
        }
        Some(0)
    }

    /// Takes all nodes out, before the list goes (U9). Nobody is told: a sleep that outlives the run begins anew when it is polled in another
    /// one.
    pub(crate) fn detach_all(&self) {
        while let Some(node) = self.first() {
            node.detach();
        }
    }

    fn first(&self) -> Option<&Node> {
        if self.head.is_linked() { self.head.front() } else { None }
    }
}

#[cfg(all(test, not(loom), feature = "std"))]
mod tests;
