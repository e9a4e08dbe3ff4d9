//! A number of permits to share out.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;
use uasyncio_core::WaitNode;

use crate::permits::Permits;

/// Lets so many tasks at a time do something. asyncio's `Semaphore`, and with its guards `BoundedSemaphore`.
///
/// [`acquire`](Semaphore::acquire) waits for a [`SemaphorePermit`] and dropping that gives it back, so there are never more
/// permits than there were: what asyncio has `BoundedSemaphore` for. Only [`release`](Semaphore::release) adds some. Permits go
/// to those who have waited longest, and nobody overtakes, not even a small demand a large one (asyncio wakes in order too; the
/// drivers for MicroPython in no order). Nothing is allocated.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use uasyncio_core::{create_task, run, sleep_ms};
/// use uasyncio_sync::Semaphore;
///
/// run(async {
///     let connections = Rc::new(Semaphore::new(2));
///     let busy = Rc::new(Cell::new(0));
///     let downloads: Vec<_> = (0..6)
///         .map(|_| {
///             let (connections, busy) = (connections.clone(), busy.clone());
///             create_task(async move {
///                 let _permit = connections.acquire().await.unwrap();
///                 busy.set(busy.get() + 1);
///                 assert!(busy.get() <= 2);
///                 sleep_ms(1).await;
///                 busy.set(busy.get() - 1);
///             })
///         })
///         .collect();
///     for download in downloads {
///         download.await.unwrap();
///     }
/// });
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// A semaphore with so many permits; none is allowed too.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// assert_eq!(Semaphore::new(3).available(), 3);
    /// ```
    pub const fn new(permits: u32) -> Semaphore {
        Semaphore { permits: Permits::new(permits) }
    }

    /// Waits for one permit. asyncio's `acquire`, and `async with`.
    ///
    /// # Errors
    ///
    /// [`SemaphoreClosed`] once it was [closed](Semaphore::close), and never if nobody closes it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line. If it had been given its permit already, that goes to the next in line.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// # uasyncio_core::run(async {
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.acquire().await.unwrap();
    /// assert!(semaphore.locked());
    /// # drop(permit);
    /// # });
    /// ```
    #[inline]
    pub fn acquire(&self) -> SemaphoreAcquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for a number of permits, all at once. More than there will ever be are waited for, for ever; 0 are had at once.
    ///
    /// # Errors
    ///
    /// [`SemaphoreClosed`] once it was [closed](Semaphore::close).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// # uasyncio_core::run(async {
    /// let megabytes = Semaphore::new(64);
    /// let permits = megabytes.acquire_many(48).await.unwrap();
    /// assert_eq!(megabytes.available(), 16);
    /// # drop(permits);
    /// # });
    /// ```
    #[inline]
    pub fn acquire_many(&self, permits: u32) -> SemaphoreAcquire<'_> {
        SemaphoreAcquire { permits, node: WaitNode::new(self) }
    }

    /// Takes one permit if that can be done now: one is free, and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`]: no permit can be had now, or never again.
    ///
    /// ```
    /// # use uasyncio_sync::{Semaphore, TryAcquireError};
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Locked);
    /// # drop(permit);
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes a number of permits if that can be done now: so many are free, and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire).
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// let semaphore = Semaphore::new(3);
    /// assert_eq!(semaphore.try_acquire_many(2).unwrap().permits(), 2);
    /// assert!(semaphore.try_acquire_many(4).is_err());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, permits: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        if (permits > 0 || !self.is_closed()) && self.permits.try_acquire(permits) {
            Ok(SemaphorePermit { semaphore: self, permits })
        } else if self.permits.is_closed() {
            Err(TryAcquireError::Closed)
        } else {
            Err(TryAcquireError::Locked)
        }
    }

    /// Adds permits, which nobody need have taken. asyncio's `release`, for what was [forgotten](SemaphorePermit::forget) or is
    /// new.
    ///
    /// There are never more than `u32::MAX` free ones. On a closed semaphore it does nothing.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// let semaphore = Semaphore::new(0);
    /// semaphore.release(2);
    /// assert_eq!(semaphore.available(), 2);
    /// ```
    #[inline]
    pub fn release(&self, permits: u32) {
        self.permits.release(permits);
    }

    /// How many permits are free: neither held nor handed to a task that has not run yet.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// let semaphore = Semaphore::new(2);
    /// let _permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    pub fn available(&self) -> u32 {
        self.permits.available()
    }

    /// Whether no permit can be had now: none is free, or others wait already, or it was [closed](Semaphore::close). asyncio's `locked`.
    ///
    /// Then [`acquire`](Semaphore::acquire) would wait, or fail at once if it was closed.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// assert!(Semaphore::new(0).locked());
    /// let semaphore = Semaphore::new(1);
    /// assert!(!semaphore.locked());
    /// semaphore.close();
    /// assert!(semaphore.locked());
    /// ```
    pub fn locked(&self) -> bool {
        !self.permits.can_acquire(1)
    }

    /// Closes the semaphore: there are no permits any more, and all that wait for one get [`SemaphoreClosed`].
    ///
    /// So do those who had been given theirs and have not run yet. Whoever holds a permit keeps it, and it vanishes when it is
    /// dropped. asyncio has no such thing.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// # uasyncio_core::run(async {
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.acquire().await.is_err());
    /// assert_eq!(semaphore.available(), 0);
    /// # });
    /// ```
    pub fn close(&self) {
        self.permits.close();
        self.permits.wake_all();
    }

    /// Whether it was closed.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Semaphore");
        debug.field("available", &self.available()).field("closed", &self.is_closed()).finish()
    }
}

