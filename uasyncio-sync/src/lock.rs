//! A lock for tasks.

use core::fmt;
use core::future::Future;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;
use uasyncio_core::{LockCell, LockCellAcquire, LockCellGuard};

/// A value that one task at a time may use, across its awaits too. asyncio's `Lock`, with the value inside.
///
/// [`lock`](Lock::lock) waits for a [`LockGuard`], and dropping that unlocks. The lock is handed to the one who has waited
/// longest, so nobody overtakes, and it counts as locked all the while; unlocking what was not locked cannot be written down.
/// Nothing is allocated. It takes four words and the value, rounded up for its alignment. For a lock that guards no value, use `Lock<()>`.
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
pub struct Lock<T: ?Sized>(LockCell<T>);

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
        Lock(LockCell::new(value))
    }

    /// The value; nobody can hold the lock any more.
    ///
    /// ```
    /// # use uasyncio_sync::Lock;
    /// assert_eq!(Lock::new("value").into_inner(), "value");
    /// ```
    pub fn into_inner(self) -> T {
        self.0.into_inner()
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
        LockAcquire::new(&self.0)
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
        self.0.try_lock().map(LockGuard)
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
        self.0.locked()
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
        self.0.get_mut()
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
pub struct LockGuard<'l, T: ?Sized>(LockCellGuard<'l, T>);

impl<'l, T: ?Sized> LockGuard<'l, T> {
    /// What is inside the lock that this guard has locked.
    pub(crate) fn source(&self) -> &'l LockCell<T> {
        self.0.source()
    }
}

impl<T: ?Sized> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for LockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
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
        #[pin]
        acquire: LockCellAcquire<'l, T>,
    }
}

impl<'l, T: ?Sized> LockAcquire<'l, T> {
    #[inline]
    pub(crate) fn new(cell: &'l LockCell<T>) -> LockAcquire<'l, T> {
        LockAcquire { acquire: cell.lock() }
    }
}

impl<'l, T: ?Sized> Future for LockAcquire<'l, T> {
    type Output = LockGuard<'l, T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'l, T>> {
        self.project().acquire.poll(cx).map(LockGuard)
    }
}

impl<T: ?Sized> fmt::Debug for LockAcquire<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockAcquire").field("waiting", &self.acquire.is_waiting()).finish_non_exhaustive()
    }
}
