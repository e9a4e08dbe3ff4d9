//! `SubWakers` beside a naive model, at random; and under several threads.

#![cfg(feature = "std")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::thread;

use crate::common::{CountingWaker, Random, Watchdog};
use uasyncio_core::{SubWakers, run};

/// What it should do, said simply.
struct Model {
    present: Vec<bool>,
    /// Who is ready, and who of them was there when the present round began.
    queue: VecDeque<usize>,
    /// Whether the parent knows that somebody was woken.
    is_told: bool,
    parent_wakes: usize,
}

impl Model {
    fn wake(&mut self, index: usize) {
        if self.present[index] && !self.queue.contains(&index) {
            self.push(index);
        }
    }

    fn push(&mut self, index: usize) {
        self.queue.push_back(index);
        if !self.is_told {
            self.is_told = true;
            self.parent_wakes += 1;
        }
    }

    fn some_present(&self, random: &mut Random) -> Option<usize> {
        let present: Vec<usize> = (0..self.present.len()).filter(|index| self.present[*index]).collect();
        (!present.is_empty()).then(|| present[random.below(present.len())])
    }
}

/// Wakes a member, or one that was there once, by a waker that was kept or borrowed.
fn wake_some(model: &mut Model, wakers: &SubWakers, kept: &[(usize, Waker)], random: &mut Random) {
    if random.chance(50) && !kept.is_empty() {
        let (index, waker) = &kept[random.below(kept.len())];
        waker.wake_by_ref();
        model.wake(*index);
    } else if let Some(index) = model.some_present(random) {
        wakers.waker(index).wake_by_ref();
        model.wake(index);
    }
}

fn beside_the_model(seed: u64, members: usize) {
    let mut random = Random::seeded(seed);
    let (parent, waker) = CountingWaker::new();
    let mut wakers = SubWakers::new(members);
    wakers.register(&waker);
    let mut model = Model { present: vec![true; members], queue: (0..members).collect(), is_told: false, parent_wakes: 0 };
    let mut kept = Vec::<(usize, Waker)>::new();
    for _ in 0..if cfg!(miri) { 150 } else { 3_000 } {
        match random.below(10) {
            0..4 => wake_some(&mut model, &wakers, &kept, &mut random),
            4 => {
                let index = wakers.add();
                if index == model.present.len() {
                    model.present.push(false);
                }
                assert!(!std::mem::replace(&mut model.present[index], true), "{index} is there already");
                model.push(index);
            }
            5 => {
                if let Some(index) = model.some_present(&mut random) {
                    wakers.remove(index);
                    model.present[index] = false;
                    model.queue.retain(|queued| *queued != index);
                }
            }
            6 => {
                if let Some(index) = model.some_present(&mut random) {
                    kept.push((index, wakers.waker(index).clone()));
                }
            }
            7 if !kept.is_empty() => drop(kept.swap_remove(random.below(kept.len()))),
            _ => {
                wakers.register(&waker);
                let mut round = wakers.ready();
                model.is_told = false;
                let last = model.queue.len();
                for _ in 0..if random.chance(30) { random.below(last + 1) } else { last } {
                    assert_eq!(round.next(), model.queue.pop_front());
                    while random.chance(40) {
                        wake_some(&mut model, &wakers, &kept, &mut random);
                    }
                }
                if random.chance(50) && model.queue.is_empty() {
                    assert_eq!(round.next(), None);
                }
            }
        }
        assert_eq!(parent.wakes(), model.parent_wakes);
        assert_eq!(wakers.len(), model.present.iter().filter(|present| **present).count());
    }
    assert_eq!(wakers.ready().collect::<VecDeque<_>>(), model.queue);
    drop((wakers, kept, waker));
    assert_eq!(Arc::strong_count(&parent), 1);
}

#[test]
fn it_does_what_the_model_does() {
    for seed in 0..if cfg!(miri) { 2 } else { 30 } {
        beside_the_model(seed, [0, 1, 3, 10][seed as usize % 4]);
    }
}

/// Threads count up for members and wake them; each count is seen by a poll of its member.
#[test]
fn no_wake_of_several_threads_is_lost() {
    let _watchdog = Watchdog::new("no_wake_of_several_threads_is_lost");
    let (threads, members, wakes) = if cfg!(miri) { (2, 3, 20) } else { (3, 50, 10_000) };
    let counts: Vec<AtomicUsize> = (0..members).map(|_| AtomicUsize::new(0)).collect();
    let wakers = SubWakers::new(members);
    let counts = &counts[..];
    let clones: Vec<Waker> = (0..members).map(|index| wakers.waker(index).clone()).collect();
    thread::scope(|scope| {
        for seed in 0..threads {
            let clones = clones.clone();
            scope.spawn(move || {
                let mut random = Random::seeded(seed);
                for _ in 0..wakes {
                    let member = random.below(members);
                    counts[member].fetch_add(1, Ordering::Relaxed);
                    let waker = clones[member].clone();
                    waker.wake();
                }
            });
        }
        let mut seen = vec![0; members];
        run(std::future::poll_fn(move |cx| {
            wakers.register(cx.waker());
            for member in wakers.ready() {
                seen[member] = counts[member].load(Ordering::Relaxed);
            }
            let all = seen.iter().sum::<usize>() == threads as usize * wakes;
            if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        }));
    });
}

/// Wakers that are cloned, used and dropped on other threads while the owner ends.
#[test]
fn the_owner_ends_while_others_wake() {
    let rounds = if cfg!(miri) { 5 } else { 500 };
    for _ in 0..rounds {
        let (parent, waker) = CountingWaker::new();
        let wakers = SubWakers::new(4);
        wakers.register(&waker);
        drop(waker);
        assert_eq!(wakers.ready().count(), 4);
        let others: Vec<_> = (0..4)
            .map(|index| {
                let waker = wakers.waker(index).clone();
                thread::spawn(move || {
                    waker.wake_by_ref();
                    let clone = waker.clone();
                    drop(waker);
                    clone.wake();
                })
            })
            .collect();
        drop(wakers);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(Arc::strong_count(&parent), 1);
    }
}
