//! A line of waiting futures: what every primitive that makes tasks wait is built on.
//!
//! A [`WaitNode`] is part of the future that waits, and is linked with its two neighbours while it does. The list itself is no
//! link: it points to the first node and to the last one, and nothing points to it but the nodes that have it borrowed. So
//! joining, leaving and waking take constant time and no memory, and a list may be moved whenever nobody borrows it.
//!
//! ```text
//!   WaitList { first, last, epoch }
//!               │      └──────────────────────┐
//!               ▼                             ▼
//!   null ◄── WaitNode ◄────► WaitNode ◄────► WaitNode ──► null      each has its list, a waker, a demand and the epoch it joined in
//!
//!                 poll_wait              wake_one, wake_all
//!          Idle ─────────────► Waiting ─────────────────────► Granted
//!            ▲                   │ cancel, drop                 │ poll_wait, or cancel, which says so
//!            └───────────────────┴──────────────────────────────┘
//! ```
//!
//! * **A grant is a state.** Who is woken is out of the list and granted before its waker runs. Whatever stood behind the grant
//!   belongs to that node, so nobody can overtake it; and if its future is dropped before it runs, `cancel` says so, and the
//!   owner of the list passes the grant on.
//! * **Foreign code runs last.** Wakers may do anything when they are woken, cloned or dropped: poll or drop other futures of
//!   the same list, wake again, panic. So they are called when list and node are consistent and nothing of them is looked at
//!   any more. A node is linked before its waker is cloned, or what that clone wakes could miss it.
//! * **A panic of a waker ends no work.** Those behind it are woken all the same, and the first panic goes on to the caller (`wakes.rs`).
//! * **Who joins during `wake_all` is not woken.** Each call begins a new epoch and wakes the nodes of earlier ones; they are in
//!   front. A list holds nodes of at most one epoch more than there are calls inside one another, so a wrapped counter tells them
//!   apart all the same. When a call comes back from a waker that made a call of its own, that one has woken all there was.
//! * **An idle node is one word,** which points to its owner; while it is not idle that is null. All else is written when it joins. So a
//!   future that finds all it wants at its first poll pays next to nothing for the node it did not need.
//! * **A forgotten node** (`mem::forget` of a pinned box) stays linked in memory that is never freed, though its borrow has
//!   ended. The list may be moved then, since nobody can reach the node but the list; waking it is harmless; the list's drop takes its waker.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::ptr;
use core::task::{Context, Poll, Waker};

use crate::chain::{Chain, Link, State};

mod wakes;

/// Futures that wait, in the order in which they began to.
///
/// For those who write primitives: a lock, a queue. A future that may have to wait holds a [`WaitNode`], and polls that; who has
/// something to give calls [`wake_one`](WaitList::wake_one) or [`wake_all`](WaitList::wake_all). Nothing is allocated, joining,
/// leaving and waking take constant time, and wakers of any executor will do. All of it stays on one thread.
///
/// While a node borrows the list, it cannot be moved:
///
/// ```compile_fail,E0505
/// # use uasyncio_core::{WaitList, WaitNode};
/// let list = WaitList::new();
/// let node = WaitNode::new(&list);
/// let moved = list;
/// ```
///
/// and not be dropped:
///
/// ```compile_fail,E0597
/// # use uasyncio_core::{WaitList, WaitNode};
/// let node;
/// let list = WaitList::new(); // goes first
/// node = WaitNode::new(&list);
/// ```
///
/// nor any other list that it waits in:
///
/// ```compile_fail,E0597
/// # use std::pin::pin;
/// # use std::task::{Context, Waker};
/// # use uasyncio_core::{WaitList, WaitNode};
/// let owner = WaitList::new();
/// let node = pin!(WaitNode::new(&owner));
/// let list = WaitList::new(); // goes first
/// let _ = node.poll_wait(&list, &mut Context::from_waker(Waker::noop()), 0, "an example");
/// ```
///
/// # Example
///
/// A flag, as asyncio's `Event`:
///
/// ```
/// use std::cell::Cell;
/// use std::pin::{Pin, pin};
/// use std::task::{Context, Poll, Waker};
/// use uasyncio_core::{WaitList, WaitNode};
///
/// struct Event {
///     set: Cell<bool>,
///     waiting: WaitList,
/// }
///
/// impl Event {
///     fn set(&self) {
///         self.set.set(true);
///         self.waiting.wake_all();
///     }
///
///     /// To be polled with the same node until it is ready.
///     fn poll_set(node: Pin<&mut WaitNode<'_, Event>>, cx: &mut Context<'_>) -> Poll<()> {
///         let event = node.owner();
///         if event.set.get() && node.is_idle() {
///             return Poll::Ready(()); // nothing to wait for
///         }
///         node.poll_wait(&event.waiting, cx, 0, "an event")
///     }
/// }
///
/// let event = Event { set: Cell::new(false), waiting: WaitList::new() };
/// let mut node = pin!(WaitNode::new(&event));
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(Event::poll_set(node.as_mut(), &mut cx).is_pending());
/// event.set();
/// assert!(Event::poll_set(node.as_mut(), &mut cx).is_ready());
/// ```
pub struct WaitList {
    waiting: Chain<Waiter>,
    epoch: Cell<u32>,
}

