//! A queue that drops its oldest item when it is full.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;
use pin_project_lite::pin_project;
use uasyncio_core::WaitNode;

use crate::permits::Permits;

/// A queue of the newest `N` items: putting never waits, and drops the oldest item when there is no room. `RingbufQueue` of Peter
/// Hinch's library for MicroPython.
///
/// For measurements and the like, where the newest count and the producer must not be held up. Items are inside the queue, and nothing
/// is allocated; it can be a `static` of a thread. Those who wait are served in the order in which they came. It is
/// for the tasks of one loop; what other threads and interrupts put goes through a `ThreadSafeQueue`.
///
/// The original has room for one item less than its buffer has cells; here it is `N`. Its `put` waits for room, its `put_nowait`
/// overwrites and raises an error; here [`put`](RingbufQueue::put) overwrites and gives what fell out, and [`put_nowait`](RingbufQueue::put_nowait) says the same
/// as an error. For a queue that holds up its producers there is `Queue`.
///
/// ```
/// use uasyncio_core::run;
/// use uasyncio_sync::RingbufQueue;
///
/// run(async {
///     let samples = RingbufQueue::<u32, 2>::new();
///     assert_eq!(samples.put(1), None);
///     assert_eq!(samples.put(2), None);
///     assert_eq!(samples.put(3), Some(1)); // fell out
///     assert_eq!(samples.get().await, 2);
///     assert_eq!(samples.get().await, 3);
/// });
/// ```
pub struct RingbufQueue<T, const N: usize> {
    cells: RefCell<[Option<T>; N]>,
    /// Where the oldest item is, and how many there are.
    first: Cell<usize>,
    len: Cell<usize>,
    /// One for each item that nobody was promised. An item that falls out is replaced at once, so promises are kept.
    items: Permits,
}

impl<T, const N: usize> RingbufQueue<T, N> {
    /// An empty queue. `N` must not be zero; the compiler says so.
    ///
    /// ```
    /// # use uasyncio_sync::RingbufQueue;
    /// assert_eq!(RingbufQueue::<u8, 3>::new().qsize(), 0);
    /// ```
    pub const fn new() -> RingbufQueue<T, N> {
        const { assert!(0 < N && N <= u32::MAX as usize, "a queue has room for one item at least") };
        RingbufQueue { cells: RefCell::new([const { None }; N]), first: Cell::new(0), len: Cell::new(0), items: Permits::new(0) }
    }

    /// Puts an item. Without room the oldest one falls out, and is given back.
    ///
    /// ```
    /// # use uasyncio_sync::RingbufQueue;
    /// let queue = RingbufQueue::<_, 1>::new();
    /// assert_eq!(queue.put("old"), None);
    /// assert_eq!(queue.put("new"), Some("old"));
    /// ```
    pub fn put(&self, item: T) -> Option<T> {
        let (first, len) = (self.first.get(), self.len.get());
        let fallen = self.cells.borrow_mut()[(first + len) % N].replace(item);
        if fallen.is_some() {
            self.first.set((first + 1) % N);
        } else {
            self.len.set(len + 1);
            self.items.release(1);
        }
        fallen
    }

    /// As [`put`](RingbufQueue::put), for those who see a lost item as an error. The item is put in any case.
    ///
    /// # Errors
    ///
    /// [`RingbufOverwritten`] with the oldest item, which fell out.
    ///
    /// ```
    /// # use uasyncio_sync::RingbufQueue;
    /// let queue = RingbufQueue::<_, 1>::new();
    /// queue.put_nowait("old").unwrap();
    /// assert_eq!(queue.put_nowait("new").unwrap_err().0, "old");
    /// assert_eq!(queue.get_nowait(), Some("new"));
    /// ```
    pub fn put_nowait(&self, item: T) -> Result<(), RingbufOverwritten<T>> {
        match self.put(item) {
            None => Ok(()),
            Some(fallen) => Err(RingbufOverwritten(fallen)),
        }
    }

