//! Streams: what asyncio calls `StreamReader` and `StreamWriter`, with writes as asynchronous as reads.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod buffer;
mod duplex;
mod error;
#[cfg(feature = "net")]
mod net;
pub mod read;
mod reader;
mod scan;
mod transport;
pub mod write;
mod writer;

use std::rc::Rc;

pub use duplex::{Duplex, duplex};
pub use error::ReadError;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub use net::{HandlerOutput, Server, ServerOptions, TcpReader, TcpTransport, TcpWriter, open_connection, start_server};
pub use reader::{DEFAULT_LIMIT, StreamReader};
pub use transport::{Direction, Transport, TryError};
pub use writer::StreamWriter;

/// Makes the two halves of a stream over `transport`. The connection is closed when both are dropped, or by `aclose` on
/// either.
pub fn split<T: Transport>(transport: T) -> (StreamReader<T>, StreamWriter<T>) {
    let transport = Rc::new(transport);
    (StreamReader::new(transport.clone()), StreamWriter::new(transport))
}
