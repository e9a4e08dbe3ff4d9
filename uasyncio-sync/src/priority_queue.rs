//! A queue that gives the smallest item first.

use core::fmt;
use core::ops::Deref;

use crate::{Queue, SmallestFirst};

/// A [`Queue`] that gives the smallest item first. asyncio's `PriorityQueue`.
///
/// Of equal items the one that was put first comes first, where asyncio promises nothing; so items may be ordered by a part of
/// them. For the greatest first, put [`Reverse`](core::cmp::Reverse). All that waits, waits as in any queue: which item
/// somebody was promised is decided when he takes it. Putting and getting takes logarithmic time.
///
/// The comparison must not use the queue: that panics. When a comparison panics while an item is put, the item is in the queue;
/// when one is got, it is lost.
///
/// ```
/// use uasyncio_sync::PriorityQueue;
///
/// # uasyncio_core::run(async {
/// let jobs = PriorityQueue::bounded(8);
/// jobs.put((2, "wash up")).await.unwrap();
/// jobs.put((1, "cook")).await.unwrap();
/// assert_eq!(jobs.get().await, Ok((1, "cook")));
/// # });
/// ```
pub struct PriorityQueue<T>(Queue<T, SmallestFirst<T>>);

impl<T: Ord> PriorityQueue<T> {
    /// A queue for up to `maxsize` items.
    ///
    /// # Panics
    ///
    /// When `maxsize` is 0, which in asyncio means [`unbounded`](PriorityQueue::unbounded).
    ///
    /// ```
    /// # use uasyncio_sync::PriorityQueue;
    /// assert_eq!(PriorityQueue::<u8>::bounded(8).maxsize(), Some(8));
    /// ```
    #[track_caller]
    pub const fn bounded(maxsize: usize) -> PriorityQueue<T> {
        PriorityQueue(Queue::with(SmallestFirst::new(), Some(maxsize)))
    }

    /// A queue without a limit: `put` does not wait, and memory is the limit.
    ///
    /// ```
    /// # use uasyncio_sync::PriorityQueue;
    /// assert_eq!(PriorityQueue::<u8>::unbounded().maxsize(), None);
    /// ```
    pub const fn unbounded() -> PriorityQueue<T> {
        PriorityQueue(Queue::with(SmallestFirst::new(), None))
    }
}

impl<T> Deref for PriorityQueue<T> {
    type Target = Queue<T, SmallestFirst<T>>;

    #[inline]
    fn deref(&self) -> &Queue<T, SmallestFirst<T>> {
        &self.0
    }
}

impl<T: Ord> fmt::Debug for PriorityQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PriorityQueue").field(&self.0).finish()
    }
}
