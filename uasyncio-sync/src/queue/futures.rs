//! The futures of a queue.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{Queue, QueueOrder};
use crate::QueueShutDown;
use crate::place::Place;
use crate::turn::poll_proceed;

pin_project! {
    /// The future of [`Queue::put`].
    #[must_use = "it puts nothing unless it is awaited"]
    pub struct QueuePut<'q, T, O> {
        queue: &'q Queue<T, O>,
        item: Option<T>,
        #[pin]
        place: Place<'q>,
    }

    impl<T, O> PinnedDrop for QueuePut<'_, T, O> {
        fn drop(this: Pin<&mut Self>) {
            if this.place.is_taken() {
                this.give_up();
            }
        }
    }
}

impl<'q, T, O> QueuePut<'q, T, O> {
    #[inline]
    pub(super) fn new(queue: &'q Queue<T, O>, item: T) -> QueuePut<'q, T, O> {
        QueuePut { queue, item: Some(item), place: Place::new() }
    }
}

impl<T, O: QueueOrder<T>> Future for QueuePut<'_, T, O> {
    type Output = Result<(), QueueShutDown<T>>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<T>>> {
        let this = self.as_mut().project();
        let queue = *this.queue;
        let item = this.item.take().unwrap_or_else(|| put_twice());
        if this.place.is_taken() {
            return self.poll_carefully(item, cx);
        }
        match queue.storage.push_quickly(item) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(item) => self.poll_carefully(item, cx),
        }
    }
}

impl<T, O> QueuePut<'_, T, O> {
    #[cold]
    #[inline(never)]
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        this.queue.give_up_room(this.place);
    }
}

impl<T, O: QueueOrder<T>> QueuePut<'_, T, O> {
    /// The poll of one that cannot put its item quickly.
    #[cold]
    #[inline(never)]
    fn poll_carefully(self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<T>>> {
        let mut this = self.project();
        let queue = *this.queue;
        if queue.take_room(this.place.as_mut()) {
            queue.insert(item);
            queue.quicken_puts();
            return Poll::Ready(Ok(()));
        }
        *this.item = Some(item); // for as long as foreign code may run
        let is_new = !this.place.is_taken();
        if queue.is_shut_down() {
            if is_new {
                ready!(queue.count_put(cx));
            }
            this.place.cancel();
            return Poll::Ready(Err(QueueShutDown(this.item.take().unwrap_or_else(|| put_twice()))));
        }
        if is_new {
            if queue.has_room() {
                ready!(queue.count_put(cx));
                queue.insert(this.item.take().unwrap_or_else(|| put_twice()));
                queue.quicken_puts();
                return Poll::Ready(Ok(()));
            }
            queue.storage.allow_pops(usize::MAX);
        }
        this.place.wait(&queue.putting, cx, 1, "room in a queue");
        Poll::Pending
    }
}

#[cold]
fn put_twice() -> ! {
    panic!("a `QueuePut` is polled after it has put its item")
}

impl<T, O> fmt::Debug for QueuePut<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuePut").field("waiting", &self.place.is_waiting()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Queue::get`]: an item.
    #[must_use = "it gets nothing unless it is awaited"]
    pub struct QueueGet<'q, T, O> {
        queue: &'q Queue<T, O>,
        #[pin]
        place: Place<'q>,
    }

    impl<T, O> PinnedDrop for QueueGet<'_, T, O> {
        fn drop(this: Pin<&mut Self>) {
            if this.place.is_taken() {
                this.give_up();
            }
        }
    }
}

impl<'q, T, O> QueueGet<'q, T, O> {
    #[inline]
    pub(super) fn new(queue: &'q Queue<T, O>) -> QueueGet<'q, T, O> {
        QueueGet { queue, place: Place::new() }
    }
}

impl<T, O: QueueOrder<T>> Future for QueueGet<'_, T, O> {
    type Output = Result<T, QueueShutDown>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, QueueShutDown>> {
        let queue = self.queue;
        if !self.place.is_taken() {
            if let Some(item) = queue.storage.pop_quickly() {
                return Poll::Ready(Ok(item));
            }
        }
        self.poll_carefully(cx)
    }
}

impl<T, O: QueueOrder<T>> QueueGet<'_, T, O> {
    /// The poll of one that cannot have an item quickly.
    #[cold]
    #[inline(never)]
    fn poll_carefully(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, QueueShutDown>> {
        let mut this = self.project();
        let queue = *this.queue;
        let is_new = !this.place.is_taken();
        if !queue.take_item(this.place.as_mut()) {
            if is_new && (queue.has_item() || queue.is_shut_down()) {
                ready!(queue.count_get(cx));
            } else if queue.is_shut_down() {
                this.place.cancel();
            } else {
                if is_new {
                    queue.storage.allow_pushes(0);
                }
                this.place.wait(&queue.getting, cx, 1, "an item in a queue");
                return Poll::Pending;
            }
        }
        let item = queue.remove();
        queue.quicken_gets();
        Poll::Ready(item.ok_or(QueueShutDown(())))
    }
}

impl<T, O> QueueGet<'_, T, O> {
    #[cold]
    #[inline(never)]
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        this.queue.give_up_item(this.place);
    }
}

impl<T, O> fmt::Debug for QueueGet<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueGet").field("waiting", &self.place.is_waiting()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The [`Stream`] of [`Queue::stream`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses no item.
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct QueueStream<'q, T, O> {
        #[pin]
        get: QueueGet<'q, T, O>,
    }
}

impl<'q, T, O> QueueStream<'q, T, O> {
    pub(super) fn new(queue: &'q Queue<T, O>) -> QueueStream<'q, T, O> {
        QueueStream { get: QueueGet::new(queue) }
    }
}

impl<T, O: QueueOrder<T>> Stream for QueueStream<'_, T, O> {
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // A get that has given its item begins anew when it is polled.
        self.project().get.poll(cx).map(Result::ok)
    }
}

impl<T, O> fmt::Debug for QueueStream<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueStream").field("waiting", &self.get.place.is_waiting()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Queue::join`].
    #[must_use = "it waits for nothing unless it is awaited"]
    pub struct QueueJoin<'q, T, O> {
        queue: &'q Queue<T, O>,
        #[pin]
        place: Place<'q>,
    }
}

impl<'q, T, O> QueueJoin<'q, T, O> {
    pub(super) fn new(queue: &'q Queue<T, O>) -> QueueJoin<'q, T, O> {
        QueueJoin { queue, place: Place::new() }
    }
}

impl<T, O: QueueOrder<T>> Future for QueueJoin<'_, T, O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if !this.place.is_taken() && this.queue.unfinished() == 0 {
            ready!(poll_proceed(cx));
            return Poll::Ready(());
        }
        this.place.poll_wait(&this.queue.joining, cx, 0, "the work on a queue")
    }
}

impl<T, O> fmt::Debug for QueueJoin<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueJoin").field("waiting", &self.place.is_waiting()).finish_non_exhaustive()
    }
}