/// The place of one future in a [`WaitList`], pinned inside that future.
///
/// It begins *idle*. [`poll_wait`](WaitNode::poll_wait) makes it *waiting*, a wake of the list makes it *granted*, and the next
/// poll takes the grant and makes it idle again, so that a node can wait any number of times. Dropping it ends the wait.
///
/// It keeps a reference to its [`owner`](WaitNode::owner), so that the future needs none of its own. 64 bytes on 64 bits, of which
/// making an idle one writes 8.
///
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
/// use uasyncio_core::{WaitList, WaitNode};
///
/// let list = WaitList::new();
/// let mut node = pin!(WaitNode::new(&list));
/// let mut cx = Context::from_waker(Waker::noop());
/// assert_eq!(node.as_mut().poll_wait(&list, &mut cx, 1, "an example"), Poll::Pending);
/// assert!(node.is_waiting());
/// assert!(list.wake_one());
/// assert!(node.is_granted());
/// assert_eq!(node.as_mut().poll_wait(&list, &mut cx, 1, "an example"), Poll::Ready(()));
/// ```
pub struct WaitNode<'l, O = WaitList> {
    /// Null: it is not idle.
    owner: Cell<*const O>,
    /// Written when it joins, and looked at only while it is not idle: what it says afterwards is out of date.
    link: UnsafeCell<MaybeUninit<Link<Waiter>>>,
    borrow: PhantomData<&'l O>,
    _pinned: PhantomPinned,
}

/// What a list knows of a node in line.
struct Waiter {
    list: *const WaitList,
    /// The node's, for when it is idle again.
    owner: *const (),
    /// Only while it waits, so that there is nothing else to be dropped.
    waker: Cell<Option<Waker>>,
    demand: u32,
    epoch: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<WaitList>() <= 24 && size_of::<WaitNode<'_>>() <= 64);

impl WaitList {
    /// An empty list.
    ///
    /// ```
    /// # use uasyncio_core::WaitList;
    /// assert!(WaitList::new().is_empty());
    /// ```
    pub const fn new() -> WaitList {
        WaitList { waiting: Chain::new(), epoch: Cell::new(0) }
    }

    /// Whether nobody waits.
    ///
    /// ```
    /// # use uasyncio_core::WaitList;
    /// assert!(WaitList::new().is_empty());
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The demand of the one who waits longest, as it gave it to [`WaitNode::poll_wait`].
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let node = pin!(WaitNode::new(&list));
    /// assert_eq!(list.first_demand(), None);
    /// assert!(node.poll_wait(&list, &mut Context::from_waker(Waker::noop()), 3, "an example").is_pending());
    /// assert_eq!(list.first_demand(), Some(3));
    /// ```
    #[inline]
    pub fn first_demand(&self) -> Option<u32> {
        self.waiting.first().map(|link| link.more.demand)
    }

    /// Grants the wait of the one who waits longest, and wakes it. `false`: nobody waits.
    ///
    /// It is out of the list before its waker runs. A waker that panics has been told; the panic goes on to the caller.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let mut node = pin!(WaitNode::new(&list));
    /// assert!(node.as_mut().poll_wait(&list, &mut Context::from_waker(Waker::noop()), 0, "an example").is_pending());
    /// assert!(list.wake_one());
    /// assert!(node.is_granted());
    /// assert!(!list.wake_one());
    /// ```
    #[inline]
    pub fn wake_one(&self) -> bool {
        let Some(link) = self.waiting.grant_first() else { return false };
        if let Some(waker) = link.more.waker.take() {
            waker.wake();
        }
        true
    }

