//! A wheel and a naive oracle, side by side.

use crate::Ticks;
use crate::timer_node::{FARTHEST, Node};
use crate::wheel::Wheel;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::Waker;
use std::sync::Mutex;

/// splitmix64
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(super) type Log = Arc<Mutex<Vec<usize>>>;

/// Writes its number to the log.
struct Writes(usize, Log);

impl Wake for Writes {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// A timer that the oracle knows to be armed. Times here do not wrap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    deadline: u64,
    sequence: u64,
    timer: usize,
    /// Its deadline had passed when it was armed, while the wheel was behind the clock: when among the others it fires is
    /// not promised.
    late: bool,
}

/// The wheel and the oracle side by side.
pub(super) struct Model {
    pub(super) nodes: Vec<Pin<Box<Node>>>,
    pub(super) wakers: Vec<Waker>,
    pub(super) log: Log,
    /// As the one of a loop: it stays where it is, and is closed in the end.
    pub(super) wheel: &'static Wheel,
    memory: NonNull<Wheel>,
    start: u32,
    /// Milliseconds since the start.
    pub(super) clock: u64,
    /// The wheel has done everything up to here: what is armed for an earlier time counts as armed for this one.
    horizon: u64,
    /// The last pass did not come to its end.
    pub(super) behind: bool,
    pub(super) armed: Vec<Armed>,
    sequence: u64,
}

impl Model {
    pub(super) fn new(start: u32, timers: usize) -> Model {
        let log = Log::default();
        let memory = NonNull::from(Box::leak(Box::new(Wheel::new())));
        // SAFETY: U9. The model frees it in the end.
        let wheel = unsafe { memory.as_ref() };
        wheel.open(7);
        Model {
            nodes: (0..timers).map(|_| Box::pin(Node::new())).collect(),
            wakers: (0..timers).map(|timer| Waker::from(Arc::new(Writes(timer, log.clone())))).collect(),
            log,
            wheel,
            memory,
            start,
            clock: 10, // so that there is a past
            horizon: 0,
            behind: false,
            armed: Vec::new(),
            sequence: 0,
        }
    }

    pub(super) fn ticks(&self, time: u64) -> Ticks {
        Ticks::from_millis(self.start.wrapping_add(time as u32))
    }

    pub(super) fn arm(&mut self, timer: usize, deadline: u64) {
        assert!(!self.nodes[timer].is_armed());
        if self.wheel.is_idle() {
            self.horizon = self.clock - 1;
        }
        self.nodes[timer].set_waker(&self.wakers[timer]);
        self.wheel.arm(&self.nodes[timer], self.ticks(deadline), self.ticks(self.clock));
        assert!(self.nodes[timer].is_armed() && self.nodes[timer].timers() == self.wheel.id());
        let late = self.behind && deadline <= self.clock;
        self.sequence += 1;
        self.armed.push(Armed { deadline: deadline.max(self.horizon), sequence: self.sequence, timer, late });
        self.armed.sort_by_key(|armed| (armed.deadline, armed.sequence));
    }

    pub(super) fn cancel(&mut self, timer: usize) {
        self.nodes[timer].disarm();
        assert!(!self.nodes[timer].is_armed());
        self.armed.retain(|armed| armed.timer != timer);
    }

    /// A pass: what fires is what the oracle says comes first, and no more than is due and than the limit allows.
    pub(super) fn advance(&mut self, limit: usize) {
        self.wheel.advance(self.ticks(self.clock), limit);
        let fired = core::mem::take(&mut *self.log.lock().unwrap());
        assert!(fired.len() <= limit);
        for timer in fired {
            assert!(!self.nodes[timer].is_armed());
            let place = self.armed.iter().position(|armed| armed.timer == timer);
            let armed = self.armed.remove(place.expect("a timer that is not armed has fired"));
            assert!(armed.deadline <= self.clock, "early: {armed:?} at {}", self.clock);
            let before = self.armed.iter().find(|other| !other.late && !armed.late && order(other) < order(&armed));
            assert!(before.is_none(), "{armed:?} has fired before {before:?}");
        }
        self.check_next();
    }

    /// The next deadline is never told too late, and tells whether the pass came to its end.
    fn check_next(&mut self) {
        let next = self.wheel.next_deadline();
        let Some(first) = self.armed.first() else {
            assert!(next.is_none() || self.is_past(next), "{next:?} of nothing");
            self.behind = next.is_some();
            return;
        };
        let next = next.expect("a timer is armed");
        assert!(!self.ticks(first.deadline.max(self.clock)).is_before(next), "{next:?} is behind {first:?}");
        self.behind = self.is_past(Some(next));
        if !self.behind {
            self.horizon = self.clock;
            assert!(first.deadline > self.clock, "{first:?} was forgotten at {}", self.clock);
            if self.armed.len() == 1 {
                assert_eq!(next, self.ticks(first.deadline));
            }
        }
    }

    fn is_past(&self, next: Option<Ticks>) -> bool {
        next.is_some_and(|next| next.diff(self.ticks(self.clock)) <= 0)
    }

    /// Passes until all that is due has fired: a bounded number of them.
    pub(super) fn settle(&mut self, limit: usize) {
        let moves = self.nodes.len() * 6; // through five levels, and out
        for _ in 0..moves / limit + 3 {
            self.advance(limit);
            if !self.behind {
                return;
            }
        }
        panic!("{moves} nodes moved, and still not done");
    }

    pub(super) fn random_step(&mut self, random: &mut Random) {
        let step = match random.below(9) {
            0 => 0,
            1 => 1,
            2 => random.below(10),
            3 => random.below(200),
            4 | 5 => {
                // To a list's first millisecond, or next to it.
                let width = 1 << (6 * (1 + random.below(3)));
                let now = u64::from(self.ticks(self.clock).as_millis());
                (width - now % width).saturating_add_signed(random.below(3) as i64 - 1)
            }
            6 => {
                let first = self.armed.first().map_or(0, |armed| armed.deadline.saturating_sub(self.clock));
                first.saturating_add_signed(random.below(3) as i64 - 1)
            }
            7 => random.below(1 << 20),
            _ if random.chance(80) => random.below(1 << 25),
            _ => random.below(1 << 30),
        };
        if self.clock + step - self.horizon >= 1 << 31 {
            self.settle(1024); // the most that a clock of 32 bits can tell
        }
        self.clock += step;
    }

    pub(super) fn random_delay(&mut self, random: &mut Random) -> u64 {
        match random.below(10) {
            0..=2 => 1 + random.below(4), // many equal ones
            3 => 60 + random.below(10),
            4 => 1 + random.below(200),
            5 => 1 + random.below(1 << 13),
            6 => 1 + random.below(1 << 19),
            7 => 1 + random.below(1 << 30),
            8 => u64::from(FARTHEST) - random.below(3),
            _ => self.equal_delay(random),
        }
    }

    /// To the deadline of another timer, if that is still to come: armed at another time, and so perhaps on another level.
    fn equal_delay(&mut self, random: &mut Random) -> u64 {
        let other = random.below(self.armed.len().max(1) as u64) as usize;
        match self.armed.get(other) {
            Some(other) if other.deadline > self.clock => other.deadline - self.clock,
            _ => 1,
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.wheel.close();
        // SAFETY: U9. It came from `Box::leak`, a closed wheel has no nodes, and nobody looks at it any more.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

fn order(armed: &Armed) -> (u64, u64) {
    (armed.deadline, armed.sequence)
}
