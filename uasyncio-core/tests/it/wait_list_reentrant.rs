//! Wakers that do what they should not: while they are woken, cloned or dropped they wake again, link, cancel, poll and drop nodes
//! of the same list, or panic (T-20, T-21).

#![cfg(feature = "std")]

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::hooked_waker::HookedWaker;
use uasyncio_core::{WaitList, WaitNode};

/// Some that wait, each in a future that owns a share of the list, so that wakers can reach all of it.
struct Line {
    list: Rc<WaitList>,
    waiters: RefCell<Vec<Waiter>>,
}

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Clone)]
struct Waiter {
    future: Rc<RefCell<Option<Waiting>>>,
    waker: HookedWaker,
    grants: Rc<Cell<u32>>,
}

impl Line {
    fn new(waiters: usize) -> Rc<Line> {
        let line = Rc::new(Line { list: Rc::new(WaitList::new()), waiters: RefCell::default() });
        for _ in 0..waiters {
            line.join();
        }
        line
    }

    fn join(&self) -> Waiter {
        let (list, grants) = (self.list.clone(), Rc::new(Cell::new(0)));
        let granted = grants.clone();
        let future: Waiting = Box::pin(async move {
            let mut node = pin!(WaitNode::new(&*list));
            loop {
                poll_fn(|cx| node.as_mut().poll_wait(&list, cx, 0, "a test")).await;
                granted.set(granted.get() + 1);
            }
        });
        let waiter = Waiter { future: Rc::new(RefCell::new(Some(future))), waker: HookedWaker::new(), grants };
        waiter.poll();
        self.waiters.borrow_mut().push(waiter.clone());
        waiter
    }

    fn get(&self, index: usize) -> Waiter {
        self.waiters.borrow()[index].clone()
    }

    fn wakes(&self) -> Vec<usize> {
        self.waiters.borrow().iter().map(|waiter| waiter.waker.wakes()).collect()
    }

    /// What is to be done when one of them is woken.
    fn when_woken(self: &Rc<Line>, index: usize, work: impl FnOnce(&Rc<Line>) + 'static) {
        let line = self.clone();
        self.get(index).waker.on_wake(move || work(&line));
    }
}

