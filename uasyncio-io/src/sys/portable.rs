//! The portable poller: the `polling` crate, for kqueue, IOCP, event ports and poll(2).
//!
//! Edge-triggered where the system has edges; else each event is delivered once and the source is armed again when
//! an operation would block. Neither form says that the peer closed, so a short read proves nothing here.
//!
//! # Invariant U12: registered means open
//!
//! A source is registered with a poller only as long as its descriptor is open. Sources come here through `AsyncFd`
//! alone, which owns the `'static` object behind the descriptor; its destructor and `into_inner` deregister before they
//! let go of that object. An `AsyncFd` that is leaked leaks the object with it. So the source is deleted before it is
//! closed, which is what `polling` asks for.
//! What is left to the user is what `AsFd` and `AsSocket` ask of any object: to give the same open descriptor each time.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use polling::PollMode;

use super::{BorrowedSource, EVENTS_PER_WAIT, Event, Interests, Key, Poller, Readiness, Trigger};

/// A poller of the `polling` crate.
pub(crate) struct Portable {
    poller: Arc<polling::Poller>,
    notifier: Waker,
    edge: bool,
}

/// A batch of events, and how far it was handed out.
pub(crate) struct Events {
    buffer: polling::Events,
    /// The same events where they can be counted: `polling` only walks over its own.
    list: Vec<polling::Event>,
    next: usize,
}

impl Poller for Portable {
    type Events = Events;

    const REPORTS_READ_CLOSED: bool = false;
    const HAS_ONE_SHOT: bool = true;

    fn new() -> io::Result<Portable> {
        let poller = Arc::new(polling::Poller::new()?);
        let edge = poller.supports_edge() && !cfg!(uasyncio_poller = "oneshot");
        let notifier = Waker::from(Arc::new(Notifier { poller: poller.clone() }));
        Ok(Portable { poller, notifier, edge })
    }

    fn events() -> Events {
        // The notifier needs a place too, and `polling` does not hand it out.
        let capacity = NonZeroUsize::new(EVENTS_PER_WAIT + 1).unwrap_or(NonZeroUsize::MIN);
        Events { buffer: polling::Events::with_capacity(capacity), list: Vec::with_capacity(capacity.get()), next: 0 }
    }

    fn trigger(&self, wished: Trigger) -> Trigger {
        match wished {
            Trigger::Edge if self.edge => Trigger::Edge,
            _ => Trigger::OneShot,
        }
    }

    fn register(&self, source: BorrowedSource<'_>, key: Key, interests: Interests, trigger: Trigger) -> io::Result<()> {
        // SAFETY: U12.
        unsafe { self.poller.add_with_mode(&source, interest(key, interests), mode(trigger)) }
    }

    fn modify(&self, source: BorrowedSource<'_>, key: Key, interests: Interests, trigger: Trigger) -> io::Result<()> {
        self.poller.modify_with_mode(source, interest(key, interests), mode(trigger))
    }

    fn deregister(&self, source: BorrowedSource<'_>) -> io::Result<()> {
        self.poller.delete(source)
    }

    fn wait(&self, events: &mut Events, timeout: Option<u32>) -> io::Result<()> {
        events.buffer.clear();
        events.list.clear();
        events.next = 0;
        let timeout = timeout.map(|milliseconds| Duration::from_millis(milliseconds.into()));
        match self.poller.wait(&mut events.buffer, timeout) {
            Ok(_) => events.list.extend(events.buffer.iter()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn next_event(events: &mut Events) -> Option<Event> {
        let event = events.list.get(events.next)?;
        events.next += 1;
        let mut readiness = 0;
        if event.readable {
            readiness |= Readiness::READ;
        }
        if event.writable {
            readiness |= Readiness::WRITE;
        }
        if event.is_interrupt() || event.is_err() == Some(true) {
            readiness |= Readiness::READ | Readiness::WRITE | Readiness::READ_CLOSED;
        }
        Some(Event { key: Key::from_usize(event.key), readiness: Readiness(readiness) })
    }

    fn notifier(&self) -> Waker {
        self.notifier.clone()
    }
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "redox",
    target_os = "illumos",
    target_os = "solaris",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    target_vendor = "apple"
))]
impl std::os::fd::AsFd for Portable {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

fn interest(key: Key, interests: Interests) -> polling::Event {
    polling::Event::new(key.to_usize(), interests.read, interests.write)
}

fn mode(trigger: Trigger) -> PollMode {
    match trigger {
        Trigger::Edge => PollMode::Edge,
        Trigger::Level => PollMode::Level,
        Trigger::OneShot => PollMode::Oneshot,
    }
}

/// Ends a wait by the poller's own means.
struct Notifier {
    poller: Arc<polling::Poller>,
}

impl Wake for Notifier {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A waker has nobody to tell of an error, and there is none in a poller that is open.
        let _ = self.poller.notify();
    }
}
