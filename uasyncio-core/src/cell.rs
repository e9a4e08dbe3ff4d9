//! What a slot's pointer leads to: the future of a task and, if there is a handle, the place where the two meet.
//!
//! * [`Detached`]: the future alone, for `spawn`.
//! * [`JoinCell`]: the future or its result, and who waits for it, for `create_task`. The slot and the [`Task`](crate::Task)
//!   each own a share; the last one frees it. All of it stays on the loop's thread (invariant U8), so nothing is atomic.
//! * [`Lent`]: a future that stays with its owner, for `run_until_complete`.
//! * [`Callback`]: a function to call once.

use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use core::future::Future;
use core::mem::{self, ManuallyDrop};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use crate::task_error::{Panic, TaskError, catch};

/// What became of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The task waits.
    Pending,
    /// The task has ended.
    Done,
    /// The task has ended, and the loop is to return to its caller.
    Stop,
}

/// The loop's view of a task.
pub(crate) trait Runnable {
    /// Polls the future, or ends the task if it was cancelled.
    ///
    /// # Safety
    ///
    /// U5: not while `poll` or `end` of the same task runs.
    unsafe fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Step;

    /// Ends the task from outside; gives a panic back that nobody will ask for.
    ///
    /// # Safety
    ///
    /// U5, as for [`poll`](Runnable::poll). A `poll` that has unwound is over.
    unsafe fn end(self: Pin<&Self>, why: TaskError) -> Option<Panic>;

    /// The slot gives up its share: whether it was the last one and the caller must free the box.
    fn disown(&self) -> bool;

    /// Asks for the task's end at its next poll, where that can be asked.
    fn request_cancel(&self) {}

    /// Whether the loop runs for this very future and returns when it ends.
    fn is_lent(&self) -> bool {
        false
    }
}

/// A task without a handle.
pub(crate) struct Detached<F>(UnsafeCell<F>);

impl<F> Detached<F> {
    pub(crate) fn new(future: F) -> Detached<F> {
        Detached(UnsafeCell::new(future))
    }
}

impl<F: Future<Output = ()>> Runnable for Detached<F> {
    #[inline]
    unsafe fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Step {
        // SAFETY: U4, the future is pinned with its cell; U5, this is the only reference to it.
        let future = unsafe { Pin::new_unchecked(&mut *self.0.get()) };
        match future.poll(cx) {
            Poll::Pending => Step::Pending,
            Poll::Ready(()) => Step::Done,
        }
    }

    unsafe fn end(self: Pin<&Self>, why: TaskError) -> Option<Panic> {
        why.into_panic()
    }

    fn disown(&self) -> bool {
        true
    }
}

/// A function to call once, from the run queue.
pub(crate) struct Callback<C>(Cell<Option<C>>);

impl<C> Callback<C> {
    pub(crate) fn new(callback: C) -> Callback<C> {
        Callback(Cell::new(Some(callback)))
    }
}

impl<C: FnOnce()> Runnable for Callback<C> {
    unsafe fn poll(self: Pin<&Self>, _: &mut Context<'_>) -> Step {
        if let Some(callback) = self.0.take() {
            callback();
        }
        Step::Done
    }

    unsafe fn end(self: Pin<&Self>, why: TaskError) -> Option<Panic> {
        why.into_panic()
    }

    fn disown(&self) -> bool {
        true
    }
}

/// A future that its owner keeps pinned for as long as the task exists, and takes the result from.
pub(crate) struct Lent<'a, F: Future> {
    future: UnsafeCell<Pin<&'a mut F>>,
    result: Cell<Option<Result<F::Output, TaskError>>>,
}

impl<'a, F: Future> Lent<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut F>) -> Lent<'a, F> {
        Lent { future: UnsafeCell::new(future), result: Cell::new(None) }
    }

    /// The pointer for a slot.
    ///
    /// # Safety
    ///
    /// The slot must be empty again before `'a` ends and before this is moved or dropped.
    pub(crate) unsafe fn as_task(&self) -> NonNull<dyn Runnable> {
        let task: NonNull<dyn Runnable + '_> = NonNull::from(self);
        // SAFETY: U4. Only the lifetime changes, and the caller keeps to the shorter one.
        unsafe { mem::transmute::<NonNull<dyn Runnable + '_>, NonNull<dyn Runnable>>(task) }
    }

    pub(crate) fn has_result(&self) -> bool {
        let result = self.result.take();
        let has = result.is_some();
        self.result.set(result);
        has
    }

    pub(crate) fn take_result(&self) -> Option<Result<F::Output, TaskError>> {
        self.result.take()
    }
}

