//! The tests that can share a process, in one program: it builds faster than one for each file.

mod common;
#[path = "common/counting.rs"]
mod counting;

#[global_allocator]
static ALLOCATOR: counting::CountingAllocator = counting::CountingAllocator;

mod as_completed;
mod barrier;
mod catch_cancel;
mod coming_from_asyncio;
mod condition;
mod delay;
mod event;
mod gather;
mod gather_costs;
mod gather_errors;
mod gather_few;
mod interval;
mod lock;
mod locks_stay_on_their_thread;
mod no_allocation;
mod panics;
mod priority_queue;
mod quecpython;
mod queue;
mod queue_shutdown;
mod ringbuf_queue;
mod select;
mod semaphore;
mod shield;
mod task_group;
mod task_group_costs;
mod task_group_edges;
mod thread_safe_flag;
mod thread_safe_queue;
mod timeout;
mod wait;
mod wait_for;
mod watch;
