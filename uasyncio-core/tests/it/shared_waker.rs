//! The waker that is shared with other threads and interrupts: who is woken, what is cloned and dropped, and when (T-17, T-20, T-21).

#![cfg(feature = "std")]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;

use crate::common::{CallingWaker, CountingWaker, Watchdog};
use uasyncio_core::{SharedWaker, run};

static CALLS: RawWakerVTable = RawWakerVTable::new(
    |calls| {
        Calls::of(calls).clones.fetch_add(1, Ordering::Relaxed);
        RawWaker::new(calls, &CALLS)
    },
    |_| panic!("woken by value"),
    |calls| _ = Calls::of(calls).wakes.fetch_add(1, Ordering::Relaxed),
    |calls| _ = Calls::of(calls).drops.fetch_add(1, Ordering::Relaxed),
);

/// A waker that counts all that is done with it.
#[derive(Default)]
struct Calls {
    wakes: AtomicUsize,
    clones: AtomicUsize,
    drops: AtomicUsize,
}

impl Calls {
    fn of(calls: *const ()) -> &'static Calls {
        // SAFETY: only ever made from a leaked `Calls`.
        unsafe { &*calls.cast() }
    }

    fn leaked() -> (&'static Calls, Waker) {
        let calls: &Calls = Box::leak(Box::default());
        // SAFETY: the table is for pointers to leaked `Calls`.
        (calls, unsafe { Waker::new(std::ptr::from_ref(calls).cast(), &CALLS) })
    }

    /// Wakes, clones, drops.
    fn counts(&self) -> [usize; 3] {
        [&self.wakes, &self.clones, &self.drops].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Once registered, a waiter is woken by each wake, until another takes its place.
#[test]
fn a_wake_goes_to_the_latest_waiter() {
    static SHARED: SharedWaker = SharedWaker::new();
    let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
    SHARED.wake();
    SHARED.register(&first_waker);
    assert_eq!(first.wakes(), 0, "what came before the registration is not kept");
    SHARED.wake();
    SHARED.wake();
    assert_eq!(first.wakes(), 2);
    SHARED.register(&second_waker);
    SHARED.wake();
    assert_eq!((first.wakes(), second.wakes()), (2, 1));
    SHARED.take().expect("the second one").wake();
    SHARED.wake();
    assert_eq!((first.wakes(), second.wakes()), (2, 2));
    assert!(SHARED.take().is_none());
}

/// The same waker is not cloned again, and a wake neither clones nor drops: it may be in an interrupt.
#[test]
fn a_wake_neither_clones_nor_drops_leak() {
    let (calls, waker) = Calls::leaked();
    let shared = SharedWaker::default();
    shared.register(&waker);
    assert_eq!(calls.counts(), [0, 1, 0]);
    for _ in 0..3 {
        shared.register(&waker);
        shared.wake();
    }
    assert_eq!(calls.counts(), [3, 1, 0]);
    shared.register(Waker::noop());
    assert_eq!(calls.counts(), [3, 1, 1], "replaced, so dropped");
    shared.register(&waker);
    drop(shared);
    assert_eq!(calls.counts(), [3, 2, 2]);
}

/// What a waker does to the place it is in, from inside its wake.
fn nested(inside: fn(&SharedWaker, &Waker)) -> (Arc<SharedWaker>, Arc<AtomicUsize>) {
    let (shared, runs) = (Arc::new(SharedWaker::new()), Arc::new(AtomicUsize::new(0)));
    let own = Arc::new(Mutex::new(None::<Waker>));
    let waker = CallingWaker::waker({
        let (shared, runs, own) = (Arc::downgrade(&shared), runs.clone(), Arc::downgrade(&own));
        move || {
            // Twice is enough to see whether the second wake comes.
            if runs.fetch_add(1, Ordering::Relaxed) < 1 {
                let waker = Weak::upgrade(&own).and_then(|own| own.lock().unwrap().clone()).unwrap();
                inside(&shared.upgrade().unwrap(), &waker);
            }
        }
    });
    *own.lock().unwrap() = Some(waker.clone());
    shared.register(&waker);
    shared.wake();
    (shared, runs)
}

#[test]
fn a_wake_from_inside_a_wake_comes_after_it() {
    let (_, runs) = nested(|shared, _| shared.wake());
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
#[cfg_attr(miri, ignore = "the table of an Arc's waker has several addresses there")]
fn a_waiter_may_register_again_inside_its_wake() {
    let (shared, runs) = nested(|shared, waker| shared.register(waker));
    assert_eq!(runs.load(Ordering::Relaxed), 1, "it is there already");
    shared.wake();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

/// The slot is being looked at, so it cannot be replaced: the other one is woken instead, and tries again.
#[test]
fn another_waiter_that_registers_inside_a_wake_is_woken() {
    static OTHER: Mutex<Option<Arc<CountingWaker>>> = Mutex::new(None);
    let (_, runs) = nested(|shared, _| {
        let (other, waker) = CountingWaker::new();
        shared.register(&waker);
        *OTHER.lock().unwrap() = Some(other);
    });
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(OTHER.lock().unwrap().take().map(|other| other.wakes()), Some(1));
}

#[test]
fn a_waiter_cannot_be_taken_out_of_its_own_wake() {
    let (shared, runs) = nested(|shared, _| assert!(shared.take().is_none()));
    shared.wake();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert!(shared.take().is_some());
}

/// A waker is dropped when nothing is held: what its destructor does here works.
#[test]
fn a_replaced_waker_may_wake_and_register_while_it_is_dropped() {
    struct WakesWhenDropped(Weak<SharedWaker>, Waker);

    impl Drop for WakesWhenDropped {
        fn drop(&mut self) {
            if let Some(shared) = self.0.upgrade() {
                shared.wake();
                shared.register(&self.1);
            }
        }
    }

    let shared = Arc::new(SharedWaker::new());
    let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
    let wakes_when_dropped = WakesWhenDropped(Arc::downgrade(&shared), second_waker);
    shared.register(&CallingWaker::waker(move || _ = &wakes_when_dropped));
    shared.register(&first_waker);
    shared.wake();
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
}

#[test]
fn a_waker_that_panics_leaves_it_usable() {
    let shared = SharedWaker::new();
    shared.register(&CallingWaker::waker(|| panic!("a waker that panics")));
    assert!(catch_unwind(AssertUnwindSafe(|| shared.wake())).is_err());
    let (counting, waker) = CountingWaker::new();
    shared.register(&waker);
    shared.wake();
    assert_eq!(counting.wakes(), 1);
}

#[test]
fn a_clone_that_panics_leaves_it_usable() {
    const VTABLE: RawWakerVTable = RawWakerVTable::new(|_| panic!("a clone that panics"), drop, drop, drop);
    // SAFETY: the table makes no use of the pointer.
    let panics = unsafe { Waker::new(std::ptr::null(), &VTABLE) };
    let (counting, waker) = CountingWaker::new();
    let shared = SharedWaker::new();
    shared.register(&waker);
    assert!(catch_unwind(AssertUnwindSafe(|| shared.register(&panics))).is_err());
    shared.wake();
    assert_eq!(counting.wakes(), 1, "the one before is still there");
}

/// A waiter that counts what others count up; each of them wakes it for each count.
#[test]
fn no_wake_of_several_threads_is_lost() {
    let _watchdog = Watchdog::new("no_wake_of_several_threads_is_lost");
    let (threads, wakes) = if cfg!(miri) { (2, 20) } else { (3, 20_000) };
    let (shared, count) = (SharedWaker::new(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..wakes {
                    count.fetch_add(1, Ordering::Relaxed);
                    shared.wake();
                }
            });
        }
        run(std::future::poll_fn(|cx| {
            shared.register(cx.waker());
            if count.load(Ordering::Relaxed) == threads * wakes { Poll::Ready(()) } else { Poll::Pending }
        }));
    });
}