impl<F: Future> Runnable for Lent<'_, F> {
    unsafe fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Step {
        // SAFETY: U5, this is the only reference to it.
        let future = unsafe { &mut *self.future.get() };
        match future.as_mut().poll(cx) {
            Poll::Pending => Step::Pending,
            Poll::Ready(value) => {
                self.result.set(Some(Ok(value)));
                Step::Stop
            }
        }
    }

    unsafe fn end(self: Pin<&Self>, why: TaskError) -> Option<Panic> {
        self.result.set(Some(Err(why)));
        None
    }

    fn disown(&self) -> bool {
        false
    }

    fn is_lent(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The future is there.
    Running,
    /// Neither the future nor a result: between the two, or after the result was taken.
    Empty,
    /// The result is there.
    Finished,
    Cancelled,
    /// The panic is there, in place of the waker.
    Panicked,
}

const HANDLE: u8 = 1;
const SLOT: u8 = 2;
const CANCEL: u8 = 4;

/// The part of a [`JoinCell`] that does not depend on its future.
pub(crate) struct JoinHead {
    link: UnsafeCell<Link>,
    state: Cell<State>,
    flags: Cell<u8>,
}

/// Who waits for the end, until it comes; then the panic, if it was one. Sharing the place saves 16 bytes a task.
union Link {
    waker: ManuallyDrop<Option<Waker>>,
    panic: ManuallyDrop<Panic>,
}

