//! What the reactor needs from the operating system: five calls at the level of readiness.
//!
//! ```text
//!   register ──► modify* ──► deregister        one source: before its descriptor is closed
//!   wait ──► next_event*                       one pass of the loop
//!   notifier().wake()                          any thread: ends the present wait, or the next one
//! ```
//!
//! A poller knows nothing of wakers, tasks or timers. It hands out [`Event`]s that carry the [`Key`] of the source;
//! whether the source still exists is for the reactor to check. Nothing here says that readiness comes from epoll:
//! an io_uring poller answers `register` with a multishot `POLL_ADD` and `wait` with `io_uring_enter`.
//!
//! Linux and Android use `epoll`. Everything else uses `portable`, which Linux can be told to use as well, so that the
//! tests can run on it: `RUSTFLAGS='--cfg uasyncio_poller="portable"'`, or `"oneshot"` for a poller without edges.

use std::io;
use std::task::Waker;

#[cfg(unix)]
pub(crate) use std::os::fd::{BorrowedFd as BorrowedSource, OwnedFd as OwnedSource};
#[cfg(windows)]
pub(crate) use std::os::windows::io::{BorrowedSocket as BorrowedSource, OwnedSocket as OwnedSource};

/// The number the operating system gives to an open descriptor or socket.
#[cfg(unix)]
pub(crate) type SourceNumber = std::os::fd::RawFd;
#[cfg(windows)]
pub(crate) type SourceNumber = std::os::windows::io::RawSocket;

#[cfg(all(any(target_os = "linux", target_os = "android"), not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))))]
mod epoll;
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))
))]
pub(crate) use epoll::Epoll as SystemPoller;

#[cfg(any(not(any(target_os = "linux", target_os = "android")), uasyncio_poller = "portable", uasyncio_poller = "oneshot"))]
#[allow(unsafe_code, reason = "registering with `polling` is unsafe; see U12 there")]
mod portable;
#[cfg(any(not(any(target_os = "linux", target_os = "android")), uasyncio_poller = "portable", uasyncio_poller = "oneshot"))]
pub(crate) use portable::Portable as SystemPoller;

/// At most this many events are taken per wait, so that the work of one pass is bounded.
pub(crate) const EVENTS_PER_WAIT: usize = 128;

/// A readiness source of the operating system.
pub(crate) trait Poller: Sized {
    /// The buffer that `wait` fills, made once.
    type Events;

    /// Whether an event says that the peer closed its side. Only then a short read proves that nothing is left.
    const REPORTS_READ_CLOSED: bool;

    /// Whether [`trigger`](Poller::trigger) ever gives [`Trigger::OneShot`].
    const HAS_ONE_SHOT: bool;

    /// Opens the poller.
    fn new() -> io::Result<Self>;

    /// A buffer for [`EVENTS_PER_WAIT`] events.
    fn events() -> Self::Events;

    /// How sources are really reported that were wished to be reported like `wished`.
    fn trigger(&self, wished: Trigger) -> Trigger;

    /// Starts watching a source. What is ready already is reported too.
    fn register(&self, source: BorrowedSource<'_>, key: Key, interests: Interests, trigger: Trigger) -> io::Result<()>;

    /// Changes what a registered source is watched for. What is ready already is reported again.
    fn modify(&self, source: BorrowedSource<'_>, key: Key, interests: Interests, trigger: Trigger) -> io::Result<()>;

    /// Stops watching a source.
    fn deregister(&self, source: BorrowedSource<'_>) -> io::Result<()>;

    /// Waits until something is ready, the notifier is woken, or `timeout` milliseconds passed; may return early.
    fn wait(&self, events: &mut Self::Events, timeout: Option<u32>) -> io::Result<()>;

    /// Takes the next event out of the buffer.
    fn next_event(events: &mut Self::Events) -> Option<Event>;

    /// A waker that ends the present wait, or the next one, from any thread.
    fn notifier(&self) -> Waker;
}

/// When an event is repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trigger {
    /// On each change to ready.
    Edge,
    /// At each wait, as long as the source is ready.
    Level,
    /// Once; then not before the next `modify`.
    OneShot,
}

/// A set of directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interests {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// What happened to a source, as bits that a source keeps in its flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Readiness(pub(crate) u8);

impl Readiness {
    /// Reading makes progress: data, end of stream or an error.
    pub(crate) const READ: u8 = 1;
    /// Writing makes progress: space or an error.
    pub(crate) const WRITE: u8 = 2;
    /// No more data will come after what is there: the peer closed, hung up, or there is an error.
    pub(crate) const READ_CLOSED: u8 = 4;
}

/// One source's news.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) key: Key,
    pub(crate) readiness: Readiness,
}

/// Names a source: its place in the slab and how often the place was given out before.
///
/// The operating system reports events for descriptors that were closed and reused since; the generation tells them
/// apart. Keys fit a `usize`, and none is `usize::MAX`, which stands for the notifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(usize);

impl Key {
    const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
    const INDEX_MASK: usize = (1 << Self::INDEX_BITS) - 1;
    const GENERATION_MASK: u32 = ((usize::MAX >> Self::INDEX_BITS) & u32::MAX as usize) as u32;

    /// No place has this index or a greater one.
    pub(crate) const INDEX_LIMIT: usize = Self::INDEX_MASK;

    #[inline]
    pub(crate) fn new(index: u32, generation: u32) -> Key {
        let generation = (generation & Self::GENERATION_MASK) as usize;
        Key(generation << Self::INDEX_BITS | index as usize)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 & Self::INDEX_MASK
    }

    /// Whether this is a key of that generation of its place.
    #[inline]
    pub(crate) fn is_of(self, generation: u32) -> bool {
        (self.0 >> Self::INDEX_BITS) as u32 == generation & Self::GENERATION_MASK
    }

    #[inline]
    pub(crate) fn from_usize(number: usize) -> Key {
        Key(number)
    }

    #[inline]
    pub(crate) fn to_usize(self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_keeps_place_and_generation_apart_and_is_never_the_notifier() {
        let last = u32::try_from(Key::INDEX_LIMIT - 1).unwrap();
        for (index, generation) in [(0, 0), (0, u32::MAX), (7, 1), (last, 0), (last, u32::MAX)] {
            let key = Key::new(index, generation);
            assert_eq!(key.index(), index as usize);
            assert!(key.is_of(generation) && !key.is_of(generation.wrapping_add(1)));
            assert_eq!(key, Key::from_usize(key.to_usize()));
            assert_ne!(key.to_usize(), usize::MAX);
            assert_ne!(key, Key::new(index, generation.wrapping_add(1)));
        }
    }
}
