//! Catching a cancel: asyncio's `except CancelledError`.
//!
//! A cancelled task is dropped, and destructors cannot await. [`catch_cancel`] is the cooperative form: while one is active, a
//! cancel of its task goes to the innermost of them, which drops its inner future and gives its caller a [`CancelledError`].
//! The caller may clean up, awaiting as it likes, and then end, go on as if nothing had happened, or let the cancel go on
//! outwards by [`CancelledError::resume`].

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::current;
use crate::handle::Loop;
use crate::slot::SlotRef;
use crate::state::LoopState;
use crate::waker::wake_slot;

/// The task was cancelled while [`catch_cancel`] was active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelledError;

impl CancelledError {
    /// Lets the cancel go on: to the `catch_cancel` around this one, or else the task ends. Awaiting it never returns.
    ///
    /// # Panics
    ///
    /// When it is polled outside a task.
    pub fn resume(self) -> Resume {
        Resume { asked: false }
    }
}

impl fmt::Display for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl core::error::Error for CancelledError {}

pin_project_lite::pin_project! {
    /// The future of [`catch_cancel`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct CatchCancel<F> {
        #[pin]
        inner: Option<F>,
        active: Option<Active>,
    }
}

/// Runs a future until it is done, or until its task is cancelled.
///
/// A cancel reaches every innermost active `catch_cancel` of the task: usually one, and several if the task runs several futures
/// at a time. Dropping the future, as a timeout or `select` does, is not a cancel and is not caught. Allocates a few words for
/// each use.
///
/// # Panics
///
/// When it is polled outside a task.
///
/// # Cancel safety
///
/// As the inner future.
///
/// ```
/// use uasyncio_core::{catch_cancel, create_task, run, sleep_ms, yield_now};
///
/// run(async {
///     let task = create_task(async {
///         match catch_cancel(sleep_ms(60_000)).await {
///             Ok(()) => "slept",
///             Err(_) => {
///                 sleep_ms(1).await; // a destructor could not do this
///                 "cleaned up"
///             }
///         }
///     });
///     yield_now().await;
///     assert!(task.cancel());
///     assert_eq!(task.await.unwrap(), "cleaned up");
/// });
/// ```
pub fn catch_cancel<F: Future>(future: F) -> CatchCancel<F> {
    CatchCancel { inner: Some(future), active: None }
}

impl<F: Future> Future for CatchCancel<F> {
    type Output = Result<F::Output, CancelledError>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = current::expect();
        let mut this = self.project();
        let active = this.active.get_or_insert_with(|| Active::register(state));
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            panic!("`catch_cancel` was polled after it had ended");
        };
        active.0.set_waker(cx.waker());
        let end = if active.0.requested.get() {
            Err(CancelledError)
        } else {
            let _inside = Inside::begin(state, active.0.clone());
            match inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(output) => Ok(output),
            }
        };
        this.inner.set(None);
        *this.active = None;
        Poll::Ready(end)
    }
}

impl<F> fmt::Debug for CatchCancel<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchCancel").field("ended", &self.inner.is_none()).finish()
    }
}

/// The future of [`CancelledError::resume`].
#[derive(Debug)]
#[must_use = "the cancel goes on only if this is awaited"]
pub struct Resume {
    asked: bool,
}

impl Future for Resume {
    type Output = core::convert::Infallible;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.asked {
            self.asked = true;
            let state = current::expect();
            match state.catchers.innermost() {
                Some(outer) => outer.request(),
                None => {
                    let slot = expect_task(state);
                    slot.request_cancel();
                    wake_slot(slot);
                }
            }
        }
        Poll::Pending
    }
}

#[track_caller]
fn expect_task(state: &LoopState) -> SlotRef {
    match state.current_task() {
        Some(slot) => slot,
        None => panic!("catching a cancel needs a task: use `create_task`"),
    }
}

