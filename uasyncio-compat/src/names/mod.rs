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
//! # What has no counterpart
//!
//! | there | here |
//! |---|---|
//! | `yield from`, `@coroutine`, `type_gen` | `async` and `.await` |
//! | `yield IORead(sock)`, `IOWrite`, `IOReadDone` | [`AsyncFd`](uasyncio_io::AsyncFd); [`add_reader`](uasyncio_io::add_reader) for callbacks |
//! | `runq_len`, `waitq_len` of `get_event_loop` | queues grow |
//! | `TimeoutError` and `CancelledError` raised inside the task | [`TimeoutError`] is a value of who set the limit; cancelling is dropping, or [`catch_cancel`](uasyncio_core::catch_cancel) |
//! | `loop.run_until_complete`, `run_forever`, `stop`, `set_exception_handler`, `call_soon`, `call_at_` | the same, of [`EventLoop`](uasyncio_core::EventLoop) and [`Loop`](uasyncio_core::Loop) |
//! | `callback, *args` | a closure |

mod clock;
mod streams;
mod tasks;

pub use self::clock::{call_later, sleep, ticks, ticks_add, ticks_diff, wait_for, wait_for_ms};
pub use self::streams::{StreamReader, StreamWriter, open_connection, start_server};
pub use self::tasks::{cancel, ensure_future, new_event_loop};
pub use uasyncio_core::{
    CancelledError, Task, call_at_, call_later_ms, call_soon, create_task, current_task, get_event_loop, sleep_ms,
};
pub use uasyncio_io::run;
pub use uasyncio_streams::Server;
pub use uasyncio_sync::{Event, Lock, ThreadSafeFlag, TimeoutError, gather};
