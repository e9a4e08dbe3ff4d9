//! Delay: one expiry for the last trigger, whoever waits, and no timer for the others.

#![cfg(feature = "std")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::common::{CountingWaker, Trace, Waiter, at_both_starts, panics, poll_once, waker_that_panics};
use uasyncio_core::{EventLoop, RunError, Task, VirtualTime, create_task, get_event_loop, sleep, sleep_ms, spawn, yield_now};
use uasyncio_sync::{Delay, wait_for_ms};

/// A task that waits once and logs it.
fn waiter(delay: &Rc<Delay>, trace: &Trace, name: &'static str) -> Task<()> {
    let (delay, trace) = (delay.clone(), trace.clone());
    create_task(async move {
        delay.wait().await;
        trace.log(name);
    })
}

fn run<T>(event_loop: &EventLoop<VirtualTime>, future: impl Future<Output = T>) -> T {
    event_loop.run_until_complete(future).unwrap()
}

#[test]
fn an_expiry_for_the_last_trigger() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            assert!(!delay.running());
            let task = waiter(&delay, trace, "expired");
            yield_now().await; // it waits before there is anything to wait for
            delay.trigger_ms(10);
            for later in [10, 5, 20] {
                sleep_ms(4).await;
                assert!(delay.running());
                delay.trigger(Duration::from_millis(later)); // later, earlier, and later again
            }
            task.await.unwrap();
            assert!(!delay.running());
        });
        trace.expect(&["32 expired"]);
    });
}

/// Between the trigger and the expiry the loop wakes up once for each time that the first timer comes before the last trigger's.
#[test]
fn triggering_again_makes_no_timers() {
    at_both_starts(|event_loop, trace| {
        let polls = Rc::new(Cell::new(0));
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            let (waits, count) = (delay.clone(), polls.clone());
            let task = create_task(async move {
                let mut wait = Box::pin(waits.wait());
                std::future::poll_fn(|cx| {
                    count.set(count.get() + 1);
                    wait.as_mut().poll(cx)
                })
                .await;
            });
            yield_now().await;
            let rounds = if cfg!(miri) { 50 } else { 10_000 };
            for _ in 0..rounds {
                delay.trigger_ms(100);
                event_loop.platform().advance(1); // work, which needs no timer
                yield_now().await;
            }
            assert_eq!(get_event_loop().tasks().len(), 2);
            let jumps = event_loop.platform().jumps();
            task.await.unwrap();
            assert!(event_loop.platform().jumps() - jumps <= 2);
            // Made, woken by the first trigger, and then once in a hundred milliseconds.
            assert!(polls.get() <= 4 + rounds / 99, "{polls:?}");
            trace.log("done");
            assert_eq!(trace.take(), [format!("{} done", rounds + 99)]);
        });
    });
}

/// After a stop there is no timer left that the loop would wait for.
#[test]
fn stop_takes_the_timer_away() {
    at_both_starts(|event_loop, trace| {
        let delay = Rc::new(Delay::new());
        let [task] = run(event_loop, async {
            let task = waiter(&delay, trace, "expired");
            delay.trigger_ms(10);
            sleep_ms(3).await;
            delay.stop();
            assert!(!delay.running());
            delay.stop();
            [task]
        });
        let jumps = event_loop.platform().jumps();
        let end = event_loop.run_until_complete(std::future::pending::<()>());
        let Err(RunError::Deadlock(deadlock)) = end else { panic!("it waits for nothing") };
        assert!(deadlock.to_string().contains("a delay"), "{deadlock}");
        assert_eq!(event_loop.platform().jumps(), jumps);
        // The waiter is there still.
        run(event_loop, async {
            delay.trigger_ms(10);
            task.await.unwrap();
        });
        trace.expect(&["13 expired"]);
    });
}

#[test]
fn an_expiry_that_nobody_waited_for_is_kept() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            delay.trigger_ms(5);
            sleep_ms(20).await;
            assert!(!delay.running());
            delay.wait().await;
            trace.log("at once");
            // Once only.
            assert!(wait_for_ms(delay.wait(), 10).await.is_err());
            // A stop forgets it, and so does a trigger.
            delay.trigger_ms(5);
            sleep_ms(20).await;
            delay.stop();
            assert!(wait_for_ms(delay.wait(), 10).await.is_err());
            delay.trigger_ms(5);
            sleep_ms(20).await;
            delay.trigger_ms(7);
            delay.wait().await;
            trace.log("the second");
        });
        trace.expect(&["20 at once", "87 the second"]);
    });
}

/// All who wait at the expiry, in their order, though their timers were set in another one; who comes later waits for the next.
#[test]
fn several_waiters() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            let mut tasks = vec![waiter(&delay, trace, "first")];
            yield_now().await;
            delay.trigger_ms(10);
            sleep_ms(5).await;
            delay.trigger_ms(10); // the first one has its timer at 10 still
            tasks.push(waiter(&delay, trace, "second"));
            yield_now().await;
            tasks.push(waiter(&delay, trace, "third"));
            sleep_ms(10).await;
            yield_now().await;
            tasks.push(waiter(&delay, trace, "fourth"));
            yield_now().await;
            trace.log("again");
            delay.trigger_ms(0);
            for task in tasks {
                task.await.unwrap();
            }
        });
        trace.expect(&["15 first", "15 second", "15 third", "15 again", "15 fourth"]);
    });
}

