//! The wait list as it is used: order, grants, leaving, forgotten nodes, and that nothing grows (T-18).

#![cfg(feature = "std")]

#[path = "it/common/counting.rs"]
mod counting;
#[path = "it/common/hooked_waker.rs"]
mod hooked_waker;

use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use counting::{CountingAllocator, Heap, heap_during};
use hooked_waker::HookedWaker;
use uasyncio_core::{WaitList, WaitNode};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn poll<'l>(node: Pin<&mut WaitNode<'l>>, list: &'l WaitList, waker: HookedWaker) -> Poll<()> {
    let waker = waker.waker();
    node.poll_wait(list, &mut Context::from_waker(&waker), 0, "a test")
}

/// A node that waits with a waker of its own.
fn waiting(list: &WaitList) -> (Pin<Box<WaitNode<'_>>>, HookedWaker) {
    let (mut node, waker) = (Box::pin(WaitNode::new(list)), HookedWaker::new());
    assert!(poll(node.as_mut(), list, waker).is_pending());
    assert!(node.is_waiting());
    (node, waker)
}

fn several<const N: usize>(list: &WaitList) -> [(Pin<Box<WaitNode<'_>>>, HookedWaker); N] {
    std::array::from_fn(|_| waiting(list))
}

fn wakes<const N: usize>(nodes: &[(Pin<Box<WaitNode<'_>>>, HookedWaker); N]) -> [usize; N] {
    std::array::from_fn(|index| nodes[index].1.wakes())
}

#[test]
fn one_wake_is_for_the_one_who_waits_longest() {
    let list = WaitList::new();
    let mut nodes = several::<3>(&list);
    for woken in 1..=3 {
        assert!(list.wake_one());
        assert_eq!(wakes(&nodes), std::array::from_fn(|index| usize::from(index < woken)));
        assert_eq!(list.is_empty(), woken == 3);
    }
    assert!(!list.wake_one());
    for (node, waker) in &mut nodes {
        assert!(node.is_granted() && !node.is_waiting());
        assert_eq!(waker.live(), 0);
        assert!(poll(node.as_mut(), &list, *waker).is_ready());
        assert!(!node.is_granted());
    }
}

/// Who is granted by `grant_one` is woken by whoever has the waker, who may do something else before.
#[test]
fn a_grant_leaves_the_wake_to_the_caller() {
    let list = WaitList::new();
    let mut nodes = several::<2>(&list);
    let waker = list.grant_one().unwrap();
    assert!(nodes[0].0.is_granted() && nodes[1].0.is_waiting());
    assert_eq!((wakes(&nodes), nodes[0].1.live()), ([0, 0], 1));
    let (node, own) = &mut nodes[0];
    assert!(poll(node.as_mut(), &list, *own).is_ready()); // without having been woken
    waker.wake();
    assert_eq!((wakes(&nodes), nodes[0].1.live()), ([1, 0], 0));
    assert!(list.grant_one().is_some() && list.is_empty());
    assert!(list.grant_one().is_none());
}

#[test]
fn wake_all_wakes_all_and_counts_them() {
    let list = WaitList::new();
    assert_eq!(list.wake_all(), 0);
    let nodes = several::<4>(&list);
    assert_eq!(list.wake_all(), 4);
    assert_eq!(wakes(&nodes), [1; 4]);
    assert!(list.is_empty());
    assert_eq!(list.wake_all(), 0);
}

/// A spurious poll keeps the place; the waker of the latest poll is the one that counts, and the same waker is not cloned again.
#[test]
fn a_poll_in_between_replaces_the_waker_alone() {
    let list = WaitList::new();
    let [(mut first, old), (_second, later)] = several::<2>(&list);
    assert!(poll(first.as_mut(), &list, old).is_pending());
    assert_eq!((old.clones(), old.live()), (1, 1));
    let new = HookedWaker::new();
    assert!(poll(first.as_mut(), &list, new).is_pending());
    assert_eq!((old.live(), new.live()), (0, 1));
    list.wake_one();
    assert_eq!([old.wakes(), new.wakes(), later.wakes()], [0, 1, 0]);
}

#[test]
fn a_node_waits_any_number_of_times_and_goes_to_the_end_each_time() {
    let list = WaitList::new();
    let [(mut first, first_waker), (_second, second_waker)] = several::<2>(&list);
    list.wake_one();
    assert!(poll(first.as_mut(), &list, first_waker).is_ready());
    assert!(poll(first.as_mut(), &list, first_waker).is_pending());
    list.wake_one();
    assert_eq!([first_waker.wakes(), second_waker.wakes()], [1, 1]);
    list.wake_one();
    assert_eq!([first_waker.wakes(), second_waker.wakes()], [2, 1]);
}

/// Each of three leaves, by cancel or by drop, in each order, while the others keep theirs.
#[test]
fn leaving_disturbs_nobody() {
    for by_drop in [false, true] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let list = WaitList::new();
            let mut nodes = several::<3>(&list).map(Some);
            let mut left = vec![0, 1, 2];
            for leaves in order {
                let (mut node, waker) = nodes[leaves].take().unwrap();
                let before = waker.wakes();
                if by_drop {
                    drop(node);
                } else {
                    assert!(!node.as_mut().cancel());
                    assert!(!node.is_waiting() && !node.is_granted());
                }
                assert_eq!((waker.wakes(), waker.live()), (before, 0));
                left.retain(|index| *index != leaves);
                assert_eq!(list.is_empty(), left.is_empty());
                // One round: whoever stands in front is woken and goes to the end.
                for &index in &left {
                    let (node, waker) = nodes[index].as_mut().unwrap();
                    let before = waker.wakes();
                    assert!(list.wake_one());
                    assert_eq!(waker.wakes(), before + 1, "{order:?}: {index} after {leaves}");
                    assert!(poll(node.as_mut(), &list, *waker).is_ready());
                    assert!(poll(node.as_mut(), &list, *waker).is_pending());
                }
            }
        }
    }
}

/// T-19: what was granted and not taken is told to whoever cancels, once.
#[test]
fn a_cancel_tells_of_a_grant_that_was_not_taken() {
    let list = WaitList::new();
    let [(mut first, _), (second, second_waker)] = several::<2>(&list);
    list.wake_one();
    assert!(first.as_mut().cancel());
    assert!(!first.as_mut().cancel());
    assert!(!first.is_granted());
    assert!(second.is_waiting() && second_waker.wakes() == 0);
}

#[test]
fn the_first_demand_is_that_of_the_one_who_waits_longest() {
    let list = WaitList::new();
    assert_eq!(list.first_demand(), None);
    let (mut first, mut second) = (pin!(WaitNode::new(&list)), pin!(WaitNode::new(&list)));
    let waker = HookedWaker::new().waker();
    let cx = &mut Context::from_waker(&waker);
    assert!(first.as_mut().poll_wait(&list, cx, u32::MAX, "a test").is_pending());
    assert!(second.as_mut().poll_wait(&list, cx, 7, "a test").is_pending());
    assert_eq!(list.first_demand(), Some(u32::MAX));
    assert!(first.as_mut().poll_wait(&list, cx, 1, "a test").is_pending());
    assert_eq!(list.first_demand(), Some(u32::MAX), "it is that of the poll which began the wait");
    first.as_mut().cancel();
    assert_eq!(list.first_demand(), Some(7));
}

/// Where it waits is where it was polled first; when that is over it may wait elsewhere.
#[test]
fn a_node_waits_in_one_list_after_the_other() {
    let (list, other) = (WaitList::new(), WaitList::default());
    let (mut node, waker) = waiting(&list);
    assert!(poll(node.as_mut(), &other, waker).is_pending());
    assert_eq!(format!("{node:?} {other:?}"), "WaitNode(Waiting) WaitList { is_empty: true, .. }");
    assert!(list.wake_one());
    assert!(poll(node.as_mut(), &other, waker).is_ready());
    assert!(poll(node.as_mut(), &other, waker).is_pending());
    assert!(list.is_empty() && !other.is_empty());
    drop(node);
    assert!(other.is_empty());
}

/// Who has to wait is not idle, nor who has a grant; and only who is idle tries the quick way.
#[test]
fn only_an_idle_node_tries() {
    let list = WaitList::new();
    let (mut node, waker) = waiting(&list);
    let tries = |node: &mut Pin<Box<WaitNode<'_>>>| {
        let tried = node.as_mut().while_idle(|| "tried").is_some();
        assert_eq!(tried, node.is_idle());
        assert!(std::ptr::eq(node.owner(), &list));
        tried
    };
    assert!(!tries(&mut node) && node.is_waiting() && !node.as_mut().take_grant());
    list.wake_one();
    assert!(!tries(&mut node) && node.is_granted());
    assert!(node.as_mut().take_grant());
    assert!(tries(&mut node) && !node.as_mut().take_grant());
    assert!(poll(node.as_mut(), &list, waker).is_pending());
    assert!(!tries(&mut node) && node.is_waiting());
}

