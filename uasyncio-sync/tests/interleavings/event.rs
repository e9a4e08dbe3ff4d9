//! `Event`.

use std::collections::BTreeSet;
use std::task::Poll;

use uasyncio_sync::Event;

use crate::explorer::{Limits, Model, PATHS, Primitive, STATES, explore, explore_teams};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Wait,
    Set,
    Clear,
    /// Set and clear at once: whoever waits goes.
    Pulse,
}

use Op::{Clear as C, Pulse as P, Set as S, Wait as W};

impl Primitive for Event {
    type Op = Op;
    type Held<'p> = ();

    async fn perform(&self, (): &mut (), op: Op) -> i32 {
        match op {
            Op::Wait => self.wait().await,
            Op::Set => self.set(),
            Op::Clear => self.clear(),
            Op::Pulse => {
                self.set();
                self.clear();
            }
        }
        0
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.is_set())]
    }
}

/// Who waits, and who was let go and has not run yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Naive {
    set: bool,
    waiting: BTreeSet<usize>,
    let_go: BTreeSet<usize>,
}

impl Model for Naive {
    type Op = Op;

    fn begin(&mut self, task: usize, op: Op) -> Poll<i32> {
        match op {
            Op::Wait if self.set => {}
            Op::Wait => {
                self.waiting.insert(task);
                return Poll::Pending;
            }
            Op::Clear => self.set = false,
            Op::Set | Op::Pulse => {
                self.set = matches!(op, Op::Set);
                self.let_go.append(&mut self.waiting);
            }
        }
        Poll::Ready(0)
    }

    fn can_go_on(&self, task: usize) -> bool {
        self.let_go.contains(&task)
    }

    fn go_on(&mut self, task: usize, _: Op) -> Poll<i32> {
        self.let_go.remove(&task);
        Poll::Ready(0)
    }

    fn leave(&mut self, task: usize) {
        self.waiting.remove(&task);
        self.let_go.remove(&task);
    }

    fn observe(&self) -> Vec<i32> {
        vec![i32::from(self.set)]
    }
}

/// The search itself: as many paths as there are ways to mix the steps.
#[test]
#[cfg_attr(miri, ignore = "it stops earlier there")]
fn all_interleavings_are_there() {
    let limits = Limits { drops: 0, ..PATHS };
    let paths = |programs: &[&[Op]]| explore(Event::new, &Naive::default(), programs, limits);
    assert_eq!(paths(&[&[S, C, S], &[C, S, C]]), 20);
    assert_eq!(paths(&[&[S, C], &[C, S], &[S, S]]), 90);
}

#[test]
fn event_four_tasks() {
    explore(Event::new, &Naive::default(), &[&[W, W, C, W], &[W, C, W, P], &[S, W, C, W], &[P, C, S, C]], STATES);
    explore(Event::new, &Naive::default(), &[&[W, W, W, W, W, W], &[W, P, W, P, W, P], &[S, C, S, C, S, C]], STATES);
}

#[test]
fn event_four_tasks_of_six_operations() {
    let programs: [&[Op]; 4] = [&[W, W, W, C, W, W], &[W, C, W, P, W, C], &[S, W, C, W, S, C], &[P, C, S, C, P, S]];
    explore(Event::new, &Naive::default(), &programs, STATES);
}

#[test]
fn event_every_path_of_three_tasks() {
    explore(Event::new, &Naive::default(), &[&[W, C, W], &[W, P, W], &[S, C, P]], PATHS);
}

#[test]
fn event_all_programs() {
    explore_teams(Event::new, &Naive::default(), &[W, S, C, P], 3, 2);
    explore_teams(Event::new, &Naive::default(), &[W, S, C, P], 2, 3);
}