    /// Grants the wait of the one who waits longest, as [`wake_one`](WaitList::wake_one) does, but leaves it to the caller to wake it.
    ///
    /// `None` does not tell whether anybody was granted, as [`is_empty`](WaitList::is_empty) does before: who is granted has no waker if
    /// cloning that has panicked, or while it is being cloned, and then his own poll wakes him.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let mut node = pin!(WaitNode::new(&list));
    /// assert!(node.as_mut().poll_wait(&list, &mut Context::from_waker(Waker::noop()), 0, "an example").is_pending());
    /// let waker = list.grant_one();
    /// assert!(node.is_granted());
    /// waker.unwrap().wake();
    /// ```
    #[inline]
    #[must_use = "the one who has waited is to be woken"]
    pub fn grant_one(&self) -> Option<Waker> {
        self.waiting.grant_first().and_then(|link| link.more.waker.take())
    }
}

impl Default for WaitList {
    fn default() -> WaitList {
        WaitList::new()
    }
}

impl Drop for WaitList {
    fn drop(&mut self) {
        // No node borrows the list any more: what is still in it was forgotten.
        while let Some(link) = self.waiting.grant_first() {
            drop(link.more.waker.take());
        }
    }
}

impl fmt::Debug for WaitList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitList").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

impl<'l, O> WaitNode<'l, O> {
    /// An idle node of a future that works on `owner`: the list itself, or what the list is part of.
    ///
    /// ```
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// assert!(WaitNode::new(&list).is_idle());
    /// ```
    #[inline]
    pub const fn new(owner: &'l O) -> WaitNode<'l, O> {
        let link = UnsafeCell::new(MaybeUninit::uninit());
        WaitNode { owner: Cell::new(owner), link, borrow: PhantomData, _pinned: PhantomPinned }
    }

    /// What it was made with.
    ///
    /// ```
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// assert!(std::ptr::eq(WaitNode::new(&list).owner(), &list));
    /// ```
    #[inline(always)]
    pub fn owner(&self) -> &'l O {
        let owner = if self.is_idle() { self.owner.get() } else { self.link().more.owner.cast() };
        // SAFETY: U13. It is borrowed for as long as there is a node.
        unsafe { &*owner }
    }

    /// For one that is not idle.
    #[inline]
    fn link(&self) -> &Link<Waiter> {
        debug_assert!(!self.is_idle());
        // SAFETY: U13. It was written when the node joined, and is not before it is idle and joins again.
        unsafe { (*self.link.get()).assume_init_ref() }
    }

    #[inline]
    fn state(&self) -> State {
        if self.is_idle() { State::Idle } else { self.link().state() }
    }

    /// Whether it neither waits nor has a grant.
    ///
    /// ```
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// # let list = WaitList::new();
    /// assert!(WaitNode::new(&list).is_idle());
    /// ```
    #[inline]
    pub fn is_idle(&self) -> bool {
        !self.owner.get().is_null()
    }

    /// Tries `quick`, a way around waiting, if the node is idle. `None`: it is not, and nothing was tried.
    ///
    /// Asking [`is_idle`](WaitNode::is_idle) first would do the same, but a compiler forgets the answer over whatever `quick` stores.
    /// Here it is told that the node is idle still, so that a future which ends there is dropped without another look at its node.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let mut node = pin!(WaitNode::new(&list));
    /// assert_eq!(node.as_mut().while_idle(|| "tried"), Some("tried"));
    /// ```
    #[inline(always)]
    pub fn while_idle<R>(self: Pin<&mut Self>, quick: impl FnOnce() -> R) -> Option<R> {
        if !self.is_idle() {
            return None;
        }
        let owner = self.owner.get();
        let result = quick();
        // SAFETY: U13. Nothing but its own methods changes that, and it is borrowed exclusively.
        unsafe { core::hint::assert_unchecked(core::ptr::eq(self.owner.get(), owner)) };
        Some(result)
    }

    /// Whether it is in the list.
    ///
    /// ```
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// # let list = WaitList::new();
    /// assert!(!WaitNode::new(&list).is_waiting());
    /// ```
    #[inline]
    pub fn is_waiting(&self) -> bool {
        self.state() == State::Waiting
    }

    /// Whether it has been granted what it waited for, and was not polled since.
    ///
    /// ```
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// # let list = WaitList::new();
    /// assert!(!WaitNode::new(&list).is_granted());
    /// ```
    #[inline]
    pub fn is_granted(&self) -> bool {
        self.state() == State::Granted
    }

    /// Whether it is in the list, and fewer than `count` have waited longer. Takes up to `count` steps.
    ///
    /// For a primitive that has something for that many, and is told by a waker that one of them gives up.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let (mut one, mut two) = (pin!(WaitNode::new(&list)), pin!(WaitNode::new(&list)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(one.as_mut().poll_wait(&list, &mut cx, 0, "an example").is_pending());
    /// assert!(two.as_mut().poll_wait(&list, &mut cx, 0, "an example").is_pending());
    /// assert!(one.is_among_first(1) && !two.is_among_first(1));
    /// ```
    pub fn is_among_first(&self, count: usize) -> bool {
        self.is_waiting() && {
            let link = self.link();
            // SAFETY: U13. It waits in this list, which is borrowed.
            unsafe { (*link.more.list).waiting.is_among_first(count, link) }
        }
    }

