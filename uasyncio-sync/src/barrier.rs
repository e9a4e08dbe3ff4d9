//! A place where tasks wait for each other.
//!
//! # Rounds
//!
//! `arrived` counts those that wait for the present round to be full. When it is, the barrier opens: that many of the list are
//! woken, `leaving` says how many of them have not run yet, and each takes the next number as it goes. A new round may fill
//! while the last one leaves, but opens only when it has left, so there is one counter of numbers. A break begins a new
//! `epoch`; who waited in another one has been broken off.
//!
//! Whoever is let go or broken off is so before the first waker runs, and until its own waker runs it is `due`: the list has first
//! those that are due, and behind them those that have arrived. So wakers may come, give up, break and open the barrier meanwhile.

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use uasyncio_core::{WaitList, WaitNode};

use crate::turn::{Finally, poll_proceed};

/// A place where tasks wait until a given number of them are there; then all go on. asyncio's `Barrier`.
///
/// It can be used again and again, round after round. With more tasks than a round takes, the first ones to come make up the
/// next round. [`abort`](Barrier::abort) breaks it for good, [`reset`](Barrier::reset) breaks off the present round. A task
/// that gives up waiting counts no longer. Nothing is allocated.
///
/// ```
/// use uasyncio_core::{create_task, run, sleep_ms};
/// use uasyncio_sync::Barrier;
/// # use std::rc::Rc;
///
/// run(async {
///     let barrier = Rc::new(Barrier::new(3));
///     let tasks: Vec<_> = [2, 3, 1]
///         .map(|millis| {
///             let barrier = barrier.clone();
///             create_task(async move {
///                 sleep_ms(millis).await;
///                 barrier.wait().await.unwrap()
///             })
///         })
///         .into();
///     let mut arrival = Vec::new();
///     for task in tasks {
///         arrival.push(task.await.unwrap());
///     }
///     assert_eq!(arrival, [1, 2, 0]);
/// });
/// ```
pub struct Barrier {
    parties: u32,
    broken: Cell<bool>,
    epoch: Cell<u32>,
    /// Those that wait for the round to be full.
    arrived: Cell<u32>,
    /// Those of the round before that may go and have not run yet.
    leaving: Cell<u32>,
    /// What the next one that leaves is called.
    number: Cell<u32>,
    /// Those at the head of the line that were let go or broken off, and are not woken yet.
    due: Cell<u32>,
    waiting: WaitList,
}

impl Barrier {
    /// A barrier for so many tasks.
    ///
    /// # Panics
    ///
    /// When `parties` is 0, where asyncio has a `ValueError`.
    ///
    /// ```
    /// # use uasyncio_sync::Barrier;
    /// assert_eq!(Barrier::new(2).parties(), 2);
    /// ```
    #[track_caller]
    pub const fn new(parties: u32) -> Barrier {
        assert!(parties > 0, "a barrier needs at least one party");
        Barrier {
            parties,
            broken: Cell::new(false),
            epoch: Cell::new(0),
            arrived: Cell::new(0),
            leaving: Cell::new(0),
            number: Cell::new(0),
            due: Cell::new(0),
            waiting: WaitList::new(),
        }
    }

