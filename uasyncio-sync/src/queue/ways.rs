//! The two ways of a queue, how it counts, and what it promises.
//!
//! # How it counts
//!
//! The items lie in a storage that says which one is next. What is free for whoever comes is compared with their number:
//!
//! * `promised` items were promised to getters that have not run yet: one may be got while there are more.
//! * `places` is the bound, less the places that were promised to putters that have not run yet: one may be put while there are
//!   fewer items.
//!
//! When an item or a place becomes free, it is promised at once to the one who waits longest, before he is woken; if he is
//! dropped before he runs, it goes to the next. So nothing is free while anybody waits for it, and nobody is overtaken. A place or
//! an item that was promised stays where it is until the one who has it runs; which item that will be is known only then.
//!
//! If the waker of the one who was promised a place panics, the item that was got goes back to where it was, since nobody has it. Then
//! there may be more items than places, and no place is free until there are fewer.
//!
//! An unbounded queue has `usize::MAX` places. In a shut down queue nothing is free and no promise counts: its storage alone says
//! what can be got.
//!
//! # Quick and careful
//!
//! As long as nobody waits, putting and getting go a quick way that the storage may have: one comparison, with a mark that says how
//! far it is open. A mark may be too strict, but never too lax. So the quick way of getting is closed when somebody begins to wait
//! for room, and that of putting when somebody begins to wait for an item; whatever else changes leaves a mark as right as it was,
//! or stricter. It is set right by whoever finds a quick way closed and could have gone it.
//!
//! What is careful is `#[cold]`: not that it were slow, but so that the compiler lays out the quick way in one piece. What bounds the time
//! of that is how many words it stores rather than how many instructions it has: two words fewer for each item, since a node is one word as long
//! as it is idle, took 5 % off `queue 8 to 1`. For the same reason what is rare is in functions of its own, so that the others save fewer
//! registers, and whoever is woken is woken last.
//!
//! # The budget
//!
//! The quick way does not ask the budget of the task. Who comes the careful way and need not wait takes from it, at once, all that
//! was put or got since the last time, and then opens the quick way, for [`UNCOUNTED`] operations at most. Whose turn has come after a
//! wait opens it too: his task has given way. The `nowait` operations do not, since they cannot give way.

use core::cell::Cell;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use uasyncio_core::WaitNode;

use super::{Queue, QueueOrder};
use crate::QueueShutDown;
use crate::turn::{Finally, poll_proceed_many};

/// So many operations go the quick way at most before one asks the budget.
const UNCOUNTED: usize = 63;

impl<T, O> Queue<T, O> {
    /// For a get that is dropped while it may have to wait: what it was promised goes to the next.
    pub(super) fn give_up_item(&self, node: Pin<&mut WaitNode<'_, Self>>) {
        if node.cancel() && !self.is_shut_down() && !self.getting.wake_one() {
            self.promised.set(self.promised.get() - 1);
        }
    }

    /// For a put that is dropped while it may have to wait: what it was promised goes to the next.
    pub(super) fn give_up_room(&self, node: Pin<&mut WaitNode<'_, Self>>) {
        if node.cancel() && !self.is_shut_down() && !self.putting.wake_one() {
            self.places.set(self.places.get() + 1);
        }
    }
}

impl<T, O: QueueOrder<T>> Queue<T, O> {
    /// Whether an item may be got without waiting and without overtaking anybody.
    pub(super) fn has_item(&self) -> bool {
        self.storage.len() > self.promised.get()
    }

    /// Whether an item may be put without waiting and without overtaking anybody.
    pub(super) fn has_room(&self) -> bool {
        self.storage.len() < self.places.get()
    }

    /// Puts an item into a place that is free.
    pub(super) fn insert(&self, item: T) {
        wake(self.push(item));
    }

    /// The same for a put that was counted or waited for: opens the quick way for it and the next ones.
    #[inline]
    pub(super) fn insert_and_quicken(&self, item: T) {
        if !self.getting.is_empty() {
            return self.insert_slowly(item);
        }
        self.storage.allow_pushes(self.places.get().min(self.storage.len() + 1 + UNCOUNTED));
        match self.storage.push_quickly(item) {
            Ok(()) => self.counted_puts.set(self.storage.puts()),
            Err(item) => self.insert_slowly(item),
        }
    }

    /// The same when somebody waits for an item, or there is no quick way as yet.
    #[cold]
    #[inline(never)]
    fn insert_slowly(&self, item: T) {
        let woken = self.push(item);
        self.quicken_puts();
        wake(woken);
    }

    /// Takes the next item, which is free. `None` only after a shutdown.
    pub(super) fn remove(&self) -> Option<T> {
        let (item, woken) = self.pop()?;
        self.wake_and_give(woken, item)
    }

    /// The same for a get that was counted or waited for: opens the quick way for the next ones.
    #[inline]
    pub(super) fn remove_and_quicken(&self) -> Result<T, QueueShutDown> {
        let popped = self.pop();
        self.quicken_gets();
        popped.and_then(|(item, woken)| self.wake_and_give(woken, item)).ok_or(QueueShutDown(()))
    }

