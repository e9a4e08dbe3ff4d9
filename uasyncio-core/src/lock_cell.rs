//! A value for one at a time, in the order in which they come: what `uasyncio_sync::Lock` is.
//!
//! ```text
//!   LockCell { chain, waker, value }           Acquire { link, waker }
//!
//!   free, nobody waits ── poll ──► locked, with a guard ── its drop, nobody waits ──► free
//!                                   ▲         │ its drop, somebody waits
//!                                   │ poll    ▼
//!                                  locked, with a granted link ── dropped ──► to the next one, or free
//! ```
//!
//! * **Locked** means that there is one guard, or one granted link, which is a guard that was not asked for yet. Invariant U22.
//! * **Somebody waits** only while it is locked, and what was granted is still locked: so nobody overtakes.
//! * **Foreign code runs last.** Whoever is woken is out of the chain, and granted, before. A waker is cloned before its link is in the
//!   chain, and when that is done the lock may be free: so it is looked at again.

use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::marker::PhantomPinned;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use crate::budget::poll_proceed;
use crate::chain::{Chain, Link, State};

/// A value that one at a time may use, in the order in which they came.
///
/// The inside of `uasyncio_sync::Lock`, whose documentation says how it behaves; here for crates that need no more than this. It
/// stays on one thread, allocates nothing, and wakers of any executor will do. It takes four words and the value, rounded up for its alignment.
///
/// ```
/// use uasyncio_core::{LockCell, run};
///
/// run(async {
///     let cell = LockCell::new(1);
///     *cell.lock().await += 1;
///     assert_eq!(cell.into_inner(), 2);
/// });
/// ```
pub struct LockCell<T: ?Sized> {
    line: Line,
    value: UnsafeCell<T>,
}

/// The future of [`LockCell::lock`]: a [`LockCellGuard`].
///
/// Dropping it leaves the line. If the value had been granted to it already, the next one in line gets that.
//
// In this order the future, its link and the link's `next` have one address, which takes one register.
#[must_use = "it locks nothing unless it is awaited"]
#[repr(C)]
pub struct LockCellAcquire<'l, T: ?Sized> {
    link: Waiter,
    cell: &'l LockCell<T>,
    _pinned: PhantomPinned,
}

/// The right to use what is in a [`LockCell`], until it is dropped: then the next one in line has it.
#[must_use = "the value is free again as soon as its guard is dropped"]
pub struct LockCellGuard<'l, T: ?Sized>(&'l LockCell<T>);

/// Holds a waker while it waits and is not the first one.
type Waiter = Link<WakerPlace>;
type WakerPlace = UnsafeCell<MaybeUninit<Waker>>;

/// All but the value.
struct Line {
    /// Off: the value is free. So one word says what there is to know, locked or not and whether somebody waits.
    waiting: Chain<WakerPlace>,
    /// The waker of the first one in line: there it is found sooner than through a pointer.
    next: WakerPlace,
}

