//! Each model runs the queue under every interleaving (up to loom's bounds) of two or three threads.

use super::SharedRing;
use crate::sync::models::model;
use alloc::vec::Vec;
use loom::sync::Arc;
use loom::thread;

fn pop_all<const N: usize>(ring: &SharedRing<usize, N>, items: &mut Vec<usize>) {
    items.extend(core::iter::from_fn(|| ring.pop()));
}

/// Pushes what there is room for, and says what that was.
fn producer<const N: usize>(ring: &Arc<SharedRing<usize, N>>, items: [usize; 2]) -> thread::JoinHandle<Vec<usize>> {
    let ring = ring.clone();
    thread::spawn(move || items.into_iter().filter(|item| ring.push(*item).is_ok()).collect())
}

/// Two producers and a consumer: each item that went in comes out once, those of one producer in its order; and where there is
/// room for all, all go in.
fn two_producers<const N: usize>(lap: usize) {
    let ring = Arc::new(SharedRing::<usize, N>::in_lap(lap));
    let producers = [producer(&ring, [1, 2]), producer(&ring, [11, 12])];
    let mut popped = Vec::new();
    pop_all(&ring, &mut popped);
    let pushed = producers.map(|producer| producer.join().unwrap());
    assert!(N < 4 || pushed.iter().all(|items| items.len() == 2));
    pop_all(&ring, &mut popped);
    assert!(ring.is_empty());
    for (items, is_of) in pushed.into_iter().zip([|item: &usize| *item < 10, |item: &usize| *item > 10]) {
        assert_eq!(popped.iter().copied().filter(is_of).collect::<Vec<_>>(), items);
    }
}

#[test]
fn loom_shared_ring_two_producers() {
    model(4, || two_producers::<5>(0));
}

/// One cell, and the laps wrap around.
#[test]
fn loom_shared_ring_of_one_cell() {
    model(4, || two_producers::<1>(usize::MAX));
}

/// Two consumers do not get the same item.
#[test]
fn loom_shared_ring_two_consumers() {
    model(6, || {
        let ring = Arc::new(SharedRing::<usize, 2>::in_lap(usize::MAX));
        ring.push(1).unwrap();
        let consumer = thread::spawn({
            let ring = ring.clone();
            move || ring.pop()
        });
        let pushed = ring.push(2).is_ok();
        let mut popped = Vec::from_iter(ring.pop());
        popped.extend(consumer.join().unwrap());
        pop_all(&ring, &mut popped);
        popped.sort_unstable();
        assert_eq!((popped, pushed), (Vec::from([1, 2]), true));
    });
}

/// The cell is not written before it was read.
#[test]
fn loom_shared_ring_cell_is_used_again() {
    model(6, || {
        let ring = Arc::new(SharedRing::<usize, 1>::in_lap(0));
        ring.push(1).unwrap();
        let producer = producer(&ring, [2, 3]);
        let mut popped = Vec::new();
        pop_all(&ring, &mut popped);
        let pushed = producer.join().unwrap();
        pop_all(&ring, &mut popped);
        assert_eq!(popped[1..], pushed);
    });
}