/// A list whose nodes were forgotten is moved and used; others wait beside them. Waking a forgotten one only takes its turn.
#[test]
fn forgotten_nodes_stay_in_line_and_harm_nobody() {
    for forgotten in [vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1, 2]] {
        let list = WaitList::new();
        let mut wakers = Vec::new();
        for (index, (node, waker)) in several::<3>(&list).into_iter().enumerate() {
            wakers.push(waker);
            if forgotten.contains(&index) {
                mem::forget(node);
            }
        }
        let moved = Box::new(list);
        let [(live, live_waker), (leaving, _)] = several::<2>(&moved);
        drop(leaving);
        for &index in &forgotten {
            assert!(moved.wake_one());
            assert_eq!((wakers[index].wakes(), wakers[index].live()), (1, 0));
            assert_eq!(live_waker.wakes(), 0);
        }
        assert!(moved.wake_one());
        assert!(live.is_granted() && moved.is_empty());
    }
}

/// Whoever is forgotten leaves a gap behind it when its neighbours go, before and after a move.
#[test]
fn neighbours_of_forgotten_nodes_come_and_go() {
    let list = WaitList::new();
    let [(first, _), (second, _), (third, _)] = several::<3>(&list);
    mem::forget(second);
    drop(third);
    drop(first);
    let moved = list;
    let (fourth, _) = waiting(&moved);
    assert_eq!(moved.wake_all(), 2);
    assert!(fourth.is_granted());
}

