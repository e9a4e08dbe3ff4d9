//! TCP, Unix sockets, pipes and other descriptors: connections, and servers that survive.

mod accept;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod child;
mod connect;
mod connecting;
mod connections;
#[cfg(all(unix, feature = "credentials"))]
mod credentials;
mod deadlines;
#[cfg(unix)]
mod descriptor;
mod happy_eyeballs;
mod options;
mod resolver;
mod sendfile;
mod server;
mod server_options;
#[cfg(unix)]
mod stdio;
mod sys;
mod system_transport;
mod tcp;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_server;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use child::wait_child;
pub use connect::{ConnectError, open_connection};
pub use connecting::Connecting;
pub use connections::Summary;
#[cfg(all(unix, feature = "credentials"))]
pub use credentials::PeerCredentials;
#[cfg(unix)]
pub use descriptor::{DescriptorTransport, PipeReader, PipeWriter, connect_read_pipe, connect_write_pipe};
pub use options::ConnectOptions;
pub use resolver::{Resolver, Resolving, SystemResolver};
pub use sendfile::SendFile;
pub use server::{HandlerOutput, Server, start_server};
pub use server_options::ServerOptions;
#[cfg(unix)]
pub use stdio::{stderr, stdin, stdout};
pub use system_transport::SystemTransport;
pub use tcp::{TcpReader, TcpTransport, TcpWriter};
#[cfg(unix)]
pub use unix::{UnixReader, UnixTransport, UnixWriter, open_unix_connection};
#[cfg(unix)]
pub use unix_server::{UnixServer, start_unix_server};
