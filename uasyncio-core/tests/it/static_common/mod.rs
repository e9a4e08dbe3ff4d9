//! What the tests of static loops share. They run with every set of features, also with none.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use uasyncio_core::{LoopContext, Platform, Ticks, current_task, time};

/// Where clocks start: at zero, and so that the clock wraps around after eight milliseconds. Miri, which is slow, has only the latter.
#[cfg(miri)]
pub(crate) const STARTS: [Ticks; 1] = [Ticks::from_millis(u32::MAX - 7)];
#[cfg(not(miri))]
pub(crate) const STARTS: [Ticks; 2] = [Ticks::from_millis(0), Ticks::from_millis(u32::MAX - 7)];

/// Without `std` the process counts as one core, on which one test at a time may run loops.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// Whether this thread is in an interrupt handler, or plays another core. Without `std` only.
    static ELSEWHERE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function as an interrupt handler.
pub(crate) fn interrupt<R>(handler: impl FnOnce() -> R) -> R {
    ELSEWHERE.set(true);
    let result = handler();
    ELSEWHERE.set(false);
    result
}

fn context() -> Option<LoopContext> {
    // SAFETY: one test runs at a time, and its other threads and interrupts say so.
    (!ELSEWHERE.get()).then(|| unsafe { LoopContext::assume() })
}

/// What happens during a wait.
type WaitEvent = Box<dyn FnOnce()>;

/// A clock that advances by what was waited. It knows of nothing outside, unless it is told what happens during the next waits.
pub(crate) struct TestClock {
    now: Cell<Ticks>,
    /// The limits of the waits so far, without those that were only looks.
    pub(crate) waits: RefCell<Vec<Option<u32>>>,
    pub(crate) looks: Cell<u32>,
    pub(crate) clock_reads: Cell<u32>,
    script: RefCell<VecDeque<WaitEvent>>,
    notified: Arc<Notified>,
    pub(crate) needs_notice: Cell<bool>,
    pub(crate) depth: Cell<i32>,
}

#[derive(Default)]
struct Notified(AtomicUsize);

impl Wake for Notified {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl TestClock {
    pub(crate) fn starting_at(start: Ticks) -> TestClock {
        TestClock {
            now: Cell::new(start),
            waits: RefCell::default(),
            looks: Cell::new(0),
            clock_reads: Cell::new(0),
            script: RefCell::default(),
            notified: Arc::default(),
            needs_notice: Cell::new(true),
            depth: Cell::new(0),
        }
    }

    pub(crate) fn new() -> TestClock {
        TestClock::starting_at(Ticks::default())
    }

    pub(crate) fn advance(&self, millis: u32) {
        self.now.set(self.now.get().wrapping_add(millis));
    }

    /// What happens during the next wait that has no script yet, instead of the clock's advance.
    pub(crate) fn during_wait(&self, event: impl FnOnce() + 'static) {
        self.script.borrow_mut().push_back(Box::new(event));
    }

    pub(crate) fn notices(&self) -> usize {
        self.notified.0.load(Ordering::Relaxed)
    }

    /// Who holds the notifier beside the clock.
    pub(crate) fn notifiers(&self) -> usize {
        Arc::strong_count(&self.notified) - 1
    }
}

impl Platform for TestClock {
    fn now(&self) -> Ticks {
        self.clock_reads.set(self.clock_reads.get() + 1);
        self.now.get()
    }

    fn now_rounded_up(&self) -> Ticks {
        self.now()
    }

    fn wait(&self, timeout: Option<u32>) {
        if timeout == Some(0) {
            self.looks.set(self.looks.get() + 1);
            return;
        }
        self.waits.borrow_mut().push(timeout);
        let event = self.script.borrow_mut().pop_front();
        match (event, timeout) {
            (Some(event), _) => event(),
            (None, Some(millis)) => self.advance(millis),
            (None, None) => panic!("the clock would wait for ever"),
        }
    }

    fn notifier(&self) -> Waker {
        Waker::from(self.notified.clone())
    }

