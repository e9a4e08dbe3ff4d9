//! The waker of one waiter, for whoever wakes it: other threads, interrupts.
//!
//! Two parties meet here. The *waiter* registers its waker and then looks at what it waits for. A *visitor* makes that come
//! true and then wakes. Three bits keep them apart; every change of them is a read-modify-write, with release and acquire:
//!
//! ```text
//! REGISTERING   somebody looks at the slot, and may write it unless WAKING was set before
//! WAKING        somebody looks at the slot, and wakes what is in it
//! AGAIN         a visitor came while WAKING was set: whoever set it wakes once more before leaving
//!
//! register                                         wake
//! 1  set REGISTERING                               1  WAKING is set: set AGAIN, done
//!      was set: wake the waker that was given         REGISTERING is set: done
//! 2  the same waker is there already: leave it        nothing is set: set WAKING
//!    WAKING was not set: replace it                2  wake what is in the slot, by reference
//!    else: wake the waker that was given           3  AGAIN? clear it: 2. Else clear WAKING
//! 3  clear REGISTERING
//! ```
//!
//! * Not lost (U7): the first step of a wake lies before or after the last step of a registration, for both are read-modify-writes
//!   of the same word. If before, the registration has acquired what the visitor wrote, and the waiter, who looks after it,
//!   finds it. If after, the slot holds the waker, and it is woken by this visitor, or by one that is there already and finds
//!   AGAIN, whereby it has acquired what this one wrote. Or another registration is going on or has taken the slot:
//!   then there are two waiters, and the wake is for the later one. A waker that could not be put into the slot, because
//!   it was looked at, was woken.
//! * Never blocked: no step waits for another party. A wake goes round again only for a wake that came meanwhile.
//! * Never dropped: a wake leaves the waker where it is, so that it frees nothing and may be done in an interrupt. What a
//!   registration replaces is dropped by it, when no bit of its own is set any more.
//! * Nested: no bit keeps anybody from running, so a waker may do here what it wants, from inside its own call.
//!
//! The waker with a state of two marks is that of the `futures` crate (`AtomicWaker`), which takes the waker out to wake it;
//! the third mark lets it stay.

use core::fmt;
use core::mem;
use core::task::Waker;

use crate::sync::{AtomicUsize, Ordering, UnsafeCell};

const REGISTERING: usize = 1;
const WAKING: usize = 2;
const AGAIN: usize = 4;

/// Holds the waker of one waiter, to be woken from any thread or interrupt.
///
/// It is what a flag or a queue between threads is made of. The waiter registers, *then* looks at what it waits for; the other
/// side makes that come true, *then* wakes. So no wake is lost, and at worst one comes for nothing.
///
/// It is three words, allocates nothing, and never blocks. There is one waiter: who registers takes the place of the one
/// before. Should two register at the very same time, one of them is woken at once instead, so that it tries again.
///
/// On a target without compare-and-swap it is there with the feature `critical-section`.
///
/// ```
/// use std::future::poll_fn;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::task::Poll;
/// use uasyncio_core::{SharedWaker, run};
///
/// static PRESSED: AtomicBool = AtomicBool::new(false);
/// static WAITER: SharedWaker = SharedWaker::new();
///
/// fn button_interrupt() {
///     PRESSED.store(true, Ordering::Release);
///     WAITER.wake();
/// }
///
/// std::thread::spawn(button_interrupt);
/// run(poll_fn(|cx| {
///     WAITER.register(cx.waker());
///     if PRESSED.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
/// }));
/// ```
pub struct SharedWaker {
    state: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<SharedWaker>() == 3 * size_of::<usize>());

// SAFETY: U15. A `Waker` may be used and dropped on any thread, and the marks keep its replacement apart from its use.
unsafe impl Sync for SharedWaker {}
// SAFETY: U15, as above.
unsafe impl Send for SharedWaker {}

impl SharedWaker {
    /// Nobody waits.
    #[cfg(not(loom))]
    pub const fn new() -> SharedWaker {
        SharedWaker { state: AtomicUsize::new(0), waker: UnsafeCell::new(None) }
    }

