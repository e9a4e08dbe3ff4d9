//! Slots and pages: what wakers point at, and the queue that runs through them.
//!
//! A task lives in its own box; a *slot* holds the pointer to it, and a waker holds the pointer to the slot. Slots lie in
//! *pages*, pages belong to one loop at a time, and both outlive every waker because they are never freed: when a loop ends,
//! its pages go to a pool that the whole process shares, and the next loop takes them from there (invariant U1). So a waker
//! needs no count of its owners: its clone and its drop do nothing. The price is that a waker may outlive its task and then
//! wake whatever is in the slot now: one spurious poll, which the contract of `Future` allows.
//!
//! ```text
//! Page, 1024 bytes, aligned to 1024                Slot, 24 bytes
//! ┌──────────────────────────────────────┐         ┌───────────────────────────────┐
//! │ mark (remote.rs) │ owner │ next page │         │ task: pointer and vtable, or 0 │
//! ├──────────────────────────────────────┤         │ next: see below                │
//! │ slot 0 │ slot 1 │ ...        slot 39 │         └───────────────────────────────┘
//! └──────────────────────────────────────┘
//! ```
//!
//! `next` says where a slot is (invariant U3): null, in no list; else in exactly one, which is the run queue if it has a task
//! or had one when it was queued, and the list of free slots otherwise. The last of a list points at [`END`]. One word thus
//! holds both links and the "already woken" flag, and waking a free slot is waking a queued one: nothing.

use alloc::boxed::Box;
use core::cell::Cell;
use core::mem::size_of;
use core::pin::Pin;
use core::ptr::{self, NonNull};
use core::task::Context;

use crate::cell::{Runnable, Step};
use crate::current;
use crate::remote::Mark;
use crate::state::LoopState;
use crate::sync::relax;
use crate::sync::word::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
#[cfg(feature = "trace")]
use crate::trace::Info;

const PAGE_SIZE: usize = if size_of::<usize>() == 8 { 1024 } else { 512 };
const HEAD_SIZE: usize = if size_of::<usize>() == 8 { 64 } else { 128 };
/// At most as many as a word has bits.
pub(crate) const SLOTS_PER_PAGE: usize = {
    let fit = (PAGE_SIZE - HEAD_SIZE) / size_of::<Slot>();
    if fit < usize::BITS as usize { fit } else { usize::BITS as usize }
};

/// The end of a list: an address at which no slot is.
const END: *const Slot = ptr::without_provenance(1);

/// The place of one task.
pub(crate) struct Slot {
    task: Cell<Option<NonNull<dyn Runnable>>>,
    next: Cell<*const Slot>,
    #[cfg(feature = "trace")]
    pub(crate) info: Cell<Option<Box<Info>>>,
}

/// A run of slots that belongs to one loop at a time.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(1024)))]
#[cfg_attr(not(target_pointer_width = "64"), repr(align(512)))]
pub(crate) struct Page {
    mark: Mark,
    /// The token of the thread that owns the page, or 0.
    owner_thread: AtomicUsize,
    owner: Cell<Option<&'static LoopState>>,
    next: Cell<Option<PageRef>>,
    /// Read by handles of tasks of former loops, on any thread.
    number: AtomicU32,
    slots: [Slot; SLOTS_PER_PAGE],
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Page>() == PAGE_SIZE);
    assert!(cfg!(feature = "trace") || size_of::<Slot>() == 3 * size_of::<usize>());
};

/// A pointer to a page of the pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRef(NonNull<Page>);

/// A pointer to a slot, derived from the pointer to its page, so that it leads back to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotRef(NonNull<Slot>);

impl PageRef {
    pub(crate) fn get(self) -> &'static Page {
        // SAFETY: U1. A `PageRef` comes from the pool, which never frees.
        unsafe { self.0.as_ref() }
    }

    fn mark(self) -> NonNull<Mark> {
        self.0.cast() // the first field, `repr(C)`
    }

    /// The page that begins with this mark, which was taken from a gate's list.
    pub(crate) fn of_mark(mark: NonNull<Mark>) -> PageRef {
        PageRef(mark.cast()) // only `wake` below puts marks there, and it derives them from page pointers
    }

    pub(crate) fn slot(self, index: usize) -> SlotRef {
        assert!(index < SLOTS_PER_PAGE);
        // SAFETY: U1, and the index is within the page. The field pointer keeps the provenance of the whole page.
        unsafe { SlotRef(NonNull::new_unchecked((&raw mut (*self.0.as_ptr()).slots).cast::<Slot>().add(index))) }
    }

    pub(crate) fn slots(self) -> impl DoubleEndedIterator<Item = SlotRef> {
        (0..SLOTS_PER_PAGE).map(move |index| self.slot(index))
    }

    /// A page for `owner` from the pool, or a new one.
    pub(crate) fn take(owner: &'static LoopState, number: u32, thread: usize) -> PageRef {
        let page = POOL.with(|pool| {
            let page = pool.pages.get()?;
            pool.pages.set(page.get().next.take());
            Some(page)
        });
        let page = page.unwrap_or_else(|| PageRef(NonNull::from(Box::leak(Box::new(Page::new())))));
        let shared = page.get();
        shared.next.set(None);
        shared.number.store(number, Ordering::Relaxed);
        shared.owner.set(Some(owner));
        shared.owner_thread.store(thread, Ordering::Relaxed);
        shared.mark.settle(&owner.gate);
        page
    }

    /// Gives the page to the pool. The owner's gate is closed, and no slot holds a task.
    pub(crate) fn give_back(self) {
        let shared = self.get();
        for slot in self.slots() {
            debug_assert!(slot.get().task.get().is_none());
            slot.get().next.set(ptr::null());
        }
        shared.mark.leave();
        shared.owner_thread.store(0, Ordering::Relaxed);
        shared.owner.set(None);
        POOL.with(|pool| shared.next.set(pool.pages.replace(Some(self))));
    }

    pub(crate) fn next(self) -> Option<PageRef> {
        self.get().next.get()
    }

    pub(crate) fn set_next(self, next: PageRef) {
        self.get().next.set(Some(next));
    }
}

