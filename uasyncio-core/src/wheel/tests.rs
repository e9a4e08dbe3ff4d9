//! The wheel against a naive oracle: a list sorted by deadline and by the order in which the timers were armed.

mod model;

use crate::timer_node::{FARTHEST, Node};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::task::Waker;
use model::{Log, Model, Random};

/// Where the clock starts: at the wrap, at 0, and where the wheel's last level turns.
const STARTS: &[u32] =
    if cfg!(miri) { &[u32::MAX - 100] } else { &[u32::MAX - 100, 0, (1 << 30) - 5, (1 << 31) - 5, 3_000_000_000] };
const SEEDS: u64 = if cfg!(miri) { 4 } else { 1_000 };
const STEPS: usize = if cfg!(miri) { 60 } else { 200 };
const TIMERS: usize = 40;

/// Runs a test for many seeds, and says which one failed.
fn for_seeds(seeds: u64, test: impl Fn(&mut Random, u32)) {
    for seed in 0..seeds {
        for &start in STARTS {
            let run = std::panic::AssertUnwindSafe(|| test(&mut Random(seed), start));
            if let Err(panic) = std::panic::catch_unwind(run) {
                std::eprintln!("failed with seed {seed} and a clock that starts at {start}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Arming, cancelling, re-arming and time in random steps, with passes cut short at several lengths.
#[test]
fn wheel_fires_as_the_oracle_does() {
    for_seeds(SEEDS, |random, start| {
        let limit = [1, 3, 10, 1024][random.below(4) as usize];
        let patient = random.chance(50); // always lets a pass come to its end before time goes on
        let mut model = Model::new(start, TIMERS);
        for _ in 0..STEPS {
            let timer = random.below(TIMERS as u64) as usize;
            match random.below(10) {
                0..=4 => {
                    model.cancel(timer);
                    let delay = model.random_delay(random);
                    model.arm(timer, model.clock + delay);
                }
                5 => model.cancel(timer),
                6 if random.chance(20) => {
                    model.cancel(timer);
                    model.arm(timer, model.clock - random.below(10));
                }
                6 | 7 => model.advance(limit),
                _ if patient => {
                    model.settle(limit);
                    model.random_step(random);
                    model.advance(limit);
                }
                // Time goes on while the wheel is behind, and timers are armed before it is asked again.
                _ => model.random_step(random),
            }
        }
        model.settle(limit);
        model.clock += u64::from(FARTHEST);
        model.settle(limit);
        assert!(model.armed.is_empty());
        assert!(model.wheel.is_idle());
    });
}

/// Far fewer timers than milliseconds, so that each deadline is exact, the wheel idles and starts again.
#[test]
fn wheel_of_one_timer_tells_its_time() {
    for_seeds(SEEDS, |random, start| {
        let mut model = Model::new(start, 1);
        for _ in 0..STEPS / 4 {
            let delay = model.random_delay(random);
            model.arm(0, model.clock + delay);
            assert_eq!(model.wheel.next_deadline(), Some(model.ticks(model.clock + delay)));
            if random.chance(20) {
                model.cancel(0);
                assert_eq!(model.wheel.next_deadline(), None);
            }
            model.clock += delay;
            model.settle(1024);
            assert!(model.armed.is_empty() && model.wheel.is_idle());
            model.random_step(random);
        }
    });
}

/// Equal deadlines are armed while the cascade that brings the first of them down is cut short at every possible place.
#[test]
fn equal_deadlines_stay_in_order_across_a_cut_short_cascade() {
    for &start in STARTS {
        for delay in [64, 70, 4096, 4100, 4160, 300_000] {
            for passes in (0..12).step_by(if cfg!(miri) { 6 } else { 1 }) {
                let mut model = Model::new(start, 16);
                (0..8).for_each(|timer| model.arm(timer, 10 + delay));
                model.arm(8, 10 + delay + 1);
                model.clock += delay - 1;
                model.settle(1024);
                // One more of the same time each time that one node has moved.
                model.clock += 1;
                for timer in 9..16 {
                    if timer - 9 < passes {
                        model.advance(1);
                    }
                    model.arm(timer, 10 + delay + 1);
                }
                model.clock += 1;
                model.settle(1);
                assert!(model.armed.is_empty());
            }
        }
    }
}

/// Decision 18: what a cascade only moves counts as much as what fires.
#[test]
fn moves_are_limited_too() {
    for &start in STARTS {
        let mut model = Model::new(start, 10);
        let width = 1 << 12;
        let into = width - u64::from(model.ticks(model.clock).as_millis()) % width;
        (0..10).for_each(|timer| model.arm(timer, model.clock + into + 5));
        model.clock += into;
        for _ in 0..3 {
            model.advance(3);
            assert!(model.behind);
        }
        model.advance(3); // the tenth
        assert_eq!(model.wheel.next_deadline(), Some(model.ticks(model.clock + 5)));
    }
}

/// The loop comes late by more than half of what the clock can tell apart from the past, and somebody arms a timer before the
/// wheel hears of it: after a suspend, or when an idle loop with a far timer is woken for another reason.
#[test]
fn timers_armed_before_a_late_pass_are_not_early() {
    for &start in STARTS {
        for late in [1_u64, 1 << 20, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, 1_999_999_999, (1 << 31) - 12] {
            let mut model = Model::new(start, 5);
            model.arm(0, 10 + 1000);
            model.settle(1024);
            model.clock += late;
            for (timer, delay) in [1, 70, 5_000_000, FARTHEST].into_iter().enumerate() {
                model.arm(timer + 1, model.clock + u64::from(delay));
            }
            for _ in 0..1_000 {
                model.settle(3);
                let Some(next) = model.wheel.next_deadline() else { break };
                model.clock += next.diff(model.ticks(model.clock)) as u64;
            }
            assert!(model.armed.is_empty());
        }
    }
}

/// A waker that cancels timers which are due in the same pass: they do not fire (tokio #3229).
#[test]
fn a_firing_timer_cancels_others_that_are_due() {
    struct Cancels(AtomicPtr<Node>, Log);
    impl Wake for Cancels {
        fn wake(self: Arc<Self>) {
            // SAFETY: U9. The test keeps the node, and wakes on one thread only.
            unsafe { (*self.0.load(Ordering::Relaxed)).disarm() };
            self.1.lock().unwrap().push(99);
        }
    }
    for distance in [0, 1, 64, 5000] {
        let mut model = Model::new(u32::MAX - 100, 4);
        let victim = AtomicPtr::new(ptr::from_ref(&*model.nodes[2]).cast_mut());
        model.wakers[1] = Waker::from(Arc::new(Cancels(victim, model.log.clone())));
        model.arm(0, 110);
        model.arm(1, 110);
        model.arm(2, 110 + distance);
        model.arm(3, 110 + distance);
        model.wheel.advance(model.ticks(110 + distance), 1024);
        assert_eq!(core::mem::take(&mut *model.log.lock().unwrap()), [0, 99, 3]);
        assert_eq!(model.wheel.next_deadline(), None);
    }
}

/// Nodes that are still linked when the wheel ends are unlinked and their wakers woken; what is armed meanwhile never is.
#[test]
fn closing_detaches_every_node() {
    let mut model = Model::new(u32::MAX - 100, 6);
    for (timer, delay) in [0, 1, 70, 5_000, 40_000_000, FARTHEST].into_iter().enumerate() {
        model.arm(timer, model.clock + u64::from(delay));
    }
    model.wheel.close();
    let mut woken = model.log.lock().unwrap().clone();
    woken.sort_unstable();
    assert_eq!(woken, [0, 1, 2, 3, 4, 5]);
    assert!(model.nodes.iter().all(|node| !node.is_armed() && node.timers() == 0));
    model.wheel.arm(&model.nodes[0], model.ticks(50), model.ticks(20));
    assert!(!model.nodes[0].is_armed());
    // The next loop with the same memory.
    model.wheel.open(8);
    model.log.lock().unwrap().clear();
    model.armed.clear();
    model.arm(1, 50);
    model.clock = 50;
    model.settle(1024);
    assert!(model.armed.is_empty());
}
