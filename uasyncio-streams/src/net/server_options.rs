//! How a server listens, and what it allows.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use super::server::{self, HandlerOutput, Server};
use super::tcp::{TcpReader, TcpWriter};

/// How a server listens; [`start`](ServerOptions::start) starts it.
///
/// ```
/// use uasyncio_streams::{ServerOptions, TcpReader, TcpWriter};
///
/// # uasyncio_io::run(async {
/// let quiet = |_: TcpReader, _: TcpWriter| async {};
/// let server = ServerOptions::default().backlog(16).start(quiet, "127.0.0.1", 0).await?;
/// # server.close();
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub(crate) backlog: u32,
    /// Of no use on Windows, where every port can be bound again at once.
    #[cfg_attr(windows, allow(dead_code))]
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    #[cfg(unix)]
    pub(crate) unix_permissions: Option<u32>,
    pub(crate) only_v6: Option<bool>,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_peer: Option<usize>,
    pub(crate) idle_deadline: Option<Duration>,
    pub(crate) first_byte_deadline: Option<Duration>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            backlog: 1024,
            reuse_address: true,
            reuse_port: false,
            #[cfg(unix)]
            unix_permissions: None,
            only_v6: None,
            max_connections: usize::MAX,
            max_connections_per_peer: None,
            idle_deadline: None,
            first_byte_deadline: None,
        }
    }
}

impl ServerOptions {
    /// How many connections the kernel keeps until they are accepted: 1024 unless set here. The system has a limit of its
    /// own (`net.core.somaxconn` on Linux) and takes the smaller one.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether a port can be listened on again while old connections of it fade away (`SO_REUSEADDR` on Unix; without effect on
    /// Windows). Yes unless set here. For a Unix socket: whether a socket that is at its path already is removed.
    pub fn reuse_address(mut self, yes: bool) -> Self {
        self.reuse_address = yes;
        self
    }

    /// Whether several sockets, in this process or others, may listen on one port, among which the system spreads the connections
    /// (`SO_REUSEPORT`): one loop for each core. No unless set here. The example `per_core` uses it. Starting fails with `Unsupported`
    /// where the system does not have it (Windows, Solaris), and macOS and the BSDs do not spread as evenly as Linux does.
    pub fn reuse_port(mut self, yes: bool) -> Self {
        self.reuse_port = yes;
        self
    }

    /// Whether `::` and other IPv6 addresses leave IPv4 alone. Unless set here, `::` takes IPv4 as well, on every system; a
    /// client that comes by IPv4 is seen with its IPv4 address.
    pub fn only_v6(mut self, yes: bool) -> Self {
        self.only_v6 = Some(yes);
        self
    }

    /// How many connections may be open at a time; no limit unless set here. At the limit the server does not accept: clients wait
    /// in the kernel's queue, [`backlog`](Self::backlog) of them, and are served in order as others leave.
    ///
    /// # Panics
    /// When it is 0.
    pub fn max_connections(mut self, connections: usize) -> Self {
        assert!(connections > 0, "a server without connections");
        self.max_connections = connections;
        self
    }

    /// How many connections one peer may have: one IPv4 address, or one IPv6 network of 64 bits; no limit unless set here. One too many is
    /// closed when it is accepted. Without effect on Unix sockets.
    ///
    /// # Panics
    /// When it is 0.
    pub fn max_connections_per_peer(mut self, connections: usize) -> Self {
        assert!(connections > 0, "a server without connections");
        self.max_connections_per_peer = Some(connections);
        self
    }

    /// How long a handler may wait for its peer to send, or to take, something. After that its reads, or writes, fail with the error
    /// `TimedOut`. Each byte starts it over. Never unless set here.
    ///
    /// It is kept to within a quarter: a wait fails no sooner than that, and at most 25 % and 4 ms later. So it costs next to nothing:
    /// neither a look at the clock nor a timer for each wait. A deadline for a whole request is a matter of the protocol: put
    /// `wait_for` around it.
    pub fn idle_deadline(mut self, time: Duration) -> Self {
        self.idle_deadline = Some(time);
        self
    }

    /// How long after it was accepted the first byte of a connection may come. After that the handler's reads fail with the error
    /// `TimedOut`. Never unless set here.
    pub fn first_byte_deadline(mut self, time: Duration) -> Self {
        self.first_byte_deadline = Some(time);
        self
    }

    /// Starts a server with these options; see [`start_server`](crate::start_server).
    ///
    /// # Errors
    /// As `start_server`.
    ///
    /// # Cancel safety
    /// As `start_server`.
    pub async fn start<H, F>(self, handler: H, host: &str, port: u16) -> io::Result<Server>
    where
        H: Fn(TcpReader, TcpWriter) -> F + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        server::start(&self, handler, host, port).await
    }

    /// Starts a server on a socket that listens already, such as one that was handed down by the process that started this one.
    /// asyncio's `start_server(sock=..)`.
    ///
    /// The socket is set to non-blocking mode. The options of the socket itself are as they are.
    ///
    /// # Errors
    /// When it is no listening socket, or when no loop with a reactor is running.
    pub fn start_on<H, F>(self, handler: H, listener: TcpListener) -> io::Result<Server>
    where
        H: Fn(TcpReader, TcpWriter) -> F + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Server::begin(&self, handler, vec![(listener, address)])
    }
}
