//! The outputs of many futures, as they come.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;
use uasyncio_core::{SubWakers, pinned};

/// Runs many futures at a time, and gives their outputs in the order in which they come. asyncio's `as_completed`.
///
/// A [`Stream`] of the number of the future and its output; [`next`](AsCompleted::next) needs no further crate. The futures are
/// run while the stream is polled. A wake of one of them polls that one only. One allocation for the wakers and one for the
/// futures, which need not be [`Unpin`] and may borrow.
///
/// # Panics
///
/// A panic of a future comes through, and the stream has ended then; the others are dropped with it.
///
/// # Cancel safety
///
/// Dropping the stream drops the futures that have not finished; tasks run on. Dropping what `next` gives loses nothing.
///
/// ```
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::as_completed;
///
/// run(async {
///     let mut outputs = as_completed([9, 1, 5].map(|millis| async move {
///         sleep_ms(millis).await;
///         millis
///     }));
///     let mut order = Vec::new();
///     while let Some((_, millis)) = outputs.next().await {
///         order.push(millis);
///     }
///     assert_eq!(order, [1, 5, 9]);
/// });
/// ```
pub fn as_completed<I: IntoIterator<Item: Future>>(futures: I) -> AsCompleted<I::Item> {
    let members: Box<[_]> = futures.into_iter().map(Some).collect();
    let left = members.len();
    let running = (left > 0).then(|| Running { wakers: SubWakers::new(left), left });
    AsCompleted { members: members.into(), running }
}

/// The stream of [`as_completed`].
#[must_use = "streams do nothing unless they are polled"]
pub struct AsCompleted<F> {
    /// Those that have not finished, each in its place.
    members: Pin<Box<[Option<F>]>>,
    /// `None` once all have, or one has panicked.
    running: Option<Running>,
}

struct Running {
    wakers: SubWakers,
    /// How many have not finished.
    left: usize,
}

impl Running {
    /// Polls those that were woken, until one has finished.
    fn poll_woken<F: Future>(
        &mut self,
        mut members: Pin<&mut [Option<F>]>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, F::Output)>> {
        self.wakers.register(cx.waker());
        for index in self.wakers.ready() {
            // One that has finished may be woken yet, by who kept its waker.
            let Some(mut member) = pinned::get(members.as_mut(), index) else { continue };
            let Some(future) = member.as_mut().as_pin_mut() else { continue };
            if let Poll::Ready(output) = future.poll(&mut Context::from_waker(&self.wakers.waker(index))) {
                member.set(None);
                self.left -= 1;
                return Poll::Ready(Some((index, output)));
            }
        }
        Poll::Pending
    }
}

impl<F> AsCompleted<F> {
    fn left(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.left)
    }
}

impl<F: Future> AsCompleted<F> {
    /// Waits for the next output; `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// use std::future::ready;
    /// use uasyncio_core::run;
    /// use uasyncio_sync::as_completed;
    ///
    /// run(async {
    ///     let mut outputs = as_completed([ready("a"), ready("b")]);
    ///     assert_eq!(outputs.next().await, Some((0, "a")));
    ///     assert_eq!(outputs.next().await, Some((1, "b")));
    ///     assert_eq!(outputs.next().await, None);
    /// });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "the usual name of a stream's next item")]
    pub fn next(&mut self) -> NextCompleted<'_, F> {
        NextCompleted { stream: self }
    }
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = (usize, F::Output);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(mut running) = self.running.take() else {
            return Poll::Ready(None);
        };
        let next = running.poll_woken(self.members.as_mut(), cx);
        if running.left > 0 {
            self.running = Some(running);
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left();
        (left, Some(left))
    }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left()).finish_non_exhaustive()
    }
}

/// The future of [`AsCompleted::next`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct NextCompleted<'s, F> {
    stream: &'s mut AsCompleted<F>,
}

impl<F: Future> Future for NextCompleted<'_, F> {
    type Output = Option<(usize, F::Output)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.stream).poll_next(cx)
    }
}

impl<F> fmt::Debug for NextCompleted<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextCompleted").field("stream", &self.stream).finish()
    }
}
