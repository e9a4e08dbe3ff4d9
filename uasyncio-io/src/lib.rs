//! The reactor of uasyncio: tasks wait for sockets and descriptors, without a thread and without a global.
//!
//! [`run`] is asyncio's `asyncio.run`: a loop, a reactor, one future. [`AsyncFd`] makes any pollable object awaitable;
//! [`add_reader`] and its kin are asyncio's callbacks for descriptors; [`to_thread`] takes blocking work off the loop.
//! TCP with buffers, lines and servers is in `uasyncio-streams`, which is built on this crate.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use uasyncio_core::create_task;
//! use uasyncio_io::{AsyncFd, Interest};
//!
//! uasyncio_io::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     listener.set_nonblocking(true)?;
//!     let address = listener.local_addr()?;
//!     let listener = AsyncFd::new(listener)?;
//!
//!     // A server that answers one client with the first bytes it sends.
//!     create_task(async move {
//!         let (stream, _) = listener.io(Interest::Read, TcpListener::accept).await?;
//!         stream.set_nonblocking(true)?;
//!         let stream = AsyncFd::new(stream)?;
//!         let mut buffer = [0; 64];
//!         let length = stream.io(Interest::Read, |mut stream| stream.read(&mut buffer)).await?;
//!         stream.io(Interest::Write, |mut stream| stream.write(&buffer[..length])).await
//!     });
//!
//!     let client = TcpStream::connect(address)?;
//!     client.set_nonblocking(true)?;
//!     let client = AsyncFd::new(client)?;
//!     client.io(Interest::Write, |mut stream| stream.write(b"hello")).await?;
//!     let mut answer = [0; 5];
//!     client.io(Interest::Read, |mut stream| stream.read(&mut answer)).await?;
//!     assert_eq!(&answer, b"hello");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # The loop and the reactor
//!
//! A [`Reactor`] is the platform of an event loop: a value that the loop owns. Each loop has its own; two threads may run
//! two. While a loop runs, the reactor is the current one of its thread, and that is how `AsyncFd::new` finds it. On a
//! loop without a reactor you get an error that says so.
//!
//! # Systems
//!
//! Linux and Android: epoll, edge-triggered, one system call per wait. macOS, the BSDs, illumos, Windows: the `polling`
//! crate. The same tests run on both.
//!
//! # Features
//!
//! * `trace`: tasks that wait for a descriptor, or for [`to_thread`], say so in `tasks()`.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod async_fd;
mod callbacks;
mod current;
mod interest;
mod offload;
mod reactor;
mod ready;
mod registration;
mod run;
mod source;
mod sys;
mod to_thread;

pub use crate::async_fd::AsyncFd;
pub use crate::callbacks::{add_reader, add_writer, remove_reader, remove_writer};
pub use crate::interest::{Interest, Pollable};
pub use crate::reactor::{Reactor, Stats};
pub use crate::ready::Ready;
pub use crate::run::{RunError, run, try_run};
pub use crate::to_thread::{ThreadError, ToThread, to_thread};

#[doc = include_str!("../README.md")]
#[cfg(all(doctest, unix))]
struct Readme;
