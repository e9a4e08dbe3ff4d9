//! The counted block in which the members lie, and what a visitor does with it. The protocol stands in the module above.

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::{self, NonNull};
use core::task::{RawWaker, RawWakerVTable};

use crate::SharedWaker;
use crate::sync::{AtomicU32, AtomicUsize, Ordering, UnsafeCell};

/// The member is on a list or on its way there, or vacant.
pub(super) const QUEUED: u32 = 1;
/// There is no such member. Only the owner sets, clears and reads this.
pub(super) const VACANT: u32 = 2;
/// The rest of the state is the member's index.
const INDEX: u32 = 4;

/// The end of a list.
pub(super) const NONE: u32 = u32::MAX;
/// So many members there can be, vacant ones included.
pub(super) const MOST: usize = (u32::MAX / INDEX) as usize;

pub(super) struct Member {
    pub(super) state: AtomicU32,
    /// The next on the list that this member is on.
    next: AtomicU32,
    block: NonNull<Block>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Member>() == 8 + size_of::<usize>());

/// What all members share. The members that were there from the beginning lie behind it in the same allocation.
pub(super) struct Block {
    /// The owner and each waker that was cloned.
    references: AtomicUsize,
    pub(super) parent: SharedWaker,
    /// A stack through `next`.
    pub(super) woken: AtomicU32,
    /// How many members lie behind.
    pub(super) inline: u32,
    /// The members that were added. The owner's, and after it the last reference's.
    pub(super) chunks: UnsafeCell<Vec<Chunk>>,
}

pub(super) struct Chunk {
    pub(super) start: usize,
    /// From a box.
    pub(super) members: NonNull<[Member]>,
}

const _: () = assert!(align_of::<Member>() <= align_of::<Block>());

impl Member {
    pub(super) fn new(block: NonNull<Block>, index: usize, flags: u32, next: usize) -> Member {
        let state = (index as u32 * INDEX) | flags;
        Member { state: AtomicU32::new(state), next: AtomicU32::new(next as u32), block }
    }

    pub(super) fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    pub(super) fn set_next(&self, next: u32) {
        self.next.store(next, Ordering::Relaxed);
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.state.load(Ordering::Relaxed) & VACANT != 0
    }

    /// The member's wake. The block must be counted while it lasts.
    fn wake(&self) {
        let before = self.state.fetch_or(QUEUED, Ordering::AcqRel);
        if before & QUEUED == 0 {
            // SAFETY: U17. Whoever wakes the member counts the block, or borrows the owner, which does.
            unsafe { self.block.as_ref() }.push(self, before / INDEX);
        }
    }
}

impl Block {
    /// A block with members that are all queued, in order, on a list that begins with 0.
    pub(super) fn allocate(members: usize) -> NonNull<Block> {
        assert!(members <= MOST, "more members than there can be");
        let layout = Block::layout(members);
        // SAFETY: U17. The layout is that of a block, which has a size.
        let memory = unsafe { alloc(layout) };
        let Some(block) = NonNull::new(memory.cast::<Block>()) else { handle_alloc_error(layout) };
        let header = Block {
            references: AtomicUsize::new(1),
            parent: SharedWaker::new(),
            woken: AtomicU32::new(NONE),
            inline: members as u32,
            chunks: UnsafeCell::new(Vec::new()),
        };
        // SAFETY: U17. The memory is ours and has room for the block and so many members behind it.
        unsafe {
            block.write(header);
            for index in 0..members {
                let next = if index + 1 < members { index + 1 } else { NONE as usize };
                Block::behind(block).add(index).write(Member::new(block, index, QUEUED, next));
            }
        }
        block
    }

    fn layout(members: usize) -> Layout {
        let members = Layout::array::<Member>(members);
        let whole = members.and_then(|members| Layout::new::<Block>().extend(members));
        whole.map(|(layout, _)| layout).expect("more members than there can be")
    }

    /// Where the members behind the block begin.
    pub(super) fn behind(block: NonNull<Block>) -> NonNull<Member> {
        // SAFETY: U17. The members begin where the block ends, for they need no other alignment.
        unsafe { block.add(1).cast() }
    }

    /// Puts a member that has just become queued on the stack.
    pub(super) fn push(&self, member: &Member, index: u32) {
        let mut top = self.woken.load(Ordering::Relaxed);
        loop {
            member.set_next(top);
            match self.woken.compare_exchange_weak(top, index, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(other) => top = other,
            }
        }
        if top == NONE {
            self.parent.wake();
        }
    }

    fn retain(block: NonNull<Block>) {
        // SAFETY: U17. Who calls this counts the block itself.
        let references = unsafe { &(*block.as_ptr()).references };
        if references.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
            references.fetch_sub(1, Ordering::Relaxed);
            panic!("more wakers than can be counted");
        }
    }

    /// Gives up a reference; the last one frees the block.
    ///
    /// # Safety
    ///
    /// The reference is the caller's, which does not use it any more.
    unsafe fn release(block: NonNull<Block>) {
        // SAFETY: U17. The caller's reference keeps the block.
        let references = unsafe { &(*block.as_ptr()).references };
        if references.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        // SAFETY: U17. That was the last one, and all that the others did is visible. Each part is dropped once: the members
        // behind, the chunks, which came from boxes, the block.
        let parent = unsafe {
            let inline = block.as_ref().inline as usize;
            ptr::slice_from_raw_parts_mut(Block::behind(block).as_ptr(), inline).drop_in_place();
            let chunks = block.as_ref().chunks.with_mut(|chunks| core::mem::take(&mut *chunks));
            for chunk in chunks {
                drop(Box::from_raw(chunk.members.as_ptr()));
            }
            let parent = block.as_ref().parent.take();
            block.drop_in_place();
            dealloc(block.as_ptr().cast(), Block::layout(inline));
            parent
        };
        drop(parent);
    }
}

/// A reference that is given up at the end, also by a panic.
pub(super) struct Reference(pub(super) NonNull<Block>);

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: U17. The reference is this value's.
        unsafe { Block::release(self.0) }
    }
}

pub(super) static VTABLE: RawWakerVTable = RawWakerVTable::new(clone_waker, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// Here and below: the pointer is that of a waker made by `SubWakers::waker` or by this, to a member of a counted block.
unsafe fn clone_waker(member: *const ()) -> RawWaker {
    // SAFETY: the caller's promise.
    Block::retain(unsafe { (*member.cast::<Member>()).block });
    RawWaker::new(member, &VTABLE)
}

unsafe fn wake(member: *const ()) {
    // SAFETY: the caller's promise; the waker's reference is given up after the wake.
    unsafe {
        let _reference = Reference((*member.cast::<Member>()).block);
        wake_by_ref(member);
    }
}

unsafe fn wake_by_ref(member: *const ()) {
    // SAFETY: the caller's promise.
    unsafe { &*member.cast::<Member>() }.wake();
}

unsafe fn drop_waker(member: *const ()) {
    // SAFETY: the caller's promise; the reference was the waker's.
    unsafe { Block::release((*member.cast::<Member>()).block) }
}
