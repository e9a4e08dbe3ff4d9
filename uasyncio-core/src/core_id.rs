//! Which core this is, on machines that run loops on several of them without `std`.

/// Says on which core, or in which thread, the caller is. See [`set_core_id`](crate::set_core_id).
///
/// # Safety
///
/// `core_id` gives the same number whenever it is called on one core, also in its interrupts, and another one on every other core, at
/// most [`CORES`]` - 1`. Where there are threads, that is so for them too, with a core for each.
pub unsafe trait CoreId {
    /// The number of the core on which this is called.
    fn core_id() -> usize;
}

/// How many cores there may be.
pub const CORES: usize = 8;

/// Names the [`CoreId`] of the program. Once in the program, with the feature `multi-core`.
///
/// ```
/// use uasyncio_core::{CoreId, set_core_id};
///
/// struct Chip;
///
/// // SAFETY: the register tells the core that reads it, 0 or 1.
/// unsafe impl CoreId for Chip {
///     fn core_id() -> usize {
///         # const SIO_CPUID: usize = 0;
///         SIO_CPUID
///     }
/// }
///
/// set_core_id!(Chip);
/// ```
#[macro_export]
macro_rules! set_core_id {
    ($chip:ty) => {
        #[unsafe(no_mangle)]
        fn _uasyncio_core_id() -> usize {
            <$chip as $crate::CoreId>::core_id()
        }
    };
}

/// The number of this core.
#[cfg(not(feature = "std"))]
#[inline]
pub(crate) fn core_id() -> usize {
    // SAFETY: U19.
    unsafe extern "Rust" {
        safe fn _uasyncio_core_id() -> usize;
    }
    _uasyncio_core_id()
}