impl Waiter {
    /// One that waits again after each grant.
    fn poll(&self) {
        let waker = self.waker.waker();
        let mut future = self.future.borrow_mut();
        assert!(future.as_mut().unwrap().as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }

    fn leave(&self) {
        let future = self.future.borrow_mut().take();
        drop(future);
    }
}

fn panics<R>(work: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

#[test]
fn who_joins_during_wake_all_is_not_woken_by_it() {
    let line = Line::new(2);
    line.when_woken(0, |line| drop(line.join()));
    line.when_woken(1, |line| drop(line.join()));
    assert_eq!(line.list.wake_all(), 2);
    assert_eq!(line.wakes(), [1, 1, 0, 0]);
    assert_eq!(line.list.wake_all(), 2);
    assert_eq!(line.wakes(), [1, 1, 1, 1]);
}

/// Whoever polls its future from within its waker has its grant, waits again, and is not woken in a circle.
#[test]
fn who_polls_while_it_is_woken_waits_for_the_next_time() {
    let line = Line::new(3);
    for index in 0..3 {
        line.when_woken(index, move |line| line.get(index).poll());
    }
    assert_eq!(line.list.wake_all(), 3);
    assert_eq!(line.wakes(), [1, 1, 1]);
    assert!((0..3).all(|index| line.get(index).grants.get() == 1));
    assert_eq!(line.list.wake_all(), 3);
}

#[test]
fn a_waker_drops_any_of_them() {
    for (woken, dropped) in (0..3).flat_map(|woken| (0..3).map(move |dropped| (woken, dropped))) {
        let line = Line::new(3);
        line.when_woken(woken, move |line| line.get(dropped).leave());
        let expected: Vec<_> = (0..3).map(|index| usize::from(index <= woken || index != dropped)).collect();
        assert_eq!(line.list.wake_all(), expected.iter().sum(), "{woken} drops {dropped}");
        assert_eq!(line.wakes(), expected, "{woken} drops {dropped}");
        assert!(line.list.is_empty());
    }
}

#[test]
fn a_waker_drops_all_of_them() {
    let line = Line::new(4);
    line.when_woken(1, |line| line.waiters.take().iter().for_each(Waiter::leave));
    assert_eq!(line.list.wake_all(), 2);
    assert!(line.list.is_empty());
}

#[test]
fn a_waker_wakes_one_more() {
    let line = Line::new(4);
    line.when_woken(0, |line| assert!(line.list.wake_one()));
    line.when_woken(1, |line| assert!(line.list.wake_one()));
    assert!(line.list.wake_one());
    assert_eq!(line.wakes(), [1, 1, 1, 0]);
}

/// A call inside another wakes all that the outer one would have, and those who joined since then; each once.
#[test]
fn wake_all_inside_wake_all() {
    let line = Line::new(4);
    line.when_woken(1, |line| {
        let waiter = line.join();
        let inner = line.clone();
        line.get(2).waker.on_wake(move || drop(inner.join()));
        assert_eq!(line.list.wake_all(), 3);
        assert_eq!(waiter.waker.wakes(), 1);
        drop(line.join());
    });
    assert_eq!(line.list.wake_all(), 2);
    assert_eq!(line.wakes(), [1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(line.list.wake_all(), 2);
}

/// The same deep: each waker makes a call of its own, and whoever joined before that one is woken by it.
#[test]
fn wake_all_in_each_waker() {
    let line = Line::new(6);
    for index in 0..6 {
        line.when_woken(index, move |line| {
            drop(line.join());
            line.list.wake_all();
            assert!(line.list.is_empty());
        });
    }
    assert_eq!(line.list.wake_all(), 1);
    assert_eq!(line.wakes(), [1; 12]);
}

/// It has been told; the others still wait.
#[test]
fn a_waker_panics_in_wake_one() {
    let line = Line::new(3);
    line.when_woken(0, |_| panic!("a waker"));
    assert!(panics(|| line.list.wake_one()));
    assert_eq!(line.get(0).waker.live(), 0);
    line.get(0).poll();
    assert_eq!(line.get(0).grants.get(), 1);
    assert_eq!(line.list.wake_all(), 3);
    assert_eq!(line.wakes(), [2, 1, 1]);
}

/// The others are woken all the same, and the first panic is the one that goes on.
#[test]
fn wakers_panic_in_wake_all() {
    let line = Line::new(4);
    line.when_woken(1, |line| {
        drop(line.join());
        panic!("the first");
    });
    line.when_woken(3, |_| panic!("the second"));
    let panic = catch_unwind(AssertUnwindSafe(|| line.list.wake_all())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the first"));
    assert_eq!(line.wakes(), [1, 1, 1, 1, 0]);
    assert_eq!(line.list.wake_all(), 1);
}

/// The same for some of them. What is given is asked for once each, however many panic.
#[test]
fn wakers_panic_in_wake_while() {
    // Under Miri a panic during another takes six seconds, for it is reported with a backtrace.
    for count in if cfg!(miri) { 2..4 } else { 0..6 } {
        let line = Line::new(4);
        line.when_woken(1, |_| panic!("the first"));
        line.when_woken(2, |_| panic!("the second"));
        let mut asked = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            line.list.wake_while(|| {
                asked += 1;
                asked <= count
            });
        }));
        let first = outcome.err().map(|panic| *panic.downcast_ref::<&str>().unwrap());
        assert_eq!(first, (count > 1).then_some("the first"));
        // Once more to hear that there is no more, or with nobody there.
        assert_eq!(asked, count.min(4) + 1);
        let woken: Vec<_> = (0..4).map(|index| usize::from(index < count)).collect();
        assert_eq!(line.wakes(), woken);
        // The others still wait.
        assert_eq!(panics(|| line.list.wake_all()), count < 3);
        assert_eq!(line.wakes(), [1; 4]);
    }
}

/// A panic in what is asked ends it.
#[test]
fn what_wake_while_asks_panics() {
    let line = Line::new(2);
    let mut asked = 0;
    assert!(panics(|| {
        line.list.wake_while(|| {
            asked += 1;
            assert!(asked < 2, "no more");
            true
        });
    }));
    assert_eq!((asked, line.wakes()), (2, vec![1, 0]));
}

/// A panic in a call inside another: the inner one wakes all, so that nothing is left for the outer one.
#[test]
fn a_waker_panics_in_wake_all_inside_wake_all() {
    let line = Line::new(4);
    line.when_woken(0, |line| assert!(panics(|| line.list.wake_all())));
    line.when_woken(1, |_| panic!("a waker"));
    assert_eq!(line.list.wake_all(), 1);
    assert_eq!(line.wakes(), [1; 4]);
}

/// The clone of a waker wakes the list: the node is in it already, so the wake is not lost, and the task is polled again.
#[test]
fn the_clone_of_a_waker_wakes_the_list() {
    let line = Line::new(0);
    let list = line.list.clone();
    let waker = HookedWaker::new();
    waker.on_clone(move || assert!(list.wake_one()));
    let mut node = pin!(WaitNode::new(&line.list));
    let borrowed = waker.waker();
    let cx = &mut Context::from_waker(&borrowed);
    assert!(node.as_mut().poll_wait(&line.list, cx, 0, "a test").is_pending());
    assert!(node.is_granted());
    assert_eq!((waker.wakes(), waker.live()), (1, 1));
    assert!(node.as_mut().poll_wait(&line.list, cx, 0, "a test").is_ready());
}

/// The same when it takes the place of another: both are woken.
#[test]
fn the_clone_of_a_later_waker_wakes_the_list() {
    let line = Line::new(0);
    let [old, new] = [HookedWaker::new(), HookedWaker::new()];
    let mut node = pin!(WaitNode::new(&line.list));
    assert!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&old.waker()), 0, "a test").is_pending());
    let list = line.list.clone();
    new.on_clone(move || assert!(list.wake_one()));
    assert!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&new.waker()), 0, "a test").is_pending());
    assert!(node.is_granted());
    assert_eq!([(old.wakes(), old.live()), (new.wakes(), new.live())], [(1, 0); 2]);
}

