//! A cell whose latest value tasks wait for.

use core::cell::{Cell, Ref, RefCell};
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use uasyncio_core::{WaitList, WaitNode};

use crate::turn::poll_proceed;

/// A value that changes, and receivers that wait for its changes. asyncio has nothing of the kind; Peter Hinch's library for MicroPython has
/// `Message`.
///
/// The newest value is all that counts: a receiver that was away for three changes sees one, with the last value. Each
/// [receiver](Watch::receiver) knows what it has seen, so nobody has to clear anything, and there may be any number of them. They borrow the
/// watch; for tasks of their own, put it into an `Rc`. Nothing is allocated.
///
/// ```
/// use std::rc::Rc;
/// use uasyncio_core::{create_task, run, yield_now};
/// use uasyncio_sync::Watch;
///
/// run(async {
///     let temperature = Rc::new(Watch::new(20));
///     let watch = temperature.clone();
///     let display = create_task(async move {
///         let mut receiver = watch.receiver();
///         while receiver.changed().await.is_ok() {
///             println!("{} degrees", *receiver.borrow());
///         }
///     });
///     for value in 21..24 {
///         temperature.set(value);
///         yield_now().await;
///     }
///     temperature.close();
///     display.await.unwrap();
/// });
/// ```
pub struct Watch<T> {
    /// How many changes there were.
    version: Cell<u64>,
    closed: Cell<bool>,
    senders: Cell<usize>,
    waiting: WaitList,
    value: RefCell<T>,
}

impl<T> Watch<T> {
    /// A watch with its first value, which is no change.
    ///
    /// ```
    /// assert_eq!(uasyncio_sync::Watch::new(5).get(), 5);
    /// ```
    pub const fn new(value: T) -> Watch<T> {
        Watch {
            version: Cell::new(0),
            closed: Cell::new(false),
            senders: Cell::new(0),
            waiting: WaitList::new(),
            value: RefCell::new(value),
        }
    }

    /// Sets the value, gives back what it was, and wakes those who wait for a change. An equal value is a change too.
    ///
    /// # Panics
    ///
    /// If the value is [borrowed](Watch::borrow).
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// let watch = Watch::new(1);
    /// assert_eq!(watch.set(2), 1);
    /// ```
    pub fn set(&self, value: T) -> T {
        let old = self.value.replace(value);
        self.tell();
        old
    }

    /// Changes the value in place, and wakes those who wait for a change.
    ///
    /// # Panics
    ///
    /// If the value is [borrowed](Watch::borrow), also by `change` itself. If `change` panics, nobody is woken.
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// let watch = Watch::new(vec![1]);
    /// watch.modify(|list| list.push(2));
    /// assert_eq!(watch.get(), [1, 2]);
    /// ```
    pub fn modify<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.borrow_mut());
        self.tell();
        result
    }

    /// A look at the value. It must not be kept across an `await`: nobody can set the value meanwhile.
    ///
    /// # Panics
    ///
    /// Inside [`modify`](Watch::modify).
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// let watch = Watch::new("text".to_owned());
    /// assert_eq!(watch.borrow().len(), 4);
    /// ```
    pub fn borrow(&self) -> WatchRef<'_, T> {
        WatchRef { value: self.value.borrow() }
    }

    /// A copy of the value.
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// assert_eq!(Watch::new(5).get(), 5);
    /// ```
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.borrow().clone()
    }

    /// A receiver, which waits for the changes from now on.
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// # uasyncio_core::run(async {
    /// let watch = Watch::new(1);
    /// watch.set(2);
    /// let mut receiver = watch.receiver();
    /// assert!(!receiver.has_changed());
    /// watch.set(3);
    /// receiver.changed().await.unwrap();
    /// assert_eq!(receiver.get(), 3);
    /// # });
    /// ```
    pub fn receiver(&self) -> WatchReceiver<'_, T> {
        WatchReceiver { watch: self, seen: self.version.get() }
    }

    /// A sender: when the last one is dropped, the watch is [closed](Watch::close). Who has the watch itself can do without.
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// let watch = Watch::new(1);
    /// let sender = watch.sender();
    /// sender.set(2);
    /// drop(sender);
    /// assert!(watch.is_closed());
    /// ```
    pub fn sender(&self) -> WatchSender<'_, T> {
        self.senders.set(self.senders.get() + 1);
        WatchSender { watch: self }
    }

    /// Says that there will be no more changes. Receivers see the last one, if they have not yet, and then [`WatchClosed`].
    ///
    /// The value can be looked at still; setting it has no other effect any more.
    ///
    /// ```
    /// # use uasyncio_sync::{Watch, WatchClosed};
    /// # uasyncio_core::run(async {
    /// let watch = Watch::new(1);
    /// let mut receiver = watch.receiver();
    /// watch.set(2);
    /// watch.close();
    /// assert_eq!(receiver.changed().await, Ok(()));
    /// assert_eq!(receiver.changed().await, Err(WatchClosed));
    /// # });
    /// ```
    pub fn close(&self) {
        self.closed.set(true);
        self.waiting.wake_all();
    }

    /// Whether it was [closed](Watch::close).
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn tell(&self) {
        if !self.closed.get() {
            self.version.set(self.version.get() + 1);
            self.waiting.wake_all();
        }
    }
}

