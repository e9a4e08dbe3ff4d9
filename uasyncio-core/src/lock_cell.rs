//! A value for one at a time, in the order in which they come: what `uasyncio_sync::Lock` is.
//!
//! ```text
//!   LockCell { head, rear, waker, value }      Acquire { link, waker }
//!
//!   free, nobody waits ── poll ──► locked, with a guard ── its drop, nobody waits ──► free
//!                                   ▲         │ its drop, somebody waits: marks `head`
//!                                   │ poll    ▼
//!                                  locked, granted to the first in line ── dropped ──► to the next one, or free
//! ```
//!
//! * **One word says what there is to know:** `head` is the first one in line, and marked while there is no guard. Marked without one in line,
//!   the value is free; with one, it is granted to that one, whose next poll makes the guard. Invariant U22.
//! * **Somebody waits** only while it is locked, and what was granted is still locked: so nobody overtakes. Who was granted the value stays in
//!   line until it is polled, and unlocking writes nothing but `head`: with two tasks that take the value in turn, neither writes into the
//!   other's future.
//! * **Foreign code runs last.** A waker is cloned before its link is in line, and when that is done the lock may be free: so it is looked
//!   at again.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::future::Future;
use core::marker::PhantomPinned;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::ptr;
use core::task::{Context, Poll, Waker, ready};

use crate::budget::poll_proceed;
use crate::chain::{Link, Pointer, Rear, State};

/// A value that one at a time may use, in the order in which they came.
///
/// The inside of `uasyncio_sync::Lock`, whose documentation says how it behaves; here for crates that need no more than this. It
/// stays on one thread, allocates nothing, and wakers of any executor will do.
///
/// On 64 bits it takes 32 bytes and the value, rounded up to a multiple of 32; on 32 bits 16 bytes and the value.
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
//
// So aligned what is looked at to change hands is in one line of the cache, wherever the cell is put: about one per cent for two tasks in turn.
#[cfg_attr(target_pointer_width = "64", repr(align(32)))]
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
    /// The first one in line, or null; [marked](marked) while there is no guard.
    head: Cell<Pointer<WakerPlace>>,
    /// Up to date only if there are two or more, so that one alone need not write it.
    rear: Rear<WakerPlace>,
    /// The waker of the first one in line, unless that was granted the value: here it is found sooner than through a pointer.
    waker: WakerPlace,
}

