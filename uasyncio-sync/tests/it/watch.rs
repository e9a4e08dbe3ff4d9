//! Watch: the latest value, and receivers that each know what they have seen.

#![cfg(feature = "std")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;

use crate::common::{CallingWaker, CountingWaker, Trace, at_both_starts, block_on, poll_once};
use uasyncio_core::{Task, create_task, run, sleep_ms, yield_now};
use uasyncio_sync::{Watch, WatchChanged, WatchClosed, WatchReceiver, WatchSender};

/// A task that logs each change until the watch is closed.
fn display(watch: &Rc<Watch<u32>>, trace: &Trace, name: &'static str, pause: u32) -> Task<()> {
    let (watch, trace) = (watch.clone(), trace.clone());
    create_task(async move {
        let mut receiver = watch.receiver();
        while receiver.changed().await.is_ok() {
            trace.log(format_args!("{name} {}", receiver.get()));
            sleep_ms(pause).await;
        }
        trace.log(format_args!("{name} ends"));
    })
}

/// Each receiver sees the latest value, in the order in which they wait; a slow one sees fewer changes, and always the last.
#[test]
fn many_receivers() {
    at_both_starts(|event_loop, trace| {
        event_loop
            .run_until_complete(async {
                let watch = Rc::new(Watch::new(0));
                let tasks = [display(&watch, trace, "fast", 0), display(&watch, trace, "slow", 25)];
                yield_now().await;
                for value in 1..5 {
                    sleep_ms(10).await;
                    watch.set(value);
                }
                watch.set(5);
                watch.close();
                for task in tasks {
                    task.await.unwrap();
                }
                assert_eq!(watch.get(), 5);
            })
            .unwrap();
        trace.expect(&[
            "10 fast 1",
            "10 slow 1",
            "20 fast 2",
            "30 fast 3",
            "35 slow 3",
            "40 fast 5",
            "40 fast ends",
            "60 slow 5",
            "85 slow ends",
        ]);
    });
}

#[test]
fn what_a_receiver_has_seen() {
    run(async {
        let watch = Watch::new('a');
        watch.set('b');
        let mut first = watch.receiver();
        assert!(!first.has_changed()); // what was there is no change
        assert_eq!(watch.set('c'), 'b');
        let mut copy = first.clone();
        let mut second = watch.receiver();
        assert_eq!((first.has_changed(), copy.has_changed(), second.has_changed()), (true, true, false));
        assert_eq!(*first.watch().borrow(), 'c');
        assert!(first.has_changed()); // that look did not count
        assert_eq!((first.get(), first.has_changed()), ('c', false));
        assert_eq!(copy.changed().await, Ok(()));
        assert!(!copy.has_changed());
        watch.set('c'); // the same value is a change too
        assert_eq!(second.changed().await, Ok(()));
        assert_eq!(watch.modify(|value| std::mem::replace(value, 'd')), 'c');
        assert_eq!((*second.borrow(), *first.borrow()), ('d', 'd'));
    });
}

#[test]
fn closing() {
    run(async {
        let watch = Watch::new(1);
        let mut seen = watch.receiver();
        let mut behind = watch.receiver();
        watch.set(2);
        assert_eq!(seen.changed().await, Ok(()));
        let (counting, waker) = CountingWaker::new();
        let mut waits = Box::pin(seen.changed());
        assert!(poll_once(&mut waits, &waker).is_pending());
        let sender = watch.sender();
        let other = sender.clone();
        drop(sender);
        assert!(!watch.is_closed());
        other.set(3);
        assert_eq!(counting.wakes(), 1);
        assert_eq!(poll_once(&mut waits, &waker), Poll::Ready(Ok(())));
        drop(waits);
        let mut waits = Box::pin(seen.changed());
        assert!(poll_once(&mut waits, &waker).is_pending());
        drop(other);
        assert!(watch.is_closed());
        assert_eq!(counting.wakes(), 2);
        assert_eq!(poll_once(&mut waits, &waker), Poll::Ready(Err(WatchClosed)));
        drop(waits);
        // The last change is told before the end, and what comes behind is none.
        assert_eq!(behind.changed().await, Ok(()));
        assert_eq!(watch.set(4), 3);
        assert_eq!(behind.changed().await, Err(WatchClosed));
        assert_eq!((watch.get(), behind.has_changed()), (4, false));
        watch.close();
    });
}

