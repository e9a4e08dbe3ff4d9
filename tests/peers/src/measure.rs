//! Clocks, medians, and tasks that measure.

use crate::runtimes::Runtime;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

pub fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Runs a batch of `ops` operations again and again for `time`: the median of nanoseconds per operation.
pub async fn repeat(time: Duration, ops: usize, batch: impl AsyncFnMut()) -> f64 {
    median(&samples(time, ops, batch).await)
}

/// The same, but of the quickest batch: for what does the same each time, so that whatever else there is in a figure was not its own.
pub async fn quickest(time: Duration, ops: usize, batch: impl AsyncFnMut()) -> f64 {
    minimum(&samples(time, ops, batch).await)
}

async fn samples(time: Duration, ops: usize, mut batch: impl AsyncFnMut()) -> Vec<f64> {
    batch().await; // Warms up: the pages, the pools, the branch predictor.
    let mut samples = Vec::with_capacity(1000);
    let start = Instant::now();
    while start.elapsed() < time || samples.len() < 3 {
        let begin = Instant::now();
        batch().await;
        samples.push(begin.elapsed().as_nanos() as f64 / ops as f64);
    }
    samples
}

/// Runs the future as a task of a fresh runtime, so that no runtime's special case for its main future is measured.
pub fn in_task<R: Runtime, T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    R::block_on(async {
        let result = Rc::new(RefCell::new(None));
        let slot = result.clone();
        R::spawn(async move {
            let value = future.await;
            *slot.borrow_mut() = Some(value);
        })
        .await;
        let value = result.borrow_mut().take();
        value.expect("the task ran to its end")
    })
}

/// Wakes itself once: the task goes to the end of the queue.
pub fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Counts events down and wakes the one task that waits for the last. (Yielding until then would not do: on monoio a task that
/// wakes itself lets no other run.)
pub struct Countdown {
    left: Cell<usize>,
    waker: Cell<Option<Waker>>,
}

impl Countdown {
    pub const fn new(count: usize) -> Countdown {
        Countdown { left: Cell::new(count), waker: Cell::new(None) }
    }

    pub fn restart(&self, count: usize) {
        self.left.set(count);
    }

    pub fn left(&self) -> usize {
        self.left.get()
    }

    /// One event; true if it was the last.
    pub fn one_less(&self) -> bool {
        let left = self.left.get() - 1;
        self.left.set(left);
        if left == 0
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
        left == 0
    }

    /// Ready once none is left.
    pub fn wait(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            if self.left.get() == 0 {
                return Poll::Ready(());
            }
            self.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        })
    }
}

/// Small, fast, the same in every run (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new() -> Random {
        Random(0x9E37_79B9_7F4A_7C15)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}
