//! A waker for each member of a future that polls several others, so that a wake of one leads to a poll of that one only.
//!
//! All members of a [`SubWakers`] lie in one counted block. The *owner* is the future that polls them. A *visitor* is anybody
//! who holds the waker of a member: it counts the block, so it may come late, and from any thread.
//!
//! ```text
//! visitor                                          owner
//! 1  set the member's QUEUED: was it set? done     register the parent, then
//! 2  push the member on the stack `woken`          take the whole stack, turn it round, append it to its list;
//! 3  was the stack empty? wake the parent          of each member: clear QUEUED, then poll it
//! ```
//!
//! * In order: who is pushed first is polled first. A member woken during its own poll is pushed again: the next round's.
//! * Once: while QUEUED is set the member is on the stack, on the owner's list, or on its way there, and nobody else pushes it.
//! * Visible (U6): QUEUED is changed by read-modify-writes only, each a release, so when the owner clears it, it acquires what
//!   every visitor before has written, those that found it set too.
//! * Not lost (U7): a visitor that finds the stack empty wakes the parent after its push, and the owner registers before it looks:
//!   the case of [`SharedWaker`](crate::SharedWaker). One that finds it not empty lies on a member whose visitor does so, and the owner takes both at
//!   once.
//! * A member that is removed keeps QUEUED, so that late wakes end at step 1, and its index is free once it is on no list.
//! * Never moved: members that are added lie in chunks, each as large as all before it together.
//!
//! The stack is Treiber's (IBM RJ 5118, 1986), emptied only as a whole, so that it knows no ABA problem. The idea to give each
//! member a waker of its own that queues it is that of the `futures` crate (`FuturesUnordered`), which allocates each of them.

mod block;
#[cfg(all(test, loom))]
mod loom_models;

use alloc::boxed::Box;
use core::cell::Cell;
use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::task::Waker;

use self::block::{Block, Chunk, MOST, Member, NONE, QUEUED, Reference, VACANT, VTABLE};
use crate::sync::Ordering;

/// The first chunk of members that are added to nothing.
const FIRST_CHUNK: usize = 4;

/// A waker for each member of a future that polls several others, and the list of those that were woken.
///
/// This is what a `gather` of many futures is made of: the wake of a member costs constant time and leads to a poll of that
/// member only. A poll of the whole is
///
/// 1. [`register`](SubWakers::register) the waker of the whole,
/// 2. for each of [`ready`](SubWakers::ready), poll that member with its [`waker`](SubWakers::waker).
///
/// The order counts: so no wake is lost. Who does not come to the end of `ready` wakes itself or comes back to it.
///
/// All members lie in one allocation, 16 bytes each (12 on 32-bit targets); those that are added later in chunks of growing
/// size. Wakers of members count it, so they may outlive this and be used and dropped on any thread. A wake of a member that
/// is gone does nothing. A wake by reference allocates and frees nothing.
///
/// ```
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use uasyncio_core::{SubWakers, run, sleep_ms};
///
/// /// Waits for all of them.
/// struct All<F> {
///     futures: Vec<Option<Pin<Box<F>>>>,
///     wakers: SubWakers,
///     left: usize,
/// }
///
/// impl<F: Future<Output = ()>> Future for All<F> {
///     type Output = ();
///
///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
///         let this = &mut *self;
///         this.wakers.register(cx.waker());
///         for index in this.wakers.ready() {
///             let waker = this.wakers.waker(index);
///             let Some(future) = &mut this.futures[index] else { continue };
///             if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
///                 this.futures[index] = None;
///                 this.left -= 1;
///             }
///         }
///         if this.left == 0 { Poll::Ready(()) } else { Poll::Pending }
///     }
/// }
///
/// let futures: Vec<_> = (1..=3).map(|millis| Some(Box::pin(sleep_ms(millis)))).collect();
/// run(All { futures, wakers: SubWakers::new(3), left: 3 });
/// ```
pub struct SubWakers {
    block: NonNull<Block>,
    /// The members that are ready, oldest first, taken from the block.
    first: Cell<u32>,
    /// Meaningless while `listed` is 0.
    last: Cell<u32>,
    listed: Cell<u32>,
    /// The vacant members that are on no other list.
    free: Cell<u32>,
    len: u32,
}