    /// Waits until all parties are there. asyncio's `wait`.
    ///
    /// Gives each task of a round a number of its own from 0 to `parties - 1`: the last one to arrive, which does not wait, has
    /// `parties - 1`, and the others are numbered in the order in which they go on, which in a loop is that of their arrival.
    /// So one task in each round can be told by its number to do what is to be done once.
    ///
    /// A round that is full opens when all tasks of the round before have run. That matters only when there are more tasks than
    /// parties; the numbers of such a round are all in the order in which they go on.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`] when the barrier was [aborted](Barrier::abort), or the round was broken off by a
    /// [`reset`](Barrier::reset).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes one from the count of those that have arrived. Once the barrier has opened, the others go on
    /// regardless, and take the numbers from 0 without a gap.
    ///
    /// ```
    /// # use uasyncio_sync::Barrier;
    /// # uasyncio_core::run(async {
    /// assert_eq!(Barrier::new(1).wait().await, Ok(0));
    /// # });
    /// ```
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait { epoch: 0, node: WaitNode::new(self) }
    }

    /// Breaks the barrier: all that wait, and all that come, get a [`BrokenBarrierError`], until a [`reset`](Barrier::reset).
    ///
    /// So do those that it had let go and that have not run yet.
    ///
    /// ```
    /// # use uasyncio_sync::{Barrier, BrokenBarrierError};
    /// # uasyncio_core::run(async {
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert_eq!(barrier.wait().await, Err(BrokenBarrierError));
    /// # });
    /// ```
    pub fn abort(&self) {
        self.break_off(true);
    }

    /// Breaks off the present round, and makes the barrier as new: all that wait now get a [`BrokenBarrierError`].
    ///
    /// So do those that it had let go and that have not run yet.
    ///
    /// ```
    /// # use uasyncio_sync::Barrier;
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// barrier.reset();
    /// assert!(!barrier.broken());
    /// ```
    pub fn reset(&self) {
        self.break_off(false);
    }

    /// How many tasks make a round.
    ///
    /// ```
    /// # use uasyncio_sync::Barrier;
    /// assert_eq!(Barrier::new(2).parties(), 2);
    /// ```
    pub fn parties(&self) -> u32 {
        self.parties
    }

    /// How many tasks wait for a round to be full.
    ///
    /// ```
    /// # use uasyncio_sync::Barrier;
    /// assert_eq!(Barrier::new(2).n_waiting(), 0);
    /// ```
    pub fn n_waiting(&self) -> u32 {
        self.arrived.get()
    }

    /// Whether it was [aborted](Barrier::abort).
    ///
    /// ```
    /// # use uasyncio_sync::Barrier;
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert!(barrier.broken());
    /// ```
    pub fn broken(&self) -> bool {
        self.broken.get()
    }

    fn break_off(&self, broken: bool) {
        self.broken.set(broken);
        self.epoch.set(self.epoch.get().wrapping_add(1));
        self.leaving.set(0);
        self.wake(self.arrived.replace(0));
    }

    /// Lets so many go that wait.
    fn open(&self, count: u32) {
        self.arrived.set(self.arrived.get() - count);
        self.leaving.set(count);
        self.number.set(0);
        self.wake(count);
    }

    /// Wakes so many behind those that are due already, and those first.
    fn wake(&self, count: u32) {
        self.due.set(self.due.get() + count);
        self.waiting.wake_while(|| {
            let due = self.due.get();
            self.due.set(due.saturating_sub(1));
            due > 0
        });
    }

    /// Takes out of the line who goes on no more, wherever it stands.
    fn give_up(&self, node: Pin<&mut WaitNode<'_, Barrier>>, epoch: u32) {
        let is_due = node.is_among_first(self.due.get() as usize);
        let is_let_go = is_due || node.is_granted();
        if is_due {
            self.due.set(self.due.get() - 1);
        } else if node.is_waiting() {
            self.arrived.set(self.arrived.get() - 1);
        }
        // Its waker is dropped before, which may panic, or break the barrier.
        let _left = Finally(|| {
            if is_let_go && epoch == self.epoch.get() {
                self.one_has_left();
            }
        });
        node.cancel();
    }

    /// One of those that were let go does so, or was dropped.
    fn one_has_left(&self) {
        self.leaving.set(self.leaving.get() - 1);
        if self.leaving.get() == 0 && self.arrived.get() >= self.parties {
            self.open(self.parties);
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Barrier");
        debug.field("parties", &self.parties).field("n_waiting", &self.n_waiting()).field("broken", &self.broken()).finish()
    }
}

pin_project! {
    /// The future of [`Barrier::wait`]: a number, or a [`BrokenBarrierError`].
    #[must_use = "it waits for nobody unless it is awaited"]
    pub struct BarrierWait<'b> {
        epoch: u32,
        #[pin]
        node: WaitNode<'b, Barrier>,
    }

    impl PinnedDrop for BarrierWait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let barrier = this.node.owner();
            barrier.give_up(this.node, *this.epoch);
        }
    }
}

impl Future for BarrierWait<'_> {
    type Output = Result<u32, BrokenBarrierError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u32, BrokenBarrierError>> {
        let this = self.project();
        let barrier = this.node.owner();
        if this.node.is_idle() {
            let others = barrier.parties - 1;
            let last = barrier.arrived.get() == others && barrier.leaving.get() == 0;
            if barrier.broken() || last {
                ready!(poll_proceed(cx));
            }
            if barrier.broken() {
                return Poll::Ready(Err(BrokenBarrierError));
            }
            if last {
                barrier.open(others);
                return Poll::Ready(Ok(others));
            }
            *this.epoch = barrier.epoch.get();
            barrier.arrived.set(barrier.arrived.get() + 1);
        } else if *this.epoch != barrier.epoch.get() {
            barrier.give_up(this.node, *this.epoch);
            return Poll::Ready(Err(BrokenBarrierError));
        }
        ready!(this.node.poll_wait(&barrier.waiting, cx, 0, "a barrier"));
        let number = barrier.number.get();
        barrier.number.set(number + 1);
        barrier.one_has_left();
        Poll::Ready(Ok(number))
    }
}

impl fmt::Debug for BarrierWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWait").field("waiting", &self.node.is_waiting()).finish_non_exhaustive()
    }
}

/// The barrier was [aborted](Barrier::abort), or the round was broken off by a [`reset`](Barrier::reset). asyncio's name.
///
/// ```
/// # use uasyncio_sync::{Barrier, BrokenBarrierError};
/// # uasyncio_core::run(async {
/// let barrier = Barrier::new(2);
/// barrier.abort();
/// assert_eq!(barrier.wait().await.unwrap_err().to_string(), "the barrier is broken");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrierError;

impl fmt::Display for BrokenBarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken")
    }
}

impl core::error::Error for BrokenBarrierError {}
