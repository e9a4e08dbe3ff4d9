//! The state of one loop: what the wakers, the tasks and the loop itself share.
//!
//! Everything but the gate is touched by the owner's thread alone (invariant U2). The state lives in the pool of
//! [`slot`](crate::slot) and is never freed, so references to it are `'static`; [`LoopState::life`] tells one loop from
//! the next that gets the same state.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use core::task::Context;

use crate::budget::Budget;
#[cfg(feature = "std")]
use crate::budget::Outer;
use crate::catch_cancel::Catchers;
use crate::cell::{self, Runnable, Step};
use crate::current;
use crate::exception::{Exception, ExceptionContext, Handler};
use crate::remote::Gate;
use crate::slot::{self, Fifo, FreeList, PageRef, SLOTS_PER_PAGE, SlotRef};
use crate::sync::word::{AtomicU32, Ordering};
use crate::task_error::{Panic, TaskError, catch};
use crate::timer_node::{Node, Timers, TimersId};
use crate::trace::Origin;
use crate::waker::waker;
use crate::wheel::Wheel;
use crate::{Platform, TaskId, TaskInfo, Ticks};

/// How many polls a pass makes before it looks at other threads' wakes, the clock and I/O again.
const POLLS_PER_PASS: u32 = 61;
/// How many timers a pass moves or fires.
const TIMERS_PER_PASS: usize = 1024;

#[repr(C)]
pub(crate) struct LoopState {
    pub(crate) gate: Gate, // first, for `Page::belongs_to` costs one load less
    queue: Fifo,
    budget: Budget,
    /// The clock as the current poll has read it, once it has.
    clock: Cell<Option<Ticks>>,
    current: Cell<Option<SlotRef>>,
    /// In `turn` or `run`: wakes by the owner need no notice.
    running: Cell<bool>,
    free: FreeList,
    first_page: Cell<Option<PageRef>>,
    last_page: Cell<Option<PageRef>>,
    pages: Cell<u32>,
    wheel: Wheel,
    platform: RefCell<Option<Rc<dyn Platform>>>,
    handler: RefCell<Option<Handler>>,
    pub(crate) closed_world: Cell<bool>,
    pub(crate) catchers: Catchers,
    stopping: Cell<bool>,
    /// Stop marks in the queue whose run has ended before they were reached.
    overtaken_stops: Cell<u32>,
    /// Which loop the state serves at present; 0 once that one is closing. Read by handles of former loops, on any thread.
    life: AtomicU32,
    /// The task that carries out what other threads ask for. It does not count as waiting for something.
    inbox: Cell<Option<SlotRef>>,
    #[cfg(feature = "std")]
    remote: RefCell<Option<crate::Remote>>,
    pub(crate) next_in_pool: Cell<Option<&'static LoopState>>,
}

/// What a pass ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// A task asked the loop to return.
    Stopped,
    /// Tasks are ready.
    Ready,
    /// The next timer is so many milliseconds away.
    Timer(u32),
    /// Nothing is to be done until somebody wakes a task.
    Idle,
}

impl LoopState {
    pub(crate) fn new() -> LoopState {
        LoopState {
            gate: Gate::new(),
            queue: Fifo::new(),
            budget: Budget::new(),
            clock: Cell::new(None),
            current: Cell::new(None),
            running: Cell::new(false),
            free: FreeList::new(),
            first_page: Cell::new(None),
            last_page: Cell::new(None),
            pages: Cell::new(0),
            wheel: Wheel::new(),
            platform: RefCell::new(None),
            handler: RefCell::new(None),
            closed_world: Cell::new(false),
            catchers: Catchers::new(),
            stopping: Cell::new(false),
            overtaken_stops: Cell::new(0),
            life: AtomicU32::new(0),
            inbox: Cell::new(None),
            #[cfg(feature = "std")]
            remote: RefCell::new(None),
            next_in_pool: Cell::new(None),
        }
    }

