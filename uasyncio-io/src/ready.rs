//! Waiting for one direction, by a future that owns its place.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use uasyncio_core::budget;

use crate::interest::source_of;
use crate::registration::busy;
use crate::{AsyncFd, Interest, Pollable};

/// The future of [`AsyncFd::ready`], [`AsyncFd::readable`] and [`AsyncFd::writable`].
///
/// From its first poll that has to wait until it is done or dropped, the direction is its own: another such future, and
/// `poll_ready`, give [`io::ErrorKind::ResourceBusy`].
#[must_use = "futures do nothing unless awaited"]
pub struct Ready<'a, T: Pollable + 'static> {
    descriptor: &'a AsyncFd<T>,
    interest: Interest,
    /// Whether this future holds the direction.
    holds: bool,
}

impl<'a, T: Pollable + 'static> Ready<'a, T> {
    pub(crate) fn new(descriptor: &'a AsyncFd<T>, interest: Interest) -> Ready<'a, T> {
        Ready { descriptor, interest, holds: false }
    }

    fn let_go(&mut self) {
        if self.holds {
            self.holds = false;
            self.descriptor.registration().source().release(self.interest);
        }
    }
}

impl<T: Pollable + 'static> Future for Ready<'_, T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (interest, registration) = (self.interest, self.descriptor.registration());
        let source = registration.source();
        if source.is_held(interest) && !self.holds {
            return Poll::Ready(Err(busy()));
        }
        if source.is_ready(interest) {
            if !self.holds {
                // Ready at once, perhaps each time: let others have their turn now and then.
                ready!(budget::poll_proceed(cx));
            }
            self.let_go();
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = registration.arm(interest, source_of(self.descriptor.get_ref())) {
            self.let_go();
            return Poll::Ready(Err(error));
        }
        if !self.holds {
            source.hold(interest);
            self.holds = true;
            if source.has_other_waker(interest, cx.waker()) {
                // Left by poll_ready. Its task must not wait for ever: it finds out that the direction is taken.
                registration.wake(interest);
            }
        }
        registration.park(cx, interest);
        Poll::Pending
    }
}

impl<T: Pollable + 'static> Drop for Ready<'_, T> {
    fn drop(&mut self) {
        if self.holds {
            self.let_go();
            self.descriptor.registration().forget_waker(self.interest);
        }
    }
}

impl<T: Pollable + 'static> fmt::Debug for Ready<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("interest", &self.interest).finish_non_exhaustive()
    }
}
