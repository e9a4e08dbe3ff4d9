//! What the reactor takes from the heap: little at the start, a place for each source, and nothing while it runs.

#![cfg(unix)]

#[path = "it/support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Context;

use support::{Count, read, run, until_parked, write_all};
use uasyncio_core::{EventLoop, create_task, sleep_ms, yield_now};
use uasyncio_io::{AsyncFd, Interest, Reactor, add_reader, remove_reader};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn note(allocations: u64, bytes: isize) {
    // Not while the thread ends.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + allocations));
    let _ = BYTES.try_with(|count| count.set(count.get() + bytes));
}

// SAFETY: passes everything on to the system's allocator, as it came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as isize);
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as isize));
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as isize - layout.size() as isize);
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.get()
}

fn bytes() -> isize {
    BYTES.get()
}

/// Trap 22: waiting, waking, timers and I/O allocate nothing once they have begun.
#[test]
fn nothing_is_allocated_while_looping() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let (ours, theirs) = (AsyncFd::new(ours).unwrap(), AsyncFd::new(theirs).unwrap());
        let echo = create_task(async move {
            let mut buffer = [0; 64];
            loop {
                let length = read(&theirs, &mut buffer).await.unwrap();
                if length == 0 {
                    break;
                }
                write_all(&theirs, &buffer[..length]).await.unwrap();
            }
        });
        // Each level of the timers' wheel is made when it is first used.
        let (_, waker) = Count::new();
        for power in 0..30 {
            assert!(std::pin::pin!(sleep_ms(1 << power)).as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let mut at_first = 0;
        for round in 0..1_100 {
            if round == 100 {
                at_first = allocations();
            }
            write_all(&ours, b"question").await.unwrap();
            let mut buffer = [0; 64];
            assert_eq!(read(&ours, &mut buffer).await.unwrap(), 8);
            if round % 100 == 0 {
                sleep_ms(1).await;
            }
        }
        assert_eq!(allocations() - at_first, 0);
        drop(ours);
        echo.await.unwrap();
    });
}

/// The task behind a callback is there from the start; a call costs nothing.
#[test]
fn a_call_of_a_callback_allocates_nothing() {
    run(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut stream = ours.try_clone().unwrap();
        let calls = Rc::new(Cell::new(0));
        let counted = calls.clone();
        add_reader(&ours, move || {
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
            counted.set(counted.get() + 1);
        })
        .unwrap();
        let mut at_first = 0;
        for round in 0..200 {
            if round == 100 {
                at_first = allocations();
            }
            theirs.write_all(b"x").unwrap();
            while calls.get() <= round {
                yield_now().await;
            }
        }
        assert_eq!(allocations() - at_first, 0);
        assert!(remove_reader(&ours));
    });
}

/// Decision 17, with room to spare. The pages of tasks come from a pool of the process, which core counts.
#[test]
fn an_idle_reactor_is_small() {
    let before = bytes();
    let reactor = Reactor::new().unwrap();
    let size = bytes() - before;
    assert!(size <= 5 * 1024, "a reactor takes {size} bytes");
    let event_loop = EventLoop::with_platform(reactor);
    event_loop.run_until_complete(sleep_ms(1)).unwrap();
    let size = bytes() - before;
    assert!(size <= 8 * 1024, "an idle loop takes {size} bytes");
}

/// 10 000 idle connections at 1 KB each leave the rest for buffers and tasks.
#[test]
fn a_waiting_source_is_small_and_its_place_is_used_again() {
    const SOURCES: usize = 200;
    run(async {
        let open = || {
            (0..SOURCES)
                .map(|_| {
                    let (ours, theirs) = UnixStream::pair().unwrap();
                    ours.set_nonblocking(true).unwrap();
                    let ours = AsyncFd::new(ours).unwrap();
                    assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
                    (ours, theirs)
                })
                .collect::<Vec<_>>()
        };
        let (_, waker) = Count::new();
        let before = bytes();
        let sources = open();
        for (source, _) in &sources {
            assert!(source.poll_ready(&mut Context::from_waker(&waker), Interest::Read).is_pending());
        }
        let size = (bytes() - before) as usize / SOURCES;
        assert!(size <= 128, "a waiting source takes {size} bytes");
        drop(sources);
        until_parked(0).await;

        let at_first = allocations();
        let sources = open();
        assert_eq!(allocations() - at_first, 1, "the vector's");
        drop(sources);
    });
}
