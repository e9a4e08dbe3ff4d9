//! A place in a line, which is there only once it is needed.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;
use uasyncio_core::{WaitList, WaitNode};

pin_project! {
    /// Where a future stands in a [`WaitList`].
    ///
    /// The node is made when there is something to wait for, and goes when the wait is over. So a future that finds all it
    /// wants at its first poll writes one word, where a node of its own would be five.
    pub(crate) struct Place<'l> {
        #[pin]
        node: Option<WaitNode<'l>>,
    }
}

impl<'l> Place<'l> {
    #[inline]
    pub(crate) const fn new() -> Place<'l> {
        Place { node: None }
    }

    /// Whether it waits, or was granted what it waits for and has not taken it.
    #[inline]
    pub(crate) fn is_taken(&self) -> bool {
        self.node.is_some()
    }

    /// Whether it waits in vain as yet.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.node.as_ref().is_some_and(WaitNode::is_waiting)
    }

    /// Takes what was granted, if it was.
    #[inline]
    pub(crate) fn take_grant(self: Pin<&mut Self>) -> bool {
        let is_granted = self.node.as_ref().is_some_and(WaitNode::is_granted);
        if is_granted {
            self.project().node.set(None);
        }
        is_granted
    }

    /// [Waits](WaitNode::poll_wait) in `list`, which is always the same one.
    #[inline]
    pub(crate) fn poll_wait(
        mut self: Pin<&mut Self>,
        list: &'l WaitList,
        cx: &mut Context<'_>,
        demand: u32,
        reason: &'static str,
    ) -> Poll<()> {
        if self.as_mut().take_grant() {
            return Poll::Ready(());
        }
        self.wait(list, cx, demand, reason);
        Poll::Pending
    }

    /// The same for one that was not granted anything.
    #[inline]
    pub(crate) fn wait(self: Pin<&mut Self>, list: &'l WaitList, cx: &mut Context<'_>, demand: u32, reason: &'static str) {
        let mut place = self.project().node;
        if place.is_none() {
            place.set(Some(WaitNode::new(list)));
        }
        if let Some(node) = place.as_pin_mut() {
            let polled = node.poll_wait(cx, demand, reason);
            debug_assert!(polled.is_pending(), "a grant is lost");
        }
    }

    /// Waits no longer. `true`: what it waited for had been granted, and was not taken.
    pub(crate) fn cancel(self: Pin<&mut Self>) -> bool {
        let mut place = self.project().node;
        let granted = place.as_mut().as_pin_mut().is_some_and(WaitNode::cancel);
        place.set(None);
        granted
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.node).finish()
    }
}
