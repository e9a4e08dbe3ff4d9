//! Sources: what the reactor remembers of one descriptor, and the slab they live in.
//!
//! # Readiness
//!
//! ```text
//!                        operation says "would block", or drained()
//!            READY ─────────────────────────────────────────────────────► not ready
//!  (a new    ▲   try the operation first                   armed? else     │ poll_ready parks a waker
//!   source)  └─────────────────────────────────────────────────────────────┘
//!                        an event for the direction: sets READY, takes and wakes the waker
//! ```
//!
//! A flag `READY` means "may be ready: try". A new source starts with both, so a descriptor that never has to wait is
//! never registered. The first wait registers it, for the direction that waits; the other direction is added when it
//! waits for the first time. `ARMED` means that the poller will report the direction: with edges for ever, one-shot
//! until the next event. The poller reports what is ready at the moment a direction is armed, so nothing is missed
//! between "would block" and the registration.
//!
//! # Wakers
//!
//! One slot a direction. An event *takes* the waker, so a fired registration never keeps a task that has gone on.
//! `HELD` says that a `readable()` or `writable()` future owns the slot; nobody else may use it until the future is
//! done or dropped. A waker is foreign code: it is called, cloned and dropped only while no slab is borrowed.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Waker;

use crate::Interest;
use crate::sys::{Event, Interests, Key, Poller, Readiness, SystemPoller, Trigger};

/// Bits of a source's flags. The first three are [`Readiness`]; those in pairs are for reading, then for writing.
mod flag {
    use crate::sys::Readiness;

    pub(super) const READY: u16 = Readiness::READ as u16;
    pub(super) const READ_CLOSED: u16 = Readiness::READ_CLOSED as u16;
    pub(super) const ARMED: u16 = 1 << 3;
    pub(super) const HELD: u16 = 1 << 5;
    pub(super) const REGISTERED: u16 = 1 << 7;
    pub(super) const EDGE: u16 = 1 << 8;
    pub(super) const ONE_SHOT: u16 = 1 << 9;

    pub(super) const BOTH_READY: u16 = (Readiness::READ | Readiness::WRITE) as u16;
    pub(super) const BOTH_ARMED: u16 = ARMED | ARMED << 1;
}

/// One descriptor's readiness and who waits for it. Places are recycled, never freed while the reactor lives.
pub(crate) struct Source {
    wakers: [Cell<Option<Waker>>; 2],
    flags: Cell<u16>,
    generation: Cell<u32>,
    index: u32,
    next_free: Cell<u32>,
}

impl Source {
    pub(crate) fn key(&self) -> Key {
        Key::new(self.index, self.generation.get())
    }

    pub(crate) fn trigger(&self) -> Trigger {
        if self.has(flag::EDGE) {
            Trigger::Edge
        } else if self.has(flag::ONE_SHOT) {
            Trigger::OneShot
        } else {
            Trigger::Level
        }
    }

    #[inline]
    fn has(&self, flags: u16) -> bool {
        self.flags.get() & flags != 0
    }

    #[inline]
    fn set(&self, flags: u16) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    fn clear(&self, flags: u16) {
        self.flags.set(self.flags.get() & !flags);
    }

    #[inline]
    pub(crate) fn is_ready(&self, interest: Interest) -> bool {
        self.has(flag::READY << interest as u8)
    }

    #[inline]
    pub(crate) fn clear_ready(&self, interest: Interest) {
        self.clear(flag::READY << interest as u8);
    }

    /// Whether an operation would surely block: not ready, and an event will say when that changes.
    #[inline]
    pub(crate) fn must_wait(&self, interest: Interest) -> bool {
        let flags = self.flags.get() >> interest as u8;
        flags & (flag::READY | flag::ARMED) == flag::ARMED
    }

    /// Whether a waker may be parked right away: an event will come, and no `readable()` future owns the slot.
    #[inline]
    pub(crate) fn may_park(&self, interest: Interest) -> bool {
        let flags = self.flags.get() >> interest as u8;
        flags & (flag::ARMED | flag::HELD) == flag::ARMED
    }

    #[inline]
    pub(crate) fn is_armed(&self, interest: Interest) -> bool {
        self.has(flag::ARMED << interest as u8)
    }

    #[inline]
    pub(crate) fn is_held(&self, interest: Interest) -> bool {
        self.has(flag::HELD << interest as u8)
    }

    pub(crate) fn hold(&self, interest: Interest) {
        self.set(flag::HELD << interest as u8);
    }

    pub(crate) fn release(&self, interest: Interest) {
        self.clear(flag::HELD << interest as u8);
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.has(flag::REGISTERED)
    }

    /// The directions that are armed, and this one.
    pub(crate) fn armed_and(&self, interest: Interest) -> Interests {
        Interests {
            read: self.is_armed(Interest::Read) || interest == Interest::Read,
            write: self.is_armed(Interest::Write) || interest == Interest::Write,
        }
    }

