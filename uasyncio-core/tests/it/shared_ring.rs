//! The queue between threads and interrupts: order, bounds, drops, beside a `VecDeque` and under several threads (T-26).

#![cfg(feature = "std")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::common::{Random, Watchdog};
use uasyncio_core::SharedRing;

fn beside_a_deque<const N: usize>(seed: u64) {
    let (ring, mut deque) = (SharedRing::<u64, N>::new(), VecDeque::new());
    let mut random = Random::seeded(seed);
    for item in 0..if cfg!(miri) { 200 } else { 10_000 } {
        // Now and then it is mostly pushed, now and then mostly popped, so that both ends are met.
        let pushes = if item / 50 % 2 == 0 { 70 } else { 30 };
        if random.chance(pushes) {
            let expected = if deque.len() < N { Ok(()) } else { Err(item) };
            assert_eq!(ring.push(item), expected);
            deque.extend(expected.is_ok().then_some(item));
        } else {
            assert_eq!(ring.pop(), deque.pop_front());
        }
        assert_eq!((ring.len(), ring.is_empty(), ring.capacity()), (deque.len(), deque.is_empty(), N));
    }
}

#[test]
fn a_ring_of_any_size_does_what_a_deque_does() {
    beside_a_deque::<1>(1);
    beside_a_deque::<2>(2);
    beside_a_deque::<3>(3);
    beside_a_deque::<4>(4);
    beside_a_deque::<7>(5);
    beside_a_deque::<64>(6);
}

#[test]
fn what_is_left_is_dropped_once() {
    let item = Arc::new(());
    let ring = SharedRing::<Arc<()>, 3>::default();
    for _ in 0..5 {
        drop(ring.push(item.clone()));
        drop(ring.pop());
    }
    assert_eq!(Arc::strong_count(&item), 1);
    for _ in 0..3 {
        assert!(ring.push(item.clone()).is_ok());
    }
    let back = ring.push(item.clone());
    assert!(back.is_err_and(|back| Arc::ptr_eq(&back, &item)));
    assert_eq!(Arc::strong_count(&item), 4);
    drop(ring);
    assert_eq!(Arc::strong_count(&item), 1);
}

/// A ring in a static, of things without a size too.
#[test]
fn a_static_ring_of_nothing() {
    static TICKS: SharedRing<(), 2> = SharedRing::new();
    assert_eq!([TICKS.push(()), TICKS.push(()), TICKS.push(())], [Ok(()), Ok(()), Err(())]);
    assert_eq!(format!("{TICKS:?}"), "SharedRing { len: 2, capacity: 2, .. }");
    assert_eq!([TICKS.pop(), TICKS.pop(), TICKS.pop()], [Some(()), Some(()), None]);
}

/// Every item arrives at one consumer, and those of one producer arrive there in their order.
fn under_threads<const N: usize>() {
    let _watchdog = Watchdog::new("under_threads");
    let (producers, consumers, items) = if cfg!(miri) { (2, 2, 20) } else { (3, 3, 20_000) };
    let ring = SharedRing::<Box<(usize, usize)>, N>::new();
    let (popped, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for producer in 0..producers {
            let ring = &ring;
            scope.spawn(move || {
                for number in 0..items {
                    let mut item = Box::new((producer, number));
                    while let Err(back) = ring.push(item) {
                        item = back;
                        thread::yield_now();
                    }
                }
            });
        }
        for _ in 0..consumers {
            scope.spawn(|| {
                let mut latest = vec![None; producers];
                while popped.load(Ordering::Relaxed) < producers * items {
                    let Some(item) = ring.pop() else {
                        thread::yield_now();
                        continue;
                    };
                    let (producer, number) = *item;
                    assert!(latest[producer] < Some(number), "{number} after {:?}", latest[producer]);
                    latest[producer] = Some(number);
                    popped.fetch_add(1, Ordering::Relaxed);
                    sum.fetch_add(number, Ordering::Relaxed);
                    assert!(ring.len() <= N);
                }
            });
        }
    });
    assert_eq!(sum.into_inner(), producers * (items * (items - 1) / 2));
    assert!(ring.is_empty());
}

#[test]
fn several_threads_at_both_ends() {
    under_threads::<1>();
    under_threads::<3>();
    under_threads::<64>();
}
