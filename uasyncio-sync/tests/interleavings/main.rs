//! Each primitive against a naive model of it, in all interleavings of up to four tasks of up to six operations each, with tasks
//! dropped at every point where they wait or lie ready (T-19; traps 32 and 52 to 55).
//!
//! A step polls one task, which does one operation or begins to wait in it, or drops one task. After every step the results, the
//! tasks that have been woken and what the primitive tells of itself must be what the model says; see `explorer.rs`.

mod explorer;

mod barrier;
mod condition;
mod event;
mod lock;
#[cfg(feature = "alloc")]
mod queue;
mod ringbuf_queue;
mod semaphore;
mod thread_safe_flag;
mod thread_safe_queue;
mod watch;
