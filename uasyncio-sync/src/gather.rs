//! Running several futures at a time, in one task.
//!
//! The members are polled in place. Tuples and arrays are small and hold their members themselves: each poll of the whole
//! polls every member that has not finished. A `Vec` may be large: there each member has a waker of its own
//! ([`SubWakers`](uasyncio_core::SubWakers)), and a poll of the whole polls those that were woken. What to do with the outputs
//! is the one difference between `gather` and `try_gather`, and a type parameter of the members (`member::Rule`).

mod array;
mod member;
mod tuple;
#[cfg(feature = "alloc")]
mod vec;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// What [`gather`] takes: tuples of up to twelve futures, arrays and, with `alloc`, `Vec`s of them.
pub trait Gather {
    /// The outputs, in the order of the futures.
    type Output;
    #[doc(hidden)]
    type Members: Future<Output = Result<Self::Output, Infallible>>;

    #[doc(hidden)]
    fn into_members(self) -> Self::Members;
}

/// What [`try_gather`] takes: tuples of up to twelve futures, arrays and, with `alloc`, `Vec`s of them, with a
/// [`Result`] each, all with the same error.
pub trait TryGather {
    /// The values, in the order of the futures.
    type Output;
    /// The error.
    type Error;
    #[doc(hidden)]
    type Members: Future<Output = Result<Self::Output, Self::Error>>;

    #[doc(hidden)]
    fn into_members(self) -> Self::Members;
}

/// Runs several futures at a time, and gives their outputs in the order of the arguments. asyncio's `gather`.
///
/// The futures are members of the task that awaits this, and no tasks of their own: they may borrow from it, and all of them
/// together cost one task. In the first poll they begin in the order of the arguments.
///
/// * **Tuples and arrays** are held in place, and nothing is allocated. A wake polls every member that has not finished, so an
///   array of n members that are woken one at a time costs about n²/2 polls: from a dozen on, take a `Vec`.
/// * **`Vec`s**: a wake of one member polls that member only, so this is the form for many. One allocation for the wakers,
///   beside those for the members and the outputs. [`gather_iter`] takes any iterator.
/// * **No members**: ready at once. A member that is ready already is no special case, and a finished
///   [`Task`](uasyncio_core::Task) is one of those.
///
/// # Errors, and what differs from asyncio
///
/// An output may be a [`Result`], and `gather` looks into none of them: it always waits for all. With tasks as members each
/// place holds `Ok` or the [`TaskError`](uasyncio_core::TaskError) of that task, a cancel included; that is asyncio's
/// `return_exceptions=True`. To stop at the first error take [`try_gather`].
///
/// asyncio makes a task of every member. Here that is the caller's choice, `gather((create_task(a), b))`, and it decides what
/// happens when the gathering task is cancelled, or the gather is dropped by a timeout or an error: members in place are
/// dropped, which cancels them, in the order of the arguments. Tasks run on, and
/// [`cancel_on_drop`](uasyncio_core::Task::cancel_on_drop) makes them end too.
///
/// A task that is twice in a gather, in two of them, or awaited elsewhere at the same time, cannot be written: the handle has one
/// owner.
///
/// ```compile_fail,E0382
/// # use uasyncio_core::{create_task, run};
/// # use uasyncio_sync::gather;
/// # run(async {
/// let task = create_task(async { 42 });
/// gather((task, task)).await;
/// # });
/// ```
///
/// # Panics
///
/// A panic of a member or of its destructor comes through, and the others are dropped with the gather. When it is polled again after
/// it has ended.
///
/// # Cancel safety
///
/// Dropping this drops the members and the outputs that are there. To keep them, gather `&mut` tasks or pinned references.
///
/// ```
/// use uasyncio_core::{create_task, run, sleep_ms};
/// use uasyncio_sync::gather;
///
/// run(async {
///     let text = String::from("borrowed");
///     let slow = async {
///         sleep_ms(2).await;
///         text.len()
///     };
///     let (length, answer, task) = gather((slow, async { 42 }, create_task(async { "task" }))).await;
///     assert_eq!((length, answer, task.unwrap()), (8, 42, "task"));
///
///     assert_eq!(gather([1, 2, 3].map(|number| async move { number * number })).await, [1, 4, 9]);
/// });
/// ```
pub fn gather<G: Gather>(members: G) -> Gathering<G> {
    Gathering { members: members.into_members() }
}

