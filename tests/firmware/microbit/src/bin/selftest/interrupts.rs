//! Wakes from a timer's interrupt: none is lost, whenever it comes (T-14 on the target).

use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use board::{Clock, counter, interrupt, periodic};
use uasyncio_core::Platform;
use uasyncio_sync::{ThreadSafeFlag, gather, wait_for_ms};

use crate::LOOP;
use crate::harness::{say, test};

const TASKS: usize = 8;
/// In all, for the eight of them.
const WAKES: u32 = 1_000_000;
/// 10 kHz.
const PERIOD: u16 = 100;

/// A flag for each task, and whether its last wake has been answered.
static FLAGS: [ThreadSafeFlag; TASKS] = [const { ThreadSafeFlag::new() }; TASKS];
static ANSWERED: [AtomicBool; TASKS] = [const { AtomicBool::new(true) }; TASKS];
/// How many of the flags the interrupt sets.
static SERVED: AtomicU32 = AtomicU32::new(0);
/// Whether the interrupt comes only once.
static ONCE: AtomicBool = AtomicBool::new(false);
/// Wakes that had to wait for the next interrupt, because the task had not yet answered the last one.
static LATE: AtomicU32 = AtomicU32::new(0);

#[interrupt]
fn TIMER1() {
    periodic::acknowledge();
    if ONCE.load(Relaxed) {
        periodic::stop();
    }
    for (flag, answered) in FLAGS.iter().zip(&ANSWERED).take(SERVED.load(Relaxed) as usize) {
        // One wake at a time: a lost one would never be answered, and nothing would cover it up.
        if answered.load(Relaxed) {
            answered.store(false, Relaxed);
            flag.set();
        } else {
            LATE.store(LATE.load(Relaxed) + 1, Relaxed);
        }
    }
}

async fn answer(task: usize, wakes: u32) {
    for _ in 0..wakes {
        FLAGS[task].wait().await;
        ANSWERED[task].store(true, Relaxed);
    }
}

pub(crate) fn tests(clock: Clock) {
    test("a_million_wakes_at_10_kilohertz", || {
        const EACH: u32 = WAKES / TASKS as u32;
        let before = clock.now();
        SERVED.store(TASKS as u32, Relaxed);
        periodic::start(PERIOD);
        LOOP.run(
            &clock,
            [
                pin!(answer(0, EACH)),
                pin!(answer(1, EACH)),
                pin!(answer(2, EACH)),
                pin!(answer(3, EACH)),
                pin!(answer(4, EACH)),
                pin!(answer(5, EACH)),
                pin!(answer(6, EACH)),
                pin!(answer(7, EACH)),
            ],
        );
        periodic::stop();
        let (millis, late) = (clock.now().diff(before), LATE.load(Relaxed));
        say(format_args!("{WAKES} wakes of {TASKS} tasks in {millis} ms, {late} of them late"));
    });
    test("no_moment_is_unlucky", || {
        // A single interrupt, a little later each time, so that it meets every step on the way to sleep. One that was missed would
        // be noticed only when the time is up.
        SERVED.store(1, Relaxed);
        ONCE.store(true, Relaxed);
        for microseconds in 5..400 {
            ANSWERED[0].store(true, Relaxed);
            LOOP.run(
                &clock,
                [pin!(async {
                    let before = counter::read();
                    periodic::start(microseconds);
                    assert_eq!(wait_for_ms(FLAGS[0].wait(), 50).await, Ok(()));
                    let waited = counter::read().wrapping_sub(before);
                    assert!(waited < 5_000, "the wake {microseconds} us after the start came {waited} us after it");
                })],
            );
        }
        ONCE.store(false, Relaxed);
    });
    test("an_interrupt_wakes_a_member_of_a_gather", || {
        SERVED.store(3, Relaxed);
        for answered in &ANSWERED {
            answered.store(true, Relaxed);
        }
        periodic::start(1_000);
        LOOP.run(
            &clock,
            [pin!(async {
                gather([answer(0, 10), answer(1, 10), answer(2, 10)]).await;
            })],
        );
        periodic::stop();
    });
}
