//! `gather` of tuples and arrays, which needs neither `alloc` nor a loop.

use std::future::{Ready, ready};
use std::pin::pin;
use std::task::Waker;

use crate::common::{Signal, block_on, poll_once};
use crate::counting::{Heap, heap, heap_during, since};
use uasyncio_core::{EventLoop, VirtualTime, sleep_ms};
use uasyncio_sync::{gather, try_gather};

/// Every number of members that a tuple may have, of several types, and none at all. Trap 56. No loop of ours is needed.
#[test]
fn any_number_of_members_in_any_executor() {
    assert_eq!(block_on(gather(())), ());
    assert_eq!(block_on(gather((ready(1),))), (1,));
    assert_eq!(block_on(gather((ready(1), ready("two")))), (1, "two"));
    let twelve = block_on(gather((
        ready(1),
        ready('2'),
        ready("3"),
        ready(4_u8),
        ready(()),
        ready(6_i64),
        ready(Some(7)),
        ready([8]),
        ready(9.0),
        ready((10,)),
        ready(false),
        ready(String::from("12")),
    )));
    let ((one, two, three, four, (), six), (seven, eight, nine, ten, eleven, twelve)) = {
        let (a, b, c, d, e, f, g, h, i, j, k, l) = twelve;
        ((a, b, c, d, e, f), (g, h, i, j, k, l))
    };
    assert_eq!((one, two, three, four, six, seven), (1, '2', "3", 4, 6, Some(7)));
    assert_eq!((eight, nine, ten, eleven, twelve.as_str()), ([8], 9.0, (10,), false, "12"));
    assert_eq!(block_on(gather([] as [Ready<u8>; 0])), []);
}

/// Tuples and arrays poll every member that has not finished, and none that has.
#[test]
fn wake_of_a_member_of_few_polls_all_that_run() {
    let signals = [Signal::new(), Signal::new(), Signal::new()];
    let polls = || signals.each_ref().map(Signal::polls);
    let mut gathering = pin!(gather(signals.each_ref().map(Signal::wait)));
    assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
    assert_eq!(polls(), [1, 1, 1]);
    signals[1].open();
    assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
    assert_eq!(polls(), [2, 2, 2]);
    assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
    assert_eq!(polls(), [3, 2, 3]);
    signals[0].open();
    signals[2].open();
    assert!(poll_once(&mut gathering, Waker::noop()).is_ready());
    assert_eq!(polls(), [4, 2, 4]);
}

/// What an array of many costs, and why many belong in a `Vec`: one wake at a time, half of n² polls and those at the beginning.
#[test]
fn array_of_many_polls_all_that_run_with_each_wake() {
    const MANY: usize = if cfg!(miri) { 30 } else { 100 };
    let signals: [_; MANY] = std::array::from_fn(|_| Signal::new());
    let mut gathering = pin!(gather(signals.each_ref().map(Signal::wait)));
    for signal in &signals {
        assert!(poll_once(&mut gathering, Waker::noop()).is_pending());
        signal.open();
    }
    assert!(poll_once(&mut gathering, Waker::noop()).is_ready());
    let polls: u32 = signals.iter().map(Signal::polls).sum();
    assert_eq!(polls as usize, MANY + MANY * (MANY + 1) / 2);
}

/// Tuples and arrays allocate nothing.
#[test]
fn few_members_allocate_nothing() {
    let (heap_used, _) = heap_during(|| poll_once(&mut pin!(gather((ready(1), ready(2)))), Waker::noop()));
    assert_eq!(heap_used, Heap::default());
    let event_loop = EventLoop::with_platform(VirtualTime::new());
    event_loop
        .run_until_complete(async {
            sleep_ms(100).await; // the wheel's levels
            let before = heap();
            gather((sleep_ms(1), sleep_ms(2))).await;
            gather([3, 1, 2].map(sleep_ms)).await;
            let failed = try_gather([3, 1].map(async |millis| {
                sleep_ms(millis).await;
                if millis == 1 { Err(millis) } else { Ok(()) }
            }));
            assert_eq!(failed.await, Err(1));
            assert_eq!(since(before), Heap::default());
        })
        .unwrap();
}
