//! The heap of this program: 6 KB of the RAM, by the crate `embedded-alloc`.

use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

const SIZE: usize = 6 * 1024;

/// Gives the heap its memory, before anything is allocated.
///
/// # Panics
///
/// When it has it already.
pub(crate) fn start() {
    // SAFETY: F8. The macro's memory is a `static` of its own, and a second call panics.
    unsafe {
        embedded_alloc::init!(HEAP, SIZE);
    }
}

/// How many bytes are taken.
pub(crate) fn used() -> usize {
    HEAP.used()
}
