//! A growing ring of items on one thread, changed through a shared reference.
//!
//! It does what a `VecDeque` in a `RefCell` does, in half the steps: there is no flag, and the number of slots is a power of two,
//! so that positions count on for ever and a mask finds the slot.
//!
//! ```text
//!   positions    ... head ────────────► tail ...      slot of a position: position & mask
//!                     the items
//!                      pop_mark  ≤  tail  ≤  push_mark
//! ```
//!
//! How far each quick way goes is a mark, so that it compares once and changes one number. (In rings between two threads each side
//! remembers how far the other one was for a like reason: MCRingBuffer, Lee, Bu and Chandranmenon 2010.)
//!
//! Invariant U18: the slots of the positions from `head` up to `tail` hold items, the others do not; `pop_mark` lies between the
//! two, and `push_mark` between `tail` and the number of slots from `head` on. Nothing of the user's runs between two steps of which
//! the first breaks this: items are moved in and out, and never cloned, compared or dropped there. Even the program's allocator may
//! use the ring: it is called when all of that holds.

use alloc::boxed::Box;
use core::cell::Cell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// Items in order, with two ends: what is inside the queues of `uasyncio-sync`.
///
/// It grows as needed, to a power of two, and keeps its memory. All methods take `&self`, and none of them runs code of the
/// items': what comes out is the caller's to drop. It stays on one thread.
///
/// ```
/// use uasyncio_core::LocalRing;
///
/// let ring = LocalRing::new();
/// ring.push_back("first");
/// ring.push_back("second");
/// assert_eq!(ring.len(), 2);
/// assert_eq!(ring.pop_front(), Some("first"));
/// ```
///
/// It cannot be shared with another thread:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(uasyncio_core::LocalRing::<u8>::new());
/// ```
pub struct LocalRing<T> {
    /// A box, as long as a power of two, or none.
    slots: Cell<NonNull<[MaybeUninit<T>]>>,
    /// One less than there are slots.
    mask: Cell<usize>,
    head: Cell<usize>,
    tail: Cell<usize>,
    push_mark: Cell<usize>,
    pop_mark: Cell<usize>,
}

impl<T> LocalRing<T> {
    /// An empty ring, which has no memory yet.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// assert!(LocalRing::<u8>::new().is_empty());
    /// ```
    pub const fn new() -> LocalRing<T> {
        let slots = NonNull::slice_from_raw_parts(NonNull::dangling(), 0);
        LocalRing {
            slots: Cell::new(slots),
            mask: Cell::new(0),
            head: Cell::new(0),
            tail: Cell::new(0),
            push_mark: Cell::new(0),
            pop_mark: Cell::new(0),
        }
    }

    /// How many items there are.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// assert_eq!(LocalRing::<u8>::new().len(), 0);
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    /// How many items were pushed at the back since it was made, less those that were popped there; it wraps around.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(1);
    /// ring.pop_front();
    /// assert_eq!(ring.end(), 1);
    /// ```
    #[inline]
    pub fn end(&self) -> usize {
        self.tail.get()
    }

    /// Whether there is none.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// assert!(LocalRing::<u8>::new().is_empty());
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts an item at the back. The quick way of pushing ends here.
    ///
    /// # Panics
    ///
    /// When the items would take more than `isize::MAX` bytes.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(1);
    /// assert_eq!(ring.pop_back(), Some(1));
    /// ```
    #[inline]
    pub fn push_back(&self, item: T) {
        while self.len() == self.slots.get().len() {
            self.grow();
        }
        // SAFETY: U18. The ring is not full.
        unsafe { self.push_into_slot(item) };
        self.forbid_pushes();
    }

    /// Puts an item at the back, if [`allow_pushes`](LocalRing::allow_pushes) lets it: the quickest way.
    ///
    /// # Errors
    ///
    /// The item, if it does not.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// assert_eq!(ring.push_quickly(1), Err(1));
    /// ring.push_back(1);
    /// ring.allow_pushes(2);
    /// assert_eq!(ring.push_quickly(2), Ok(()));
    /// assert_eq!(ring.push_quickly(3), Err(3));
    /// ```
    #[inline(always)]
    pub fn push_quickly(&self, item: T) -> Result<(), T> {
        if self.tail.get() == self.push_mark.get() {
            return Err(item);
        }
        // SAFETY: U18. The mark is no further than the slots, so the ring is not full.
        unsafe { self.push_into_slot(item) };
        Ok(())
    }

    /// Puts an item at the front, where it is the next one to come out. Both quick ways end here.
    ///
    /// # Panics
    ///
    /// When the items would take more than `isize::MAX` bytes.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(2);
    /// ring.push_front(1);
    /// assert_eq!((ring.pop_front(), ring.pop_front()), (Some(1), Some(2)));
    /// ```
    pub fn push_front(&self, item: T) {
        while self.len() == self.slots.get().len() {
            self.grow();
        }
        let first = self.head.get().wrapping_sub(1);
        // SAFETY: U18. The ring is not full, so the slot before the first item is none of those from `head` up to `tail`.
        unsafe { self.slot(first).write(item) };
        self.head.set(first);
        self.forbid_pushes();
        self.forbid_pops();
    }

    /// Opens the quick way of pushing until there are `limit` items, or as many as there are slots at this moment.
    ///
    /// Pops do not count: it ends when so many were pushed as there was room for. It ends, too, with a push of another
    /// kind and with [`pop_back`](LocalRing::pop_back). A limit of 0 closes it.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.allow_pushes(5);
    /// assert_eq!(ring.push_quickly(1), Err(1)); // there are no slots yet
    /// ```
    #[inline]
    pub fn allow_pushes(&self, limit: usize) {
        let room = limit.min(self.slots.get().len());
        self.push_mark.set(self.head.get().wrapping_add(room.max(self.len())));
    }

