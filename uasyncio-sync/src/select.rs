//! Waiting for the first of a few futures.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// Which of two futures was first: its output, and the other one.
///
/// The fields are in the order of the arguments; the output stands in the place of the future that gave it.
#[derive(Debug)]
pub enum Selected<A: Future, B: Future> {
    /// The first argument was ready.
    First(A::Output, B),
    /// The second argument was ready.
    Second(A, B::Output),
}

/// Which of three futures was first: its output, and the others. See [`Selected`].
#[derive(Debug)]
pub enum Selected3<A: Future, B: Future, C: Future> {
    /// The first argument was ready.
    First(A::Output, B, C),
    /// The second argument was ready.
    Second(A, B::Output, C),
    /// The third argument was ready.
    Third(A, B, C::Output),
}

/// Which of four futures was first: its output, and the others. See [`Selected`].
#[derive(Debug)]
pub enum Selected4<A: Future, B: Future, C: Future, D: Future> {
    /// The first argument was ready.
    First(A::Output, B, C, D),
    /// The second argument was ready.
    Second(A, B::Output, C, D),
    /// The third argument was ready.
    Third(A, B, C::Output, D),
    /// The fourth argument was ready.
    Fourth(A, B, C, D::Output),
}

/// Waits for the first of two futures, and gives the other one back. asyncio's `wait(.., FIRST_COMPLETED)` for two.
///
/// If both are ready, the earlier argument wins; the later one is not polled then, and loses nothing. The one that is given
/// back can be awaited as if nothing had happened, or dropped.
///
/// The futures must be [`Unpin`], as tasks and boxes are. Pin others where they stand, by [`pin!`](core::pin::pin), and pass the
/// pinned reference. It needs no event loop and no allocation. For more futures there are [`select3`], [`select4`]
/// and, with `alloc`, `wait`.
///
/// # Panics
///
/// A panic of a future, or of the destructor of the one that was first, comes through, and all are dropped. When it is polled again
/// after it has ended.
///
/// # Cancel safety
///
/// Dropping this drops both futures; pass references to keep them.
///
/// ```
/// use std::pin::pin;
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::{Selected, select};
///
/// run(async {
///     let slow = pin!(async {
///         sleep_ms(1).await;
///         "slow"
///     });
///     match select(slow, pin!(async { "fast" })).await {
///         Selected::First(_, _) => unreachable!("it has to wait"),
///         Selected::Second(slow, fast) => assert_eq!((slow.await, fast), ("slow", "fast")),
///     }
/// });
/// ```
pub fn select<A, B>(first: A, second: B) -> Select<A, B>
where
    A: Future + Unpin,
    B: Future + Unpin,
{
    Select { futures: Some((first, second)) }
}

/// Waits for the first of three futures, and gives the others back. As [`select`].
///
/// ```
/// use std::future::{pending, ready};
/// use uasyncio_core::run;
/// use uasyncio_sync::{Selected3, select3};
///
/// run(async {
///     let selected = select3(pending::<()>(), ready(2), ready(3)).await;
///     assert!(matches!(selected, Selected3::Second(_, 2, _))); // the earlier of the two that are ready
/// });
/// ```
pub fn select3<A, B, C>(first: A, second: B, third: C) -> Select3<A, B, C>
where
    A: Future + Unpin,
    B: Future + Unpin,
    C: Future + Unpin,
{
    Select3 { futures: Some((first, second, third)) }
}

/// Waits for the first of four futures, and gives the others back. As [`select`].
///
/// ```
/// use std::future::{pending, ready};
/// use uasyncio_core::run;
/// use uasyncio_sync::{Selected4, select4};
///
/// run(async {
///     let selected = select4(pending::<()>(), pending::<()>(), pending::<()>(), ready(4)).await;
///     assert!(matches!(selected, Selected4::Fourth(_, _, _, 4)));
/// });
/// ```
pub fn select4<A, B, C, D>(first: A, second: B, third: C, fourth: D) -> Select4<A, B, C, D>
where
    A: Future + Unpin,
    B: Future + Unpin,
    C: Future + Unpin,
    D: Future + Unpin,
{
    Select4 { futures: Some((first, second, third, fourth)) }
}

/// The future of [`select`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Select<A, B> {
    /// `None` once it has ended.
    futures: Option<(A, B)>,
}

/// The future of [`select3`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Select3<A, B, C> {
    futures: Option<(A, B, C)>,
}

/// The future of [`select4`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Select4<A, B, C, D> {
    futures: Option<(A, B, C, D)>,
}

// The future that was first is dropped before the result is made: if its destructor panics, the others are dropped. A result that
// is being returned would not be (<https://github.com/rust-lang/rust/issues/47949>).
impl<A: Future + Unpin, B: Future + Unpin> Future for Select<A, B> {
    type Output = Selected<A, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((mut first, mut second)) = self.futures.take() else {
            ended("select");
        };
        if let Poll::Ready(output) = Pin::new(&mut first).poll(cx) {
            drop(first);
            return Poll::Ready(Selected::First(output, second));
        }
        if let Poll::Ready(output) = Pin::new(&mut second).poll(cx) {
            drop(second);
            return Poll::Ready(Selected::Second(first, output));
        }
        self.futures = Some((first, second));
        Poll::Pending
    }
}

impl<A: Future + Unpin, B: Future + Unpin, C: Future + Unpin> Future for Select3<A, B, C> {
    type Output = Selected3<A, B, C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((mut first, mut second, mut third)) = self.futures.take() else {
            ended("select3");
        };
        if let Poll::Ready(output) = Pin::new(&mut first).poll(cx) {
            drop(first);
            return Poll::Ready(Selected3::First(output, second, third));
        }
        if let Poll::Ready(output) = Pin::new(&mut second).poll(cx) {
            drop(second);
            return Poll::Ready(Selected3::Second(first, output, third));
        }
        if let Poll::Ready(output) = Pin::new(&mut third).poll(cx) {
            drop(third);
            return Poll::Ready(Selected3::Third(first, second, output));
        }
        self.futures = Some((first, second, third));
        Poll::Pending
    }
}

impl<A: Future + Unpin, B: Future + Unpin, C: Future + Unpin, D: Future + Unpin> Future for Select4<A, B, C, D> {
    type Output = Selected4<A, B, C, D>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((mut first, mut second, mut third, mut fourth)) = self.futures.take() else {
            ended("select4");
        };
        if let Poll::Ready(output) = Pin::new(&mut first).poll(cx) {
            drop(first);
            return Poll::Ready(Selected4::First(output, second, third, fourth));
        }
        if let Poll::Ready(output) = Pin::new(&mut second).poll(cx) {
            drop(second);
            return Poll::Ready(Selected4::Second(first, output, third, fourth));
        }
        if let Poll::Ready(output) = Pin::new(&mut third).poll(cx) {
            drop(third);
            return Poll::Ready(Selected4::Third(first, second, output, fourth));
        }
        if let Poll::Ready(output) = Pin::new(&mut fourth).poll(cx) {
            drop(fourth);
            return Poll::Ready(Selected4::Fourth(first, second, third, output));
        }
        self.futures = Some((first, second, third, fourth));
        Poll::Pending
    }
}

#[cold]
#[track_caller]
fn ended(name: &str) -> ! {
    panic!("`{name}` was polled after it had ended");
}
