//! The run queue against a naive oracle: random programs of tasks that create, wake, cancel, forget, end and panic, in polls, in
//! destructors, in callbacks and between turns, with wakers of tasks that are long gone and wakes from another thread.
//!
//! The oracle is a `VecDeque` of slots and a table that says which task is in which. It predicts every single poll.

#![cfg(all(feature = "std", feature = "virtual-time"))]
#![allow(clippy::waker_clone_wake, reason = "clones are what is tested")]

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::{CountingWaker, Random, Watchdog, poll_once};
use uasyncio_core::{Attention, EventLoop, Loop, Task, TaskId, VirtualTime, current_task};

const POLLS_PER_PASS: usize = 61;
const MOST_TASKS: usize = 90; // more than two pages

type Number = usize;

/// In place of a task's number.
const CALLBACK: Number = Number::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Polled(Number),
    /// The destructor ran because of a cancel.
    Dropped(Number),
    Called(Number),
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Slot(TaskId),
    Callback(Number),
}

/// What the oracle knows of a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    task: Option<Number>,
    queued: bool,
}

/// A task, as the test program and the oracle see it.
struct Known {
    handle: Option<Task<()>>,
    slot: TaskId,
    waker: Option<Waker>,
    cancelled: bool,
    ended: bool,
    awaited: Option<Arc<CountingWaker>>,
}

struct World {
    event_loop: Loop,
    random: RefCell<Random>,
    tasks: RefCell<Vec<Known>>,
    callbacks: Cell<usize>,
    closing: Cell<bool>,
    /// The first difference. The loop catches what its tasks throw, so it must be told here; from there on nothing is done.
    difference: RefCell<Option<String>>,
    other_thread: OtherThread,
    // The oracle.
    queue: RefCell<VecDeque<Entry>>,
    slots: RefCell<HashMap<TaskId, Slot>>,
    left: Cell<usize>,
    remotely_woken: Cell<Option<TaskId>>,
    // How much of everything there was.
    polls: Cell<usize>,
    drops: Cell<usize>,
    panics: Cell<usize>,
}

impl World {
    fn new(event_loop: Loop, seed: u64) -> Rc<World> {
        Rc::new(World {
            event_loop,
            random: RefCell::new(Random::seeded(seed)),
            tasks: RefCell::default(),
            callbacks: Cell::new(0),
            closing: Cell::new(false),
            difference: RefCell::default(),
            other_thread: OtherThread::new(),
            queue: RefCell::default(),
            slots: RefCell::default(),
            left: Cell::new(0),
            remotely_woken: Cell::new(None),
            polls: Cell::new(0),
            drops: Cell::new(0),
            panics: Cell::new(0),
        })
    }

    fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.difference.borrow_mut().get_or_insert_with(what);
        }
    }

    fn is_over(&self) -> bool {
        self.closing.get() || self.difference.borrow().is_some()
    }

    fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    fn chance(&self, percent: usize) -> bool {
        self.random.borrow_mut().chance(percent)
    }

    // The oracle.

    /// A wake queues a slot once, and one without a task not at all.
    fn oracle_wake(&self, id: TaskId) {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&id).expect("a slot that has been used");
        if slot.task.is_some() && !slot.queued {
            slot.queued = true;
            self.queue.borrow_mut().push_back(Entry::Slot(id));
        }
    }

    /// What the next entry of the queue must lead to; `Ok(None)`: to nothing, its task has ended.
    fn oracle_pop(&self) -> Result<Option<Event>, &'static str> {
        let entry = self.queue.borrow_mut().pop_front().ok_or("nothing, for the queue is empty")?;
        self.left.set(self.left.get().checked_sub(1).ok_or("nothing, for the pass has had its polls")?);
        Ok(match entry {
            Entry::Callback(number) => Some(Event::Called(number)),
            Entry::Slot(id) => {
                let mut slots = self.slots.borrow_mut();
                let slot = slots.get_mut(&id).expect("a slot that has been used");
                slot.queued = false;
                slot.task.map(|number| match self.tasks.borrow()[number].cancelled {
                    true => Event::Dropped(number),
                    false => Event::Polled(number),
                })
            }
        })
    }

    /// Something has happened: it must be what the oracle says.
    fn happened(&self, event: Event) {
        let expected = loop {
            match self.oracle_pop() {
                Ok(None) => {}
                Ok(Some(expected)) => break Ok(expected),
                Err(why) => break Err(why),
            }
        };
        self.check(expected == Ok(event), || format!("{event:?}, but the oracle says {expected:?}"));
    }

    /// The turn has ended: nothing but entries without a task may have been left to it.
    fn turn_ended(&self) {
        while self.left.get() > 0 && !self.queue.borrow().is_empty() {
            let left = self.oracle_pop();
            self.check(left == Ok(None), || format!("the turn has ended, but the oracle says {left:?}"));
        }
        if let Some(id) = self.remotely_woken.take() {
            self.oracle_wake(id);
        }
    }

    /// The task in a slot has ended, and other code may run before the slot is used again.
    fn oracle_vacate(&self, number: Number) {
        let id = self.tasks.borrow()[number].slot;
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&id).unwrap();
        let task = slot.task.take();
        self.check(task == Some(number), || format!("{number} ends in a slot that has {task:?}"));
    }

    // The program.

    fn do_something(self: &Rc<World>) {
        if self.is_over() {
            return;
        }
        match self.below(100) {
            0..22 => self.create(),
            22..66 => self.wake(),
            66..74 => self.cancel(),
            74..80 => self.drop_handle(),
            80..86 => self.call_soon(),
            86..92 => self.await_one(),
            92..95 => self.wake_remotely(),
            _ => self.check_one(),
        }
    }

    fn alive(&self) -> usize {
        self.tasks.borrow().iter().filter(|task| !task.ended).count()
    }

    /// A task that may be any, but is more often a young one.
    fn some_task(&self) -> Option<Number> {
        let count = self.tasks.borrow().len();
        match count {
            0 => None,
            _ if self.chance(30) => Some(self.below(count)),
            _ => Some(count - 1 - self.below(count.min(40))),
        }
    }

    fn create(self: &Rc<World>) {
        if self.alive() >= MOST_TASKS {
            return;
        }
        let number = self.tasks.borrow().len();
        let task = self.event_loop.create_task(Program { world: self.clone(), number, end: End::NotYet });
        let slot = task.id().expect("the loop is open");
        let known = Known { handle: Some(task), slot, waker: None, cancelled: false, ended: false, awaited: None };
        self.tasks.borrow_mut().push(known);
        let replaced = self.slots.borrow_mut().insert(slot, Slot { task: Some(number), queued: true }).unwrap_or_default();
        self.check(replaced.task.is_none() && !replaced.queued, || format!("{slot} was not free: {replaced:?}"));
        self.queue.borrow_mut().push_back(Entry::Slot(slot));
    }

    /// By any waker that there has ever been.
    fn wake(&self) {
        let Some(number) = self.some_task() else { return };
        let (waker, slot) = match &self.tasks.borrow()[number] {
            Known { waker: Some(waker), slot, .. } => (waker.clone(), *slot),
            _ => return,
        };
        match self.below(3) {
            0 => waker.wake_by_ref(),
            1 => waker.clone().wake(),
            _ => (0..3).for_each(|_| waker.wake_by_ref()),
        }
        self.oracle_wake(slot);
    }

    /// One slot for each turn, so that the order is certain.
    fn wake_remotely(&self) {
        let Some(number) = self.some_task() else { return };
        let (waker, slot) = match &self.tasks.borrow()[number] {
            Known { waker: Some(waker), slot, .. } => (waker.clone(), *slot),
            _ => return,
        };
        if self.remotely_woken.get().is_some_and(|other| other != slot) {
            return;
        }
        self.other_thread.wake(waker);
        self.remotely_woken.set(Some(slot));
    }

    fn cancel(&self) {
        let Some(number) = self.some_task() else { return };
        let slot = {
            let mut tasks = self.tasks.borrow_mut();
            let task = &mut tasks[number];
            let Some(handle) = &task.handle else { return };
            let accepted = handle.cancel();
            self.check(accepted != task.ended, || format!("{number}: cancel says {accepted}, ended is {}", task.ended));
            if task.ended {
                return;
            }
            task.cancelled = true;
            task.slot
        };
        self.oracle_wake(slot);
    }

    fn drop_handle(&self) {
        let Some(number) = self.some_task() else { return };
        let handle = self.tasks.borrow_mut()[number].handle.take();
        drop_quietly(handle);
    }

    fn call_soon(self: &Rc<World>) {
        let (number, world) = (self.callbacks.get(), self.clone());
        self.callbacks.set(number + 1);
        self.event_loop.call_soon(move || {
            world.happened(Event::Called(number));
            // It has a slot too, which is known only now; a stale waker of that queues it, for nothing.
            let slot = current_task().expect("a callback counts as a task");
            let replaced = world.slots.borrow_mut().insert(slot, Slot { task: Some(CALLBACK), queued: false });
            let vacant = replaced.is_none_or(|slot| slot.task.is_none() && !slot.queued);
            world.check(vacant, || format!("a callback runs in {slot}, which had {replaced:?}"));
            for _ in 0..world.below(3) {
                world.do_something();
            }
            world.slots.borrow_mut().get_mut(&slot).unwrap().task = None;
        });
        self.queue.borrow_mut().push_back(Entry::Callback(number));
    }

    /// Waits for a task's end by a foreign waker, which must be woken once.
    fn await_one(&self) {
        let Some(number) = self.some_task() else { return };
        let mut tasks = self.tasks.borrow_mut();
        let task = &mut tasks[number];
        if task.ended || task.awaited.is_some() {
            return;
        }
        let Some(handle) = &mut task.handle else { return };
        let (counting, waker) = CountingWaker::new();
        let pending = poll_once(handle, &waker).is_pending();
        self.check(pending, || format!("{number} has a result before its end"));
        task.awaited = Some(counting);
    }

    fn check_one(&self) {
        let Some(number) = self.some_task() else { return };
        let task = &self.tasks.borrow()[number];
        if let Some(handle) = &task.handle {
            self.check(handle.done() == task.ended, || format!("{number}: ended is {}", task.ended));
        }
    }
}

