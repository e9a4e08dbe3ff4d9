//! Which loop is running here, and which thread "here" is.
//!
//! There are two kinds. A loop on the heap is never freed, and its turns nest; it comes first. A static loop has what belongs to a run on
//! the stack of that run, and nests in nothing, so that there is at most one `Turn` on a thread, or on a core.

#[cfg(feature = "alloc")]
use crate::state::LoopState;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
use crate::static_loop::Turn;

#[cfg(all(feature = "alloc", feature = "std"))]
mod hosted {
    use super::LoopState;
    use core::cell::Cell;
    use core::sync::atomic::{AtomicUsize, Ordering};

    std::thread_local! {
        static CURRENT: Cell<Option<&'static LoopState>> = const { Cell::new(None) };
        static TOKEN: Cell<usize> = const { Cell::new(0) };
    }

    /// The loop whose turn is on this thread's stack, the innermost one if there are several.
    #[inline]
    pub(crate) fn get() -> Option<&'static LoopState> {
        CURRENT.get()
    }

    /// Makes another loop the current one, or none; gives back what was.
    pub(crate) fn replace(state: Option<&'static LoopState>) -> Option<&'static LoopState> {
        CURRENT.replace(state)
    }

    /// A number for this thread that no other one gets, even after this one has ended (invariant U2).
    pub(crate) fn thread() -> Option<usize> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        if TOKEN.get() == 0 {
            TOKEN.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        Some(TOKEN.get())
    }
}

#[cfg(all(feature = "alloc", not(feature = "std")))]
mod hosted {
    use super::{LoopState, PerCore};
    use core::ptr;

    static CURRENT: PerCore<LoopState> = PerCore::new();

    /// The loop whose turn is on the stack, if the platform says that the caller is where that loop runs.
    #[inline]
    pub(crate) fn get() -> Option<&'static LoopState> {
        // SAFETY: U1. Only `replace` writes it, from a reference to memory that is never freed.
        let state = unsafe { CURRENT.get().as_ref() }?;
        state.is_loop_context().then_some(state)
    }

    /// Makes another loop the current one, or none; gives back what was.
    pub(crate) fn replace(state: Option<&'static LoopState>) -> Option<&'static LoopState> {
        let before = CURRENT.get();
        CURRENT.set(state.map_or(ptr::null(), ptr::from_ref));
        // SAFETY: as above.
        unsafe { before.as_ref() }
    }

    /// Without threads there is no telling them apart: outside a turn, wakes take the way for interrupts.
    pub(crate) fn thread() -> Option<usize> {
        None
    }
}

#[cfg(feature = "alloc")]
pub(crate) use hosted::{get, replace, thread};

/// A pointer for each core.
#[cfg(all(not(feature = "std"), any(target_has_atomic = "ptr", feature = "critical-section")))]
struct PerCore<T>([core::sync::atomic::AtomicPtr<T>; CORES]);

#[cfg(all(not(feature = "std"), feature = "multi-core"))]
use crate::core_id::{CORES, core_id};

#[cfg(all(not(feature = "std"), not(feature = "multi-core")))]
const CORES: usize = 1;

#[cfg(all(not(feature = "std"), any(target_has_atomic = "ptr", feature = "critical-section")))]
impl<T> PerCore<T> {
    const fn new() -> PerCore<T> {
        PerCore([const { core::sync::atomic::AtomicPtr::new(core::ptr::null_mut()) }; CORES])
    }

    /// U19: from here on nobody else writes it but an interrupt, which leaves it as it was.
    #[inline]
    fn here(&self) -> &core::sync::atomic::AtomicPtr<T> {
        #[cfg(not(feature = "multi-core"))]
        let core_id = || 0;
        &self.0[core_id()]
    }

    #[inline]
    fn get(&self) -> *const T {
        let value = self.here().load(core::sync::atomic::Ordering::Relaxed);
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::Acquire);
        value
    }

    fn set(&self, value: *const T) {
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::Release);
        self.here().store(value.cast_mut(), core::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
mod turn {
    use super::Turn;
    use core::ptr;

    #[cfg(feature = "std")]
    std::thread_local! {
        static TURN: core::cell::Cell<*const Turn<'static, 'static>> = const { core::cell::Cell::new(ptr::null()) };
    }
    #[cfg(not(feature = "std"))]
    static TURN: super::PerCore<Turn<'static, 'static>> = super::PerCore::new();

    /// Whether no loop of either kind runs here.
    #[cfg(all(feature = "alloc", feature = "std"))]
    pub(crate) fn is_free() -> bool {
        super::get().is_none() && TURN.get().is_null()
    }

    #[cfg(not(feature = "std"))]
    use busy::BUSY;

    /// Whether a run is on this core. Beside `TURN`, so that nobody reads that in a program whose futures do not.
    #[cfg(not(feature = "std"))]
    mod busy {
        pub(super) static BUSY: super::super::PerCore<()> = super::super::PerCore::new();
    }

    /// Whether no loop of either kind runs here, even if the caller is not where it may touch it.
    #[cfg(not(feature = "std"))]
    pub(crate) fn is_free() -> bool {
        #[cfg(feature = "alloc")]
        if super::get().is_some() {
            return false;
        }
        BUSY.get().is_null()
    }

    /// Makes the turn the current one.
    ///
    /// # Safety
    ///
    /// Until [`leave`] is called it stays where it is, and its thread or core runs no other one: `is_free` was true.
    pub(crate) unsafe fn enter(turn: &Turn<'_, '_>) {
        #[cfg(not(feature = "std"))]
        BUSY.set(ptr::NonNull::dangling().as_ptr());
        TURN.set(ptr::from_ref(turn).cast());
    }

    /// There is no current turn any more.
    pub(crate) fn leave() {
        TURN.set(ptr::null());
        #[cfg(not(feature = "std"))]
        BUSY.set(ptr::null());
    }

    /// Shows the turn of the static loop that runs here, if one does and the caller may touch it.
    #[inline]
    pub(crate) fn with_turn<R>(work: impl FnOnce(&Turn<'_, '_>) -> R) -> Option<R> {
        // SAFETY: U19. Who has entered it leaves before it goes, and is further down on this stack.
        let turn = unsafe { TURN.get().as_ref() }?;
        turn.is_here().then(|| work(turn))
    }
}

#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
pub(crate) use turn::{enter, is_free, leave, with_turn};

#[cfg(not(any(target_has_atomic = "ptr", feature = "critical-section")))]
mod no_turn;
#[cfg(not(any(target_has_atomic = "ptr", feature = "critical-section")))]
pub(crate) use no_turn::with_turn;

/// The loop that is running, or a panic that says how to get one.
#[cfg(feature = "alloc")]
#[track_caller]
#[inline]
pub(crate) fn expect() -> &'static LoopState {
    match get() {
        Some(state) => state,
        None => no_loop(),
    }
}

#[cold]
#[track_caller]
pub(crate) fn no_loop() -> ! {
    panic!("no running event loop: call this from inside `uasyncio_core::run`, `uasyncio_io::run` or `StaticLoop::run`")
}
