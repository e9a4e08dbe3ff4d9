//! Timers: a hierarchical wheel of intrusive lists.
//!
//! A timer is a [`Node`] inside the future that waits; arming it allocates nothing, and cancelling it is unlinking it from its
//! two neighbours. After G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), scheme 6, with the
//! level found from the highest bit in which the deadline differs from the wheel's time.
//!
//! Level 0 has 64 lists of one millisecond each, level 1 has 64 of 64 ms, and so on; level 5 has the 4 that 32 bits leave.
//! When the wheel's time comes to the start of a list on a higher level, the list is *cascaded*: its nodes are put where they
//! belong from there. The wheel's time `elapsed` follows the clock, but never passes a list that holds nodes.
//!
//! * Deadlines are at most [`FARTHEST`](crate::timer_node::FARTHEST) ahead of the clock, so on level 5 only the next list is ever in use, and a list never
//!   holds deadlines of two rotations. Longer sleeps are chained.
//! * Equal deadlines stay FIFO (U9): two of them meet in the same list, because until that list is cascaded they differ from
//!   `elapsed` in the same highest bit; a cascade goes from front to back.
//! * One pass moves or fires a bounded number of nodes. A cascade that is cut short keeps the wheel's time before the list's
//!   start, so that whatever is armed meanwhile still goes to the end of that list, or behind what is due; the next pass goes on.
//! * Nothing is written when a list becomes empty: its bit in `occupied` is cleared when the search for the next deadline
//!   comes across it. So unlinking needs the node alone, whoever drops it and whenever.

use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr::NonNull;

use crate::Ticks;
use crate::timer_node::{Link, Node};

const BITS: u32 = 6;
const LISTS: usize = 1 << BITS;
const LEVELS: usize = 6;
/// What 32 bits leave for the last level.
const TOP_LISTS: usize = 1 << (u32::BITS - (LEVELS as u32 - 1) * BITS);

struct Level([Link; LISTS]);

/// The timers of one loop. It stays where it is while nodes are linked.
pub(crate) struct Wheel {
    elapsed: Cell<Ticks>,
    occupied: [Cell<u64>; LEVELS],
    levels: [Cell<Option<NonNull<Level>>>; LEVELS],
    /// Nodes whose deadline has come, in the order in which they fire.
    due: Link,
    cascade: Cell<Option<Expiry>>,
    /// Nothing has been armed since the wheel was last found empty.
    idle: Cell<bool>,
    /// The loop is ending, or has ended: nothing may be linked any more.
    closed: Cell<bool>,
    /// Distinguishes this loop's wheel from every other one; never 0.
    id: Cell<u32>,
}

/// A list whose start is the next thing to come.
#[derive(Clone, Copy)]
struct Expiry {
    level: usize,
    index: usize,
    start: Ticks,
}

impl Level {
    fn new() -> NonNull<Level> {
        let level = NonNull::from(Box::leak(Box::new(Level([const { Link::new() }; LISTS]))));
        // SAFETY: U9. It has just been made. The heads point at themselves, so only now that it is no box any more, which would
        // claim to be the one way to reach them.
        for head in unsafe { &level.as_ref().0 } {
            head.close();
        }
        level
    }
}

impl Wheel {
    pub(crate) const fn new() -> Wheel {
        Wheel {
            elapsed: Cell::new(Ticks::from_millis(0)),
            occupied: [const { Cell::new(0) }; LEVELS],
            levels: [const { Cell::new(None) }; LEVELS],
            due: Link::new(),
            cascade: Cell::new(None),
            idle: Cell::new(true),
            closed: Cell::new(false),
            id: Cell::new(0),
        }
    }

    /// Begins a life as the wheel `id`, which no other one that exists has.
    pub(crate) fn open(&self, id: u32) {
        self.id.set(id);
        self.closed.set(false);
        self.due.close();
    }