#[cfg(target_pointer_width = "64")]
const _: () =
    assert!(size_of::<LockCell<()>>() == 32 && size_of::<LockCell<u64>>() == 64 && size_of::<LockCellAcquire<'_, ()>>() <= 40);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<LockCell<()>>() == 16 && size_of::<LockCell<u32>>() == 20);

/// Nobody is in line, and there is no guard.
const FREE: *const Waiter = ptr::without_provenance(1);

/// A link, or null, and that there is no guard. Links are aligned like pointers, so a bit is left.
#[inline]
fn marked(link: *const Waiter) -> *const Waiter {
    link.map_addr(|address| address | 1)
}

impl Line {
    #[inline]
    fn is_free(&self) -> bool {
        ptr::eq(self.head.get(), FREE)
    }

    /// For whoever has the value, and has it no longer: grants it to the one who has waited longest; if there is none, it is free.
    #[inline]
    fn hand_over(&self) {
        let first = self.head.get();
        self.head.set(marked(first));
        if !first.is_null() {
            // SAFETY: U22. It has waited until now, so its waker is there, and nobody else takes it.
            unsafe { (*self.waker.get()).assume_init_read() }.wake();
        }
    }

    /// Takes the first one, whose waker has gone, out of the line. If the value was granted to it, whoever calls is to make the guard.
    #[inline]
    fn take_out(&self, first: &Waiter) {
        let next = first.next();
        self.head.set(next);
        if !next.is_null() {
            self.make_first(first, next);
        }
    }

    /// For the one that has become the first in line: its waker moves. Cold, as what comes of others in line is: there is a jump less for two
    /// tasks, and many do not notice.
    #[cold]
    fn make_first(&self, before: &Waiter, link: *const Waiter) {
        before.forget_next();
        // SAFETY: U22. It is in line, hence alive, and the one before it has left with its waker.
        unsafe { *self.waker.get() = (*link).more.get().read() };
    }

    fn first(&self) -> Option<&Waiter> {
        // SAFETY: U13. What it points at is linked, hence alive.
        unsafe { self.head.get().map_addr(|address| address & !1).as_ref() }
    }

    fn state(&self, link: &Waiter) -> State {
        let head = self.head.get();
        if ptr::eq(head, marked(link)) {
            State::Granted
        } else if ptr::eq(head, link) || !link.next().is_null() || self.is_last_of_several(link) {
            State::Waiting
        } else {
            State::Idle
        }
    }

    /// It looks at the first one, in another future, only if it has to.
    fn is_last_of_several(&self, link: &Waiter) -> bool {
        self.rear.is(link) && self.first().is_some_and(|first| !first.next().is_null())
    }

    /// Where the waker of one that waits is.
    fn place_of<'l>(&'l self, link: &'l Waiter) -> &'l WakerPlace {
        if ptr::eq(self.head.get(), link) { &self.waker } else { &link.more }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Nobody borrows it any more: who is still in line was forgotten.
        let mut next = self.first();
        while let Some(link) = next {
            // SAFETY: U13. The one behind a linked one is linked, hence alive.
            next = unsafe { link.next().as_ref() };
            if self.state(link) == State::Waiting {
                // SAFETY: U22. It waits.
                drop(unsafe { (*self.place_of(link).get()).assume_init_read() });
            }
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
            line: Line { head: Cell::new(FREE), rear: Rear::new(), waker: UnsafeCell::new(MaybeUninit::uninit()) },
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
        self.line.head.set(ptr::null());
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
        self.cell.line.state(&self.link) == State::Waiting
    }
}

impl<'l, T: ?Sized> Future for LockCellAcquire<'l, T> {
    type Output = LockCellGuard<'l, T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockCellGuard<'l, T>> {
        let cell = self.cell;
        let line = &cell.line;
        if let Some(guard) = cell.try_lock() {
            ready!(poll_proceed(cx)); // which may be foreign code, so it is locked before
            return Poll::Ready(guard);
        }
        let head = line.head.get();
        if ptr::eq(head, marked(&self.link)) {
            line.take_out(&self.link);
            return Poll::Ready(LockCellGuard(cell));
        }
        if !head.is_null() {
            return self.as_ref().join_or_wait_on(cx.waker());
        }
        crate::trace::waiting("a lock");
        let waker = cx.waker().clone();
        if !line.head.get().is_null() {
            return self.as_ref().wait_with(waker);
        }
        // SAFETY: U22. Nobody is in line, so no waker is there.
        unsafe { (*line.waker.get()).write(waker) };
        line.head.set(&self.link); // U13: it is pinned here, and `drop` makes it leave
        Poll::Pending
    }
}

impl<'l, T: ?Sized> LockCellAcquire<'l, T> {
    /// For a poll which finds somebody in line.
    #[cold]
    #[inline(never)]
    fn join_or_wait_on(self: Pin<&Self>, waker: &Waker) -> Poll<LockCellGuard<'l, T>> {
        crate::trace::waiting("a lock");
        let (line, link) = (&self.cell.line, &self.link);
        // SAFETY: U22. It waits, and no foreign code runs.
        let is_the_same = || unsafe { (*line.place_of(link).get()).assume_init_ref() }.will_wake(waker);
        // A platform may have been asked for the task, and that is foreign code.
        if line.state(link) == State::Waiting && is_the_same() {
            return Poll::Pending;
        }
        self.wait_with(waker.clone())
    }

    /// From now on this waker is woken, which was just cloned: whatever that has changed.
    #[cold]
    #[inline(never)]
    fn wait_with(self: Pin<&Self>, waker: Waker) -> Poll<LockCellGuard<'l, T>> {
        let (cell, link) = (self.cell, &self.get_ref().link);
        let line = &cell.line;
        if let Some(guard) = cell.try_lock() {
            drop(waker);
            return Poll::Ready(guard);
        }
        match line.state(link) {
            State::Granted => {
                line.take_out(link);
                let guard = LockCellGuard(cell);
                drop(waker);
                return Poll::Ready(guard);
            }
            State::Waiting => {
                // SAFETY: U22. It waits. The old waker goes when all is consistent.
                drop(unsafe { line.place_of(link).get().replace(MaybeUninit::new(waker)).assume_init() });
            }
            State::Idle => match line.first() {
                None => {
                    // SAFETY: U22. Nobody is in line, so no waker is there.
                    unsafe { (*line.waker.get()).write(waker) };
                    line.head.set(link);
                }
                Some(first) => {
                    // SAFETY: U22. It was idle, so no waker is there.
                    unsafe { (*link.more.get()).write(waker) };
                    if first.next().is_null() {
                        line.rear.set(first);
                    }
                    // SAFETY: U13. It is pinned, and `drop` makes it leave; there is another one, and now the rear is up to date.
                    unsafe { line.rear.push(link) };
                }
            },
        }
        Poll::Pending
    }

    /// For one that is dropped while somebody is in line.
    #[cold]
    #[inline(never)]
    fn leave(&mut self) {
        let (line, link) = (&self.cell.line, &self.link);
        match line.state(link) {
            State::Idle => {}
            State::Granted => {
                line.take_out(link);
                line.hand_over();
            }
            State::Waiting => {
                // SAFETY: U22. It has waited until now. The waker goes last.
                let waker = unsafe { (*line.place_of(link).get()).assume_init_read() };
                if ptr::eq(line.head.get(), link) {
                    line.take_out(link);
                } else {
                    // SAFETY: U13. It waits, and is not the first one.
                    unsafe { line.rear.remove(link) };
                }
                drop(waker);
            }
        }
    }
}

impl<T: ?Sized> Drop for LockCellAcquire<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let head = self.cell.line.head.get();
        if !head.is_null() && !ptr::eq(head, FREE) {
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