    /// Waits until `list` grants it.
    ///
    /// * Idle: goes to the end of the list, with a `demand` for [`WaitList::first_demand`]; pending.
    /// * Waiting: from now on the waker of this poll is the one to be woken; pending. It stays where it is, whichever `list` is given.
    /// * Granted: takes the grant and is idle again; ready.
    ///
    /// With the feature `trace`, `reason` is what [`Loop::tasks`](crate::Loop::tasks) shows, such as "a lock".
    ///
    /// # Panics
    ///
    /// When cloning the waker does. The node waits then, with the waker of the poll before, if there was one, unless the clone has made
    /// it granted.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let mut node = pin!(WaitNode::new(&list));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// for _ in 0..2 {
    ///     assert!(node.as_mut().poll_wait(&list, &mut cx, 0, "an example").is_pending());
    ///     list.wake_one();
    ///     assert!(node.as_mut().poll_wait(&list, &mut cx, 0, "an example").is_ready());
    /// }
    /// ```
    #[inline]
    pub fn poll_wait(
        self: Pin<&mut Self>,
        list: &'l WaitList,
        cx: &mut Context<'_>,
        demand: u32,
        reason: &'static str,
    ) -> Poll<()> {
        match self.state() {
            State::Granted => {
                self.be_idle();
                return Poll::Ready(());
            }
            State::Idle => {
                let owner = self.owner.replace(ptr::null()).cast();
                let waiter = Waiter { list, owner, waker: Cell::new(None), demand, epoch: list.epoch.get() };
                // SAFETY: U13. It was idle, so nobody looks at it.
                unsafe { self.link.get().write(MaybeUninit::new(Link::new(waiter))) };
                let link = self.link();
                // SAFETY: U13. It is pinned here, and `drop` takes it out.
                unsafe { list.waiting.push_back(link) };
                crate::trace::waiting(reason);
                let waker = cx.waker().clone();
                if link.state() == State::Waiting {
                    core::mem::forget(link.more.waker.replace(Some(waker))); // there was none yet
                } else {
                    waker.wake(); // the clone has made it granted
                }
            }
            State::Waiting => {
                crate::trace::waiting(reason);
                self.change_waker(cx.waker());
            }
        }
        Poll::Pending
    }

    /// Takes the grant, if it has one, and is idle again.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let mut node = pin!(WaitNode::new(&list));
    /// assert!(node.as_mut().poll_wait(&list, &mut Context::from_waker(Waker::noop()), 0, "an example").is_pending());
    /// assert!(!node.as_mut().take_grant());
    /// list.wake_one();
    /// assert!(node.as_mut().take_grant());
    /// assert!(node.is_idle());
    /// ```
    #[inline]
    pub fn take_grant(self: Pin<&mut Self>) -> bool {
        let granted = self.is_granted();
        if granted {
            self.be_idle();
        }
        granted
    }

    /// For one that has a grant, or has left the line.
    #[inline]
    fn be_idle(&self) {
        self.owner.set(self.link().more.owner.cast());
    }

    /// Stops waiting. `true`: it had been granted, and the grant was not taken yet, so the caller has to pass it on.
    ///
    /// It is idle afterwards, and out of the list. A primitive calls this when a future of its is dropped; dropping the node itself
    /// leaves the list too, but then a grant is lost.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let mut node = pin!(WaitNode::new(&list));
    /// assert!(!node.as_mut().cancel());
    /// assert!(node.as_mut().poll_wait(&list, &mut Context::from_waker(Waker::noop()), 0, "an example").is_pending());
    /// list.wake_one();
    /// assert!(node.as_mut().cancel());
    /// ```
    #[inline]
    pub fn cancel(self: Pin<&mut Self>) -> bool {
        if self.is_waiting() {
            self.leave();
            return false;
        }
        self.take_grant()
    }

    /// From now on this waker is woken, for a node in line.
    #[inline(never)]
    fn change_waker(&self, waker: &Waker) {
        let link = self.link();
        let own = &link.more.waker;
        let now = own.take();
        let same = now.as_ref().is_some_and(|now| now.will_wake(waker));
        own.set(now);
        if same {
            return;
        }
        let new = waker.clone();
        if link.state() == State::Waiting {
            drop(own.replace(Some(new)));
        } else {
            new.wake(); // the clone has made it granted
        }
    }

    /// What dropping it does while it waits. Out of line, so that a future which may hold a node is small, wherever it is dropped.
    #[inline(never)]
    fn leave(&self) {
        let link = self.link();
        // SAFETY: U13. It waits in this list, which is borrowed.
        unsafe { (*link.more.list).waiting.remove(link) };
        self.be_idle();
        // The waker goes last, when nobody can come across the node any more.
        drop(link.more.waker.take());
    }
}

impl<O> Drop for WaitNode<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if self.is_waiting() {
            self.leave();
        }
    }
}

impl<O> fmt::Debug for WaitNode<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitNode").field(&self.state()).finish()
    }
}

#[cfg(all(test, not(loom), feature = "std"))]
mod tests;
