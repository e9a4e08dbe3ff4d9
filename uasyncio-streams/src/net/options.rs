//! How connections are opened.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::connect;
use super::connecting::Connecting;
use super::resolver::{Resolver, SystemResolver};
use super::tcp::{TcpReader, TcpWriter};

/// How a connection is opened; [`open`](ConnectOptions::open) opens it.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_streams::{ConnectOptions, TcpReader, TcpWriter, start_server};
///
/// # uasyncio_io::run(async {
/// # let server = start_server(|_: TcpReader, _: TcpWriter| async {}, "127.0.0.1", 0).await?;
/// let options = ConnectOptions::default().local_addr("127.0.0.1:0".parse().unwrap()).keep_alive(Duration::from_secs(60));
/// let (reader, writer) = options.open("localhost", server.local_addr().port()).await?;
/// assert!(reader.local_addr()?.is_ipv4());
/// # drop(writer);
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ConnectOptions {
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) nodelay: bool,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) stagger: Duration,
    pub(crate) resolver: Rc<dyn Resolver>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            local_addr: None,
            nodelay: true,
            keep_alive: None,
            stagger: Duration::from_millis(250),
            resolver: Rc::new(SystemResolver),
        }
    }
}

impl ConnectOptions {
    /// The address of this end; port 0 stands for any. Only addresses of the same family are tried then. asyncio's `local_addr`.
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.local_addr = Some(address);
        self
    }

    /// Whether small packets go out at once (`TCP_NODELAY`). Yes unless set here.
    pub fn nodelay(mut self, yes: bool) -> Self {
        self.nodelay = yes;
        self
    }

    /// Has the system ask after a peer that is silent for this long (`SO_KEEPALIVE`); a peer that is gone ends the connection
    /// with the error `TimedOut`. Rounded up to whole seconds, at least one. Off unless set here.
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        // The system counts in seconds, and Linux up to this number of them.
        let seconds = silence.as_secs().saturating_add(u64::from(silence.subsec_nanos() > 0));
        self.keep_alive = Some(Duration::from_secs(seconds.clamp(1, 32_767)));
        self
    }

    /// How long an attempt has before the next address is tried beside it: 250 ms unless set here, and never less than the
    /// 10 ms of RFC 8305. `Duration::MAX` tries them one after the other.
    pub fn stagger(mut self, stagger: Duration) -> Self {
        self.stagger = stagger.max(Duration::from_millis(10));
        self
    }

    /// Who looks names up: [`SystemResolver`] unless set here.
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolver = Rc::new(resolver);
        self
    }

    /// Opens a connection with these options; see [`open_connection`](crate::open_connection).
    ///
    /// # Errors
    /// As `open_connection`.
    ///
    /// # Cancel safety
    /// As `open_connection`.
    pub fn open(&self, host: &str, port: u16) -> Connecting<impl Future<Output = io::Result<(TcpReader, TcpWriter)>>> {
        Connecting::new(connect::open(self, host, port))
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectOptions { local_addr, nodelay, keep_alive, stagger, resolver: _ } = self;
        f.debug_struct("ConnectOptions")
            .field("local_addr", local_addr)
            .field("nodelay", nodelay)
            .field("keep_alive", keep_alive)
            .field("stagger", stagger)
            .finish_non_exhaustive()
    }
}
