//! What the models share: a bounded search, and a stand-in for a thread that sleeps until it is woken.

use core::task::Waker;
use loom::model::Builder;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use std::task::Wake;

/// All interleavings with at most so many preemptions; bugs need few, and three threads have too many interleavings in all.
pub(crate) fn model(preemptions: usize, work: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(work);
}

/// Stands for a parked thread: a token, and a way to wait for it.
#[derive(Clone, Default)]
pub(crate) struct Park(Arc<State>);

#[derive(Default)]
struct State {
    token: Mutex<bool>,
    changed: Condvar,
    notices: AtomicUsize,
}

impl Park {
    pub(crate) fn park(&self) {
        let mut token = self.0.token.lock().unwrap();
        while !*token {
            token = self.0.changed.wait(token).unwrap();
        }
        *token = false;
    }

    /// How often it was woken.
    pub(crate) fn notices(&self) -> usize {
        self.0.notices.load(Ordering::Relaxed)
    }

    /// A waker that ends a wait.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(std::sync::Arc::new(Notify(self.clone())))
    }

    /// How many others there are that share it, wakers and clones.
    pub(crate) fn shares(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

struct Notify(Park);

impl Wake for Notify {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        let state = &self.0.0;
        state.notices.fetch_add(1, Ordering::Relaxed);
        *state.token.lock().unwrap() = true;
        state.changed.notify_one();
    }
}
