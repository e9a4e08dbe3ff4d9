//! A bounded queue between threads and interrupts, without locks.
//!
//! Each cell has a *turn*: a lap number, and whether an item is in it. Two positions, `tail` for the next push and `head` for the
//! next pop, say a lap and a cell each.
//!
//! ```text
//! push at tail = (lap, cell)                          pop at head = (lap, cell)
//! 1  the cell's turn is (lap, empty)? else: 4         1  the cell's turn is (lap, full)? else: 4
//! 2  tail := the next position, if it is as it was    2  head := the next position, if it is as it was
//! 3  write the item; turn := (lap, full)              3  read the item; turn := (next lap, empty)
//! 4  has tail moved? 1. Else give the item back       4  has head moved? 1. Else nothing
//! ```
//!
//! * Exclusive: step 2 succeeds for one party only, and the turn keeps all others off the cell until step 3 of that party.
//! * Visible (U6): step 3 is a release that step 1 of the next user acquires.
//! * Never blocked: a round is made again only when another party has got on. A cell whose user is held up between 2 and 3 looks
//!   full to a push and empty to a pop, so an interrupt that comes at that moment is not kept waiting.
//! * Laps wrap around. What was read must not be compared with what is exactly as many laps later as a word can count.
//!
//! The algorithm is D. Vyukov's bounded queue for many producers and consumers (1024cores.net). His sequence number of a cell is
//! cut in two here, as the positions are: so any number of cells will do, one too, and the numbers may wrap around. The
//! lap beside the index in a position is after `ArrayQueue` of the `crossbeam` crates.

use core::fmt;
use core::mem::MaybeUninit;

use crate::sync::{AtomicUsize, Ordering, UnsafeCell};

/// In a turn: an item is in the cell. The rest of the turn is the lap.
const FULL: usize = 1;

/// A queue of at most `N` items that any thread and any interrupt may push to and pop from.
///
/// No operation blocks, spins on another party or allocates; the queue can be a `static`. Items of one producer are taken in the order
/// in which it pushed them. Push and pop take a few steps; they are repeated only when others push or pop at the same time.
///
/// A push or pop that is interrupted half-way, or whose thread is held up there, keeps its cell busy until it goes on. For
/// that time the queue may look full to a push, and empty to a pop, though it is not. Whoever waits for room or for an item
/// (with a [`SharedWaker`](crate::SharedWaker), say) is to be woken after each pop or push, and so misses nothing.
///
/// On a target without compare-and-swap it is there with the feature `critical-section`.
///
/// ```
/// use uasyncio_core::SharedRing;
///
/// static RECEIVED: SharedRing<u8, 16> = SharedRing::new();
///
/// fn uart_interrupt(byte: u8) {
///     if RECEIVED.push(byte).is_err() {
///         // An overrun: the byte is lost.
///     }
/// }
///
/// std::thread::spawn(|| b"AT".iter().for_each(|byte| uart_interrupt(*byte))).join().unwrap();
/// assert_eq!(RECEIVED.len(), 2);
/// assert_eq!((RECEIVED.pop(), RECEIVED.pop(), RECEIVED.pop()), (Some(b'A'), Some(b'T'), None));
/// ```
pub struct SharedRing<T, const N: usize> {
    head: AtomicUsize,
    tail: AtomicUsize,
    cells: [Slot<T>; N],
}

struct Slot<T> {
    turn: AtomicUsize,
    item: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: U16. Items are moved in and out by one party at a time, so they need be `Send` only.
unsafe impl<T: Send, const N: usize> Sync for SharedRing<T, N> {}
// SAFETY: U16, as above.
unsafe impl<T: Send, const N: usize> Send for SharedRing<T, N> {}

#[cfg(not(loom))]
const _: () = assert!(size_of::<SharedRing<usize, 8>>() == 18 * size_of::<usize>());

impl<T> Slot<T> {
    #[cfg(not(loom))]
    const fn empty() -> Slot<T> {
        Slot { turn: AtomicUsize::new(0), item: UnsafeCell::new(MaybeUninit::uninit()) }
    }
}

impl<T, const N: usize> SharedRing<T, N> {
    /// The distance of laps in positions and turns: beyond every index, and beyond [`FULL`]. A power of two, so that laps wrap
    /// around with the word.
    const LAP: usize = {
        assert!(0 < N && N <= usize::MAX / 4, "a ring has at least one cell");
        if N == 1 { 2 } else { N.next_power_of_two() }
    };

