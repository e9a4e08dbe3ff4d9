//! A future that is polled by hand, and wakers that run code of the test.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::CountingWaker;

/// A future, pinned, with a waker of its own that counts.
pub(crate) struct Waiter<F> {
    future: Pin<Box<F>>,
    counting: Arc<CountingWaker>,
    waker: Waker,
}

impl<F: Future> Waiter<F> {
    pub(crate) fn new(future: F) -> Waiter<F> {
        let (counting, waker) = CountingWaker::new();
        Waiter { future: Box::pin(future), counting, waker }
    }

    /// One that has been polled once and waits.
    #[track_caller]
    pub(crate) fn waiting(future: F) -> Waiter<F> {
        let mut waiter = Waiter::new(future);
        assert!(waiter.poll().is_pending(), "it should have to wait");
        waiter
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }

    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    /// It must be woken and ready.
    #[track_caller]
    pub(crate) fn take(&mut self) -> F::Output {
        assert!(self.is_woken(), "it should have been woken");
        self.now()
    }

    /// It must be ready, woken or not.
    #[track_caller]
    pub(crate) fn now(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it should be ready"),
        }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.counting.wakes() > 0
    }

    pub(crate) fn wakes(&self) -> usize {
        self.counting.wakes()
    }
}

thread_local! {
    static CALLS: RefCell<Vec<Rc<dyn Fn()>>> = const { RefCell::new(Vec::new()) };
}

/// A waker for this thread that calls a function, which need not be `Send`.
pub(crate) fn waker_that(call: impl Fn() + 'static) -> Waker {
    struct Call(usize);
    impl Wake for Call {
        fn wake(self: Arc<Self>) {
            let call = CALLS.with_borrow(|calls| calls[self.0].clone());
            call();
        }
    }
    let index = CALLS.with_borrow_mut(|calls| {
        calls.push(Rc::new(call));
        calls.len() - 1
    });
    Waker::from(Arc::new(Call(index)))
}

/// A waker that panics when it is woken, and how often it was.
pub(crate) fn waker_that_panics() -> (Rc<Cell<u32>>, Waker) {
    let wakes = Rc::new(Cell::new(0));
    let count = wakes.clone();
    let waker = waker_that(move || {
        count.set(count.get() + 1);
        panic!("the waker panics");
    });
    (wakes, waker)
}

/// Whether this panics; the panic ends here.
pub(crate) fn panics(work: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err()
}