impl Page {
    fn new() -> Page {
        Page {
            mark: Mark::new(),
            owner_thread: AtomicUsize::new(0),
            owner: Cell::new(None),
            next: Cell::new(None),
            number: AtomicU32::new(0),
            slots: [const { Slot::new() }; SLOTS_PER_PAGE],
        }
    }

    /// Whether the page belongs to this loop, which the caller owns or found running on this thread.
    ///
    /// A stale answer cannot be "yes": the page was taken from a former owner of the same gate before the gate went to the
    /// pool, and the present owner took the gate from there, so it sees what was written then or something later.
    #[inline]
    pub(crate) fn belongs_to(&self, state: &LoopState) -> bool {
        ptr::eq(self.mark.home(), &state.gate)
    }

    /// The loop that owns the page, if that is a loop of the thread with this token.
    pub(crate) fn owner(&self, thread: usize) -> Option<&'static LoopState> {
        // U2: tokens are never used twice, so only this thread can have written this one, and `owner` before it.
        if self.owner_thread.load(Ordering::Relaxed) == thread { self.owner.get() } else { None }
    }
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            task: Cell::new(None),
            next: Cell::new(ptr::null()),
            #[cfg(feature = "trace")]
            info: Cell::new(None),
        }
    }
}

impl SlotRef {
    #[inline]
    pub(crate) fn get(self) -> &'static Slot {
        // SAFETY: U1. Slots lie in pages, which are never freed.
        unsafe { self.0.as_ref() }
    }

    /// For the waker's data word.
    #[inline]
    pub(crate) fn into_raw(self) -> *const () {
        self.0.as_ptr().cast_const().cast()
    }

    /// # Safety
    ///
    /// `raw` must come from [`into_raw`](SlotRef::into_raw).
    #[inline]
    pub(crate) unsafe fn from_raw(raw: *const ()) -> SlotRef {
        // SAFETY: the caller's promise; such a pointer is not null.
        SlotRef(unsafe { NonNull::new_unchecked(raw.cast_mut().cast()) })
    }

    #[inline]
    pub(crate) fn page(self) -> PageRef {
        let page = self.0.as_ptr().map_addr(|address| address & !(PAGE_SIZE - 1)).cast::<Page>();
        // SAFETY: U1. The slot's pointer was derived from its page's, which is aligned to its size and not at address 0.
        PageRef(unsafe { NonNull::new_unchecked(page) })
    }

    /// The loop that has the slot, if that is a loop of this thread.
    pub(crate) fn owner(self) -> Option<&'static LoopState> {
        match current::get() {
            Some(running) if self.page().get().belongs_to(running) => Some(running),
            _ => self.page().get().owner(current::thread()?),
        }
    }

    fn index(self) -> usize {
        let first = self.page().slot(0);
        (self.0.addr().get() - first.0.addr().get()) / size_of::<Slot>()
    }

    /// A number for people: unique among the tasks of one loop that are alive.
    pub(crate) fn number(self) -> u32 {
        self.page().get().number.load(Ordering::Relaxed) * SLOTS_PER_PAGE as u32 + self.index() as u32
    }

    /// Marks the slot for the owner of its page, from anywhere.
    pub(crate) fn wake_remote(self) {
        // SAFETY: U1. Marks lie in pages and homes are gates of loops; neither is ever freed.
        unsafe { Mark::wake(self.page().mark(), self.index()) }
    }

    #[inline]
    pub(crate) fn is_vacant(self) -> bool {
        self.get().task.get().is_none()
    }

    #[inline]
    pub(crate) fn is_queued(self) -> bool {
        !self.get().next.get().is_null()
    }

    pub(crate) fn put(self, task: NonNull<dyn Runnable>) {
        debug_assert!(self.is_vacant());
        self.get().task.set(Some(task));
    }

    pub(crate) fn take(self) -> Option<NonNull<dyn Runnable>> {
        #[cfg(feature = "trace")]
        self.get().info.set(None);
        self.get().task.take()
    }

    /// Whether the task in the slot is the one that the loop runs for.
    pub(crate) fn is_lent(self) -> bool {
        // SAFETY: U4. A task is alive while a slot holds it.
        self.get().task.get().is_some_and(|task| unsafe { task.as_ref() }.is_lent())
    }

    /// Asks the task in the slot to end at its next poll.
    pub(crate) fn request_cancel(self) {
        if let Some(task) = self.get().task.get() {
            // SAFETY: U4, as above.
            unsafe { task.as_ref() }.request_cancel();
        }
    }

    /// Polls the task in the slot, if there is one.
    ///
    /// # Safety
    ///
    /// U5: neither this slot's task nor anything that ends it is being run. The loop guarantees it by polling from one place
    /// that refuses to be entered twice.
    #[inline]
    pub(crate) unsafe fn poll(self, cx: &mut Context<'_>) -> Option<Step> {
        let task = self.get().task.get()?;
        // SAFETY: U4 and U5. The box (or the frame that lent the task) stays where it is until `take`, which the loop calls
        // only after this.
        Some(unsafe { Pin::new_unchecked(task.as_ref()).poll(cx) })
    }
}

