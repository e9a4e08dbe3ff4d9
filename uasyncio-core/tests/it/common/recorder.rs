//! A platform that writes down what the loop asks of it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use uasyncio_core::{Platform, Ticks};

use super::{CountingWaker, Trace};

/// What happens during a wait; it gets the clock.
type WaitEvent = Box<dyn FnOnce(&Cell<Ticks>)>;

/// A platform whose clock advances by what was waited, and which records every call into a trace.
pub(crate) struct Recorder {
    trace: Trace,
    now: Rc<Cell<Ticks>>,
    notified: Arc<CountingWaker>,
    /// What happens during the next waits, instead of the clock's advance.
    script: RefCell<VecDeque<WaitEvent>>,
    /// What happens at the next look at the clock.
    at_clock_read: RefCell<Option<Box<dyn FnOnce()>>>,
    clock_reads: Cell<u32>,
    entered: Cell<i32>,
}

impl Recorder {
    pub(crate) fn new(trace: &Trace) -> Recorder {
        Recorder {
            trace: trace.clone(),
            now: Rc::new(Cell::new(trace.start)),
            notified: Arc::default(),
            script: RefCell::default(),
            at_clock_read: RefCell::default(),
            clock_reads: Cell::new(0),
            entered: Cell::new(0),
        }
    }

    /// What happens during the next wait that has no script yet.
    pub(crate) fn during_wait(&self, event: impl FnOnce(&Cell<Ticks>) + 'static) {
        self.script.borrow_mut().push_back(Box::new(event));
    }

    /// What happens at the loop's next look at the clock.
    pub(crate) fn at_clock_read(&self, event: impl FnOnce() + 'static) {
        self.at_clock_read.replace(Some(Box::new(event)));
    }

    /// How often the loop has notified.
    pub(crate) fn notices(&self) -> usize {
        self.notified.wakes()
    }

    /// How often the clock has been read since the last look.
    pub(crate) fn take_clock_reads(&self) -> u32 {
        self.clock_reads.take()
    }

    pub(crate) fn advance(&self, millis: u32) {
        self.now.set(self.now.get().wrapping_add(millis));
    }

    /// Entered and not left.
    pub(crate) fn depth(&self) -> i32 {
        self.entered.get()
    }
}

impl Platform for Recorder {
    fn now(&self) -> Ticks {
        self.clock_reads.set(self.clock_reads.get() + 1);
        let event = self.at_clock_read.take();
        if let Some(event) = event {
            event();
        }
        self.now.get()
    }

    fn now_rounded_up(&self) -> Ticks {
        self.now()
    }

    fn wait(&self, timeout: Option<u32>) {
        match timeout {
            Some(millis) => self.trace.log_at(self.now.get(), format_args!("wait {millis}")),
            None => self.trace.log_at(self.now.get(), "wait for ever"),
        }
        let event = self.script.borrow_mut().pop_front();
        match (event, timeout) {
            (Some(event), _) => event(&self.now),
            (None, Some(millis)) => self.advance(millis),
            (None, None) => panic!("the test's platform would wait for ever"),
        }
    }

    fn notifier(&self) -> Waker {
        Waker::from(self.notified.clone())
    }

    fn enter(&self) {
        self.entered.set(self.entered.get() + 1);
    }

    fn leave(&self) {
        self.entered.set(self.entered.get() - 1);
    }
}