    /// An empty queue. `N` must not be zero; the compiler says so.
    #[cfg(not(loom))]
    pub const fn new() -> SharedRing<T, N> {
        let () = assert!(Self::LAP > 1);
        SharedRing { head: AtomicUsize::new(0), tail: AtomicUsize::new(0), cells: [const { Slot::empty() }; N] }
    }

    /// An empty queue. `N` must not be zero; the compiler says so.
    #[cfg(loom)]
    pub fn new() -> SharedRing<T, N> {
        SharedRing::in_lap(0)
    }

    /// An empty queue that has gone round so many times.
    #[cfg(any(loom, all(test, feature = "alloc")))]
    fn in_lap(lap: usize) -> SharedRing<T, N> {
        let start = lap.wrapping_mul(Self::LAP);
        let cell = |_| Slot { turn: AtomicUsize::new(start), item: UnsafeCell::new(MaybeUninit::uninit()) };
        SharedRing { head: AtomicUsize::new(start), tail: AtomicUsize::new(start), cells: core::array::from_fn(cell) }
    }

    /// Appends an item.
    ///
    /// # Errors
    ///
    /// The item comes back if there is no room, or if the next cell is busy.
    pub fn push(&self, item: T) -> Result<(), T> {
        let Some((cell, lap)) = self.claim(&self.tail, 0) else { return Err(item) };
        // SAFETY: U16. The cell is empty and ours until its turn changes.
        cell.item.with_mut(|place| unsafe { (*place).write(item) });
        cell.turn.store(lap.wrapping_add(FULL), Ordering::Release);
        Ok(())
    }

    /// Takes the oldest item. `None` if there is none, or if the push of the oldest is not finished.
    pub fn pop(&self) -> Option<T> {
        let (cell, lap) = self.claim(&self.head, FULL)?;
        // SAFETY: U16. The cell is full and ours until its turn changes.
        let item = cell.item.with_mut(|place| unsafe { (*place).assume_init_read() });
        cell.turn.store(lap.wrapping_add(Self::LAP), Ordering::Release);
        Some(item)
    }

    /// How many items there are. A number to look at: while others push and pop it may be out of date at once.
    pub fn len(&self) -> usize {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        let laps = (tail & !Self::INDEX).wrapping_sub(head & !Self::INDEX) / Self::LAP;
        let items = laps.wrapping_mul(N).wrapping_add(tail & Self::INDEX).wrapping_sub(head & Self::INDEX);
        items.min(N) // the head may have moved before the tail was read
    }

    /// Whether there are no items; like [`len`](SharedRing::len), for a look.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items there is room for: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }

    const INDEX: usize = Self::LAP - 1;

    /// Steps 1, 2 and 4: makes the cell at `position` ours, if it is (of this lap and) full or empty as wanted, and gives it with the
    /// lap.
    fn claim(&self, position: &AtomicUsize, wanted: usize) -> Option<(&Slot<T>, usize)> {
        let mut now = position.load(Ordering::Relaxed);
        loop {
            let (index, lap) = (now & Self::INDEX, now & !Self::INDEX);
            let cell = &self.cells[index];
            if cell.turn.load(Ordering::Acquire) == lap.wrapping_add(wanted) {
                let next = if index + 1 < N { now + 1 } else { lap.wrapping_add(Self::LAP) };
                match position.compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Some((cell, lap)),
                    Err(moved) => now = moved,
                }
            } else {
                // If others have had the cell since, their move of the position is visible with the turn.
                let moved = position.load(Ordering::Relaxed);
                if moved == now {
                    return None;
                }
                now = moved;
            }
        }
    }
}

impl<T, const N: usize> Default for SharedRing<T, N> {
    fn default() -> SharedRing<T, N> {
        SharedRing::new()
    }
}

impl<T, const N: usize> Drop for SharedRing<T, N> {
    fn drop(&mut self) {
        while let Some(item) = self.pop() {
            drop(item);
        }
    }
}

impl<T, const N: usize> fmt::Debug for SharedRing<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRing").field("len", &self.len()).field("capacity", &N).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom), feature = "alloc"))]
mod tests;
