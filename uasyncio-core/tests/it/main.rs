//! The tests that can share a process, in one program: it builds faster than one for each file.

#[cfg(feature = "std")]
mod common;
#[cfg(feature = "std")]
#[path = "common/hooked_waker.rs"]
mod hooked_waker;
mod static_common;

mod after_closing;
mod budget;
mod callbacks;
mod cancel;
mod catch_cancel;
mod catch_cancel_edges;
mod clock;
mod closing;
mod cross_thread;
mod deadlock;
mod futures_and_results;
mod handles;
mod local_ring;
mod lock_cell;
mod miri;
mod miri_threads;
mod model;
mod nesting;
mod order;
mod outside;
mod panics;
mod panics_elsewhere;
mod pass;
mod pinned;
mod platform;
mod remote;
mod report;
mod send_sync;
mod shared_ring;
mod shared_waker;
mod sleep_until;
mod snapshot;
mod stack_depth;
mod static_loop;
mod static_loop_beside;
mod static_loop_model;
mod static_loop_notice;
mod static_loop_threads;
mod stop;
mod sub_wakers_model;
mod timers;
mod timers_ends;
mod timers_far;
mod turn;
mod uasyncio_rows;
mod wait_list_model;
mod wait_list_reentrant;
mod wakers;
mod without_std;
