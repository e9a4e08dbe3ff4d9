//! embassy-time's driver on the board's counter, at one tick a microsecond; the same hardware and the same resolution that `board::Clock` has.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use board::{counter, interrupt};
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

/// The longest sleep, in microseconds.
const LONGEST: u64 = 1 << 30;

struct TimeDriver {
    /// The last reading, from which the upper half of the next one follows.
    last: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static DRIVER: TimeDriver = TimeDriver {
    last: Mutex::new(Cell::new(0)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl TimeDriver {
    fn arm(&self, section: CriticalSection<'_>) {
        loop {
            let now = self.now();
            let next = self.queue.borrow_ref_mut(section).next_expiration(now);
            if counter::interrupt_at(next.min(now + LONGEST) as u32) {
                return;
            }
        }
    }
}

impl Driver for TimeDriver {
    fn now(&self) -> u64 {
        critical_section::with(|section| {
            let last = self.last.borrow(section);
            let now = last.get() + u64::from(counter::read().wrapping_sub(last.get() as u32));
            last.set(now);
            now
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let changed = self.queue.borrow_ref_mut(section).schedule_wake(at, waker);
            if changed {
                self.arm(section);
            }
        });
    }
}

#[interrupt]
fn TIMER0() {
    counter::acknowledge();
    critical_section::with(|section| DRIVER.arm(section));
}
