//! Links of pinned futures in a row, first in, first out: what [`WaitList`](crate::WaitList) and [`LockCell`](crate::LockCell) have in common.
//!
//! Whoever keeps a row knows its first link and, in a [`Rear`], the last one; each link knows its neighbours. `prev` of the first link and the
//! rear of an empty row are never looked at, and nobody keeps them up to date: taking the first link out writes two words.

use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr;

pub(crate) type Pointer<E> = *const Link<E>;

/// A row, by its ends.
pub(crate) struct Chain<E> {
    /// Null: it is empty.
    first: Cell<Pointer<E>>,
    rear: Rear<E>,
}

/// The last link of a row, if there is one.
pub(crate) struct Rear<E>(Cell<Pointer<E>>);

/// Invariant U13: it is in a row, between its neighbours, if and only if it waits or, in a lock's, was granted the value and has not been polled
/// since; then it is pinned, and it leaves the row before it goes.
//
// In this order `next`, the only word that a link has to have while it is idle, is at the link's own address.
#[repr(C)]
pub(crate) struct Link<E> {
    /// Null: it is the last one, or in no row.
    next: Cell<Pointer<E>>,
    /// Only if it is in a row, and not the first one.
    prev: Cell<MaybeUninit<Pointer<E>>>,
    pub(crate) more: E,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Idle,
    Waiting,
    Granted,
}

impl<E> Link<E> {
    /// What [`Chain::grant_first`] leaves in a link.
    const GRANTED: Pointer<E> = ptr::without_provenance(1);

    #[inline]
    pub(crate) const fn new(more: E) -> Link<E> {
        Link { next: Cell::new(ptr::null()), prev: Cell::new(MaybeUninit::uninit()), more }
    }

    #[inline]
    pub(crate) fn is_granted(&self) -> bool {
        self.next.get() == Link::GRANTED
    }

    /// The one behind it, or null.
    #[inline]
    pub(crate) fn next(&self) -> Pointer<E> {
        self.next.get()
    }

    /// For one that was the first of a row, and is out of it.
    #[inline]
    pub(crate) fn forget_next(&self) {
        self.next.set(ptr::null());
    }
}

impl<E> Rear<E> {
    #[inline]
    pub(crate) const fn new() -> Rear<E> {
        Rear(Cell::new(ptr::null()))
    }

    #[inline]
    pub(crate) fn is(&self, link: &Link<E>) -> bool {
        ptr::eq(self.0.get(), link)
    }

    /// For a row of one link.
    #[inline]
    pub(crate) fn set(&self, link: &Link<E>) {
        self.0.set(link);
    }

    /// Puts a link that is in no row at the end of this one.
    ///
    /// # Safety
    ///
    /// U13: it is pinned, and is taken out of the row before it goes. There is another one, and this is up to date.
    #[inline]
    pub(crate) unsafe fn push(&self, link: &Link<E>) {
        debug_assert!(link.next.get().is_null());
        let last = self.0.replace(link);
        link.prev.set(MaybeUninit::new(last));
        // SAFETY: U13. There is a last one, which is linked, hence alive.
        unsafe { (*last).next.set(link) };
    }

    /// Takes a link out.
    ///
    /// # Safety
    ///
    /// It is in this row, and not the first one.
    pub(crate) unsafe fn remove(&self, link: &Link<E>) {
        let next = link.next.replace(ptr::null());
        // SAFETY: U13. It is not the first one, so there is one before it, which is linked, hence alive.
        let before = unsafe { link.prev.get().assume_init() };
        // SAFETY: as above.
        unsafe { (*before).next.set(next) };
        // SAFETY: U13. The one behind a linked one is linked, hence alive.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(MaybeUninit::new(before)),
            None => self.0.set(before),
        }
    }
}

impl<E> Chain<E> {
    #[inline]
    pub(crate) const fn new() -> Chain<E> {
        Chain { first: Cell::new(ptr::null()), rear: Rear::new() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_null()
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<&Link<E>> {
        // SAFETY: U13. What it points at is linked, hence alive.
        unsafe { self.first.get().as_ref() }
    }

    /// Whether it is one of the first `count` links. Takes as many steps.
    pub(crate) fn is_among_first(&self, count: usize, link: &Link<E>) -> bool {
        // SAFETY: U13. The one behind a linked one is linked, hence alive.
        let links = core::iter::successors(self.first(), |before| unsafe { before.next.get().as_ref() });
        links.take(count).any(|one| ptr::eq(one, link))
    }

    /// Puts a new link at the end.
    ///
    /// # Safety
    ///
    /// U13: it is pinned, and is taken out of this chain before it goes.
    #[inline]
    pub(crate) unsafe fn push_back(&self, link: &Link<E>) {
        if self.is_empty() {
            self.first.set(link);
            self.rear.set(link);
        } else {
            // SAFETY: the caller's promise; there is another one.
            unsafe { self.rear.push(link) };
        }
    }

    /// Takes the first link out, and says that it was granted what it waited for.
    #[inline]
    pub(crate) fn grant_first(&self) -> Option<&Link<E>> {
        let link = self.first()?;
        self.first.set(link.next.replace(Link::GRANTED));
        Some(link)
    }

    /// Takes a link out, wherever it stands.
    ///
    /// # Safety
    ///
    /// It is in this chain.
    pub(crate) unsafe fn remove(&self, link: &Link<E>) {
        if ptr::eq(self.first.get(), link) {
            self.first.set(link.next.get());
        } else {
            // SAFETY: the caller's promise; it is not the first one.
            unsafe { self.rear.remove(link) };
        }
    }
}
