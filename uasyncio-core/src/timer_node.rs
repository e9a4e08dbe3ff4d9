//! A timer inside the future that waits, and the lists that it is linked into.
//!
//! The lists are circular and have a head that is a [`Link`] too, so that a node leaves without knowing in which list it is:
//! one of the [`wheel`](crate::wheel)'s, or the sorted one of a loop without a heap, [`timer_list`](crate::timer_list).

use core::cell::Cell;
use core::marker::PhantomPinned;
use core::ptr;
use core::task::Waker;

use crate::Ticks;

/// The most that a deadline may be ahead of the clock, in ms: 12.4 days.
pub(crate) const FARTHEST: u32 = 1 << 30;

/// What tells a loop's timers from every other one's; 0 is nobody's.
#[cfg(feature = "alloc")]
pub(crate) type TimersId = u32;
/// Without a heap there are only static loops, of which one at a time runs here.
#[cfg(not(feature = "alloc"))]
pub(crate) type TimersId = u8;

/// The timers of the static loop that runs here. No loop on the heap has this number.
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
pub(crate) const STATIC_ID: TimersId = TimersId::MAX;

/// What a sleep asks of the loop in which it is polled.
pub(crate) trait Timers {
    /// Whose timers these are.
    fn id(&self) -> TimersId;

    /// The time that deadlines are counted from, read once in each poll that asks.
    fn now_rounded_up(&self) -> Ticks;

    /// Arms a node, which is pinned and not armed, for `deadline`, at most [`FARTHEST`] after `now`. A deadline that has
    /// passed fires in the next pass.
    fn arm(&self, node: &Node, deadline: Ticks, now: Ticks);
}

/// A place in a circular list; alone, it points at itself or, in a node, at nothing.
pub(crate) struct Link {
    next: Cell<*const Link>,
    prev: Cell<*const Link>,
}

/// A timer, pinned inside the future that waits.
///
/// Invariant U9: a linked node is pinned and stays in memory until it is unlinked, which its drop does; the timers unlink it
/// before they wake its waker, and unlink all when they end.
#[repr(C)]
pub(crate) struct Node {
    link: Link,
    waker: Cell<Option<Waker>>,
    deadline: Cell<Ticks>,
    /// For the sleep's own use, like `hops`: they are here because there is room.
    pub(crate) length: Cell<u32>,
    pub(crate) hops: Cell<u16>,
    /// The timers that armed the node last, if they still exist; 0 else.
    timers: Cell<TimersId>,
    pinned: PhantomPinned,
}

impl Link {
    pub(crate) const fn new() -> Link {
        Link { next: Cell::new(ptr::null()), prev: Cell::new(ptr::null()) }
    }

    pub(crate) fn is_linked(&self) -> bool {
        !self.next.get().is_null()
    }

    /// Makes this the head of an empty list.
    pub(crate) fn close(&self) {
        self.next.set(self);
        self.prev.set(self);
    }

    /// For the head of a list.
    pub(crate) fn is_empty(&self) -> bool {
        ptr::eq(self.next.get(), self)
    }

    /// For the head of a list.
    #[cfg(feature = "alloc")]
    pub(crate) fn push_back(&self, node: &Node) {
        debug_assert!(!node.is_armed());
        let link = ptr::from_ref(node).cast::<Link>(); // not `&node.link`: `front` goes back to the whole node
        let last = self.prev.replace(link);
        node.link.prev.set(last);
        node.link.next.set(self);
        // SAFETY: U9. What a list points at is linked, hence alive.
        unsafe { (*last).next.set(link) };
    }

    /// For the head of a list: puts a node behind the last one that is not to come after it.
    pub(crate) fn insert_behind(&self, node: &Node, comes_after: impl Fn(&Node) -> bool) {
        let mut place = self.prev.get();
        // SAFETY: U9. Between heads there are only links of nodes, each at its node's start, put there by a reference to the
        // whole node; all are linked, hence alive.
        while !ptr::eq(place, self) && comes_after(unsafe { &*place.cast::<Node>() }) {
            // SAFETY: U9, as above.
            place = unsafe { (*place).prev.get() };
        }
        debug_assert!(!node.is_armed());
        let link = ptr::from_ref(node).cast::<Link>(); // as in `push_back`
        // SAFETY: U9, as above.
        unsafe {
            let next = (*place).next.replace(link);
            node.link.prev.set(place);
            node.link.next.set(next);
            (*next).prev.set(link);
        }
    }

