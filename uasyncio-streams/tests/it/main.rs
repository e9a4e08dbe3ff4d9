//! The tests that can share a process, in one program: it builds faster than one for each file.

#[cfg(feature = "net")]
mod again;
#[cfg(all(feature = "tls", target_os = "linux"))]
mod certificates;
mod common;
#[cfg(all(feature = "tls", target_os = "linux"))]
mod sessions;

#[cfg(feature = "net")]
mod both;
#[cfg(feature = "net")]
mod child;
#[cfg(feature = "net")]
mod connect;
#[cfg(feature = "alloc")]
mod handover;
mod lent;
#[cfg(feature = "net")]
mod net;
#[cfg(feature = "net")]
mod peers;
#[cfg(feature = "net")]
mod pipes;
#[cfg(feature = "alloc")]
mod reader;
#[cfg(feature = "net")]
mod resets;
#[cfg(feature = "net")]
mod sendfile;
#[cfg(feature = "net")]
mod server;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(feature = "net", feature = "tls"))]
mod tls_connect;
#[cfg(feature = "tls")]
mod tls_handshake;
#[cfg(all(feature = "net", feature = "tls"))]
mod tls_peers;
#[cfg(feature = "net")]
mod unix;
#[cfg(feature = "alloc")]
mod write_drain;
#[cfg(feature = "alloc")]
mod writer;
