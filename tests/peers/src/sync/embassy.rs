//! embassy-sync on its `NoopRawMutex`, for one executor: Mutex, FairSemaphore, Channel.

use super::seam::*;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::mutex::{Mutex, MutexGuard};
use embassy_sync::semaphore::{FairSemaphore, Semaphore, SemaphoreReleaser, WaitQueueFull};
use std::future::Future;
use std::rc::Rc;

pub struct Embassy;

impl Locks for Embassy {
    type Lock = Mutex<NoopRawMutex, u64>;
    type Guard<'l> = MutexGuard<'l, NoopRawMutex, u64>;

    fn lock() -> Self::Lock {
        Mutex::new(0)
    }

    fn acquire(lock: &Self::Lock) -> impl Future<Output = Self::Guard<'_>> {
        lock.lock()
    }
}

impl Semaphores for Embassy {
    type Semaphore = FairSemaphore<NoopRawMutex, WAITERS>;
    type Permit<'s> = Result<SemaphoreReleaser<'s, Self::Semaphore>, WaitQueueFull>;

    fn semaphore(permits: usize) -> Self::Semaphore {
        FairSemaphore::new(permits)
    }

    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>> {
        semaphore.acquire(1)
    }
}

type Queue = Rc<Channel<NoopRawMutex, u64, CAPACITY>>;

impl Queues for Embassy {
    type Sender = Queue;
    type Receiver = Queue;

    fn queue() -> (Queue, Queue) {
        let queue = Rc::new(Channel::new());
        (queue.clone(), queue)
    }

    fn send(sender: &mut Queue, item: u64) -> impl Future {
        sender.send(item)
    }

    fn receive(receiver: &mut Queue) -> impl Future<Output: Received> {
        receiver.receive()
    }
}
