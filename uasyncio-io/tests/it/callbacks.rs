//! asyncio's `add_reader` and its kin.

#![cfg(unix)]

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use crate::support::{run, stats, until, watched};
use uasyncio_core::{EventLoop, call_soon, get_event_loop, sleep_ms, spawn, yield_now};
use uasyncio_io::{Reactor, add_reader, add_writer, remove_reader, remove_writer};

/// A pair, ours non-blocking, and a second handle of ours for the callback.
fn pair() -> (UnixStream, UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let callback = ours.try_clone().unwrap();
    (ours, callback, theirs)
}

/// Several passes of the loop, each with a look at I/O.
async fn passes(count: usize) {
    for _ in 0..count {
        // More polls than a pass has.
        for _ in 0..62 {
            yield_now().await;
        }
    }
}

#[test]
fn a_reader_is_called_again_while_data_remains_and_not_after() {
    run(async {
        let (ours, mut stream, mut theirs) = pair();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let received = seen.clone();
        add_reader(&ours, move || {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "called though nothing is there");
            received.borrow_mut().push(byte[0]);
        })
        .unwrap();
        passes(3).await;
        assert!(seen.borrow().is_empty());
        for text in ["hello", "again"] {
            theirs.write_all(text.as_bytes()).unwrap();
            until(|| seen.borrow().len() == 5).await;
            passes(3).await;
            assert_eq!(seen.take(), text.as_bytes());
        }
        assert!(remove_reader(&ours));
        assert_eq!(stats().parked, 0);
    });
}

