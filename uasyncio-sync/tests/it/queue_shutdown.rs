//! `Queue::shutdown` as in Python 3.13, and what panics and re-entrant wakers do to a queue: T-20, T-21.

#![cfg(feature = "alloc")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::common::{Waiter, at_both_starts, panics, waker_that, waker_that_panics};
use uasyncio_core::{create_task, sleep_ms};
use uasyncio_sync::{GetNowaitError, Lock, PutNowaitError, Queue, QueueShutDown};

const NO_MORE: QueueShutDown = QueueShutDown(());

#[test]
fn a_shutdown_turns_away_putters_and_lets_getters_have_the_rest() {
    let queue = Queue::bounded(2);
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    let mut waiting = Waiter::waiting(queue.put(3));
    queue.shutdown(false);
    assert!(queue.is_shut_down());
    assert_eq!(waiting.take(), Err(QueueShutDown(3)));
    assert_eq!(Waiter::new(queue.put(4)).now(), Err(QueueShutDown(4)));
    assert_eq!(queue.put_nowait(5), Err(PutNowaitError::QueueShutDown(5)));
    assert_eq!(Waiter::new(queue.get()).now(), Ok(1));
    assert_eq!(queue.get_nowait(), Ok(2));
    assert_eq!(Waiter::new(queue.get()).now(), Err(NO_MORE));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
}

#[test]
fn a_shutdown_wakes_all_that_wait_for_items_in_order() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let empty = Rc::new(Queue::<u8>::unbounded());
            let tasks = ["A", "B"].map(|name| {
                let (queue, trace) = (empty.clone(), trace.clone());
                create_task(async move {
                    let got = queue.get().await;
                    trace.log(format_args!("{name} {got:?}"));
                })
            });
            sleep_ms(3).await;
            empty.shutdown(false);
            for task in tasks {
                task.await.unwrap();
            }
        });
        done.unwrap();
        trace.expect(&["3 A Err(QueueShutDown)", "3 B Err(QueueShutDown)"]);
    });
}

/// As in Python: granted and not run yet is not in time.
#[test]
fn a_putter_that_was_granted_room_gets_its_item_back() {
    let queue = Queue::bounded(1);
    queue.put_nowait(1).unwrap();
    let mut granted = Waiter::waiting(queue.put(2));
    assert_eq!(queue.get_nowait(), Ok(1));
    queue.shutdown(false);
    assert_eq!(granted.take(), Err(QueueShutDown(2)));
    assert!(queue.empty());
}

#[test]
fn a_getter_that_was_promised_an_item_still_gets_it() {
    let queue = Queue::unbounded();
    let mut promised = Waiter::waiting(queue.get());
    let mut waiting = Waiter::waiting(queue.get());
    queue.put_nowait(1).unwrap();
    queue.shutdown(false);
    assert_eq!(promised.take(), Ok(1));
    assert_eq!(waiting.take(), Err(NO_MORE));
}

#[test]
fn what_was_promised_to_a_getter_that_is_dropped_is_there_for_the_next() {
    let queue = Queue::unbounded();
    let promised = Waiter::waiting(queue.get());
    let mut waiting = Waiter::waiting(queue.get());
    queue.put_nowait(1).unwrap();
    queue.shutdown(false);
    drop(promised);
    assert_eq!(waiting.take(), Ok(1));
}

#[test]
fn an_immediate_shutdown_drops_what_is_there_and_ends_join() {
    let queue = Queue::unbounded();
    let item = Rc::new(());
    for _ in 0..3 {
        queue.put_nowait(item.clone()).unwrap();
    }
    drop(queue.get_nowait());
    let mut joining = Waiter::waiting(queue.join());
    queue.shutdown(true);
    assert_eq!((queue.qsize(), Rc::strong_count(&item)), (0, 1));
    assert!(!joining.is_woken(), "one that was got is not done yet");
    queue.task_done();
    joining.take();
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
}

#[test]
fn a_second_shutdown_may_be_immediate() {
    let queue = Queue::unbounded();
    queue.put_nowait(1).unwrap();
    let mut joining = Waiter::waiting(queue.join());
    queue.shutdown(false);
    queue.shutdown(true);
    joining.take();
    queue.shutdown(false);
    assert!(queue.empty());
}

/// T-21: the destructors of what is dropped may use the queue.
#[test]
fn items_that_look_at_the_queue_when_they_are_dropped() {
    struct Curious(Rc<Queue<Curious>>, Rc<Cell<usize>>);
    impl Drop for Curious {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            assert!(self.0.is_shut_down() && self.0.empty());
            assert!(self.0.get_nowait().is_err());
        }
    }
    let (queue, drops) = (Rc::new(Queue::unbounded()), Rc::new(Cell::new(0)));
    for _ in 0..2 {
        assert!(queue.put_nowait(Curious(queue.clone(), drops.clone())).is_ok());
    }
    queue.shutdown(true);
    assert_eq!(drops.get(), 2);
}

/// T-20: a getter's waker panics in a shutdown; the other getters, the putters and the joins are woken all the same.
#[test]
fn a_waker_that_panics_in_a_shutdown_keeps_nobody_waiting() {
    let queue = Queue::bounded(1);
    let promised = Waiter::waiting(queue.get());
    let mut panicking = Waiter::new(queue.get());
    assert!(panicking.poll_with(&waker_that_panics().1).is_pending());
    let mut getter = Waiter::waiting(queue.get());
    queue.put_nowait(1).unwrap();
    let mut putter = Waiter::waiting(queue.put(2));
    let mut joining = Waiter::waiting(queue.join());
    assert!(panics(|| queue.shutdown(true)));
    drop(promised);
    assert_eq!(panicking.now(), Err(NO_MORE));
    assert_eq!(getter.take(), Err(NO_MORE));
    assert_eq!(putter.take(), Err(QueueShutDown(2)));
    joining.take();
}

