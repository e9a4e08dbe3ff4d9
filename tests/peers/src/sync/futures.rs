//! The `futures` crates: lock::Mutex, channel::mpsc, join_all, FuturesUnordered.

use super::seam::*;
use futures_util::SinkExt;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::lock::{Mutex, MutexGuard};
use futures_util::stream::FuturesUnordered;
use std::future::Future;

pub struct Futures;

impl Locks for Futures {
    type Lock = Mutex<u64>;
    type Guard<'l> = MutexGuard<'l, u64>;

    fn lock() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn acquire(lock: &Mutex<u64>) -> impl Future<Output = MutexGuard<'_, u64>> {
        lock.lock()
    }
}

impl Queues for Futures {
    type Sender = futures_channel::mpsc::Sender<u64>;
    type Receiver = futures_channel::mpsc::Receiver<u64>;

    /// Each sender has one place more of its own.
    fn queue() -> (Self::Sender, Self::Receiver) {
        futures_channel::mpsc::channel(CAPACITY)
    }

    fn send(sender: &mut Self::Sender, item: u64) -> impl Future {
        sender.feed(item)
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output: Received> {
        receiver.next()
    }
}

impl Gathers for Futures {
    async fn gather<F: Future<Output = u64> + 'static>(members: Vec<F>) -> u64 {
        join_all(members).await.into_iter().sum()
    }
}

/// Without an order of the results.
pub struct Unordered;

impl Gathers for Unordered {
    async fn gather<F: Future<Output = u64> + 'static>(members: Vec<F>) -> u64 {
        let mut members: FuturesUnordered<F> = members.into_iter().collect();
        let mut sum = 0;
        while let Some(member) = members.next().await {
            sum += member;
        }
        sum
    }
}
