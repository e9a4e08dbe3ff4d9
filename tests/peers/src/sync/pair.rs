//! The floor of the rows where two tasks share a lock: one place for the waker of the other one, and no line. It is handed over, as ours is.
//!
//! For no more than two tasks, neither of which is polled before it is woken or gives up waiting.

use super::seam::Locks;
use std::cell::Cell;
use std::future::Future;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

pub struct Pair;

pub struct PairLock {
    /// Held or handed over.
    locked: Cell<bool>,
    waker: Cell<Option<Waker>>,
    value: Cell<u64>,
}

pub struct PairAcquire<'l> {
    lock: &'l PairLock,
    waits: bool,
}

/// Has the value until it goes.
pub struct PairGuard<'l> {
    lock: &'l PairLock,
    value: u64,
}

impl Locks for Pair {
    type Lock = PairLock;
    type Guard<'l> = PairGuard<'l>;

    fn lock() -> PairLock {
        PairLock { locked: Cell::new(false), waker: Cell::new(None), value: Cell::new(0) }
    }

    fn acquire(lock: &PairLock) -> impl Future<Output = PairGuard<'_>> {
        PairAcquire { lock, waits: false }
    }
}

impl<'l> Future for PairAcquire<'l> {
    type Output = PairGuard<'l>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PairGuard<'l>> {
        let lock = self.lock;
        if self.waits || !lock.locked.replace(true) {
            return Poll::Ready(PairGuard { lock, value: lock.value.get() });
        }
        self.waits = true;
        let others = lock.waker.replace(Some(cx.waker().clone()));
        debug_assert!(others.is_none(), "for two tasks only");
        mem::forget(others);
        Poll::Pending
    }
}

impl Drop for PairGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lock.value.set(self.value);
        match self.lock.waker.take() {
            Some(waker) => waker.wake(),
            None => self.lock.locked.set(false),
        }
    }
}

impl Deref for PairGuard<'_> {
    type Target = u64;

    fn deref(&self) -> &u64 {
        &self.value
    }
}

impl DerefMut for PairGuard<'_> {
    fn deref_mut(&mut self) -> &mut u64 {
        &mut self.value
    }
}
