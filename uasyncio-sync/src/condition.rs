//! Waiting, without the lock, until what the lock guards may have changed.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use uasyncio_core::{LockCell, WaitList, WaitNode};

use crate::lock::{LockAcquire, LockGuard};

/// Lets tasks wait until the value in a [`Lock`](crate::Lock) has changed. asyncio's `Condition`.
///
/// A task that holds the lock and finds that the value is not yet as it needs it gives its guard to [`wait`](Condition::wait),
/// or better to [`wait_for`](Condition::wait_for), and gets one back when it was notified and the lock is its own again. Who
/// has waited longest is notified first (MicroPython's driver of the name takes the latest first). Nothing is allocated.
///
/// The lock is the guard's, so a condition needs none of its own, and nobody can wait without holding it. Notifying needs no
/// lock here, where asyncio wants it held: on one thread nothing can come in between. For the same reason an
/// [`Event`](crate::Event) often does.
///
/// ```
/// use uasyncio_core::{create_task, run};
/// use uasyncio_sync::{Condition, Lock};
/// # use std::rc::Rc;
///
/// run(async {
///     let shared = Rc::new((Lock::new(0), Condition::new()));
///     let waiter = {
///         let shared = shared.clone();
///         create_task(async move {
///             let (level, changed) = &*shared;
///             let level = changed.wait_for(level.lock().await, |level| *level >= 3).await;
///             *level
///         })
///     };
///     let (level, changed) = &*shared;
///     for _ in 0..5 {
///         *level.lock().await += 1;
///         changed.notify_all();
///     }
///     assert!(waiter.await.unwrap() >= 3);
/// });
/// ```
pub struct Condition {
    waiting: WaitList,
}

impl Condition {
    /// A condition that nobody waits for.
    ///
    /// ```
    /// # use uasyncio_sync::Condition;
    /// Condition::new().notify(1); // Nobody hears it, and it is forgotten.
    /// ```
    pub const fn new() -> Condition {
        Condition { waiting: WaitList::new() }
    }

    /// Unlocks, waits for a notification, and locks again. asyncio's `wait`.
    ///
    /// It is in line before it unlocks, at its first poll; until then the future holds the guard. Look at the value again
    /// afterwards: others may have had the lock in the meantime, and a notification may have been passed on by one who gave up.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the guard as well. A notification that it had received and not yet answered, because it did
    /// not have the lock again, is passed on to the next one that waits.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given the guard back.
    ///
    /// ```
    /// use uasyncio_core::{create_task, run};
    /// use uasyncio_sync::{Condition, Lock};
    /// # use std::rc::Rc;
    ///
    /// run(async {
    ///     let shared = Rc::new((Lock::new("before"), Condition::new()));
    ///     let (value, changed) = &*shared;
    ///     let guard = value.lock().await;
    ///     let other = shared.clone();
    ///     let _writer = create_task(async move {
    ///         *other.0.lock().await = "after";
    ///         other.1.notify(1);
    ///     });
    ///     let guard = changed.wait(guard).await;
    ///     assert_eq!(*guard, "after");
    /// });
    /// ```
    pub fn wait<'c, 'l, T: ?Sized>(&'c self, guard: LockGuard<'l, T>) -> ConditionWait<'c, 'l, T> {
        ConditionWait { condition: self, state: State::Holding { guard: Some(guard) } }
    }

    /// [Waits](Condition::wait) until the value is as it should be. asyncio's `wait_for`.
    ///
    /// The predicate is asked at once, and again after each notification, always with the lock held.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condition::wait).
    ///
    /// # Panics
    ///
    /// As [`wait`](Condition::wait). When the predicate panics, the lock is open afterwards.
    ///
    /// ```
    /// # use uasyncio_sync::{Condition, Lock};
    /// # uasyncio_core::run(async {
    /// let (items, changed) = (Lock::new(vec![1]), Condition::new());
    /// let guard = changed.wait_for(items.lock().await, |items| !items.is_empty()).await;
    /// assert_eq!(*guard, [1]);
    /// # });
    /// ```
    pub fn wait_for<'c, 'l, T: ?Sized, P>(&'c self, guard: LockGuard<'l, T>, predicate: P) -> ConditionWaitFor<'c, 'l, T, P>
    where
        P: FnMut(&mut T) -> bool,
    {
        ConditionWaitFor { wait: self.wait(guard), predicate }
    }

    /// Wakes so many of those that have waited longest, or all if there are fewer. A notification that finds nobody is forgotten.
    ///
    /// If a waker polls a wait there and then, which no waker of a loop does, that one is among them if any are left. For all that
    /// wait now there is [`notify_all`](Condition::notify_all), which leaves it out.
    ///
    /// ```
    /// # use uasyncio_sync::{Condition, Lock};
    /// # uasyncio_core::run(async {
    /// # let (lock, condition) = (Lock::new(()), Condition::new());
    /// condition.notify(2);
    /// # });
    /// ```
    pub fn notify(&self, count: usize) {
        let mut notifications = 0..count;
        self.waiting.wake_while(|| notifications.next().is_some());
    }

