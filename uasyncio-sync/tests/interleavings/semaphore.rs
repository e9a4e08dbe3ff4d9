//! `Semaphore`, and so the permits that are inside the queues, too.

use std::collections::VecDeque;
use std::task::Poll;

use uasyncio_sync::{Semaphore, SemaphorePermit, TryAcquireError};

use crate::explorer::{Model, PATHS, Primitive, STATES, explore, explore_teams};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The number; -1: closed.
    Acquire(u32),
    /// The number; 0: not now; -1: closed.
    Try(u32),
    /// Drops the first of what it holds. The number.
    Release,
    /// The same, but the permits are not given back.
    Forget,
    /// Gives back what was never taken.
    Add(u32),
    Close,
}

use Op::{Acquire as A, Add, Close, Forget as F, Release as R, Try as T};

impl Primitive for Semaphore {
    type Op = Op;
    type Held<'p> = VecDeque<SemaphorePermit<'p>>;

    async fn perform<'p>(&'p self, held: &mut Self::Held<'p>, op: Op) -> i32 {
        match op {
            Op::Acquire(count) => {
                let Ok(permit) = self.acquire_many(count).await else { return -1 };
                held.push_back(permit);
                count as i32
            }
            Op::Try(count) => match self.try_acquire_many(count) {
                Ok(permit) => {
                    held.push_back(permit);
                    count as i32
                }
                Err(TryAcquireError::Closed) => -1,
                Err(_) => 0,
            },
            Op::Release => held.pop_front().map_or(0, |permit| permit.permits() as i32),
            Op::Forget => held.pop_front().map_or(0, |permit| {
                let count = permit.permits() as i32;
                permit.forget();
                count
            }),
            Op::Add(count) => {
                self.release(count);
                0
            }
            Op::Close => {
                self.close();
                0
            }
        }
    }

    fn observe(&self) -> Vec<i32> {
        vec![self.available() as i32, i32::from(self.locked()), i32::from(self.is_closed())]
    }
}

/// What is free, what each task holds, who was given what, who waits for how much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    free: u32,
    closed: bool,
    held: Vec<(usize, u32)>,
    granted: Vec<(usize, u32)>,
    line: Vec<(usize, u32)>,
}

impl Naive {
    fn has_for_newcomers(&self, count: u32) -> bool {
        self.line.is_empty() && count <= self.free
    }

    fn try_acquire(&mut self, task: usize, count: u32) -> bool {
        let can = !self.closed && (count == 0 || self.has_for_newcomers(count));
        if can {
            self.free -= count;
            self.held.push((task, count));
        }
        can
    }

    fn release(&mut self, count: u32) {
        if self.closed {
            return;
        }
        self.free += count;
        while self.line.first().is_some_and(|(_, count)| *count <= self.free) {
            let (task, count) = self.line.remove(0);
            self.free -= count;
            self.granted.push((task, count));
        }
    }
}

/// The first entry of a task.
fn take(list: &mut Vec<(usize, u32)>, task: usize) -> Option<u32> {
    let index = list.iter().position(|(other, _)| *other == task)?;
    Some(list.remove(index).1)
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        let result = match op {
            Op::Acquire(_) | Op::Try(_) if self.closed => -1,
            Op::Acquire(count) | Op::Try(count) if self.try_acquire(task, count) => count as i32,
            Op::Acquire(count) => {
                self.line.push((task, count));
                return Poll::Pending;
            }
            Op::Try(_) => 0,
            Op::Release | Op::Forget => {
                let count = take(&mut self.held, task).unwrap_or(0);
                if matches!(op, Op::Release) {
                    self.release(count);
                }
                count as i32
            }
            Op::Add(count) => {
                self.release(count);
                0
            }
            Op::Close => {
                (self.closed, self.free) = (true, 0);
                0
            }
        };
        Poll::Ready(result)
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.closed || self.granted.iter().any(|(other, _)| *other == task)
    }

    fn go_on(&mut self, task: usize, _: Op) -> Poll<i32> {
        take(&mut self.line, task);
        Poll::Ready(match take(&mut self.granted, task) {
            Some(count) if !self.closed => {
                self.held.push((task, count));
                count as i32
            }
            _ => -1,
        })
    }

    fn leave(&mut self, task: usize) {
        take(&mut self.line, task);
        // A line that has lost its first may go on, too.
        let granted = take(&mut self.granted, task).unwrap_or(0);
        self.release(granted);
        while let Some(count) = take(&mut self.held, task) {
            self.release(count);
        }
    }

    fn observe(&self) -> Vec<i32> {
        let locked = self.closed || !self.has_for_newcomers(1);
        vec![self.free as i32, i32::from(locked), i32::from(self.closed)]
    }
}

fn of(permits: u32) -> (impl Fn() -> Semaphore, Naive) {
    (move || Semaphore::new(permits), Naive { free: permits, ..Naive::default() })
}

#[test]
fn semaphore_four_tasks() {
    let (make, model) = of(2);
    explore(&make, &model, &[&[A(1), R, A(1), R], &[A(2), R, A(2), R], &[A(1), A(1), R, R], &[T(1), A(1), Add(1), F]], STATES);
    explore(
        make,
        &model,
        &[&[A(1), R, A(2), R, A(1), R], &[A(2), R, T(1), R, A(1), R], &[A(1), R, A(1), R, T(2), Close]],
        STATES,
    );
}

#[test]
fn semaphore_four_tasks_of_six_operations() {
    let (make, model) = of(2);
    let programs: [&[Op]; 4] = [
        &[A(1), R, A(2), R, A(1), R],
        &[A(2), R, A(1), R, T(1), R],
        &[A(1), R, T(2), R, A(1), F],
        &[T(1), R, A(2), R, Add(1), Close],
    ];
    explore(make, &model, &programs, STATES);
}

/// Whoever asks for much stands before those who ask for little; when it gives up, they go on.
#[test]
fn semaphore_large_and_small_demands() {
    let (make, model) = of(1);
    explore(make, &model, &[&[A(1), Add(1), R], &[A(3), R, A(1)], &[A(1), R, Add(1)], &[A(2), Close]], STATES);
    let (make, model) = of(0);
    explore(&make, &model, &[&[A(0), A(2), R], &[A(1), R, A(0)], &[Add(1), Add(2), R], &[A(0), Close]], STATES);
    explore(make, &model, &[&[A(1), R, A(2)], &[A(1), F, A(1)], &[A(1), R], &[Add(3), A(3), R]], STATES);
}

#[test]
fn semaphore_every_path_of_three_tasks() {
    let (make, model) = of(1);
    explore(make, &model, &[&[A(1), R, A(1), R], &[A(1), R, T(1)], &[A(2), Add(1), R]], PATHS);
}

#[test]
fn semaphore_all_programs() {
    let (make, model) = of(1);
    explore_teams(&make, &model, &[A(1), A(2), R, Add(1)], 3, 2);
    explore_teams(&make, &model, &[A(1), A(2), T(1), R, F, Add(1), Close], 2, 2);
    explore_teams(make, &model, &[A(1), A(2), Add(1)], 2, 3);
}