/// A clone that panics leaves a node that waits without a waker: its turn comes, and it can be polled and dropped.
#[test]
fn the_clone_of_a_waker_panics() {
    let line = Line::new(1);
    let waker = HookedWaker::new();
    let mut node = Box::pin(WaitNode::new(&line.list));
    for _ in 0..2 {
        waker.on_clone(|| panic!("a clone"));
        assert!(panics(|| node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&waker.waker()), 0, "a test")));
        assert!(node.is_waiting());
    }
    assert_eq!(line.list.wake_all(), 2);
    assert!(node.is_granted());
    assert_eq!(waker.live(), 0);
    assert_eq!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&waker.waker()), 0, "a test"), Poll::Ready(()));
    waker.on_clone(|| panic!("a clone"));
    assert!(panics(|| node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&waker.waker()), 0, "a test")));
    drop(node);
    assert!(line.list.is_empty());
}

/// The drop of a waker that was replaced, cancelled or dropped with its node finds the list in order.
#[test]
fn the_drop_of_a_waker_uses_the_list() {
    let line = Line::new(3);
    let use_list = |line: &Rc<Line>| {
        let line = line.clone();
        move || {
            assert!(line.list.wake_one());
            drop(line.join());
        }
    };
    let mut node = Box::pin(WaitNode::new(&line.list));
    let wakers = [HookedWaker::new(), HookedWaker::new(), HookedWaker::new()];
    let waker = wakers[0].waker();
    assert!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&waker), 0, "a test").is_pending());
    wakers[0].on_drop(use_list(&line));
    let waker = wakers[1].waker();
    assert!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&waker), 0, "a test").is_pending());
    assert_eq!(line.wakes(), [1, 0, 0, 0]);
    wakers[1].on_drop(use_list(&line));
    assert!(!node.as_mut().cancel());
    assert_eq!(line.wakes(), [1, 1, 0, 0, 0]);
    let waker = wakers[2].waker();
    assert!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&waker), 0, "a test").is_pending());
    wakers[2].on_drop(use_list(&line));
    drop(node);
    assert_eq!(line.wakes(), [1, 1, 1, 0, 0, 0]);
    assert_eq!(line.list.wake_all(), 3);
}

/// The old waker's drop is what grants the wait: the poll is pending, and the new waker is woken.
#[test]
fn the_drop_of_a_waker_grants_its_own_node() {
    let line = Line::new(0);
    let [old, new] = [HookedWaker::new(), HookedWaker::new()];
    let mut node = pin!(WaitNode::new(&line.list));
    let borrowed = old.waker();
    assert!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&borrowed), 0, "a test").is_pending());
    let list = line.list.clone();
    old.on_drop(move || assert!(list.wake_one()));
    assert!(node.as_mut().poll_wait(&line.list, &mut Context::from_waker(&new.waker()), 0, "a test").is_pending());
    assert!(node.is_granted());
    assert_eq!([old.wakes(), new.wakes()], [0, 1]);
}

/// Forgotten nodes have wakers that panic when the list's drop takes them.
#[test]
fn the_drop_of_a_forgotten_waker_panics() {
    let list = WaitList::new();
    let wakers = [HookedWaker::new(), HookedWaker::new()];
    for waker in wakers {
        let mut node = Box::pin(WaitNode::new(&list));
        assert!(node.as_mut().poll_wait(&list, &mut Context::from_waker(&waker.waker()), 0, "a test").is_pending());
        mem::forget(node);
    }
    wakers[0].on_drop(|| panic!("a drop"));
    assert!(panics(|| drop(list)));
    assert_eq!(wakers.map(HookedWaker::live), [0, 1]);
}