/// One `catch_cancel` that has been polled and has not ended.
struct Catcher {
    event_loop: Loop, // it may end before the catcher
    slot: SlotRef,
    waker: Cell<Option<Waker>>,
    requested: Cell<bool>,
    /// How many are active inside this one; a cancel goes to those that have none.
    inner: Cell<usize>,
    outer: Option<Rc<Catcher>>,
}

impl Catcher {
    fn set_waker(&self, waker: &Waker) {
        let old = self.waker.take();
        match old {
            Some(old) if old.will_wake(waker) => self.waker.set(Some(old)),
            _ => self.waker.set(Some(waker.clone())),
        }
    }

    fn request(&self) {
        self.requested.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The registration of a catcher.
struct Active(Rc<Catcher>);

impl Active {
    #[track_caller]
    fn register(state: &'static LoopState) -> Active {
        let catcher = Rc::new(Catcher {
            event_loop: Loop::of(state),
            slot: expect_task(state),
            waker: Cell::new(None),
            requested: Cell::new(false),
            inner: Cell::new(0),
            outer: state.catchers.innermost(),
        });
        if let Some(outer) = &catcher.outer {
            outer.inner.set(outer.inner.get() + 1);
        }
        state.catchers.add(catcher.clone());
        Active(catcher)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(outer) = &self.0.outer {
            outer.inner.set(outer.inner.get() - 1);
        }
        if let Some(state) = self.0.event_loop.open() {
            state.catchers.remove(&self.0);
        }
    }
}

/// While the future inside a catcher is polled.
struct Inside {
    state: &'static LoopState,
    outer: Option<Rc<Catcher>>,
}

impl Inside {
    fn begin(state: &'static LoopState, catcher: Rc<Catcher>) -> Inside {
        let outer = state.catchers.polling.replace(Some(catcher));
        Inside { state, outer }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.state.catchers.polling.replace(self.outer.take());
    }
}

/// The active catchers of a loop, by the number of their task's slot. Tasks without any pay nothing.
pub(crate) struct Catchers {
    active: RefCell<BTreeMap<u32, Vec<Rc<Catcher>>>>,
    any: Cell<bool>,
    /// The catcher whose inner future is being polled.
    polling: RefCell<Option<Rc<Catcher>>>,
}

impl Catchers {
    pub(crate) const fn new() -> Catchers {
        Catchers { active: RefCell::new(BTreeMap::new()), any: Cell::new(false), polling: RefCell::new(None) }
    }

    fn innermost(&self) -> Option<Rc<Catcher>> {
        self.polling.borrow().clone()
    }

    fn add(&self, catcher: Rc<Catcher>) {
        self.any.set(true);
        self.active.borrow_mut().entry(catcher.slot.number()).or_default().push(catcher);
    }

    fn remove(&self, catcher: &Rc<Catcher>) {
        let mut active = self.active.borrow_mut();
        let number = catcher.slot.number();
        if let Some(of_task) = active.get_mut(&number) {
            of_task.retain(|other| !Rc::ptr_eq(other, catcher));
            if of_task.is_empty() {
                active.remove(&number);
            }
        }
        self.any.set(!active.is_empty());
    }

    /// The task has ended; a catcher that it has forgotten without dropping it must not catch for the next one in its slot.
    #[inline]
    pub(crate) fn forget_task(&self, slot: SlotRef) {
        if self.any.get() {
            self.active.borrow_mut().remove(&slot.number());
        }
    }

    pub(crate) fn clear(&self) {
        self.any.set(false);
        drop(self.active.take());
        drop(self.polling.take());
    }
}

/// Gives a cancel to the innermost catchers of a task. `false`: it has none.
pub(crate) fn deliver(slot: SlotRef) -> bool {
    let Some(state) = slot.owner() else {
        return false;
    };
    if !state.catchers.any.get() {
        return false;
    }
    let innermost: Vec<_> = match state.catchers.active.borrow().get(&slot.number()) {
        Some(of_task) => of_task.iter().filter(|catcher| catcher.inner.get() == 0).cloned().collect(),
        None => return false,
    };
    for catcher in &innermost {
        catcher.request();
    }
    !innermost.is_empty()
}
