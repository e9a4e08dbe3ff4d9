//! What a row needs from a library, so that every row is written once.

use crate::runtimes::Runtime;
use std::fmt::Debug;
use std::future::Future;
use std::ops::DerefMut;
use std::time::Duration;

/// How many items a queue has room for.
pub const CAPACITY: usize = 64;

/// How many tasks there are at most that wait for a semaphore.
pub const WAITERS: usize = 64;

pub trait Locks: 'static {
    type Lock: 'static;
    type Guard<'l>: DerefMut<Target = u64>;

    fn lock() -> Self::Lock;
    fn acquire(lock: &Self::Lock) -> impl Future<Output = Self::Guard<'_>>;
}

pub trait Semaphores: 'static {
    type Semaphore: 'static;
    /// What the library's own future gives: a permit, which goes back when it is dropped, or that in a `Result`.
    type Permit<'s>;

    fn semaphore(permits: usize) -> Self::Semaphore;
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>>;
}

/// What a library's own future gives for an item.
pub trait Received {
    fn item(self) -> u64;
}

impl Received for u64 {
    fn item(self) -> u64 {
        self
    }
}

impl Received for Option<u64> {
    fn item(self) -> u64 {
        self.expect("the queue is open")
    }
}

impl<E: Debug> Received for Result<u64, E> {
    fn item(self) -> u64 {
        self.expect("the queue is open")
    }
}

pub trait Queues: 'static {
    type Sender: Clone + 'static;
    type Receiver: 'static;

    /// With room for [`CAPACITY`] items.
    fn queue() -> (Self::Sender, Self::Receiver);
    fn send(sender: &mut Self::Sender, item: u64) -> impl Future;
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output: Received>;
}

pub trait Events: 'static {
    type Event: 'static;

    fn event() -> Self::Event;
    fn wait(event: &Self::Event) -> impl Future<Output = ()>;
    /// Lets all go that wait now.
    fn pulse(event: &Self::Event);
}

pub trait Gathers: 'static {
    /// Ready when all members are; what they give is kept in order where the library does that.
    fn gather<F: Future<Output = u64> + 'static>(members: Vec<F>) -> impl Future<Output = u64>;
}

pub trait Timeouts: Runtime {
    /// True if the future was ready in time.
    fn timeout<F: Future>(future: F, time: Duration) -> impl Future<Output = bool>;
}