/// Permits of a [`Semaphore`], given back when this is dropped.
///
/// ```
/// # use uasyncio_sync::Semaphore;
/// let semaphore = Semaphore::new(1);
/// drop(semaphore.try_acquire().unwrap());
/// assert_eq!(semaphore.available(), 1);
/// ```
#[derive(Debug)]
#[must_use = "permits are given back as soon as this is dropped"]
pub struct SemaphorePermit<'s> {
    semaphore: &'s Semaphore,
    permits: u32,
}

impl SemaphorePermit<'_> {
    /// How many permits these are.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// assert_eq!(Semaphore::new(1).try_acquire().unwrap().permits(), 1);
    /// ```
    pub fn permits(&self) -> u32 {
        self.permits
    }

    /// Takes the permits out of the semaphore for good; [`release`](Semaphore::release) can bring them back.
    ///
    /// ```
    /// # use uasyncio_sync::Semaphore;
    /// let semaphore = Semaphore::new(2);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.release(self.permits);
    }
}

pin_project! {
    /// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`]: a [`SemaphorePermit`].
    #[must_use = "it takes no permit unless it is awaited"]
    pub struct SemaphoreAcquire<'s> {
        permits: u32,
        #[pin]
        node: WaitNode<'s, Semaphore>,
    }

    impl PinnedDrop for SemaphoreAcquire<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.node.owner().permits.abandon(this.node, *this.permits);
        }
    }
}

impl<'s> Future for SemaphoreAcquire<'s> {
    type Output = Result<SemaphorePermit<'s>, SemaphoreClosed>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (semaphore, permits) = (this.node.owner(), *this.permits);
        if permits == 0 && semaphore.is_closed() {
            return Poll::Ready(Err(SemaphoreClosed));
        }
        semaphore.permits.poll_acquire(this.node, cx, permits, "a semaphore").map(|acquired| match acquired {
            Ok(()) => Ok(SemaphorePermit { semaphore, permits }),
            Err(_) => Err(SemaphoreClosed),
        })
    }
}

impl fmt::Debug for SemaphoreAcquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SemaphoreAcquire");
        debug.field("permits", &self.permits).field("waiting", &self.node.is_waiting()).finish_non_exhaustive()
    }
}

/// The semaphore was [closed](Semaphore::close).
///
/// ```
/// # use uasyncio_sync::Semaphore;
/// # uasyncio_core::run(async {
/// let semaphore = Semaphore::new(0);
/// semaphore.close();
/// assert_eq!(semaphore.acquire().await.unwrap_err().to_string(), "the semaphore is closed");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemaphoreClosed;

impl fmt::Display for SemaphoreClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl core::error::Error for SemaphoreClosed {}

/// Why [`Semaphore::try_acquire`] got nothing.
///
/// ```
/// # use uasyncio_sync::{Semaphore, TryAcquireError};
/// assert_eq!(Semaphore::new(0).try_acquire().unwrap_err(), TryAcquireError::Locked);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// Not enough permits are free, or others wait already.
    Locked,
    /// The semaphore was [closed](Semaphore::close).
    Closed,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::Locked => "not enough permits are free now; wait for them with `acquire`",
            TryAcquireError::Closed => "the semaphore is closed",
        })
    }
}

impl core::error::Error for TryAcquireError {}
