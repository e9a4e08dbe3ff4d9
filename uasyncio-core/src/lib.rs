//! A single-threaded event loop: tasks, callbacks and timers on a millisecond clock that wraps around.
//!
//! This is asyncio's core for Rust, after the lean uasyncio of MicroPython and Pycopy. Futures are the coroutines, so there are no
//! `Future` objects; tasks need not be `Send`, take some 26 bytes beyond their future, and waking one is three plain
//! stores. The crate has no I/O: how to wait is a [`Platform`]'s business, and `uasyncio-io` brings one that waits for sockets.
//! On microcontrollers the same code runs without a heap, on a [`StaticLoop`].
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
//! They add; none takes anything away. Code that is written for fewer of them compiles and runs unchanged with more.
//!
//! * none: [`StaticLoop`], whose tasks are lent to it by its caller; [`sleep()`] and its kin, [`time`], [`budget`].
//! * `alloc`: `EventLoop` and `create_task` too: tasks on a heap, which the program chooses by `#[global_allocator]`. On a target
//!   without compare-and-swap it needs `critical-section`.
//! * `std` (default): threads; `run`, `ThreadPark`, `Remote`; panics of tasks are caught.
//! * `virtual-time`: `VirtualTime`, for exact tests; with `alloc`.
//! * `trace`: names, places and wait reasons of tasks.
//! * `critical-section`: wakes from interrupts in critical sections of the crate of that name, which the program implements: whatever
//!   can be woken on targets without compare-and-swap, such as Cortex-M0. Without it and without compare-and-swap [`StaticLoop`], [`SharedWaker`] and
//!   [`SharedRing`] are not there. Where there is compare-and-swap it makes the [`StaticLoop`] smaller, and changes nothing with `std`.
//! * `multi-core`: loops on several cores, or in threads, without `std`; see `set_core_id!`.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]
#![cfg_attr(
    not(any(target_has_atomic = "ptr", feature = "critical-section")),
    allow(dead_code, unused_imports, reason = "on such a target no loop can be made, so nobody uses what loops use")
)]

#[cfg(all(feature = "alloc", not(any(target_has_atomic = "ptr", feature = "critical-section"))))]
compile_error!(
    "this target has no compare-and-swap: the feature `alloc` of uasyncio-core needs the feature `critical-section` there"
);

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod platform;
mod ticks;

pub use clock::{time, time_rounded_up};
pub use error::{Deadlock, RunError};
pub use lock_cell::{LockCell, LockCellAcquire, LockCellGuard};
pub use platform::{LoopContext, Platform};
pub use sleep::{Sleep, YieldNow, sleep, sleep_ms, sleep_until, yield_now};
pub use ticks::Ticks;
pub use trace::{TaskId, TaskInfo, TaskState, current_task};
pub use wait_list::{WaitList, WaitNode};

// Files that may hold `unsafe`; ARCHITECTURE.md lists them with the invariants that they rely on.
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod cell;
#[allow(unsafe_code)]
mod chain;
#[cfg(feature = "multi-core")]
#[allow(unsafe_code)]
mod core_id;
#[allow(unsafe_code)]
mod current;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod event_loop;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod local_ring;
#[allow(unsafe_code)]
mod lock_cell;
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
mod slot;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod state;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
#[allow(unsafe_code)]
mod static_loop;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod sub_wakers;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod task;
#[allow(unsafe_code)]
mod timer_node;
#[allow(unsafe_code)]
mod wait_list;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod waker;
#[cfg(feature = "alloc")]
#[allow(unsafe_code)]
mod wheel;

pub mod budget;
#[cfg(feature = "alloc")]
mod catch_cancel;
mod clock;
mod error;
#[cfg(feature = "alloc")]
mod exception;
#[cfg(feature = "alloc")]
mod handle;
#[cfg(feature = "alloc")]
mod report;
mod sleep;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
mod sync;
#[cfg(feature = "alloc")]
mod task_error;
#[cfg(feature = "std")]
mod thread_park;
#[cfg(feature = "std")]
mod threadsafe;
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
mod timer_list;
pub mod trace;
#[cfg(all(feature = "alloc", feature = "virtual-time"))]
mod virtual_time;

#[cfg(feature = "alloc")]
pub use self::{
    catch_cancel::{CancelledError, CatchCancel, Resume, catch_cancel},
    event_loop::{Attention, EventLoop},
    exception::{Exception, ExceptionContext},
    handle::{Loop, call_at_, call_later, call_later_ms, call_soon, create_task, get_event_loop, spawn, try_get_event_loop},
    local_ring::LocalRing,
    report::{Report, report},
    sub_wakers::{ReadyMembers, SubWaker, SubWakers},
    task::{CancelOnDrop, Task},
    task_error::{Panic, TaskError},
};
#[cfg(feature = "std")]
pub use self::{
    event_loop::{run, try_run},
    thread_park::ThreadPark,
    threadsafe::{LoopClosed, Remote, RemoteTask},
};
#[cfg(any(target_has_atomic = "ptr", feature = "critical-section"))]
pub use self::{
    shared_ring::SharedRing,
    shared_waker::SharedWaker,
    static_loop::{StaticLoop, TableFull, spawn_pinned},
};
#[cfg(feature = "multi-core")]
pub use core_id::{CORES, CoreId};
#[cfg(all(feature = "std", feature = "virtual-time"))]
pub use virtual_time::Hold;
#[cfg(all(feature = "alloc", feature = "virtual-time"))]
pub use virtual_time::VirtualTime;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