impl<T: Default> Default for Watch<T> {
    fn default() -> Watch<T> {
        Watch::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("value", &self.value).field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// A look at the value of a [`Watch`]; see [`Watch::borrow`].
#[derive(Debug)]
#[must_use = "nobody can set the value while this lives"]
pub struct WatchRef<'w, T> {
    value: Ref<'w, T>,
}

impl<T> Deref for WatchRef<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Sets the value of a [`Watch`], which is closed when the last sender is dropped; see [`Watch::sender`].
#[must_use = "when the last sender is dropped, the watch is closed"]
pub struct WatchSender<'w, T> {
    watch: &'w Watch<T>,
}

impl<T> Deref for WatchSender<'_, T> {
    type Target = Watch<T>;

    fn deref(&self) -> &Watch<T> {
        self.watch
    }
}

impl<T> Clone for WatchSender<'_, T> {
    fn clone(&self) -> Self {
        self.watch.sender()
    }
}

impl<T> Drop for WatchSender<'_, T> {
    fn drop(&mut self) {
        let left = self.watch.senders.get() - 1;
        self.watch.senders.set(left);
        if left == 0 {
            self.watch.close();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchSender<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchSender").field("watch", &self.watch).finish()
    }
}

/// Waits for the changes of a [`Watch`], and knows which it has seen; see [`Watch::receiver`].
pub struct WatchReceiver<'w, T> {
    watch: &'w Watch<T>,
    seen: u64,
}

impl<'w, T> WatchReceiver<'w, T> {
    /// Waits until there is a change that this receiver has not seen, and notes that it has.
    ///
    /// # Errors
    ///
    /// [`WatchClosed`], if there will be none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change: the next one to wait is told.
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// # uasyncio_core::run(async {
    /// let watch = Watch::new('a');
    /// let mut receiver = watch.receiver();
    /// watch.set('b');
    /// watch.set('c');
    /// receiver.changed().await.unwrap(); // both of them
    /// assert!(!receiver.has_changed());
    /// # });
    /// ```
    pub fn changed(&mut self) -> WatchChanged<'_, 'w, T> {
        let node = WaitNode::new(&self.watch.waiting);
        WatchChanged { receiver: self, node }
    }

    /// Whether there is a change that this receiver has not seen.
    pub fn has_changed(&self) -> bool {
        self.seen != self.watch.version.get()
    }

    /// A look at the value, as [`Watch::borrow`]; what has changed counts as seen from now on.
    ///
    /// ```
    /// # use uasyncio_sync::Watch;
    /// let watch = Watch::new(1);
    /// let mut receiver = watch.receiver();
    /// watch.set(2);
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert!(!receiver.has_changed());
    /// ```
    pub fn borrow(&mut self) -> WatchRef<'w, T> {
        self.seen = self.watch.version.get();
        self.watch.borrow()
    }

    /// A copy of the value; what has changed counts as seen from now on.
    pub fn get(&mut self) -> T
    where
        T: Clone,
    {
        self.borrow().clone()
    }

    /// The watch, for a look that does not count as seen.
    pub fn watch(&self) -> &'w Watch<T> {
        self.watch
    }
}

/// The copy has seen what the original has.
impl<T> Clone for WatchReceiver<'_, T> {
    fn clone(&self) -> Self {
        WatchReceiver { watch: self.watch, seen: self.seen }
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchReceiver<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchReceiver").field("watch", &self.watch).field("has_changed", &self.has_changed()).finish()
    }
}

pin_project! {
    /// The future of [`WatchReceiver::changed`].
    #[must_use = "it waits for nothing unless it is awaited"]
    pub struct WatchChanged<'r, 'w, T> {
        receiver: &'r mut WatchReceiver<'w, T>,
        #[pin]
        node: WaitNode<'w>,
    }
}

impl<T> Future for WatchChanged<'_, '_, T> {
    type Output = Result<(), WatchClosed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let watch = this.receiver.watch;
            if this.receiver.has_changed() || watch.is_closed() {
                ready!(poll_proceed(cx));
                this.node.cancel();
                let has_changed = this.receiver.has_changed();
                this.receiver.seen = watch.version.get();
                return Poll::Ready(if has_changed { Ok(()) } else { Err(WatchClosed) });
            }
            ready!(this.node.as_mut().poll_wait(&watch.waiting, cx, 0, "a change of a watch"));
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchChanged<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchChanged").field("receiver", &self.receiver).finish_non_exhaustive()
    }
}

/// The watch was [closed](Watch::close), and there is nothing that was not seen.
///
/// ```
/// # use uasyncio_sync::Watch;
/// # uasyncio_core::run(async {
/// let watch = Watch::new(1);
/// watch.close();
/// assert_eq!(watch.receiver().changed().await.unwrap_err().to_string(), "the watch is closed");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchClosed;

impl fmt::Display for WatchClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the watch is closed")
    }
}

impl core::error::Error for WatchClosed {}