/// asyncio calls it once a pass, so nobody starves beside a callback that takes nothing.
#[test]
fn a_callback_that_takes_nothing_is_called_once_a_look_at_io() {
    run(async {
        let (ours, _stream, mut theirs) = pair();
        let calls = Rc::new(Cell::new(0));
        let counted = calls.clone();
        add_reader(&ours, move || counted.set(counted.get() + 1)).unwrap();
        theirs.write_all(b"x").unwrap();
        let turns = Rc::new(Cell::new(0_u64));
        let counted = turns.clone();
        spawn(async move {
            loop {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        until(|| calls.get() == 50).await;
        assert!(stats().waits >= 50, "{} waits", stats().waits);
        assert!(turns.get() >= 50, "the other task had {} turns", turns.get());
        assert!(remove_reader(&ours));
    });
}

#[test]
fn the_end_of_the_stream_is_ready_until_the_reader_is_removed() {
    run(async {
        let (ours, mut stream, theirs) = pair();
        let ends = Rc::new(Cell::new(0));
        let counted = ends.clone();
        add_reader(&ours, move || {
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
            counted.set(counted.get() + 1);
        })
        .unwrap();
        drop(theirs);
        until(|| ends.get() == 3).await;
        assert!(remove_reader(&ours));
        passes(3).await;
        assert_eq!(ends.get(), 3);
    });
}

#[test]
fn adding_again_replaces_the_callback() {
    run(async {
        let (ours, mut stream, mut theirs) = pair();
        let old = Rc::new(());
        let held = old.clone();
        add_reader(&ours, move || panic!("the old callback was called, {held:?}")).unwrap();
        theirs.write_all(b"x").unwrap();
        let done = Rc::new(Cell::new(false));
        let finished = done.clone();
        add_reader(&ours, move || {
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
            finished.set(true);
        })
        .unwrap();
        assert_eq!(Rc::strong_count(&old), 1, "the old callback is dropped");
        until(|| done.get()).await;
        assert!(remove_reader(&ours));
        assert!(!remove_reader(&ours));
    });
}

/// "Callbacks that were found ready before the removal are not called": asyncio cancels the handle.
#[test]
fn a_reader_removed_while_ready_is_not_called() {
    run(async {
        let (ours, _stream, mut theirs) = pair();
        let reports = Rc::new(Cell::new(0));
        let reported = reports.clone();
        get_event_loop().set_exception_handler(move |_| reported.set(reported.get() + 1));
        add_reader(&ours, || panic!("called after it was removed")).unwrap();
        theirs.write_all(b"x").unwrap();
        uasyncio_core::Platform::wait(&Reactor::current().unwrap(), Some(0));
        assert_eq!(stats().parked, 0, "the callback's turn has come");
        assert!(remove_reader(&ours));
        passes(2).await;
        assert_eq!(reports.get(), 0);
    });
}

#[test]
fn reader_and_writer_of_one_descriptor_are_independent() {
    run(async {
        let (ours, mut stream, mut theirs) = pair();
        let (reads, writes) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (read_calls, write_calls) = (reads.clone(), writes.clone());
        add_reader(&ours, move || {
            assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
            read_calls.set(read_calls.get() + 1);
        })
        .unwrap();
        add_writer(&ours, move || write_calls.set(write_calls.get() + 1)).unwrap();
        until(|| writes.get() == 2).await;
        assert_eq!(reads.get(), 0);
        assert!(remove_writer(&ours));
        assert!(!remove_writer(&ours));
        let written = writes.get();
        theirs.write_all(b"x").unwrap();
        until(|| reads.get() == 1).await;
        passes(2).await;
        assert_eq!(writes.get(), written);
        assert!(remove_reader(&ours));
    });
}

#[test]
fn a_callback_may_remove_and_replace_itself() {
    run(async {
        let (ours, stream, mut theirs) = pair();
        let ours = Rc::new(ours);
        let log = Rc::new(RefCell::new(Vec::new()));
        let (descriptor, first_log) = (ours.clone(), log.clone());
        add_reader(&*ours, move || {
            first_log.borrow_mut().push("first");
            let (own, second_log) = (descriptor.clone(), first_log.clone());
            let mut again = stream.try_clone().unwrap();
            add_reader(&*descriptor, move || {
                assert_eq!(again.read(&mut [0; 8]).unwrap(), 1);
                second_log.borrow_mut().push("second");
                assert!(remove_reader(&*own));
            })
            .unwrap();
            // The first is still running, on its own data, though it was replaced.
            assert!(stream.peer_addr().is_ok());
        })
        .unwrap();
        theirs.write_all(b"x").unwrap();
        until(|| log.borrow().len() == 2).await;
        theirs.write_all(b"y").unwrap();
        passes(2).await;
        assert_eq!(*log.borrow(), ["first", "second"]);
        assert!(!remove_reader(&*ours));
    });
}

/// Callbacks take their turn in the loop's queue, in the order in which the events came.
#[test]
fn callbacks_run_in_fifo_order_with_everything_else() {
    run(async {
        let log = Rc::new(RefCell::new(Vec::new()));
        let mut pairs: Vec<_> = (0..3).map(|_| pair()).collect();
        for (number, (ours, stream, _)) in pairs.iter_mut().enumerate() {
            let (log, mut stream) = (log.clone(), stream.try_clone().unwrap());
            add_reader(ours, move || {
                assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
                log.borrow_mut().push(number);
            })
            .unwrap();
        }
        yield_now().await; // They wait now.
        for number in [2, 0, 1] {
            pairs[number].2.write_all(b"x").unwrap();
        }
        let before = log.clone();
        call_soon(move || before.borrow_mut().push(10));
        uasyncio_core::Platform::wait(&Reactor::current().unwrap(), Some(0));
        let after = log.clone();
        call_soon(move || after.borrow_mut().push(11));
        until(|| log.borrow().len() == 5).await;
        assert_eq!(*log.borrow(), [10, 2, 0, 1, 11]);
        for (ours, _, _) in &pairs {
            assert!(remove_reader(ours));
        }
    });
}

#[test]
fn a_callback_that_panics_is_removed_and_reported() {
    run(async {
        let (ours, _stream, mut theirs) = pair();
        let reports = Rc::new(RefCell::new(Vec::new()));
        let reported = reports.clone();
        get_event_loop().set_exception_handler(move |context| reported.borrow_mut().push(context.exception.to_string()));
        add_reader(&ours, || panic!("bad callback")).unwrap();
        theirs.write_all(b"x").unwrap();
        until(|| !reports.borrow().is_empty()).await;
        assert!(reports.borrow()[0].contains("bad callback"), "{reports:?}");
        assert!(!remove_reader(&ours));
    });
}

/// Trap 30.
#[test]
fn a_regular_file_is_always_ready() {
    run(async {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let calls = Rc::new(Cell::new(0));
        let counted = calls.clone();
        add_reader(&file, move || counted.set(counted.get() + 1)).unwrap();
        until(|| calls.get() == 3).await;
        assert!(remove_reader(&file));
        passes(1).await;
        assert_eq!(calls.get(), 3);
    });
}

/// Nothing of a callback outlives its loop, also when nobody removed it.
#[test]
fn dropping_the_loop_drops_its_callbacks() {
    let event_loop = EventLoop::with_platform(Reactor::new().unwrap());
    let owned = Rc::new(());
    let (ours, _stream, mut theirs) = pair();
    event_loop
        .run_until_complete(watched(async {
            for _ in 0..2 {
                let held = owned.clone();
                add_reader(&ours, move || drop(held.clone())).unwrap();
            }
            sleep_ms(1).await;
        }))
        .unwrap();
    assert_eq!(Rc::strong_count(&owned), 2);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&owned), 1);
    drop((ours, _stream));
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0, "the loop keeps no duplicate");
    assert!(theirs.write_all(b"x").is_err());
}

/// T-09 for callbacks: the caller closes its descriptor without removing the callback, and the number is reused.
#[test]
fn a_number_that_was_reused_names_the_new_descriptor() {
    run(async {
        let (ours, stream, theirs) = pair();
        let number = ours.as_raw_fd();
        let calls = Rc::new(Cell::new(0));
        add_reader(&ours, || ()).unwrap();
        drop((ours, stream, theirs));
        let (fresh, _peer) = loop {
            // Other tests run in this process too.
            let (one, other) = UnixStream::pair().unwrap();
            match (one.as_raw_fd() == number, other.as_raw_fd() == number) {
                (true, _) => break (one, other),
                (_, true) => break (other, one),
                _ => yield_now().await,
            }
        };
        let counted = calls.clone();
        add_reader(&fresh, move || counted.set(counted.get() + 1)).unwrap();
        passes(2).await;
        assert_eq!(calls.get(), 0, "called for the end of the old connection");
        (&_peer).write_all(b"x").unwrap();
        until(|| calls.get() > 0).await;
        assert!(remove_reader(&fresh));
    });
}
