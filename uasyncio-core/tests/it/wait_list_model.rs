//! The wait list against a naive oracle, a `VecDeque`: random joins, polls with other wakers, cancels, drops and wakes, and wakers
//! that do the same while they run. The oracle predicts each single wake.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;

use crate::common::Random;
use crate::hooked_waker::HookedWaker;
use uasyncio_core::{WaitList, WaitNode};

const SEEDS: u64 = if cfg!(miri) { 2 } else { 2_000 };
const STEPS: usize = if cfg!(miri) { 40 } else { 150 };
const NODES: usize = 8;

/// Wakes with this payload are a waker's panic, which is expected.
struct ByWaker;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Waiting,
    Granted,
}

/// What the oracle knows of one that waits.
#[derive(Clone, Copy, Debug)]
struct Entry {
    node: usize,
    demand: u32,
    /// Counts those who have joined.
    joined: u64,
    waker: usize,
}

/// A call that is going on: whom it may wake, and how many it has woken.
struct Call {
    all_before: Option<u64>,
    woken: usize,
}

struct World {
    list: &'static WaitList,
    nodes: RefCell<[Option<Pin<Box<WaitNode<'static>>>>; NODES]>,
    /// Two for each node.
    wakers: [[HookedWaker; 2]; NODES],
    random: RefCell<Random>,
    // The oracle.
    line: RefCell<VecDeque<Entry>>,
    states: RefCell<[State; NODES]>,
    joined: Cell<u64>,
    calls: RefCell<Vec<Call>>,
    wakes: Cell<usize>,
    /// The first difference: a panic of a waker may be swallowed.
    failed: Cell<bool>,
}

impl World {
    fn new(list: &'static WaitList, seed: u64) -> Rc<World> {
        Rc::new(World {
            list,
            nodes: RefCell::default(),
            wakers: std::array::from_fn(|_| [HookedWaker::new(), HookedWaker::new()]),
            random: RefCell::new(Random::seeded(seed)),
            line: RefCell::default(),
            states: RefCell::default(),
            joined: Cell::new(0),
            calls: RefCell::default(),
            wakes: Cell::new(0),
            failed: Cell::new(false),
        })
    }

    fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    fn check(&self, holds: bool, what: &str) {
        if !holds {
            self.failed.set(true);
            panic!("{what}");
        }
    }

    fn step(self: &Rc<World>) {
        let node = self.below(NODES);
        match self.below(20) {
            0..=9 => self.poll(node),
            10..=11 => self.cancel(node),
            12..=13 => self.drop_node(node),
            14..=17 => self.wake(false),
            _ => self.wake(true),
        }
        self.compare();
    }

    fn poll(self: &Rc<World>, node: usize) {
        let (which, demand) = (self.below(2), self.below(100) as u32);
        let hooked = self.wakers[node][which];
        let world = Rc::downgrade(self);
        hooked.on_wake(move || {
            if let Some(world) = world.upgrade() {
                world.woken(node, which);
            }
        });
        let state = self.states.borrow()[node];
        match state {
            State::Idle => {
                let joined = self.joined.get();
                self.joined.set(joined + 1);
                self.line.borrow_mut().push_back(Entry { node, demand, joined, waker: which });
                self.states.borrow_mut()[node] = State::Waiting;
            }
            State::Waiting => {
                let mut line = self.line.borrow_mut();
                line.iter_mut().find(|entry| entry.node == node).unwrap().waker = which;
            }
            State::Granted => self.states.borrow_mut()[node] = State::Idle,
        }
        let waker = hooked.waker();
        let mut nodes = self.nodes.borrow_mut();
        let pinned = nodes[node].get_or_insert_with(|| Box::pin(WaitNode::new(self.list)));
        let result = pinned.as_mut().poll_wait(self.list, &mut Context::from_waker(&waker), demand, "a test");
        self.check(result.is_ready() == (state == State::Granted), "the result of a poll");
    }

    fn leave(&self, node: usize) -> State {
        self.line.borrow_mut().retain(|entry| entry.node != node);
        std::mem::take(&mut self.states.borrow_mut()[node])
    }

    fn cancel(&self, node: usize) {
        if let Some(pinned) = &mut self.nodes.borrow_mut()[node] {
            let state = self.leave(node);
            self.check(pinned.as_mut().cancel() == (state == State::Granted), "the result of a cancel");
        }
    }

