//! Tests that run on the target with a heap: `EventLoop`, `create_task`, callbacks and queues, as on a server.
//!
//! The heap is the program's choice: here it is that of `allocator.rs`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

#[allow(unsafe_code)]
mod allocator;
#[path = "../../microbit/src/bin/selftest/harness.rs"]
mod harness;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use board::{Clock, interrupt, periodic};
use cortex_m_rt::entry;
use harness::{Trace, say, test};
use uasyncio_core::{EventLoop, TaskError, call_later_ms, call_soon, create_task, sleep_ms, yield_now};
use uasyncio_sync::{Queue, ThreadSafeFlag, gather};

/// So long before its wrap the clock starts, in milliseconds.
const BEFORE_WRAP: u32 = 10;

static FLAG: ThreadSafeFlag = ThreadSafeFlag::new();

#[interrupt]
fn TIMER1() {
    periodic::acknowledge();
    FLAG.set();
}

/// Runs a test's future on a loop of its own.
fn run<F: Future>(clock: Clock, future: F) -> F::Output {
    match EventLoop::with_platform(clock).run_until_complete(future) {
        Ok(output) => output,
        Err(error) => panic!("{error}"),
    }
}

#[entry]
fn main() -> ! {
    allocator::start();
    let clock = Clock::start_at(BEFORE_WRAP.wrapping_neg());

    test("tasks_on_the_heap_run_in_order_and_give_their_results", || {
        let trace = Rc::new(Trace::new());
        let task = |name: char, millis: u32| {
            let trace = trace.clone();
            create_task(async move {
                trace.mark(name);
                sleep_ms(millis).await;
                trace.mark(name.to_ascii_uppercase());
                millis
            })
        };
        let sum = run(clock, async {
            let tasks = [task('a', 30), task('b', 10), task('c', 20)];
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap_or(0);
            }
            sum
        });
        assert_eq!(sum, 60);
        trace.is("abcBCA");
    });

    test("a_cancelled_task_is_dropped_and_says_so", || {
        let held = Rc::new(());
        let holding = held.clone();
        let end = run(clock, async {
            let task = create_task(async move {
                let _held = holding;
                sleep_ms(1_000_000).await;
            });
            yield_now().await;
            assert!(task.cancel());
            task.await
        });
        assert!(matches!(end, Err(TaskError::Cancelled)));
        assert_eq!(Rc::strong_count(&held), 1);
    });

    test("callbacks_share_the_queue_with_tasks", || {
        let trace = Rc::new(Trace::new());
        let [now, later] = [trace.clone(), trace.clone()];
        run(clock, async {
            call_later_ms(5, move || later.mark('3'));
            call_soon(move || now.mark('1'));
            yield_now().await;
            trace.mark('2');
            sleep_ms(10).await;
        });
        trace.is("123");
    });

    test("a_bounded_queue_between_tasks_and_a_gather_of_many", || {
        let queue = Rc::new(Queue::bounded(2));
        let received = Rc::new(RefCell::new(Vec::new()));
        run(clock, async {
            let consumer = {
                let (queue, received) = (queue.clone(), received.clone());
                create_task(async move {
                    while let Ok(item) = queue.get().await {
                        received.borrow_mut().push(item);
                    }
                })
            };
            let producers: Vec<_> = (0..4_u8).map(|item| queue.put(item)).collect();
            gather(producers).await;
            queue.shutdown(false);
            assert!(consumer.await.is_ok());
        });
        assert_eq!(*received.borrow(), [0, 1, 2, 3]);
    });

    test("an_interrupt_wakes_a_task_10_000_times", || {
        let woken = Rc::new(Cell::new(0));
        let counting = woken.clone();
        run(clock, async {
            periodic::start(500);
            let task = create_task(async move {
                for _ in 0..10_000 {
                    FLAG.wait().await;
                    counting.set(counting.get() + 1);
                }
            });
            assert!(task.await.is_ok());
            periodic::stop();
        });
        assert_eq!(woken.get(), 10_000);
    });

    test("nothing_is_left_on_the_heap_but_what_is_used_again", || {
        let rounds = || {
            run(clock, async {
                let tasks: Vec<_> = (0..20).map(|millis| create_task(sleep_ms(millis))).collect();
                gather(tasks).await;
            });
            allocator::used()
        };
        let after_one = rounds();
        for _ in 0..20 {
            assert_eq!(rounds(), after_one);
        }
        say(format_args!("{after_one} bytes of the heap are the loops' for good"));
    });

    harness::finish()
}