impl JoinHead {
    fn new() -> JoinHead {
        JoinHead {
            link: UnsafeCell::new(Link { waker: ManuallyDrop::new(None) }),
            state: Cell::new(State::Running),
            flags: Cell::new(HANDLE | SLOT),
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    fn set(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    /// Takes one owner's flag away: whether no owner is left.
    fn leave(&self, owner: u8) -> bool {
        self.flags.set(self.flags.get() & !owner);
        !self.has(HANDLE | SLOT)
    }

    /// Whether the end has come. During the drop of a finished future it has, as far as anyone can tell.
    pub(crate) fn is_done(&self) -> bool {
        self.state.get() != State::Running
    }

    /// Asks for the task's end at its next poll. `false`: it has ended.
    pub(crate) fn request_cancel(&self) -> bool {
        if self.is_done() {
            return false;
        }
        self.set(CANCEL);
        true
    }

    /// Remembers who waits for the end, which has not come yet.
    fn register(&self, waker: &Waker) {
        debug_assert!(matches!(self.state.get(), State::Running | State::Empty));
        // SAFETY: U8. Before the end the link holds the waker. No reference into it is held while foreign code runs: the
        // clone is made before and the old one dropped after.
        let same = unsafe { (*self.link.get()).waker.as_ref().is_some_and(|old| old.will_wake(waker)) };
        if !same {
            let new = waker.clone();
            if !matches!(self.state.get(), State::Running | State::Empty) {
                return new.wake(); // the clone has driven the loop, and the end has come
            }
            // SAFETY: as above.
            let old = unsafe { &mut *(*self.link.get()).waker }.replace(new);
            drop(old);
        }
    }

    /// The end has come: `state` says which, and the waiter is told. The future and the result are where `state` says.
    fn finish(&self, state: State, panic: Option<Panic>) {
        // SAFETY: U8. The end comes once, so the link holds the waker, which this takes.
        let waker = unsafe { ManuallyDrop::take(&mut (*self.link.get()).waker) };
        if let Some(panic) = panic {
            // SAFETY: U8. The link holds nothing now; `Panicked` says that it holds a panic from here on.
            unsafe { (*self.link.get()).panic = ManuallyDrop::new(panic) };
        } else {
            // SAFETY: as above, for no waker.
            unsafe { (*self.link.get()).waker = ManuallyDrop::new(None) };
        }
        self.state.set(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn take_panic(&self) -> Panic {
        debug_assert_eq!(self.state.get(), State::Panicked);
        // SAFETY: U8. `Panicked` says that the link holds a panic; the next lines end that.
        let panic = unsafe { ManuallyDrop::take(&mut (*self.link.get()).panic) };
        // SAFETY: U8. The link holds nothing now.
        unsafe { (*self.link.get()).waker = ManuallyDrop::new(None) };
        self.state.set(State::Empty);
        panic
    }

    /// A panic that nobody has asked for.
    fn unclaimed_panic(&self) -> Option<Panic> {
        (self.state.get() == State::Panicked).then(|| self.take_panic())
    }
}

impl Drop for JoinHead {
    fn drop(&mut self) {
        if self.unclaimed_panic().is_none() {
            // SAFETY: U8. In every other state the link holds a waker, and this is its end.
            unsafe { ManuallyDrop::drop(&mut self.link.get_mut().waker) };
        }
    }
}

union Stage<F: Future> {
    future: ManuallyDrop<F>,
    result: ManuallyDrop<F::Output>,
}

/// A task with a handle: [`State`] says what the stage holds.
pub(crate) struct JoinCell<F: Future> {
    head: JoinHead,
    stage: UnsafeCell<Stage<F>>,
}

/// The handle's view of a [`JoinCell`].
pub(crate) trait Joinable<T> {
    fn head(&self) -> &JoinHead;

    /// The end, if it has come and was not taken yet; else remembers who waits for it.
    fn poll_join(&self, waker: &Waker) -> Poll<Option<Result<T, TaskError>>>;

    /// The handle gives up its share: whether the caller must free the box, and a panic that nobody asked for.
    fn disown_handle(&self) -> (bool, Option<Panic>);
}

impl<F: Future> JoinCell<F> {
    pub(crate) fn new(future: F) -> JoinCell<F> {
        JoinCell { head: JoinHead::new(), stage: UnsafeCell::new(Stage { future: ManuallyDrop::new(future) }) }
    }

    /// Drops the future, whose place is empty afterwards even if its destructor panics.
    fn drop_future(&self) {
        debug_assert_eq!(self.head.state.get(), State::Running);
        self.head.state.set(State::Empty);
        // SAFETY: U4 and U5. `Running` said that the stage holds the future, which is dropped where it is.
        unsafe { ManuallyDrop::drop(&mut (*self.stage.get()).future) };
    }
}

impl<F: Future> Runnable for JoinCell<F> {
    unsafe fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Step {
        if self.head.has(CANCEL) {
            self.drop_future();
            self.head.finish(State::Cancelled, None);
            return Step::Done;
        }
        debug_assert_eq!(self.head.state.get(), State::Running);
        // SAFETY: U4 and U5. `Running` says that the stage holds the future, pinned with its cell.
        let future = unsafe { Pin::new_unchecked(&mut *(*self.stage.get()).future) };
        match future.poll(cx) {
            Poll::Pending => Step::Pending,
            Poll::Ready(value) => {
                self.drop_future();
                // SAFETY: U8. `Empty` says that the stage holds nothing.
                unsafe { (*self.stage.get()).result = ManuallyDrop::new(value) };
                self.head.finish(State::Finished, None);
                Step::Done
            }
        }
    }

    unsafe fn end(self: Pin<&Self>, why: TaskError) -> Option<Panic> {
        let mut later = None;
        match self.head.state.get() {
            State::Running => later = catch(|| self.drop_future()).err(),
            State::Empty => {}            // the panic came from the future's destructor
            _ => return why.into_panic(), // it came from the waiter's waker, after the end
        }
        match why.into_panic() {
            Some(panic) if self.head.has(HANDLE) => self.head.finish(State::Panicked, Some(panic)),
            Some(panic) => {
                self.head.finish(State::Cancelled, None);
                later = later.or(Some(panic));
            }
            None => self.head.finish(State::Cancelled, None),
        }
        later
    }

    fn disown(&self) -> bool {
        self.head.leave(SLOT)
    }

    fn request_cancel(&self) {
        self.head.request_cancel();
    }
}

impl<F: Future> Joinable<F::Output> for JoinCell<F> {
    fn head(&self) -> &JoinHead {
        &self.head
    }

    fn poll_join(&self, waker: &Waker) -> Poll<Option<Result<F::Output, TaskError>>> {
        let end = match self.head.state.get() {
            State::Empty if !self.head.has(SLOT) => return Poll::Ready(None),
            State::Running | State::Empty => {
                self.head.register(waker);
                return Poll::Pending;
            }
            State::Finished => {
                self.head.state.set(State::Empty);
                // SAFETY: U8. `Finished` said that the stage holds the result, which is taken once.
                Ok(unsafe { ManuallyDrop::take(&mut (*self.stage.get()).result) })
            }
            State::Cancelled => {
                self.head.state.set(State::Empty);
                Err(TaskError::Cancelled)
            }
            State::Panicked => Err(TaskError::Panicked(self.head.take_panic())),
        };
        Poll::Ready(Some(end))
    }

    fn disown_handle(&self) -> (bool, Option<Panic>) {
        let panic = self.head.unclaimed_panic();
        (self.head.leave(HANDLE), panic)
    }
}

impl<F: Future> Drop for JoinCell<F> {
    fn drop(&mut self) {
        match self.head.state.get() {
            // SAFETY: U8. The state says what the stage holds, and this is its end.
            State::Running => unsafe { ManuallyDrop::drop(&mut self.stage.get_mut().future) },
            // SAFETY: as above.
            State::Finished => unsafe { ManuallyDrop::drop(&mut self.stage.get_mut().result) },
            State::Empty | State::Cancelled | State::Panicked => {}
        }
    }
}

/// Frees a task that has no owner left.
///
/// # Safety
///
/// `task` must come from `Box::into_raw` of a cell whose last owner has just left.
pub(crate) unsafe fn free<T: ?Sized>(task: NonNull<T>) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(task.as_ptr()) });
}
