//! What an idle loop and its tasks take, in bytes as requested (decisions 16 and 17, and the memory rows of DESIGN section 7).
//!
//! One test alone in its process, so that the pool is empty at its start; and every loop lives to its end, so that it stays so.

#![cfg(all(feature = "std", feature = "virtual-time", not(feature = "trace"), target_pointer_width = "64"))]

#[path = "it/common/mod.rs"]
mod common;
#[path = "it/common/counting.rs"]
mod counting;

use std::future::Future;
use std::mem::size_of_val;

use counting::{CountingAllocator, heap, since};
use uasyncio_core::{EventLoop, Platform, Task, VirtualTime, sleep_ms};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MANY: usize = if cfg!(miri) { 400 } else { 4_000 };

/// Waits for ever, and owns so much.
struct Waiting([u64; 4]);

impl Future for Waiting {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        assert_eq!(self.0, [7; 4]);
        std::task::Poll::Pending
    }
}

/// Bytes for each of many tasks in a fresh loop, everything counted that was asked for after `ready`.
fn bytes_each<P: Platform>(event_loop: &EventLoop<P>, make: impl FnMut(&EventLoop<P>)) -> f64 {
    let mut make = make;
    let before = heap();
    (0..MANY).for_each(|_| make(event_loop));
    while event_loop.turn().unwrap() == uasyncio_core::Attention::Now {}
    since(before).bytes as f64 / MANY as f64
}

#[test]
fn bytes_of_loops_and_tasks() {
    let virtual_loop = || EventLoop::with_platform(VirtualTime::new());

    // An idle loop before its first timer, on both platforms; and with one task, which brings a page.
    let before = heap();
    let parking = EventLoop::new();
    parking.turn().unwrap();
    let idle = since(before).bytes;
    assert!(idle <= 2_048, "an idle loop takes {idle} bytes");
    parking.spawn(Waiting([7; 4]));
    let with_a_task = since(before).bytes;
    assert!(with_a_task <= 2_048, "an idle loop with its first page takes {with_a_task} bytes");
    let before = heap();
    let idle_virtual = virtual_loop();
    assert!(since(before).bytes <= 2_048);

    // Detached and joinable tasks, beyond their future.
    let future = size_of_val(&Waiting([7; 4])) as f64;
    let detached_loop = virtual_loop();
    let detached = bytes_each(&detached_loop, |event_loop| event_loop.spawn(Waiting([7; 4]))) - future;
    assert!(detached <= 32.0, "a detached task takes {detached} bytes beyond its future");
    let joinable_loop = virtual_loop();
    let mut handles: Vec<Task<()>> = Vec::with_capacity(MANY);
    let joinable = bytes_each(&joinable_loop, |event_loop| handles.push(event_loop.create_task(Waiting([7; 4])))) - future;
    assert!(joinable <= 52.0, "a joinable task takes {joinable} bytes beyond its future");
    // What a handle itself takes, on the stack or wherever it is.
    assert!(size_of::<Task<()>>() <= 24);

    // Asleep, everything counted: the future and the lists of the wheel, too.
    let asleep_loop = virtual_loop();
    let asleep = bytes_each(&asleep_loop, |event_loop| event_loop.spawn(sleep_ms(60_000)));
    assert!(asleep <= 112.0, "a task asleep takes {asleep} bytes");
    let asleep_in_async_loop = virtual_loop();
    let asleep_in_async = bytes_each(&asleep_in_async_loop, |event_loop| {
        event_loop.spawn(async { sleep_ms(60_000).await });
    });
    assert!(asleep_in_async <= 112.0, "an async block asleep takes {asleep_in_async} bytes");
    let asleep_joinable_loop = virtual_loop();
    let mut sleepers: Vec<Task<()>> = Vec::with_capacity(MANY);
    let asleep_joinable = bytes_each(&asleep_joinable_loop, |event_loop| {
        sleepers.push(event_loop.create_task(async { sleep_ms(60_000).await }));
    });
    assert!(asleep_joinable <= 112.0, "a joinable task asleep takes {asleep_joinable} bytes");

    println!(
        "idle {idle}, with a page {with_a_task}, detached {detached}, joinable {joinable}, \
         asleep {asleep}, in an async block {asleep_in_async}, joinable {asleep_joinable}"
    );
    drop((parking, idle_virtual, detached_loop, joinable_loop, asleep_loop, asleep_in_async_loop, asleep_joinable_loop));

    // From here on the pool has pages: new loops take no more.
    let before = heap();
    let pooled = virtual_loop();
    let detached = bytes_each(&pooled, |event_loop| event_loop.spawn(Waiting([7; 4]))) - future;
    assert!(detached <= 1.0, "with pages from the pool a detached task takes {detached} bytes beyond its future");
    drop(pooled);
    assert!(since(before).bytes <= 0);
}
