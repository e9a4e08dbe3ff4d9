//! A bare hierarchical timer wheel: 6 levels of 64 slots, a tick of one millisecond, first in, first out among equals.
//!
//! Nodes live in one vector and link each other by index, so there is no `unsafe` here. The first 384 nodes are the heads
//! of the circular lists of the slots.

use std::task::Waker;

const LEVELS: usize = 6;
const SLOTS: usize = 64;
const FREE: u16 = u16::MAX;
const FIRED: u16 = u16::MAX - 1;

/// The name of an armed timer.
pub type Key = u32;

struct Node {
    next: u32,
    previous: u32,
    deadline: u32,
    slot: u16,
    waker: Option<Waker>,
}

pub struct Wheel {
    now: u32,
    armed: usize,
    occupied: [u64; LEVELS],
    nodes: Vec<Node>,
    free: u32,
}

impl Wheel {
    pub fn new() -> Wheel {
        let head = |slot| Node { next: slot as u32, previous: slot as u32, deadline: 0, slot: slot as u16, waker: None };
        Wheel { now: 0, armed: 0, occupied: [0; LEVELS], nodes: (0..LEVELS * SLOTS).map(head).collect(), free: u32::MAX }
    }

    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    pub fn insert(&mut self, deadline: u32, waker: Waker) -> Key {
        let deadline = deadline.max(self.now + 1);
        let key = if self.free == u32::MAX {
            self.nodes.push(Node { next: 0, previous: 0, deadline, slot: FREE, waker: Some(waker) });
            self.nodes.len() as u32 - 1
        } else {
            let key = self.free;
            let node = &mut self.nodes[key as usize];
            self.free = node.next;
            node.deadline = deadline;
            node.waker = Some(waker);
            key
        };
        self.armed += 1;
        self.link(key);
        key
    }

    /// Gives the timer up, fired or not.
    pub fn remove(&mut self, key: Key) {
        let slot = self.nodes[key as usize].slot;
        if slot != FIRED {
            self.unlink(key);
            self.armed -= 1;
        }
        let node = &mut self.nodes[key as usize];
        node.slot = FREE;
        node.waker = None;
        node.next = self.free;
        self.free = key;
    }

    pub fn has_fired(&self, key: Key) -> bool {
        self.nodes[key as usize].slot == FIRED
    }

    /// The earliest moment at which `advance` has something to do.
    pub fn next_event(&self) -> Option<u32> {
        self.next_slot().map(|(_, when)| when)
    }

    /// Wakes what is due at `now`, in the order of the deadlines.
    pub fn advance(&mut self, now: u32) {
        while let Some((slot, when)) = self.next_slot().filter(|&(_, when)| when <= now) {
            self.now = when;
            while self.nodes[slot].next != slot as u32 {
                let key = self.nodes[slot].next;
                self.unlink(key);
                let node = &mut self.nodes[key as usize];
                if node.deadline <= when {
                    node.slot = FIRED;
                    self.armed -= 1;
                    if let Some(waker) = node.waker.take() {
                        waker.wake();
                    }
                } else {
                    self.link(key);
                }
            }
        }
        self.now = self.now.max(now);
    }

    /// The slot that comes next and its start. A slot of a lower level always comes before those of a higher one.
    fn next_slot(&self) -> Option<(usize, u32)> {
        let level = self.occupied.iter().position(|&occupied| occupied != 0)?;
        let shift = 6 * level;
        let here = (self.now >> shift) as usize % SLOTS;
        let slot = (here + self.occupied[level].rotate_right(here as u32).trailing_zeros() as usize) % SLOTS;
        let start = (self.now >> shift >> 6 << 6 | slot as u32) << shift;
        Some((level * SLOTS + slot, start))
    }

    fn link(&mut self, key: u32) {
        let deadline = self.nodes[key as usize].deadline;
        let level = ((deadline ^ self.now) | 63).ilog2() as usize / 6;
        let level = level.min(LEVELS - 1);
        let slot = (deadline >> (6 * level)) as usize % SLOTS;
        self.occupied[level] |= 1 << slot;
        let head = level * SLOTS + slot;
        let last = std::mem::replace(&mut self.nodes[head].previous, key);
        self.nodes[last as usize].next = key;
        let node = &mut self.nodes[key as usize];
        (node.previous, node.next, node.slot) = (last, head as u32, head as u16);
    }

    fn unlink(&mut self, key: u32) {
        let Node { next, previous, slot, .. } = self.nodes[key as usize];
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        if next == previous && next == u32::from(slot) {
            self.occupied[usize::from(slot) / SLOTS] &= !(1 << (usize::from(slot) % SLOTS));
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
    fn every_timer_fires_at_its_own_millisecond_and_removed_ones_never() {
        let mut wheel = Wheel::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let mut seed = 7u32;
        let mut timers = Vec::new();
        let mut now = 0;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match seed >> 29 {
                0 if !timers.is_empty() => {
                    let (key, _) = timers.swap_remove(seed as usize % timers.len());
                    wheel.remove(key);
                }
                1 => {
                    now += (seed >> 8) % 5_000;
                    wheel.advance(now);
                    timers.retain(|&(key, deadline)| {
                        assert_eq!(wheel.has_fired(key), deadline <= now);
                        if deadline <= now {
                            wheel.remove(key);
                        }
                        deadline > now
                    });
                    assert!(wheel.next_event().is_none_or(|when| when > now));
                }
                _ => {
                    let deadline = now + 1 + (seed >> 4) % 300_000;
                    timers.push((wheel.insert(deadline, count.clone().into()), deadline));
                }
            }
        }
        assert_eq!(wheel.is_empty(), timers.is_empty());
        assert!(count.0.load(Ordering::Relaxed) > 1_000);
    }
}
