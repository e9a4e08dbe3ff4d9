//! Work for a loop from other threads.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cell::Detached;
use crate::handle::Loop;
use crate::task_error::catch;
use crate::trace::Origin;
use crate::{Task, TaskError, create_task, current};

/// How many requests are carried out in one poll, before the tasks that are ready get their turn.
const REQUESTS_PER_POLL: usize = 61;

type Job = Box<dyn FnOnce() + Send>;

/// A way to reach a loop from other threads; made by [`Loop::remote`].
///
/// It may be cloned and sent anywhere, and may outlive the loop. Requests are carried out on the loop's thread in the order in
/// which they were made, a bounded number at a time.
///
/// ```
/// use uasyncio_core::{get_event_loop, run, sleep_ms};
///
/// run(async {
///     let remote = get_event_loop().remote();
///     let thread = std::thread::spawn(move || {
///         // The future is made on the loop's thread, so it need not be `Send`; only what makes it must be.
///         remote.spawn(|| async {
///             let local = std::rc::Rc::new(20);
///             sleep_ms(1).await;
///             *local + 1
///         })
///     });
///     let task = thread.join().unwrap();
///     assert_eq!(task.await.unwrap(), 21);
/// });
/// ```
#[derive(Clone)]
pub struct Remote {
    inbox: Arc<Inbox>,
}

/// The loop is closed, so nothing can be carried out; here is what was to be.
pub struct LoopClosed<C>(pub C);

impl<C> fmt::Debug for LoopClosed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoopClosed")
    }
}

impl<C> fmt::Display for LoopClosed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop is closed")
    }
}

impl<C> core::error::Error for LoopClosed<C> {}

struct Inbox {
    jobs: Mutex<Jobs>,
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    /// Wakes the task that empties the inbox; none before its first poll or after its end.
    waker: Option<Waker>,
    closed: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loop {
    /// A way to reach this loop from other threads. Made on first use; later calls give the same.
    pub fn remote(&self) -> Remote {
        let Some(state) = self.open() else {
            let inbox = Inbox { jobs: Mutex::default() };
            inbox.lock().closed = true;
            return Remote { inbox: Arc::new(inbox) };
        };
        state.remote(|| {
            let inbox = Arc::new(Inbox { jobs: Mutex::default() });
            let task = Box::new(Detached::new(Empty { inbox: inbox.clone() }));
            let slot = state.insert_started(task, Origin::caller());
            (Remote { inbox }, slot)
        })
    }
}

/// The task that empties an inbox. It ends with the loop.
struct Empty {
    inbox: Arc<Inbox>,
}

impl Future for Empty {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..REQUESTS_PER_POLL {
            let mut jobs = self.inbox.lock();
            let Some(job) = jobs.queue.pop_front() else {
                jobs.waker.get_or_insert_with(|| cx.waker().clone());
                return Poll::Pending;
            };
            drop(jobs);
            if let (Err(panic), Some(state)) = (catch(job), current::get()) {
                state.report_panic(None, &panic);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let jobs = {
            let mut jobs = self.inbox.lock();
            jobs.closed = true;
            core::mem::take(&mut jobs.queue)
        };
        drop(jobs); // not under the lock: what a job owns may come back here when it is dropped
    }
}

impl Remote {
    /// Calls a function on the loop's thread. asyncio's `call_soon_threadsafe`.
    ///
    /// Allocates; makes a system call only if the loop sleeps. A panic in the function goes to the loop's exception handler.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] gives the function back. Functions that are waiting when the loop is closed are dropped.
    pub fn call_soon_threadsafe<C: FnOnce() + Send + 'static>(&self, callback: C) -> Result<(), LoopClosed<C>> {
        let mut jobs = self.inbox.lock();
        if jobs.closed {
            return Err(LoopClosed(callback));
        }
        jobs.queue.push_back(Box::new(callback));
        if let Some(waker) = &jobs.waker {
            waker.wake_by_ref();
        }
        Ok(())
    }

    /// Creates a task on the loop from a function that makes its future there. asyncio's `run_coroutine_threadsafe`.
    ///
    /// The handle may be awaited on any thread, by any executor. If the loop is closed, it says
    /// [`Cancelled`](TaskError::Cancelled).
    pub fn spawn<C, F>(&self, make: C) -> RemoteTask<F::Output>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let shared = Arc::new(Shared(Mutex::new(Progress::default())));
        let forward = Forward(shared.clone());
        // A job that is refused or dropped drops `forward`, which says so.
        let _refused = self.call_soon_threadsafe(move || {
            if forward.0.lock().cancel {
                return; // before its first poll, so it never runs
            }
            let task = create_task(make());
            crate::spawn(forward.run(task));
        });
        RemoteTask { shared }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("closed", &self.inbox.lock().closed).finish()
    }
}

struct Shared<T>(Mutex<Progress<T>>);

struct Progress<T> {
    end: Option<Result<T, TaskError>>,
    ended: bool,
    cancel: bool,
    waiting: Option<Waker>,
    forward: Option<Waker>,
}

impl<T> Default for Progress<T> {
    fn default() -> Progress<T> {
        Progress { end: None, ended: false, cancel: false, waiting: None, forward: None }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Progress<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's end of a remote task. Whatever happens to it, the other end hears of it.
struct Forward<T>(Arc<Shared<T>>);

impl<T> Forward<T> {
    async fn run(self, mut task: Task<T>) {
        let end = core::future::poll_fn(|cx| {
            let cancel = {
                let mut progress = self.0.lock();
                progress.forward = Some(cx.waker().clone());
                core::mem::take(&mut progress.cancel)
            };
            if cancel {
                task.cancel();
            }
            Pin::new(&mut task).poll(cx)
        });
        let end = end.await;
        self.finish(end);
    }

    fn finish(&self, end: Result<T, TaskError>) {
        let mut progress = self.0.lock();
        progress.end = Some(end);
        progress.ended = true;
        let waiting = progress.waiting.take();
        drop(progress);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

impl<T> Drop for Forward<T> {
    fn drop(&mut self) {
        let ended = self.0.lock().ended;
        if !ended {
            self.finish(Err(TaskError::Cancelled));
        }
    }
}

/// A task on a loop of another thread; made by [`Remote::spawn`]. Dropping it lets the task run on.
///
/// # Panics
///
/// When it is polled again after it has given its result.
#[must_use = "dropping a task's handle lets it run on"]
pub struct RemoteTask<T> {
    shared: Arc<Shared<T>>,
}

impl<T> RemoteTask<T> {
    /// Asks for the task's end. `false`: it had ended already.
    pub fn cancel(&self) -> bool {
        let mut progress = self.shared.lock();
        if progress.ended {
            return false;
        }
        progress.cancel = true;
        if let Some(forward) = &progress.forward {
            forward.wake_by_ref();
        }
        true
    }

    /// Whether the task has ended.
    pub fn done(&self) -> bool {
        self.shared.lock().ended
    }
}

impl<T> Future for RemoteTask<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut progress = self.shared.lock();
        if let Some(end) = progress.end.take() {
            return Poll::Ready(end);
        }
        assert!(!progress.ended, "a task was polled after it had given its result");
        progress.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> fmt::Debug for RemoteTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTask").field("done", &self.done()).finish()
    }
}
