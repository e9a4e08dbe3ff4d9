//! In place of the turn of a static loop, on a target without compare-and-swap when the feature `critical-section` is off: there are
//! no such loops.

use crate::timer_node::{Node, Timers, TimersId};
use crate::{TaskInfo, Ticks};

/// There is none.
pub(crate) enum Turn {}

/// Shows the turn of the static loop that runs here: never.
pub(crate) fn with_turn<R>(_: impl FnOnce(&Turn) -> R) -> Option<R> {
    None
}

impl Turn {
    pub(crate) fn now(&self) -> Ticks {
        match *self {}
    }

    pub(crate) fn read_rounded_up(&self) -> Ticks {
        match *self {}
    }

    #[cfg(not(feature = "std"))]
    pub(crate) fn budget(&self) -> &crate::budget::Budget {
        match *self {}
    }

    pub(crate) fn current_task(&self) -> Option<usize> {
        match *self {}
    }

    #[cfg(feature = "trace")]
    pub(crate) fn waiting(&self, _: &'static str) {
        match *self {}
    }

    pub(crate) fn for_each_task(&self, _: impl FnMut(&TaskInfo)) {
        match *self {}
    }
}

impl Timers for Turn {
    fn id(&self) -> TimersId {
        match *self {}
    }

    fn now_rounded_up(&self) -> Ticks {
        match *self {}
    }

    fn arm(&self, _: &Node, _: Ticks, _: Ticks) {
        match *self {}
    }
}
