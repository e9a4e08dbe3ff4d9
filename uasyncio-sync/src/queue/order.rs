//! What a queue keeps its items in, and so which one comes out next.

use alloc::collections::BinaryHeap;
use core::cell::{Cell, RefCell};
use core::cmp::Ordering;
use core::fmt;

use uasyncio_core::LocalRing;

/// In which order items come out of a [`Queue`](crate::Queue): [`Fifo`], [`Lifo`] or [`SmallestFirst`], and no others.
///
/// ```
/// use uasyncio_sync::{LifoQueue, Queue, QueueOrder};
///
/// fn drain<T, O: QueueOrder<T>>(queue: &Queue<T, O>) -> Vec<T> {
///     std::iter::from_fn(|| queue.get_nowait().ok()).collect()
/// }
///
/// let stack = LifoQueue::unbounded();
/// stack.put_nowait(1).unwrap();
/// stack.put_nowait(2).unwrap();
/// assert_eq!(drain(&stack), [2, 1]);
/// ```
pub trait QueueOrder<T>: Storage<T> {}

impl<T, S: Storage<T>> QueueOrder<T> for S {}

/// The private half of [`QueueOrder`].
pub trait Storage<T>: Default {
    /// Whether what it calls of the items' own may panic.
    const MAY_PANIC: bool;

    fn len(&self) -> usize;
    /// How many items were pushed; it wraps around.
    fn puts(&self) -> usize;
    fn push(&self, item: T);
    fn pop(&self) -> Option<T>;
    /// Makes an item that has come out the next one again; it does not count as pushed.
    fn put_back(&self, item: T);
    /// Takes all items.
    fn take(&self) -> Self;

    /// Pushes if there is a quick way and it is open.
    #[inline(always)]
    fn push_quickly(&self, item: T) -> Result<(), T> {
        Err(item)
    }

    /// Pops if there is a quick way and it is open.
    #[inline(always)]
    fn pop_quickly(&self) -> Option<T> {
        None
    }

    /// Opens the quick way of pushing until there are `limit` items. Every push of the other kind closes it.
    fn allow_pushes(&self, _limit: usize) {}

    /// Opens the quick way of popping until the last `keep` of the items that there are. Every pop of the other kind closes it.
    fn allow_pops(&self, _keep: usize) {}
}

/// The order of [`Queue`](crate::Queue): first in, first out.
///
/// ```
/// # use uasyncio_sync::{Fifo, Queue};
/// let queue: Queue<u8, Fifo<u8>> = Queue::unbounded();
/// # assert!(queue.empty());
/// ```
pub struct Fifo<T>(LocalRing<T>);

impl<T> Fifo<T> {
    pub(crate) const fn new() -> Fifo<T> {
        Fifo(LocalRing::new())
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Fifo<T> {
        Fifo::new()
    }
}

impl<T> Storage<T> for Fifo<T> {
    const MAY_PANIC: bool = false;

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn puts(&self) -> usize {
        self.0.end()
    }

    #[inline]
    fn push(&self, item: T) {
        self.0.push_back(item);
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        self.0.pop_front()
    }

    fn put_back(&self, item: T) {
        self.0.push_front(item);
    }

    fn take(&self) -> Self {
        Fifo(self.0.take())
    }

    #[inline(always)]
    fn push_quickly(&self, item: T) -> Result<(), T> {
        self.0.push_quickly(item)
    }

    #[inline(always)]
    fn pop_quickly(&self) -> Option<T> {
        self.0.pop_quickly()
    }

    #[inline]
    fn allow_pushes(&self, limit: usize) {
        self.0.allow_pushes(limit);
    }

    #[inline]
    fn allow_pops(&self, keep: usize) {
        self.0.allow_pops(keep);
    }
}

impl<T> fmt::Debug for Fifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fifo({})", self.0.len())
    }
}

/// The order of [`LifoQueue`](crate::LifoQueue): last in, first out.
///
/// ```
/// # use uasyncio_sync::{Lifo, LifoQueue, Queue};
/// # let stack = LifoQueue::unbounded();
/// let queue: &Queue<u8, Lifo<u8>> = &stack;
/// # assert!(queue.empty());
/// ```
pub struct Lifo<T> {
    items: LocalRing<T>,
    puts: Cell<usize>,
}

impl<T> Lifo<T> {
    pub(crate) const fn new() -> Lifo<T> {
        Lifo { items: LocalRing::new(), puts: Cell::new(0) }
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Lifo<T> {
        Lifo::new()
    }
}

impl<T> Storage<T> for Lifo<T> {
    const MAY_PANIC: bool = false;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn puts(&self) -> usize {
        self.puts.get()
    }

    fn push(&self, item: T) {
        self.items.push_back(item);
        self.puts.set(self.puts.get().wrapping_add(1));
    }

    fn pop(&self) -> Option<T> {
        self.items.pop_back()
    }

    fn put_back(&self, item: T) {
        self.items.push_back(item);
    }

    fn take(&self) -> Self {
        Lifo { items: self.items.take(), puts: self.puts.clone() }
    }
}

impl<T> fmt::Debug for Lifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lifo({})", self.items.len())
    }
}

/// The order of [`PriorityQueue`](crate::PriorityQueue): the smallest first, and the first of those that are equal.
///
/// ```
/// # use uasyncio_sync::{PriorityQueue, Queue, SmallestFirst};
/// # let jobs = PriorityQueue::unbounded();
/// let queue: &Queue<u8, SmallestFirst<u8>> = &jobs;
/// # assert!(queue.empty());
/// ```
pub struct SmallestFirst<T> {
    heap: RefCell<BinaryHeap<Numbered<T>>>,
    /// How many items there have been.
    count: Cell<u64>,
}

/// An item, with a number that says which of two equal ones was first.
struct Numbered<T> {
    item: T,
    number: u64,
}

impl<T: Ord> SmallestFirst<T> {
    pub(crate) const fn new() -> SmallestFirst<T> {
        SmallestFirst { heap: RefCell::new(BinaryHeap::new()), count: Cell::new(0) }
    }
}

impl<T: Ord> Default for SmallestFirst<T> {
    fn default() -> SmallestFirst<T> {
        SmallestFirst::new()
    }
}

impl<T: Ord> Storage<T> for SmallestFirst<T> {
    const MAY_PANIC: bool = true;

    fn len(&self) -> usize {
        self.heap.borrow().len()
    }

    fn puts(&self) -> usize {
        self.count.get() as usize
    }

    fn push(&self, item: T) {
        let number = self.count.get() + 1;
        self.count.set(number);
        self.heap.borrow_mut().push(Numbered { item, number });
    }

    fn pop(&self) -> Option<T> {
        self.heap.borrow_mut().pop().map(|numbered| numbered.item)
    }

    fn put_back(&self, item: T) {
        // Before all that are equal, which have greater numbers.
        self.heap.borrow_mut().push(Numbered { item, number: 0 });
    }

    fn take(&self) -> Self {
        SmallestFirst { heap: RefCell::new(self.heap.take()), count: self.count.clone() }
    }
}

impl<T> fmt::Debug for SmallestFirst<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmallestFirst({})", self.heap.borrow().len())
    }
}

// The heap has its greatest at the top.
impl<T: Ord> Ord for Numbered<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.item.cmp(&self.item).then(other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Numbered<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Numbered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Numbered<T> {}
