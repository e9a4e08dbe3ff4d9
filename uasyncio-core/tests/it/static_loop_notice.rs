//! A platform whose sleep ends by itself is never asked for its notifier.

#![cfg(feature = "std")]

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use uasyncio_core::{Platform, StaticLoop, Ticks, yield_now};

/// Whom the interrupts wake, and how many waits there were.
#[derive(Default)]
struct Chip {
    waiting: Rc<RefCell<Option<Waker>>>,
    sleeps: Cell<u32>,
}

impl Platform for Chip {
    fn now(&self) -> Ticks {
        Ticks::from_millis(0)
    }

    /// Each sleep ends with an interrupt.
    fn wait(&self, timeout: Option<u32>) {
        if timeout.is_none() {
            self.sleeps.set(self.sleeps.get() + 1);
            if let Some(waker) = &*self.waiting.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    fn notifier(&self) -> Waker {
        unreachable!("no notice is needed")
    }

    fn needs_notice(&self) -> bool {
        false
    }
}

#[test]
fn the_loop_sleeps_and_wakes_without_a_notifier() {
    static LOOP: StaticLoop<2> = StaticLoop::new();
    let chip = Chip::default();
    let (waiting, polls) = (chip.waiting.clone(), Cell::new(0));
    let interrupted = poll_fn(|cx| {
        waiting.replace(Some(cx.waker().clone()));
        polls.set(polls.get() + 1);
        if polls.get() == 4 { Poll::Ready(()) } else { Poll::Pending }
    });
    let busy = async {
        for _ in 0..100 {
            yield_now().await;
        }
    };
    LOOP.run(&chip, [pin!(interrupted), pin!(busy)]);
    assert_eq!((polls.get(), chip.sleeps.get()), (4, 3));
}