    /// Takes a state from the pool for a new loop.
    pub(crate) fn open(platform: Rc<dyn Platform>) -> &'static LoopState {
        static LIVES: AtomicU32 = AtomicU32::new(1);
        let life = loop {
            let life = LIVES.fetch_add(1, Ordering::Relaxed);
            if life != 0 && life != TimersId::MAX {
                break life;
            }
        };
        let state = slot::take_loop();
        state.life.store(life, Ordering::Relaxed);
        state.wheel.open(life);
        state.gate.open(platform.notifier());
        state.platform.replace(Some(platform));
        state
    }

    /// Ends the loop: drops every future once, on this thread, then lets go of the world.
    pub(crate) fn close(&'static self) {
        let platform = self.platform.borrow().clone();
        {
            let _entered = self.enter();
            self.life.store(0, Ordering::Relaxed);
            for slot in self.slots() {
                if let Some(task) = slot.take() {
                    self.end(slot, task, TaskError::Cancelled);
                }
            }
            self.wheel.close();
        }
        self.gate.close();
        self.catchers.clear();
        self.handler.replace(None);
        self.platform.replace(None);
        self.queue.clear();
        self.free.clear();
        self.inbox.set(None);
        #[cfg(feature = "std")]
        self.remote.replace(None);
        self.closed_world.set(false);
        self.stopping.set(false);
        self.overtaken_stops.set(0);
        self.last_page.set(None);
        self.pages.set(0);
        let mut next = self.first_page.take();
        while let Some(page) = next {
            next = page.next();
            page.give_back();
        }
        slot::give_back_loop(self);
        drop(platform);
    }

    /// Which loop this is, never 0 while it is open.
    pub(crate) fn life(&self) -> u32 {
        self.life.load(Ordering::Relaxed)
    }

    pub(crate) fn platform(&self) -> Option<Rc<dyn Platform>> {
        self.platform.borrow().clone()
    }

    /// Makes this the current loop until the guard is dropped.
    pub(crate) fn enter(&'static self) -> Entered {
        let platform = self.platform();
        if let Some(platform) = &platform {
            platform.enter();
        }
        Entered {
            state: self,
            was_running: self.running.replace(true),
            task: self.current.take(),
            #[cfg(feature = "std")]
            _budget: Outer::keep(),
            outer: current::replace(Some(self)),
            platform,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.get()
    }

    #[cfg(not(feature = "std"))]
    pub(crate) fn is_loop_context(&self) -> bool {
        self.platform.borrow().as_ref().is_some_and(|platform| platform.loop_context().is_some())
    }

    // Tasks.

    /// Puts a task into a slot and, unless it is to wait first, into the run queue. `None`: the loop is closed.
    pub(crate) fn insert(&'static self, task: NonNull<dyn Runnable>, queued: bool) -> Option<SlotRef> {
        if self.life() == 0 {
            return None;
        }
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        slot.put(task);
        if queued {
            self.queue.push(slot);
            if !self.running.get() {
                self.gate.notify();
            }
        }
        Some(slot)
    }

    #[cold]
    fn grow(&'static self) -> SlotRef {
        let page = PageRef::take(self, self.pages.get(), current::thread().unwrap_or(0));
        self.pages.set(self.pages.get() + 1);
        match self.last_page.replace(Some(page)) {
            Some(last) => last.set_next(page),
            None => self.first_page.set(Some(page)),
        }
        for slot in page.slots().rev().take(SLOTS_PER_PAGE - 1) {
            self.free.push(slot);
        }
        page.slot(0)
    }

    /// Puts a woken task at the end of the run queue, once.
    #[inline]
    pub(crate) fn enqueue(&self, slot: SlotRef) {
        self.queue.push(slot);
    }

    fn slots(&self) -> impl Iterator<Item = SlotRef> {
        core::iter::successors(self.first_page.get(), |page| page.next()).flat_map(PageRef::slots)
    }

    pub(crate) fn current_task(&self) -> Option<SlotRef> {
        self.current.get()
    }

    /// All tasks, in the order of their slots.
    pub(crate) fn tasks(&self) -> Vec<TaskInfo> {
        let is_task = |slot: &SlotRef| !slot.is_vacant() && self.inbox.get() != Some(*slot);
        self.slots().filter(is_task).map(|slot| TaskInfo::of(slot, self.current.get() == Some(slot))).collect()
    }

    /// The slot is free from now on, or once it leaves the run queue.
    fn vacate(&self, slot: SlotRef) {
        self.catchers.forget_task(slot);
        if !slot.is_queued() {
            self.free.push(slot);
        }
    }

    /// Takes a lent task out of its slot, if it is still there.
    pub(crate) fn remove_lent(&self, slot: SlotRef) {
        if slot.is_lent() {
            slot.take();
            self.vacate(slot);
        }
    }

    /// The task in the slot has ended by itself.
    fn finish(&self, slot: SlotRef) {
        if let Some(task) = slot.take() {
            release(task); // its destructor may make tasks, which must not get this slot in case that it unwinds
            self.vacate(slot);
        }
    }

    /// Ends a task that was taken from its slot.
    fn end(&self, slot: SlotRef, task: NonNull<dyn Runnable>, why: TaskError) {
        // SAFETY: U4 and U5. The box is still there, and no poll of it is going on.
        let unclaimed = catch(|| unsafe { core::pin::Pin::new_unchecked(task.as_ref()).end(why) });
        if let Some(panic) = unclaimed.unwrap_or_else(Some) {
            self.report_panic(Some(slot), &panic);
        }
        if let Err(panic) = catch(|| release(task)) {
            self.report_panic(Some(slot), &panic);
        }
    }

    /// Puts a task of ours without a handle into the run queue.
    pub(crate) fn insert_boxed(&'static self, task: Box<dyn Runnable>, origin: Origin) {
        let task = NonNull::from(Box::leak(task));
        match self.insert(task, true) {
            Some(slot) => origin.record(slot),
            None => release(task),
        }
    }

    /// Inserts a task of ours that is polled at once, out of its turn, so that it begins to wait: a timer or an inbox.
    pub(crate) fn insert_started(&'static self, task: Box<dyn Runnable>, origin: Origin) -> Option<SlotRef> {
        let task = NonNull::from(Box::leak(task));
        let Some(slot) = self.insert(task, false) else {
            release(task);
            return None;
        };
        origin.record(slot);
        let was_running = self.running.get();
        {
            let _entered = self.enter();
            self.current.set(Some(slot));
            let waker = waker(slot);
            // SAFETY: U5. The task has just been made, and is not queued.
            unsafe { slot.poll(&mut Context::from_waker(&waker)) };
        }
        if !was_running {
            self.gate.notify();
        }
        Some(slot)
    }

    /// The loop's handle for other threads, which `make` makes together with the task that serves it.
    #[cfg(feature = "std")]
    pub(crate) fn remote(&self, make: impl FnOnce() -> (crate::Remote, Option<SlotRef>)) -> crate::Remote {
        if let Some(remote) = &*self.remote.borrow() {
            return remote.clone();
        }
        let (remote, slot) = make();
        self.inbox.set(slot);
        self.remote.replace(Some(remote.clone()));
        remote
    }

    // The pass.

    /// One pass: polls, wakes from elsewhere, timers, then the platform's wait, which with `block` lasts until something
    /// happens.
    pub(crate) fn pass(&'static self, platform: &dyn Platform, block: bool) -> Pass {
        let left = Cell::new(POLLS_PER_PASS);
        loop {
            match catch(|| self.poll_ready(&left)) {
                Ok(false) => break,
                Ok(true) => return Pass::Stopped,
                Err(panic) => {
                    if self.unwound(panic) {
                        return Pass::Stopped;
                    }
                }
            }
        }
        self.current.set(None);
        self.clock.set(None);
        self.drain_remote();
        let next = self.advance_timers(platform);
        let polled = left.get() < POLLS_PER_PASS;
        if !self.queue.is_empty() {
            // What has just been woken was woken after the last look at I/O: there is nothing new to see.
            if polled || !block {
                platform.wait(Some(0));
            }
            return Pass::Ready;
        }
        match next {
            Some(0) => platform.wait(Some(0)),
            _ if !block => platform.wait(Some(0)),
            // Last of all, in case that somebody has woken a task and then said that this was the end of it.
            None if self.is_deadlocked(platform) && self.gate.fall_asleep() => {
                self.gate.wake_up();
                return Pass::Idle;
            }
            timeout => {
                if self.gate.fall_asleep() {
                    platform.wait(timeout);
                    self.gate.wake_up();
                }
                return Pass::Ready;
            }
        }
        match next {
            _ if !self.queue.is_empty() => Pass::Ready,
            Some(0) => Pass::Ready,
            Some(millis) => Pass::Timer(millis),
            None => Pass::Idle,
        }
    }

    /// Polls from the front of the queue. `true`: a task asked the loop to return.
    fn poll_ready(&self, left: &Cell<u32>) -> bool {
        while left.get() > 0 {
            let Some(slot) = self.queue.pop() else {
                return false;
            };
            left.set(left.get() - 1);
            self.current.set(Some(slot));
            self.clock.set(None);
            self.budget.refill();
            #[cfg(feature = "trace")]
            crate::trace::begin_poll(slot);
            let waker = core::mem::ManuallyDrop::new(waker(slot));
            let mut cx = Context::from_waker(&waker);
            // SAFETY: U5. `running` keeps a second pass of this loop out, and only a pass polls.
            match unsafe { slot.poll(&mut cx) } {
                Some(Step::Pending) => {}
                Some(Step::Done) => self.finish(slot),
                Some(Step::Stop) => {
                    self.finish(slot);
                    return true;
                }
                None => self.vacate(slot),
            }
        }
        false
    }

    /// A poll, or the destructor of a finished task, has unwound. `true`: it was the future that the loop runs for.
    #[cold]
    fn unwound(&self, panic: Panic) -> bool {
        let Some(slot) = self.current.get() else {
            self.report_panic(None, &panic);
            return false;
        };
        let lent = slot.is_lent();
        match slot.take() {
            Some(task) => {
                self.vacate(slot);
                self.end(slot, task, TaskError::Panicked(panic));
                lent
            }
            None => {
                self.vacate(slot);
                self.report_panic(Some(slot), &panic);
                false
            }
        }
    }

    fn drain_remote(&self) {
        self.gate.take(|mark, mut bits| {
            let page = PageRef::of_mark(mark);
            while bits != 0 {
                self.queue.push(page.slot(bits.trailing_zeros() as usize));
                bits &= bits - 1;
            }
        });
    }

    /// Fires what is due; gives the milliseconds to the next deadline.
    fn advance_timers(&self, platform: &dyn Platform) -> Option<u32> {
        if self.wheel.is_idle() {
            return None;
        }
        let now = platform.now();
        while let Err(panic) = catch(|| self.wheel.advance(now, TIMERS_PER_PASS)) {
            self.report_panic(None, &panic);
        }
        self.wheel.next_deadline().map(|deadline| deadline.diff(now).max(0) as u32)
    }

    fn is_deadlocked(&self, platform: &dyn Platform) -> bool {
        (self.closed_world.get() || platform.closed_world()) && !platform.pending_io()
    }

    // What leaf futures use.

    #[cfg(not(feature = "std"))]
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    #[cold]
    fn read_clock(&self) -> Ticks {
        let now = self.platform().map_or(Ticks::default(), |platform| platform.now_rounded_up());
        self.clock.set(Some(now));
        now
    }

    // Stopping and reporting.

    /// Asks for a return behind everything that is queued now. `false`: that was asked already.
    pub(crate) fn stop(&'static self) -> bool {
        if self.stopping.replace(true) {
            return false;
        }
        self.insert_boxed(Box::new(StopMark), Origin::caller()); // of size 0: allocates nothing
        true
    }

    /// Whether the loop is to return because of [`stop`](LoopState::stop).
    pub(crate) fn take_stop(&self) -> bool {
        self.stopping.replace(false)
    }

    /// The run has ended before the stop that was asked for meanwhile, whose mark is still queued.
    pub(crate) fn overtake_stop(&self) {
        if self.take_stop() {
            self.overtaken_stops.set(self.overtaken_stops.get() + 1);
        }
    }

    /// A stop mark has been reached: whether it still counts.
    fn meet_stop(&self) -> bool {
        let overtaken = self.overtaken_stops.get();
        self.overtaken_stops.set(overtaken.saturating_sub(1));
        overtaken == 0
    }

    pub(crate) fn set_handler(&self, handler: Option<Handler>) {
        drop(self.handler.replace(handler));
    }

    pub(crate) fn call_handler(&self, context: &ExceptionContext<'_>) {
        let handler = self.handler.borrow().clone();
        match handler {
            Some(handler) => {
                if let Err(panic) = catch(|| handler(context)) {
                    crate::exception::print(&ExceptionContext::new("the exception handler panicked", Exception::Panic(&panic)));
                }
            }
            None => crate::exception::print(context),
        }
    }

    pub(crate) fn report_panic(&self, slot: Option<SlotRef>, panic: &Panic) {
        let mut context = ExceptionContext::new("a task panicked and nobody awaits it", Exception::Panic(panic));
        context.task = slot.map(TaskId::of);
        self.call_handler(&context);
    }
}