    fn needs_notice(&self) -> bool {
        self.needs_notice.get()
    }

    fn enter(&self) {
        self.depth.set(self.depth.get() + 1);
    }

    fn leave(&self) {
        self.depth.set(self.depth.get() - 1);
    }

    fn closed_world(&self) -> bool {
        self.script.borrow().is_empty()
    }

    fn loop_context(&self) -> Option<LoopContext> {
        context()
    }
}

/// Waits for notices of other threads; its time stands still.
#[derive(Default)]
pub(crate) struct Parking(Arc<Park>);

#[derive(Default)]
struct Park {
    token: Mutex<bool>,
    changed: Condvar,
    notices: AtomicUsize,
}

impl Wake for Park {
    fn wake(self: Arc<Self>) {
        self.notices.fetch_add(1, Ordering::Relaxed);
        *self.token.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

impl Parking {
    pub(crate) fn notices(&self) -> usize {
        self.0.notices.load(Ordering::Relaxed)
    }
}

impl Platform for Parking {
    fn now(&self) -> Ticks {
        Ticks::default()
    }

    fn wait(&self, timeout: Option<u32>) {
        let mut token = self.0.token.lock().unwrap();
        while timeout != Some(0) && !*token {
            token = self.0.changed.wait(token).unwrap();
        }
        *token = false;
    }

    fn notifier(&self) -> Waker {
        Waker::from(self.0.clone())
    }

    fn loop_context(&self) -> Option<LoopContext> {
        context()
    }
}

/// What happened, one line for each event: the ticks since the start, and the event.
#[derive(Clone)]
pub(crate) struct Trace {
    lines: Rc<RefCell<Vec<String>>>,
    start: Ticks,
}

impl Trace {
    pub(crate) fn new(start: Ticks) -> Trace {
        Trace { lines: Rc::default(), start }
    }

    /// Records an event. Outside a task there is no time: a dash.
    pub(crate) fn log(&self, event: impl Display) {
        let line = match current_task() {
            Some(_) => format!("{} {event}", time().diff(self.start)),
            None => format!("- {event}"),
        };
        self.lines.borrow_mut().push(line);
    }

    /// The events since the last look must have been these.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        assert_eq!(self.lines.take(), expected);
    }
}

/// A place where one task waits until it is let go; its waker stays there. Counts its polls.
#[derive(Clone, Default)]
pub(crate) struct Signal(Rc<SignalState>);

#[derive(Default)]
struct SignalState {
    waker: RefCell<Option<Waker>>,
    open: Cell<bool>,
    polls: Cell<u32>,
}

impl Signal {
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            self.0.polls.set(self.0.polls.get() + 1);
            self.0.waker.replace(Some(cx.waker().clone()));
            if self.0.open.get() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The waker of the latest poll.
    #[track_caller]
    pub(crate) fn waker(&self) -> Waker {
        self.0.waker.borrow().clone().expect("polled before")
    }

    /// Lets the task go.
    #[track_caller]
    pub(crate) fn open(&self) {
        self.0.open.set(true);
        self.waker().wake();
    }

    pub(crate) fn polls(&self) -> u32 {
        self.0.polls.get()
    }
}

/// Says whether it was dropped.
pub(crate) struct Dropped(pub(crate) Rc<Cell<bool>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// A flag that other threads may raise.
#[derive(Default)]
pub(crate) struct Flag {
    raised: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Flag {
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            // Relaxed: the wake alone makes it visible.
            if self.raised.swap(false, Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
        let waker = self.waker.lock().unwrap().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A future on the heap that is never freed, and is not lost either.
pub(crate) fn leaked<F: Future<Output = ()> + 'static>(future: F) -> Pin<&'static mut dyn Future<Output = ()>> {
    static KEPT: Mutex<Vec<AtomicPtr<()>>> = Mutex::new(Vec::new());
    let future = Box::leak(Box::new(future));
    KEPT.lock().unwrap().push(AtomicPtr::new(std::ptr::from_mut(future).cast()));
    Pin::static_mut(future)
}
