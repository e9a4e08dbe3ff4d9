//! What is not to be seen from outside: that the epoch may wrap around.

use super::{WaitList, WaitNode};
use core::pin::pin;
use core::task::{Context, Waker};

#[test]
fn the_epoch_wraps_around() {
    let list = WaitList::new();
    let cx = &mut Context::from_waker(Waker::noop());
    for start in [u32::MAX - 2, u32::MAX - 1, u32::MAX, 0] {
        list.epoch.set(start);
        let (mut one, mut two) = (pin!(WaitNode::new(&list)), pin!(WaitNode::new(&list)));
        for _ in 0..4 {
            assert!(one.as_mut().poll_wait(&list, cx, 0, "a test").is_pending());
            assert!(two.as_mut().poll_wait(&list, cx, 0, "a test").is_pending());
            assert_eq!(list.wake_all(), 2);
            assert!(one.as_mut().poll_wait(&list, cx, 0, "a test").is_ready());
            assert!(two.as_mut().poll_wait(&list, cx, 0, "a test").is_ready());
        }
    }
}
