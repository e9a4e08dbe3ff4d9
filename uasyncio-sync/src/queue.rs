//! A queue of items between tasks.

mod futures;
mod order;
mod ways;

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

use uasyncio_core::WaitList;

pub use self::futures::{QueueGet, QueueJoin, QueuePut, QueueStream};
pub use self::order::{Fifo, Lifo, QueueOrder, SmallestFirst};
use crate::turn::Finally;
use crate::{GetNowaitError, PutNowaitError};

/// A queue of items between tasks, first in, first out. asyncio's `Queue`.
///
/// [`put`](Queue::put) waits while the queue is full, [`get`](Queue::get) while it is empty, each in the order in which the
/// tasks came. The first uasyncio's queue looked every 100 ms; this one wakes the next one in line.
/// [`PriorityQueue`](crate::PriorityQueue) and [`LifoQueue`](crate::LifoQueue) are the same with another order of the items.
///
/// An item for which somebody waits is promised to him: it is counted by [`qsize`](Queue::qsize) until he runs and takes it,
/// but [`get_nowait`](Queue::get_nowait) does not give it to another; likewise the room that a get makes. asyncio lets whoever
/// comes first have it.
///
/// A put or a get that need not wait is an operation of the task's [budget](uasyncio_core::budget), but only every 64th asks for
/// it, and for all of them. So a task that only puts or gets gives way after up to 192 of them.
///
/// The memory for the items grows with the greatest number that there have been at a time, and stays; a queue whose length goes
/// up and down allocates nothing. A bounded queue does not take the memory for its bound beforehand.
///
/// ```
/// use uasyncio_core::{create_task, run};
/// use uasyncio_sync::Queue;
/// # use std::rc::Rc;
///
/// run(async {
///     let queue = Rc::new(Queue::bounded(2));
///     let producer = queue.clone();
///     let _producer = create_task(async move {
///         for number in 1..=4 {
///             producer.put(number).await.unwrap(); // It waits when it is two ahead.
///         }
///         producer.shutdown(false);
///     });
///     let mut sum = 0;
///     while let Ok(number) = queue.get().await {
///         sum += number;
///     }
///     assert_eq!(sum, 10);
/// });
/// ```
pub struct Queue<T, O = Fifo<T>> {
    storage: O,
    /// How many of the items that were put are done; it wraps around.
    done: Cell<usize>,
    /// How many items had been put, and how many got, when the budget was asked last; they wrap around.
    counted_puts: Cell<usize>,
    counted_gets: Cell<usize>,
    getting: WaitList,
    putting: WaitList,
    /// Items; see `ways`. `usize::MAX`, if it was shut down.
    promised: Cell<usize>,
    /// See `ways`. 0, if it was shut down.
    places: Cell<usize>,
    maxsize: Option<usize>,
    /// Those that wait until nothing is unfinished.
    joining: WaitList,
    content: PhantomData<T>,
}

impl<T> Queue<T> {
    /// A queue for up to `maxsize` items. asyncio's `Queue(maxsize)`.
    ///
    /// # Panics
    ///
    /// When `maxsize` is 0, which in asyncio means [`unbounded`](Queue::unbounded).
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// assert_eq!(Queue::<u8>::bounded(8).maxsize(), Some(8));
    /// ```
    #[track_caller]
    pub const fn bounded(maxsize: usize) -> Queue<T> {
        Queue::with(Fifo::new(), Some(maxsize))
    }

    /// A queue without a limit: `put` does not wait, and memory is the limit. asyncio's `Queue()`.
    ///
    /// Whoever puts faster than others get will not notice; prefer a [`bounded`](Queue::bounded) one.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// assert_eq!(Queue::<u8>::unbounded().maxsize(), None);
    /// ```
    pub const fn unbounded() -> Queue<T> {
        Queue::with(Fifo::new(), None)
    }
}

impl<T, O> Queue<T, O> {
    #[track_caller]
    pub(crate) const fn with(storage: O, maxsize: Option<usize>) -> Queue<T, O> {
        let places = match maxsize {
            Some(0) => panic!("a bounded queue has room for one item at least; use `unbounded` for one without a limit"),
            Some(maxsize) => maxsize,
            None => usize::MAX,
        };
        Queue {
            storage,
            done: Cell::new(0),
            counted_puts: Cell::new(0),
            counted_gets: Cell::new(0),
            getting: WaitList::new(),
            putting: WaitList::new(),
            promised: Cell::new(0),
            places: Cell::new(places),
            maxsize,
            joining: WaitList::new(),
            content: PhantomData,
        }
    }

    /// The number of items that it can hold; `None`: as many as memory can.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// assert_eq!(Queue::<u8>::bounded(8).maxsize(), Some(8));
    /// ```
    pub fn maxsize(&self) -> Option<usize> {
        self.maxsize
    }

