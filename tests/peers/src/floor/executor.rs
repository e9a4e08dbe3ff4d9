//! A minimal single-thread executor with timers: strict FIFO, wakers of two words, atomics only for wakes from other threads.
//!
//! A waker points at a *slot*. Slots belong to a *home* (one per `block_on`); slots and homes are leaked, so a waker never
//! dangles, cloning and dropping one costs nothing, and an address says for ever who it is. A slot is used again when its task is
//! done; a stale waker then causes one spurious poll. The future lives in one allocation with the join state (`TaskCell`).
//!
//! Invariants:
//! * OWN: the `Cell` fields of a slot or home, and the `wheel`, are touched only on the home's thread inside its `block_on`
//!   (`HERE` holds the home's address only then and there).
//! * TASK: a slot's `task` is touched by `run`, which never runs inside itself, and by `spawn`, on slots that have none.
//! * PIN: a `TaskCell` lives in an `Rc` and its future is never moved out, only dropped in place.

use super::wheel::{Key, Wheel};
use crate::runtimes::{Renewable, Runtime, Timers};
use std::cell::{Cell, RefCell, UnsafeCell};
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

pub struct Floor;

thread_local! {
    static HERE: Cell<*const Home> = const { Cell::new(ptr::null()) };
}

struct Home {
    thread: Thread,
    first: Cell<Option<&'static Slot>>,
    last: Cell<Option<&'static Slot>>,
    free: Cell<Option<&'static Slot>>,
    start: Instant,
    clock: Cell<Option<u32>>,
    wheel: RefCell<Wheel>,
    // What other threads touch:
    asleep: AtomicBool,
    has_mail: AtomicBool,
    mail: Mutex<Vec<&'static Slot>>,
}

struct Slot {
    home: &'static Home,
    /// The next in the queue or in the free list, itself for the last one, nothing outside both.
    next: Cell<Option<&'static Slot>>,
    task: UnsafeCell<Option<Rc<dyn Runnable>>>,
    mailed: AtomicBool,
}

// SAFETY: OWN; the rest of both types is Sync by itself.
unsafe impl Sync for Home {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Home {
    /// The home of the `block_on` that runs on this thread.
    fn here() -> &'static Home {
        let here = HERE.get();
        assert!(!here.is_null(), "outside Floor::block_on");
        // SAFETY: homes are leaked, never freed.
        unsafe { &*here }
    }

    fn push(&self, slot: &'static Slot) {
        if slot.next.get().is_some() {
            return;
        }
        slot.next.set(Some(slot));
        match self.last.replace(Some(slot)) {
            Some(last) => last.next.set(Some(slot)),
            None => self.first.set(Some(slot)),
        }
    }