/// As [`gather`] of a `Vec`, for whatever gives futures.
///
/// ```
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::gather_iter;
///
/// let squares = run(gather_iter((1..=100).map(|number| async move {
///     sleep_ms(number % 3).await;
///     number * number
/// })));
/// assert_eq!(squares[99], 10_000);
/// ```
#[cfg(feature = "alloc")]
pub fn gather_iter<I: IntoIterator<Item: Future>>(members: I) -> Gathering<Vec<I::Item>> {
    Gathering { members: vec::Block::new(members) }
}

/// Runs several futures at a time until all have given `Ok`, or one an error. asyncio's `gather` without `return_exceptions`.
///
/// The first error in time is given at once; of two in the same poll, the one that is polled earlier: in tuples and arrays that
/// of the earlier argument. All other members are **dropped** before this returns, in the order of the arguments, where in
/// asyncio they run on. To let them, make them tasks: dropping a [`Task`](uasyncio_core::Task) detaches it. A task's own `Result`
/// is inside that of its end, so such a member is `async { task.await? }`, with an error that has a `From<TaskError>`.
///
/// Everything else is as with [`gather`].
///
/// # Panics
///
/// As [`gather`].
///
/// # Cancel safety
///
/// As [`gather`].
///
/// ```
/// use uasyncio_core::{run, sleep_ms};
/// use uasyncio_sync::try_gather;
///
/// run(async {
///     let numbers = (async { "17".parse::<u8>() }, async { "4".parse::<u32>() });
///     assert_eq!(try_gather(numbers).await, Ok((17, 4)));
///
///     let slow = async {
///         sleep_ms(60_000).await;
///         Ok(())
///     };
///     assert_eq!(try_gather((slow, async { Err::<(), _>("no such file") })).await, Err("no such file"));
/// });
/// ```
pub fn try_gather<G: TryGather>(members: G) -> TryGathering<G> {
    TryGathering { members: members.into_members() }
}

/// As [`try_gather`] of a `Vec`, for whatever gives futures.
///
/// ```
/// use uasyncio_core::run;
/// use uasyncio_sync::try_gather_iter;
///
/// let numbers = run(try_gather_iter(["17", "4"].map(|text| async { text.parse::<u8>() })));
/// assert_eq!(numbers, Ok(vec![17, 4]));
/// ```
#[cfg(feature = "alloc")]
pub fn try_gather_iter<I, T, E>(members: I) -> TryGathering<Vec<I::Item>>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    TryGathering { members: vec::Block::new(members) }
}

pin_project_lite::pin_project! {
    /// The future of [`gather`] and `gather_iter`.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Gathering<G: Gather> {
        #[pin]
        members: G::Members,
    }
}

impl<G: Gather> Future for Gathering<G> {
    type Output = G::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G::Output> {
        self.project().members.poll(cx).map(|Ok(outputs)| outputs)
    }
}

impl<G: Gather> fmt::Debug for Gathering<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`try_gather`] and `try_gather_iter`.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TryGathering<G: TryGather> {
        #[pin]
        members: G::Members,
    }
}

impl<G: TryGather> Future for TryGathering<G> {
    type Output = Result<G::Output, G::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().members.poll(cx)
    }
}

impl<G: TryGather> fmt::Debug for TryGathering<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryGathering").finish_non_exhaustive()
    }
}

#[cold]
#[track_caller]
fn ended() -> ! {
    panic!("`gather` was polled after it had ended");
}
