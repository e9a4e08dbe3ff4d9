//! What a queue keeps its items in, and so which one comes out next.

use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

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
    fn push(&mut self, item: T);
    fn pop(&mut self) -> Option<T>;
}

/// The order of [`Queue`](crate::Queue): first in, first out.
///
/// ```
/// # use uasyncio_sync::{Fifo, Queue};
/// let queue: Queue<u8, Fifo<u8>> = Queue::unbounded();
/// # assert!(queue.empty());
/// ```
pub struct Fifo<T>(VecDeque<T>);

impl<T> Fifo<T> {
    pub(crate) const fn new() -> Fifo<T> {
        Fifo(VecDeque::new())
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
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
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
pub struct Lifo<T>(Vec<T>);

impl<T> Lifo<T> {
    pub(crate) const fn new() -> Lifo<T> {
        Lifo(Vec::new())
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Lifo<T> {
        Lifo::new()
    }
}

impl<T> Storage<T> for Lifo<T> {
    const MAY_PANIC: bool = false;

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
}

impl<T> fmt::Debug for Lifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lifo({})", self.0.len())
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
    heap: BinaryHeap<Numbered<T>>,
    /// How many items there have been.
    count: u64,
}

/// An item, with a number that says which of two equal ones was first.
struct Numbered<T> {
    item: T,
    number: u64,
}

impl<T: Ord> SmallestFirst<T> {
    pub(crate) const fn new() -> SmallestFirst<T> {
        SmallestFirst { heap: BinaryHeap::new(), count: 0 }
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
        self.heap.len()
    }

    fn push(&mut self, item: T) {
        self.count += 1;
        self.heap.push(Numbered { item, number: self.count });
    }

    fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|numbered| numbered.item)
    }
}

impl<T> fmt::Debug for SmallestFirst<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmallestFirst({})", self.heap.len())
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