    /// Gives the item that was got, after the waker has run, if there is one.
    #[inline]
    fn wake_and_give(&self, woken: Option<Waker>, item: T) -> Option<T> {
        match woken {
            None => Some(item),
            Some(waker) => self.give_after(waker, item),
        }
    }

    /// If the waker panics, the item goes back to where it came from.
    #[inline(never)]
    fn give_after(&self, waker: Waker, item: T) -> Option<T> {
        let item = Cell::new(Some(item));
        let after_a_panic = Finally(|| self.put_back(item.take()));
        waker.wake();
        core::mem::forget(after_a_panic);
        item.into_inner()
    }

    /// Makes an item the next one again, which is free then for the one who waits longest.
    #[cold]
    fn put_back(&self, item: Option<T>) {
        if let Some(item) = item {
            self.storage.put_back(item);
            self.counted_gets.set(self.gets()); // which are fewer now than may have been counted
            wake(self.promise_item());
        }
    }

    /// Puts an item, and promises it to the one who waits longest, who is to be woken.
    #[inline]
    fn push(&self, item: T) -> Option<Waker> {
        let balance = Balance::before(self);
        self.storage.push(item);
        core::mem::forget(balance);
        self.promise_item()
    }

    /// Takes an item, and promises its place to the one who waits longest, who is to be woken.
    #[inline]
    fn pop(&self) -> Option<(T, Option<Waker>)> {
        let balance = Balance::before(self);
        let item = self.storage.pop();
        core::mem::forget(balance);
        Some((item?, self.promise_room()))
    }

    /// Promises the item that has become free to the one who waits longest, who is to be woken.
    #[inline]
    fn promise_item(&self) -> Option<Waker> {
        if self.getting.is_empty() || !self.has_item() {
            return None;
        }
        self.promised.set(self.promised.get() + 1);
        self.getting.grant_one()
    }

    /// Promises the place that has become free to the one who waits longest, who is to be woken.
    #[inline]
    fn promise_room(&self) -> Option<Waker> {
        if self.putting.is_empty() || !self.has_room() {
            return None;
        }
        self.places.set(self.places.get() - 1);
        self.putting.grant_one()
    }

    /// Takes the item that was promised, if it was.
    #[inline]
    pub(super) fn take_item(&self, node: Pin<&mut WaitNode<'_, Self>>) -> bool {
        let taken = !self.is_shut_down() && node.take_grant();
        if taken {
            self.promised.set(self.promised.get() - 1);
        }
        taken
    }

    /// Takes the place that was promised, if it was.
    #[inline]
    pub(super) fn take_room(&self, node: Pin<&mut WaitNode<'_, Self>>) -> bool {
        let taken = !self.is_shut_down() && node.take_grant();
        if taken {
            self.places.set(self.places.get() + 1);
        }
        taken
    }

    /// Takes this put from the budget of the task, and those that have gone the quick way since the last time.
    #[inline]
    pub(super) fn count_put(&self, cx: &mut Context<'_>) -> Poll<()> {
        poll_proceed_many(cx, self.storage.puts().wrapping_sub(self.counted_puts.get()) + 1)
    }

    /// Takes this get from the budget of the task, and those that have gone the quick way since the last time.
    #[inline]
    pub(super) fn count_get(&self, cx: &mut Context<'_>) -> Poll<()> {
        poll_proceed_many(cx, self.gets().wrapping_sub(self.counted_gets.get()) + 1)
    }

    /// After a put that was counted or waited for: opens the quick way for the next ones.
    #[inline]
    fn quicken_puts(&self) {
        self.counted_puts.set(self.storage.puts());
        if self.getting.is_empty() {
            self.storage.allow_pushes(self.places.get().min(self.storage.len() + UNCOUNTED));
        }
    }

    /// After a get that was counted or waited for: opens the quick way for the next ones.
    #[inline]
    fn quicken_gets(&self) {
        self.counted_gets.set(self.gets());
        if self.putting.is_empty() {
            self.storage.allow_pops(self.promised.get().max(self.storage.len().saturating_sub(UNCOUNTED)));
        }
    }

    /// How many items were got or dropped by a shutdown; it wraps around.
    fn gets(&self) -> usize {
        self.storage.puts().wrapping_sub(self.storage.len())
    }
}

#[inline]
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Keeps the promises when the storage panics, which it does only if the comparison of items does.
struct Balance<'q, T, O: QueueOrder<T>>(&'q Queue<T, O>);

impl<'q, T, O: QueueOrder<T>> Balance<'q, T, O> {
    #[inline]
    fn before(queue: &'q Queue<T, O>) -> Option<Balance<'q, T, O>> {
        O::MAY_PANIC.then(|| Balance(queue))
    }
}

impl<T, O: QueueOrder<T>> Drop for Balance<'_, T, O> {
    fn drop(&mut self) {
        // What was promised to the one who panics is free again, on either side.
        let _room = Finally(|| wake(self.0.promise_room()));
        wake(self.0.promise_item());
    }
}
