//! Errors of tasks that nobody awaits.

use core::fmt::{self, Display};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::exception::{Exception, ExceptionContext};
use crate::{TaskId, current};

pin_project_lite::pin_project! {
    /// The future of [`report`].
    #[must_use = "futures do nothing unless they are awaited or made a task"]
    pub struct Report<F> {
        #[pin]
        future: F,
    }
}

/// Wraps a future for a task that nobody will await: if it ends with an error, the loop's exception handler is told.
///
/// asyncio's "exception was never retrieved", at the cost of nothing for other tasks. A panic is reported in any case.
///
/// # Cancel safety
///
/// As the inner future.
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// use uasyncio_core::{get_event_loop, report, run, spawn, yield_now};
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// run(async {
///     let log = seen.clone();
///     get_event_loop().set_exception_handler(move |context| log.borrow_mut().push(context.exception.to_string()));
///     spawn(report(async { Err::<(), _>("no such file") }));
///     yield_now().await;
/// });
/// assert_eq!(*seen.borrow(), ["no such file"]);
/// ```
pub fn report<F, T, E>(future: F) -> Report<F>
where
    F: Future<Output = Result<T, E>>,
    E: Display,
{
    Report { future }
}

impl<F, T, E> Future for Report<F>
where
    F: Future<Output = Result<T, E>>,
    E: Display,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx).map(|result| {
            if let Err(error) = result {
                failed(&error);
            }
        })
    }
}

impl<F> fmt::Debug for Report<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

pub(crate) fn failed(error: &dyn Display) {
    let mut context = ExceptionContext::new("a task failed and nobody awaits it", Exception::Error(error));
    match current::get() {
        Some(state) => {
            context.task = state.current_task().map(TaskId::of);
            state.call_handler(&context);
        }
        None => crate::exception::print(&context),
    }
}
