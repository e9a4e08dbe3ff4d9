//! `to_thread`: a blocking call, awaited.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use uasyncio_core::{Panic, trace};

use crate::offload::{Job, Offload, Pool};
use crate::reactor::Reactor;

/// Calls a blocking function on another thread and waits for its result. asyncio's `asyncio.to_thread`.
///
/// The threads belong to the reactor: at most 4, started when there is work and ended after 5 seconds without any. At
/// most 64 calls wait for a thread; further ones wait, without blocking, for a place among those, in the order in which
/// they were first polled. [`Reactor::set_thread_limits`] changes these figures.
///
/// The call begins with the first poll of the future that finds a place, not here. With the feature `trace`, a task that waits for
/// one, or for a place, has `to_thread` as its reason in [`Loop::tasks`](uasyncio_core::Loop::tasks).
///
/// # Errors
///
/// [`ThreadError::Panicked`] if the function panics; [`ThreadError::Refused`] if no loop with a reactor is running or
/// the first thread cannot be started.
///
/// # Cancel safety
///
/// Dropping the future drops a function that has not begun. One that has begun runs to its end, and its result is
/// dropped on its thread. The same happens when the loop is dropped; nobody waits for the threads.
///
/// ```
/// use uasyncio_io::to_thread;
///
/// uasyncio_io::run(async {
///     let answer = to_thread(|| (1..=9).product::<u32>()).await?;
///     assert_eq!(answer, 362_880);
///     Ok::<(), uasyncio_io::ThreadError>(())
/// })?;
/// # Ok::<(), uasyncio_io::ThreadError>(())
/// ```
pub fn to_thread<T, F>(function: F) -> ToThread<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let call =
        Arc::new(Call { state: Mutex::new(CallState { function: Some(function), result: None, waker: None, abandoned: false }) });
    ToThread { call: Some(call.clone()), job: Some(call), place: None, not_send: PhantomData }
}

/// The future of [`to_thread`].
///
/// ```
/// use uasyncio_io::{ToThread, to_thread};
///
/// let call: ToThread<u8> = to_thread(|| 1);
/// drop(call); // Never polled, so the function never runs.
/// ```
#[must_use = "the function is called when the future is awaited"]
pub struct ToThread<T> {
    /// `None` when the future is done.
    call: Option<Arc<dyn Outcome<T>>>,
    /// The same call, as long as it is not in the queue.
    job: Option<Arc<dyn Job>>,
    place: Option<Place>,
    /// It belongs to a loop, like all our futures.
    not_send: PhantomData<Rc<()>>,
}

/// Where a call that is not in the queue stands in line.
struct Place {
    pool: Arc<Pool>,
    ticket: Option<u64>,
}

/// Why [`to_thread`] gave no result.
///
/// ```
/// use uasyncio_io::{ThreadError, to_thread};
///
/// # std::panic::set_hook(Box::new(|_| ()));
/// let result = uasyncio_io::run(to_thread(|| -> u8 { panic!("no answer") }));
/// let error = result.unwrap_err();
/// assert!(matches!(error, ThreadError::Panicked(_)));
/// assert_eq!(error.to_string(), "the function panicked on its thread: no answer");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ThreadError {
    /// The function panicked.
    Panicked(Panic),
    /// The call could not begin: no reactor, or no thread.
    Refused(io::Error),
}

/// A call on its way, without the type of its function.
trait Outcome<T>: Send + Sync {
    /// The result, or a waker left for it.
    fn poll(&self, waker: &Waker) -> Poll<Result<T, ThreadError>>;

    /// Nobody waits any more.
    fn abandon(&self);
}

/// A call: first its function is there, then neither, then its result.
struct Call<F, T> {
    state: Mutex<CallState<F, T>>,
}

struct CallState<F, T> {
    function: Option<F>,
    result: Option<Result<T, ThreadError>>,
    waker: Option<Waker>,
    abandoned: bool,
}

