//! `ThreadSafeFlag`, set from the thread that waits for it; what threads do is for loom.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use uasyncio_sync::ThreadSafeFlag;

use crate::explorer::{Model, PATHS, Primitive, STATES, explore};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// 0; -1: another task waits.
    Wait,
    Set,
    Clear,
}

use Op::{Clear as C, Set as S, Wait as W};

impl Primitive for ThreadSafeFlag {
    type Op = Op;
    type Held<'p> = ();

    async fn perform(&self, (): &mut (), op: Op) -> i32 {
        match op {
            Op::Wait => {
                let mut wait = pin!(self.wait());
                // A second waiter panics.
                let polled = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| wait.as_mut().poll(cx))) {
                    Ok(polled) => polled.map(|()| 0),
                    Err(_) => Poll::Ready(-1),
                });
                return polled.await;
            }
            Op::Set => self.set(),
            Op::Clear => self.clear(),
        }
        0
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.is_set())]
    }
}

/// Who waits, and whether it has been woken since it looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    set: bool,
    waiter: Option<usize>,
    woken: bool,
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        match op {
            Op::Wait if self.waiter.is_some() => return Poll::Ready(-1),
            Op::Wait => {
                self.waiter = Some(task);
                return self.go_on(task, op);
            }
            Op::Set => (self.set, self.woken) = (true, true),
            Op::Clear => self.set = false,
        }
        Poll::Ready(0)
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.waiter == Some(task) && self.woken
    }

    fn go_on(&mut self, _: usize, _: Op) -> Poll<i32> {
        self.woken = false;
        if !std::mem::take(&mut self.set) {
            return Poll::Pending;
        }
        self.waiter = None;
        Poll::Ready(0)
    }

    fn leave(&mut self, task: usize) {
        if self.waiter == Some(task) {
            self.waiter = None;
        }
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.set)]
    }
}

#[test]
fn thread_safe_flag_one_waiter() {
    let programs: [&[Op]; 4] = [&[W, W, W, W, W, W], &[S, C, S, C, S], &[C, S, S, C], &[S, S]];
    explore(ThreadSafeFlag::new, &Naive::default(), &programs, STATES);
}

#[test]
fn thread_safe_flag_four_tasks_of_six_operations() {
    let programs: [&[Op]; 4] = [&[W, W, W, W, W, W], &[S, C, S, C, S, S], &[C, S, C, S, C, S], &[S, S, S, S, S, W]];
    explore(ThreadSafeFlag::new, &Naive::default(), &programs, STATES);
}

/// A waiter that was dropped makes room for the next one, and a second one at the same time is refused.
#[test]
fn thread_safe_flag_waiters_one_after_the_other() {
    explore(ThreadSafeFlag::new, &Naive::default(), &[&[W, W], &[S, W], &[C, S]], STATES);
}

#[test]
fn thread_safe_flag_every_path() {
    explore(ThreadSafeFlag::new, &Naive::default(), &[&[W, W], &[S, S], &[C]], PATHS);
}
