//! Which loop is running here, and which thread "here" is.

use crate::state::LoopState;

#[cfg(feature = "std")]
mod here {
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

#[cfg(not(feature = "std"))]
mod here {
    use super::LoopState;
    use core::ptr;
    use core::sync::atomic::{AtomicPtr, Ordering};

    static CURRENT: AtomicPtr<LoopState> = AtomicPtr::new(ptr::null_mut());

    /// The loop whose turn is on the stack, if the platform says that the caller is where that loop runs.
    #[inline]
    pub(crate) fn get() -> Option<&'static LoopState> {
        // SAFETY: U1. Only `replace` writes it, from a reference to memory that is never freed.
        let state = unsafe { CURRENT.load(Ordering::Acquire).as_ref() }?;
        state.is_loop_context().then_some(state)
    }

    /// Makes another loop the current one, or none; gives back what was.
    pub(crate) fn replace(state: Option<&'static LoopState>) -> Option<&'static LoopState> {
        let pointer = state.map_or(ptr::null_mut(), |state| ptr::from_ref(state).cast_mut());
        // SAFETY: as above.
        unsafe { CURRENT.swap(pointer, Ordering::AcqRel).as_ref() }
    }

    /// Without threads there is no telling them apart: outside a turn, wakes take the way for interrupts.
    pub(crate) fn thread() -> Option<usize> {
        None
    }
}

pub(crate) use here::{get, replace, thread};

/// The loop that is running, or a panic that says how to get one.
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
fn no_loop() -> ! {
    panic!("no running event loop: call this from inside `uasyncio_core::run` or `uasyncio_io::run`")
}
