//! Streams: asyncio's `StreamReader` and `StreamWriter`, with writes as asynchronous as reads.
//!
//! [`open_connection`] and [`start_server`] speak TCP, and on Unix there are Unix sockets, pipes and terminals; [`duplex`] is a pipe in memory, for tests and simulated networks;
//! and [`split`] makes streams of any [`Transport`] of your own. Reading is buffered, bounded and cancel-safe: a read
//! that is dropped, by a timeout for example, loses no byte. Writing copies nothing and buffers nothing: it completes
//! when every byte was accepted, so a slow peer slows its writer down and costs no memory.
//!
#![cfg_attr(feature = "net", doc = "```")]
#![cfg_attr(not(feature = "net"), doc = "```ignore")]
//! use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
//!
//! async fn echo(mut reader: TcpReader, mut writer: TcpWriter) -> std::io::Result<()> {
//!     loop {
//!         let line = reader.readline().await?;
//!         if line.is_empty() {
//!             return Ok(());
//!         }
//!         writer.awrite(line).await?;
//!     }
//! }
//!
//! uasyncio_io::run(async {
//!     let server = start_server(echo, "127.0.0.1", 0).await?;
//!     let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await?;
//!     writer.awritestr("hello\n").await?;
//!     assert_eq!(reader.readline().await?, b"hello\n");
//!     Ok::<_, std::io::Error>(())
//! })?;
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! # Names
//!
//! | asyncio, uasyncio | here |
//! |---|---|
//! | `read(n)`, `readinto(buf)` | [`read`](StreamReader::read) |
//! | `readexactly`, `readline`, `readuntil` | the same; they lend their result from the buffer, or append it with `_into` |
//! | `IncompleteReadError`, `LimitOverrunError` | [`ReadError`] |
//! | `read(-1)`, `async for line in reader` | [`read_to_end`](StreamReader::read_to_end), [`lines`](StreamReader::lines) |
//! | `awrite`, `awriteiter`, `awritestr`, `aclose`, `write_eof` | the same, and [`awritev`](StreamWriter::awritev) |
//! | `write`, `drain`, `transport.abort()`, `loop.sendfile` | the same; `write` has a bounded buffer ([`WriteError`]) |
//! | `get_extra_info("peername")`, `("sockname")`, `("socket")` | [`peer_addr`](TcpTransport::peer_addr), [`local_addr`](TcpTransport::local_addr), [`try_clone_std`](TcpTransport::try_clone_std) |
//! | `open_connection`, `start_server`, `Server` | the same, and [`ConnectOptions`], [`ServerOptions`] |
//! | `open_connection(.., ssl=True)`, `start_tls` | `open_connection(..).tls(name)`, with the feature `tls`; the module `tls` |
//! | `open_unix_connection`, `start_unix_server` | the same, on Unix |
//! | `connect_read_pipe`, `connect_write_pipe` | the same, on Unix, and `stdin`, `stdout`, `stderr`; a `DescriptorTransport` for both directions |
//! | `Process.wait` | `wait_child`, on Linux |
//! | `loop.getaddrinfo` | [`Resolver`] |
//!
//! # Features
//!
//! * `net` (on by default): TCP, and on Unix also Unix sockets and pipes, over `uasyncio-io`. With it comes `std`.
//! * `std`: the errors are those of [`std::io`], see [`io`]; threads have a pool of read buffers. With it comes `alloc`.
//! * `alloc`: streams that share their transport by an `Rc` and get their buffers from the heap: `split`, `duplex`, `write` and
//!   `drain`, and what gives a `Vec`.
//! * `tls`: TLS over any transport, by `rustls`: the module `tls`.
//! * `credentials`: who the peer of a Unix socket is, by `nix`: `UnixTransport::peer_credentials`.
//! * `trace`: tasks that wait for a stream say so in `tasks()`.
//!
//! Without any of them the crate is for microcontrollers: [`split_with`] makes streams over a transport that is borrowed, a
//! UART with an interrupt for example, and a buffer that is lent. The page of [`Transport`] shows such a UART. [`Wire`] is what
//! `duplex` is with a heap. The features only add: code for a microcontroller builds with all of them, too.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

#[cfg(feature = "alloc")]
mod buffer;
#[cfg(feature = "alloc")]
mod duplex;
mod error;
pub mod io;
mod lent;
#[cfg(feature = "alloc")]
mod lines;
#[cfg(feature = "net")]
mod net;
#[cfg(feature = "alloc")]
mod parts;
mod pipe;
#[cfg(feature = "alloc")]
mod pool;
pub mod read;
mod reader;
mod scan;
mod storage;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub mod tls;
mod transport;
mod wire;
pub mod write;
#[cfg(feature = "alloc")]
mod write_buffer;
mod writer;

pub use error::ReadError;
#[cfg(feature = "alloc")]
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
pub use error::WriteError;
pub use lent::{LentReader, LentWriter, split_with};
pub use reader::{DEFAULT_LIMIT, StreamReader};
pub use storage::{Heap, Lent, Storage};
pub use transport::{Direction, Transport, TryError};
pub use wire::{Wire, WireEnd};
pub use writer::StreamWriter;
#[cfg(feature = "alloc")]
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
pub use {
    duplex::{Duplex, duplex},
    lines::Lines,
    parts::{Parts, UnsplitError, split, unsplit},
};

#[cfg(all(unix, feature = "credentials"))]
#[cfg_attr(docsrs, doc(cfg(all(unix, feature = "credentials"))))]
pub use net::PeerCredentials;
#[cfg(all(any(target_os = "linux", target_os = "android"), feature = "net"))]
#[cfg_attr(docsrs, doc(cfg(all(any(target_os = "linux", target_os = "android"), feature = "net"))))]
pub use net::wait_child;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub use net::{
    ConnectError, ConnectOptions, Connecting, HandlerOutput, Resolver, Resolving, SendFile, Server, ServerOptions, Summary,
    SystemResolver, SystemTransport, TcpReader, TcpTransport, TcpWriter, open_connection, start_server,
};
#[cfg(all(unix, feature = "net"))]
#[cfg_attr(docsrs, doc(cfg(all(unix, feature = "net"))))]
pub use net::{
    DescriptorTransport, PipeReader, PipeWriter, UnixReader, UnixServer, UnixTransport, UnixWriter, connect_read_pipe,
    connect_write_pipe, open_unix_connection, start_unix_server, stderr, stdin, stdout,
};

/// The examples of the read-me compile.
#[cfg(all(doctest, feature = "net"))]
#[doc = include_str!("../README.md")]
struct Readme;
