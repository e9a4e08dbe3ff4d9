//! A single-threaded event loop: tasks, callbacks and timers on a millisecond clock that wraps around.
//!
//! This is asyncio's core for Rust, after the lean uasyncio of MicroPython and Pycopy. Futures are the coroutines, so there are no
//! `Future` objects; tasks need not be `Send`, take some 26 bytes beyond their future, and waking one is three plain
//! stores. The crate has no I/O: how to wait is a [`Platform`]'s business, and `uasyncio-io` brings one that waits for sockets.
//!
//! ```
//! use uasyncio_core::{create_task, run, sleep_ms};
//!
//! run(async {
//!     let tick = create_task(async {
//!         for _ in 0..3 {
//!             sleep_ms(1).await;
//!             println!("tick");
//!         }
//!     });
//!     println!("waiting");
//!     tick.await.unwrap();
//! });
//! ```
//!
//! # Order
//!
//! The run queue is a FIFO. A task or callback enters it when it is created or woken, once however often it is woken. One pass
//! polls at most 61 of them, then takes in wakes from other threads, fires the timers that are due, and lets the platform look
//! at I/O or, if nothing is ready, wait. Timers fire in the order of their deadlines, equal ones in the order in which they were
//! set. Nothing is allocated on the way.
//!
//! # Features
//!
//! * `std` (default): threads; [`run`], [`ThreadPark`], [`Remote`]; panics of tasks are caught.
//! * `alloc`: tasks on the heap, for targets without `std`.
//! * `virtual-time`: [`VirtualTime`], for exact tests.
//! * `trace`: names, places and wait reasons of tasks.
//! * `critical-section`: [`SharedWaker`] and [`SharedRing`] on targets without compare-and-swap, such as Cortex-M0.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod platform;
mod ticks;

pub use platform::{LoopContext, Platform};
pub use ticks::Ticks;
pub use wait_list::{WaitList, WaitNode};

// Files that may hold `unsafe`; ARCHITECTURE.md lists them with the invariants that they rely on.
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod cell;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod current;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod event_loop;
#[allow(unsafe_code)]
pub mod pinned;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod remote;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
#[allow(unsafe_code)]
mod shared_ring;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
#[allow(unsafe_code)]
mod shared_waker;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod sleep;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod slot;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod state;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod sub_wakers;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod task;
#[allow(unsafe_code)]
mod wait_list;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod waker;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod wheel;

#[cfg(feature = "alloc")]
pub mod budget;
#[cfg(feature = "alloc")]
mod catch_cancel;
#[cfg(feature = "alloc")]
mod error;
#[cfg(feature = "alloc")]
mod exception;
#[cfg(feature = "alloc")]
mod handle;
#[cfg(feature = "alloc")]
mod report;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
mod sync;
#[cfg(feature = "std")]
mod thread_park;
#[cfg(feature = "std")]
mod threadsafe;
#[cfg(feature = "alloc")]
pub mod trace;
#[cfg(all(feature = "alloc", feature = "virtual-time"))]
mod virtual_time;

#[cfg(feature = "alloc")]
pub use self::{
    catch_cancel::{CancelledError, CatchCancel, Resume, catch_cancel},
    error::{Deadlock, Panic, RunError, TaskError},
    event_loop::{Attention, EventLoop},
    exception::{Exception, ExceptionContext},
    handle::{
        Loop, call_at_, call_later, call_later_ms, call_soon, create_task, current_task, get_event_loop, spawn,
        try_get_event_loop,
    },
    report::{Report, report},
    sleep::{Sleep, YieldNow, sleep, sleep_ms, sleep_until, yield_now},
    sub_wakers::{ReadyMembers, SubWaker, SubWakers},
    task::{CancelOnDrop, Task},
    trace::{TaskId, TaskInfo, TaskState},
};
#[cfg(feature = "std")]
pub use self::{
    event_loop::{run, try_run},
    thread_park::ThreadPark,
    threadsafe::{LoopClosed, Remote, RemoteTask},
};
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
pub use self::{shared_ring::SharedRing, shared_waker::SharedWaker};
#[cfg(all(feature = "std", feature = "virtual-time"))]
pub use virtual_time::Hold;
#[cfg(all(feature = "alloc", feature = "virtual-time"))]
pub use virtual_time::VirtualTime;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
