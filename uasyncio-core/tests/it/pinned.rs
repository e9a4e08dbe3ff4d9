//! Elements of pinned slices: the right ones, where they are, from boxes and arrays, and of types that must not move.

use std::future::{Future, poll_fn, ready};
use std::marker::PhantomPinned;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use uasyncio_core::{WaitList, WaitNode, pinned};

#[test]
fn elements_are_where_the_slice_has_them() {
    let mut boxed = Box::into_pin(vec![(1, PhantomPinned), (2, PhantomPinned), (3, PhantomPinned)].into_boxed_slice());
    let places: Vec<_> = boxed.iter().map(std::ptr::from_ref).collect();
    for (index, &place) in places.iter().enumerate() {
        let element = pinned::get(boxed.as_mut(), index).unwrap();
        assert!(std::ptr::eq(&*element, place));
    }
    assert!(pinned::get(boxed.as_mut(), 3).is_none());
    let mut elements = pinned::iter(boxed.as_mut());
    assert_eq!(elements.len(), 3);
    assert_eq!(elements.next_back().map(|element| element.0), Some(3));
    assert!(elements.zip(places).all(|(element, place)| std::ptr::eq(&*element, place)));
}

#[test]
fn no_elements() {
    let mut none: Pin<Box<[WaitNode<'static>]>> = Box::into_pin(Box::new([]));
    assert!(pinned::get(none.as_mut(), 0).is_none());
    assert_eq!(pinned::iter(none.as_mut()).count(), 0);
}

#[test]
fn futures_that_borrow_from_themselves_are_polled_in_place() {
    async fn twice(number: u32) -> u32 {
        let (mut polls, number) = (0, &number);
        poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 2 { Poll::Ready(*number) } else { Poll::Pending }
        })
        .await
    }
    let cx = &mut Context::from_waker(Waker::noop());
    let mut members = pin!([twice(1), twice(2), twice(3)]);
    assert!(pinned::iter(members.as_mut()).all(|member| member.poll(cx).is_pending()));
    let mut results = vec![pinned::get(members.as_mut(), 1).unwrap().poll(cx)];
    for member in pinned::iter(members.as_mut()).step_by(2).rev() {
        results.push(member.poll(cx));
    }
    assert_eq!(results, [2, 3, 1].map(Poll::Ready));
    let mut movable = [ready(4)];
    assert_eq!(pinned::get(Pin::new(&mut movable[..]), 0).map(|member| member.poll(cx)), Some(Poll::Ready(4)));
}

/// Nodes of a wait list in one pinned box: linked with one another, and unlinked by its drop.
#[test]
fn nodes_side_by_side() {
    let list = WaitList::new();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut nodes = Box::into_pin((0..4).map(|_| WaitNode::new(&list)).collect::<Box<[_]>>());
    for node in pinned::iter(nodes.as_mut()).rev() {
        assert!(node.poll_wait(&list, cx, 0, "a test").is_pending());
    }
    list.wake_one();
    assert!(nodes[3].is_granted());
    assert!(!pinned::get(nodes.as_mut(), 1).unwrap().cancel());
    list.wake_one();
    assert!(nodes[2].is_granted());
    drop(nodes);
    assert!(list.is_empty());
}
