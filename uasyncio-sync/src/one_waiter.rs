//! The place of the one task that waits for something from other threads or interrupts.
//!
//! A waiter takes its place when it is polled first and holds it until it is done or dropped. Who finds it taken has made a
//! mistake, and is told so by a panic, rather than taking the wake-ups of the other. Leaving forgets the waker first, so that the
//! next one finds none.

use core::task::{Context, Poll, Waker};

use uasyncio_core::SharedWaker;
use uasyncio_core::budget::refund;
use uasyncio_core::trace::waiting;

/// A flag that anybody may change.
#[derive(Debug)]
pub(crate) struct SharedBool(core::sync::atomic::AtomicBool);

impl SharedBool {
    pub(crate) const fn new() -> SharedBool {
        SharedBool(core::sync::atomic::AtomicBool::new(false))
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(core::sync::atomic::Ordering::Acquire)
    }

    /// Release and acquire: who takes the flag down sees all that was done before each time that it was put up.
    #[cfg(target_has_atomic = "ptr")]
    pub(crate) fn swap(&self, value: bool) -> bool {
        self.0.swap(value, core::sync::atomic::Ordering::AcqRel)
    }

    /// The same where the processor cannot do it in one step.
    #[cfg(not(target_has_atomic = "ptr"))]
    pub(crate) fn swap(&self, value: bool) -> bool {
        critical_section::with(|_| {
            let before = self.get();
            self.0.store(value, core::sync::atomic::Ordering::Release);
            before
        })
    }
}

#[derive(Debug)]
pub(crate) struct OneWaiter {
    taken: SharedBool,
    waker: SharedWaker,
}

impl OneWaiter {
    pub(crate) const fn new() -> OneWaiter {
        OneWaiter { taken: SharedBool::new(), waker: SharedWaker::new() }
    }

    /// Wakes whoever waits. From anywhere; blocks nobody, allocates and frees nothing.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }
}

/// What a future that may have to wait has in it.
#[derive(Debug)]
pub(crate) struct Seat<'w> {
    waiter: &'w OneWaiter,
    held: bool,
}

impl<'w> Seat<'w> {
    pub(crate) fn new(waiter: &'w OneWaiter) -> Seat<'w> {
        Seat { waiter, held: false }
    }

    /// Takes the place, if this has not got it yet.
    #[track_caller]
    pub(crate) fn hold(&mut self, complaint: &'static str) {
        if !self.held {
            assert!(!self.waiter.taken.swap(true), "{complaint}");
            self.held = true;
        }
    }

    /// From now on this one is woken. To be called before the last look at what is waited for.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waiter.waker.register(waker);
    }

    /// Lets the next one wait.
    pub(crate) fn leave(&mut self) {
        if self.held {
            self.held = false;
            let waker = self.waiter.waker.take();
            self.waiter.taken.swap(false);
            drop(waker);
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Tries, registers, and tries again; each success is one operation of the task's budget.
pub(crate) fn poll_with<T>(
    seat: &mut Seat<'_>,
    cx: &mut Context<'_>,
    reason: &'static str,
    mut attempt: impl FnMut() -> Option<T>,
) -> Poll<T> {
    core::task::ready!(crate::turn::poll_proceed(cx));
    let mut result = attempt();
    if result.is_none() {
        seat.register(cx.waker());
        result = attempt();
    }
    match result {
        Some(result) => {
            seat.leave();
            Poll::Ready(result)
        }
        None => {
            refund();
            waiting(reason);
            Poll::Pending
        }
    }
}
