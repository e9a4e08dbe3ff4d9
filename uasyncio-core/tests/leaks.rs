//! Loops come and go and leave nothing behind but the pool of the process (T-22). One test alone in its process, for others would
//! take from that pool and give to it.

#![cfg(all(feature = "std", feature = "virtual-time"))]

#[path = "it/common/counting.rs"]
mod counting;

use std::future::pending;

use counting::{CountingAllocator, heap, since};
use uasyncio_core::{EventLoop, VirtualTime, catch_cancel, create_task, sleep_ms};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn loops_leak_nothing() {
    let tasks = if cfg!(miri) { 20 } else { 100 };
    let program = || {
        let event_loop = EventLoop::with_platform(VirtualTime::new());
        let remote = event_loop.remote();
        let kept = event_loop.create_task(async { String::from("a result") });
        let mut catching = Vec::new();
        for n in 0..tasks {
            catching.push(event_loop.create_task(catch_cancel(sleep_ms(n * 100))));
            event_loop.spawn(async move {
                drop(create_task(async { panic_quietly() }));
                let nested = create_task(sleep_ms(n));
                sleep_ms(1_000 + n).await;
                nested.await.unwrap();
            });
            event_loop.call_later_ms(n * 50, || drop(String::from("owned")));
            remote.call_soon_threadsafe(|| ()).unwrap();
        }
        drop(remote.spawn(|| async { pending::<String>().await }));
        event_loop.set_exception_handler(|_| ());
        event_loop
            .run_until_complete(async {
                sleep_ms(40).await;
                catching[5].cancel();
                sleep_ms(1).await;
            })
            .unwrap();
        drop(event_loop);
        drop((kept, catching, remote));
    };
    program();
    let before = heap();
    for _ in 0..3 {
        program();
        assert_eq!(since(before).bytes, 0);
    }
}

fn panic_quietly() {
    std::panic::resume_unwind(Box::new("as planned"));
}
