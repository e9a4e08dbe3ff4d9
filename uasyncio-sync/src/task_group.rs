//! Structured concurrency: children that end before the block that began them.
//!
//! The future of [`task_group`] owns the body and the children, and polls them in place with
//! [`SubWakers`](uasyncio_core::SubWakers). The handle that the body and the children have leads to a list of those that were
//! spawned and not taken in yet, and to a waker for that:
//!
//! ```text
//!  handle ── spawn ──► spawned ◄── member GATE takes them in when its turn comes, and polls them
//!     │                                ▲
//!     └──── wakes ─────────────────────┘        member BODY: the body        all others: the children
//! ```
//!
//! GATE is in the queue of those that are ready like any other member, from the moment of the spawn, so a child is polled
//! before anything that its spawner woke afterwards, itself included. Nothing points at the group's future, hence forgetting
//! that future is harmless: it never runs again. Ending it drops children first, then the body, then the spawned.

mod error;
mod members;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

pub use error::TaskGroupError;
use members::{BODY, Child, GATE, Members};

use crate::turn::Finally;

/// Runs `body`, which may spawn children into the group that it gets, and waits for all of them. asyncio's `TaskGroup`.
///
/// The children are members of the same task. They may borrow what lives outside of the call, as a `'static` task may not,
/// and begin in the order in which they were spawned, when the body first waits. Ready with the body's value when the body and
/// all children, and whatever those have spawned, have ended with `Ok`.
///
/// # Errors
///
/// The first error, of a child or of the body, ends the group: whoever was ready in the same poll still gets that poll, so
/// that errors of the same moment are all [kept](TaskGroupError); then the other children and the rest of the body are
/// **dropped**, and the error is returned after that. So no child outlives the call, whatever its end.
///
/// # Costs
///
/// A wake of a child polls that child only. A spawn allocates the child, and room in the group that later children use again.
///
/// # What differs from asyncio
///
/// A child is no task of its own, and has no handle: its result goes where it puts it, such as a [`Cell`]. Cancelling is
/// dropping, so the siblings cannot delay it. A child must be spawned with `async move` if it takes values along.
///
/// # Panics
///
/// A panic of a child or of the body, or of their destructors, comes through after the others were dropped. If there was an error
/// too, the panic wins and the error is lost. When it is polled again after it has ended.
///
/// # Cancel safety
///
/// Dropping this, as a cancel of the task does, drops the children and the body.
///
/// ```
/// use std::cell::Cell;
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::task_group;
///
/// run(async {
///     let sum = Cell::new(0);
///     let add = async |number: u32| {
///         sleep_ms(number % 3).await;
///         sum.set(sum.get() + number);
///         Ok::<(), &str>(())
///     };
///     let count = task_group(async |group| {
///         for number in 1..=10_u32 {
///             group.spawn(add(number));
///         }
///         Ok(10)
///     })
///     .await;
///     assert_eq!((count, sum.get()), (Ok(10), 55));
///
///     let failed = task_group(async |group| {
///         group.spawn(sleep_and_fail());
///         sleep_ms(60_000).await; // is cut short
///         Ok(())
///     });
///     assert_eq!(*failed.await.unwrap_err().first(), "out of cheese");
/// });
///
/// async fn sleep_and_fail() -> Result<(), &'static str> {
///     sleep_ms(1).await;
///     Err("out of cheese")
/// }
/// ```
pub fn task_group<'env, T, E, B, F>(body: B) -> RunTaskGroup<'env, T, E, F>
where
    B: FnOnce(TaskGroup<'env, E>) -> F,
    F: Future<Output = Result<T, E>>,
{
    let members = Members::new();
    let gate = members.waker(GATE).clone();
    let shared = Rc::new(Shared { spawned: RefCell::new(Vec::new()), open: Cell::new(true), gate });
    let body = body(TaskGroup { shared: shared.clone() });
    RunTaskGroup { body: Some(body), members, value: None, errors: Vec::new(), shared }
}

/// The handle of a group, for spawning into it. Made by [`task_group`]; clones are the same group.
pub struct TaskGroup<'env, E> {
    shared: Rc<Shared<'env, E>>,
}

/// What the group's future and its handles share.
struct Shared<'env, E> {
    /// Those that the gate has not taken in yet.
    spawned: RefCell<Vec<Child<'env, E>>>,
    open: Cell<bool>,
    gate: Waker,
}

impl<'env, E> TaskGroup<'env, E> {
    /// Adds a child. asyncio's `create_task` of a group.
    ///
    /// When the group is ending or has ended, which a handle may live to see, the future is dropped at once, as a task is that
    /// is given to a closed loop; [`try_spawn`](TaskGroup::try_spawn) gives it back.
    ///
    /// ```
    /// use uasyncio_core::run;
    /// use uasyncio_sync::task_group;
    ///
    /// let result = run(task_group(async |group| {
    ///     let siblings = group.clone();
    ///     group.spawn(async move {
    ///         siblings.spawn(async { Err("a child of a child") });
    ///         Ok(())
    ///     });
    ///     Ok(())
    /// }));
    /// assert_eq!(result.unwrap_err().into_first(), "a child of a child");
    /// ```
    pub fn spawn(&self, child: impl Future<Output = Result<(), E>> + 'env) {
        drop(self.try_spawn(child));
    }

