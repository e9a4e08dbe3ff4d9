//! A queue that gives the latest item first.

use core::fmt;
use core::ops::Deref;

use crate::{Lifo, Queue};

/// A [`Queue`] that gives the latest item first: a stack. asyncio's `LifoQueue`.
///
/// Only the items are turned round; those that wait are served in the order in which they came.
///
/// ```
/// use uasyncio_sync::LifoQueue;
///
/// # uasyncio_core::run(async {
/// let plates = LifoQueue::unbounded();
/// plates.put("lower").await.unwrap();
/// plates.put("upper").await.unwrap();
/// assert_eq!(plates.get().await, Ok("upper"));
/// # });
/// ```
pub struct LifoQueue<T>(Queue<T, Lifo<T>>);

impl<T> LifoQueue<T> {
    /// A queue for up to `maxsize` items.
    ///
    /// # Panics
    ///
    /// When `maxsize` is 0, which in asyncio means [`unbounded`](LifoQueue::unbounded).
    ///
    /// ```
    /// # use uasyncio_sync::LifoQueue;
    /// assert_eq!(LifoQueue::<u8>::bounded(8).maxsize(), Some(8));
    /// ```
    #[track_caller]
    pub const fn bounded(maxsize: usize) -> LifoQueue<T> {
        LifoQueue(Queue::with(Lifo::new(), Some(maxsize)))
    }

    /// A queue without a limit: `put` does not wait, and memory is the limit.
    ///
    /// ```
    /// # use uasyncio_sync::LifoQueue;
    /// assert_eq!(LifoQueue::<u8>::unbounded().maxsize(), None);
    /// ```
    pub const fn unbounded() -> LifoQueue<T> {
        LifoQueue(Queue::with(Lifo::new(), None))
    }
}

impl<T> Deref for LifoQueue<T> {
    type Target = Queue<T, Lifo<T>>;

    #[inline]
    fn deref(&self) -> &Queue<T, Lifo<T>> {
        &self.0
    }
}

impl<T> fmt::Debug for LifoQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LifoQueue").field(&self.0).finish()
    }
}
