//! A number of permits that futures wait for: what is inside `Semaphore` and `RingbufQueue`.
//!
//! # Hand-off
//!
//! Permits that come back go to those who wait, in the order in which they began to, before anybody is woken; a waiter is woken
//! when it *has* its permits. So nobody overtakes, not even who would be content with less than the first in line asks for.
//!
//! ```text
//!            enough free, nobody waits
//!   idle ────────────────────────────────────────► it has its permits
//!    │                                                   ▲
//!    │ else                release: the first in line    │ polled
//!    └─────────► waiting ────────────────────────► granted
//!                   │ dropped: out of the line        │ dropped: the permits go to the next
//!                   ▼                                 ▼
//! ```
//!
//! Both ways out at the bottom look at the line again (`hand_out`): whoever asked for much and gave up may have stood before one
//! who asks for little.
//!
//! # Quick and slow
//!
//! While anybody waits, the permits that are left are not `free` but `kept`, for the first in line. So `free` is what a
//! newcomer may have, and comparing it with the demand is all that an acquire does when it need not wait; a release looks at
//! `quick` only, which says that nobody waits and nothing is closed.
//!
//! # Closing
//!
//! A closed set of permits has none, and takes none back: everybody gets [`Closed`], those too who had a grant and have not run
//! yet.

use core::cell::Cell;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use uasyncio_core::{WaitList, WaitNode};

use crate::turn::poll_proceed;

/// The permits were closed.
#[derive(Debug)]
pub(crate) struct Closed;

#[derive(Debug)]
pub(crate) struct Permits {
    /// Those that nobody has, and that nobody waits for. 0 unless it is `quick`.
    free: Cell<u32>,
    /// Those that nobody has, while somebody waits for more.
    kept: Cell<u32>,
    quick: Cell<bool>,
    closed: Cell<bool>,
    waiting: WaitList,
}

impl Permits {
    pub(crate) const fn new(free: u32) -> Permits {
        Permits {
            free: Cell::new(free),
            kept: Cell::new(0),
            quick: Cell::new(true),
            closed: Cell::new(false),
            waiting: WaitList::new(),
        }
    }

    /// Those that nobody has, and that nobody was granted.
    pub(crate) fn available(&self) -> u32 {
        self.free.get() + self.kept.get()
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether `demand` permits, one or more, are to be had without waiting and without overtaking anybody.
    #[inline]
    pub(crate) fn can_acquire(&self, demand: u32) -> bool {
        demand <= self.free.get()
    }

    #[inline]
    pub(crate) fn try_acquire(&self, demand: u32) -> bool {
        let can = self.can_acquire(demand);
        if can {
            self.free.set(self.free.get() - demand);
        }
        can
    }

    /// Waits until it has `demand` permits, one or more. `reason` is what a snapshot of the tasks shows.
    #[inline]
    pub(crate) fn poll_acquire<'p, O>(
        &'p self,
        mut node: Pin<&mut WaitNode<'p, O>>,
        cx: &mut Context<'_>,
        demand: u32,
        reason: &'static str,
    ) -> Poll<Result<(), Closed>> {
        if node.is_idle() && self.can_acquire(demand) {
            ready!(poll_proceed(cx));
            self.free.set(self.free.get() - demand);
            return Poll::Ready(Ok(()));
        }
        if !self.closed.get() && node.as_mut().take_grant() {
            return Poll::Ready(Ok(()));
        }
        self.poll_wait(node, cx, demand, reason)
    }

    #[cold]
    #[inline(never)]
    fn poll_wait<'p, O>(
        &'p self,
        node: Pin<&mut WaitNode<'p, O>>,
        cx: &mut Context<'_>,
        demand: u32,
        reason: &'static str,
    ) -> Poll<Result<(), Closed>> {
        if self.closed.get() {
            ready!(poll_proceed(cx));
            node.cancel();
            return Poll::Ready(Err(Closed));
        }
        if node.is_idle() {
            self.quick.set(false);
            self.kept.set(self.available());
            self.free.set(0);
        }
        node.poll_wait(&self.waiting, cx, demand, reason).map(Ok)
    }

    /// For the drop of a future that may be waiting: leaves the line, and what it was given goes to the next.
    #[inline]
    pub(crate) fn abandon<O>(&self, node: Pin<&mut WaitNode<'_, O>>, demand: u32) {
        if !node.is_idle() {
            self.give_up(node, demand);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_up<O>(&self, node: Pin<&mut WaitNode<'_, O>>, demand: u32) {
        let back = if node.cancel() { demand } else { 0 };
        self.hand_out(back);
    }

    /// Gives permits back, or adds new ones. There are never more than `u32::MAX` available.
    #[inline]
    pub(crate) fn release(&self, count: u32) {
        if self.quick.get() {
            self.free.set(self.free.get().saturating_add(count));
        } else {
            self.hand_out(count);
        }
    }

    /// Serves those at the head of the line whose demand can be met, with `count` more permits than before.
    #[inline(never)]
    fn hand_out(&self, count: u32) {
        if self.closed.get() {
            return;
        }
        self.kept.set(self.available().saturating_add(count));
        self.free.set(0);
        self.waiting.wake_while(|| {
            let demand = self.waiting.first_demand().filter(|demand| *demand <= self.kept.get());
            if let Some(demand) = demand {
                self.kept.set(self.kept.get() - demand);
            } else if self.waiting.is_empty() && !self.closed.get() {
                self.free.set(self.available());
                self.kept.set(0);
                self.quick.set(true);
            }
            demand.is_some()
        });
    }

    /// From now on there are no permits. Whoever waits is to be woken by [`wake_all`](Permits::wake_all).
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.quick.set(false);
        self.free.set(0);
        self.kept.set(0);
    }

    /// Wakes all that wait, after it was closed.
    pub(crate) fn wake_all(&self) {
        self.waiting.wake_all();
    }
}
