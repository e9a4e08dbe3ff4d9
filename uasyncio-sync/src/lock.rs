//! A lock for tasks.

use core::cell::{Cell, RefCell, RefMut};
use core::fmt;
use core::future::Future;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::sync::atomic::{Ordering, compiler_fence};
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use uasyncio_core::WaitList;

use crate::place::Place;
use crate::turn::poll_proceed;

/// A value that one task at a time may use, across its awaits too. asyncio's `Lock`, with the value inside.
///
/// [`lock`](Lock::lock) waits for a [`LockGuard`], and dropping that unlocks. The lock is handed to the one who has waited
/// longest, so nobody overtakes, and it counts as locked all the while; unlocking what was not locked cannot be written down.
/// Nothing is allocated. For a lock that guards no value, use `Lock<()>`.
///
/// A task that locks twice waits for itself for ever, as in asyncio. What is not held across an await needs no lock at all: a
/// `Cell` or `RefCell` will do, since all tasks share a thread.
///
/// A guard that is dropped by a panic unlocks as any other does; there is no poisoning.
///
/// ```
/// use uasyncio_core::{create_task, run, yield_now};
/// use uasyncio_sync::Lock;
/// # use std::rc::Rc;
///
/// run(async {
///     let account = Rc::new(Lock::new(100));
///     let other = account.clone();
///     let interest = create_task(async move {
///         let mut balance = other.lock().await;
///         *balance *= 2;
///     });
///     let mut balance = account.lock().await;
///     let before = *balance;
///     yield_now().await; // The other task waits.
///     *balance = before - 30;
///     drop(balance);
///     interest.await.unwrap();
///     assert_eq!(*account.lock().await, 140);
/// });
/// ```
pub struct Lock<T: ?Sized> {
    /// Whether somebody waits, or was handed the lock and has not run yet: then it is not free, although nobody may borrow the
    /// value.
    waited_for: Cell<bool>,
    waiting: WaitList,
    /// Borrowed by whoever holds the lock.
    value: RefCell<T>,
}

impl<T> Lock<T> {
    /// A lock that nobody holds.
    ///
    /// ```
    /// use uasyncio_sync::Lock;
    ///
    /// thread_local! {
    ///     static PRINTER: Lock<()> = const { Lock::new(()) };
    /// }
    /// PRINTER.with(|printer| assert!(!printer.locked()));
    /// ```
    pub const fn new(value: T) -> Lock<T> {
        Lock { waited_for: Cell::new(false), waiting: WaitList::new(), value: RefCell::new(value) }
    }

