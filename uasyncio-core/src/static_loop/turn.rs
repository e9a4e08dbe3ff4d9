//! One run of a static loop, as the futures in it see it.

use core::cell::Cell;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::TableFull;
use super::line::Slots;
use crate::budget::Budget;
use crate::timer_list::TimerList;
use crate::timer_node::{Node, STATIC_ID, Timers, TimersId};
use crate::{Platform, Ticks};

/// How many polls a pass makes before it looks at the clock and at I/O again.
const POLLS_PER_PASS: u32 = 61;
/// For [`Turn::current`]: no task.
const NOBODY: usize = usize::MAX;

/// A task, by reference.
pub(crate) type Lent<'a> = Pin<&'a mut (dyn Future<Output = ()> + 'a)>;

/// What a slot's task is, as far as the loop alone touches it.
#[cfg_attr(not(feature = "trace"), repr(transparent))]
pub(crate) struct Entry<'a> {
    /// Not there while it is polled, so that it is gone if the poll unwinds.
    task: Cell<Option<Lent<'a>>>,
    #[cfg(feature = "trace")]
    info: Cell<crate::trace::StaticInfo>,
}

impl<'a> Entry<'a> {
    const fn vacant() -> Entry<'a> {
        Entry {
            task: Cell::new(None),
            #[cfg(feature = "trace")]
            info: Cell::new(crate::trace::StaticInfo::new()),
        }
    }

    /// A table of tasks, and of vacant entries behind them.
    #[inline]
    pub(crate) fn table<const M: usize, const N: usize>(tasks: &'a mut [Lent<'_>; M]) -> [Entry<'a>; N] {
        let table = [const { Entry::vacant() }; N];
        for (entry, task) in table.iter().zip(tasks) {
            entry.task.set(Some(task.as_mut()));
        }
        table
    }

    /// The tasks as a table without vacant entries, where they are: a copy less.
    ///
    /// # Safety
    ///
    /// The array is not used any more after this: tasks that are done will be missing from it, and others be there.
    #[inline]
    #[cfg(not(feature = "trace"))]
    pub(crate) unsafe fn in_place<const M: usize>(tasks: &'a mut [Lent<'_>; M]) -> &'a [Entry<'a>] {
        const { assert!(size_of::<Entry<'_>>() == size_of::<Lent<'_>>()) };
        // SAFETY: U21. An `Option` of a reference is the reference or null, and a `Cell` is what is in it.
        unsafe { core::slice::from_raw_parts(tasks.as_mut_ptr().cast(), M) }
    }
}

/// What futures ask of a platform.
trait World {
    fn now(&self) -> Ticks;
    fn now_rounded_up(&self) -> Ticks;
    #[cfg(not(feature = "std"))]
    fn is_here(&self) -> bool;
}

impl<P: Platform> World for P {
    fn now(&self) -> Ticks {
        Platform::now(self)
    }

    fn now_rounded_up(&self) -> Ticks {
        Platform::now_rounded_up(self)
    }

    #[cfg(not(feature = "std"))]
    fn is_here(&self) -> bool {
        self.loop_context().is_some()
    }
}

/// One run of a static loop: on the stack of who runs it, and while it lasts the current one (see [`current`](crate::current)).
///
/// What only futures use, such as the timers, only they lead to: the compiler leaves it out of programs that have no such futures.
pub(crate) struct Turn<'r, 't> {
    slots: Slots,
    table: &'r [Entry<'t>],
    world: &'r dyn World,
    /// Tasks that are not done.
    left: Cell<usize>,
    /// The index of the task that is polled.
    current: Cell<usize>,
    budget: Budget,
    /// The clock as the current poll has read it, once it has.
    clock: Cell<Option<Ticks>>,
    timers: TimerList,
}

