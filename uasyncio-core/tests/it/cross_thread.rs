//! Wakes from other threads: none is lost, however they meet the loop's sleep and each other (T-14, compio#948, trap 32).
//!
//! The exhaustive models are loom's, beside the code; here the same protocol runs on real threads, with a watchdog.

#![cfg(feature = "std")]

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use crate::common::{Random, Watchdog};
use uasyncio_core::{EventLoop, create_task, run, sleep_ms, yield_now};

/// A number that other threads count up, and the waker of the one task that waits for it to change.
#[derive(Default)]
struct Counter {
    count: AtomicU32,
    waker: Mutex<Option<Waker>>,
}

impl Counter {
    /// Waits until the count is another one than `seen`.
    async fn changed(&self, seen: u32) -> u32 {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            match self.count.load(Ordering::Acquire) {
                count if count == seen => Poll::Pending,
                count => Poll::Ready(count),
            }
        })
        .await
    }

    fn count_up(&self, by: u32) {
        self.count.fetch_add(by, Ordering::Release);
        let waker = self.waker.lock().unwrap().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// compio#948: many threads, many tasks in one page and in several, a loop that sleeps and wakes all the time.
#[test]
fn remote_wake_from_8_threads_no_loss() {
    let _watchdog = Watchdog::new("remote_wake_from_8_threads_no_loss");
    let (threads, tasks, wakes) = if cfg!(miri) { (3, 5, 20) } else { (8, 100, 10_000) };
    let counters: Vec<_> = (0..tasks).map(|_| Arc::new(Counter::default())).collect();
    let sent: u32 = run(async {
        let waiting: Vec<_> = counters
            .iter()
            .map(|counter| {
                let counter = counter.clone();
                create_task(async move {
                    let mut seen = 0;
                    while seen < u32::MAX / 2 {
                        seen = counter.changed(seen).await;
                    }
                    seen - u32::MAX / 2
                })
            })
            .collect();
        yield_now().await;
        let running: Vec<_> = (0..threads)
            .map(|seed| {
                let counters = counters.clone();
                thread::spawn(move || {
                    let mut random = Random::seeded(seed);
                    for n in 0..wakes {
                        counters[random.below(counters.len())].count_up(1);
                        if n % 100 == 0 {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let ending = counters.clone();
        let end = thread::spawn(move || {
            running.into_iter().for_each(|thread| thread.join().unwrap());
            // The last wake of each task, which nothing follows: if it is lost, the test hangs.
            for counter in ending {
                counter.count_up(u32::MAX / 2);
            }
        });
        let mut sum = 0;
        for task in waiting {
            sum += task.await.unwrap();
        }
        end.join().unwrap();
        sum
    });
    assert_eq!(sent, threads as u32 * wakes);
}

/// A ping-pong between two loops on two threads: every single wake-up meets the other side just falling asleep, or awake.
#[test]
fn ping_pong_between_two_loops() {
    let _watchdog = Watchdog::new("ping_pong_between_two_loops");
    let rounds = if cfg!(miri) { 30 } else { 20_000 };
    let sides = [Arc::new(Counter::default()), Arc::new(Counter::default())];
    let play = move |mine: Arc<Counter>, other: Arc<Counter>, begins: bool| {
        run(async {
            if begins {
                other.count_up(1);
            }
            for seen in 0..rounds {
                assert_eq!(mine.changed(seen).await, seen + 1);
                if !begins || seen + 1 < rounds {
                    other.count_up(1);
                }
            }
        });
    };
    let (one, two) = (sides[0].clone(), sides[1].clone());
    let other = thread::spawn(move || play(two, one, false));
    play(sides[0].clone(), sides[1].clone(), true);
    other.join().unwrap();
}

/// T-14: waking while holding a mutex that the woken task takes: a wake neither blocks nor runs the task.
#[test]
fn wake_while_holding_the_tasks_mutex() {
    let _watchdog = Watchdog::new("wake_while_holding_the_tasks_mutex");
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    let shared = Arc::new(Mutex::new((0_u32, None::<Waker>)));
    let seen = run(async {
        let others = shared.clone();
        let thread = thread::spawn(move || {
            for _ in 0..rounds {
                let mut guard = others.lock().unwrap();
                guard.0 += 1;
                if let Some(waker) = &guard.1 {
                    waker.wake_by_ref(); // still locked
                }
                thread::yield_now();
            }
        });
        let end = poll_fn(|cx| {
            let mut guard = shared.lock().unwrap();
            guard.1 = Some(cx.waker().clone());
            if guard.0 == rounds { Poll::Ready(guard.0) } else { Poll::Pending }
        })
        .await;
        thread.join().unwrap();
        end
    });
    assert_eq!(seen, rounds);
}

/// Tasks that end, and slots that are used again, while other threads go on waking: nobody misses a wake of its own.
#[test]
fn stale_wakes_from_threads_among_new_tasks() {
    let _watchdog = Watchdog::new("stale_wakes_from_threads_among_new_tasks");
    let rounds = if cfg!(miri) { 10 } else { 2_000 };
    let (send, receive) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let thread = thread::spawn(move || {
        let mut old: Vec<Waker> = Vec::new();
        for (waker, done) in receive {
            old.iter().for_each(Waker::wake_by_ref); // of tasks that have ended
            done.store(true, Ordering::Release);
            waker.wake_by_ref();
            old.push(waker);
            if old.len() > 20 {
                old.drain(..10);
            }
        }
    });
    run(async {
        let mut tasks = Vec::new();
        for round in 0..rounds {
            let send = send.clone();
            tasks.push(create_task(async move {
                let done = Arc::new(AtomicBool::new(false));
                let mut sent = false;
                poll_fn(|cx| {
                    if !sent {
                        sent = true;
                        send.send((cx.waker().clone(), done.clone())).unwrap();
                    }
                    if done.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }));
            if round % 7 == 0 {
                for task in tasks.drain(..) {
                    task.await.unwrap();
                }
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    drop(send);
    thread.join().unwrap();
}

/// Loops that begin and end on several threads at once, out of one pool, with wakes across all of them.
#[test]
fn loops_on_many_threads_share_one_pool() {
    let _watchdog = Watchdog::new("loops_on_many_threads_share_one_pool");
    let (threads, rounds) = if cfg!(miri) { (3, 4) } else { (6, 300) };
    let shared: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let running: Vec<_> = (0..threads)
        .map(|seed| {
            let shared = shared.clone();
            thread::spawn(move || {
                let mut random = Random::seeded(seed);
                for _ in 0..rounds {
                    let polls = Rc::new(Cell::new(0));
                    let event_loop = EventLoop::new();
                    let tasks: Vec<_> = (0..random.below(60))
                        .map(|_| {
                            let (count, shared, mut told) = (polls.clone(), shared.clone(), false);
                            event_loop.create_task(poll_fn(move |cx| {
                                count.set(count.get() + 1);
                                if !told {
                                    told = true;
                                    let mut wakers = shared.lock().unwrap();
                                    wakers.push(cx.waker().clone());
                                    if wakers.len() > 30 {
                                        let half: Vec<_> = wakers.drain(..15).collect();
                                        drop(wakers);
                                        half.into_iter().for_each(Waker::wake);
                                    }
                                }
                                Poll::<()>::Pending
                            }))
                        })
                        .collect();
                    event_loop
                        .run_until_complete(async {
                            for _ in 0..5 {
                                yield_now().await;
                            }
                        })
                        .unwrap();
                    assert!(polls.get() >= tasks.len());
                    drop(event_loop);
                    assert!(tasks.iter().all(|task| task.done()));
                }
            })
        })
        .collect();
    running.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A wake and the sleep's own deadline at about the same time: each sleep ends once, in time, and the loop goes on.
#[test]
fn wakes_beside_timers() {
    let _watchdog = Watchdog::new("wakes_beside_timers");
    let rounds = if cfg!(miri) { 5 } else { 200 };
    let counter = Arc::new(Counter::default());
    let stop = Arc::new(AtomicBool::new(false));
    let (others, stopped) = (counter.clone(), stop.clone());
    let thread = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            others.count_up(1);
            thread::yield_now();
        }
    });
    run(async {
        let watched = counter.clone();
        let watching = create_task(async move {
            let mut seen = 0;
            loop {
                seen = watched.changed(seen).await;
            }
        });
        for _ in 0..rounds {
            sleep_ms(1).await;
        }
        let _: &uasyncio_core::Task<()> = &watching;
        stop.store(true, Ordering::Relaxed);
    });
    thread.join().unwrap();
}
