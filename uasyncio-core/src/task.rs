//! The handle of a task.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use crate::cell::{self, JoinCell, Joinable, Runnable};
use crate::exception::{Exception, ExceptionContext};
use crate::slot::SlotRef;
use crate::state::LoopState;
use crate::task_error::Panic;
use crate::trace::Origin;
use crate::waker::wake_slot;
use crate::{TaskError, TaskId, current, trace};

/// A task that was given to a loop: await it for its result, cancel it, or drop it to let it run on. asyncio's `Task`.
///
/// Made by [`create_task`](crate::create_task). Awaiting gives `Ok` with the future's output, or a [`TaskError`]. A task takes
/// 26 bytes in the loop's pages and 24 in its own allocation, beyond what the larger of future and output needs.
///
/// * **Dropping** the handle detaches the task, as in asyncio; [`cancel_on_drop`](Task::cancel_on_drop) is the other rule. A
///   panic of a task that has no handle left goes to the loop's exception handler.
/// * **Cancelling the awaiter** of a task, or dropping a future that awaits `&mut task`, leaves the task alone.
/// * The handle may outlive the loop: tasks that had not finished then are cancelled.
///
/// # Panics
///
/// When it is polled again after it has given its result.
///
/// # Cancel safety
///
/// Awaiting `&mut task` and dropping that future loses nothing.
///
/// ```
/// use uasyncio_core::{create_task, run, sleep_ms};
///
/// let sum = run(async {
///     let slow = create_task(async {
///         sleep_ms(2).await;
///         2
///     });
///     let fast = create_task(async { 1 });
///     slow.await.unwrap() + fast.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// ```
#[must_use = "dropping a task's handle lets it run on; use `spawn` if that is what you want"]
pub struct Task<T> {
    cell: NonNull<dyn Joinable<T>>,
    /// Holds the task until it has ended, and may hold another one after that.
    slot: Option<SlotRef>,
    result: PhantomData<T>,
}

impl<T> Task<T> {
    pub(crate) fn create<F>(state: Option<&'static LoopState>, future: F, origin: Origin) -> Task<T>
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        let cell = NonNull::from(Box::leak(Box::new(JoinCell::new(future))));
        let slot = state.and_then(|state| state.insert(cell, true));
        match slot {
            Some(slot) => origin.record(slot),
            None => {
                // SAFETY: U4 and U5. The cell is in its box, and no loop knows it.
                let cell = unsafe { cell.as_ref() };
                // The loop is closed or closing: the task ends before it began, and belongs to the handle alone.
                // SAFETY: as above.
                let _unclaimed = unsafe { Pin::new_unchecked(cell).end(TaskError::Cancelled) };
                cell.disown();
            }
        }
        Task { cell, slot, result: PhantomData }
    }

    fn cell(&self) -> &dyn Joinable<T> {
        // SAFETY: U8. The handle holds a share of the cell, which is freed with the last one.
        unsafe { self.cell.as_ref() }
    }

    /// Asks for the task's end. `false`: it had ended already.
    ///
    /// The future is dropped when the task's turn comes in the next pass, on the loop's thread, and whoever awaits the task sees
    /// [`TaskError::Cancelled`] after its destructors have run. A task that was never polled never runs. Cancelling again
    /// changes nothing. A task that cancels itself goes on to its next suspension, and if it ends before that, its result
    /// stands.
    ///
    /// If the task is inside [`catch_cancel`](crate::catch_cancel), that ends instead, and the task decides what follows.
    ///
    /// ```
    /// use uasyncio_core::{create_task, run, sleep_ms};
    ///
    /// run(async {
    ///     let task = create_task(sleep_ms(60_000));
    ///     assert!(task.cancel());
    ///     assert!(task.cancel()); // it has not happened yet
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn cancel(&self) -> bool {
        let head = self.cell().head();
        let Some(slot) = self.slot.filter(|_| !head.is_done()) else {
            return false;
        };
        if !crate::catch_cancel::deliver(slot) && head.request_cancel() {
            wake_slot(slot);
        }
        true
    }

    /// Whether the task has ended, in whatever way.
    pub fn done(&self) -> bool {
        self.cell().head().is_done()
    }

    /// The task's number, or `None` if it never ran because the loop was closed.
    ///
    /// It tells tasks apart while they are there. Once the loop is dropped it says nothing any more, and changes when another loop
    /// takes over the memory.
    pub fn id(&self) -> Option<TaskId> {
        self.slot.map(TaskId::of)
    }

    /// Gives the task a name for [`tasks`](crate::Loop::tasks) and reports. Without the feature `trace` it does nothing.
    pub fn set_name(&self, name: &str) {
        if let Some(slot) = self.slot.filter(|_| !self.done()) {
            trace::set_name(slot, name);
        }
    }

    /// The same task, cancelled when the new handle is dropped.
    ///
    /// ```
    /// use uasyncio_core::{create_task, get_event_loop, run, sleep_ms, yield_now};
    ///
    /// run(async {
    ///     let before = get_event_loop().tasks().len();
    ///     drop(create_task(sleep_ms(60_000)).cancel_on_drop());
    ///     yield_now().await;
    ///     assert_eq!(get_event_loop().tasks().len(), before);
    /// });
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop { task: self }
    }
}

impl<T: 'static, E: fmt::Display + 'static> Task<Result<T, E>> {
    /// Lets the task run on; if it ends with an error, the loop's exception handler is told.
    ///
    /// Costs a second, small task. [`report`](crate::report) does the same without, for a future that is not a task yet.
    #[track_caller]
    pub fn report(self) {
        crate::spawn(async move {
            match self.await {
                Ok(Err(error)) => crate::report::failed(&error),
                Err(TaskError::Panicked(panic)) => tell_of_panic(&panic),
                _ => {}
            }
        });
    }
}

impl<T> Unpin for Task<T> {}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.cell().poll_join(cx.waker()) {
            Poll::Pending => {
                trace::waiting("a task");
                Poll::Pending
            }
            Poll::Ready(Some(end)) => Poll::Ready(end),
            Poll::Ready(None) => panic!("a task was polled after it had given its result"),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        let (last, unclaimed) = self.cell().disown_handle();
        if last {
            // SAFETY: U8. The slot gave its share up before, so that was the last one.
            unsafe { cell::free(self.cell) };
        }
        if let Some(panic) = unclaimed {
            tell_of_panic(&panic);
        }
    }
}

fn tell_of_panic(panic: &Panic) {
    match current::get() {
        Some(state) => state.report_panic(None, panic),
        None => crate::exception::print(&ExceptionContext::new("a task panicked", Exception::Panic(panic))),
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id()).field("done", &self.done()).finish()
    }
}

/// A task that is cancelled when this is dropped; see [`Task::cancel_on_drop`].
#[must_use = "dropping this cancels the task"]
#[derive(Debug)]
pub struct CancelOnDrop<T> {
    task: Task<T>,
}

impl<T> CancelOnDrop<T> {
    /// The task.
    pub fn task(&self) -> &Task<T> {
        &self.task
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        self.task.cancel();
    }
}
