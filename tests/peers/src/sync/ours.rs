//! uasyncio-sync.

use super::seam::*;
use crate::runtimes::UasyncioCore;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use uasyncio_sync::{Event, Lock, LockGuard, Queue, Semaphore, SemaphoreClosed, SemaphorePermit, gather, wait_for};

pub struct Ours;

impl Locks for Ours {
    type Lock = Lock<u64>;
    type Guard<'l> = LockGuard<'l, u64>;

    fn lock() -> Lock<u64> {
        Lock::new(0)
    }

    fn acquire(lock: &Lock<u64>) -> impl Future<Output = LockGuard<'_, u64>> {
        lock.lock()
    }
}

impl Semaphores for Ours {
    type Semaphore = Semaphore;
    type Permit<'s> = Result<SemaphorePermit<'s>, SemaphoreClosed>;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits as u32)
    }

    fn acquire(semaphore: &Semaphore) -> impl Future<Output = Self::Permit<'_>> {
        semaphore.acquire()
    }
}

impl Queues for Ours {
    type Sender = Rc<Queue<u64>>;
    type Receiver = Rc<Queue<u64>>;

    fn queue() -> (Rc<Queue<u64>>, Rc<Queue<u64>>) {
        let queue = Rc::new(Queue::bounded(CAPACITY));
        (queue.clone(), queue)
    }

    fn send(sender: &mut Rc<Queue<u64>>, item: u64) -> impl Future {
        sender.put(item)
    }

    fn receive(receiver: &mut Rc<Queue<u64>>) -> impl Future<Output: Received> {
        receiver.get()
    }
}

impl Events for Ours {
    type Event = Event;

    fn event() -> Event {
        Event::new()
    }

    fn wait(event: &Event) -> impl Future<Output = ()> {
        event.wait()
    }

    fn pulse(event: &Event) {
        event.set();
        event.clear();
    }
}

impl Gathers for Ours {
    async fn gather<F: Future<Output = u64> + 'static>(members: Vec<F>) -> u64 {
        gather(members).await.into_iter().sum()
    }
}

impl Timeouts for UasyncioCore {
    async fn timeout<F: Future>(future: F, time: Duration) -> bool {
        wait_for(future, time).await.is_ok()
    }
}
