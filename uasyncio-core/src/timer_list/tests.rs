//! The list against a naive oracle, which sorts by deadline and by the order in which the timers were armed, on times that do not wrap.

use super::{TIMERS_PER_PASS, TimerList};
use crate::Ticks;
use crate::timer_node::{FARTHEST, Node, STATIC_ID};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::pin::Pin;
use core::task::Waker;
use std::sync::Mutex;

const STARTS: [u32; 5] = [u32::MAX - 100, 0, (1 << 30) - 5, (1 << 31) - 5, 3_000_000_000];
const SEEDS: u64 = if cfg!(miri) { 2 } else { 500 };
const STEPS: usize = if cfg!(miri) { 40 } else { 300 };
const TIMERS: usize = 20;

/// splitmix64
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

type Log = Arc<Mutex<Vec<usize>>>;

/// Writes its number to the log.
struct Writes(usize, Log);

impl Wake for Writes {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// The list and the oracle, side by side.
struct Model {
    /// It stays where it is.
    list: Rc<TimerList>,
    nodes: Vec<Pin<Box<Node>>>,
    log: Log,
    start: u32,
    clock: u64,
    /// Deadline, order of arming, and number.
    armed: Vec<(u64, u64, usize)>,
    sequence: u64,
}

impl Model {
    fn new(start: u32, timers: usize) -> Model {
        let nodes = (0..timers).map(|_| Box::pin(Node::new())).collect();
        Model { list: Rc::new(TimerList::new()), nodes, log: Log::default(), start, clock: 10, armed: Vec::new(), sequence: 0 }
    }

    fn ticks(&self, time: u64) -> Ticks {
        Ticks::from_millis(self.start.wrapping_add(time as u32))
    }

    fn arm(&mut self, timer: usize, deadline: u64) {
        self.cancel(timer);
        self.nodes[timer].set_waker(&Waker::from(Arc::new(Writes(timer, self.log.clone()))));
        self.list.arm(&self.nodes[timer], self.ticks(deadline), self.ticks(self.clock));
        assert!(self.nodes[timer].is_armed() && self.nodes[timer].timers() == STATIC_ID);
        self.sequence += 1;
        self.armed.push((deadline, self.sequence, timer));
        self.armed.sort_unstable();
    }

    fn cancel(&mut self, timer: usize) {
        self.nodes[timer].disarm();
        self.armed.retain(|(_, _, other)| *other != timer);
    }

    /// One pass: fires what the oracle says, in its order, and tells the next deadline exactly.
    fn advance(&mut self) {
        let now = self.ticks(self.clock);
        let next = self.list.advance(|| now);
        let due = self.armed.partition_point(|(deadline, _, _)| *deadline <= self.clock).min(TIMERS_PER_PASS);
        let expected: Vec<usize> = self.armed.drain(..due).map(|(_, _, timer)| timer).collect();
        assert_eq!(core::mem::take(&mut *self.log.lock().unwrap()), expected);
        assert!(expected.iter().all(|timer| !self.nodes[*timer].is_armed()));
        match self.armed.first() {
            _ if due > 0 => assert!(next == Some(0)),
            Some((deadline, _, _)) => assert_eq!(next, Some((deadline - self.clock) as u32)),
            None => assert_eq!(next, None),
        }
    }

    /// The longest time that may pass before the list is asked again: what is due must not be taken for what is to come.
    fn patience(&self) -> u64 {
        self.armed.first().map_or(1 << 31, |(deadline, _, _)| (deadline + (1 << 31)).saturating_sub(self.clock + 1))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.list.detach_all();
    }
}

#[test]
fn timer_list_fires_as_the_oracle_does() {
    for seed in 0..SEEDS {
        for start in STARTS {
            let random = &mut Random(seed);
            let mut model = Model::new(start, TIMERS);
            for _ in 0..STEPS {
                let timer = random.below(TIMERS as u64) as usize;
                match random.below(10) {
                    0..=4 => {
                        let delay = match random.below(6) {
                            0..=1 => random.below(4),
                            2 => random.below(200),
                            3 => random.below(1 << 20),
                            4 => u64::from(FARTHEST) - random.below(3),
                            _ => match model.armed.get(timer) {
                                Some((deadline, _, _)) => deadline.saturating_sub(model.clock),
                                None => 1,
                            },
                        };
                        model.arm(timer, model.clock + delay);
                    }
                    5 => model.cancel(timer),
                    6 => model.arm(timer, model.clock - random.below(10)),
                    7 => model.advance(),
                    _ => {
                        let step = match random.below(6) {
                            0..=1 => random.below(5),
                            2 => random.below(200),
                            3 => random.below(1 << 20),
                            // To the first deadline, or next to it; also very late.
                            4 => {
                                model.armed.first().map_or(0, |first| (first.0 + random.below(3)).saturating_sub(model.clock + 1))
                            }
                            _ => random.below(1 << 31),
                        };
                        model.clock += step.min(model.patience());
                        if random.below(3) > 0 {
                            model.advance();
                        }
                    }
                }
            }
            while !model.armed.is_empty() {
                model.advance();
                model.clock += model.armed.first().map_or(0, |first| first.0.saturating_sub(model.clock));
            }
        }
    }
}

/// Equal deadlines are FIFO, and a pass fires a bounded number.
#[test]
fn timer_list_is_first_in_first_out() {
    const MANY: usize = if cfg!(miri) { 30 } else { TIMERS_PER_PASS + 10 };
    let mut model = Model::new(u32::MAX - 12, MANY);
    (0..MANY).for_each(|timer| model.arm(timer, 15));
    model.clock = 14;
    model.advance();
    model.clock = 15;
    model.advance();
    assert_eq!(model.armed.len(), MANY.saturating_sub(TIMERS_PER_PASS));
    model.advance();
    assert!(model.armed.is_empty());
}

/// A waker that panics has fired, and those behind it fire in the next pass.
#[test]
fn timer_list_survives_a_panic() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("expected");
        }
    }
    let mut model = Model::new(0, 3);
    (0..3).for_each(|timer| model.arm(timer, 11));
    model.nodes[1].set_waker(&Waker::from(Arc::new(Panics)));
    let now = model.ticks(11);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.list.advance(|| now)));
    assert!(unwound.is_err() && !model.nodes[1].is_armed());
    model.list.advance(|| now);
    assert_eq!(*model.log.lock().unwrap(), [0, 2]);
}

/// The end of the list leaves no node linked, and wakes nobody; a list that was never used ends too.
#[test]
fn timer_list_detaches_every_node() {
    TimerList::new().detach_all();
    let mut model = Model::new(0, 3);
    (0..3).for_each(|timer| model.arm(timer, 20));
    model.list.detach_all();
    assert!(model.nodes.iter().all(|node| !node.is_armed() && node.timers() == 0));
    assert!(model.log.lock().unwrap().is_empty());
    model.armed.clear();
    model.arm(1, 30);
    model.clock = 30;
    model.advance();
}