    /// The value; nobody can hold the lock any more.
    ///
    /// ```
    /// # use uasyncio_sync::Lock;
    /// assert_eq!(Lock::new("value").into_inner(), "value");
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits until the lock is free and locks it. asyncio's `acquire`, and `async with`.
    ///
    /// A free lock is taken at once, without giving way to other tasks (the first uasyncio's always did), except that a task
    /// which does nothing but lock gives way after 128 times.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line. If the lock had been handed to it already, it goes to the next in line.
    ///
    /// ```
    /// # use uasyncio_sync::Lock;
    /// # uasyncio_core::run(async {
    /// let lock = Lock::new(1);
    /// *lock.lock().await += 1;
    /// assert_eq!(*lock.lock().await, 2);
    /// # });
    /// ```
    #[inline]
    pub fn lock(&self) -> LockAcquire<'_, T> {
        LockAcquire { lock: self, place: Place::new() }
    }

    /// Locks if that can be done now: the lock is free and nobody waits for it.
    ///
    /// ```
    /// # use uasyncio_sync::Lock;
    /// let lock = Lock::new(());
    /// let guard = lock.try_lock().unwrap();
    /// assert!(lock.try_lock().is_none());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        match self.value.try_borrow_mut() {
            Ok(value) if !self.waited_for.get() => Some(LockGuard { value, held: Held(self) }),
            _ => None,
        }
    }

    /// Whether somebody holds the lock, or is about to: it was handed to a task that has not run yet.
    ///
    /// ```
    /// # use uasyncio_sync::Lock;
    /// let lock = Lock::new(());
    /// let guard = lock.try_lock();
    /// assert!(lock.locked());
    /// drop(guard);
    /// assert!(!lock.locked());
    /// ```
    pub fn locked(&self) -> bool {
        self.waited_for.get() || self.value.try_borrow_mut().is_err()
    }

    /// The value, without locking: the exclusive borrow shows that nobody holds the lock.
    ///
    /// ```
    /// # use uasyncio_sync::Lock;
    /// let mut lock = Lock::new(1);
    /// *lock.get_mut() = 2;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Waits until the lock is handed over.
    #[cold]
    #[inline(never)]
    fn poll_wait<'l>(&'l self, place: Pin<&mut Place<'l>>, cx: &mut Context<'_>) -> Poll<()> {
        self.waited_for.set(true);
        place.poll_wait(&self.waiting, cx, 1, "a lock")
    }

    #[cold]
    #[inline(never)]
    fn give_up(&self, place: Pin<&mut Place<'_>>) {
        if place.cancel() {
            self.hand_over();
        }
    }

    /// Hands the lock, which nobody holds, to the next one in line; if there is none, it is free.
    #[inline(never)]
    fn hand_over(&self) {
        if self.waiting.is_empty() {
            self.waited_for.set(false);
        } else {
            self.waiting.wake_one();
        }
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Lock<T> {
        Lock::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Lock<T> {
        Lock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Lock");
        match self.try_lock() {
            Some(value) => debug.field("value", &&*value),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

/// The right to use what is in a [`Lock`], until it is dropped.
///
/// ```
/// # use uasyncio_sync::Lock;
/// let lock = Lock::new(vec![1]);
/// lock.try_lock().unwrap().push(2);
/// assert_eq!(*lock.try_lock().unwrap(), [1, 2]);
/// ```
#[must_use = "the lock is open again as soon as its guard is dropped"]
pub struct LockGuard<'l, T: ?Sized> {
    // The order matters: the borrow ends before the next one in line may begin.
    value: RefMut<'l, T>,
    held: Held<'l, T>,
}

/// Hands the lock over when it is dropped.
struct Held<'l, T: ?Sized>(&'l Lock<T>);

impl<T: ?Sized> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.0.waited_for.get() {
            self.0.hand_over();
        }
    }
}

impl<T: ?Sized> Drop for LockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // The end of the borrow is written beside the value. Joined into one wide access with the last write to that, it would
        // have to wait for it: ten nanoseconds for a counter.
        compiler_fence(Ordering::SeqCst);
    }
}

impl<'l, T: ?Sized> LockGuard<'l, T> {
    /// The lock that this guard has locked.
    pub(crate) fn source(&self) -> &'l Lock<T> {
        self.held.0
    }
}

impl<T: ?Sized> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for LockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockGuard").field(&&**self).finish()
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

pin_project! {
    /// The future of [`Lock::lock`]: a [`LockGuard`].
    #[must_use = "it locks nothing unless it is awaited"]
    pub struct LockAcquire<'l, T: ?Sized> {
        lock: &'l Lock<T>,
        #[pin]
        place: Place<'l>,
    }

    impl<T: ?Sized> PinnedDrop for LockAcquire<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.place.is_taken() {
                this.lock.give_up(this.place);
            }
        }
    }
}

impl<'l, T: ?Sized> Future for LockAcquire<'l, T> {
    type Output = LockGuard<'l, T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'l, T>> {
        let mut this = self.project();
        let lock = *this.lock;
        if !this.place.is_taken() {
            if let Some(guard) = lock.try_lock() {
                ready!(poll_proceed(cx));
                return Poll::Ready(guard);
            }
        }
        if !this.place.as_mut().take_grant() {
            ready!(lock.poll_wait(this.place, cx));
        }
        Poll::Ready(LockGuard { value: lock.value.borrow_mut(), held: Held(lock) })
    }
}

impl<T: ?Sized> fmt::Debug for LockAcquire<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockAcquire").field("waiting", &self.place.is_waiting()).finish_non_exhaustive()
    }
}
