//! Tasks: their order, their wakes, their places in the table.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use core::task::{Context, Poll, Waker};

use board::{Clock, yield_once};
use uasyncio_core::{sleep_ms, spawn_pinned};

use crate::LOOP;
use crate::harness::{Trace, test};

/// How many countdowns have ended.
static FINISHED: AtomicU32 = AtomicU32::new(0);

/// Is done after so many polls.
struct Countdown(u32);

impl Future for Countdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            FINISHED.store(FINISHED.load(Relaxed) + 1, Relaxed);
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(crate) fn tests(clock: Clock) {
    test("fifo_order_of_wakes", || {
        let trace = Trace::new();
        let task = async |name: char| {
            for _ in 0..3 {
                trace.mark(name);
                yield_once().await;
            }
        };
        LOOP.run(&clock, [pin!(task('a')), pin!(task('b')), pin!(task('c'))]);
        trace.is("abcabcabc");
    });
    test("woken_twice_polled_once", || {
        let (polls, kept) = (Cell::new(0), RefCell::new(None::<Waker>));
        let counted = poll_fn(|cx| {
            polls.set(polls.get() + 1);
            kept.replace(Some(cx.waker().clone()));
            if polls.get() == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        let waking = async {
            for round in 1..=2 {
                yield_once().await;
                assert_eq!(polls.get(), round);
                for _ in 0..5 {
                    kept.borrow().as_ref().unwrap().wake_by_ref();
                }
            }
        };
        LOOP.run(&clock, [pin!(counted), pin!(waking)]);
        assert_eq!(polls.get(), 3);
    });
    test("stale_wakers_are_harmless", || {
        let kept = RefCell::new(None::<Waker>);
        let first = poll_fn(|cx| {
            kept.replace(Some(cx.waker().clone()));
            Poll::Ready(())
        });
        LOOP.run(&clock, [pin!(first)]);
        let stale = kept.take().unwrap();
        stale.wake_by_ref(); // nobody runs
        let polls = Cell::new(0);
        let counted = async {
            yield_once().await;
            polls.set(polls.get() + 1);
        };
        LOOP.run(
            &clock,
            [
                pin!(async {
                    stale.wake_by_ref();
                    yield_once().await;
                    stale.wake_by_ref();
                }),
                pin!(counted),
            ],
        );
        stale.wake();
        assert_eq!(polls.get(), 1);
    });
    test("tasks_come_in_while_there_is_room", || {
        let countdown = cortex_m::singleton!(: Countdown = Countdown(3)).unwrap();
        let too_many = cortex_m::singleton!(: Countdown = Countdown(1)).unwrap();
        let (first, second) = (Pin::new(countdown), Pin::new(too_many));
        let waiting = async || sleep_ms(3).await;
        LOOP.run(
            &clock,
            [
                pin!(async {
                    spawn_pinned(first).unwrap();
                    let full = spawn_pinned(second).unwrap_err();
                    full.into_future().await; // the future has come back, and is as good as new
                }),
                pin!(waiting()),
                pin!(waiting()),
                pin!(waiting()),
                pin!(waiting()),
                pin!(waiting()),
                pin!(waiting()),
            ],
        );
        assert_eq!(FINISHED.load(Relaxed), 2);
    });
    test("runs_follow_each_other", || {
        for _ in 0..50 {
            let done = Cell::new(0);
            let task = async || {
                sleep_ms(0).await;
                done.set(done.get() + 1);
            };
            LOOP.run(&clock, [pin!(task()), pin!(task())]);
            assert_eq!(done.get(), 2);
        }
    });
}
