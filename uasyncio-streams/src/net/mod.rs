//! TCP: connections, and servers that survive.

mod accept;
mod connect;
mod connections;
mod deadlines;
mod happy_eyeballs;
mod options;
mod resolver;
mod sendfile;
mod server;
mod server_options;
mod sys;
mod system_transport;
mod tcp;

pub use connect::{ConnectError, open_connection};
pub use connections::Summary;
pub use options::ConnectOptions;
pub use resolver::{Resolver, Resolving, SystemResolver};
pub use sendfile::SendFile;
pub use server::{HandlerOutput, Server, start_server};
pub use server_options::ServerOptions;
pub use system_transport::SystemTransport;
pub use tcp::{TcpReader, TcpTransport, TcpWriter};