    /// Which wheel this is; see [`open`](Wheel::open).
    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id.get()
    }

    /// Whether there is nothing to ask the clock for.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle.get()
    }

    /// Arms a node, which is pinned and not armed, for `deadline`, at most [`FARTHEST`](crate::timer_node::FARTHEST) after `now`. A deadline that has
    /// passed fires in the next pass.
    #[inline]
    pub(crate) fn arm(&self, node: &Node, deadline: Ticks, now: Ticks) {
        if self.idle.replace(false) {
            if self.closed.get() {
                self.idle.set(true);
                return; // it would never fire
            }
            self.elapsed.set(now.wrapping_sub(1)); // the clock may have been rounded up
        }
        node.set_deadline(deadline);
        node.join(self.id.get());
        let done = match self.cascade.get() {
            Some(expiry) => expiry.start.wrapping_sub(1),
            None => self.elapsed.get(),
        };
        // By way of `now`, because `done` may be so far behind that the whole way is more than half of the clock's range.
        if i64::from(deadline.diff(now)) + i64::from(now.diff(done)) <= 0 {
            self.due.push_back(node);
        } else {
            self.place(node, self.elapsed.get());
        }
    }

    /// Puts a node into the list that it belongs to at the time `from`, which is before its deadline by less than three quarters
    /// of the clock's range.
    #[inline]
    fn place(&self, node: &Node, from: Ticks) {
        let deadline = node.deadline();
        let highest = (deadline.as_millis() ^ from.as_millis()).ilog2();
        let level = (highest / BITS) as usize;
        let index = (deadline.as_millis() >> (level as u32 * BITS)) as usize % LISTS;
        self.occupied[level].set(self.occupied[level].get() | 1 << index);
        self.list(level, index).push_back(node);
    }

    #[inline]
    fn list(&self, level: usize, index: usize) -> &Link {
        let lists = self.levels[level].get().unwrap_or_else(|| self.add_level(level));
        // SAFETY: U9. A level is freed by `close` alone, after which nothing is armed.
        unsafe { &lists.as_ref().0[index] }
    }

    #[cold]
    fn add_level(&self, level: usize) -> NonNull<Level> {
        let lists = Level::new();
        self.levels[level].set(Some(lists));
        lists
    }

    /// The list that comes next; on the way, forgets lists that have become empty.
    fn next_expiry(&self) -> Option<Expiry> {
        if let Some(expiry) = self.cascade.get() {
            return Some(expiry);
        }
        for level in 0..LEVELS {
            let shift = level as u32 * BITS;
            loop {
                let bits = self.occupied[level].get();
                if bits == 0 {
                    break;
                }
                let index = self.first_after(level, bits);
                if self.list(level, index).is_empty() {
                    self.occupied[level].set(bits & !(1 << index));
                    continue;
                }
                // Within the same round of this level as `elapsed`, except on the last level, which wraps around.
                let round = u32::MAX.checked_shl(shift + BITS).unwrap_or(0);
                let start = (self.elapsed.get().as_millis() & round) | (index as u32) << shift;
                let start = Ticks::from_millis(start);
                return Some(Expiry { level, index, start });
            }
        }
        None
    }

    /// The first occupied list of a level from the wheel's time on. Only the last level wraps around: on the others, lists
    /// before that time are empty.
    fn first_after(&self, level: usize, bits: u64) -> usize {
        if level < LEVELS - 1 {
            return bits.trailing_zeros() as usize;
        }
        let now = (self.elapsed.get().as_millis() >> (level as u32 * BITS)) as usize;
        let round = bits | bits << TOP_LISTS;
        ((round >> now).trailing_zeros() as usize + now) % TOP_LISTS
    }

    /// When the next timer is due, or the next cascade, which may be earlier; a list of one timer tells its exact time.
    pub(crate) fn next_deadline(&self) -> Option<Ticks> {
        if !self.due.is_empty() || self.cascade.get().is_some() {
            return Some(self.elapsed.get());
        }
        let Some(expiry) = self.next_expiry() else {
            self.idle.set(true);
            return None;
        };
        let list = self.list(expiry.level, expiry.index);
        match list.front() {
            Some(only) if list.is_single() => Some(only.deadline()),
            _ => Some(expiry.start),
        }
    }

    /// Fires what is due at `now`, in order of deadlines, moving and firing at most `limit` nodes.
    ///
    /// A waker that panics has fired; the next call goes on behind it.
    pub(crate) fn advance(&self, now: Ticks, limit: usize) {
        let mut left = limit;
        loop {
            while let Some(node) = self.due.front() {
                if left == 0 {
                    return;
                }
                left -= 1;
                if let Some(waker) = node.fire() {
                    waker.wake();
                }
            }
            let Some(expiry) = self.next_expiry().filter(|expiry| expiry.start.diff(now) <= 0) else {
                if self.elapsed.get().is_before(now) {
                    self.elapsed.set(now);
                }
                return;
            };
            let list = self.list(expiry.level, expiry.index);
            if expiry.level == 0 {
                self.due.append(list);
            } else {
                self.cascade.set(Some(expiry));
                while let Some(node) = list.front() {
                    if left == 0 {
                        return;
                    }
                    left -= 1;
                    node.unlink();
                    if node.deadline() == expiry.start {
                        self.due.push_back(node);
                    } else {
                        self.place(node, expiry.start);
                    }
                }
                self.cascade.set(None);
            }
            let occupied = &self.occupied[expiry.level];
            occupied.set(occupied.get() & !(1 << expiry.index));
            self.elapsed.set(expiry.start);
        }
    }

    /// Ends the wheel: every node is unlinked and its waker woken, so that a loop that still polls it arms it anew.
    pub(crate) fn close(&self) {
        self.closed.set(true); // what the wakers below arm would be left in memory that is gone
        self.cascade.set(None);
        self.idle.set(true);
        for level in 0..LEVELS {
            self.occupied[level].set(0);
            if let Some(lists) = self.levels[level].get() {
                // SAFETY: U9, as in `list`.
                unsafe { lists.as_ref() }.0.iter().for_each(|list| self.due.append(list));
            }
        }
        while let Some(node) = self.due.front() {
            node.join(0);
            if let Some(waker) = node.fire() {
                let _unwound = crate::task_error::catch(|| waker.wake());
            }
        }
        for level in &self.levels {
            if let Some(lists) = level.take() {
                // SAFETY: U9. It came from `Box::leak`, and no node is linked to it any more.
                drop(unsafe { Box::from_raw(lists.as_ptr()) });
            }
        }
    }
}

#[cfg(all(test, not(loom), feature = "std"))]
mod tests;
