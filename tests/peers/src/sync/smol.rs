//! smol's crates: async-lock, async-channel, event-listener; a timeout as its users write it, with async-io's `Timer`.

use super::seam::*;
use crate::runtimes::Smol;
use async_channel::{Receiver, Sender};
use async_lock::{Mutex, MutexGuard, Semaphore, SemaphoreGuard};
use event_listener::{Event, listener};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

pub struct SmolCrates;

impl Locks for SmolCrates {
    type Lock = Mutex<u64>;
    type Guard<'l> = MutexGuard<'l, u64>;

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn acquire(lock: &Mutex<u64>) -> impl Future<Output = MutexGuard<'_, u64>> {
        lock.lock()
    }
}

impl Semaphores for SmolCrates {
    type Semaphore = Semaphore;
    type Permit<'s> = SemaphoreGuard<'s>;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire(semaphore: &Semaphore) -> impl Future<Output = SemaphoreGuard<'_>> {
        semaphore.acquire()
    }
}

impl Queues for SmolCrates {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;

    fn queue() -> (Sender<u64>, Receiver<u64>) {
        async_channel::bounded(CAPACITY)
    }

    fn send(sender: &mut Sender<u64>, item: u64) -> impl Future {
        sender.send(item)
    }

    fn receive(receiver: &mut Receiver<u64>) -> impl Future<Output: Received> {
        receiver.recv()
    }
}

impl Events for SmolCrates {
    type Event = Event;

    fn event() -> Event {
        Event::new()
    }

    async fn wait(event: &Event) {
        listener!(event => listener); // on the stack, which costs less than `listen`
        listener.await;
    }

    fn pulse(event: &Event) {
        event.notify(usize::MAX);
    }
}

impl Timeouts for Smol {
    async fn timeout<F: Future>(future: F, time: Duration) -> bool {
        let (mut future, mut timer) = (pin!(future), pin!(async_io::Timer::after(time)));
        poll_fn(|cx| {
            if future.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            timer.as_mut().poll(cx).map(|_| false)
        })
        .await
    }
}