/// Takes a panic that the handle may have, which would be printed if this is outside the loop.
fn drop_quietly(handle: Option<Task<()>>) {
    if let Some(mut handle) = handle.filter(Task::done) {
        let _ = poll_once(&mut handle, Waker::noop());
    }
}

/// How a task came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Ready,
    Panicked,
}

/// The future of a task: each poll does a few random things, then waits, ends or panics.
struct Program {
    world: Rc<World>,
    number: Number,
    end: End,
}

impl Future for Program {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (world, number) = (self.world.clone(), self.number);
        world.happened(Event::Polled(number));
        world.polls.set(world.polls.get() + 1);
        let slot = {
            let mut tasks = world.tasks.borrow_mut();
            let task = &mut tasks[number];
            world.check(!task.ended, || format!("{number} is polled after its end"));
            let current = current_task();
            world.check(current == Some(task.slot), || format!("{number} is polled as {current:?}"));
            task.waker = Some(cx.waker().clone());
            task.slot
        };
        for _ in 0..world.below(4) {
            world.do_something();
        }
        match world.below(100) {
            _ if world.is_over() => Poll::Pending,
            0..15 => {
                self.end = End::Ready;
                Poll::Ready(())
            }
            15..18 => {
                self.end = End::Panicked;
                world.panics.set(world.panics.get() + 1);
                world.oracle_vacate(number); // before the destructor
                std::panic::resume_unwind(Box::new("as planned"));
            }
            18..40 => {
                cx.waker().wake_by_ref();
                world.oracle_wake(slot);
                Poll::Pending
            }
            _ => Poll::Pending,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let (world, number) = (&self.world, self.number);
        let ended = std::mem::replace(&mut world.tasks.borrow_mut()[number].ended, true);
        world.check(!ended, || format!("{number} is dropped twice"));
        world.drops.set(world.drops.get() + 1);
        if world.is_over() {
            return;
        }
        let (current, slot) = (current_task(), world.tasks.borrow()[number].slot);
        world.check(current == Some(slot), || format!("{number} ends in the turn of {current:?}"));
        if self.end == End::NotYet {
            world.happened(Event::Dropped(number));
        }
        for _ in 0..world.below(3) {
            world.do_something();
        }
        if self.end != End::Panicked {
            world.oracle_vacate(number);
        }
    }
}

