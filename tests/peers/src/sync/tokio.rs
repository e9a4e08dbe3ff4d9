//! `tokio::sync`: Mutex, Semaphore, mpsc, Notify; and tokio's timeout.

use super::seam::*;
use crate::runtimes::{TokioCurrentThread, TokioLocalSet};
use std::future::Future;
use std::time::Duration;
use tokio::sync::{AcquireError, Mutex, MutexGuard, Notify, Semaphore, SemaphorePermit, mpsc};

pub struct Tokio;

impl Locks for Tokio {
    type Lock = Mutex<u64>;
    type Guard<'l> = MutexGuard<'l, u64>;

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn acquire(lock: &Mutex<u64>) -> impl Future<Output = MutexGuard<'_, u64>> {
        lock.lock()
    }
}

impl Semaphores for Tokio {
    type Semaphore = Semaphore;
    type Permit<'s> = Result<SemaphorePermit<'s>, AcquireError>;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire(semaphore: &Semaphore) -> impl Future<Output = Self::Permit<'_>> {
        semaphore.acquire()
    }
}

impl Queues for Tokio {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    fn queue() -> (mpsc::Sender<u64>, mpsc::Receiver<u64>) {
        mpsc::channel(CAPACITY)
    }

    fn send(sender: &mut mpsc::Sender<u64>, item: u64) -> impl Future {
        sender.send(item)
    }

    fn receive(receiver: &mut mpsc::Receiver<u64>) -> impl Future<Output: Received> {
        receiver.recv()
    }
}

impl Events for Tokio {
    type Event = Notify;

    fn event() -> Notify {
        Notify::new()
    }

    fn wait(event: &Notify) -> impl Future<Output = ()> {
        event.notified()
    }

    fn pulse(event: &Notify) {
        event.notify_waiters();
    }
}

impl Timeouts for TokioCurrentThread {
    async fn timeout<F: Future>(future: F, time: Duration) -> bool {
        tokio::time::timeout(time, future).await.is_ok()
    }
}

impl Timeouts for TokioLocalSet {
    async fn timeout<F: Future>(future: F, time: Duration) -> bool {
        tokio::time::timeout(time, future).await.is_ok()
    }
}
