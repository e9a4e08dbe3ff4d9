//! TCP: connections, and servers that survive.

mod accept;
mod connect;
mod sendfile;
mod server;
mod sys;
mod tcp;

pub use connect::open_connection;
pub use sendfile::SendFile;
pub use server::{HandlerOutput, Server, ServerOptions, start_server};
pub use tcp::{TcpReader, TcpTransport, TcpWriter};
