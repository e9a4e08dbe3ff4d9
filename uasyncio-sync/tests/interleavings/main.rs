//! Each primitive against a naive model of it, in all interleavings of up to four tasks of up to six operations each, with tasks
//! dropped at every point where they wait or lie ready (T-18, T-19, T-21; traps 7, 8, 9, 52, 54, 56).
//!
//! A step polls one task, which does one operation or begins to wait in it, or drops one task. After every step the results, the
//! tasks that have been woken and what the primitive tells of itself must be what the model says; see `explorer.rs`.

mod explorer;

mod barrier;
mod condition;
mod event;
mod lock;
mod queue;
mod ringbuf_queue;
mod semaphore;
mod thread_safe_flag;