    /// Nobody waits.
    #[cfg(loom)]
    pub fn new() -> SharedWaker {
        SharedWaker { state: AtomicUsize::new(0), waker: UnsafeCell::new(None) }
    }

    /// From now on a wake goes to this waker. To be called before the look at what is waited for.
    ///
    /// Nothing is cloned if it is the waker that is there already. The given waker is woken at once if it cannot be stored,
    /// because another thread registers, or wakes another waker here, at this moment. In an interrupt it is out of place: it
    /// may drop the waker that was there before.
    pub fn register(&self, waker: &Waker) {
        let before = self.state.fetch_or(REGISTERING, Ordering::AcqRel);
        if before & REGISTERING != 0 {
            waker.wake_by_ref();
            return;
        }
        let mark = Mark { state: &self.state, bits: REGISTERING };
        // SAFETY: U15. While REGISTERING is set nobody else writes.
        let is_there = unsafe { self.has(waker) };
        let mut replaced = None;
        if !is_there && before & WAKING == 0 {
            let new = waker.clone();
            // SAFETY: U15. REGISTERING was set when WAKING was not, so nobody looks at the slot.
            replaced = self.waker.with_mut(|slot| unsafe { (*slot).replace(new) });
        }
        drop(mark);
        drop(replaced);
        if !is_there && before & WAKING != 0 {
            waker.wake_by_ref();
        }
    }

    /// Wakes the waiter, if there is one. It stays registered.
    ///
    /// May be called from any thread and in interrupts, if the waker may: the waker is woken by reference, and never cloned or
    /// dropped here.
    pub fn wake(&self) {
        let before = self.update(|now| match now {
            0 => WAKING,
            REGISTERING => REGISTERING,
            _ => now | AGAIN,
        });
        if before != 0 {
            return;
        }
        let mark = Mark { state: &self.state, bits: WAKING | AGAIN };
        loop {
            self.waker.with(|slot| {
                // SAFETY: U15. While WAKING is set nobody writes.
                if let Some(waker) = unsafe { &*slot } {
                    waker.wake_by_ref();
                }
            });
            let before = self.update(|now| if now & AGAIN == 0 { now & !WAKING } else { now & !AGAIN });
            if before & AGAIN == 0 {
                break;
            }
        }
        mem::forget(mark);
    }

    /// Forgets the waiter and gives its waker back.
    ///
    /// `None` if there is none, and also if a wake or a registration is going on at this moment, on another thread or around this
    /// call: then the waker stays until the next registration, or until this is dropped.
    pub fn take(&self) -> Option<Waker> {
        self.state.compare_exchange(0, REGISTERING, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        let _mark = Mark { state: &self.state, bits: REGISTERING };
        // SAFETY: U15. REGISTERING was set when WAKING was not, so nobody looks at the slot.
        self.waker.with_mut(|slot| unsafe { (*slot).take() })
    }

    /// Whether this waker is registered. Who finds so need not register it again: every wake that comes goes to it.
    ///
    /// # Safety
    ///
    /// No other thread registers or takes at the same time.
    pub(crate) unsafe fn has(&self, waker: &Waker) -> bool {
        // SAFETY: U15. Nobody writes meanwhile: the caller's promise.
        self.waker.with(|slot| unsafe { (*slot).as_ref() }.is_some_and(|there| there.will_wake(waker)))
    }

    /// Changes the marks, and gives what they were before.
    fn update(&self, change: impl Fn(usize) -> usize) -> usize {
        let mut now = self.state.load(Ordering::Relaxed);
        loop {
            match self.state.compare_exchange_weak(now, change(now), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(before) => return before,
                Err(other) => now = other,
            }
        }
    }
}

impl Default for SharedWaker {
    fn default() -> SharedWaker {
        SharedWaker::new()
    }
}

impl fmt::Debug for SharedWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWaker").finish_non_exhaustive()
    }
}

/// Bits that we have set. They are cleared at the end, also when foreign code panics.
struct Mark<'a> {
    state: &'a AtomicUsize,
    bits: usize,
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.state.fetch_and(!self.bits, Ordering::AcqRel);
    }
}

#[cfg(all(test, loom))]
mod loom_models;
