//! Sending and receiving allocate nothing, once the sockets and the batch are there: an allocator that counts.

#[path = "it/support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use support::{pair, run};
use uasyncio_core::spawn;
use uasyncio_udp::{Outgoing, RecvBatch};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_round_trip_that_waits_allocates_nothing() {
    run(async {
        let (ping, pong) = pair();
        spawn(async move {
            let mut buffer = [0; 64];
            loop {
                let received = pong.recv(&mut buffer).await.unwrap();
                pong.send_to(&buffer[..received.len], received.from).await.unwrap();
            }
        });
        let mut buffer = [0; 64];
        let mut before = 0;
        for round in 0..110 {
            if round == 10 {
                before = ALLOCATIONS.get();
            }
            ping.send(b"ping").await.unwrap();
            ping.recv(&mut buffer).await.unwrap();
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
    });
}

#[test]
fn a_batch_allocates_nothing_after_its_first_use() {
    run(async {
        let (first, second) = pair();
        let datagrams = [Outgoing::new(b"hello"); 32];
        let mut batch = RecvBatch::new(32, 100);
        let mut before = 0;
        for round in 0..20 {
            if round == 10 {
                before = ALLOCATIONS.get();
            }
            assert_eq!(first.send_many(&datagrams).await.unwrap(), 32);
            assert_eq!(second.recv_many(&mut batch).await.unwrap(), 32);
            assert!(batch.iter().all(|datagram| datagram.data == b"hello"));
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
    });
}