// SAFETY: U17. What others may touch at the same time is atomic or a `SharedWaker`; the rest goes with the owner.
unsafe impl Send for SubWakers {}

impl SubWakers {
    /// So many members, all of them ready, in order. One allocation.
    ///
    /// # Panics
    ///
    /// With more than about a thousand million members.
    pub fn new(members: usize) -> SubWakers {
        let block = Block::allocate(members);
        let len = members as u32;
        let first = if members == 0 { NONE } else { 0 };
        SubWakers {
            block,
            first: Cell::new(first),
            last: Cell::new(len.wrapping_sub(1)),
            listed: Cell::new(len),
            free: Cell::new(NONE),
            len,
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a member, which is ready, and gives its index: that of one that was removed, or the next number. The parent is woken
    /// if no other member waits for it already.
    ///
    /// Allocates only when it makes room, which doubles each time.
    pub fn add(&mut self) -> usize {
        if self.free.get() == NONE {
            self.grow();
        }
        self.len += 1;
        let index = self.free.get();
        let member = self.member(index);
        self.free.set(member.next());
        member.state.fetch_and(!VACANT, Ordering::Relaxed);
        // It has been QUEUED all the time, so nobody else pushes it.
        self.block().push(member, index);
        index as usize
    }

    /// Removes a member. Wakes that come late for it do nothing, unless its index was given to another: that one is then polled
    /// for nothing.
    ///
    /// # Panics
    ///
    /// If there is no such member.
    pub fn remove(&mut self, index: usize) {
        let member = self.present(index);
        let before = member.state.fetch_or(QUEUED | VACANT, Ordering::AcqRel);
        if before & QUEUED == 0 {
            self.set_free(index as u32);
        }
        self.len -= 1;
    }

    /// From now on the wake of a member wakes this waker. To be called before [`ready`](SubWakers::ready).
    pub fn register(&self, waker: &Waker) {
        let parent = &self.block().parent;
        // SAFETY: U17. Only the owner registers or takes the parent, and it is on one thread.
        if !unsafe { parent.has(waker) } {
            parent.register(waker);
        }
    }

    /// The indices of those that are ready at this moment: first all of them, later those that were woken, in that order, each
    /// once.
    ///
    /// A member that is woken from now on, be it by its own poll, is in the next `ready`, and its parent is woken for it. What is
    /// not taken from the iterator stays ready.
    pub fn ready(&self) -> ReadyMembers<'_> {
        self.take_woken();
        ReadyMembers { owner: self, left: self.listed.get() }
    }

    /// The waker to poll a member with. It costs nothing; only its clones are counted.
    ///
    /// # Panics
    ///
    /// If there is no such member.
    pub fn waker(&self, index: usize) -> SubWaker<'_> {
        let member = ptr::from_ref(self.present(index)).cast();
        // SAFETY: U17. The table fits the pointer. The waker is not dropped, and its borrow of the owner stands for a reference.
        let waker = unsafe { Waker::new(member, &VTABLE) };
        SubWaker { waker: ManuallyDrop::new(waker), owner: PhantomData }
    }

    fn block(&self) -> &Block {
        // SAFETY: U17. The owner has a reference.
        unsafe { self.block.as_ref() }
    }

    /// All that there has ever been room for.
    fn capacity(&self) -> usize {
        // SAFETY: U17. The chunks are the owner's.
        let last = self.block().chunks.with(|chunks| unsafe { (*chunks).last() }.map(|last| last.start + last.members.len()));
        last.unwrap_or(self.block().inline as usize)
    }

