//! A bare hierarchical timer wheel: 6 levels of 64 slots, a tick of one millisecond, first in, first out among equals.
//!
//! Nodes stand where their owners have pinned them and are linked in circular lists, one list for each slot.
//!
//! Invariants:
//! * LINK: what a link points at is alive: heads belong to the wheel, which is `'static`, and a node is unlinked by its drop, which
//!   comes before its memory goes, since it is pinned.
//! * THREAD: a wheel and its nodes are used on one thread; the types are neither `Send` nor `Sync`.

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;
use std::task::Waker;

const LEVELS: usize = 6;
const SLOTS: usize = 64;
/// The slots of nodes that are in none.
const UNARMED: u16 = u16::MAX;
const FIRED: u16 = u16::MAX - 1;

struct Link {
    next: Cell<*const Link>,
    previous: Cell<*const Link>,
}

/// A timer. The link comes first, so that a pointer to it is one to the node.
#[repr(C)]
pub struct Node {
    link: Link,
    deadline: Cell<u32>,
    slot: Cell<u16>,
    waker: Cell<Option<Waker>>,
    wheel: Cell<Option<&'static Wheel>>,
    _pinned: PhantomPinned,
}

impl Link {
    const fn unlinked() -> Link {
        Link { next: Cell::new(ptr::null()), previous: Cell::new(ptr::null()) }
    }
}

impl Node {
    pub const fn new() -> Node {
        Node {
            link: Link::unlinked(),
            deadline: Cell::new(0),
            slot: Cell::new(UNARMED),
            waker: Cell::new(None),
            wheel: Cell::new(None),
            _pinned: PhantomPinned,
        }
    }

    pub fn is_unarmed(&self) -> bool {
        self.slot.get() == UNARMED
    }

    pub fn has_fired(&self) -> bool {
        self.slot.get() == FIRED
    }

    /// Gives the timer up, fired or not.
    pub fn disarm(&self) {
        let slot = self.slot.replace(UNARMED);
        if let (Some(wheel), false) = (self.wheel.get(), slot == UNARMED || slot == FIRED) {
            wheel.unlink(&self.link, slot);
            wheel.armed.set(wheel.armed.get() - 1);
            self.waker.set(None);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.disarm();
    }
}

pub struct Wheel {
    now: Cell<u32>,
    armed: Cell<usize>,
    occupied: [Cell<u64>; LEVELS],
    heads: [Link; LEVELS * SLOTS],
}

impl Wheel {
    pub fn leak() -> &'static Wheel {
        let wheel: &'static Wheel = Box::leak(Box::new(Wheel {
            now: Cell::new(0),
            armed: Cell::new(0),
            occupied: [const { Cell::new(0) }; LEVELS],
            heads: [const { Link::unlinked() }; LEVELS * SLOTS],
        }));
        for head in &wheel.heads {
            head.next.set(head);
            head.previous.set(head);
        }
        wheel
    }

    pub fn is_empty(&self) -> bool {
        self.armed.get() == 0
    }

    /// Arms a node that is not armed.
    pub fn arm(&'static self, node: Pin<&Node>, deadline: u32, waker: Waker) {
        node.deadline.set(deadline.max(self.now.get() + 1));
        node.waker.set(Some(waker));
        node.wheel.set(Some(self));
        self.armed.set(self.armed.get() + 1);
        self.link(&node);
    }

    /// The earliest moment at which `advance` has something to do.
    pub fn next_event(&self) -> Option<u32> {
        self.next_slot().map(|(_, when)| when)
    }

    /// Wakes what is due at `now`, in the order of the deadlines.
    pub fn advance(&self, now: u32) {
        while let Some((slot, when)) = self.next_slot().filter(|&(_, when)| when <= now) {
            self.now.set(when);
            loop {
                let first = self.heads[slot].next.get();
                if ptr::eq(first, &self.heads[slot]) {
                    break;
                }
                // SAFETY: LINK; only heads are not at the beginning of a node, and this is not its list's head.
                let node = unsafe { &*first.cast::<Node>() };
                self.unlink(&node.link, slot as u16);
                if node.deadline.get() <= when {
                    node.slot.set(FIRED);
                    self.armed.set(self.armed.get() - 1);
                    if let Some(waker) = node.waker.take() {
                        waker.wake();
                    }
                } else {
                    self.link(node);
                }
            }
        }
        self.now.set(self.now.get().max(now));
    }

    /// The slot that comes next and its start. A slot of a lower level always comes before those of a higher one.
    fn next_slot(&self) -> Option<(usize, u32)> {
        let level = self.occupied.iter().position(|occupied| occupied.get() != 0)?;
        let shift = 6 * level;
        let here = (self.now.get() >> shift) as usize % SLOTS;
        let turned = self.occupied[level].get().rotate_right(here as u32);
        let slot = (here + turned.trailing_zeros() as usize) % SLOTS;
        let start = ((self.now.get() >> shift >> 6 << 6) | slot as u32) << shift;
        Some((level * SLOTS + slot, start))
    }

    fn link(&self, node: &Node) {
        let deadline = node.deadline.get();
        let level = ((deadline ^ self.now.get()) | 63).ilog2() as usize / 6;
        let level = level.min(LEVELS - 1);
        let slot = (deadline >> (6 * level)) as usize % SLOTS;
        self.occupied[level].set(self.occupied[level].get() | 1 << slot);
        let head = &self.heads[level * SLOTS + slot];
        // From the node, not from its link: the pointer must reach all of it.
        let link = ptr::from_ref(node).cast::<Link>();
        let last = head.previous.replace(link);
        // SAFETY: LINK.
        unsafe { (*last).next.set(link) };
        node.link.previous.set(last);
        node.link.next.set(head);
        node.slot.set((level * SLOTS + slot) as u16);
    }

    fn unlink(&self, link: &Link, slot: u16) {
        let (next, previous) = (link.next.get(), link.previous.get());
        // SAFETY: LINK.
        unsafe {
            (*previous).next.set(next);
            (*next).previous.set(previous);
        }
        if ptr::eq(next, previous) {
            // Only a head is on both sides.
            let (level, slot) = (usize::from(slot) / SLOTS, usize::from(slot) % SLOTS);
            self.occupied[level].set(self.occupied[level].get() & !(1 << slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn every_timer_fires_at_its_own_millisecond_and_dropped_ones_never() {
        let wheel = Wheel::leak();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let mut seed = 7u32;
        let mut timers: Vec<(Pin<Box<Node>>, u32)> = Vec::new();
        let (mut now, mut due) = (0, 0);
        for _ in 0..if cfg!(miri) { 400 } else { 20_000 } {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match seed >> 29 {
                0 if !timers.is_empty() => drop(timers.swap_remove(seed as usize % timers.len())),
                1 => {
                    now += (seed >> 8) % 5_000;
                    wheel.advance(now);
                    timers.retain(|(node, deadline)| {
                        assert_eq!(node.has_fired(), *deadline <= now);
                        due += usize::from(*deadline <= now);
                        *deadline > now
                    });
                    assert!(wheel.next_event().is_none_or(|when| when > now));
                }
                _ => {
                    let deadline = now + 1 + (seed >> 4) % 300_000;
                    let node = Box::pin(Node::new());
                    wheel.arm(node.as_ref(), deadline, count.clone().into());
                    timers.push((node, deadline));
                }
            }
        }
        assert_eq!(wheel.is_empty(), timers.is_empty());
        assert_eq!(count.0.load(Ordering::Relaxed), due);
        assert!(due > if cfg!(miri) { 10 } else { 1_000 });
    }
}