    fn drop_node(&self, node: usize) {
        self.leave(node);
        drop(self.nodes.borrow_mut()[node].take());
    }

    fn wake(&self, all: bool) {
        let all_before = all.then(|| self.joined.get());
        self.calls.borrow_mut().push(Call { all_before, woken: 0 });
        let some_wait = !self.line.borrow().is_empty();
        let result =
            catch_unwind(AssertUnwindSafe(|| if all { self.list.wake_all() } else { usize::from(self.list.wake_one()) }));
        let call = self.calls.borrow_mut().pop().unwrap();
        match result {
            Ok(count) => self.check(count == call.woken, "the count of a call"),
            Err(panic) if panic.is::<ByWaker>() => self.check(call.woken > 0, "a panic without a wake"),
            Err(panic) => resume_unwind(panic),
        }
        if all {
            let is_earlier = |entry: &Entry| Some(entry.joined) < all_before;
            self.check(!self.line.borrow().iter().any(is_earlier), "somebody was not woken");
        } else {
            self.check(some_wait == (call.woken == 1), "somebody or nobody was to be woken");
        }
    }

    /// The waker's part: was it the right one? Then it does something itself.
    fn woken(self: &Rc<World>, node: usize, which: usize) {
        let entry = self.line.borrow_mut().pop_front();
        let Some(entry) = entry else { return self.check(false, "nobody waited") };
        self.check((entry.node, entry.waker) == (node, which), "another one was to be woken");
        self.states.borrow_mut()[node] = State::Granted;
        self.wakes.set(self.wakes.get() + 1);
        let depth = {
            let mut calls = self.calls.borrow_mut();
            let Some(call) = calls.last_mut() else { return self.check(false, "nobody was to be woken") };
            call.woken += 1;
            self.check(call.all_before.is_none_or(|before| entry.joined < before), "it came later");
            calls.len()
        };
        self.compare();
        if depth < 5 {
            for _ in 0..self.below(4) {
                self.step();
            }
        }
        if self.below(20) == 0 {
            resume_unwind(Box::new(ByWaker));
        }
    }

    fn compare(&self) {
        let line = self.line.borrow();
        self.check(self.list.is_empty() == line.is_empty(), "is_empty");
        self.check(self.list.first_demand() == line.front().map(|entry| entry.demand), "first_demand");
        for (node, state) in self.nodes.borrow().iter().zip(*self.states.borrow()) {
            let is = node.as_ref().map_or((false, false), |node| (node.is_waiting(), node.is_granted()));
            self.check(is == (state == State::Waiting, state == State::Granted), "the state of a node");
        }
        for (node, pinned) in self.nodes.borrow().iter().enumerate() {
            let Some(pinned) = pinned else { continue };
            let place = line.iter().position(|entry| entry.node == node);
            let is_among = |count| place.is_some_and(|place| place < count);
            self.check((0..=NODES).all(|count| pinned.is_among_first(count) == is_among(count)), "is_among_first");
        }
    }

    /// Each one that waits has one waker, which is not in use elsewhere.
    fn compare_wakers(&self) {
        for (node, wakers) in self.wakers.iter().enumerate() {
            let live = |which| usize::from(self.line.borrow().iter().any(|entry| (entry.node, entry.waker) == (node, which)));
            self.check(wakers.map(HookedWaker::live) == [live(0), live(1)], "the number of wakers");
        }
    }
}

#[test]
fn the_list_does_as_the_oracle_does() {
    let mut wakes = 0;
    for seed in 0..SEEDS {
        let list = Box::into_raw(Box::new(WaitList::new()));
        // SAFETY: it comes from a box, which lives until the end of this round. Nodes borrow it, and they are dropped before.
        let world = World::new(unsafe { &*list }, seed);
        let run = || {
            for _ in 0..STEPS {
                world.step();
                world.compare_wakers();
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("failed with seed {seed}");
            resume_unwind(panic);
        }
        assert!(!world.failed.get(), "seed {seed}");
        wakes += world.wakes.get();
        assert_eq!(Rc::strong_count(&world), 1);
        drop(world);
        // SAFETY: it came from `into_raw`, and the world with all its nodes is gone.
        drop(unsafe { Box::from_raw(list) });
    }
    let expected = SEEDS as usize * STEPS / 8;
    assert!(wakes > expected, "{wakes} wakes, expected more than {expected}");
}
