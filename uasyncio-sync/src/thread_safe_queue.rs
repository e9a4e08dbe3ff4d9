//! A queue between a task and threads or interrupts.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use uasyncio_core::SharedRing;

use crate::one_waiter::{OneWaiter, Seat, poll_with};

/// A queue of at most `N` items between a task and other threads or interrupts, in both directions. `ThreadSafeQueue` of Peter
/// Hinch's library for MicroPython.
///
/// Whoever cannot wait uses [`try_put`](ThreadSafeQueue::try_put) and [`try_get`](ThreadSafeQueue::try_get) (the original's `put_sync` and `get_sync`): any number of threads and
/// interrupts may do so, and neither blocks, allocates or frees. A task uses [`get`](ThreadSafeQueue::get), [`put`](ThreadSafeQueue::put) or [`stream`](ThreadSafeQueue::stream): one may wait for
/// items at a time, and one for room. The queue can be a `static`; items of one producer come in the order in which it put them.
///
/// The original keeps a cell free; here the capacity is `N`. On a target without compare-and-swap, such as Cortex-M0, it is
/// there with the feature `critical-section`.
///
/// ```
/// use uasyncio_core::run;
/// use uasyncio_sync::ThreadSafeQueue;
///
/// static RECEIVED: ThreadSafeQueue<u8, 16> = ThreadSafeQueue::new();
///
/// fn uart_interrupt(byte: u8) {
///     if RECEIVED.try_put(byte).is_err() {
///         // An overrun: the byte is lost.
///     }
/// }
///
/// let other = std::thread::spawn(|| b"AT".iter().copied().for_each(uart_interrupt));
/// run(async {
///     assert_eq!([RECEIVED.get().await, RECEIVED.get().await], *b"AT");
/// });
/// other.join().unwrap();
/// ```
pub struct ThreadSafeQueue<T, const N: usize> {
    items: SharedRing<T, N>,
    consumer: OneWaiter,
    producer: OneWaiter,
}

impl<T, const N: usize> ThreadSafeQueue<T, N> {
    /// An empty queue. `N` must not be zero; the compiler says so.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeQueue;
    /// static QUEUE: ThreadSafeQueue<u32, 4> = ThreadSafeQueue::new();
    /// assert!(QUEUE.is_empty());
    /// ```
    pub const fn new() -> ThreadSafeQueue<T, N> {
        ThreadSafeQueue { items: SharedRing::new(), consumer: OneWaiter::new(), producer: OneWaiter::new() }
    }

    /// Puts an item without waiting, and wakes the task that waits for one. From any thread or interrupt.
    ///
    /// # Errors
    ///
    /// The item comes back if there is no room.
    ///
    /// # Panics
    ///
    /// When the waker of the one who waits for items does. The item is in the queue.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeQueue;
    /// let queue = ThreadSafeQueue::<_, 1>::new();
    /// assert_eq!(queue.try_put("first"), Ok(()));
    /// assert_eq!(queue.try_put("second"), Err("second"));
    /// ```
    pub fn try_put(&self, item: T) -> Result<(), T> {
        self.items.push(item)?;
        self.consumer.wake();
        Ok(())
    }

    /// Takes the oldest item without waiting, if there is one, and wakes the task that waits for room. From any thread or
    /// interrupt.
    ///
    /// # Panics
    ///
    /// When the waker of the one who waits for room does. The item is dropped: its cell may have been filled again meanwhile.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeQueue;
    /// let queue = ThreadSafeQueue::<_, 1>::new();
    /// assert_eq!(queue.try_get(), None);
    /// queue.try_put(5).unwrap();
    /// assert_eq!(queue.try_get(), Some(5));
    /// ```
    pub fn try_get(&self) -> Option<T> {
        let item = self.items.pop()?;
        self.producer.wake();
        Some(item)
    }