/// The run queue: strict FIFO through the slots' `next`.
pub(crate) struct Fifo {
    head: Cell<*const Slot>,
    /// Meaningless while `head` is [`END`].
    tail: Cell<*const Slot>,
}

/// The free slots of a loop: last in, first out, through the same word.
pub(crate) struct FreeList(Cell<*const Slot>);

impl Fifo {
    pub(crate) const fn new() -> Fifo {
        Fifo { head: Cell::new(END), tail: Cell::new(END) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get() == END
    }

    /// Appends a slot, unless it is in a list already.
    #[inline]
    pub(crate) fn push(&self, slot: SlotRef) {
        if slot.is_queued() {
            return;
        }
        let pointer = slot.0.as_ptr().cast_const();
        slot.get().next.set(END);
        if self.is_empty() {
            self.head.set(pointer);
        } else {
            // SAFETY: U1 and U3. The queue is not empty, so `tail` is the slot pushed last.
            unsafe { (*self.tail.get()).next.set(pointer) };
        }
        self.tail.set(pointer);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<SlotRef> {
        pop(&self.head)
    }

    /// Forgets the queue. The slots' links stay as they are.
    pub(crate) fn clear(&self) {
        self.head.set(END);
    }
}

impl FreeList {
    pub(crate) const fn new() -> FreeList {
        FreeList(Cell::new(END))
    }

    pub(crate) fn push(&self, slot: SlotRef) {
        debug_assert!(!slot.is_queued() && slot.is_vacant());
        slot.get().next.set(self.0.replace(slot.0.as_ptr()));
    }

    pub(crate) fn pop(&self) -> Option<SlotRef> {
        pop(&self.0)
    }

    pub(crate) fn clear(&self) {
        self.0.set(END);
    }
}

#[inline]
fn pop(head: &Cell<*const Slot>) -> Option<SlotRef> {
    let first = head.get();
    if first == END {
        return None;
    }
    // SAFETY: U1 and U3. What a list holds are slots, put there as `SlotRef`s.
    let slot = SlotRef(unsafe { NonNull::new_unchecked(first.cast_mut()) });
    head.set(slot.get().next.replace(ptr::null()));
    Some(slot)
}

/// Pages and loops that no loop uses at present. Never freed: stale wakers may look at them.
struct Pool {
    locked: AtomicBool,
    pages: Cell<Option<PageRef>>,
    loops: Cell<Option<&'static LoopState>>,
}

// SAFETY: U2. The cells are touched under the lock only; what they lead to has no owner, so no other thread touches more of it
// than its atomics.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool { locked: AtomicBool::new(false), pages: Cell::new(None), loops: Cell::new(None) };

impl Pool {
    /// The lock is held for a handful of instructions in which nothing can panic, so spinning is right.
    fn with<R>(&self, work: impl FnOnce(&Pool) -> R) -> R {
        while self.locked.swap(true, Ordering::Acquire) {
            relax();
        }
        let result = work(self);
        self.locked.store(false, Ordering::Release);
        result
    }
}

/// A loop's state from the pool, or a new one.
pub(crate) fn take_loop() -> &'static LoopState {
    let pooled = POOL.with(|pool| {
        let state = pool.loops.get()?;
        pool.loops.set(state.next_in_pool.take());
        Some(state)
    });
    pooled.unwrap_or_else(|| Box::leak(Box::new(LoopState::new())))
}

/// Gives a loop's state to the pool. Its gate is closed.
pub(crate) fn give_back_loop(state: &'static LoopState) {
    POOL.with(|pool| state.next_in_pool.set(pool.loops.replace(Some(state))));
}
