//! Clients at work: how many tasks there are, what they did, and what failed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use uasyncio_core::{sleep_ms, spawn};

use crate::http::Outcome;

/// What clients of one kind did.
#[derive(Clone, Default)]
pub(crate) struct Deeds {
    pub(crate) done: u32,
    pub(crate) failed: u32,
    pub(crate) longest: Duration,
    /// The first of what failed.
    pub(crate) first_failure: Option<String>,
}

/// As often as there is time.
pub(crate) const ALWAYS: u32 = u32::MAX;

/// Clients that do something again and again until they are told to stop.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Rc<Inner>);

#[derive(Default)]
struct Inner {
    stopping: Cell<bool>,
    running: Cell<usize>,
    deeds: RefCell<BTreeMap<&'static str, Deeds>>,
}

impl Crowd {
    /// A client with so many turns, which are told their numbers, and a pause in milliseconds after each.
    pub(crate) fn client(&self, kind: &'static str, turns: u32, pause: u32, turn: impl AsyncFn(u32) -> Outcome + 'static) {
        let crowd = self.clone();
        crowd.0.running.set(crowd.0.running.get() + 1);
        spawn(async move {
            for number in 0..turns {
                if crowd.0.stopping.get() {
                    break;
                }
                let begin = Instant::now();
                let outcome = turn(number).await;
                crowd.note(kind, outcome, begin.elapsed());
                sleep_ms(pause).await;
            }
            crowd.0.running.set(crowd.0.running.get() - 1);
        });
    }

    fn note(&self, kind: &'static str, outcome: Outcome, time: Duration) {
        let mut deeds = self.0.deeds.borrow_mut();
        let deeds = deeds.entry(kind).or_default();
        deeds.longest = deeds.longest.max(time);
        match outcome {
            Ok(()) => deeds.done += 1,
            Err(why) => {
                deeds.failed += 1;
                deeds.first_failure.get_or_insert(why);
            }
        }
    }

    pub(crate) fn deeds(&self, kind: &str) -> Deeds {
        self.0.deeds.borrow().get(kind).cloned().unwrap_or_default()
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.0.deeds.borrow().keys().copied().collect()
    }

    /// Whether so many turns of a kind are over.
    pub(crate) fn has_finished(&self, kind: &str, turns: u32) -> bool {
        let deeds = self.deeds(kind);
        deeds.done + deeds.failed >= turns
    }

    /// Lets everybody finish their turn, which all are bounded.
    pub(crate) async fn stop(&self) {
        self.0.stopping.set(true);
        while self.0.running.get() > 0 {
            sleep_ms(10).await;
        }
    }
}
