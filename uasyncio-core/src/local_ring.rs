//! A growing ring of items on one thread, changed through a shared reference.
//!
//! It does what a `VecDeque` in a `RefCell` does, in half the steps: there is no flag, and the number of slots is a power of two,
//! so that positions count on for ever and a mask finds the slot.
//!
//! ```text
//!   positions    ... head ───────► head + len ...      slot of a position: position & mask
//!                     the items
//! ```
//!
//! Invariant U18: the slots of the `len` positions from `head` on hold items, the others do not, and `limit` is at most the number
//! of slots. Nothing of the user's runs between two steps of which the first breaks this: items are moved in and out, and never
//! cloned, compared or dropped there. Even the program's allocator may use the ring: it is called when all of that holds.

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
    len: Cell<usize>,
    limit: Cell<usize>,
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
        LocalRing { slots: Cell::new(slots), mask: Cell::new(0), head: Cell::new(0), len: Cell::new(0), limit: Cell::new(0) }
    }

    /// How many items there are.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// assert_eq!(LocalRing::<u8>::new().len(), 0);
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.len.get()
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

    /// Puts an item at the back.
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
        unsafe { self.push_into_slot(item) }
    }

    /// Puts an item at the back, if there are fewer than [`set_limit`](LocalRing::set_limit) has said: the quickest way.
    ///
    /// # Errors
    ///
    /// The item, if there are as many.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// assert_eq!(ring.push_below_limit(1), Err(1));
    /// ring.push_back(1);
    /// ring.set_limit(2);
    /// assert_eq!(ring.push_below_limit(2), Ok(()));
    /// assert_eq!(ring.push_below_limit(3), Err(3));
    /// ```
    #[inline(always)]
    pub fn push_below_limit(&self, item: T) -> Result<(), T> {
        if self.len() >= self.limit.get() {
            return Err(item);
        }
        // SAFETY: U18. The limit is no more than there are slots, so the ring is not full.
        unsafe { self.push_into_slot(item) };
        Ok(())
    }

    /// Says how many items there may be after a [`push_below_limit`](LocalRing::push_below_limit).
    ///
    /// It counts up to the number of slots there are at this moment, and until the ring grows or is taken: from then on, as at
    /// first, the limit is 0.
    ///
    /// ```
    /// # use uasyncio_core::LocalRing;
    /// let ring = LocalRing::new();
    /// ring.set_limit(5);
    /// assert_eq!(ring.push_below_limit(1), Err(1)); // there are no slots yet
    /// ```
    #[inline]
    pub fn set_limit(&self, limit: usize) {
        self.limit.set(limit.min(self.slots.get().len()));
    }

    /// Takes the item at the front.
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
        let left = self.len().checked_sub(1)?;
        let first = self.slot(0);
        self.len.set(left);
        self.head.set(self.head.get().wrapping_add(1));
        // SAFETY: U18. The first slot held an item, which is ours since the positions have moved on.
        Some(unsafe { first.read() })
    }

    /// Takes the item at the back.
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
        let left = self.len().checked_sub(1)?;
        self.len.set(left);
        // SAFETY: U18. The last slot held an item, which is ours since the length has shrunk.
        Some(unsafe { self.slot(left).read() })
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
        other
    }

    fn swap(&self, other: &LocalRing<T>) {
        self.slots.swap(&other.slots);
        self.mask.swap(&other.mask);
        self.head.swap(&other.head);
        self.len.swap(&other.len);
        self.limit.swap(&other.limit);
    }

    /// # Safety
    ///
    /// The ring is not full.
    #[inline(always)]
    unsafe fn push_into_slot(&self, item: T) {
        let len = self.len();
        // SAFETY: U18. The slot behind the last item is there, since the ring is not full, and holds none.
        unsafe { self.slot(len).write(item) };
        self.len.set(len + 1);
    }

    /// Where the item with this index lies. It can be looked at only if there are slots.
    #[inline]
    fn slot(&self, index: usize) -> *mut T {
        let position = self.head.get().wrapping_add(index);
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