/// The drop of a list takes the wakers of forgotten nodes without waking them.
#[test]
fn the_drop_of_a_list_takes_what_was_forgotten() {
    let list = WaitList::new();
    let wakers = several::<3>(&list).map(|(node, waker)| {
        mem::forget(node);
        waker
    });
    let moved = Box::new(list);
    assert_eq!(wakers.map(HookedWaker::live), [1; 3]);
    drop(moved);
    assert_eq!(wakers.map(|waker| (waker.live(), waker.wakes())), [(0, 0); 3]);
}

/// T-18: futures that begin to wait and give up leave nothing behind, in the list or on the heap.
#[test]
fn nothing_grows_and_nothing_is_allocated() {
    let rounds = if cfg!(miri) { 20 } else { 10_000 };
    let list = WaitList::new();
    let [(stays, stays_waker)] = several::<1>(&list);
    let waker = HookedWaker::new();
    let (heap, ()) = heap_during(|| {
        for round in 0..rounds {
            let mut node = pin!(WaitNode::new(&list));
            assert!(poll(node.as_mut(), &list, waker).is_pending());
            if round % 3 == 0 {
                node.as_mut().cancel();
                assert!(poll(node.as_mut(), &list, waker).is_pending());
            }
            assert_eq!(waker.live(), 1);
        }
    });
    assert_eq!(heap, Heap::default());
    assert_eq!(waker.live(), 0);
    assert_eq!(list.wake_all(), 1);
    assert!(stays.is_granted() && stays_waker.wakes() == 1);
}

/// What the tasks of a loop show while they wait, and that a granted node ends the wait of its task.
#[test]
#[cfg(feature = "trace")]
fn a_task_says_what_it_waits_for() {
    use std::future::poll_fn;
    use std::rc::Rc;
    use uasyncio_core::{create_task, get_event_loop, run, yield_now};

    run(async {
        let list = Rc::new(WaitList::new());
        let theirs = list.clone();
        let task = create_task(async move {
            let mut node = pin!(WaitNode::new(&*theirs));
            poll_fn(|cx| node.as_mut().poll_wait(&theirs, cx, 0, "a place in line")).await;
        });
        yield_now().await;
        let reasons: Vec<_> = get_event_loop().tasks().iter().filter_map(|task| task.waiting_for()).collect();
        assert_eq!(reasons, ["a place in line"]);
        list.wake_one();
        task.await.unwrap();
    });
}
