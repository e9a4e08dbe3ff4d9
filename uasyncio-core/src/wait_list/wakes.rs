//! Wakes of more than one at a time, which panics of wakers do not end.

use super::WaitList;

impl WaitList {
    /// Grants the waits of all that wait now, and wakes them in order; says how many.
    ///
    /// Who begins to wait while the wakers run is not among them. If a waker panics, the others are woken all the same, and then
    /// the panic goes on to the caller; see [`wake_while`](WaitList::wake_while) for more than one.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let (mut one, mut two) = (pin!(WaitNode::new(&list)), pin!(WaitNode::new(&list)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(one.as_mut().poll_wait(&list, &mut cx, 0, "an example").is_pending());
    /// assert!(two.as_mut().poll_wait(&list, &mut cx, 0, "an example").is_pending());
    /// assert_eq!(list.wake_all(), 2);
    /// assert!(one.is_granted() && two.is_granted());
    /// ```
    pub fn wake_all(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let epoch = self.epoch.get().wrapping_add(1);
        self.epoch.set(epoch);
        let mut count = 0;
        self.wake_while(|| {
            // Another epoch: a waker has called `wake_all`, and that has woken all of these.
            let first = self.waiting.first();
            let is_earlier = self.epoch.get() == epoch && first.is_some_and(|link| link.more.epoch != epoch);
            count += usize::from(is_earlier);
            is_earlier
        });
        count
    }

    /// Grants the wait of the one who waits longest, and wakes it, as long as there is somebody and `more` says yes.
    ///
    /// `more` is asked before each wake, and takes what that one is given from what there is; it need not say yes again, whatever the
    /// wakers do in between. If a waker panics, this goes on all the same, and then the panic goes on to the caller. Of several panics
    /// it is the first; without `std` a second one cannot be caught, and ends the program.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// # use uasyncio_core::{WaitList, WaitNode};
    /// let list = WaitList::new();
    /// let (mut one, mut two) = (pin!(WaitNode::new(&list)), pin!(WaitNode::new(&list)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(one.as_mut().poll_wait(&list, &mut cx, 2, "an example").is_pending());
    /// assert!(two.as_mut().poll_wait(&list, &mut cx, 2, "an example").is_pending());
    /// let mut permits = 3;
    /// list.wake_while(|| {
    ///     let enough = permits >= 2;
    ///     permits -= if enough { 2 } else { 0 };
    ///     enough
    /// });
    /// assert!(one.is_granted() && two.is_waiting());
    /// ```
    pub fn wake_while(&self, mut more: impl FnMut() -> bool) {
        while more() {
            let rest = AfterPanic { list: self, more: &mut more };
            let somebody = self.wake_one();
            core::mem::forget(rest);
            if !somebody {
                break;
            }
        }
    }
}

/// What is left of a `wake_while` behind a waker that has panicked.
struct AfterPanic<'l, F: FnMut() -> bool> {
    list: &'l WaitList,
    more: &'l mut F,
}

impl<F: FnMut() -> bool> Drop for AfterPanic<'_, F> {
    #[cold]
    fn drop(&mut self) {
        while (self.more)() {
            // With `std` another panic does not abort the process.
            #[cfg(feature = "std")]
            let somebody = crate::task_error::catch(|| self.list.wake_one()).unwrap_or(true);
            #[cfg(not(feature = "std"))]
            let somebody = self.list.wake_one();
            if !somebody {
                break;
            }
        }
    }
}