impl Timers for LoopState {
    #[inline]
    fn id(&self) -> u32 {
        self.wheel.id()
    }

    #[inline]
    fn now_rounded_up(&self) -> Ticks {
        match self.clock.get() {
            Some(now) => now,
            None => self.read_clock(),
        }
    }

    #[inline]
    fn arm(&self, node: &Node, deadline: Ticks, now: Ticks) {
        self.wheel.arm(node, deadline, now);
    }
}

/// The loop is current while this lives.
pub(crate) struct Entered {
    state: &'static LoopState,
    was_running: bool,
    task: Option<SlotRef>,
    outer: Option<&'static LoopState>,
    #[cfg(feature = "std")]
    _budget: Outer,
    platform: Option<Rc<dyn Platform>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        current::replace(self.outer);
        self.state.running.set(self.was_running);
        self.state.current.set(self.task);
        if !self.was_running {
            self.state.clock.set(None); // else the poll that called for this goes on, at the same time
        }
        if let Some(platform) = &self.platform {
            platform.leave();
        }
    }
}

/// Its poll makes the loop return, unless the run that it was meant for is over.
struct StopMark;

impl Runnable for StopMark {
    unsafe fn poll(self: core::pin::Pin<&Self>, _: &mut Context<'_>) -> Step {
        let asked = current::get().is_some_and(LoopState::meet_stop);
        if asked { Step::Stop } else { Step::Done }
    }

    unsafe fn end(self: core::pin::Pin<&Self>, why: TaskError) -> Option<Panic> {
        why.into_panic()
    }

    fn disown(&self) -> bool {
        true
    }
}

/// A slot gives up its share of a task.
fn release(task: NonNull<dyn Runnable>) {
    // SAFETY: U4. The slot held a share until now, so the task is alive.
    if unsafe { task.as_ref() }.disown() {
        // SAFETY: U4. That was the last share, and what can be disowned came from a box.
        unsafe { cell::free(task) };
    }
}
