//! Blocks for the buffers of streams on the heap.
//!
//! With `std` each thread has a pool: it keeps at most [`POOLED`] blocks of [`BLOCK`] bytes, and the one that came back last in a
//! place of its own, because it is mostly the next to go; more than that go back to the allocator. Without `std` there are
//! no threads to have one, and heaps are small: then the blocks are, too, and come straight from the allocator.

use alloc::boxed::Box;
use alloc::vec;

/// The size of a block in bytes: what a buffer begins with.
pub(crate) const BLOCK: usize = if cfg!(feature = "std") { 8 * 1024 } else { 256 };

fn new_block() -> Box<[u8]> {
    vec![0; BLOCK].into_boxed_slice()
}

#[cfg(not(feature = "std"))]
pub(crate) fn take_block() -> Box<[u8]> {
    new_block()
}

#[cfg(not(feature = "std"))]
pub(crate) fn give_back(_: Box<[u8]>) {}

#[cfg(feature = "std")]
pub(crate) use of_thread::{give_back, take_block};

#[cfg(feature = "std")]
mod of_thread {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::cell::{Cell, RefCell};
    use std::thread_local;

    use super::{BLOCK, new_block};

    /// How many blocks the pool of a thread keeps, but for one: 256 KiB.
    const POOLED: usize = 32;

    struct Pool {
        last: Cell<Option<Box<[u8]>>>,
        others: RefCell<Vec<Box<[u8]>>>,
    }

    thread_local! {
        static POOL: Pool = const { Pool { last: Cell::new(None), others: RefCell::new(Vec::new()) } };
    }

    #[inline]
    pub(crate) fn take_block() -> Box<[u8]> {
        // The pool is gone while a thread ends: then blocks come from the allocator.
        let last = POOL.try_with(|pool| pool.last.take()).ok().flatten();
        last.unwrap_or_else(take_other_block)
    }

    #[cold]
    fn take_other_block() -> Box<[u8]> {
        let other = POOL.try_with(|pool| pool.others.borrow_mut().pop()).ok().flatten();
        other.unwrap_or_else(new_block)
    }

    #[inline]
    pub(crate) fn give_back(block: Box<[u8]>) {
        if block.len() == BLOCK {
            // The error stands for a thread that ends, as above.
            let other = POOL.try_with(|pool| pool.last.replace(Some(block)));
            if let Ok(Some(other)) = other {
                give_back_other(other);
            }
        }
    }

    #[cold]
    fn give_back_other(block: Box<[u8]>) {
        let _ = POOL.try_with(|pool| {
            let mut others = pool.others.borrow_mut();
            if others.len() < POOLED {
                others.push(block);
            }
        });
    }

    #[test]
    fn a_pool_is_bounded_and_takes_nothing_but_blocks() {
        give_back(alloc::vec![0; BLOCK + 1].into_boxed_slice());
        let blocks: Vec<_> = (0..2 * POOLED).map(|_| take_block()).collect();
        blocks.into_iter().for_each(give_back);
        POOL.with(|pool| {
            let others = pool.others.borrow();
            assert_eq!(others.len(), POOLED);
            assert!(others.iter().all(|block| block.len() == BLOCK));
            assert_eq!(pool.last.take().map(|block| block.len()), Some(BLOCK));
        });
    }
}
