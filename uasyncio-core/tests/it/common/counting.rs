//! A global allocator that counts what the present thread asks for. Only for the files that need it: each test program that
//! includes this must make it its `#[global_allocator]`.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub(crate) struct CountingAllocator;

/// What was asked for: calls, and bytes as requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heap {
    pub(crate) allocations: usize,
    /// Allocated and not given back; may be negative for a thread that frees what others have allocated.
    pub(crate) bytes: isize,
}

thread_local! {
    static HEAP: Cell<Heap> = const { Cell::new(Heap { allocations: 0, bytes: 0 }) };
}

fn count(allocations: usize, bytes: isize) {
    let heap = HEAP.get();
    HEAP.set(Heap { allocations: heap.allocations + allocations, bytes: heap.bytes + bytes });
}

// SAFETY: everything is passed on to the system's allocator as it came; the counters neither allocate nor unwind.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// What this thread has asked for so far.
pub(crate) fn heap() -> Heap {
    HEAP.get()
}

/// What this thread asks for while `work` runs.
pub(crate) fn heap_during<T>(work: impl FnOnce() -> T) -> (Heap, T) {
    let before = heap();
    let result = work();
    (since(before), result)
}

/// What this thread has asked for since then.
pub(crate) fn since(before: Heap) -> Heap {
    let now = heap();
    Heap { allocations: now.allocations - before.allocations, bytes: now.bytes - before.bytes }
}
