//! Why something could not be put or got.

use core::error::Error;
use core::fmt;

/// The queue was shut down. asyncio's name. That of a put gives the item back.
///
/// ```
/// # #[cfg(feature = "alloc")]
/// # uasyncio_core::run(async {
/// use uasyncio_sync::{Queue, QueueShutDown};
///
/// let queue = Queue::unbounded();
/// queue.shutdown(false);
/// let QueueShutDown(item) = queue.put("late").await.unwrap_err();
/// assert_eq!(item, "late");
/// assert_eq!(queue.get().await, Err(QueueShutDown(())));
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueShutDown<T = ()>(pub T);

impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown")
    }
}

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is shut down")
    }
}

impl<T> Error for QueueShutDown<T> {}

/// Why `put_nowait` did not put the item, which it gives back.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use uasyncio_sync::{PutNowaitError, Queue};
///
/// let queue = Queue::bounded(1);
/// queue.put_nowait(1).unwrap();
/// assert_eq!(queue.put_nowait(2), Err(PutNowaitError::QueueFull(2)));
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutNowaitError<T> {
    /// There is no room, or others wait for it already. asyncio's `QueueFull`.
    QueueFull(T),
    /// The queue was shut down.
    QueueShutDown(T),
}

impl<T> PutNowaitError<T> {
    /// The item that was not put.
    ///
    /// ```
    /// # use uasyncio_sync::PutNowaitError;
    /// assert_eq!(PutNowaitError::QueueFull("item").into_inner(), "item");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            PutNowaitError::QueueFull(item) | PutNowaitError::QueueShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutNowaitError::QueueFull(_) => "QueueFull",
            PutNowaitError::QueueShutDown(_) => "QueueShutDown",
        })
    }
}

impl<T> fmt::Display for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutNowaitError::QueueFull(_) => "the queue is full; wait for room with `put`",
            PutNowaitError::QueueShutDown(_) => "the queue is shut down",
        })
    }
}

impl<T> Error for PutNowaitError<T> {}

/// Why `get_nowait` got nothing.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use uasyncio_sync::{GetNowaitError, Queue};
///
/// let queue = Queue::<u8>::unbounded();
/// assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueEmpty));
/// queue.shutdown(false);
/// assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetNowaitError {
    /// There is no item, or those that are there were promised to others that wait. asyncio's `QueueEmpty`.
    QueueEmpty,
    /// The queue was shut down, and nothing is left in it.
    QueueShutDown,
}

impl fmt::Display for GetNowaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GetNowaitError::QueueEmpty => "the queue is empty; wait for an item with `get`",
            GetNowaitError::QueueShutDown => "the queue is shut down",
        })
    }
}

impl Error for GetNowaitError {}
