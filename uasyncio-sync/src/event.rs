//! A flag that tasks wait for.

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use uasyncio_core::{WaitList, WaitNode};

use crate::turn::poll_proceed;

/// A flag; any number of tasks may wait until it is set. asyncio's `Event`.
///
/// [`set`](Event::set) lets all of them go, in the order in which they came, and all that come later too, until
/// [`clear`](Event::clear). A pulse, `set(); clear()`, lets exactly those go that wait at that moment, even though the flag is
/// down again when they run. It is for the tasks of one loop; what other threads and interrupts set is a `ThreadSafeFlag`.
/// Nothing is allocated.
///
/// ```
/// use uasyncio_core::{create_task, run, yield_now};
/// use uasyncio_sync::Event;
/// # use std::rc::Rc;
///
/// run(async {
///     let ready = Rc::new(Event::new());
///     let event = ready.clone();
///     let waiter = create_task(async move {
///         event.wait().await;
///         "here we go"
///     });
///     yield_now().await;
///     assert!(!waiter.done());
///     ready.set();
///     assert_eq!(waiter.await.unwrap(), "here we go");
/// });
/// ```
pub struct Event {
    set: Cell<bool>,
    waiting: WaitList,
}

impl Event {
    /// An event that is not set.
    ///
    /// ```
    /// # use uasyncio_sync::Event;
    /// assert!(!Event::new().is_set());
    /// ```
    pub const fn new() -> Event {
        Event { set: Cell::new(false), waiting: WaitList::new() }
    }

    /// Sets the flag and wakes all that wait. Setting it twice is setting it once.
    ///
    /// ```
    /// # use uasyncio_sync::Event;
    /// let event = Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    pub fn set(&self) {
        self.set.set(true);
        self.waiting.wake_all();
    }

    /// Takes the flag back: whoever begins to wait from now on waits for the next [`set`](Event::set).
    ///
    /// ```
    /// # use uasyncio_sync::Event;
    /// let event = Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        self.set.set(false);
    }

    /// Whether the flag is set.
    ///
    /// ```
    /// # use uasyncio_sync::Event;
    /// let event = Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Waits until the event is set; counted from the first poll of the future.
    ///
    /// When it is set already there is nothing to wait for, and the task goes on at once. A loop that only waits for an event
    /// that stays set gives way after 128 rounds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the event or on others that wait.
    ///
    /// ```
    /// # use uasyncio_sync::Event;
    /// # uasyncio_core::run(async {
    /// let event = Event::new();
    /// event.set();
    /// event.wait().await;
    /// # });
    /// ```
    #[inline]
    pub fn wait(&self) -> EventWait<'_> {
        EventWait { node: WaitNode::new(self) }
    }
}

impl Default for Event {
    fn default() -> Event {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Event::wait`].
    #[must_use = "it waits for nothing unless it is awaited"]
    pub struct EventWait<'e> {
        #[pin]
        node: WaitNode<'e, Event>,
    }
}

impl Future for EventWait<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let node = self.project().node;
        let event = node.owner();
        if node.is_idle() && event.is_set() {
            ready!(poll_proceed(cx));
            return Poll::Ready(());
        }
        node.poll_wait(&event.waiting, cx, 0, "an event")
    }
}

impl fmt::Debug for EventWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait").field("waiting", &self.node.is_waiting()).finish_non_exhaustive()
    }
}