/// Who comes after the expiry on a late loop, before it has looked at its timers, is behind those who waited for it.
#[test]
fn a_late_comer_does_not_overtake() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            delay.trigger_ms(10);
            let first = waiter(&delay, trace, "first");
            yield_now().await;
            event_loop.platform().advance(20);
            delay.wait().await;
            trace.log("late");
            first.await.unwrap();
        });
        trace.expect(&["20 first", "20 late"]);
    });
}

/// The timer fires first, at the very tick and on a late loop; what comes then is another round.
#[test]
fn a_trigger_at_the_tick_of_the_expiry() {
    at_both_starts(|event_loop, trace| {
        for late in [0, 7] {
            let trace = trace.restarted(event_loop);
            run(event_loop, async {
                let delay = Rc::new(Delay::new());
                delay.trigger_ms(10);
                let again = delay.clone();
                let log = trace.clone();
                spawn(async move {
                    sleep_ms(10).await; // its timer is set before that of the waiter
                    get_event_loop();
                    again.trigger_ms(5);
                    log.log("triggered");
                });
                yield_now().await;
                let task = waiter(&delay, &trace, "expired");
                sleep_ms(9).await;
                event_loop.platform().advance(1 + late);
                task.await.unwrap();
                delay.wait().await;
                trace.log("expired again");
            });
            let lines = [(10 + late, "triggered"), (10 + late, "expired"), (15 + late, "expired again")];
            assert_eq!(trace.take(), lines.map(|(tick, event)| format!("{tick} {event}")));
        }
    });
}

/// T-18, T-19: who stops waiting takes its timer along, and no expiry.
#[test]
fn dropped_waiters() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            let (counting, waker) = CountingWaker::new();
            delay.trigger_ms(10);
            let mut first = Box::pin(delay.wait());
            let mut second = Box::pin(delay.wait());
            assert!(poll_once(&mut first, &waker).is_pending());
            assert!(poll_once(&mut second, &waker).is_pending());
            drop(first);
            sleep_ms(10).await;
            assert_eq!(counting.wakes(), 1);
            drop(second); // woken, and not polled: the expiry is kept
            delay.wait().await;
            trace.log("kept");
            // A thousand futures that are dropped leave nothing behind.
            let jumps = event_loop.platform().jumps();
            delay.trigger_ms(10);
            for _ in 0..1_000 {
                assert!(poll_once(&mut Box::pin(delay.wait()), &waker).is_pending());
            }
            delay.wait().await;
            assert_eq!((event_loop.platform().jumps() - jumps, counting.wakes()), (1, 1));
            // The first in line goes in the pass of the expiry, before it is polled; the second one is told all the same.
            delay.trigger_ms(10);
            let mut first = Box::pin(delay.wait());
            assert!(poll_once(&mut first, &waker).is_pending());
            let second = waiter(&delay, trace, "the second");
            yield_now().await;
            sleep_ms(10).await;
            drop(first);
            second.await.unwrap();
        });
        trace.expect(&["10 kept", "30 the second"]);
    });
}

/// T-20: the wakers of one waiter panic. What was to be done is done, and the others are told.
#[test]
fn wakers_that_panic() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            let (wakes, waker) = waker_that_panics();
            let mut panicking = Waiter::new(delay.wait());
            let mut other = Waiter::new(delay.wait());
            let mut both_wait = || assert!(panicking.poll_with(&waker).is_pending() && other.poll().is_pending());
            both_wait();
            assert!(panics(|| delay.trigger_ms(10)));
            assert!(delay.running());
            both_wait();
            assert!(panics(|| delay.stop()));
            assert!(!delay.running());
            both_wait();
            assert!(panics(|| delay.trigger_ms(10)));
            both_wait();
            assert_eq!((wakes.get(), other.wakes()), (3, 3));
            // By their timers, which each of them has.
            sleep_ms(20).await;
            assert_eq!((wakes.get(), other.wakes()), (4, 4));
            trace.log("the timers");
            // The other one wakes it in its own poll, and has expired all the same.
            assert!(panics(|| other.now()));
            other.now();
            panicking.now();
            delay.trigger_ms(10);
            delay.wait().await;
            trace.log("again");
        });
        trace.expect(&["20 the timers", "30 again"]);
    });
}

/// T-20: the last of three is told of an expiry, though the waker of the second panics.
#[test]
fn a_waker_that_panics_between_two_others() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            delay.trigger_ms(10);
            let first = waiter(&delay, trace, "first");
            yield_now().await;
            let mut second = Waiter::new(delay.wait());
            assert!(second.poll_with(&waker_that_panics().1).is_pending());
            waiter(&delay, trace, "third").await.unwrap();
            assert!(!first.await.unwrap_err().is_cancelled());
            second.now();
        });
        trace.expect(&["10 third"]);
    });
}