/// Threads that register, wake and take as they like: misuse, but nothing is torn and nothing leaks.
#[test]
fn all_at_the_same_time_from_several_threads() {
    let rounds = if cfg!(miri) { 30 } else { 20_000 };
    let (counting, waker) = CountingWaker::new();
    let (shared, is_over) = (SharedWaker::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (_, other) = CountingWaker::new();
                for round in 0..rounds {
                    shared.register(if round % 3 == 0 { &other } else { &waker });
                    drop(if round % 5 == 0 { shared.take() } else { None });
                }
                is_over.store(true, Ordering::Relaxed);
            });
        }
        while !is_over.load(Ordering::Relaxed) {
            shared.wake();
            thread::yield_now();
        }
    });
    drop((shared.take(), waker));
    assert_eq!(Arc::strong_count(&counting), 1);
}

/// A future of one loop that moves to another: the waker of the latest poll counts.
#[test]
fn a_future_that_moves_to_another_task() {
    let (shared, is_set) = (SharedWaker::new(), AtomicBool::new(false));
    let mut wait = pin!(std::future::poll_fn(|cx| {
        shared.register(cx.waker());
        if is_set.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }));
    let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
    for waker in [&first_waker, &second_waker] {
        assert!(wait.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    is_set.store(true, Ordering::Relaxed);
    shared.wake();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    run(wait);
}