const _: () = {
    let word = size_of::<usize>();
    assert!(size_of::<LockCell<()>>() == 4 * word && size_of::<LockCell<usize>>() == 5 * word);
    assert!(size_of::<LockCellAcquire<'_, ()>>() == 5 * word);
};

impl Line {
    #[inline]
    fn is_free(&self) -> bool {
        self.waiting.is_off()
    }

    /// For whoever has the value, and has it no longer: grants it to the one who has waited longest; if there is none, it is free.
    #[inline]
    fn hand_over(&self) {
        match self.waiting.grant_first() {
            Some(_) => self.take_next().wake(),
            None => self.waiting.switch_off(),
        }
    }

    /// The waker of the one that was the first in line and has left it.
    #[inline]
    fn take_next(&self) -> Waker {
        // SAFETY: U22. It was there, and nobody else takes it.
        let waker = unsafe { (*self.next.get()).assume_init_read() };
        if let Some(link) = self.waiting.first() {
            self.make_first(link);
        }
        waker
    }

    /// For the one that has become the first in line: its waker moves. Cold, as what comes of others in line is: there is a jump less for two
    /// tasks, and many do not notice.
    #[cold]
    fn make_first(&self, link: &Waiter) {
        // SAFETY: U22. It is in line, and the one before it has left with its waker.
        unsafe { *self.next.get() = link.more.get().read() };
    }

    /// Where the waker of one in line is.
    fn place_of<'l>(&'l self, link: &'l Waiter) -> &'l WakerPlace {
        if self.waiting.is_first(link) { &self.next } else { &link.more }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Nobody borrows it any more: who is still in line was forgotten.
        while !self.is_free() && self.waiting.grant_first().is_some() {
            drop(self.take_next());
        }
    }
}

impl<T> LockCell<T> {
    /// A cell whose value is free.
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// assert!(!LockCell::new(()).locked());
    /// ```
    pub const fn new(value: T) -> LockCell<T> {
        LockCell {
            line: Line { waiting: Chain::new_off(), next: UnsafeCell::new(MaybeUninit::uninit()) },
            value: UnsafeCell::new(value),
        }
    }

    /// The value; nobody can use it any more.
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// assert_eq!(LockCell::new("value").into_inner(), "value");
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> LockCell<T> {
    /// Waits until the value is free.
    ///
    /// If it is, there is no waiting, but that is an operation of the task's [budget](crate::budget).
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// # uasyncio_core::run(async {
    /// assert_eq!(*LockCell::new(1).lock().await, 1);
    /// # });
    /// ```
    #[inline]
    pub const fn lock(&self) -> LockCellAcquire<'_, T> {
        LockCellAcquire { cell: self, link: Link::new(UnsafeCell::new(MaybeUninit::uninit())), _pinned: PhantomPinned }
    }

    /// The right to use the value, if it is free, and so nobody waits for it.
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// let cell = LockCell::new(());
    /// let guard = cell.try_lock();
    /// assert!(guard.is_some() && cell.try_lock().is_none());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<LockCellGuard<'_, T>> {
        if self.locked() {
            return None;
        }
        self.line.waiting.switch_on();
        Some(LockCellGuard(self))
    }

    /// Whether somebody has a guard, or was granted one and has not run yet.
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// let cell = LockCell::new(());
    /// let guard = cell.try_lock();
    /// assert!(cell.locked());
    /// ```
    #[inline]
    pub fn locked(&self) -> bool {
        !self.line.is_free()
    }

    /// The value, without waiting: the exclusive borrow shows that nobody has it.
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// let mut cell = LockCell::new(1);
    /// *cell.get_mut() = 2;
    /// assert_eq!(cell.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for LockCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LockCell");
        match self.try_lock() {
            Some(value) => debug.field("value", &&*value),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

impl<T: ?Sized> LockCellAcquire<'_, T> {
    /// Whether it is in line.
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// assert!(!LockCell::new(()).lock().is_waiting());
    /// ```
    pub fn is_waiting(&self) -> bool {
        self.link.state() == State::Waiting
    }
}

impl<'l, T: ?Sized> Future for LockCellAcquire<'l, T> {
    type Output = LockCellGuard<'l, T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockCellGuard<'l, T>> {
        let cell = self.cell;
        match self.link.state() {
            State::Idle => {
                if let Some(guard) = cell.try_lock() {
                    ready!(poll_proceed(cx)); // which may be foreign code, so it is locked before
                    // SAFETY: U13. It is borrowed exclusively, and was idle.
                    unsafe { self.link.assume_idle() };
                    return Poll::Ready(guard);
                }
                crate::trace::waiting("a lock");
                let waker = cx.waker().clone();
                if !cell.line.waiting.is_empty() {
                    return self.as_ref().join_others(waker);
                }
                // SAFETY: U22. No waker is there.
                unsafe { (*cell.line.next.get()).write(waker) };
                // SAFETY: U13. It is pinned here, and `drop` makes it leave; there is none.
                unsafe { cell.line.waiting.push_first(&self.link) };
                Poll::Pending
            }
            State::Granted => {
                self.link.reset();
                Poll::Ready(LockCellGuard(cell))
            }
            State::Waiting => self.wait_on(cx.waker()),
        }
    }
}

impl<'l, T: ?Sized> LockCellAcquire<'l, T> {
    /// For a poll which finds others in line, or that cloning its waker has made the value free.
    #[cold]
    #[inline(never)]
    fn join_others(self: Pin<&Self>, waker: Waker) -> Poll<LockCellGuard<'l, T>> {
        let cell = self.cell;
        if let Some(guard) = cell.try_lock() {
            drop(waker);
            return Poll::Ready(guard);
        }
        // SAFETY: U22. No waker is there.
        unsafe { (*self.link.more.get()).write(waker) };
        // SAFETY: U13. It is pinned, and `drop` makes it leave; there is another one.
        unsafe { cell.line.waiting.push_behind(&self.get_ref().link) };
        Poll::Pending
    }

    /// For a poll of one in line: from now on this waker is woken.
    #[cold]
    #[inline(never)]
    fn wait_on(&self, waker: &Waker) -> Poll<LockCellGuard<'l, T>> {
        crate::trace::waiting("a lock");
        let line = &self.cell.line;
        let is_the_same = |link: &Waiter| {
            // SAFETY: U22. It is in line, and no foreign code runs.
            unsafe { (*line.place_of(link).get()).assume_init_ref() }.will_wake(waker)
        };
        // A platform may have been asked for the task, and that is foreign code.
        if self.link.state() == State::Waiting && is_the_same(&self.link) {
            return Poll::Pending;
        }
        let waker = waker.clone();
        if self.link.state() == State::Granted {
            self.link.reset();
            let guard = LockCellGuard(self.cell);
            drop(waker);
            return Poll::Ready(guard);
        }
        // SAFETY: U22. It is in line still. The old waker goes when all is consistent.
        drop(unsafe { line.place_of(&self.link).get().replace(MaybeUninit::new(waker)).assume_init() });
        Poll::Pending
    }

    /// For one that is dropped before it has its guard.
    #[cold]
    #[inline(never)]
    fn leave(&mut self) {
        let (line, link) = (&self.cell.line, &self.link);
        match link.state() {
            State::Idle => {}
            State::Granted => {
                link.reset();
                line.hand_over();
            }
            State::Waiting => {
                let is_first = line.waiting.is_first(link);
                // SAFETY: U13. It waits in this chain.
                unsafe { line.waiting.remove(link) };
                // SAFETY: U22. It has waited until now. The waker goes last.
                let waker = if is_first { line.take_next() } else { unsafe { (*link.more.get()).assume_init_read() } };
                drop(waker);
            }
        }
    }
}

impl<T: ?Sized> Drop for LockCellAcquire<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.link.state() != State::Idle {
            self.leave();
        }
    }
}

impl<T: ?Sized> fmt::Debug for LockCellAcquire<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockCellAcquire").field("waiting", &self.is_waiting()).finish_non_exhaustive()
    }
}

impl<'l, T: ?Sized> LockCellGuard<'l, T> {
    /// The cell whose value it is.
    ///
    /// ```
    /// # use uasyncio_core::LockCell;
    /// let cell = LockCell::new(());
    /// assert!(std::ptr::eq(cell.try_lock().unwrap().source(), &cell));
    /// ```
    pub const fn source(&self) -> &'l LockCell<T> {
        self.0
    }
}

impl<T: ?Sized> Drop for LockCellGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.line.hand_over();
    }
}

impl<T: ?Sized> Deref for LockCellGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: U22. This is the guard, and it is borrowed.
        unsafe { &*self.0.value.get() }
    }
}

impl<T: ?Sized> DerefMut for LockCellGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: U22. This is the guard, and it is borrowed exclusively.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for LockCellGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockCellGuard").field(&&**self).finish()
    }
}