/// A thread that wakes for others.
struct OtherThread {
    requests: Option<mpsc::Sender<(Waker, mpsc::Sender<()>)>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl OtherThread {
    fn new() -> OtherThread {
        let (requests, receive) = mpsc::channel::<(Waker, mpsc::Sender<()>)>();
        let thread = thread::spawn(move || {
            for (waker, done) in receive {
                waker.wake();
                done.send(()).unwrap();
            }
        });
        OtherThread { requests: Some(requests), thread: Some(thread) }
    }

    /// Returns when the wake has been done.
    fn wake(&self, waker: Waker) {
        let (done, wait) = mpsc::channel();
        self.requests.as_ref().unwrap().send((waker, done)).unwrap();
        wait.recv().unwrap();
    }
}

impl Drop for OtherThread {
    fn drop(&mut self) {
        self.requests = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Runs one program; gives the numbers of its polls, its panics, and its tasks.
fn run_program(seed: u64, turns: usize) -> [usize; 3] {
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop.set_exception_handler(|_| ());
    let world = World::new(*event_loop, seed);
    for _ in 0..turns {
        for _ in 0..world.below(5) {
            world.do_something();
        }
        world.left.set(POLLS_PER_PASS);
        let attention = event_loop.turn().unwrap();
        world.turn_ended();
        if let Some(difference) = &*world.difference.borrow() {
            panic!("seed {seed}: {difference}");
        }
        let ready = !world.queue.borrow().is_empty();
        assert_eq!(attention, if ready { Attention::Now } else { Attention::Idle }, "seed {seed}");
    }
    let alive = world.alive() + world.queue.borrow().iter().filter(|entry| matches!(entry, Entry::Callback(_))).count();
    assert_eq!(event_loop.tasks().len(), alive);
    world.closing.set(true);
    drop(event_loop);
    let tasks = world.tasks.take();
    assert_eq!(world.drops.get(), tasks.len(), "each future is dropped once");
    let count = tasks.len();
    for task in tasks {
        assert!(task.handle.as_ref().is_none_or(Task::done));
        assert!(task.awaited.as_ref().is_none_or(|awaited| awaited.wakes() <= 1));
        if task.handle.is_some() {
            assert!(task.awaited.as_ref().is_none_or(|awaited| awaited.wakes() == 1), "an awaiter was not woken");
        }
        drop_quietly(task.handle);
    }
    [world.polls.get(), world.panics.get(), count]
}

#[test]
fn random_programs_match_the_oracle() {
    let _watchdog = Watchdog::new("random_programs_match_the_oracle");
    let (seeds, turns) = if cfg!(miri) { (2, 12) } else { (60, 200) };
    let mut sums = [0; 3];
    for seed in 0..seeds {
        let counts = run_program(seed, turns);
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let [polls, panics, tasks] = sums;
    let programs = seeds as usize;
    assert!(polls > 100 * programs && tasks > 10 * programs && panics > programs / 2, "{sums:?}");
}
