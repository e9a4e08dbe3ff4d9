//! A waker that does what a test wants when it is woken, cloned or dropped, and counts all of that. It stays on its thread, so
//! what it does need not be `Send`.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::cell::RefCell;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// The test's view of a waker and its clones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HookedWaker(usize);

/// Something to be done once, at the next event of its kind.
type Hook = Option<Box<dyn FnOnce()>>;

#[derive(Default)]
struct Record {
    wakes: usize,
    clones: usize,
    live: usize,
    on_wake: Hook,
    on_clone: Hook,
    on_drop: Hook,
}

thread_local! {
    static RECORDS: RefCell<Vec<Record>> = const { RefCell::new(Vec::new()) };
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_one);

fn with<R>(data: *const (), work: impl FnOnce(&mut Record) -> R) -> R {
    RECORDS.with_borrow_mut(|records| work(&mut records[data.addr()]))
}

fn run(hook: Hook) {
    if let Some(hook) = hook {
        hook();
    }
}

fn clone(data: *const ()) -> RawWaker {
    run(with(data, |record| {
        record.clones += 1;
        record.on_clone.take()
    }));
    with(data, |record| record.live += 1); // only now, since the hook may panic
    RawWaker::new(data, &TABLE)
}

fn wake(data: *const ()) {
    // The waker goes even if the hook panics.
    struct Drops(*const ());
    impl Drop for Drops {
        fn drop(&mut self) {
            drop_one(self.0);
        }
    }
    let _drops = Drops(data);
    wake_by_ref(data);
}

fn wake_by_ref(data: *const ()) {
    run(with(data, |record| {
        record.wakes += 1;
        record.on_wake.take()
    }));
}

fn drop_one(data: *const ()) {
    run(with(data, |record| {
        record.live -= 1;
        record.on_drop.take()
    }));
}

impl HookedWaker {
    pub(crate) fn new() -> HookedWaker {
        RECORDS.with_borrow_mut(|records| {
            records.push(Record::default());
            HookedWaker(records.len() - 1)
        })
    }

    fn data(self) -> *const () {
        ptr::without_provenance(self.0)
    }

    /// A waker. It counts as a live one.
    pub(crate) fn waker(self) -> Waker {
        with(self.data(), |record| record.live += 1);
        // SAFETY: the table's functions take the data for what it is, a number. The tests use the waker on this thread alone, and
        // on another one it would find no record and panic.
        unsafe { Waker::new(self.data(), &TABLE) }
    }

    pub(crate) fn on_wake(self, hook: impl FnOnce() + 'static) {
        with(self.data(), |record| record.on_wake = Some(Box::new(hook)));
    }

    pub(crate) fn on_clone(self, hook: impl FnOnce() + 'static) {
        with(self.data(), |record| record.on_clone = Some(Box::new(hook)));
    }

    pub(crate) fn on_drop(self, hook: impl FnOnce() + 'static) {
        with(self.data(), |record| record.on_drop = Some(Box::new(hook)));
    }

    pub(crate) fn wakes(self) -> usize {
        with(self.data(), |record| record.wakes)
    }

    pub(crate) fn clones(self) -> usize {
        with(self.data(), |record| record.clones)
    }

    /// Wakers that are not dropped yet.
    pub(crate) fn live(self) -> usize {
        with(self.data(), |record| record.live)
    }
}
