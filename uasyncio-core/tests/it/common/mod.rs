//! What the tests share: loops on virtual time, a trace of what happened when, and small stand-ins.

#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this")]

mod recorder;

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) use recorder::Recorder;
use uasyncio_core::{ExceptionContext, Loop, Ticks, try_get_event_loop};

/// Where clocks start: at zero, and so that the clock wraps around after eight milliseconds. Miri, which is slow, has only the latter.
#[cfg(miri)]
pub(crate) const STARTS: [Ticks; 1] = [Ticks::from_millis(u32::MAX - 7)];
#[cfg(not(miri))]
pub(crate) const STARTS: [Ticks; 2] = [Ticks::from_millis(0), Ticks::from_millis(u32::MAX - 7)];

/// Runs a scenario on a loop whose virtual clock starts at 0, and again on one that starts just before the wrap.
#[cfg(feature = "virtual-time")]
pub(crate) fn at_both_starts(scenario: impl Fn(&uasyncio_core::EventLoop<uasyncio_core::VirtualTime>, &Trace)) {
    with_loops_at_both_starts(|event_loop, trace| scenario(&event_loop, trace));
}

/// The same for a scenario that ends the loop itself.
#[cfg(feature = "virtual-time")]
pub(crate) fn with_loops_at_both_starts(scenario: impl Fn(uasyncio_core::EventLoop<uasyncio_core::VirtualTime>, &Trace)) {
    for start in STARTS {
        let event_loop = uasyncio_core::EventLoop::with_platform(uasyncio_core::VirtualTime::starting_at(start));
        scenario(event_loop, &Trace::new(start));
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

    /// Records an event. Outside a loop there is no time: a dash.
    pub(crate) fn log(&self, event: impl Display) {
        match try_get_event_loop() {
            Some(event_loop) => self.log_at(event_loop.time(), event),
            None => self.lines.borrow_mut().push(format!("- {event}")),
        }
    }

    fn log_at(&self, now: Ticks, event: impl Display) {
        self.lines.borrow_mut().push(format!("{} {event}", now.diff(self.start)));
    }

    /// The events since the last look must have been these.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        assert_eq!(self.lines.take(), expected);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.lines.take()
    }

    /// Logs `event` when it is dropped.
    pub(crate) fn on_drop(&self, event: impl Display) -> OnDrop<Box<dyn FnMut()>> {
        let (trace, event) = (self.clone(), event.to_string());
        OnDrop(Box::new(move || trace.log(&event)))
    }
}

/// Calls a function when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Counts how many of its children have been dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Rc<Cell<usize>>);

impl Drops {
    pub(crate) fn child(&self) -> OnDrop<impl FnMut() + use<>> {
        let count = self.0.clone();
        OnDrop(move || count.set(count.get() + 1))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.get()
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
    pub(crate) fn new() -> Signal {
        Signal::default()
    }

    pub(crate) async fn wait(&self) {
        std::future::poll_fn(|cx| {
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

    /// Wakes the task for nothing.
    #[track_caller]
    pub(crate) fn wake(&self) {
        self.waker().wake();
    }

    /// Lets the task go at its next poll, whenever that comes.
    pub(crate) fn open_without_wake(&self) {
        self.0.open.set(true);
    }

    /// Lets the task go.
    pub(crate) fn open(&self) {
        self.open_without_wake();
        if let Some(waker) = self.0.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn polls(&self) -> u32 {
        self.0.polls.get()
    }
}

/// A waker made by hand that counts its wakes.
#[derive(Default)]
pub(crate) struct CountingWaker(AtomicUsize);

impl CountingWaker {
    pub(crate) fn new() -> (Arc<CountingWaker>, Waker) {
        let counting = Arc::new(CountingWaker::default());
        (counting.clone(), Waker::from(counting))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that calls a function.
pub(crate) struct CallingWaker<F>(F);

impl<F: Fn() + Send + Sync + 'static> CallingWaker<F> {
    pub(crate) fn waker(call: F) -> Waker {
        Waker::from(Arc::new(CallingWaker(call)))
    }
}

impl<F: Fn() + Send + Sync> Wake for CallingWaker<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Polls a future once, by hand.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// A future that does `step` in each poll. Unlike an async block it keeps what it owns until it is dropped itself.
pub(crate) struct Steps<F>(pub(crate) F);

impl<F: FnMut(&mut Context<'_>) -> Poll<T> + Unpin, T> Future for Steps<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        (self.0)(cx)
    }
}

/// Makes the loop's exception handler write to a list, which this gives.
pub(crate) fn collect_failures(event_loop: &Loop) -> Rc<RefCell<Vec<String>>> {
    let failures = Rc::<RefCell<Vec<String>>>::default();
    let list = failures.clone();
    event_loop.set_exception_handler(move |context: &ExceptionContext<'_>| {
        list.borrow_mut().push(format!("{}: {}", context.message, context.exception));
    });
    failures
}

/// A small generator of numbers that look random (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Ends the process if the test hangs, so that a lost wake-up is a failure and not a wait.
pub(crate) struct Watchdog {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub(crate) fn new(scenario: &'static str) -> Watchdog {
        let (end, ended) = mpsc::channel::<()>();
        // Miri's clock runs with its instructions, and those are slow.
        let patience = Duration::from_secs(if cfg!(miri) { 36_000 } else { 60 });
        let thread = thread::spawn(move || {
            if ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{scenario}: no progress, a wake-up was lost");
                std::process::abort();
            }
        });
        Watchdog { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