    /// Takes the item at the front. The quick way of popping ends here.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(1);
    /// ring.push_back(2);
    /// assert_eq!((ring.pop_front(), ring.pop_front(), ring.pop_front()), (Some(1), Some(2), None));
    /// ```
    #[inline]
    pub fn pop_front(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: U18. The ring is not empty.
        let item = unsafe { self.pop_from_slot() };
        self.forbid_pops();
        Some(item)
    }

    /// Takes the item at the front, if [`allow_pops`](LocalRing::allow_pops) lets it: the quickest way.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(1);
    /// assert_eq!(ring.pop_quickly(), None);
    /// ring.allow_pops(0);
    /// assert_eq!(ring.pop_quickly(), Some(1));
    /// ```
    #[inline(always)]
    pub fn pop_quickly(&self) -> Option<T> {
        if self.head.get() == self.pop_mark.get() {
            return None;
        }
        // SAFETY: U18. The mark is no further than the tail, so the ring is not empty.
        Some(unsafe { self.pop_from_slot() })
    }

    /// Opens the quick way of popping until the last `keep` of the items that there are at this moment.
    ///
    /// It ends, too, with a pop of another kind, with [`push_front`](LocalRing::push_front) and when the ring grows. To keep `usize::MAX` closes it.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(1);
    /// ring.push_back(2);
    /// ring.allow_pops(1);
    /// assert_eq!((ring.pop_quickly(), ring.pop_quickly()), (Some(1), None));
    /// ```
    #[inline]
    pub fn allow_pops(&self, keep: usize) {
        self.pop_mark.set(self.tail.get().wrapping_sub(keep.min(self.len())));
    }

    /// Takes the item at the back. Both quick ways end here.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(1);
    /// ring.push_back(2);
    /// assert_eq!((ring.pop_back(), ring.pop_back(), ring.pop_back()), (Some(2), Some(1), None));
    /// ```
    #[inline]
    pub fn pop_back(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let last = self.tail.get().wrapping_sub(1);
        self.tail.set(last);
        self.forbid_pushes();
        self.forbid_pops();
        // SAFETY: U18. The last slot held an item, which is ours since the tail has moved.
        Some(unsafe { self.slot(last).read() })
    }

    /// Takes all items, and the memory with them.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.push_back(1);
    /// assert_eq!((ring.take().len(), ring.len()), (1, 0));
    /// ```
    #[must_use = "dropping it drops the items"]
    pub fn take(&self) -> LocalRing<T> {
        let other = LocalRing::new();
        self.swap(&other);
        self.begin_at(other.tail.get());
        other
    }

    #[inline]
    fn forbid_pushes(&self) {
        self.push_mark.set(self.tail.get());
    }

    #[inline]
    fn forbid_pops(&self) {
        self.pop_mark.set(self.head.get());
    }

    fn swap(&self, other: &LocalRing<T>) {
        self.slots.swap(&other.slots);
        self.mask.swap(&other.mask);
        self.head.swap(&other.head);
        self.tail.swap(&other.tail);
        self.push_mark.swap(&other.push_mark);
        self.pop_mark.swap(&other.pop_mark);
    }

    /// Sets all positions of an empty ring.
    fn begin_at(&self, position: usize) {
        self.head.set(position);
        self.tail.set(position);
        self.push_mark.set(position);
        self.pop_mark.set(position);
    }

    /// # Safety
    ///
    /// The ring is not full.
    #[inline(always)]
    unsafe fn push_into_slot(&self, item: T) {
        let tail = self.tail.get();
        // SAFETY: U18. The slot behind the last item is there, since the ring is not full, and holds none.
        unsafe { self.slot(tail).write(item) };
        self.tail.set(tail.wrapping_add(1));
    }

    /// # Safety
    ///
    /// The ring is not empty.
    #[inline(always)]
    unsafe fn pop_from_slot(&self) -> T {
        let head = self.head.get();
        self.head.set(head.wrapping_add(1));
        // SAFETY: U18. The first slot held an item, which is ours since the head has moved on.
        unsafe { self.slot(head).read() }
    }

    /// Where the item with this position lies. It can be looked at only if there are slots.
    #[inline]
    fn slot(&self, position: usize) -> *mut T {
        self.slots.get().as_ptr().cast::<T>().wrapping_add(position & self.mask.get())
    }

    /// Makes room for one item at least, unless the allocator uses the ring: then there may be none again.
    #[cold]
    #[inline(never)]
    fn grow(&self) {
        let count = self.slots.get().len().max(2) * 2;
        let larger = LocalRing::new();
        larger.slots.set(NonNull::from(Box::leak(Box::new_uninit_slice(count))));
        larger.mask.set(count - 1);
        larger.begin_at(self.head.get());
        while let Some(item) = self.pop_front() {
            larger.push_back(item);
        }
        self.swap(&larger);
    }

    fn clear(&self) {
        while let Some(item) = self.pop_front() {
            drop(item);
        }
    }
}

impl<T> Drop for LocalRing<T> {
    fn drop(&mut self) {
        /// Goes on behind an item whose drop has panicked, and frees the slots.
        struct Rest<'r, T>(&'r LocalRing<T>);

        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                self.0.clear();
                // SAFETY: U18. They are a box, or none, and hold nothing.
                drop(unsafe { Box::from_raw(self.0.slots.get().as_ptr()) });
            }
        }

        let rest = Rest(self);
        rest.0.clear();
    }
}

impl<T> Default for LocalRing<T> {
    fn default() -> LocalRing<T> {
        LocalRing::new()
    }
}

impl<T> fmt::Debug for LocalRing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRing").field("len", &self.len()).finish_non_exhaustive()
    }
}
