//! The futures of a queue.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;
use uasyncio_core::WaitNode;

use super::{Queue, QueueOrder};
use crate::QueueShutDown;
use crate::turn::poll_proceed;

pin_project! {
    /// The future of [`Queue::put`].
    #[must_use = "it puts nothing unless it is awaited"]
    pub struct QueuePut<'q, T, O> {
        item: Option<T>,
        #[pin]
        node: WaitNode<'q, Queue<T, O>>,
    }

    impl<T, O> PinnedDrop for QueuePut<'_, T, O> {
        fn drop(this: Pin<&mut Self>) {
            if !this.node.is_idle() {
                this.give_up();
            }
        }
    }
}

impl<'q, T, O> QueuePut<'q, T, O> {
    #[inline]
    pub(super) fn new(queue: &'q Queue<T, O>, item: T) -> QueuePut<'q, T, O> {
        QueuePut { item: Some(item), node: WaitNode::new(queue) }
    }
}

impl<T, O: QueueOrder<T>> Future for QueuePut<'_, T, O> {
    type Output = Result<(), QueueShutDown<T>>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<T>>> {
        let this = self.as_mut().project();
        let queue = this.node.owner();
        let mut item = || this.item.take().unwrap_or_else(|| put_twice());
        match this.node.while_idle(|| queue.storage.push_quickly(item())) {
            Some(Ok(())) => Poll::Ready(Ok(())),
            Some(Err(item)) => self.poll_first(item, cx),
            None => {
                let item = item();
                self.poll_waiting(item, cx)
            }
        }
    }
}

impl<T, O> QueuePut<'_, T, O> {
    #[cold]
    #[inline(never)]
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        this.node.owner().give_up_room(this.node);
    }
}

impl<T, O: QueueOrder<T>> QueuePut<'_, T, O> {
    /// The first poll of one that cannot put its item quickly.
    #[cold]
    #[inline(never)]
    fn poll_first(self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<T>>> {
        let queue = self.node.owner();
        if queue.has_room() || queue.is_shut_down() {
            return self.put_counted(item, cx);
        }
        let this = self.project();
        *this.item = Some(item);
        if queue.putting.is_empty() {
            queue.storage.allow_pops(usize::MAX); // It stays closed as long as anybody waits.
        }
        let _pending = this.node.poll_wait(&queue.putting, cx, 1, REASON);
        Poll::Pending
    }

    /// The poll of one that need not wait, as soon as the budget lets it.
    #[inline(never)]
    fn put_counted(self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<T>>> {
        let this = self.project();
        let queue = this.node.owner();
        *this.item = Some(item); // for as long as foreign code may run
        ready!(queue.count_put(cx));
        let item = this.item.take().unwrap_or_else(|| put_twice());
        if queue.is_shut_down() {
            queue.counted_puts.set(queue.storage.puts());
            return Poll::Ready(Err(QueueShutDown(item)));
        }
        queue.insert_and_quicken(item);
        Poll::Ready(Ok(()))
    }

    /// The poll of one that has waited: mostly it was promised a place.
    #[cold]
    #[inline(never)]
    fn poll_waiting(mut self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<T>>> {
        let this = self.as_mut().project();
        let queue = this.node.owner();
        if !queue.take_room(this.node) {
            return self.wait_on(item, cx);
        }
        queue.insert_and_quicken(item);
        Poll::Ready(Ok(()))
    }

    /// The poll of one that was promised no place yet, or is promised none any more, after a shutdown.
    #[inline(never)]
    fn wait_on(self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<T>>> {
        let this = self.project();
        let queue = this.node.owner();
        *this.item = Some(item); // for as long as foreign code may run
        if queue.is_shut_down() {
            this.node.cancel();
            let item = this.item.take().unwrap_or_else(|| put_twice());
            return Poll::Ready(Err(QueueShutDown(item)));
        }
        let _pending = this.node.poll_wait(&queue.putting, cx, 1, REASON);
        Poll::Pending
    }
}

/// What a snapshot of the tasks shows.
const REASON: &str = "room in a queue";

#[cold]
fn put_twice() -> ! {
    panic!("a `QueuePut` is polled after it has put its item")
}

impl<T, O> fmt::Debug for QueuePut<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuePut").field("waiting", &self.node.is_waiting()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Queue::get`]: an item.
    #[must_use = "it gets nothing unless it is awaited"]
    pub struct QueueGet<'q, T, O> {
        #[pin]
        node: WaitNode<'q, Queue<T, O>>,
    }

    impl<T, O> PinnedDrop for QueueGet<'_, T, O> {
        fn drop(this: Pin<&mut Self>) {
            if !this.node.is_idle() {
                this.give_up();
            }
        }
    }
}

impl<'q, T, O> QueueGet<'q, T, O> {
    #[inline]
    pub(super) fn new(queue: &'q Queue<T, O>) -> QueueGet<'q, T, O> {
        QueueGet { node: WaitNode::new(queue) }
    }
}

impl<T, O: QueueOrder<T>> Future for QueueGet<'_, T, O> {
    type Output = Result<T, QueueShutDown>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, QueueShutDown>> {
        let this = self.as_mut().project();
        let queue = this.node.owner();
        match this.node.while_idle(|| queue.storage.pop_quickly()) {
            Some(Some(item)) => Poll::Ready(Ok(item)),
            _ => self.poll_carefully(cx),
        }
    }
}

impl<T, O: QueueOrder<T>> QueueGet<'_, T, O> {
    /// The poll of one that cannot have an item quickly.
    #[cold]
    #[inline(never)]
    fn poll_carefully(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, QueueShutDown>> {
        let mut this = self.project();
        let queue = this.node.owner();
        let is_new = this.node.is_idle();
        if !queue.take_item(this.node.as_mut()) {
            if is_new && (queue.has_item() || queue.is_shut_down()) {
                ready!(queue.count_get(cx));
            } else if queue.is_shut_down() {
                this.node.cancel();
            } else {
                if is_new {
                    queue.storage.allow_pushes(0);
                }
                let _pending = this.node.poll_wait(&queue.getting, cx, 1, "an item in a queue");
                return Poll::Pending;
            }
        }
        Poll::Ready(queue.remove_and_quicken())
    }
}

impl<T, O> QueueGet<'_, T, O> {
    #[cold]
    #[inline(never)]
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        this.node.owner().give_up_item(this.node);
    }
}

impl<T, O> fmt::Debug for QueueGet<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueGet").field("waiting", &self.node.is_waiting()).finish_non_exhaustive()
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
        f.debug_struct("QueueStream").field("waiting", &self.get.node.is_waiting()).finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Queue::join`].
    #[must_use = "it waits for nothing unless it is awaited"]
    pub struct QueueJoin<'q, T, O> {
        #[pin]
        node: WaitNode<'q, Queue<T, O>>,
    }
}

impl<'q, T, O> QueueJoin<'q, T, O> {
    pub(super) fn new(queue: &'q Queue<T, O>) -> QueueJoin<'q, T, O> {
        QueueJoin { node: WaitNode::new(queue) }
    }
}

impl<T, O: QueueOrder<T>> Future for QueueJoin<'_, T, O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let queue = this.node.owner();
        if this.node.is_idle() && queue.unfinished() == 0 {
            ready!(poll_proceed(cx));
            return Poll::Ready(());
        }
        this.node.poll_wait(&queue.joining, cx, 0, "the work on a queue")
    }
}

impl<T, O> fmt::Debug for QueueJoin<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueJoin").field("waiting", &self.node.is_waiting()).finish_non_exhaustive()
    }
}
