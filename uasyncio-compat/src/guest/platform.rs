//! A reactor whose loop is ended from its sleep by the host.

use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};

use uasyncio_core::{Platform, SharedWaker, Ticks};
use uasyncio_io::Reactor;

/// The reactor, but for the notifier: it wakes the host's task, which costs no system call on the host's thread.
pub(super) struct Hosted {
    pub(super) reactor: Reactor,
    pub(super) waker: Arc<HostWaker>,
}

/// Whom to wake when a task of ours is woken and no turn is going on.
#[derive(Default)]
pub(super) struct HostWaker {
    waiter: SharedWaker,
}

impl HostWaker {
    pub(super) fn register(&self, waker: &Waker) {
        self.waiter.register(waker);
    }
}

impl Wake for HostWaker {
    fn wake(self: Arc<Self>) {
        self.waiter.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.waiter.wake();
    }
}

impl Platform for Hosted {
    fn now(&self) -> Ticks {
        self.reactor.now()
    }

    fn now_rounded_up(&self) -> Ticks {
        self.reactor.now_rounded_up()
    }

    fn wait(&self, timeout: Option<u32>) {
        self.reactor.wait(timeout);
    }

    fn notifier(&self) -> Waker {
        self.waker.clone().into()
    }

    fn enter(&self) {
        self.reactor.enter();
    }

    fn leave(&self) {
        self.reactor.leave();
    }

    fn pending_io(&self) -> bool {
        self.reactor.pending_io()
    }

    fn closed_world(&self) -> bool {
        self.reactor.closed_world()
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reactor.fmt(f)
    }
}
