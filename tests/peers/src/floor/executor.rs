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

use super::wheel::{Node, Wheel};
use crate::runtimes::{Renewable, Runtime, Timers};
use std::cell::{Cell, UnsafeCell};
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
    wheel: &'static Wheel,
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

    /// Runs what is ready, up to 61 polls. Out of line, so that there is one loop for all that are measured on it.
    #[inline(never)]
    fn turn(&'static self) {
        for _ in 0..61 {
            let Some(slot) = self.pop() else { break };
            self.run(slot);
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
        if !self.wheel.is_empty() {
            self.clock.set(None);
            self.wheel.advance(self.now());
        }
    }

    fn sleep(&self) {
        let timeout = self.wheel.next_event().map(|when| {
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
            wheel: Wheel::leak(),
            asleep: AtomicBool::new(false),
            has_mail: AtomicBool::new(false),
            mail: Mutex::new(Vec::new()),
        }));
        HERE.set(home);
        let main = spawn(future);
        let output = loop {
            home.turn();
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

pin_project_lite::pin_project! {
    /// Sleeps in the wheel of the `block_on` that polls it first, and wakes the task that polled it first.
    pub struct Sleep { time: Duration, #[pin] node: Node }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let node = self.as_ref().project_ref().node;
        if node.is_unarmed() {
            let home = Home::here();
            let deadline = home.now() + 1 + self.time.as_millis() as u32;
            home.wheel.arm(node, deadline, cx.waker().clone());
        }
        if node.has_fired() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Renewable for Sleep {
    fn renew(self: Pin<&mut Self>, time: Duration) -> bool {
        let this = self.project();
        this.node.disarm();
        *this.time = time;
        true
    }
}

impl Timers for Floor {
    fn sleep(time: Duration) -> impl Renewable {
        Sleep { time, node: Node::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::yield_now;
    use std::rc::Rc;
    use std::sync::mpsc;

    #[test]
    fn tasks_are_joined_and_run_first_in_first_out() {
        let order = Floor::block_on(async {
            let order = Rc::new(Cell::new(0));
            let tasks: Vec<_> = (1..=3)
                .map(|number| {
                    let order = order.clone();
                    spawn(async move {
                        for _ in 0..2 {
                            order.set(order.get() * 10 + number);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
            // Their slots are used again.
            spawn(async {}).await;
            order.get()
        });
        assert_eq!(order, 123_123);
    }

    #[test]
    fn a_sleep_dropped_in_time_wakes_nobody_and_another_ends() {
        Floor::block_on(async {
            let mut dropped = Box::pin(Floor::sleep(Duration::from_millis(1)));
            std::future::poll_fn(|cx| {
                assert!(dropped.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(dropped);
            spawn(async { Floor::sleep(Duration::from_millis(3)).await }).await;
        });
    }

    #[test]
    fn wakes_from_another_thread_arrive_also_when_the_loop_is_gone() {
        let (send, receive) = mpsc::channel::<Waker>();
        let thread = std::thread::spawn(move || receive.into_iter().for_each(|waker| waker.wake()));
        Floor::block_on(async move {
            for _ in 0..100 {
                let mut asked = false;
                std::future::poll_fn(|cx| {
                    if std::mem::replace(&mut asked, true) {
                        return Poll::Ready(());
                    }
                    send.send(cx.waker().clone()).expect("the thread listens");
                    Poll::Pending
                })
                .await;
            }
            // This one comes late.
            std::future::poll_fn(|cx| {
                send.send(cx.waker().clone()).expect("the thread listens");
                Poll::Ready(())
            })
            .await;
        });
        thread.join().expect("it ends when the channel closes");
    }
}
