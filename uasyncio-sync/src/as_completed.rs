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
    AsCompleted { members: members.into(), wakers: (left > 0).then(|| SubWakers::new(left)), left }
}

/// The stream of [`as_completed`].
#[must_use = "streams do nothing unless they are polled"]
pub struct AsCompleted<F> {
    /// Those that have not finished, each in its place.
    members: Pin<Box<[Option<F>]>>,
    /// `None` once all have.
    wakers: Option<SubWakers>,
    left: usize,
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
        let this = &mut *self;
        let Some(wakers) = &this.wakers else {
            return Poll::Ready(None);
        };
        wakers.register(cx.waker());
        for index in wakers.ready() {
            // One that has finished may be woken yet, by who kept its waker.
            let Some(mut member) = pinned::get(this.members.as_mut(), index) else { continue };
            let Some(future) = member.as_mut().as_pin_mut() else { continue };
            if let Poll::Ready(output) = future.poll(&mut Context::from_waker(&wakers.waker(index))) {
                member.set(None);
                this.left -= 1;
                if this.left == 0 {
                    this.wakers = None;
                }
                return Poll::Ready(Some((index, output)));
            }
        }
        Poll::Pending
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
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
