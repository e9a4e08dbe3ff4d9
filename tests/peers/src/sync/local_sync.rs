//! local-sync, for runtimes of one thread: Semaphore, mpsc.

use super::seam::*;
use local_sync::mpsc::bounded;
use local_sync::semaphore::{AcquireError, Semaphore, SemaphorePermit};
use std::future::Future;

pub struct LocalSync;

impl Semaphores for LocalSync {
    type Semaphore = Semaphore;
    type Permit<'s> = Result<SemaphorePermit<'s>, AcquireError>;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire(semaphore: &Semaphore) -> impl Future<Output = Self::Permit<'_>> {
        semaphore.acquire()
    }
}

impl Queues for LocalSync {
    type Sender = bounded::Tx<u64>;
    type Receiver = bounded::Rx<u64>;

    fn queue() -> (bounded::Tx<u64>, bounded::Rx<u64>) {
        bounded::channel(CAPACITY)
    }

    fn send(sender: &mut bounded::Tx<u64>, item: u64) -> impl Future {
        sender.send(item)
    }

    fn receive(receiver: &mut bounded::Rx<u64>) -> impl Future<Output: Received> {
        receiver.recv()
    }
}
