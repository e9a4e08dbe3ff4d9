//! epoll, through rustix: one system call per wait, one per notification.
//!
//! Sources are edge-triggered and ask for `RDHUP`, so that an event says whether the peer closed: after a short read
//! from a source that is not closed nothing is left, and the read that would only say "would block" can be saved.
//!
//! The notifier is an eventfd, registered edge-triggered. Each write to it is an edge of its own, so nobody needs to
//! read it: a notification costs the one write. Its counter would overflow after 2^64 - 2 writes.
//!
//! Timeouts are whole milliseconds, which is what the loop counts in. `epoll_wait` counts them in an `i32`; a longer
//! wait ends early, which a wait may always do, and so may one that a signal interrupts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Wake, Waker};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use super::{BorrowedSource, EVENTS_PER_WAIT, Event, Interests, Key, Poller, Readiness, Trigger};

/// The key of the eventfd; no source has it.
const NOTIFIER: u64 = u64::MAX;

/// An epoll instance and its eventfd.
pub(crate) struct Epoll {
    descriptor: OwnedFd,
    notifier: Waker,
}

/// A batch of events, and how far it was handed out.
pub(crate) struct Events {
    list: Vec<epoll::Event>,
    next: usize,
}

impl Poller for Epoll {
    type Events = Events;

    const REPORTS_READ_CLOSED: bool = true;
    const HAS_ONE_SHOT: bool = false;

    fn new() -> io::Result<Epoll> {
        let descriptor = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&descriptor, &counter, EventData::new_u64(NOTIFIER), EventFlags::IN | EventFlags::ET)?;
        Ok(Epoll { descriptor, notifier: Waker::from(Arc::new(Notifier { counter })) })
    }

    fn events() -> Events {
        Events { list: Vec::with_capacity(EVENTS_PER_WAIT), next: 0 }
    }

    fn trigger(&self, wished: Trigger) -> Trigger {
        wished
    }

    fn register(&self, source: BorrowedSource<'_>, key: Key, interests: Interests, trigger: Trigger) -> io::Result<()> {
        Ok(epoll::add(&self.descriptor, source, EventData::new_u64(key.to_usize() as u64), flags(interests, trigger))?)
    }

    fn modify(&self, source: BorrowedSource<'_>, key: Key, interests: Interests, trigger: Trigger) -> io::Result<()> {
        Ok(epoll::modify(&self.descriptor, source, EventData::new_u64(key.to_usize() as u64), flags(interests, trigger))?)
    }

    fn deregister(&self, source: BorrowedSource<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.descriptor, source)?)
    }

    #[inline]
    fn wait(&self, events: &mut Events, timeout: Option<u32>) -> io::Result<()> {
        events.list.clear();
        events.next = 0;
        let timeout = timeout.map(|milliseconds| {
            let milliseconds = milliseconds.min(i32::MAX as u32);
            Timespec { tv_sec: (milliseconds / 1000).into(), tv_nsec: (milliseconds % 1000 * 1_000_000).into() }
        });
        match epoll::wait(&self.descriptor, spare_capacity(&mut events.list), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn next_event(events: &mut Events) -> Option<Event> {
        while let Some(&epoll::Event { flags, data }) = events.list.get(events.next) {
            events.next += 1;
            if data.u64() != NOTIFIER {
                return Some(Event { key: Key::from_usize(data.u64() as usize), readiness: readiness(flags) });
            }
        }
        None
    }

    fn notifier(&self) -> Waker {
        self.notifier.clone()
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What to ask for. Errors and hang-ups are always reported.
fn flags(interests: Interests, trigger: Trigger) -> EventFlags {
    let mut flags = match trigger {
        Trigger::Edge => EventFlags::ET,
        Trigger::Level => EventFlags::empty(),
        Trigger::OneShot => EventFlags::ONESHOT,
    };
    if interests.read {
        flags |= EventFlags::IN | EventFlags::RDHUP;
    }
    if interests.write {
        flags |= EventFlags::OUT;
    }
    flags
}

/// What was reported. An error or a hang-up makes both directions ready: the next operation tells which it is.
#[inline]
fn readiness(flags: EventFlags) -> Readiness {
    if flags == EventFlags::IN {
        return Readiness(Readiness::READ); // The usual one.
    }
    let mut readiness = 0;
    if flags.contains(EventFlags::IN) {
        readiness |= Readiness::READ;
    }
    if flags.contains(EventFlags::OUT) {
        readiness |= Readiness::WRITE;
    }
    if flags.intersects(EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR)) {
        readiness |= Readiness::READ | Readiness::READ_CLOSED;
        if flags.intersects(EventFlags::HUP.union(EventFlags::ERR)) {
            readiness |= Readiness::WRITE;
        }
    }
    Readiness(readiness)
}

/// Ends a wait by writing to the eventfd.
struct Notifier {
    counter: OwnedFd,
}

impl Wake for Notifier {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The counter is full: empty it, then the write succeeds and is a new edge. Nothing else can go wrong with
        // a descriptor of our own, and a waker has nobody to tell.
        while let Err(Errno::AGAIN) = rustix::io::write(&self.counter, &1_u64.to_ne_bytes()) {
            let _ = rustix::io::read(&self.counter, &mut [0; 8]);
        }
    }
}