    /// Takes the oldest item, and waits for one if there is none, or if others wait already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item: one that it was promised goes to the next who waits.
    ///
    /// ```
    /// # use uasyncio_sync::RingbufQueue;
    /// # uasyncio_core::run(async {
    /// let queue = RingbufQueue::<_, 4>::new();
    /// queue.put(7);
    /// assert_eq!(queue.get().await, 7);
    /// # });
    /// ```
    pub fn get(&self) -> RingbufGet<'_, RingbufQueue<T, N>> {
        RingbufGet { queue: self, node: WaitNode::new(&self.items) }
    }

    /// Takes the oldest item, if there is one that nobody was promised.
    ///
    /// ```
    /// # use uasyncio_sync::RingbufQueue;
    /// let queue = RingbufQueue::<_, 4>::new();
    /// assert_eq!(queue.get_nowait(), None);
    /// queue.put(7);
    /// assert_eq!(queue.get_nowait(), Some(7));
    /// ```
    pub fn get_nowait(&self) -> Option<T> {
        if self.items.try_acquire(1) { self.take() } else { None }
    }

    /// A copy of the oldest item, which stays.
    ///
    /// # Panics
    ///
    /// If the item's `clone` uses this queue.
    ///
    /// ```
    /// # use uasyncio_sync::RingbufQueue;
    /// let queue = RingbufQueue::<_, 4>::new();
    /// queue.put(7);
    /// queue.put(8);
    /// assert_eq!(queue.peek(), Some(7));
    /// assert_eq!(queue.qsize(), 2);
    /// ```
    pub fn peek(&self) -> Option<T>
    where
        T: Clone,
    {
        self.cells.borrow()[self.first.get()].clone()
    }

    /// The items as a stream, which never ends; as cancel-safe as [`get`](RingbufQueue::get). The original's `async for`.
    ///
    /// ```
    /// # use std::future::poll_fn;
    /// # use std::pin::pin;
    /// # use futures_core::Stream;
    /// # use uasyncio_sync::RingbufQueue;
    /// # uasyncio_core::run(async {
    /// let queue = RingbufQueue::<_, 4>::new();
    /// queue.put(1);
    /// let mut stream = pin!(queue.stream());
    /// assert_eq!(poll_fn(|cx| stream.as_mut().poll_next(cx)).await, Some(1));
    /// # });
    /// ```
    pub fn stream(&self) -> RingbufStream<'_, RingbufQueue<T, N>> {
        RingbufStream { get: self.get() }
    }

    /// How many items there are, those too that were promised to tasks that have not run yet.
    pub fn qsize(&self) -> usize {
        self.len.get()
    }

    /// Whether there are no items.
    pub fn empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Whether the next put drops an item.
    pub fn full(&self) -> bool {
        self.len.get() == N
    }

    /// How many items there is room for: `N`.
    pub const fn maxsize(&self) -> usize {
        N
    }

    fn take(&self) -> Option<T> {
        let first = self.first.get();
        let item = self.cells.borrow_mut()[first].take();
        if item.is_some() {
            self.first.set((first + 1) % N);
            self.len.set(self.len.get() - 1);
        }
        item
    }
}

impl<T, const N: usize> Default for RingbufQueue<T, N> {
    fn default() -> RingbufQueue<T, N> {
        RingbufQueue::new()
    }
}

impl<T, const N: usize> fmt::Debug for RingbufQueue<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingbufQueue").field("qsize", &self.qsize()).field("maxsize", &N).finish_non_exhaustive()
    }
}

/// A put has overwritten the oldest item, which this holds; see [`RingbufQueue::put_nowait`].
///
/// ```
/// # use uasyncio_sync::RingbufQueue;
/// let queue = RingbufQueue::<_, 1>::new();
/// queue.put(1);
/// assert_eq!(queue.put_nowait(2).unwrap_err().to_string(), "the queue was full; its oldest item was dropped");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RingbufOverwritten<T>(pub T);

impl<T> fmt::Debug for RingbufOverwritten<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingbufOverwritten")
    }
}

impl<T> fmt::Display for RingbufOverwritten<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was full; its oldest item was dropped")
    }
}

impl<T> core::error::Error for RingbufOverwritten<T> {}

pin_project! {
    /// The future of [`RingbufQueue::get`]; `Q` is the queue's type.
    #[must_use = "it takes nothing unless it is awaited"]
    pub struct RingbufGet<'q, Q> {
        queue: &'q Q,
        #[pin]
        node: WaitNode<'q, Permits>,
    }

    impl<Q> PinnedDrop for RingbufGet<'_, Q> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.node.owner().abandon(this.node, 1);
        }
    }
}

impl<T, const N: usize> Future for RingbufGet<'_, RingbufQueue<T, N>> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        // Nobody closes these permits, and there is an item for each of them.
        match this.node.owner().poll_acquire(this.node, cx, 1, "an item of a ring buffer") {
            Poll::Ready(Ok(())) => this.queue.take().map_or(Poll::Pending, Poll::Ready),
            _ => Poll::Pending,
        }
    }
}

impl<Q> fmt::Debug for RingbufGet<'_, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingbufGet").field("waiting", &self.node.is_waiting()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The stream of [`RingbufQueue::stream`]; `Q` is the queue's type.
    #[must_use = "streams do nothing unless they are polled"]
    #[derive(Debug)]
    pub struct RingbufStream<'q, Q> {
        #[pin]
        get: RingbufGet<'q, Q>,
    }
}

impl<T, const N: usize> Stream for RingbufStream<'_, RingbufQueue<T, N>> {
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.project().get.poll(cx).map(Some)
    }
}
