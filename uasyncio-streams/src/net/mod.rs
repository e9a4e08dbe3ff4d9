//! TCP: connections, and servers that survive.

mod accept;
mod connect;
mod happy_eyeballs;
mod options;
mod resolver;
mod sendfile;
mod server;
mod sys;
mod tcp;

pub use connect::{ConnectError, open_connection};
pub use options::ConnectOptions;
pub use resolver::{Resolver, Resolving, SystemResolver};
pub use sendfile::SendFile;
pub use server::{HandlerOutput, Server, ServerOptions, start_server};
pub use tcp::{TcpReader, TcpTransport, TcpWriter};