impl<'r, 't> Turn<'r, 't> {
    /// A run of the tasks in the first entries of the table.
    pub(crate) fn new(slots: Slots, table: &'r [Entry<'t>], tasks: usize, platform: &'r impl Platform) -> Turn<'r, 't> {
        Turn {
            slots,
            table,
            world: platform,
            left: Cell::new(tasks),
            current: Cell::new(NOBODY),
            budget: Budget::new(),
            clock: Cell::new(None),
            timers: TimerList::new(),
        }
    }

    /// Whether the caller is where the loop runs.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        #[cfg(feature = "std")]
        let is_here = true; // the thread is the one that has this turn
        #[cfg(not(feature = "std"))]
        let is_here = self.world.is_here();
        is_here
    }

    /// Whether all tasks are done.
    pub(crate) fn is_done(&self) -> bool {
        self.left.get() == 0
    }

    /// Polls from the front of the line, while there are tasks that are not done. `true`: the line is empty, and the loop counts as asleep.
    ///
    /// # Safety
    ///
    /// The notifier stays where it is until this is called again, or the line is released.
    #[inline]
    pub(crate) unsafe fn poll_ready(&self, notifier: Option<&Waker>) -> bool {
        let mut asleep = false;
        for _ in 0..POLLS_PER_PASS {
            // SAFETY: the caller's promise.
            let Some(index) = (unsafe { self.slots.pop(notifier) }) else {
                asleep = true;
                break;
            };
            let Some(entry) = self.table.get(index) else { break };
            let Some(mut task) = entry.task.take() else { continue };
            self.current.set(index);
            self.clock.set(None);
            self.budget.refill();
            #[cfg(feature = "trace")]
            entry.info.set(entry.info.get().begin_poll());
            let waker = ManuallyDrop::new(self.slots.waker(index));
            match task.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => entry.task.set(Some(task)),
                Poll::Ready(()) => self.left.set(self.left.get() - 1),
            }
        }
        self.current.set(NOBODY);
        self.clock.set(None);
        asleep
    }

    /// Fires the timers that are due, and gives the milliseconds to the next one.
    #[inline]
    pub(crate) fn advance_timers(&self, platform: &impl Platform) -> Option<u32> {
        self.timers.advance(|| platform.now())
    }

    /// Takes out the timers that are left, before this goes.
    pub(crate) fn detach_timers(&self) {
        self.timers.detach_all();
    }

    /// Puts a task into a free slot, and at the end of the line.
    pub(crate) fn spawn(&self, task: Pin<&'static mut dyn Future<Output = ()>>) -> Result<(), TableFull> {
        for (index, entry) in self.table.iter().enumerate() {
            if index == self.current.get() {
                continue; // it is not there, but it comes back
            }
            match entry.task.take() {
                None => {
                    entry.task.set(Some(task));
                    #[cfg(feature = "trace")]
                    entry.info.set(crate::trace::StaticInfo::new());
                    self.left.set(self.left.get() + 1);
                    self.slots.push(index);
                    return Ok(());
                }
                there => entry.task.set(there),
            }
        }
        Err(TableFull::new(task))
    }

    /// The time now, rounded down.
    pub(crate) fn now(&self) -> Ticks {
        self.world.now()
    }

    /// The time now, rounded up. Read anew each time, unlike [`Timers::now_rounded_up`].
    pub(crate) fn read_rounded_up(&self) -> Ticks {
        self.world.now_rounded_up()
    }

    #[cfg(not(feature = "std"))]
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The index of the task that is being polled.
    pub(crate) fn current_task(&self) -> Option<usize> {
        Some(self.current.get()).filter(|index| *index != NOBODY)
    }

    /// What the task that is being polled waits for.
    #[cfg(feature = "trace")]
    pub(crate) fn waiting(&self, reason: &'static str) {
        if let Some(entry) = self.table.get(self.current.get()) {
            entry.info.set(entry.info.get().waiting(reason));
        }
    }

    /// Shows each task, in the order of the slots.
    pub(crate) fn for_each_task(&self, mut show: impl FnMut(&crate::TaskInfo)) {
        for (index, entry) in self.table.iter().enumerate() {
            let is_current = index == self.current.get();
            let task = entry.task.take();
            let is_there = task.is_some();
            entry.task.set(task);
            if is_there || is_current {
                let task = crate::TaskInfo::in_table(index, is_current, self.slots.is_queued(index));
                #[cfg(feature = "trace")]
                let task = task.with(entry.info.get());
                show(&task);
            }
        }
    }
}

impl Timers for Turn<'_, '_> {
    #[inline]
    fn id(&self) -> TimersId {
        STATIC_ID
    }

    fn now_rounded_up(&self) -> Ticks {
        match self.clock.get() {
            Some(now) => now,
            None => {
                let now = self.world.now_rounded_up();
                self.clock.set(Some(now));
                now
            }
        }
    }

    #[inline]
    fn arm(&self, node: &Node, deadline: Ticks, now: Ticks) {
        self.timers.arm(node, deadline, now);
    }
}