    /// Adds a child, unless the group is ending or has ended: `Err` with the future.
    ///
    /// ```
    /// use uasyncio_core::run;
    /// use uasyncio_sync::task_group;
    ///
    /// run(async {
    ///     let group = task_group(async |group| Ok::<_, ()>(group)).await.unwrap();
    ///     assert!(group.try_spawn(async { Ok(()) }).is_err());
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// The child, unpolled.
    pub fn try_spawn<C>(&self, child: C) -> Result<(), C>
    where
        C: Future<Output = Result<(), E>> + 'env,
    {
        if !self.shared.open.get() {
            return Err(child);
        }
        self.shared.spawned.borrow_mut().push(Box::pin(child));
        self.shared.gate.wake_by_ref();
        Ok(())
    }
}

impl<E> Clone for TaskGroup<'_, E> {
    fn clone(&self) -> Self {
        TaskGroup { shared: self.shared.clone() }
    }
}

impl<E> fmt::Debug for TaskGroup<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("open", &self.shared.open.get()).finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`task_group`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct RunTaskGroup<'env, T, E, F> {
        // `None` once it has ended.
        #[pin]
        body: Option<F>,
        members: Members<'env, E>,
        value: Option<T>,
        errors: Vec<E>,
        shared: Rc<Shared<'env, E>>,
    }

    impl<T, E, F> PinnedDrop for RunTaskGroup<'_, T, E, F> {
        fn drop(this: Pin<&mut Self>) {
            this.close();
        }
    }
}

impl<T, E, F> RunTaskGroup<'_, T, E, F> {
    /// Drops whatever runs; nothing can be spawned any more.
    fn close(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.shared.open.set(false);
        let children = this.members.take_children();
        // The children go first, then what follows, from the last to the first; also if one of them panics.
        let _waker = Finally(|| this.members.register(Waker::noop()));
        let _spawned = this.shared.spawned.take();
        let _value = this.value.take();
        let _body = Finally(|| this.body.set(None));
        drop(children);
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> RunTaskGroup<'_, T, E, F> {
    /// Polls those that are ready at this moment, each once.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, TaskGroupError<E>>> {
        let mut this = self.project();
        let members = this.members;
        let mut fail = |error| {
            this.shared.open.set(false);
            this.errors.push(error);
        };
        members.register(cx.waker());
        for _ in 0..members.begin_turn() {
            match members.next() {
                Some(BODY) => {
                    let Some(body) = this.body.as_mut().as_pin_mut() else { continue };
                    let end = body.poll(&mut Context::from_waker(&members.waker(BODY)));
                    if end.is_ready() {
                        this.body.set(None);
                    }
                    match end {
                        Poll::Ready(Ok(value)) => *this.value = Some(value),
                        Poll::Ready(Err(error)) => fail(error),
                        Poll::Pending => {}
                    }
                }
                Some(GATE) if !this.shared.open.get() => {}
                Some(GATE) => members.admit(&this.shared.spawned, &mut fail),
                Some(child) => members.poll_child(child, &mut fail),
                None => {}
            }
        }
        if let Some(error) = TaskGroupError::new(mem::take(this.errors)) {
            return Poll::Ready(Err(error));
        }
        match this.value.take_if(|_| members.running() == 0 && this.shared.spawned.borrow().is_empty()) {
            Some(value) => Poll::Ready(Ok(value)),
            None => Poll::Pending,
        }
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Future for RunTaskGroup<'_, T, E, F> {
    type Output = Result<T, TaskGroupError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.body.is_some() || self.value.is_some(), "`task_group` was polled after it had ended");
        let mut ending = Ending(self);
        let end = ending.0.as_mut().poll_ready(cx);
        // Ended here, not on the way out: if that panics, the error is dropped too.
        if end.is_pending() {
            mem::forget(ending)
        } else {
            drop(ending)
        }
        end
    }
}

impl<T, E, F> fmt::Debug for RunTaskGroup<'_, T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RunTaskGroup");
        debug.field("children", &self.members.running()).field("body_ended", &self.body.is_none()).finish_non_exhaustive()
    }
}

/// Closes the group when dropped, also by a panic.
struct Ending<'p, 'env, T, E, F>(Pin<&'p mut RunTaskGroup<'env, T, E, F>>);

impl<T, E, F> Drop for Ending<'_, '_, T, E, F> {
    fn drop(&mut self) {
        self.0.as_mut().close();
    }
}
