//! Which reactor's loop is running on this thread.

use std::cell::RefCell;
use std::rc::Rc;

use crate::reactor::Inner;

thread_local! {
    /// The reactors of the loops that are running, the innermost last. Loops of one thread nest when a host drives them.
    static RUNNING: RefCell<Vec<Rc<Inner>>> = const { RefCell::new(Vec::new()) };
}

/// A loop of this reactor begins to run.
pub(crate) fn enter(reactor: &Rc<Inner>) {
    RUNNING.with_borrow_mut(|running| running.push(reactor.clone()));
}

/// And ends. The last one to begin ends first.
pub(crate) fn leave(reactor: &Rc<Inner>) {
    let left = RUNNING.with_borrow_mut(Vec::pop);
    debug_assert!(left.is_some_and(|left| Rc::ptr_eq(&left, reactor)), "enter and leave do not pair");
}

/// The reactor of the innermost loop. `None` also while the thread ends.
pub(crate) fn get() -> Option<Rc<Inner>> {
    RUNNING.try_with(|running| running.borrow().last().cloned()).ok().flatten()
}
