//! Hyper's tasks on our loop.

use std::future::Future;

use ::hyper::rt::Executor;

/// Starts hyper's tasks on the event loop that is running. HTTP/2 needs one.
///
/// The futures need not be `Send`. Nobody awaits these tasks: a panic in one goes to the loop's exception handler.
///
/// # Panics
///
/// `execute` panics outside a running event loop.
///
/// ```
/// use hyper::rt::Executor;
/// use uasyncio_compat::hyper::LoopExecutor;
///
/// uasyncio_core::run(async {
///     let local = std::rc::Rc::new(42);
///     LoopExecutor::new().execute(async move { assert_eq!(*local, 42) });
///     uasyncio_core::yield_now().await;
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LoopExecutor;

impl LoopExecutor {
    /// The executor; it holds nothing.
    pub fn new() -> LoopExecutor {
        LoopExecutor
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for LoopExecutor {
    fn execute(&self, future: F) {
        uasyncio_core::spawn(future);
    }
}