/// T-18, T-19: dropping a wait loses no change and leaves nothing behind.
#[test]
fn cancel_loses_no_change() {
    let watch = Watch::new(0);
    let mut receiver = watch.receiver();
    let (counting, waker) = CountingWaker::new();
    for _ in 0..1_000 {
        assert!(poll_once(&mut Box::pin(receiver.changed()), &waker).is_pending());
    }
    watch.set(1);
    assert_eq!(counting.wakes(), 0);
    assert!(poll_once(&mut Box::pin(receiver.changed()), &waker).is_ready());
    let mut waits = Box::pin(receiver.changed());
    assert!(poll_once(&mut waits, &waker).is_pending());
    watch.set(2);
    assert_eq!(counting.wakes(), 1);
    drop(waits); // told, and not polled
    assert!(receiver.has_changed());
    assert_eq!(block_on(receiver.changed()), Ok(()));
}

/// T-20, T-21: wakers that set the value again, or panic, while all are told.
#[test]
fn wakers_that_interfere() {
    thread_local!(static WATCH: Watch<u32> = const { Watch::new(0) });
    let again = CallingWaker::waker(|| {
        WATCH.with(|watch| {
            if watch.get() < 10 {
                watch.set(10);
            }
        });
    });
    let panics = CallingWaker::waker(|| panic!("a waker"));
    let (counting, waker) = CountingWaker::new();
    WATCH.with(|watch| {
        let [mut first, mut second, mut third] = [(); 3].map(|()| watch.receiver());
        let mut first = Box::pin(first.changed());
        let mut second = Box::pin(second.changed());
        let mut third = Box::pin(third.changed());
        assert!(poll_once(&mut first, &again).is_pending());
        assert!(poll_once(&mut second, &panics).is_pending());
        assert!(poll_once(&mut third, &waker).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| watch.set(1))).is_err());
        assert_eq!((watch.get(), counting.wakes()), (10, 1));
        assert!(poll_once(&mut first, &waker).is_ready());
        assert!(poll_once(&mut second, &waker).is_ready());
        assert!(poll_once(&mut third, &waker).is_ready());
    });
}

/// A look at the value keeps it as it is: changing it then is a mistake that is told. Nothing is broken by that.
#[test]
fn borrowed_while_it_is_set() {
    let watch = Watch::new(1);
    let mut receiver = watch.receiver();
    let look = watch.borrow();
    assert!(catch_unwind(AssertUnwindSafe(|| watch.set(2))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| watch.modify(|value| *value = 2))).is_err());
    assert_eq!((*look, receiver.has_changed()), (1, false));
    drop(look);
    assert!(catch_unwind(AssertUnwindSafe(|| watch.modify(|_| panic!("in the middle")))).is_err());
    assert!(!receiver.has_changed());
    watch.set(3);
    assert_eq!((receiver.has_changed(), receiver.get()), (true, 3));
}

/// T-24: a value that changes all the time does not keep the others waiting.
#[test]
#[cfg(feature = "alloc")] // which the budget needs
fn an_endless_loop_gives_way() {
    run(async {
        let watch = Watch::new(0);
        let mut receiver = watch.receiver();
        let child = create_task(async {});
        while !child.done() {
            watch.modify(|count| *count += 1);
            receiver.changed().await.unwrap();
        }
        assert!((100..200).contains(&watch.get()), "{watch:?}");
    });
}

#[test]
fn names() {
    fn are_nameable(_: Option<(WatchReceiver<'_, u32>, WatchSender<'_, u32>, WatchChanged<'_, '_, u32>)>) {}
    are_nameable(None);
    let watch = Watch::<u32>::default();
    assert!(format!("{watch:?}").starts_with("Watch { value: "), "{watch:?}");
    let mut receiver = watch.receiver();
    assert!(format!("{:?} {:?}", watch.sender(), receiver).contains("has_changed: false"));
    assert!(format!("{:?}", receiver.changed()).starts_with("WatchChanged"));
}
