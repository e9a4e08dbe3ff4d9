//! An atomic word for targets that can load and store one, but not compare and swap: changes are critical sections.
//!
//! It has the operations that [`SharedWaker`](crate::SharedWaker) and [`SharedRing`](crate::SharedRing) need. Orderings are those
//! of the critical sections, which are at least release and acquire.

use core::sync::atomic::{AtomicUsize as Word, Ordering};

pub(crate) struct AtomicUsize(Word);

impl AtomicUsize {
    pub(crate) const fn new(value: usize) -> AtomicUsize {
        AtomicUsize(Word::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.0.load(order)
    }

    /// In a critical section too, or another core's change could overtake it.
    pub(crate) fn store(&self, value: usize, _order: Ordering) {
        self.change(|_| Some(value)).ok();
    }

    pub(crate) fn fetch_or(&self, bits: usize, _order: Ordering) -> usize {
        self.change(|now| Some(now | bits)).unwrap_or_else(|now| now)
    }

    pub(crate) fn fetch_and(&self, bits: usize, _order: Ordering) -> usize {
        self.change(|now| Some(now & bits)).unwrap_or_else(|now| now)
    }

    pub(crate) fn compare_exchange(&self, now: usize, new: usize, _: Ordering, _: Ordering) -> Result<usize, usize> {
        self.change(|found| (found == now).then_some(new))
    }

    pub(crate) fn compare_exchange_weak(&self, now: usize, new: usize, _: Ordering, _: Ordering) -> Result<usize, usize> {
        self.change(|found| (found == now).then_some(new))
    }

    /// `Ok` with what was there before, or `Err` with what is there still.
    fn change(&self, new: impl FnOnce(usize) -> Option<usize>) -> Result<usize, usize> {
        critical_section::with(|_| {
            let before = self.0.load(Ordering::Acquire);
            match new(before) {
                Some(new) => {
                    self.0.store(new, Ordering::Release);
                    Ok(before)
                }
                None => Err(before),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AtomicUsize, Ordering::SeqCst};

    #[test]
    fn it_does_what_the_atomic_does() {
        let word = AtomicUsize::new(1);
        assert_eq!((word.fetch_or(6, SeqCst), word.fetch_and(5, SeqCst)), (1, 7));
        assert_eq!(word.compare_exchange(1, 7, SeqCst, SeqCst), Err(5));
        assert_eq!(word.compare_exchange(5, 7, SeqCst, SeqCst), Ok(5));
        assert_eq!(word.compare_exchange_weak(7, 8, SeqCst, SeqCst), Ok(7));
        word.store(2, SeqCst);
        assert_eq!(word.load(SeqCst), 2);
    }

    #[test]
    fn changes_by_several_threads_are_all_there() {
        let word = AtomicUsize::new(0);
        let rounds = if cfg!(miri) { 20 } else { 10_000 };
        let count_up = || {
            for _ in 0..rounds {
                let mut now = word.load(SeqCst);
                while let Err(found) = word.compare_exchange_weak(now, now + 1, SeqCst, SeqCst) {
                    now = found;
                }
            }
        };
        std::thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(count_up))));
        assert_eq!(word.load(SeqCst), 3 * rounds);
    }
}
