//! What tasks coordinate with: gather, timeouts, locks, events, queues.
//!
//! These are asyncio's, for Rust. Whoever waits is served in the order in which he came, and may be dropped at any moment: what
//! was granted to a future that is dropped goes to the next one in line. Nothing is allocated but the memory of growing queues
//! and of `Vec`s that are asked for, and there is no `unsafe` code. What waits for time needs an event loop of `uasyncio-core`;
//! all else works in any executor, with any waker. For those who know asyncio there is a page of [what became of each
//! name](coming_from_asyncio).
//!
//! ```
//! use uasyncio_core::{run, sleep_ms};
//! use uasyncio_sync::{Queue, gather};
//!
//! run(async {
//!     let queue = Queue::bounded(2);
//!     let producer = async {
//!         for number in 1..=4 {
//!             queue.put(number).await.unwrap(); // It waits when it is two ahead.
//!         }
//!         queue.shutdown(false);
//!     };
//!     let consumer = async {
//!         let mut sum = 0;
//!         while let Ok(number) = queue.get().await {
//!             sleep_ms(1).await;
//!             sum += number;
//!         }
//!         sum
//!     };
//!     assert_eq!(gather((producer, consumer)).await, ((), 10));
//! });
//! ```
//!
//! # Features
//!
//! * `std` (default): as `alloc`, on an event loop that catches panics. When several wakers panic in one call, the
//!   first panic goes on to the caller; without `std` the second one ends the program.
//! * `alloc`: what keeps things on the heap: the queues without a fixed size, [`TaskGroup`], `gather` of a `Vec`.
//! * `trace`: a snapshot of the tasks says what each one waits for; see [`uasyncio_core::trace`].
//! * `critical-section`: [`ThreadSafeFlag`] and [`ThreadSafeQueue`] on targets without compare-and-swap, such as Cortex-M0.
//!
//! Without any of them there are the locks, [`Event`], [`Watch`], [`RingbufQueue`], what is [`ThreadSafeFlag`]'s kind, `gather`
//! of tuples and arrays, `select`, and all that waits for time, such as [`wait_for`], on a [`StaticLoop`](uasyncio_core::StaticLoop) too.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "alloc")]
mod as_completed;
mod barrier;
mod condition;
mod deadline;
mod delay;
mod event;
mod gather;
mod interval;
#[cfg(feature = "alloc")]
mod lifo_queue;
mod lock;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
mod one_waiter;
mod permits;
#[cfg(feature = "alloc")]
mod priority_queue;
#[cfg(feature = "alloc")]
mod queue;
mod queue_error;
mod ringbuf_queue;
mod select;
mod semaphore;
#[cfg(feature = "alloc")]
mod shield;
#[cfg(feature = "alloc")]
mod task_group;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
mod thread_safe_flag;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
mod thread_safe_queue;
mod timeout;
mod timer;
mod turn;
#[cfg(feature = "alloc")]
mod wait;
mod wait_for;
mod watch;

#[cfg(feature = "alloc")]
pub use self::{
    as_completed::{AsCompleted, NextCompleted, as_completed},
    gather::{gather_iter, try_gather_iter},
    lifo_queue::LifoQueue,
    priority_queue::PriorityQueue,
    queue::{Fifo, Lifo, Queue, QueueGet, QueueJoin, QueueOrder, QueuePut, QueueStream, SmallestFirst},
    shield::shield,
    task_group::{RunTaskGroup, TaskGroup, TaskGroupError, task_group},
    wait::{ReturnWhen, Wait, Waited, wait},
};
pub use self::{
    barrier::{Barrier, BarrierWait, BrokenBarrierError},
    condition::{Condition, ConditionWait, ConditionWaitFor},
    delay::{Delay, DelayRun, DelayWait},
    event::{Event, EventWait},
    gather::{Gather, Gathering, TryGather, TryGathering, gather, try_gather},
    interval::{Interval, IntervalTick, MissedTickBehavior, Tick, interval, interval_at, interval_ms},
    lock::{Lock, LockAcquire, LockGuard},
    queue_error::{GetNowaitError, PutNowaitError, QueueShutDown},
    ringbuf_queue::{RingbufGet, RingbufOverwritten, RingbufQueue, RingbufStream},
    select::{Select, Select3, Select4, Selected, Selected3, Selected4, select, select3, select4},
    semaphore::{Semaphore, SemaphoreAcquire, SemaphoreClosed, SemaphorePermit, TryAcquireError},
    timeout::{RunTimeout, Timeout, timeout, timeout_ms},
    wait_for::{TimeoutError, WaitFor, wait_for, wait_for_ms},
    watch::{Watch, WatchChanged, WatchClosed, WatchReceiver, WatchRef, WatchSender},
};
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
pub use self::{
    thread_safe_flag::{ThreadSafeFlag, ThreadSafeFlagWait},
    thread_safe_queue::{ThreadSafeQueue, ThreadSafeQueueGet, ThreadSafeQueuePut, ThreadSafeQueueStream},
};

#[cfg(feature = "alloc")]
#[doc = include_str!("coming_from_asyncio.md")]
pub mod coming_from_asyncio {}

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