/// T-20: the item is in the queue, and the getter has it promised.
#[test]
fn a_waker_that_panics_in_a_put_loses_no_item() {
    let queue = Queue::unbounded();
    let mut getter = Waiter::new(queue.get());
    assert!(getter.poll_with(&waker_that_panics().1).is_pending());
    assert!(panics(|| queue.put_nowait(1).unwrap()));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueEmpty));
    assert_eq!(getter.now(), Ok(1));
}

/// T-20: the item that was got stays the next one, though the putter has its place.
#[test]
fn a_waker_that_panics_in_a_get_loses_no_item() {
    let gets: [fn(&Queue<u32>); 2] = [
        |queue| _ = queue.get_nowait(),
        |queue| _ = Waiter::new(queue.get()).now(), // which has opened the quick ways
    ];
    for get in gets {
        let queue = Queue::bounded(2);
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        let mut putter = Waiter::new(queue.put(3));
        assert!(putter.poll_with(&waker_that_panics().1).is_pending());
        assert!(panics(|| get(&queue)));
        assert_eq!((queue.qsize(), queue.put_nowait(4)), (2, Err(PutNowaitError::QueueFull(4))));
        putter.now().unwrap();
        // One more than there is room for, until it has been got.
        assert_eq!((queue.qsize(), queue.get_nowait()), (3, Ok(1)));
        assert_eq!((queue.qsize(), queue.put_nowait(4)), (2, Err(PutNowaitError::QueueFull(4))));
        let mut next = Waiter::waiting(queue.put(4));
        assert_eq!(Waiter::new(queue.get()).now(), Ok(2));
        next.take().unwrap();
        assert_eq!((queue.get_nowait(), queue.get_nowait()), (Ok(3), Ok(4)));
        assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueEmpty));
        let mut joining = Waiter::waiting(queue.join());
        (0..4).for_each(|_| queue.task_done());
        joining.take();
    }
}

/// T-20: an item that was promised is promised to the next getter, if the one who has it panics.
#[test]
fn a_waker_that_panics_in_a_get_keeps_no_getter_waiting() {
    let queue = Queue::bounded(1);
    let mut promised = Waiter::waiting(queue.get());
    let mut next = Waiter::waiting(queue.get());
    queue.put_nowait(1).unwrap();
    let mut putter = Waiter::new(queue.put(2));
    assert!(putter.poll_with(&waker_that_panics().1).is_pending());
    assert!(panics(|| _ = promised.now()));
    assert_eq!(next.take(), Ok(1));
    putter.now().unwrap();
    assert_eq!((queue.get_nowait(), queue.qsize()), (Ok(2), 0));
}

/// T-20: one waker panics inside the other. Both items come back, and the budget is asked for no more than before.
#[test]
fn items_that_have_come_back_are_counted() {
    at_both_starts(|event_loop, trace| {
        let done = event_loop.run_until_complete(async {
            let queue = Rc::new(Queue::bounded(2));
            queue.put_nowait(1).unwrap();
            queue.put_nowait(2).unwrap();
            let mut outer = Waiter::new(queue.put(3));
            let mut inner = Waiter::new(queue.put(4));
            let other = queue.clone();
            assert!(outer.poll_with(&waker_that(move || _ = Waiter::new(other.get()).now())).is_pending());
            assert!(inner.poll_with(&waker_that_panics().1).is_pending());
            assert!(panics(|| _ = Waiter::new(queue.get()).now()));
            let log = trace.clone();
            let _other = create_task(async move { log.log("another task") });
            for _ in 0..2 {
                trace.log(queue.get().await.unwrap());
            }
            drop(Lock::new(()).lock().await);
            trace.log("locked");
        });
        done.unwrap();
        trace.expect(&["0 1", "0 2", "0 locked"]);
    });
}

/// T-21: a waker that gets and puts while it is woken by a put.
#[test]
fn a_waker_may_use_the_queue_that_wakes_it() {
    let queue = Rc::new(Queue::bounded(2));
    let results = Rc::new(RefCell::new(Vec::new()));
    let (other, log) = (queue.clone(), results.clone());
    let waker = waker_that(move || {
        log.borrow_mut().push((other.get_nowait().is_ok(), other.qsize()));
        other.put_nowait(2).unwrap();
    });
    let mut getter = Waiter::new(queue.get());
    assert!(getter.poll_with(&waker).is_pending());
    queue.put_nowait(1).unwrap();
    assert_eq!(*results.borrow(), [(false, 1)]);
    assert_eq!((getter.now(), queue.get_nowait()), (Ok(1), Ok(2)));
}

/// T-21: the mirror of that. While a putter is woken, the room is his already, and the item that was got has left.
#[test]
fn a_waker_may_use_the_queue_that_wakes_it_for_room() {
    let queue = Rc::new(Queue::bounded(2));
    let results = Rc::new(RefCell::new(Vec::new()));
    let (other, log) = (queue.clone(), results.clone());
    let waker = waker_that(move || log.borrow_mut().push((other.put_nowait(9).is_ok(), other.get_nowait())));
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    let mut putter = Waiter::new(queue.put(3));
    assert!(putter.poll_with(&waker).is_pending());
    assert_eq!(queue.get_nowait(), Ok(1));
    assert_eq!(*results.borrow(), [(false, Ok(2))]);
    putter.now().unwrap();
    assert_eq!((queue.get_nowait(), queue.qsize()), (Ok(3), 0));
}

#[test]
fn a_queue_of_what_takes_no_memory_counts() {
    let queue = Queue::unbounded();
    for _ in 0..10 {
        queue.put_nowait(()).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| queue.get_nowait().ok()).count(), 10);
}
