//! compio's executor alone, without its driver, on a parked thread.

use super::Runtime;
use compio_executor::{Executor, ExecutorConfig};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

pub struct CompioExecutor;

scoped_tls::scoped_thread_local!(static EXECUTOR: Executor);

/// Unparks the thread if it is parked. The executor calls it at each wake, most of them the thread's own.
struct Unpark {
    thread: Thread,
    asleep: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The fence orders the push of a task before the look, as `block_on`'s orders its store before the tick.
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Runtime for CompioExecutor {
    const NAME: &'static str = "compio-executor alone";

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        let unpark = Arc::new(Unpark { thread: thread::current(), asleep: AtomicBool::new(false) });
        let waker = Some(Waker::from(unpark.clone()));
        let executor = Executor::with_config(ExecutorConfig { waker, ..ExecutorConfig::default() });
        EXECUTOR.set(&executor, || {
            let mut main = pin!(executor.spawn(future));
            let mut cx = Context::from_waker(Waker::noop());
            loop {
                let busy = executor.tick();
                if let Poll::Ready(result) = main.as_mut().poll(&mut cx) {
                    break result.unwrap_or_else(|_| panic!("the main task panicked"));
                }
                if busy {
                    unpark.asleep.store(false, Ordering::Relaxed);
                } else if !unpark.asleep.load(Ordering::Relaxed) {
                    // Once more round: a wake before this store is seen by the tick, one after it unparks.
                    unpark.asleep.store(true, Ordering::SeqCst);
                    fence(Ordering::SeqCst);
                } else {
                    thread::park();
                    unpark.asleep.store(false, Ordering::Relaxed);
                }
            }
        })
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        EXECUTOR.with(|executor| executor.spawn(future))
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        EXECUTOR.with(|executor| executor.spawn(future)).detach();
    }
}
