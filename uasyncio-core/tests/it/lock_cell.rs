//! The cell inside of `Lock`: where its wakers are while it changes hands. What a lock does is tested in uasyncio-sync.

#![cfg(feature = "std")]

use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::hooked_waker::HookedWaker;
use uasyncio_core::{LockCell, LockCellAcquire};

type Acquire<'l> = Pin<Box<LockCellAcquire<'l, u32>>>;

/// One that has come while the cell is locked.
fn waiting(cell: &LockCell<u32>) -> (Acquire<'_>, HookedWaker) {
    let (mut acquire, waker) = (Box::pin(cell.lock()), HookedWaker::new());
    assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker.waker())).is_pending());
    (acquire, waker)
}

/// Takes what it was granted, and gives it to the next one.
fn pass(acquire: &mut Acquire<'_>) {
    let Poll::Ready(mut guard) = acquire.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) else {
        panic!("it was granted")
    };
    *guard += 1;
}

/// Three wait; each subset of them gives up, in either order: the others have their turns, each woken once.
#[test]
fn whoever_leaves_the_line_takes_only_its_own_waker() {
    for leaving in 0..8_u32 {
        for backwards in [false, true] {
            let cell = LockCell::new(0);
            let guard = cell.try_lock();
            let mut line: Vec<_> = (0..3).map(|_| Some(waiting(&cell))).collect();
            let mut order: Vec<usize> = (0..3).filter(|index| leaving & 1 << index != 0).collect();
            if backwards {
                order.reverse();
            }
            for index in order {
                let (acquire, waker) = line[index].take().unwrap();
                drop(acquire);
                assert_eq!(waker.wakes(), 0);
            }
            // Another one comes behind those that are left.
            line.push(Some(waiting(&cell)));
            drop(guard);
            let mut left: Vec<_> = line.into_iter().flatten().collect();
            for index in 0..left.len() {
                let wakes: Vec<_> = left.iter().map(|(_, waker)| waker.wakes()).collect();
                assert!(wakes.iter().enumerate().all(|(other, wakes)| *wakes == usize::from(other <= index)));
                pass(&mut left[index].0);
            }
            assert!(!cell.locked());
            drop(left);
            assert_eq!(cell.into_inner(), 4 - leaving.count_ones());
        }
    }
}

/// The waker of a later poll is the one that counts, for the first in line and for others.
#[test]
fn wakers_are_exchanged_wherever_they_are() {
    let cell = LockCell::new(0);
    let guard = cell.try_lock();
    let mut line = [waiting(&cell), waiting(&cell)];
    let later = [HookedWaker::new(), HookedWaker::new()];
    for ((acquire, _), waker) in line.iter_mut().zip(&later) {
        assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker.waker())).is_pending());
    }
    drop(guard);
    pass(&mut line[0].0);
    pass(&mut line[1].0);
    assert_eq!([line[0].1, line[1].1, later[0], later[1]].map(HookedWaker::wakes), [0, 0, 1, 1]);
}

/// A waker whose clone makes the value free: the poll that has it cloned gets the value, also if it stood in line before.
#[test]
fn a_clone_may_unlock_what_is_leaked() {
    for in_line in [false, true] {
        let cell: &LockCell<u32> = Box::leak(Box::new(LockCell::new(0))); // so that the hook may own its guard
        let guard = Rc::new(RefCell::new(cell.try_lock()));
        let mut acquire = Box::pin(cell.lock());
        if in_line {
            assert!(acquire.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        }
        let waker = HookedWaker::new();
        waker.on_clone(move || drop(guard.take()));
        assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker.waker())).is_ready());
        assert!(!cell.locked());
    }
}

/// Those that were forgotten stay in line, though the cell moves; its drop takes their wakers and wakes none.
#[test]
fn forgotten_ones_harm_nobody() {
    let cell = LockCell::new(0);
    mem::forget(cell.try_lock());
    let wakers: Vec<_> = (0..3)
        .map(|_| {
            let (acquire, waker) = waiting(&cell);
            mem::forget(acquire);
            waker
        })
        .collect();
    let moved = Box::new(cell);
    let (acquire, _) = waiting(&moved);
    drop(acquire);
    assert!(moved.locked());
    drop(moved);
    assert!(wakers.iter().all(|waker| waker.wakes() == 0 && waker.live() == 0));
}

/// The same, and the first of them has been granted the value, and so has no waker any more.
#[test]
fn a_forgotten_one_keeps_what_it_was_granted() {
    let cell = LockCell::new(0);
    let guard = cell.try_lock();
    let (acquires, wakers): (Vec<_>, Vec<_>) = (0..3).map(|_| waiting(&cell)).unzip();
    drop(guard);
    acquires.into_iter().for_each(mem::forget);
    let moved = Box::new(cell);
    assert!(moved.locked() && moved.try_lock().is_none());
    assert_eq!(wakers.iter().map(|waker| waker.live()).collect::<Vec<_>>(), [0, 1, 1]);
    drop(moved);
    let left: Vec<_> = wakers.iter().map(|waker| (waker.wakes(), waker.live())).collect();
    assert_eq!(left, [(1, 0), (0, 0), (0, 0)]);
}

/// A waker whose clone has another one join, of those in line or as the first: who was cloned for comes behind.
#[test]
fn a_clone_may_let_another_one_into_what_is_leaked() {
    for others in 0..3 {
        let cell: &LockCell<u32> = Box::leak(Box::new(LockCell::new(0))); // so that the hook may own the other one
        let guard = cell.try_lock();
        let mut line: Vec<_> = (0..others).map(|_| waiting(cell)).collect();
        let intruder = Rc::new(RefCell::new(None));
        let (mut acquire, waker, into) = (Box::pin(cell.lock()), HookedWaker::new(), intruder.clone());
        waker.on_clone(move || *into.borrow_mut() = Some(waiting(cell)));
        assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker.waker())).is_pending());
        line.push(intruder.take().unwrap());
        line.push((acquire, waker));
        drop(guard);
        for (acquire, waker) in &mut line {
            assert_eq!(waker.wakes(), 1);
            pass(acquire);
        }
        assert!(!cell.locked());
    }
}

/// One that was the last of several, and then alone, and has had its turn, may be polled again, as may one that comes to lie where it lay: it
/// joins behind whoever waits now. While it waits there as the last one, it is polled again and leaves.
#[test]
fn whoever_was_the_last_joins_anew() {
    for leaves in [false, true] {
        let cell = LockCell::new(0);
        let guard = cell.try_lock();
        let (mut first, _) = waiting(&cell);
        let (mut last, waker) = waiting(&cell);
        drop(guard);
        pass(&mut first);
        pass(&mut last);
        assert!(!cell.locked() && !last.is_waiting());

        let guard = cell.try_lock();
        let (mut other, others) = waiting(&cell);
        assert!(!last.is_waiting());
        for _ in 0..2 {
            assert!(last.as_mut().poll(&mut Context::from_waker(&waker.waker())).is_pending());
            assert!(last.is_waiting());
        }
        let (mut behind, _) = waiting(&cell);
        if leaves {
            drop(behind);
            drop(last);
            drop(guard);
            pass(&mut other);
            assert_eq!((others.wakes(), waker.wakes(), waker.live()), (1, 1, 0));
        } else {
            drop(guard);
            pass(&mut other);
            pass(&mut last);
            pass(&mut behind);
        }
        assert!(!cell.locked());
    }
}
