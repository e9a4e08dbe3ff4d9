//! The two wakers of a TLS session, one for each half, in front of one direction of the transport below.
//!
//! A transport has one place for a waker in each direction, and both halves of a session may want the same direction: the reader
//! has to *write* before the peer goes on with a handshake or a change of keys. So the transport below gets a waker
//! that stands for both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use crate::transport::Direction;

/// Whoever waits in one direction of the transport below.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    slots: Mutex<[Option<Waker>; 2]>,
}

impl Waiters {
    /// Under this lock no foreign code runs: cloning, waking or dropping a waker may do anything.
    fn slots(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `half` waits: the half that reads or that writes.
    pub(super) fn register(&self, half: Direction, waker: &Waker) {
        let old = self.slots()[half as usize].take();
        let new = old.filter(|old| old.will_wake(waker)).unwrap_or_else(|| waker.clone());
        let old = self.slots()[half as usize].replace(new);
        drop(old);
    }

    /// Wakes one half.
    pub(super) fn wake_half(&self, half: Direction) {
        let waker = self.slots()[half as usize].take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_half(Direction::Read);
        self.wake_half(Direction::Write);
    }
}
