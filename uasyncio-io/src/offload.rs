//! The offload pool: a few threads for work that blocks.
//!
//! ```text
//!   ToThread ──► waiters (loop side, FIFO) ──► queue (bounded) ──► threads (few, started when needed, end when idle)
//!      ▲                                                              │
//!      └───────────────── result in the job, waker ◄──────────────────┘
//! ```
//!
//! A pool belongs to one reactor and starts with its first job. When the queue is full, a future keeps its job and waits
//! in the line of `waiters`. A place in the queue is offered to the first in line only, by waking it; it stays first
//! until it takes the place or is dropped, in which case the offer goes to the next. Nobody overtakes the line.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

/// Work for a thread.
pub(crate) trait Job: Send + Sync {
    /// Does it.
    fn run(&self);

    /// Says instead that it will not be done.
    fn refuse(&self, error: io::Error);
}

/// The size of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    pub(crate) queue: usize,
    pub(crate) idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { threads: 4, queue: 64, idle: Duration::from_secs(5) }
    }
}

/// A reactor's pool. Dropping it ends the threads after the job each is at; jobs in the queue are refused.
pub(crate) struct Offload {
    pool: Arc<Pool>,
}

/// What the loop and the threads share.
pub(crate) struct Pool {
    state: Mutex<State>,
    /// Signalled for each job, and when the pool closes.
    work: Condvar,
    limits: Limits,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Job>>,
    /// Futures that wait for a place in the queue, by ticket, in order.
    waiters: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    threads: usize,
    /// Threads that wait for work.
    idle: usize,
    closed: bool,
}

impl Offload {
    pub(crate) fn new(limits: Limits) -> Offload {
        Offload { pool: Arc::new(Pool { state: Mutex::default(), work: Condvar::new(), limits }) }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether a job is waiting or running.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.pool.lock();
        state.threads > state.idle || !state.queue.is_empty()
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.closed = true;
        let (queue, waiters) = (mem::take(&mut state.queue), mem::take(&mut state.waiters));
        drop(state);
        self.pool.work.notify_all();
        for job in queue {
            job.refuse(closed());
        }
        for (_, waker) in waiters {
            waker.wake();
        }
    }
}

impl Pool {
    /// The state. No code of others runs while it is locked, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job into the queue if there is room and it is its turn. Else it gets a ticket, or keeps the one it has, and
    /// `waker` is woken when its turn comes. Gives `true` when the job is in the queue.
    ///
    /// Errors: the pool is closed, or no thread runs and none can be started.
    pub(crate) fn submit(self: &Arc<Self>, job: &Arc<dyn Job>, ticket: &mut Option<u64>, waker: &Waker) -> io::Result<bool> {
        // Foreign code, hence before the lock and after it.
        let waker = waker.clone();
        let mut old_waker = None;
        let mut state = self.lock();
        if state.closed {
            return Err(closed());
        }
        let first = state.waiters.front().map(|&(first, _)| first);
        let my_turn = first.is_none() || first == *ticket;
        if !my_turn || state.queue.len() >= self.limits.queue {
            match ticket.and_then(|mine| state.waiters.iter_mut().find(|(other, _)| *other == mine)) {
                Some((_, parked)) => old_waker = Some(mem::replace(parked, waker)),
                None => {
                    let mine = state.next_ticket;
                    state.next_ticket += 1;
                    state.waiters.push_back((mine, waker));
                    *ticket = Some(mine);
                }
            }
            drop(state);
            drop(old_waker);
            return Ok(false);
        }
        if ticket.take().is_some() {
            old_waker = state.waiters.pop_front().map(|(_, waker)| waker);
        }
        state.queue.push_back(job.clone());
        let started = self.start_thread(&mut state);
        if started.is_err() && state.threads == 0 {
            state.queue.pop_back();
        }
        let none_runs = state.threads == 0;
        let next = self.offer(&state);
        drop(state);
        self.work.notify_one();
        drop(old_waker);
        if let Some(next) = next {
            next.wake();
        }
        match started {
            Err(error) if none_runs => Err(error),
            _ => Ok(true),
        }
    }

    /// Gives up a ticket. An offer that was made to it goes to the next.
    pub(crate) fn give_up(&self, ticket: u64) {
        let mut state = self.lock();
        let Some(position) = state.waiters.iter().position(|&(other, _)| other == ticket) else { return };
        let waiter = state.waiters.remove(position);
        let next = self.offer(&state);
        drop(state);
        drop(waiter);
        if let Some(next) = next {
            next.wake();
        }
    }

    /// The waker of the first in line, if there is a place for it.
    fn offer(&self, state: &State) -> Option<Waker> {
        if state.queue.len() >= self.limits.queue {
            return None;
        }
        state.waiters.front().map(|(_, waker)| waker.clone())
    }

    /// Starts a thread if all are at work and there may be one more.
    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        if state.idle >= state.queue.len() || state.threads >= self.limits.threads {
            return Ok(());
        }
        let pool = self.clone();
        thread::Builder::new().name("uasyncio-offload".to_owned()).spawn(move || pool.work())?;
        state.threads += 1;
        Ok(())
    }

    /// A thread's life: jobs, until there was none for a while or the pool closes.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                let next = self.offer(&state);
                drop(state);
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    if let Some(next) = next {
                        next.wake();
                    }
                    job.run();
                    drop(job);
                }));
                // A waker or a destructor panicked, which the panic hook has reported. The payload may do so again.
                mem::forget(outcome);
                state = self.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, timeout) = self.work.wait_timeout(state, self.limits.idle).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

/// The error of calls that come, or wait, after the reactor has gone.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the loop of this call was dropped")
}