    pub(crate) fn set_armed(&self, interest: Interest) {
        self.set(flag::REGISTERED | flag::ARMED << interest as u8);
    }

    /// Believes that a short read or write left nothing over, where that is sure: whatever comes next is an edge of
    /// its own. Not so after the peer closed or failed, because that edge may have come already.
    #[inline]
    pub(crate) fn drained(&self, interest: Interest) {
        if interest == Interest::Read && !SystemPoller::REPORTS_READ_CLOSED {
            return;
        }
        let armed = flag::EDGE | flag::ARMED << interest as u8;
        if self.flags.get() & (armed | flag::READ_CLOSED) == armed {
            self.clear_ready(interest);
        }
    }

    /// Leaves a waker for the next event. Says whether the slot was empty.
    #[inline]
    pub(crate) fn park(&self, interest: Interest, waker: &Waker) -> bool {
        // The old one is dropped when the slot is in order again: that may run anything.
        self.wakers[interest as usize].replace(Some(waker.clone())).is_none()
    }

    /// Whether a waker is parked that wakes somebody else than `waker` does.
    pub(crate) fn has_other_waker(&self, interest: Interest, waker: &Waker) -> bool {
        let slot = &self.wakers[interest as usize];
        let parked = slot.take();
        let other = parked.as_ref().is_some_and(|parked| !parked.will_wake(waker));
        slot.set(parked);
        other
    }

    #[inline]
    pub(crate) fn take_waker(&self, interest: Interest) -> Option<Waker> {
        self.wakers[interest as usize].take()
    }

    /// Takes note of an event and gives the wakers it is for: the reader's and the writer's.
    #[inline]
    fn notice(&self, readiness: Readiness) -> (Option<Waker>, Option<Waker>) {
        let readiness = u16::from(readiness.0);
        let mut woken = readiness;
        let mut flags = self.flags.get() | readiness;
        if SystemPoller::HAS_ONE_SHOT && flags & flag::ONE_SHOT != 0 {
            // One event disarms both directions, so whoever waits for the other one has to come and arm it again.
            flags &= !flag::BOTH_ARMED;
            woken = flag::BOTH_READY;
        }
        self.flags.set(flags);
        let take = |interest: Interest| {
            if woken & flag::READY << interest as u8 != 0 { self.take_waker(interest) } else { None }
        };
        (take(Interest::Read), take(Interest::Write))
    }
}

/// The end of the list of free places.
const NONE: u32 = u32::MAX;

/// All sources of one reactor. A place that was given back is used again, with its next generation.
pub(crate) struct Sources {
    places: RefCell<Vec<Rc<Source>>>,
    first_free: Cell<u32>,
}

impl Sources {
    pub(crate) const fn new() -> Sources {
        Sources { places: RefCell::new(Vec::new()), first_free: Cell::new(NONE) }
    }

    /// Takes a place. `ready` is what the source is taken for until something is known.
    pub(crate) fn take(&self, trigger: Trigger, ready: bool) -> io::Result<Rc<Source>> {
        let mut places = self.places.borrow_mut();
        let source = match places.get(self.first_free.get() as usize) {
            Some(free) => {
                self.first_free.set(free.next_free.get());
                free.clone()
            }
            None if places.len() < Key::INDEX_LIMIT.min(NONE as usize) => {
                let source = Rc::new(Source {
                    wakers: [const { Cell::new(None) }; 2],
                    flags: Cell::new(0),
                    generation: Cell::new(0),
                    index: places.len() as u32,
                    next_free: Cell::new(NONE),
                });
                places.push(source.clone());
                source
            }
            None => {
                return Err(io::Error::new(io::ErrorKind::OutOfMemory, "too many sources in one reactor: close some"));
            }
        };
        let trigger = match trigger {
            Trigger::Edge => flag::EDGE,
            Trigger::Level => 0,
            Trigger::OneShot => flag::ONE_SHOT,
        };
        source.flags.set(trigger | if ready { flag::BOTH_READY } else { 0 });
        Ok(source)
    }

    /// Gives a place back. Events that are still on their way for it are stale from now on.
    pub(crate) fn give_back(&self, source: &Source) {
        source.generation.set(source.generation.get().wrapping_add(1));
        source.flags.set(0);
        source.next_free.set(self.first_free.get());
        self.first_free.set(source.index);
    }

    /// Finds the source of an event and notes it there. `None`: the source is gone, the event is stale.
    #[inline]
    pub(crate) fn notice(&self, event: Event) -> Option<(Option<Waker>, Option<Waker>)> {
        let places = self.places.borrow();
        let source = places.get(event.key.index())?;
        event.key.is_of(source.generation.get()).then(|| source.notice(event.readiness))
    }
}
