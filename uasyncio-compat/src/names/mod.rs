//! asyncio's, uasyncio's and MicroPython's names, for whoever ports code.
//!
//! With `use uasyncio_compat::names as asyncio`, a program keeps most of its words: functions and methods have the names and the order
//! of arguments that they have there, times are seconds as `f64` where they are seconds there, and reads give bytes. Where a name
//! means the same in uasyncio already, it is only passed on. Each item says what differs; new code is better off
//! without this module. The primitives are in [`uasyncio_sync::coming_from_asyncio`].
//!
//! ```
//! use uasyncio_compat::names as asyncio;
//!
//! async fn echo(mut reader: asyncio::StreamReader, mut writer: asyncio::StreamWriter) -> std::io::Result<()> {
//!     loop {
//!         let line = reader.readline().await?;
//!         if line.is_empty() {
//!             return writer.aclose().await;
//!         }
//!         writer.awrite(line, 0, -1).await?;
//!     }
//! }
//!
//! asyncio::run(async {
//!     let server = asyncio::start_server(echo, "127.0.0.1", 0, 5).await?;
//!     let (mut reader, mut writer) = asyncio::open_connection("127.0.0.1", server.local_addr().port()).await?;
//!     writer.awritestr("hello\n").await?;
//!     assert_eq!(reader.read(3).await?, b"hel");
//!     let rest = asyncio::wait_for(reader.readline(), 1.5).await;
//!     assert_eq!(rest.expect("it is there")?, b"lo\n");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # What is elsewhere, or not at all
//!
//! | there | here |
//! |---|---|
//! | `loop.run_until_complete`, `run_forever`, `stop`, `create_task`, `call_soon`, `call_at_`, `close`, `set_exception_handler`, `call_exception_handler` | the same, of [`EventLoop`](uasyncio_core::EventLoop) and [`Loop`](uasyncio_core::Loop) |
//! | `loop.get_exception_handler`, `default_exception_handler` | what a handler is set to, its program knows; without one, errors go to the standard error |
//! | `PollEventLoop`, `loop.wait`, `loop.cancel_io` | [`EventLoop<Reactor>`](uasyncio_io::Reactor); [`Platform::wait`](uasyncio_core::Platform::wait); dropping what waits |
//! | `loop.add_reader`, `remove_reader`, `add_writer`, `remove_writer` | [`add_reader`](uasyncio_io::add_reader) and its kin |
//! | `yield IORead(sock)`, `IOWrite`, `IOReadDone`, `IOWriteDone` | [`AsyncFd`](uasyncio_io::AsyncFd) |
//! | `yield`, `yield 10`, `yield coro`, `yield False` | [`yield_now`](uasyncio_core::yield_now), [`sleep_ms`], [`create_task`], [`Event::wait`] |
//! | `yield from`, `@coroutine`, `type_gen` | `async` and `.await` |
//! | `Task(coro)`, a function in uasyncio | [`ensure_future`] |
//! | `SysCall`, `SysCall1`, `StopLoop`, `SleepMs`, `TimeoutObj`, `TaskQueue` | inner works; here they have no names |
//! | `set_debug`, `DEBUG`, `log` | the feature `trace` of `uasyncio-core`, and `tasks()` of the [`Loop`](uasyncio_core::Loop) |
//! | `runq_len`, `waitq_len` of `get_event_loop` | queues grow |
//! | `TimeoutError` and `CancelledError` raised inside the task | [`TimeoutError`] is a value of who set the limit; cancelling is dropping, or [`catch_cancel`](uasyncio_core::catch_cancel) |
//! | `Stream(s, extra)`, reader and writer in one | [`split`](uasyncio_streams::split) of any [`Transport`](uasyncio_streams::Transport) |
//! | `open_connection(host, port, ssl)`, `start_server(.., ssl)` | `TlsConnector::open_connection` and `TlsAcceptor` of `uasyncio_streams::tls` |
//! | `uasyncio.synchro.Lock` | [`Lock`], with a guard in place of `release` |
//! | `uasyncio.queues`: `Queue`, `QueueEmpty`, `QueueFull` | [`Queue`], [`GetNowaitError`](uasyncio_sync::GetNowaitError), [`PutNowaitError`](uasyncio_sync::PutNowaitError) |
//! | `uasyncio.udp` | [`udp`] |
//! | `uasyncio.websocket.server`, `uaiohttpclient` | crates for WebSockets and HTTP, by the adapters of this crate |
//! | `callback, *args` | a closure |

mod clock;
mod streams;
mod tasks;
pub mod udp;

pub use self::clock::{call_later, sleep, ticks, ticks_add, ticks_diff, wait_for, wait_for_ms};
pub use self::streams::{StreamReader, StreamWriter, open_connection, start_server};
pub use self::tasks::{cancel, ensure_future, new_event_loop};
pub use uasyncio_core::{
    CancelledError, Task, call_at_, call_later_ms, call_soon, create_task, current_task, get_event_loop, sleep_ms,
};
pub use uasyncio_io::run;
pub use uasyncio_streams::Server;
pub use uasyncio_sync::{Event, Lock, Queue, ThreadSafeFlag, TimeoutError, gather};
