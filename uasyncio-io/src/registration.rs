//! A place in a reactor for one descriptor: what `AsyncFd` and the callbacks are made of.

use std::io;
use std::rc::Rc;
use std::task::Context;

use uasyncio_core::trace;

use crate::Interest;
use crate::reactor::{Inner, Reactor};
use crate::source::Source;
use crate::sys::{BorrowedSource, Poller, Trigger};

/// A source and the reactor that watches it. Whoever owns it also owns the descriptor, and calls `deregister` before
/// that closes (U12 in `sys/portable.rs`).
pub(crate) struct Registration {
    source: Rc<Source>,
    reactor: Rc<Inner>,
}

impl Registration {
    /// A place in the current reactor; the operating system hears nothing of it yet.
    pub(crate) fn new(wished: Trigger, ready: bool) -> io::Result<Registration> {
        let reactor = Reactor::current()?.inner;
        let source = reactor.sources.take(reactor.poller.trigger(wished), ready)?;
        Ok(Registration { source, reactor })
    }

    #[inline]
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Tries an operation. "Would block" makes the direction not ready.
    #[inline]
    pub(crate) fn attempt<R>(&self, interest: Interest, mut operation: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        loop {
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.source.clear_ready(interest);
                    return Err(error);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Makes a direction fit for parking.
    pub(crate) fn prepare(&self, interest: Interest, descriptor: BorrowedSource<'_>) -> io::Result<()> {
        if self.source.is_held(interest) { Err(busy()) } else { self.arm(interest, descriptor) }
    }

    /// Parks the waker for the next event of a direction that is not ready, in place of an earlier one.
    #[inline]
    pub(crate) fn park(&self, cx: &mut Context<'_>, interest: Interest) {
        trace::waiting(interest.reason());
        if self.source.park(interest, cx.waker()) {
            self.reactor.parked.set(self.reactor.parked.get() + 1);
        }
    }

    /// Has the poller report the direction, if it does not yet.
    pub(crate) fn arm(&self, interest: Interest, descriptor: BorrowedSource<'_>) -> io::Result<()> {
        let (source, poller) = (&self.source, &self.reactor.poller);
        if source.is_armed(interest) {
            return Ok(());
        }
        let (key, interests, trigger) = (source.key(), source.armed_and(interest), source.trigger());
        self.count_registration();
        let result = if source.is_registered() {
            poller.modify(descriptor, key, interests, trigger)
        } else {
            poller.register(descriptor, key, interests, trigger)
        };
        match result {
            Ok(()) => {
                source.set_armed(interest);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "this descriptor waits in another AsyncFd of the same reactor already: share that one",
            )),
            Err(error) => Err(error),
        }
    }

    /// Takes the descriptor out of the poller. Nothing can be done about an error, and nothing needs to be: the
    /// descriptor was closed behind our back, and left the poller with that.
    pub(crate) fn deregister(&self, descriptor: BorrowedSource<'_>) {
        if self.source.is_registered() {
            self.count_registration();
            let _ = self.reactor.poller.deregister(descriptor);
        }
    }

    /// Wakes who waits for a direction, if anybody does.
    pub(crate) fn wake(&self, interest: Interest) {
        if let Some(waker) = self.source.take_waker(interest) {
            self.reactor.wake(waker);
        }
    }

    /// Forgets who waits for a direction.
    pub(crate) fn forget_waker(&self, interest: Interest) {
        if let Some(waker) = self.source.take_waker(interest) {
            self.reactor.parked.set(self.reactor.parked.get() - 1);
            drop(waker);
        }
    }

    fn count_registration(&self) {
        self.reactor.registrations.set(self.reactor.registrations.get() + 1);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A task may still wait that reaches the descriptor by another way; let it find out that it is gone.
        self.wake(Interest::Read);
        self.wake(Interest::Write);
        self.reactor.sources.give_back(&self.source);
    }
}

/// The error of a second waiter.
pub(crate) fn busy() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "another task waits for this direction of the descriptor already")
}