    pub(crate) fn unlink(&self) {
        let (next, prev) = (self.next.replace(ptr::null()), self.prev.replace(ptr::null()));
        // SAFETY: U9. The neighbours of a linked node are linked or heads, hence alive.
        unsafe {
            (*next).prev.set(prev);
            (*prev).next.set(next);
        }
    }

    /// For the head of a list: appends all of `other`, which is empty afterwards.
    #[cfg(feature = "alloc")]
    pub(crate) fn append(&self, other: &Link) {
        if other.is_empty() {
            return;
        }
        let (first, last) = (other.next.get(), other.prev.get());
        let end = self.prev.replace(last);
        // SAFETY: U9, as above.
        unsafe {
            (*end).next.set(first);
            (*first).prev.set(end);
            (*last).next.set(self);
        }
        other.close();
    }

    /// For the head of a list: its first node.
    pub(crate) fn front(&self) -> Option<&Node> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: U9. Between heads there are only links of nodes, each at its node's start (`repr(C)`), put there by a
        // reference to the whole node.
        Some(unsafe { &*self.next.get().cast::<Node>() })
    }

    /// For the head of a list: whether it has exactly one node.
    #[cfg(feature = "alloc")]
    pub(crate) fn is_single(&self) -> bool {
        !self.is_empty() && ptr::eq(self.next.get(), self.prev.get())
    }
}

impl Node {
    pub(crate) const fn new() -> Node {
        Node {
            link: Link::new(),
            waker: Cell::new(None),
            deadline: Cell::new(Ticks::from_millis(0)),
            length: Cell::new(0),
            hops: Cell::new(0),
            timers: Cell::new(0),
            pinned: PhantomPinned,
        }
    }

    /// Whether the deadline is still to come.
    pub(crate) fn is_armed(&self) -> bool {
        self.link.is_linked()
    }

    /// Whose timers armed the node last, whether or not it has fired since; 0 if they are gone.
    pub(crate) fn timers(&self) -> TimersId {
        self.timers.get()
    }

    /// Counts as armed, or fired, in these timers.
    pub(crate) fn join(&self, timers: TimersId) {
        self.timers.set(timers);
    }

    /// Disarms the node, which belongs to no timers from then on.
    pub(crate) fn leave(&self) {
        self.disarm();
        self.timers.set(0);
    }

    pub(crate) fn deadline(&self) -> Ticks {
        self.deadline.get()
    }

    /// Notes the deadline of a node that is not armed.
    pub(crate) fn set_deadline(&self, deadline: Ticks) {
        debug_assert!(!self.is_armed());
        self.deadline.set(deadline);
    }

    /// Takes the node out of its list, if it is in one.
    pub(crate) fn disarm(&self) {
        if self.is_armed() {
            self.link.unlink();
        }
        drop(self.waker.take());
    }

    /// Takes a linked node out of its list, to put it into another one.
    #[cfg(feature = "alloc")]
    pub(crate) fn unlink(&self) {
        self.link.unlink();
    }

    /// Takes a linked node out of its list, and gives who is to be woken.
    pub(crate) fn fire(&self) -> Option<Waker> {
        self.link.unlink();
        self.waker.take()
    }

    /// Takes a linked node out of its list because that ends. Nobody is told, and no foreign code runs.
    pub(crate) fn detach(&self) {
        self.link.unlink();
        self.timers.set(0);
    }

    /// Sets who is woken, unless it is the same.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let old = self.waker.take();
        match old {
            Some(old) if old.will_wake(waker) => self.waker.set(Some(old)),
            _ => self.waker.set(Some(waker.clone())),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.disarm();
    }
}
