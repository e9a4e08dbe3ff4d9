//! Each model runs the protocol under every interleaving (up to loom's bounds) of two or three threads.

use super::SubWakers;
use crate::sync::models::{Park, model};
use alloc::vec::Vec;
use core::task::Waker;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// A thread that counts and wakes, so many times. The count is relaxed: the wake alone makes it visible.
fn visitor(count: &Arc<AtomicUsize>, waker: &Waker, wakes: usize) -> thread::JoinHandle<()> {
    let (count, waker) = (count.clone(), waker.clone());
    thread::spawn(move || {
        for _ in 0..wakes {
            count.fetch_add(1, Ordering::Relaxed);
            waker.wake_by_ref();
        }
    })
}

/// Members that are not ready any more, and a parent that sleeps.
fn asleep(members: usize) -> (SubWakers, Park, Waker) {
    let (wakers, park) = (SubWakers::new(members), Park::default());
    let parent = park.waker();
    wakers.register(&parent);
    assert_eq!(wakers.ready().count(), members);
    (wakers, park, parent)
}

/// Polls the members that are ready, and sleeps until their counts are as they should be. A poll is a look at the count of that
/// member only.
fn wait_for_counts(wakers: &SubWakers, (park, parent): (&Park, &Waker), counts: &[Arc<AtomicUsize>], wanted: usize) {
    let mut seen: Vec<usize> = counts.iter().map(|_| 0).collect();
    loop {
        wakers.register(parent);
        for index in wakers.ready() {
            seen[index] = counts[index].load(Ordering::Relaxed);
        }
        if seen.iter().all(|seen| *seen == wanted) {
            return;
        }
        park.park();
    }
}

/// U6 and U7: the parent is never left parked, and the poll of a member sees what was written before its wake, each time.
#[test]
fn loom_sub_wakers_wake_against_park() {
    model(4, || {
        let (wakers, park, parent) = asleep(1);
        let counts = [Arc::new(AtomicUsize::new(0))];
        let visitor = visitor(&counts[0], &wakers.waker(0), 2);
        wait_for_counts(&wakers, (&park, &parent), &counts, 2);
        visitor.join().unwrap();
    });
}

/// Two visitors of one member: the one that finds it queued leaves the rest to the other.
#[test]
fn loom_sub_wakers_two_wakes_of_one_member() {
    model(2, || {
        let (wakers, park, parent) = asleep(1);
        let counts = [Arc::new(AtomicUsize::new(0))];
        let visitors = [0, 1].map(|_| visitor(&counts[0], &wakers.waker(0), 1));
        wait_for_counts(&wakers, (&park, &parent), &counts, 2);
        visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    });
}

/// Two visitors of two members: the one that finds the stack not empty leaves the parent to the other.
#[test]
fn loom_sub_wakers_wakes_of_two_members() {
    model(2, || {
        let (wakers, park, parent) = asleep(2);
        let counts = [0, 1].map(|_| Arc::new(AtomicUsize::new(0)));
        let visitors = [0, 1].map(|member| visitor(&counts[member], &wakers.waker(member), 1));
        wait_for_counts(&wakers, (&park, &parent), &counts, 1);
        visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    });
}

/// A wake while the owner ends: nothing is freed too early, and the parent's waker is gone in the end.
#[test]
fn loom_sub_wakers_wake_against_drop() {
    model(4, || {
        let (wakers, park, parent) = asleep(1);
        drop(parent);
        let visitor = thread::spawn({
            let waker = wakers.waker(0).clone();
            move || {
                waker.wake_by_ref();
                let another = waker.clone();
                another.wake();
            }
        });
        drop(wakers);
        visitor.join().unwrap();
        assert!(park.notices() <= 1);
        assert_eq!(park.shares(), 0);
    });
}

/// Counts on two threads: the last one frees, whoever it is.
#[test]
fn loom_sub_wakers_clones_and_drops() {
    model(4, || {
        let (wakers, park, parent) = asleep(2);
        drop(parent);
        let others = [0, 1].map(|member| {
            let waker = wakers.waker(member).clone();
            thread::spawn(move || drop([waker.clone(), waker]))
        });
        drop(wakers);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(park.shares(), 0);
    });
}

/// A late wake of a member whose index is given to another: the new one is ready once, and can be woken.
#[test]
fn loom_sub_wakers_late_wake_of_a_removed_member() {
    model(4, || {
        let (mut wakers, park, parent) = asleep(1);
        let late = thread::spawn({
            let waker = wakers.waker(0).clone();
            move || waker.wake()
        });
        wakers.remove(0);
        let new = wakers.add();
        assert_eq!(wakers.ready().filter(|index| *index == new).count(), 1);
        late.join().unwrap();
        assert!(wakers.ready().count() <= 1, "for nothing, by the late wake");
        let before = park.notices();
        wakers.waker(new).wake_by_ref();
        assert_eq!((park.notices(), wakers.ready().collect::<Vec<_>>()), (before + 1, Vec::from([new])));
        drop(parent);
    });
}
