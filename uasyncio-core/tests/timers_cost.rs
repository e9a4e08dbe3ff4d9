//! What timers cost: waits, looks at the clock, allocations, bytes, and how long they may hold a pass.

#![cfg(all(feature = "std", feature = "virtual-time"))]

#[path = "it/common/mod.rs"]
mod common;
#[path = "it/common/counting.rs"]
mod counting;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use common::{Random, Recorder, STARTS, Trace, at_both_starts};
use counting::{Heap, heap, since};
use uasyncio_core::{EventLoop, Platform, Sleep, Ticks, call_at_, call_later_ms, get_event_loop, sleep, sleep_ms, yield_now};

#[global_allocator]
static ALLOCATOR: counting::CountingAllocator = counting::CountingAllocator;

/// The whole of a sleeping future, timer and all.
#[test]
fn size_of_a_sleep() {
    assert!(size_of::<Sleep>() <= 56, "{}", size_of::<Sleep>());
}

/// An idle loop with one timer waits once, for as long as it takes (T-07: also when that is less than a millisecond).
#[test]
fn one_wait_for_one_timer() {
    for start in STARTS {
        let trace = Trace::new(start);
        let event_loop = EventLoop::with_platform(Recorder::new(&trace));
        event_loop.run_until_complete(sleep_ms(1_000)).unwrap();
        trace.expect(&["0 wait 1000"]);
        event_loop.run_until_complete(sleep(Duration::from_micros(900))).unwrap();
        event_loop.run_until_complete(sleep(Duration::from_millis(1))).unwrap();
        event_loop.run_until_complete(sleep(Duration::from_nanos(999_999_001))).unwrap();
        trace.expect(&["1000 wait 1", "1001 wait 1", "1002 wait 1000"]);
    }
}

/// A clock that runs by itself: one wait still, with the fraction of a millisecond that has begun on top.
#[test]
fn one_wait_on_a_clock_that_ticks() {
    struct Ticking {
        now: Cell<u32>,
        waits: RefCell<Vec<Option<u32>>>,
    }
    impl Platform for Ticking {
        fn now(&self) -> Ticks {
            Ticks::from_millis(self.now.get())
        }
        fn wait(&self, timeout: Option<u32>) {
            self.waits.borrow_mut().push(timeout);
            self.now.set(self.now.get().wrapping_add(timeout.unwrap_or(0)));
        }
        fn notifier(&self) -> Waker {
            Waker::noop().clone()
        }
    }
    for start in STARTS {
        let event_loop = EventLoop::with_platform(Ticking { now: Cell::new(start.as_millis()), waits: RefCell::default() });
        event_loop.run_until_complete(sleep_ms(1_000)).unwrap();
        assert_eq!(*event_loop.platform().waits.borrow(), [Some(1_001)]);
    }
}

/// Decision 11: a poll that arms timers reads the clock once, in whatever ways it arms them, and so does a pass with timers.
#[test]
fn one_clock_read_for_each_poll_that_arms() {
    for start in STARTS {
        let event_loop = EventLoop::with_platform(Recorder::new(&Trace::new(start)));
        let reads = || event_loop.platform().take_clock_reads();
        event_loop
            .run_until_complete(async {
                reads();
                for millis in 1..=5 {
                    call_later_ms(millis, || {});
                    call_at_(start.wrapping_add(millis), || {});
                }
                let mut sleeps: Vec<_> = (1..=5).map(|millis| Box::pin(sleep_ms(millis))).collect();
                for sleep in &mut sleeps {
                    assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                }
                call_later_ms(6, || {});
                assert_eq!(reads(), 1);
                yield_now().await;
                assert_eq!(reads(), 0, "another poll, which arms nothing");
            })
            .unwrap();
        // From outside the loop each call is a poll of its own.
        event_loop.call_later_ms(1, || {});
        event_loop.call_later_ms(1, || {});
        assert_eq!(reads(), 2);
    }
}