    /// The member or vacant place with an index below [`capacity`](SubWakers::capacity).
    fn member(&self, index: u32) -> &Member {
        let block = self.block();
        if index < block.inline {
            // SAFETY: U17. So many members lie behind the block.
            return unsafe { Block::behind(self.block).add(index as usize).as_ref() };
        }
        block.chunks.with(|chunks| {
            // SAFETY: U17. The chunks are the owner's, and what they point to stays as long as the block.
            let chunks = unsafe { &*chunks };
            let index = index as usize;
            // Half of all members are in the last chunk, half of the others in the one before it.
            let chunk = chunks.iter().rev().find(|chunk| chunk.start <= index).expect("an index of ours");
            // SAFETY: U17, as above.
            let members = unsafe { chunk.members.as_ref() };
            &members[index - chunk.start]
        })
    }

    #[track_caller]
    fn present(&self, index: usize) -> &Member {
        let member = (index < self.capacity()).then(|| self.member(index as u32));
        member.filter(|member| !member.is_vacant()).expect("no such member")
    }

    fn set_free(&self, index: u32) {
        self.member(index).set_next(self.free.replace(index));
    }

    /// Makes room for more members.
    fn grow(&mut self) {
        let start = self.capacity();
        let room = start.max(FIRST_CHUNK);
        assert!(start + room <= MOST, "more members than there can be");
        let member = |index| {
            Member::new(self.block, index, QUEUED | VACANT, if index + 1 < start + room { index + 1 } else { NONE as usize })
        };
        let members: Box<[Member]> = (start..start + room).map(member).collect();
        // SAFETY: U17. A box is not null.
        let members = unsafe { NonNull::new_unchecked(Box::into_raw(members)) };
        // SAFETY: U17. The chunks are the owner's, and nobody has a borrow of them.
        self.block().chunks.with_mut(|chunks| unsafe { (*chunks).push(Chunk { start, members }) });
        self.free.set(start as u32);
    }

    /// Appends those that were woken to the list.
    fn take_woken(&self) {
        let woken = &self.block().woken;
        if woken.load(Ordering::Relaxed) == NONE {
            return;
        }
        let newest = woken.swap(NONE, Ordering::AcqRel);
        let (mut oldest, mut rest, mut count) = (NONE, newest, 0);
        while rest != NONE {
            let member = self.member(rest);
            let below = member.next();
            member.set_next(oldest);
            oldest = rest;
            rest = below;
            count += 1;
        }
        if self.listed.get() == 0 {
            self.first.set(oldest);
        } else {
            self.member(self.last.get()).set_next(oldest);
        }
        self.last.set(newest);
        self.listed.set(self.listed.get() + count);
    }

    /// Takes the next one from the list. `None`: it is not there any more.
    fn take_listed(&self) -> Option<usize> {
        let index = self.first.get();
        let member = self.member(index);
        self.first.set(member.next());
        self.listed.set(self.listed.get() - 1);
        if member.is_vacant() {
            self.set_free(index);
            return None;
        }
        member.state.fetch_and(!QUEUED, Ordering::AcqRel);
        Some(index as usize)
    }
}

impl Drop for SubWakers {
    fn drop(&mut self) {
        // Wakers of members may stay for long; what the parent's keeps alive must not stay with them. (If a member is being woken
        // at this moment it cannot be taken, and goes with the last of them.)
        let parent = self.block().parent.take();
        drop(Reference(self.block));
        drop(parent);
    }
}

impl fmt::Debug for SubWakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubWakers").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The members that are ready; made by [`SubWakers::ready`].
pub struct ReadyMembers<'a> {
    owner: &'a SubWakers,
    left: u32,
}

impl Iterator for ReadyMembers<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        // Another iterator may have taken some of ours.
        while self.left.min(self.owner.listed.get()) > 0 {
            self.left -= 1;
            if let Some(index) = self.owner.take_listed() {
                return Some(index);
            }
        }
        self.left = 0;
        None
    }
}

impl FusedIterator for ReadyMembers<'_> {}

impl fmt::Debug for ReadyMembers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyMembers").finish_non_exhaustive()
    }
}

/// The waker of a member, borrowed from the [`SubWakers`] that made it.
pub struct SubWaker<'a> {
    waker: ManuallyDrop<Waker>,
    owner: PhantomData<&'a SubWakers>,
}

impl Deref for SubWaker<'_> {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.waker
    }
}

impl fmt::Debug for SubWaker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.waker, f)
    }
}