/// T-20: a callback that panics takes no expiry from the others, and may be called again.
#[test]
fn a_callback_that_panics() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            let calls = Cell::new(0);
            let mut runs = Waiter::waiting(delay.run(|| {
                calls.set(calls.get() + 1);
                assert_ne!(calls.get(), 1, "the first one");
                std::future::ready(())
            }));
            let other = waiter(&delay, trace, "waited");
            delay.trigger_ms(5);
            assert!(runs.poll().is_pending());
            sleep_ms(5).await;
            assert!(panics(|| _ = runs.poll()));
            other.await.unwrap();
            delay.trigger_ms(5);
            assert!(runs.poll().is_pending());
            sleep_ms(5).await;
            assert!(runs.poll().is_pending());
            trace.log(format_args!("called {} times", calls.get()));
        });
        trace.expect(&["5 waited", "10 called 2 times"]);
    });
}

#[test]
fn a_callback_for_each_expiry() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            let (runs, log) = (delay.clone(), trace.clone());
            let task = create_task(async move {
                runs.run(|| async {
                    log.log("begins");
                    sleep_ms(20).await;
                    log.log("ends");
                })
                .await
            });
            yield_now().await;
            delay.trigger_ms(5);
            sleep_ms(10).await; // at work since 5
            delay.trigger_ms(3); // over at 13, called at 25
            sleep_ms(50).await;
            delay.trigger_ms(5);
            sleep_ms(10).await;
            assert!(task.cancel()); // in the middle of the call
            assert!(task.await.is_err());
            delay.trigger_ms(5);
            sleep_ms(10).await;
        });
        trace.expect(&["5 begins", "25 ends", "25 begins", "45 ends", "65 begins"]);
    });
}

/// An expiry that another waiter was told while the callback was at work is the callback's too.
#[test]
fn callback_and_waiter() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            let (runs, log) = (delay.clone(), trace.clone());
            let calls = create_task(async move {
                runs.run(|| async {
                    log.log("called");
                    sleep_ms(20).await;
                })
                .await
            })
            .cancel_on_drop();
            yield_now().await;
            delay.trigger_ms(1);
            sleep_ms(5).await;
            let task = waiter(&delay, trace, "waited");
            delay.trigger_ms(5);
            task.await.unwrap();
            sleep_ms(100).await;
            drop(calls);
        });
        trace.expect(&["1 called", "10 waited", "21 called"]);
    });
}

/// A callback that triggers its own delay, and a delay of nothing: others get their turn.
#[test]
fn triggered_by_its_own_callback() {
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            for period in [10, 0] {
                let delay = Rc::new(Delay::new());
                let calls = Rc::new(Cell::new(0));
                let (runs, count) = (delay.clone(), calls.clone());
                delay.trigger_ms(period);
                let task = create_task(async move {
                    runs.run(|| {
                        count.set(count.get() + 1);
                        runs.trigger_ms(period);
                        std::future::ready(())
                    })
                    .await
                })
                .cancel_on_drop();
                if period == 0 {
                    yield_now().await;
                    yield_now().await;
                    assert!((100..1_000).contains(&calls.get()), "{calls:?}");
                } else {
                    sleep_ms(95).await;
                    trace.log(calls.get());
                }
                drop(task);
            }
        });
        trace.expect(&["95 9"]);
    });
}

/// T-29: longer than the clock's range, and never; `running` all the time.
#[test]
fn long_delays() {
    const DAY: u32 = 24 * 60 * 60 * 1_000;
    at_both_starts(|event_loop, trace| {
        run(event_loop, async {
            let delay = Rc::new(Delay::new());
            for days in [1_u32, 20, 60] {
                let task = waiter(&delay, trace, "waited");
                yield_now().await;
                delay.trigger(Duration::from_millis(u64::from(days) * u64::from(DAY)));
                for _ in 0..days {
                    assert!(delay.running());
                    sleep_ms(DAY).await;
                }
                assert!(!delay.running());
                task.await.unwrap();
                assert_eq!(trace.take().len(), 1);
            }
            delay.trigger(Duration::MAX);
            let wait = uasyncio_sync::wait_for(delay.wait(), Duration::from_secs(100 * 24 * 60 * 60)).await;
            assert!(wait.is_err() && delay.running());
            delay.trigger_ms(1); // earlier than never
            delay.wait().await;
            sleep(Duration::from_millis(1)).await;
        });
    });
}

#[test]
fn names() {
    type Run<'d> = uasyncio_sync::DelayRun<'d, fn() -> std::future::Ready<()>, std::future::Ready<()>>;
    fn is_nameable(_: Option<(uasyncio_sync::DelayWait<'_>, Run<'_>)>) {}
    is_nameable(None);
    let delay = Delay::default();
    assert_eq!(format!("{delay:?}"), "Delay { deadline: None, .. }");
    assert!(format!("{:?}", delay.wait()).starts_with("DelayWait"));
    assert!(format!("{:?}", delay.run(|| std::future::ready(()))).starts_with("DelayRun"));
}
