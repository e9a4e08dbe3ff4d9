//! Streams: asyncio's `StreamReader` and `StreamWriter`, with writes as asynchronous as reads.
//!
//! [`open_connection`] and [`start_server`] speak TCP; [`duplex`] is a pipe in memory, for tests and simulated networks;
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
//! | `loop.getaddrinfo` | [`Resolver`] |
//!
//! # Features
//!
//! * `net` (on by default): TCP, over `uasyncio-io`.
//! * `tls`: TLS over any transport, by `rustls`: the module `tls`.
//! * `trace`: tasks that wait for a stream say so in `tasks()`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod buffer;
mod duplex;
mod error;
mod lines;
#[cfg(feature = "net")]
mod net;
mod parts;
pub mod read;
mod reader;
mod scan;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub mod tls;
mod transport;
pub mod write;
mod write_buffer;
mod writer;

pub use duplex::{Duplex, duplex};
pub use error::{ReadError, WriteError};
pub use lines::Lines;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub use net::{
    ConnectError, ConnectOptions, HandlerOutput, Resolver, Resolving, SendFile, Server, ServerOptions, Summary, SystemResolver,
    SystemTransport, TcpReader, TcpTransport, TcpWriter, open_connection, start_server,
};
pub use parts::{Parts, UnsplitError, split, unsplit};
pub use reader::{DEFAULT_LIMIT, StreamReader};
pub use transport::{Direction, Transport, TryError};
pub use writer::StreamWriter;

/// The examples of the read-me compile.
#[cfg(all(doctest, feature = "net"))]
#[doc = include_str!("../README.md")]
struct Readme;