    /// Whether it was [shut down](Queue::shutdown); items may be left in it.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// let queue = Queue::<u8>::unbounded();
    /// queue.shutdown(false);
    /// assert!(queue.is_shut_down());
    /// ```
    #[inline]
    pub fn is_shut_down(&self) -> bool {
        self.promised.get() == usize::MAX
    }
}

impl<T, O: QueueOrder<T>> Queue<T, O> {
    /// Puts an item, and waits for room if there is none. asyncio's `put`.
    ///
    /// # Errors
    ///
    /// [`QueueShutDown`](crate::QueueShutDown) with the item, when the queue was or is [shut down](Queue::shutdown).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the item, which is not in the queue then. If it had been granted a place already, that goes to
    /// the next in line.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has ended.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// # uasyncio_core::run(async {
    /// let queue = Queue::bounded(1);
    /// queue.put("item").await.unwrap();
    /// assert_eq!(queue.qsize(), 1);
    /// # });
    /// ```
    #[inline]
    pub fn put(&self, item: T) -> QueuePut<'_, T, O> {
        QueuePut::new(self, item)
    }

    /// Puts an item if there is room that nobody waits for. asyncio's `put_nowait`.
    ///
    /// # Errors
    ///
    /// [`PutNowaitError`] with the item: no room, or the queue was shut down.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// let queue = Queue::bounded(1);
    /// queue.put_nowait(1).unwrap();
    /// assert_eq!(queue.put_nowait(2).unwrap_err().into_inner(), 2);
    /// ```
    #[inline]
    pub fn put_nowait(&self, item: T) -> Result<(), PutNowaitError<T>> {
        let Err(item) = self.storage.push_quickly(item) else { return Ok(()) };
        if self.has_room() {
            self.insert(item);
            Ok(())
        } else if self.is_shut_down() {
            Err(PutNowaitError::QueueShutDown(item))
        } else {
            Err(PutNowaitError::QueueFull(item))
        }
    }

    /// Takes the next item, and waits for it if there is none. asyncio's `get`.
    ///
    /// # Errors
    ///
    /// [`QueueShutDown`](crate::QueueShutDown) when the queue was or is [shut down](Queue::shutdown), and nothing is left in it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item: it takes one only at the moment at which it gives it. If it had been promised one
    /// already, that is promised to the next in line.
    ///
    /// # Panics
    ///
    /// When the waker of one does who is granted the room. The item stays the next one to come out, so that the queue may hold one more
    /// than its bound for a while.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// # uasyncio_core::run(async {
    /// let queue = Queue::unbounded();
    /// queue.put_nowait("item").unwrap();
    /// assert_eq!(queue.get().await, Ok("item"));
    /// # });
    /// ```
    #[inline]
    pub fn get(&self) -> QueueGet<'_, T, O> {
        QueueGet::new(self)
    }

    /// Takes the next item if there is one that was promised to nobody. asyncio's `get_nowait`.
    ///
    /// # Errors
    ///
    /// [`GetNowaitError`]: no such item, or the queue was shut down and is empty.
    ///
    /// # Panics
    ///
    /// As [`get`](Queue::get) does.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// let queue = Queue::unbounded();
    /// queue.put_nowait("item").unwrap();
    /// assert_eq!(queue.get_nowait(), Ok("item"));
    /// assert!(queue.get_nowait().is_err());
    /// ```
    #[inline]
    pub fn get_nowait(&self) -> Result<T, GetNowaitError> {
        if let Some(item) = self.storage.pop_quickly() {
            Ok(item)
        } else if self.has_item() || self.is_shut_down() {
            self.remove().ok_or(GetNowaitError::QueueShutDown)
        } else {
            Err(GetNowaitError::QueueEmpty)
        }
    }

    /// The items as a [`Stream`](futures_core::Stream), which ends when the queue is shut down and empty.
    ///
    /// It waits and takes as [`get`](Queue::get) does. Several streams of one queue share the items out.
    ///
    /// ```
    /// # use std::future::poll_fn;
    /// # use std::pin::pin;
    /// use futures_core::Stream;
    /// # use uasyncio_sync::Queue;
    ///
    /// # uasyncio_core::run(async {
    /// let queue = Queue::unbounded();
    /// queue.put_nowait(1).unwrap();
    /// queue.shutdown(false);
    /// let mut numbers = pin!(queue.stream());
    /// // With a crate that has `StreamExt` this is `numbers.next().await`.
    /// assert_eq!(poll_fn(|cx| numbers.as_mut().poll_next(cx)).await, Some(1));
    /// assert_eq!(poll_fn(|cx| numbers.as_mut().poll_next(cx)).await, None);
    /// # });
    /// ```
    pub fn stream(&self) -> QueueStream<'_, T, O> {
        QueueStream::new(self)
    }

    /// Waits until all items that were put have been got and [done](Queue::task_done). asyncio's `join`.
    ///
    /// When nothing is unfinished there is nothing to wait for. Otherwise it ends when the number of unfinished items becomes
    /// 0, even if it has grown again before the task runs.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the queue.
    ///
    /// ```
    /// use uasyncio_core::{create_task, run};
    /// use uasyncio_sync::Queue;
    /// # use std::rc::Rc;
    ///
    /// run(async {
    ///     let queue = Rc::new(Queue::unbounded());
    ///     queue.put_nowait("a job").unwrap();
    ///     let jobs = queue.clone();
    ///     let _worker = create_task(async move {
    ///         while let Ok(_job) = jobs.get().await {
    ///             jobs.task_done();
    ///         }
    ///     });
    ///     queue.join().await;
    /// });
    /// ```
    pub fn join(&self) -> QueueJoin<'_, T, O> {
        QueueJoin::new(self)
    }

    /// Says that the work on one item that was got is done. asyncio's `task_done`; only for the sake of [`join`](Queue::join).
    ///
    /// # Panics
    ///
    /// When it is called more often than items were put, where asyncio has a `ValueError`.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// # let queue = Queue::unbounded();
    /// queue.put_nowait("a job").unwrap();
    /// let _job = queue.get_nowait().unwrap();
    /// queue.task_done();
    /// ```
    #[track_caller]
    pub fn task_done(&self) {
        assert!(self.unfinished() > 0, "`task_done` is called more often than items were put");
        self.finish(1);
    }

    /// The number of items in the queue, including those that were promised to tasks that have not run yet.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// let queue = Queue::unbounded();
    /// queue.put_nowait(1).unwrap();
    /// assert_eq!(queue.qsize(), 1);
    /// ```
    pub fn qsize(&self) -> usize {
        self.storage.len()
    }

    /// Whether [`qsize`](Queue::qsize) is 0.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// assert!(Queue::<u8>::bounded(1).empty());
    /// ```
    pub fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Whether [`qsize`](Queue::qsize) is [`maxsize`](Queue::maxsize). An unbounded queue never is.
    ///
    /// ```
    /// # use uasyncio_sync::Queue;
    /// let queue = Queue::bounded(1);
    /// queue.put_nowait(1).unwrap();
    /// assert!(queue.full());
    /// ```
    pub fn full(&self) -> bool {
        self.maxsize.is_some_and(|maxsize| self.qsize() >= maxsize)
    }

    /// Ends the queue: nothing can be put any more, and those that wait for room get their items back. asyncio's `shutdown`.
    ///
    /// What is in it can still be got; when it is empty, all that get or wait for an item are told so. If `immediate`, what is
    /// in it is dropped at once and counts as [done](Queue::task_done). Promises end with it: what is left belongs to whoever
    /// asks first. A second call may be `immediate` where the first was not, and otherwise does nothing.
    ///
    /// ```
    /// # use uasyncio_sync::{GetNowaitError, PutNowaitError, Queue};
    /// let queue = Queue::unbounded();
    /// queue.put_nowait(1).unwrap();
    /// queue.put_nowait(2).unwrap();
    /// queue.shutdown(false);
    /// assert_eq!(queue.put_nowait(3), Err(PutNowaitError::QueueShutDown(3)));
    /// assert_eq!(queue.get_nowait(), Ok(1));
    /// queue.shutdown(true);
    /// assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
    /// ```
    pub fn shutdown(&self, immediate: bool) {
        self.promised.set(usize::MAX);
        self.places.set(0);
        self.storage.allow_pushes(0);
        self.storage.allow_pops(usize::MAX);
        let dropped = if immediate { self.storage.take() } else { O::default() };
        let finished = dropped.len().min(self.unfinished());
        // In this order, from the last to the first:
        let _dropped = dropped;
        let _putters = Finally(|| _ = self.putting.wake_all());
        let _getters = Finally(|| _ = self.getting.wake_all());
        self.finish(finished);
    }

    /// The number of items that were put and are not done.
    fn unfinished(&self) -> usize {
        self.storage.puts().wrapping_sub(self.done.get())
    }

    /// Counts items that are done.
    fn finish(&self, count: usize) {
        self.done.set(self.done.get().wrapping_add(count));
        if count > 0 && self.unfinished() == 0 {
            self.joining.wake_all();
        }
    }
}

impl<T, O: QueueOrder<T>> fmt::Debug for Queue<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Queue");
        debug.field("qsize", &self.qsize()).field("maxsize", &self.maxsize).field("unfinished", &self.unfinished());
        debug.field("shut_down", &self.is_shut_down()).finish()
    }
}
