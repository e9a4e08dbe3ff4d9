//! Streams, tasks and timers for [hyper](https://hyper.rs).
//!
//! [`HyperIo`] is a connection as hyper's `Read` and `Write`, [`LoopExecutor`] starts hyper's tasks on the running loop (they need not be
//! `Send`, so neither need services, bodies and connections), and [`LoopTimer`] gives it time limits. [`FromHyper`] is the reverse: a
//! connection that hyper has upgraded ([`TiedIo`] lets it) as a [`Transport`](uasyncio_streams::Transport).
//!
//! ```
//! use std::convert::Infallible;
//! use hyper::{Request, Response, body::Incoming, server, service::service_fn};
//! use uasyncio_compat::hyper::HyperIo;
//! use uasyncio_streams::{open_connection, start_server};
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("hello".to_owned()))
//! }
//!
//! uasyncio_io::run(async {
//!     let server = start_server(
//!         |reader, writer| async {
//!             let connection = HyperIo::new((reader, writer));
//!             let builder = server::conn::http1::Builder::new();
//!             builder.serve_connection(connection, service_fn(hello)).await.map_err(std::io::Error::other)
//!         },
//!         "127.0.0.1",
//!         0,
//!     )
//!     .await?;
//!
//!     let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await?;
//!     writer.awritestr("GET / HTTP/1.0\r\n\r\n").await?;
//!     assert!(reader.read_to_end(1_000).await?.ends_with(b"\r\n\r\nhello"));
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })
//! .unwrap();
//! ```

mod executor;
mod io;
mod kept;
mod tied;
mod timer;

pub use executor::LoopExecutor;
pub use io::{FromHyper, HyperIo, HyperObject};
pub use tied::TiedIo;
pub use timer::{LoopTimer, TimerSleep};