impl<F, T> Call<F, T> {
    /// The state. Only moves happen while it is locked, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, CallState<F, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, result: Result<T, ThreadError>) {
        let mut state = self.lock();
        if state.abandoned {
            drop(state);
            drop(result);
            return;
        }
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<F, T> Job for Call<F, T>
where
    T: Send,
    F: FnOnce() -> T + Send,
{
    fn run(&self) {
        let function = self.lock().function.take();
        let Some(function) = function else { return };
        self.finish(catch_unwind(AssertUnwindSafe(function)).map_err(|payload| ThreadError::Panicked(Panic::new(payload))));
    }

    fn refuse(&self, error: io::Error) {
        let function = self.lock().function.take();
        if function.is_some() {
            self.finish(Err(ThreadError::Refused(error)));
        }
    }
}

impl<F, T> Outcome<T> for Call<F, T>
where
    T: Send,
    F: Send,
{
    fn poll(&self, waker: &Waker) -> Poll<Result<T, ThreadError>> {
        // Foreign code, hence before the lock and after it.
        let waker = waker.clone();
        let mut state = self.lock();
        match state.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                let old_waker = state.waker.replace(waker);
                drop(state);
                drop(old_waker);
                Poll::Pending
            }
        }
    }

    fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        let left_over = (state.function.take(), state.result.take(), state.waker.take());
        drop(state);
        drop(left_over);
    }
}

impl<T> ToThread<T> {
    /// Brings the call into the queue of the current reactor's pool. `false`: it waits for a place there.
    fn enter_queue(&mut self, waker: &Waker) -> io::Result<bool> {
        let Some(job) = &self.job else { return Ok(true) };
        let place = match &mut self.place {
            Some(place) => place,
            None => self.place.insert(Place { pool: current_pool()?, ticket: None }),
        };
        let entered = place.pool.submit(job, &mut place.ticket, waker)?;
        if entered {
            self.job = None;
            self.place = None;
        }
        Ok(entered)
    }
}

impl<T> Future for ToThread<T> {
    type Output = Result<T, ThreadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, ThreadError>> {
        trace::waiting("to_thread");
        let result = match self.enter_queue(cx.waker()) {
            Err(error) => Err(ThreadError::Refused(error)),
            Ok(false) => return Poll::Pending,
            Ok(true) => match &self.call {
                Some(call) => ready!(call.poll(cx.waker())),
                None => panic!("ToThread was polled after it gave its result"),
            },
        };
        self.call = None;
        Poll::Ready(result)
    }
}

impl<T> Drop for ToThread<T> {
    fn drop(&mut self) {
        if let Some(Place { pool, ticket: Some(ticket) }) = self.place.take() {
            pool.give_up(ticket);
        }
        if let Some(call) = &self.call {
            call.abandon();
        }
    }
}

/// The pool of the current reactor, made when it is first needed.
fn current_pool() -> io::Result<Arc<Pool>> {
    let reactor = Reactor::current()?.inner;
    Ok(reactor.offload.get_or_init(|| Offload::new(reactor.offload_limits.get())).pool().clone())
}

impl<T> fmt::Debug for ToThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.call, &self.job) {
            (None, _) => "done",
            (Some(_), Some(_)) => "not in the queue",
            (Some(_), None) => "on its way",
        };
        f.debug_tuple("ToThread").field(&state).finish()
    }
}

impl fmt::Display for ThreadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ThreadError::Panicked(panic) => write!(f, "the function panicked on its thread: {panic}"),
            ThreadError::Refused(error) => write!(f, "the function could not be called on a thread: {error}"),
        }
    }
}

impl Error for ThreadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ThreadError::Panicked(_) => None,
            ThreadError::Refused(error) => Some(error),
        }
    }
}

/// The error of a call that was refused, as it is; a panic as one of the kind `Other`. So a function of `io` needs no more than `?`.
impl From<ThreadError> for io::Error {
    fn from(error: ThreadError) -> io::Error {
        match error {
            ThreadError::Panicked(_) => io::Error::other(error.to_string()),
            ThreadError::Refused(error) => error,
        }
    }
}