    /// Takes the oldest item, and waits for one if there is none.
    ///
    /// # Panics
    ///
    /// When it is polled while another future, or a stream, waits for items of the same queue. That one goes on to wait. And as
    /// [`try_get`](ThreadSafeQueue::try_get).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeQueue;
    /// # uasyncio_core::run(async {
    /// let queue = ThreadSafeQueue::<_, 1>::new();
    /// std::thread::scope(|scope| scope.spawn(|| queue.try_put("from there")).join().unwrap()).unwrap();
    /// assert_eq!(queue.get().await, "from there");
    /// # });
    /// ```
    pub fn get(&self) -> ThreadSafeQueueGet<'_, T, N> {
        ThreadSafeQueueGet { queue: self, seat: Seat::new(&self.consumer) }
    }

    /// Puts an item, and waits for room if there is none.
    ///
    /// # Panics
    ///
    /// When it is polled while another future waits for room in the same queue, which goes on to wait; when it is polled again
    /// after it has put the item; and as [`try_put`](ThreadSafeQueue::try_put).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the item was not put, and is dropped with it.
    ///
    /// ```
    /// # use uasyncio_sync::ThreadSafeQueue;
    /// # uasyncio_core::run(async {
    /// let queue = ThreadSafeQueue::<_, 1>::new();
    /// queue.put(1).await;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| assert_eq!(queue.try_get(), Some(1)));
    /// });
    /// queue.put(2).await;
    /// # });
    /// ```
    pub fn put(&self, item: T) -> ThreadSafeQueuePut<'_, T, N> {
        ThreadSafeQueuePut { queue: self, item: Some(item), seat: Seat::new(&self.producer) }
    }

    /// The items as a stream, which never ends. The original's `async for`.
    ///
    /// It panics, and may be dropped, as [`get`](ThreadSafeQueue::get); from its first wait to the end of that nobody else may wait for items.
    ///
    /// ```
    /// # use std::future::poll_fn;
    /// # use std::pin::pin;
    /// # use futures_core::Stream;
    /// # use uasyncio_sync::ThreadSafeQueue;
    /// # uasyncio_core::run(async {
    /// let queue = ThreadSafeQueue::<_, 4>::new();
    /// queue.try_put(1).unwrap();
    /// let mut stream = pin!(queue.stream());
    /// assert_eq!(poll_fn(|cx| stream.as_mut().poll_next(cx)).await, Some(1));
    /// # });
    /// ```
    pub fn stream(&self) -> ThreadSafeQueueStream<'_, T, N> {
        ThreadSafeQueueStream { get: self.get() }
    }

    /// How many items there are. While others put and get, the answer may be out of date at once.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none; see [`len`](ThreadSafeQueue::len).
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether there is no room; see [`len`](ThreadSafeQueue::len).
    pub fn is_full(&self) -> bool {
        self.items.len() == N
    }

    /// How many items there is room for: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }
}

impl<T, const N: usize> Default for ThreadSafeQueue<T, N> {
    fn default() -> ThreadSafeQueue<T, N> {
        ThreadSafeQueue::new()
    }
}

impl<T, const N: usize> fmt::Debug for ThreadSafeQueue<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSafeQueue").field("len", &self.len()).field("capacity", &N).finish_non_exhaustive()
    }
}

/// The future of [`ThreadSafeQueue::get`].
#[derive(Debug)]
#[must_use = "it takes nothing unless it is awaited"]
pub struct ThreadSafeQueueGet<'q, T, const N: usize> {
    queue: &'q ThreadSafeQueue<T, N>,
    seat: Seat<'q>,
}

impl<T, const N: usize> Future for ThreadSafeQueueGet<'_, T, N> {
    type Output = T;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        this.seat.hold("a second task waits for items of a ThreadSafeQueue, which has room for one");
        poll_with(&mut this.seat, cx, "an item of a thread-safe queue", || this.queue.try_get())
    }
}

/// The future of [`ThreadSafeQueue::put`].
#[must_use = "it puts nothing unless it is awaited"]
pub struct ThreadSafeQueuePut<'q, T, const N: usize> {
    queue: &'q ThreadSafeQueue<T, N>,
    item: Option<T>,
    seat: Seat<'q>,
}

/// The item is never pinned.
impl<T, const N: usize> Unpin for ThreadSafeQueuePut<'_, T, N> {}

impl<T, const N: usize> Future for ThreadSafeQueuePut<'_, T, N> {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        assert!(this.item.is_some(), "a put was polled after it had put its item");
        this.seat.hold("a second task waits for room in a ThreadSafeQueue, which has room for one");
        poll_with(&mut this.seat, cx, "room in a thread-safe queue", || {
            this.item = this.queue.try_put(this.item.take()?).err();
            this.item.is_none().then_some(())
        })
    }
}

impl<T, const N: usize> fmt::Debug for ThreadSafeQueuePut<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSafeQueuePut").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// The stream of [`ThreadSafeQueue::stream`].
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct ThreadSafeQueueStream<'q, T, const N: usize> {
    get: ThreadSafeQueueGet<'q, T, N>,
}

impl<T, const N: usize> Stream for ThreadSafeQueueStream<'_, T, N> {
    type Item = T;

    #[track_caller]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let item = ready!(Pin::new(&mut self.get).poll(cx));
        Poll::Ready(Some(item))
    }
}
