//! hyper's timer: exact under virtual time, and honest about threads.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use uasyncio_compat::hyper::LoopTimer;
use uasyncio_core::{EventLoop, VirtualTime, create_task, yield_now};

fn run<F: Future>(future: F) -> F::Output {
    EventLoop::with_platform(VirtualTime::new()).run_until_complete(future).unwrap()
}

fn now() -> u32 {
    uasyncio_core::get_event_loop().time().as_millis()
}

fn sleep_ms(millis: u64) -> Pin<Box<dyn Sleep>> {
    LoopTimer::new().sleep(Duration::from_millis(millis))
}

fn poll(sleep: &mut Pin<Box<dyn Sleep>>) -> bool {
    sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_sleep_takes_its_time() {
    run(async {
        sleep_ms(30_000).await;
        assert_eq!(now(), 30_000);
        LoopTimer::new().sleep_until(Instant::now() + Duration::from_secs(5)).await;
        assert_eq!(now(), 35_000);
    });
}

#[test]
fn a_deadline_that_has_passed_is_over_at_once() {
    run(async {
        let Some(past) = Instant::now().checked_sub(Duration::from_secs(1)) else { return };
        LoopTimer::new().sleep_until(past).await;
        assert_eq!(now(), 0);
    });
}

#[test]
fn the_longest_sleep_never_ends() {
    run(async {
        let mut sleep = LoopTimer::new().sleep(Duration::MAX);
        assert!(!poll(&mut sleep));
        sleep_ms(1_000_000_000).await;
        assert!(!poll(&mut sleep));
    });
}

#[test]
fn many_sleeps_fire_in_the_order_of_their_deadlines() {
    run(async {
        let tasks: Vec<_> = (0..100_u64)
            .map(|number| {
                let millis = number * 37 % 100 * 10;
                create_task(async move {
                    sleep_ms(millis).await;
                    assert_eq!(u64::from(now()), millis);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(now(), 990);
    });
}

#[test]
fn a_reset_moves_the_deadline_both_ways() {
    run(async {
        let timer = LoopTimer::new();
        let mut sleep = sleep_ms(10_000);
        assert!(!poll(&mut sleep));
        timer.reset(&mut sleep, Instant::now() + Duration::from_secs(20));
        sleep.as_mut().await;
        assert_eq!(now(), 20_000);

        // Also one that is over, and one that was not polled yet.
        timer.reset(&mut sleep, Instant::now() + Duration::from_secs(1));
        assert!(!poll(&mut sleep));
        timer.reset(&mut sleep, Instant::now() + Duration::from_millis(500));
        sleep.as_mut().await;
        assert_eq!(now(), 20_500);
        let mut fresh = sleep_ms(10_000);
        timer.reset(&mut fresh, Instant::now() + Duration::from_secs(2));
        fresh.await;
        assert_eq!(now(), 22_500);
    });
}

#[test]
fn a_sleep_that_is_dropped_holds_nothing_up() {
    run(async {
        let mut sleep = sleep_ms(60_000);
        assert!(!poll(&mut sleep));
        drop(sleep);
        sleep_ms(1).await;
        assert_eq!(now(), 1);
    });
    // Nothing else to wait for: it would jump there otherwise.
}

#[test]
fn made_here_it_may_be_polled_elsewhere_if_it_is_polled_there_first() {
    let sleep = sleep_ms(5_000);
    std::thread::spawn(|| {
        run(async {
            sleep.await;
            assert_eq!(now(), 5_000);
        });
    })
    .join()
    .unwrap();
}

#[test]
fn polled_on_another_thread_it_panics_and_says_why() {
    run(async {
        let mut sleep = sleep_ms(1_000);
        assert!(!poll(&mut sleep));
        let (mut sleep, message) = std::thread::spawn(move || {
            let panic = catch_unwind(AssertUnwindSafe(|| poll(&mut sleep))).unwrap_err();
            (sleep, *panic.downcast::<&str>().expect("a plain message"))
        })
        .join()
        .unwrap();
        assert!(message.contains("belongs to the thread that polled it first"), "{message}");
        // And it is as good as before at home.
        sleep.as_mut().await;
        assert_eq!(now(), 1_000);
        assert!(poll(&mut sleep));
    });
}

#[test]
fn dropped_on_another_thread_it_is_taken_back_at_home() {
    /// Tells the wakers apart: dropped with the sleep that holds it.
    struct Held;
    impl std::task::Wake for Held {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    run(async {
        let held = std::sync::Arc::new(Held);
        let waker = Waker::from(held.clone());
        let mut sleep = sleep_ms(60_000);
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        std::thread::spawn(move || drop(sleep)).join().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&held), 2);
        // The next one of this thread looks after it.
        let mut next = sleep_ms(1);
        assert!(!poll(&mut next));
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        next.await;
        assert_eq!(now(), 1);
    });
}

#[test]
fn a_place_that_is_used_again_is_not_mistaken() {
    run(async {
        let mut first = sleep_ms(60_000);
        assert!(!poll(&mut first));
        // Dropped elsewhere and cleared here, then its place is another one's.
        std::thread::spawn(move || drop(first)).join().unwrap();
        let mut second = sleep_ms(5);
        assert!(!poll(&mut second));
        let mut third = sleep_ms(3);
        assert!(!poll(&mut third));
        third.await;
        second.await;
        assert_eq!(now(), 5);
    });
}

#[test]
fn without_a_loop_it_panics_and_goes_on_later() {
    let mut sleep = sleep_ms(10);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut sleep))).is_err());
    run(async {
        yield_now().await;
        sleep.await;
        assert_eq!(now(), 10);
    });
}
