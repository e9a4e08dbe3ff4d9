//! What only the inside can show: laps that wrap around, and a push or pop that is interrupted half-way.

use super::{FULL, Ordering, SharedRing};
use alloc::collections::VecDeque;

fn beside_a_deque_around_the_wrap<const N: usize>() {
    let laps_before = 3;
    let ring = SharedRing::<usize, N>::in_lap(0_usize.wrapping_sub(laps_before));
    let mut deque = VecDeque::new();
    for item in 0..2 * laps_before * N {
        // As many in it as possible, then fewer and fewer.
        while deque.len() < N - item % N {
            deque.push_back(item);
            assert_eq!(ring.push(item), Ok(()));
        }
        if deque.len() == N {
            assert_eq!(ring.push(0), Err(0));
        }
        assert_eq!((ring.len(), ring.pop()), (deque.len(), deque.pop_front()));
    }
    assert!(ring.tail.load(Ordering::Relaxed) < usize::MAX / 2, "it has wrapped around");
    while let Some(item) = deque.pop_front() {
        assert_eq!(ring.pop(), Some(item));
    }
    assert_eq!((ring.pop(), ring.len()), (None, 0));
}

#[test]
fn laps_wrap_around() {
    beside_a_deque_around_the_wrap::<1>();
    beside_a_deque_around_the_wrap::<2>();
    beside_a_deque_around_the_wrap::<3>();
    beside_a_deque_around_the_wrap::<8>();
}

/// An interrupt in the middle of a push: it can push behind, but finds nothing to pop before the first push is finished.
#[test]
fn a_push_that_is_interrupted() {
    let ring = SharedRing::<u32, 3>::new();
    let (cell, lap) = ring.claim(&ring.tail, 0).unwrap();
    assert_eq!((ring.push(2), ring.push(3), ring.push(4)), (Ok(()), Ok(()), Err(4)));
    assert_eq!((ring.pop(), ring.len()), (None, 3));
    // SAFETY: U16. The cell is empty and ours, as in `push`.
    cell.item.with_mut(|place| unsafe { (*place).write(1) });
    cell.turn.store(lap + FULL, Ordering::Release);
    assert_eq!([ring.pop(), ring.pop(), ring.pop(), ring.pop()], [Some(1), Some(2), Some(3), None]);
}

/// An interrupt in the middle of a pop: the cell is not free yet, and the others can be popped.
#[test]
fn a_pop_that_is_interrupted() {
    let ring = SharedRing::<u32, 2>::new();
    assert_eq!((ring.push(1), ring.push(2)), (Ok(()), Ok(())));
    let (cell, lap) = ring.claim(&ring.head, FULL).unwrap();
    assert_eq!((ring.len(), ring.push(3)), (1, Err(3)));
    assert_eq!((ring.pop(), ring.pop()), (Some(2), None));
    cell.turn.store(lap + SharedRing::<u32, 2>::LAP, Ordering::Release);
    assert_eq!((ring.push(3), ring.push(4), ring.push(5)), (Ok(()), Ok(()), Err(5)));
    assert_eq!([ring.pop(), ring.pop(), ring.pop()], [Some(3), Some(4), None]);
}
