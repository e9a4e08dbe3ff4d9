//! The rows: nanoseconds per operation, of the quickest batch.

use super::seam::*;
use crate::child::say;
use crate::measure::{Countdown, in_task, quickest, yield_now};
use crate::runtimes::Runtime;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

pub const LOCK: &str = "lock";
pub const LOCK_2: &str = "lock, 2 tasks";
pub const LOCK_AGAIN: &str = "lock, 2 tasks, again";
pub const LOCK_64: &str = "lock, 64 tasks";
pub const SEMAPHORE: &str = "semaphore";
pub const SEMAPHORE_64: &str = "semaphore, 64 tasks";
pub const QUEUE_1: &str = "queue 1 to 1";
pub const QUEUE_8: &str = "queue 8 to 1";
pub const EVENT: &str = "event to 1000";
pub const GATHER: &str = "gather 1000";
pub const GATHER_SINGLY: &str = "gather 1000, one by one";
pub const TIMEOUT: &str = "wait_for";

/// Operations of one batch.
const BATCH: usize = 12_800;
const MANY: usize = 1_000;

/// Runs as many tasks at once to their end.
async fn together<R: Runtime, F: Future<Output = ()> + 'static>(tasks: usize, mut task: impl FnMut(usize) -> F) {
    let left = Rc::new(Countdown::new(tasks));
    for index in 0..tasks {
        let (left, task) = (left.clone(), task(index));
        R::detach(async move {
            task.await;
            left.one_less();
        });
    }
    left.wait().await;
}

pub fn locks<L: Locks, R: Runtime>(time: Duration) {
    let alone = async move {
        let lock = L::lock();
        quickest(time, BATCH, async || {
            for _ in 0..BATCH {
                *black_box(L::acquire(&lock).await) += 1;
            }
        })
        .await
    };
    say(LOCK, in_task::<R, _>(alone));
    shared_lock::<L, R, true>(time, LOCK_2, 2);
    shared_lock::<L, R, true>(time, LOCK_64, 64);
}

/// For locks that are handed over: elsewhere the task that asks again at once has it again.
pub fn lock_again<L: Locks, R: Runtime>(time: Duration) {
    shared_lock::<L, R, false>(time, LOCK_AGAIN, 2);
}

/// `YIELDS`: whether a task yields before it asks again.
pub fn shared_lock<L: Locks, R: Runtime, const YIELDS: bool>(time: Duration, row: &str, tasks: usize) {
    let contended = async move {
        let lock = Rc::new(L::lock());
        quickest(time, BATCH, async || {
            together::<R, _>(tasks, |_| {
                let lock = lock.clone();
                async move {
                    for _ in 0..BATCH / tasks {
                        let mut guard = L::acquire(&lock).await;
                        yield_now().await; // so that the others come and have to wait
                        *guard += 1;
                        drop(guard);
                        if YIELDS {
                            yield_now().await; // so that they get it, also where a lock is not handed over
                        }
                    }
                }
            })
            .await;
            let mut count = L::acquire(&lock).await;
            assert_eq!(std::mem::take(&mut *count), BATCH as u64);
        })
        .await
    };
    say(row, in_task::<R, _>(contended));
}

pub fn semaphores<L: Semaphores, R: Runtime>(time: Duration) {
    let alone = async move {
        let semaphore = L::semaphore(4);
        quickest(time, BATCH, async || {
            for _ in 0..BATCH {
                drop(black_box(L::acquire(&semaphore).await));
            }
        })
        .await
    };
    say(SEMAPHORE, in_task::<R, _>(alone));
    let contended = async move {
        let semaphore = Rc::new(L::semaphore(4));
        quickest(time, BATCH, async || {
            together::<R, _>(WAITERS, |_| {
                let semaphore = semaphore.clone();
                async move {
                    for _ in 0..BATCH / WAITERS {
                        let permit = L::acquire(&semaphore).await;
                        yield_now().await;
                        drop(permit);
                        yield_now().await;
                    }
                }
            })
            .await;
        })
        .await
    };
    say(SEMAPHORE_64, in_task::<R, _>(contended));
}

pub fn queues<L: Queues, R: Runtime>(time: Duration) {
    for (row, producers) in [(QUEUE_1, 1), (QUEUE_8, 8)] {
        let through = async move {
            let (sender, mut receiver) = L::queue();
            quickest(time, BATCH, async || {
                for _ in 0..producers {
                    let mut sender = sender.clone();
                    R::detach(async move {
                        for item in 0..BATCH / producers {
                            drop(black_box(L::send(&mut sender, item as u64).await));
                        }
                    });
                }
                let mut sum = 0;
                for _ in 0..BATCH {
                    sum += L::receive(&mut receiver).await.item();
                }
                let each = BATCH / producers;
                assert_eq!(sum, (each * (each - 1) / 2 * producers) as u64);
            })
            .await
        };
        say(row, in_task::<R, _>(through));
    }
}

pub fn events<L: Events, R: Runtime>(time: Duration) {
    let fan_out = async move {
        let shared = Rc::new((L::event(), Countdown::new(MANY)));
        for _ in 0..MANY {
            let shared = shared.clone();
            R::detach(async move {
                loop {
                    let (event, told) = &*shared;
                    told.one_less(); // the first time: it is there
                    L::wait(event).await;
                }
            });
        }
        let (event, told) = &*shared;
        told.wait().await;
        quickest(time, MANY, async || {
            yield_now().await; // the last one waits again
            told.restart(MANY);
            L::pulse(event);
            told.wait().await;
        })
        .await
    };
    say(EVENT, in_task::<R, _>(fan_out));
}

/// A member that waits for one wake.
#[derive(Default)]
struct Member {
    waker: Cell<Option<Waker>>,
    woken: Cell<bool>,
}

pub fn gathers<L: Gathers, R: Runtime>(time: Duration) {
    for (row, singly) in [(GATHER, false), (GATHER_SINGLY, true)] {
        let woken_once = async move {
            let members: Rc<Vec<Member>> = Rc::new((0..MANY).map(|_| Member::default()).collect());
            quickest(time, MANY, async || {
                let others = members.clone();
                // Wakes all, in an order that is not theirs: at once, or each after the one before has had its turn.
                R::detach(async move {
                    for index in 0..MANY {
                        let member = &others[index * 7 % MANY];
                        member.woken.set(true);
                        if let Some(waker) = member.waker.take() {
                            waker.wake();
                        }
                        if singly {
                            yield_now().await;
                        }
                    }
                });
                let futures = (0..MANY).map(|index| {
                    let members = members.clone();
                    poll_fn(move |cx| {
                        let member = &members[index];
                        if member.woken.take() {
                            return Poll::Ready(index as u64);
                        }
                        member.waker.set(Some(cx.waker().clone()));
                        Poll::Pending
                    })
                });
                assert_eq!(L::gather(futures.collect()).await, (MANY * (MANY - 1) / 2) as u64);
            })
            .await
        };
        say(row, in_task::<R, _>(woken_once));
    }
}

pub fn timeouts<R: Timeouts>(time: Duration) {
    const COUNT: usize = 2_000;
    let in_time = quickest(time, COUNT, async || {
        for _ in 0..COUNT {
            assert!(R::timeout(yield_now(), Duration::from_secs(30)).await);
        }
    });
    say(TIMEOUT, in_task::<R, _>(in_time));
}