/// Counts how many timers fire from wait to wait.
struct Passes {
    now: Cell<Ticks>,
    fired: Arc<Fired>,
    most: Cell<u32>,
    all: Cell<u32>,
    passes: Cell<u32>,
}

#[derive(Default)]
struct Fired(AtomicU32);

impl Wake for Fired {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Platform for Passes {
    fn now(&self) -> Ticks {
        self.now.get()
    }

    fn now_rounded_up(&self) -> Ticks {
        self.now()
    }

    fn wait(&self, timeout: Option<u32>) {
        let fired = self.fired.0.swap(0, Ordering::Relaxed);
        self.most.set(self.most.get().max(fired));
        self.all.set(self.all.get() + fired);
        self.passes.set(self.passes.get() + 1);
        self.now.set(self.now.get().wrapping_add(timeout.expect("timers are armed")));
    }

    fn notifier(&self) -> Waker {
        Waker::noop().clone()
    }
}

/// Decision 18: a hundred thousand timers are due at once, all for one tick or spread over a minute. No pass fires more than 1024
/// of them, and the tasks that are ready run in between.
#[test]
fn passes_are_bounded() {
    let timers = if cfg!(miri) { 1_100 } else { 100_000 };
    for &spread in if cfg!(miri) { &[1][..] } else { &[1, 60_000] } {
        for start in STARTS {
            let (now, fired) = (Cell::new(start), Arc::<Fired>::default());
            let passes = Passes { now, fired: fired.clone(), most: Cell::new(0), all: Cell::new(0), passes: Cell::new(0) };
            let event_loop = EventLoop::with_platform(passes);
            let (waker, passes) = (Waker::from(fired), event_loop.platform());
            let (mut sleeps, mut random, mut polls) = (Vec::new(), Random::seeded(7), 0);
            event_loop
                .run_until_complete(async {
                    for _ in 0..timers {
                        let mut sleep = Box::pin(sleep_ms(60_000 - random.below(spread) as u32));
                        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                        sleeps.push(sleep);
                    }
                    passes.now.set(get_event_loop().time().wrapping_add(60_000));
                    while passes.all.get() < timers {
                        polls += 1;
                        yield_now().await;
                    }
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(sleeps.iter_mut().all(|sleep| sleep.as_mut().poll(&mut cx).is_ready()));
                })
                .unwrap();
            let (most, passes) = (passes.most.get(), passes.passes.get());
            assert!(most <= 1024, "{most}");
            assert!(passes <= 4 * timers / 1024 + 5, "each timer moves at most three times, and fires: {passes}");
            assert!(polls >= 61 * (passes - 1), "others ran meanwhile: {polls} polls in {passes} passes");
        }
    }
}

/// The wheel's lists are made once; after that arming, firing, cancelling and cascading allocate nothing.
#[test]
fn timers_allocate_nothing() {
    at_both_starts(|event_loop, _| {
        let mut random = Random::seeded(3);
        let mut rounds = |rounds: usize, sleeps: &mut Vec<std::pin::Pin<Box<Sleep>>>| {
            for _ in 0..rounds {
                let sleep = random.below(sleeps.len());
                let sleep = sleeps[sleep].as_mut();
                let far = [10, 100, 5_000, 300_000, 20_000_000, 1_100_000_000][random.below(6)];
                let mut sleep = std::pin::pin!(sleep);
                sleep.as_mut().get_mut().as_mut().reset(Duration::from_millis(1 + random.below(far) as u64));
                assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        };
        let timers = if cfg!(miri) { 10 } else { 100 };
        let mut sleeps: Vec<_> = (0..timers).map(|_| Box::pin(sleep_ms(1))).collect();
        event_loop
            .run_until_complete(async {
                rounds(3 * timers, &mut sleeps);
                sleep_ms(3_000_000_000).await;
                let before = heap();
                rounds(10 * timers, &mut sleeps);
                sleep_ms(3_000_000_000).await;
                assert_eq!(since(before), Heap::default());
                assert!(sleeps.iter().all(|sleep| !format!("{sleep:?}").contains("deadline")), "none is armed any more");
            })
            .unwrap();
    });
}
