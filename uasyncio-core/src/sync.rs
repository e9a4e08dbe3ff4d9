//! Atomics, from `core` or, when the models run, from `loom`; on a target without compare-and-swap, from critical sections.

#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
#[cfg(all(loom, feature = "alloc"))]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32};

#[cfg(all(not(loom), any(feature = "alloc", not(feature = "critical-section"))))]
pub(crate) use word::AtomicBool;
#[cfg(all(not(loom), not(all(feature = "critical-section", not(feature = "std")))))]
pub(crate) use word::AtomicU8;
#[cfg(all(not(loom), any(target_has_atomic = "ptr", feature = "critical-section")))]
pub(crate) use word::AtomicUsize;
#[cfg(not(loom))]
pub(crate) use word::Ordering;
#[cfg(all(not(loom), feature = "alloc"))]
pub(crate) use word::{AtomicPtr, AtomicU32};

/// Atomics that are in a `static`, which `loom` has none of.
#[cfg(any(target_has_atomic = "ptr", not(feature = "critical-section")))]
pub(crate) use core::sync::atomic as word;
#[cfg(not(any(target_has_atomic = "ptr", not(feature = "critical-section"))))]
pub(crate) use portable_atomic as word;

/// Gives another thread the chance to get on with what this one waits for.
#[cfg(feature = "alloc")]
pub(crate) fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(all(not(loom), feature = "std"))]
    std::thread::yield_now();
    #[cfg(all(not(loom), not(feature = "std")))]
    core::hint::spin_loop();
}

/// `core`'s cell with the interface of `loom`'s, which wants to see each access.
#[cfg(not(loom))]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(core::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

#[cfg(all(test, loom))]
pub(crate) mod models;