    fn pop(&self) -> Option<&'static Slot> {
        let slot = self.first.get()?;
        let next = slot.next.take().filter(|next| !ptr::eq(*next, slot));
        self.first.set(next);
        if next.is_none() {
            self.last.set(None);
        }
        Some(slot)
    }

    fn spawn(&'static self, task: Rc<dyn Runnable>) {
        let slot = match self.free.take() {
            Some(slot) => {
                self.free.set(slot.next.take().filter(|next| !ptr::eq(*next, slot)));
                slot
            }
            None => Box::leak(Box::new(Slot {
                home: self,
                next: Cell::new(None),
                task: UnsafeCell::new(None),
                mailed: AtomicBool::new(false),
            })),
        };
        // SAFETY: OWN; TASK: the slot has none, and so no poll of one is on the stack.
        unsafe { *slot.task.get() = Some(task) };
        self.push(slot);
    }

    fn run(&'static self, slot: &'static Slot) {
        // SAFETY: OWN; TASK.
        let task = unsafe { &mut *slot.task.get() };
        let done = task.as_ref().is_none_or(|task| {
            // SAFETY: the data is a leaked slot, as the table wants it.
            let waker = unsafe { Waker::from_raw(raw_waker(slot)) };
            self.clock.set(None);
            task.poll(&mut Context::from_waker(&waker))
        });
        if done {
            let finished = task.take();
            // A slot that is queued again comes here once more.
            if slot.next.get().is_none() {
                slot.next.set(Some(self.free.get().unwrap_or(slot)));
                self.free.set(Some(slot));
            }
            drop(finished);
        }
    }

    fn read_mail(&self) {
        if self.has_mail.load(Ordering::Relaxed) {
            let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_mail.store(false, Ordering::Relaxed);
            for slot in mail.drain(..) {
                // An exchange, not a store: it takes over what a waker wrote that found the flag set.
                slot.mailed.swap(false, Ordering::AcqRel);
                self.push(slot);
            }
        }
    }

    /// Milliseconds since the start, rounded down; read at most once per poll of a task.
    fn now(&self) -> u32 {
        let now = self.clock.get().unwrap_or_else(|| self.start.elapsed().as_millis() as u32);
        self.clock.set(Some(now));
        now
    }

    fn fire_timers(&self) {
        let mut wheel = self.wheel.borrow_mut();
        if !wheel.is_empty() {
            self.clock.set(None);
            wheel.advance(self.now());
        }
    }

    fn sleep(&self) {
        let timeout = self.wheel.borrow().next_event().map(|when| {
            let elapsed = self.start.elapsed();
            Duration::from_millis(u64::from(when)).saturating_sub(elapsed)
        });
        self.asleep.store(true, Ordering::SeqCst);
        if !self.has_mail.load(Ordering::SeqCst) {
            match timeout {
                Some(timeout) => std::thread::park_timeout(timeout),
                None => std::thread::park(),
            }
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone_waker, wake, wake, |_| {});

fn raw_waker(slot: *const Slot) -> RawWaker {
    RawWaker::new(slot.cast(), &TABLE)
}

unsafe fn clone_waker(slot: *const ()) -> RawWaker {
    raw_waker(slot.cast())
}

unsafe fn wake(slot: *const ()) {
    // SAFETY: the data of this table's wakers is a leaked slot.
    let slot: &'static Slot = unsafe { &*slot.cast() };
    let home = slot.home;
    if ptr::eq(HERE.get(), home) {
        home.push(slot);
    } else if !slot.mailed.swap(true, Ordering::AcqRel) {
        home.mail.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        home.has_mail.store(true, Ordering::SeqCst);
        if home.asleep.swap(false, Ordering::SeqCst) {
            home.thread.unpark();
        }
    }
}

trait Runnable {
    /// True when the task is done.
    fn poll(&self, cx: &mut Context<'_>) -> bool;
}

struct TaskCell<F: Future> {
    future: UnsafeCell<Option<F>>,
    output: Cell<Option<F::Output>>,
    joiner: Cell<Option<Waker>>,
}

impl<F: Future> Runnable for TaskCell<F> {
    fn poll(&self, cx: &mut Context<'_>) -> bool {
        // SAFETY: `run` never runs inside itself, so no second poll does; PIN.
        let mut future = unsafe { Pin::new_unchecked(&mut *self.future.get()) };
        let Some(running) = future.as_mut().as_pin_mut() else {
            return true;
        };
        let Poll::Ready(output) = running.poll(cx) else {
            return false;
        };
        future.set(None);
        self.output.set(Some(output));
        if let Some(joiner) = self.joiner.take() {
            joiner.wake();
        }
        true
    }
}

/// A future for the output of a task. Dropping it lets the task run on.
pub struct Handle<F: Future>(Rc<TaskCell<F>>);

impl<F: Future> Future for Handle<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.0.output.take() {
            Some(output) => Poll::Ready(output),
            None => {
                self.0.joiner.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

fn spawn<F: Future + 'static>(future: F) -> Handle<F> {
    let task = Rc::new(TaskCell { future: UnsafeCell::new(Some(future)), output: Cell::new(None), joiner: Cell::new(None) });
    Home::here().spawn(task.clone());
    Handle(task)
}

impl Runtime for Floor {
    const NAME: &'static str = "floor";

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        let home: &'static Home = Box::leak(Box::new(Home {
            thread: std::thread::current(),
            first: Cell::new(None),
            last: Cell::new(None),
            free: Cell::new(None),
            start: Instant::now(),
            clock: Cell::new(None),
            wheel: RefCell::new(Wheel::new()),
            asleep: AtomicBool::new(false),
            has_mail: AtomicBool::new(false),
            mail: Mutex::new(Vec::new()),
        }));
        HERE.set(home);
        let main = spawn(future);
        let output = loop {
            for _ in 0..61 {
                let Some(slot) = home.pop() else { break };
                home.run(slot);
            }
            if let Some(output) = main.0.output.take() {
                break output;
            }
            home.read_mail();
            home.fire_timers();
            if home.first.get().is_none() {
                home.sleep();
            }
        };
        HERE.set(ptr::null());
        output
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        drop(spawn(future));
    }
}

/// Sleeps in the wheel of the `block_on` that polls it.
pub struct Sleep {
    time: Duration,
    key: Option<Key>,
}

/// A sleep of `time`, counted from its first poll.
pub fn sleep(time: Duration) -> Sleep {
    Sleep { time, key: None }
}

impl Sleep {
    fn disarm(&mut self) {
        if let Some(key) = self.key.take() {
            Home::here().wheel.borrow_mut().remove(key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let home = Home::here();
        let mut wheel = home.wheel.borrow_mut();
        match self.key {
            None => {
                let deadline = home.now() + 1 + self.time.as_millis() as u32;
                self.key = Some(wheel.insert(deadline, cx.waker().clone()));
                Poll::Pending
            }
            Some(key) if wheel.has_fired(key) => Poll::Ready(()),
            Some(_) => Poll::Pending,
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl Renewable for Sleep {
    fn renew(mut self: Pin<&mut Self>, time: Duration) -> bool {
        self.disarm();
        self.time = time;
        true
    }
}

impl Timers for Floor {
    fn sleep(time: Duration) -> impl Renewable {
        sleep(time)
    }
}
