//! Links of pinned futures in a row, first in, first out: what [`WaitList`](crate::WaitList) and [`LockCell`](crate::LockCell) have in common.
//!
//! A link says by its `next` where it stands: `IDLE`, `GRANTED`, or in the chain. Whether it is the first one the chain knows, and
//! whether a chain is empty too; so `prev` of the first link and `last` of an empty chain are never looked at, and nobody keeps
//! them up to date: taking the first link out writes two words.

use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr;

type Pointer<E> = *const Link<E>;

/// The first and the last of the links.
pub(crate) struct Chain<E> {
    /// Null: it is empty. `OFF`: it is switched off, and then it is neither empty nor has it a first one.
    first: Cell<Pointer<E>>,
    /// Only if there is a first one.
    last: Cell<Pointer<E>>,
}

/// Invariant U13: it is in a chain, between its neighbours, if and only if it waits; then it is pinned, and it leaves the chain
/// before it goes.
//
// In this order `next`, the only word that a link has to have while it is idle, is at the link's own address.
#[repr(C)]
pub(crate) struct Link<E> {
    /// Null: it is the last one.
    next: Cell<Pointer<E>>,
    /// Only if it is in the chain, and not the first one.
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
    const IDLE: Pointer<E> = ptr::without_provenance(1);
    const GRANTED: Pointer<E> = ptr::without_provenance(2);

    #[inline]
    pub(crate) const fn new(more: E) -> Link<E> {
        Link { next: Cell::new(Link::IDLE), prev: Cell::new(MaybeUninit::uninit()), more }
    }

    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        let next = self.next.get();
        if next == Link::IDLE {
            State::Idle
        } else if next == Link::GRANTED {
            State::Granted
        } else {
            State::Waiting
        }
    }

    /// Tells the compiler what it has forgotten over a store to somewhere else.
    ///
    /// # Safety
    ///
    /// It is idle.
    #[inline(always)]
    pub(crate) unsafe fn assume_idle(&self) {
        // SAFETY: the caller's promise.
        unsafe { core::hint::assert_unchecked(self.next.get() == Link::IDLE) };
    }

    /// Makes it idle, when it is out of its chain.
    #[inline]
    pub(crate) fn reset(&self) {
        self.next.set(Link::IDLE);
    }
}

impl<E> Chain<E> {
    const OFF: Pointer<E> = ptr::without_provenance(1);

    #[inline]
    pub(crate) const fn new() -> Chain<E> {
        Chain { first: Cell::new(ptr::null()), last: Cell::new(ptr::null()) }
    }

    /// One that is switched off: a word for its owner. Until it is switched on it is asked for no link.
    #[inline]
    pub(crate) const fn new_off() -> Chain<E> {
        Chain { first: Cell::new(Chain::OFF), last: Cell::new(ptr::null()) }
    }

    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        ptr::eq(self.first.get(), Chain::OFF)
    }

    /// For one that is off.
    #[inline]
    pub(crate) fn switch_on(&self) {
        debug_assert!(self.is_off());
        self.first.set(ptr::null());
    }

    /// For one that is on, and empty.
    #[inline]
    pub(crate) fn switch_off(&self) {
        debug_assert!(self.is_empty());
        self.first.set(Chain::OFF);
    }

    /// Whether it is on, and there is none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_null()
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<&Link<E>> {
        debug_assert!(!self.is_off());
        // SAFETY: U13. It is on, and what it points at then is linked, hence alive.
        unsafe { self.first.get().as_ref() }
    }

    #[inline]
    pub(crate) fn is_first(&self, link: &Link<E>) -> bool {
        ptr::eq(self.first.get(), link)
    }

    /// Whether it is one of the first `count` links. Takes as many steps.
    pub(crate) fn is_among_first(&self, count: usize, link: &Link<E>) -> bool {
        // SAFETY: U13. The one behind a linked one is linked, hence alive.
        let links = core::iter::successors(self.first(), |before| unsafe { before.next.get().as_ref() });
        links.take(count).any(|one| ptr::eq(one, link))
    }

    /// Puts a link that is in no chain at the end.
    ///
    /// # Safety
    ///
    /// U13: it is pinned, and is taken out of this chain before it goes.
    #[inline]
    pub(crate) unsafe fn push_back(&self, link: &Link<E>) {
        if self.is_empty() {
            // SAFETY: the caller's promise.
            unsafe { self.push_first(link) }
        } else {
            // SAFETY: the caller's promise; there is another one.
            unsafe { self.push_behind(link) }
        }
    }

    /// The same for an empty chain.
    ///
    /// # Safety
    ///
    /// As for [`push_back`](Chain::push_back).
    #[inline]
    pub(crate) unsafe fn push_first(&self, link: &Link<E>) {
        link.next.set(ptr::null());
        self.first.set(link);
        self.last.set(link);
    }

    /// The same for one that is not empty.
    ///
    /// # Safety
    ///
    /// As for [`push_back`](Chain::push_back), and there is a link in it.
    #[inline]
    pub(crate) unsafe fn push_behind(&self, link: &Link<E>) {
        let last = self.last.replace(link);
        link.next.set(ptr::null());
        link.prev.set(MaybeUninit::new(last));
        // SAFETY: U13. There is a last one, which is linked, hence alive.
        unsafe { (*last).next.set(link) };
    }

    /// Takes the first link out, and says that it was granted what it waited for.
    #[inline]
    pub(crate) fn grant_first(&self) -> Option<&Link<E>> {
        let link = self.first()?;
        self.first.set(link.next.replace(Link::GRANTED));
        Some(link)
    }

    /// Takes a link out, wherever it stands, and makes it idle.
    ///
    /// # Safety
    ///
    /// It is in this chain.
    pub(crate) unsafe fn remove(&self, link: &Link<E>) {
        let (next, prev) = (link.next.get(), link.prev.get());
        link.reset();
        if self.is_first(link) {
            self.first.set(next);
            return;
        }
        // SAFETY: U13. It is not the first one, so there is one before it, which is linked, hence alive.
        let before = unsafe { prev.assume_init() };
        // SAFETY: as above.
        unsafe { (*before).next.set(next) };
        // SAFETY: U13. The one behind a linked one is linked, hence alive.
        match unsafe { next.as_ref() } {
            Some(next) => next.prev.set(prev),
            None => self.last.set(before),
        }
    }
}