    /// Wakes all that wait now, in the order in which they began to.
    ///
    /// ```
    /// # use uasyncio_sync::{Condition, Lock};
    /// # let condition = Condition::new();
    /// condition.notify_all();
    /// ```
    pub fn notify_all(&self) {
        self.waiting.wake_all();
    }
}

impl Default for Condition {
    fn default() -> Condition {
        Condition::new()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("waited_for", &!self.waiting.is_empty()).finish()
    }
}

pin_project! {
    /// The future of [`Condition::wait`]: a [`LockGuard`].
    #[must_use = "it waits for nothing unless it is awaited"]
    pub struct ConditionWait<'c, 'l, T: ?Sized> {
        condition: &'c Condition,
        #[pin]
        state: State<'c, 'l, T>,
    }

    impl<T: ?Sized> PinnedDrop for ConditionWait<'_, '_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let unanswered = match this.state.project() {
                Projected::Holding { .. } => false,
                Projected::Waiting { node, .. } => node.cancel(),
                Projected::Locking { .. } => true,
            };
            if unanswered {
                this.condition.notify(1);
            }
        }
    }
}

pin_project! {
    #[project = Projected]
    enum State<'c, 'l, T: ?Sized> {
        /// Before the first poll; and empty, after the last one.
        Holding { guard: Option<LockGuard<'l, T>> },
        /// For a notification.
        Waiting {
            #[pin]
            node: WaitNode<'c>,
            lock: &'l LockCell<T>,
        },
        /// Notified, and in line for the lock.
        Locking {
            #[pin]
            acquire: LockAcquire<'l, T>,
        },
    }
}

impl<'l, T: ?Sized> ConditionWait<'_, 'l, T> {
    /// The guard, if it has not begun to wait.
    fn take_guard(self: Pin<&mut Self>) -> Option<LockGuard<'l, T>> {
        match self.project().state.project() {
            Projected::Holding { guard } => guard.take(),
            _ => None,
        }
    }

    /// Starts anew with the guard that it has given back.
    fn restart(self: Pin<&mut Self>, guard: LockGuard<'l, T>) {
        self.project().state.set(State::Holding { guard: Some(guard) });
    }
}

impl<'l, T: ?Sized> Future for ConditionWait<'_, 'l, T> {
    type Output = LockGuard<'l, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'l, T>> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                Projected::Holding { guard } => {
                    let guard = guard.take().expect("a `ConditionWait` is polled after it has given its guard back");
                    let node = WaitNode::new(&this.condition.waiting);
                    this.state.set(State::Waiting { node, lock: guard.source() });
                    if let Projected::Waiting { node, .. } = this.state.project() {
                        let _pending = node.poll_wait(&this.condition.waiting, cx, 0, "a condition");
                    }
                    // In line first, then unlocked: whoever has the lock next may notify at once.
                    drop(guard);
                    return Poll::Pending;
                }
                Projected::Waiting { node, lock } => {
                    ready!(node.poll_wait(&this.condition.waiting, cx, 0, "a condition"));
                    State::Locking { acquire: LockAcquire::new(lock) }
                }
                Projected::Locking { acquire } => {
                    let guard = ready!(acquire.poll(cx));
                    this.state.set(State::Holding { guard: None });
                    return Poll::Ready(guard);
                }
            };
            this.state.set(next);
        }
    }
}

impl<T: ?Sized> fmt::Debug for ConditionWait<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Holding { guard: Some(_) } => "not begun",
            State::Holding { guard: None } => "done",
            State::Waiting { .. } => "waiting",
            State::Locking { .. } => "locking",
        };
        f.debug_tuple("ConditionWait").field(&format_args!("{state}")).finish()
    }
}

pin_project! {
    /// The future of [`Condition::wait_for`]: a [`LockGuard`].
    #[must_use = "it waits for nothing unless it is awaited"]
    pub struct ConditionWaitFor<'c, 'l, T: ?Sized, P> {
        #[pin]
        wait: ConditionWait<'c, 'l, T>,
        predicate: P,
    }
}

impl<'l, T: ?Sized, P: FnMut(&mut T) -> bool> Future for ConditionWaitFor<'_, 'l, T, P> {
    type Output = LockGuard<'l, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'l, T>> {
        let mut this = self.project();
        let mut guard = match this.wait.as_mut().take_guard() {
            Some(guard) => guard,
            None => ready!(this.wait.as_mut().poll(cx)),
        };
        if (this.predicate)(&mut guard) {
            return Poll::Ready(guard);
        }
        this.wait.as_mut().restart(guard);
        this.wait.poll(cx)
    }
}

impl<T: ?Sized, P> fmt::Debug for ConditionWaitFor<'_, '_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConditionWaitFor").field(&self.wait).finish()
    }
}
