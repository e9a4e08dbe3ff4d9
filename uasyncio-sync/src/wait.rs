//! Waiting for some of many futures, and keeping the others.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use uasyncio_core::SubWakers;

/// When [`wait`] is done, by what has come out so far. asyncio's `return_when`.
///
/// `T` is the output of the futures; the compiler finds it.
///
/// ```
/// use std::future::ready;
/// use uasyncio_core::run;
/// use uasyncio_sync::{ReturnWhen, wait};
///
/// run(async {
///     let waited = wait([ready(Ok(1)), ready(Err("failed"))], ReturnWhen::FIRST_EXCEPTION).await;
///     assert_eq!(waited.done, [(0, Ok(1)), (1, Err("failed"))]);
/// });
/// ```
pub struct ReturnWhen<T> {
    /// Whether this output is the one that was waited for.
    is_enough: fn(&T) -> bool,
}

impl<T> ReturnWhen<T> {
    /// When one future has finished.
    pub const FIRST_COMPLETED: ReturnWhen<T> = ReturnWhen { is_enough: |_| true };
    /// When all futures have finished.
    pub const ALL_COMPLETED: ReturnWhen<T> = ReturnWhen { is_enough: |_| false };
}

impl<T, E> ReturnWhen<Result<T, E>> {
    /// When one future has given an error, or else when all have finished. A [`Task`](uasyncio_core::Task) gives one when it
    /// is cancelled or panics.
    pub const FIRST_EXCEPTION: ReturnWhen<Result<T, E>> = ReturnWhen { is_enough: |output| output.is_err() };
}

impl<T> Clone for ReturnWhen<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ReturnWhen<T> {}

impl<T> fmt::Debug for ReturnWhen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReturnWhen").finish_non_exhaustive()
    }
}

/// Waits for some of many futures, and hands the others back. asyncio's `wait`.
///
/// [`ReturnWhen`] says when it is done. All that are ready in the same poll are taken, so there may be more in
/// [`done`](Waited::done) than were asked for. What is [`pending`](Waited::pending) can be waited for again, awaited, or dropped.
/// Without futures it is ready at once.
///
/// A wake of one future polls that one only, while each `wait` polls all of its futures once at first: to take them one by one,
/// [`as_completed`](crate::as_completed()) is cheaper. One allocation for the wakers, beside those for the lists.
///
/// The futures must be [`Unpin`], as tasks, boxes and pinned references are. asyncio takes tasks only, and has a timeout:
/// here that is a [`select`](crate::select()) with a sleep, and [`stop`](Wait::stop) for what there is by then.
///
/// # Panics
///
/// A panic of a future comes through, and the others are dropped with the wait, unless [`stop`](Wait::stop) hands them back. When
/// it is polled again after that, or after it has ended.
///
/// # Cancel safety
///
/// Dropping this drops the futures and the outputs that are there; tasks run on. [`stop`](Wait::stop) hands all back.
///
/// ```
/// use uasyncio_core::{create_task, run, sleep_ms};
/// use uasyncio_sync::{ReturnWhen, wait};
///
/// run(async {
///     let tasks = [9, 1, 5].map(|millis| create_task(sleep_ms(millis)));
///     let first = wait(tasks, ReturnWhen::FIRST_COMPLETED).await;
///     assert_eq!(first.done[0].0, 1); // the second of them
///     let rest = wait(first.pending, ReturnWhen::ALL_COMPLETED).await;
///     assert!(rest.pending.is_empty());
/// });
/// ```
pub fn wait<I>(futures: I, return_when: ReturnWhen<<I::Item as Future>::Output>) -> Wait<I::Item>
where
    I: IntoIterator<Item: Future + Unpin>,
{
    let members: Vec<_> = futures.into_iter().map(Some).collect();
    let wakers = Some(SubWakers::new(members.len()));
    Wait { members, wakers, done: Vec::new(), return_when }
}

/// What [`wait`] gives.
pub struct Waited<F: Future> {
    /// The outputs in the order in which they came, each with the number of its future among those that were given to [`wait`].
    pub done: Vec<(usize, F::Output)>,
    /// The futures that have not finished, in the order in which they were given.
    pub pending: Vec<F>,
}

impl<F: Future<Output: fmt::Debug> + fmt::Debug> fmt::Debug for Waited<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waited").field("done", &self.done).field("pending", &self.pending).finish()
    }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Wait<F: Future> {
    /// Those that have not finished, each in its place.
    members: Vec<Option<F>>,
    /// `None` once it has ended.
    wakers: Option<SubWakers>,
    done: Vec<(usize, F::Output)>,
    return_when: ReturnWhen<F::Output>,
}

impl<F: Future + Unpin> Wait<F> {
    /// Ends the wait: what has come out so far, and the other futures.
    ///
    /// ```
    /// use std::pin::pin;
    /// use uasyncio_core::{create_task, run, sleep_ms};
    /// use uasyncio_sync::{ReturnWhen, Selected, select, wait};
    ///
    /// run(async {
    ///     let tasks = [1, 60_000].map(|millis| create_task(sleep_ms(millis)));
    ///     let all = wait(tasks, ReturnWhen::ALL_COMPLETED);
    ///     let waited = match select(all, pin!(sleep_ms(5))).await {
    ///         Selected::First(waited, _) => waited,
    ///         Selected::Second(all, ()) => all.stop(),
    ///     };
    ///     assert_eq!((waited.done.len(), waited.pending.len()), (1, 1));
    /// });
    /// ```
    pub fn stop(mut self) -> Waited<F> {
        self.finish()
    }

    fn finish(&mut self) -> Waited<F> {
        self.wakers = None;
        Waited { done: mem::take(&mut self.done), pending: mem::take(&mut self.members).into_iter().flatten().collect() }
    }

    /// Polls those that were woken. `true`: it is enough.
    fn poll_woken(&mut self, wakers: &SubWakers) -> bool {
        let mut is_enough = false;
        for index in wakers.ready() {
            // One that has finished may be woken yet, by who kept its waker.
            let Some(future) = &mut self.members[index] else {
                continue;
            };
            if let Poll::Ready(output) = Pin::new(future).poll(&mut Context::from_waker(&wakers.waker(index))) {
                self.members[index] = None;
                is_enough |= (self.return_when.is_enough)(&output);
                self.done.push((index, output));
            }
        }
        is_enough || self.done.len() == self.members.len()
    }
}

impl<F: Future + Unpin> Unpin for Wait<F> {}

impl<F: Future + Unpin> Future for Wait<F> {
    type Output = Waited<F>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Waited<F>> {
        let Some(wakers) = self.wakers.take() else {
            panic!("`wait` was polled after it had ended");
        };
        wakers.register(cx.waker());
        if self.poll_woken(&wakers) {
            return Poll::Ready(self.finish());
        }
        self.wakers = Some(wakers);
        Poll::Pending
    }
}

impl<F: Future> fmt::Debug for Wait<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("members", &self.members.len()).field("done", &self.done.len()).finish_non_exhaustive()
    }
}
