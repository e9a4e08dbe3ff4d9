//! `start_server`, and the servers that it starts.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use uasyncio_core::{Exception, ExceptionContext, Panic, Task, WaitList, WaitNode, create_task, get_event_loop, report, trace};
use uasyncio_io::{AsyncFd, Interest, Pollable};

use super::accept::{Listener, accept_loop};
use super::connect::list_failures;
use super::connections::{Connections, Summary};
use super::deadlines::Deadlines;
use super::resolver::{SystemResolver, resolve};
use super::server_options::ServerOptions;
use super::sys;
use super::system_transport::{SystemStream, SystemTransport};
use super::tcp::{TcpReader, TcpWriter, plain_address};
use crate::{StreamReader, StreamWriter, split};

/// Listens on a port of a host and runs `handler` as a task for each connection. asyncio's `start_server`.
///
/// `host` is an address or a name. `0.0.0.0` means every IPv4 address of this machine, `::` every address of both families
/// ([`only_v6`](ServerOptions::only_v6) changes that), and the empty text the same, or `0.0.0.0` on a machine without IPv6. A name with several
/// addresses is listened on at all of them. With port 0 the system chooses one; [`Server::local_addr`] tells which.
///
/// The server runs until [`Server::close`] or [`Server::shutdown`]; dropping the [`Server`] lets it run on. `TCP_NODELAY` is set on each connection.
/// Errors of accepting are survived: those of a single connection at once, a lack of descriptors or memory
/// after pauses of 5 ms to 1 s, during which the kernel keeps the connections in its queue.
///
/// The handler gives `()` or a `Result`. An error, or a panic, goes to the loop's exception handler; the server and the
/// other connections go on. The connection is closed when the handler has dropped both halves.
///
/// ```
/// use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
///
/// async fn shout(mut reader: TcpReader, mut writer: TcpWriter) -> std::io::Result<()> {
///     let line = reader.readline().await?.to_ascii_uppercase();
///     writer.awrite(&line).await
/// }
///
/// uasyncio_io::run(async {
///     let server = start_server(shout, "127.0.0.1", 0).await?;
///     let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await?;
///     writer.awritestr("hello\n").await?;
///     assert_eq!(reader.readline().await?, b"HELLO\n");
///     Ok::<_, std::io::Error>(())
/// })
/// .unwrap();
/// ```
///
/// # Errors
/// What the look-up says, or why an address cannot be listened on: in use, not an address of this machine, not permitted.
///
/// # Cancel safety
/// Dropping the future before it completes leaves nothing behind.
pub async fn start_server<H, F>(handler: H, host: &str, port: u16) -> io::Result<Server>
where
    H: Fn(TcpReader, TcpWriter) -> F + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    start(&ServerOptions::default(), handler, host, port).await
}

pub(super) async fn start<H, F>(options: &ServerOptions, handler: H, host: &str, port: u16) -> io::Result<Server>
where
    H: Fn(TcpReader, TcpWriter) -> F + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    let listeners = if host.is_empty() {
        let any_ipv4 = || listen(options, vec![(Ipv4Addr::UNSPECIFIED, port).into()]);
        match listen(options, vec![(Ipv6Addr::UNSPECIFIED, port).into()]) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => any_ipv4()?,
            result => result?,
        }
    } else {
        listen(options, resolve(&SystemResolver, host, port).await?)?
    };
    Server::begin(options, handler, listeners)
}

/// Listens on each address that can be listened on; fails if there is none, or if one is in use.
fn listen(options: &ServerOptions, addresses: Vec<SocketAddr>) -> io::Result<Vec<(TcpListener, SocketAddr)>> {
    // A port that the system has chosen as free at the first address may be taken at another one.
    let attempts = if addresses.len() > 1 && addresses.iter().all(|address| address.port() == 0) { 16 } else { 1 };
    for _ in 1..attempts {
        match listen_once(options, &addresses) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    listen_once(options, &addresses)
}

fn listen_once(options: &ServerOptions, addresses: &[SocketAddr]) -> io::Result<Vec<(TcpListener, SocketAddr)>> {
    let mut listeners: Vec<(TcpListener, SocketAddr)> = Vec::new();
    let mut failures = Vec::new();
    // A name with addresses of both families has a socket for each.
    let only_v6 = options.only_v6.unwrap_or(addresses.iter().any(SocketAddr::is_ipv4));
    for mut address in addresses.iter().copied() {
        if let (0, Some((_, first))) = (address.port(), listeners.first()) {
            // All addresses of a name get the same port.
            address.set_port(first.port());
        }
        match sys::listen(&address, only_v6, options) {
            Ok(listener) => {
                let address = listener.local_addr()?;
                listeners.push((listener, address));
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::AddrInUse {
                    return Err(io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")));
                }
                failures.push((address, error));
            }
        }
    }
    match failures.first() {
        Some((_, first)) if listeners.is_empty() => {
            Err(io::Error::new(first.kind(), format!("cannot listen on {}", list_failures(&failures))))
        }
        _ => Ok(listeners),
    }
}

/// What a handler may give: `()`, or a `Result` whose error can be displayed.
pub trait HandlerOutput: Sized + 'static {
    /// The handler's future with its errors reported to the loop's exception handler.
    #[doc(hidden)]
    fn reported<F: Future<Output = Self> + 'static>(future: F) -> impl Future<Output = ()> + 'static;
}

impl HandlerOutput for () {
    fn reported<F: Future<Output = Self> + 'static>(future: F) -> impl Future<Output = ()> + 'static {
        future
    }
}

impl<T: 'static, E: Display + 'static> HandlerOutput for Result<T, E> {
    fn reported<F: Future<Output = Self> + 'static>(future: F) -> impl Future<Output = ()> + 'static {
        report(future)
    }
}

/// What differs between the sockets that are listened on.
pub trait SystemListener: Pollable + Sized + 'static {
    #[doc(hidden)]
    type Stream: SystemStream;
    /// What is listened on; dropped when the server is closed and nobody has a handle of it.
    #[doc(hidden)]
    type Address: fmt::Debug;

    #[doc(hidden)]
    fn accept(&self) -> io::Result<(Self::Stream, <Self::Stream as SystemStream>::Peer)>;

    #[doc(hidden)]
    fn try_clone(&self) -> io::Result<Self>;

    /// The host that a connection is counted for.
    #[doc(hidden)]
    fn host_of(_: &<Self::Stream as SystemStream>::Peer) -> Option<IpAddr> {
        None
    }

    /// The server is about to close the socket.
    #[doc(hidden)]
    fn closing(_: &Self::Address) {}
}

impl SystemListener for TcpListener {
    type Stream = TcpStream;
    type Address = SocketAddr;

    #[inline]
    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = sys::accept(self)?;
        Ok((stream, plain_address(peer)))
    }

    fn try_clone(&self) -> io::Result<Self> {
        TcpListener::try_clone(self)
    }

    fn host_of(peer: &SocketAddr) -> Option<IpAddr> {
        Some(peer.ip())
    }
}

type Transport<L> = SystemTransport<<L as SystemListener>::Stream>;
type Accepted<L> = (AsyncFd<<L as SystemListener>::Stream>, <<L as SystemListener>::Stream as SystemStream>::Peer);

/// A server that was started by [`start_server`] or one of its kin. asyncio's `Server`.
///
/// Dropping it lets the server run on; [`close`](Server::close) ends it. Clones stand for the same server.
///
/// ```
/// use std::time::Duration;
/// use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
///
/// uasyncio_io::run(async {
///     let one_line = |mut reader: TcpReader, mut writer: TcpWriter| async move {
///         writer.awrite(reader.readline().await?).await.map_err(uasyncio_streams::ReadError::from)
///     };
///     let server = start_server(one_line, "127.0.0.1", 0).await?;
///     let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await?;
///     writer.awritestr("last words\n").await?;
///     assert_eq!(reader.readline().await?, b"last words\n");
///
///     let summary = server.shutdown(Duration::from_secs(10)).await;
///     assert_eq!(summary.aborted, 0);
///     Ok::<_, std::io::Error>(())
/// })
/// .unwrap();
/// ```
pub struct Server<L: SystemListener = TcpListener> {
    state: Rc<State<L>>,
}

impl<L: SystemListener> Clone for Server<L> {
    fn clone(&self) -> Self {
        Server { state: self.state.clone() }
    }
}

impl<L: SystemListener> Server<L> {
    pub(super) fn begin<H, F>(options: &ServerOptions, handler: H, listeners: Vec<(L, L::Address)>) -> io::Result<Self>
    where
        H: Fn(StreamReader<Transport<L>>, StreamWriter<Transport<L>>) -> F + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        let mut acceptors = Vec::with_capacity(listeners.len());
        let mut addresses = Vec::with_capacity(listeners.len());
        for (listener, address) in listeners {
            acceptors.push(RefCell::new(Some(AsyncFd::new(listener)?)));
            addresses.push(address);
        }
        let state = Rc::new(State {
            acceptors,
            addresses,
            connections: Rc::new(Connections::new(options.max_connections, options.max_connections_per_peer)),
            tasks: RefCell::default(),
            closed: Cell::new(false),
            error: RefCell::default(),
            closing: WaitList::new(),
        });
        let handler = Rc::new(handler);
        let (idle, first_byte) = (options.idle_deadline, options.first_byte_deadline);
        for index in 0..state.acceptors.len() {
            let (running, handler) = (state.clone(), handler.clone());
            let task = create_task(async move {
                let serve = |connection| running.serve(&*handler, connection, Deadlines::begin(idle, first_byte));
                let result = accept_loop(&Acceptor { state: &running, index }, serve).await;
                running.end(result.err());
            });
            task.set_name("server");
            state.tasks.borrow_mut().push(task);
        }
        Ok(Server { state })
    }

    /// Stops accepting and closes the listening sockets at once, so the port is free on return. Connections that were
    /// accepted run on; those that the kernel still queued are reset. Closing twice does nothing. asyncio's `Server.close`.
    pub fn close(&self) {
        self.state.end(None);
    }

    /// Closes the server, waits for its connections to end, and cancels those that have not after `grace`. Gives the numbers.
    ///
    /// A handler is cancelled as a task is: it is dropped, which closes its connection, or it cleans up if it is inside
    /// [`catch_cancel`](uasyncio_core::catch_cancel); nobody waits for that. A handler that calls this itself is neither
    /// waited for nor cancelled nor counted. Several calls at a time all wait; the shortest grace counts. Without connections, or before the
    /// first one, it completes at once.
    ///
    /// # Cancel safety
    /// When the future is dropped, the server is closed, and its connections run on.
    pub async fn shutdown(&self, grace: Duration) -> Summary {
        self.close();
        self.state.connections.drain(grace).await
    }

    /// Cancels the handlers of all connections, except that of the task which calls this, and gives their number. The server goes
    /// on accepting if it was not closed. asyncio's `Server.abort_clients`.
    pub fn abort_clients(&self) -> usize {
        self.state.connections.abort(uasyncio_core::current_task())
    }

    /// How many connections there are: handlers that have not ended.
    pub fn connections(&self) -> usize {
        self.state.connections.count()
    }

    /// Completes when the server was closed. asyncio's `Server.wait_closed`. It does not wait for connections; [`shutdown`](Self::shutdown) does.
    ///
    /// # Errors
    /// The error that ended the server, if it was one: its listening socket was closed behind its back.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_closed(&self) -> io::Result<()> {
        let mut closing = pin!(WaitNode::new(&self.state.closing));
        while !self.state.closed.get() {
            poll_fn(|cx| closing.as_mut().poll_wait(&self.state.closing, cx, 0, "a server to be closed")).await;
        }
        match &*self.state.error.borrow() {
            None => Ok(()),
            Some(error) => Err(error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error)),
        }
    }

    /// Completes when the server was closed, and closes it when it is dropped before. asyncio's `Server.serve_forever`.
    ///
    /// # Errors
    /// As [`wait_closed`](Self::wait_closed).
    ///
    /// # Cancel safety
    /// Dropping the future closes the server: so does cancelling the task that awaits it.
    pub async fn serve_forever(&self) -> io::Result<()> {
        struct CloseOnDrop<'a, L: SystemListener>(&'a Server<L>);
        impl<L: SystemListener> Drop for CloseOnDrop<'_, L> {
            fn drop(&mut self) {
                self.0.close();
            }
        }
        let _closed = CloseOnDrop(self);
        self.wait_closed().await
    }

    /// Second descriptors of the listening sockets, to set socket options; none when the server is closed. asyncio's
    /// `Server.sockets`.
    ///
    /// # Errors
    /// The system's error when it has no descriptor left.
    pub fn sockets(&self) -> io::Result<Vec<L>> {
        let try_clone = |acceptor: &RefCell<Option<AsyncFd<L>>>| Some(acceptor.borrow().as_ref()?.get_ref().try_clone());
        self.state.acceptors.iter().filter_map(try_clone).collect()
    }

    pub(super) fn address(&self) -> &L::Address {
        &self.state.addresses[0]
    }
}

impl Server {
    /// The address that the server listens on, the first if there are several.
    pub fn local_addr(&self) -> SocketAddr {
        *self.address()
    }

    /// All addresses that the server listens on, or has listened on if it is closed.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.state.addresses
    }
}

impl<L: SystemListener> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (addresses, closed) = (&self.state.addresses, self.state.closed.get());
        f.debug_struct("Server").field("addresses", addresses).field("closed", &closed).finish()
    }
}

struct State<L: SystemListener> {
    /// The listening sockets; gone once the server was closed.
    acceptors: Vec<RefCell<Option<AsyncFd<L>>>>,
    addresses: Vec<L::Address>,
    connections: Rc<Connections>,
    /// The accept loops, one for each socket.
    tasks: RefCell<Vec<Task<()>>>,
    closed: Cell<bool>,
    error: RefCell<Option<io::Error>>,
    /// Those who wait for the server to be closed.
    closing: WaitList,
}

impl<L: SystemListener> State<L> {
    /// Starts the handler of one connection.
    fn serve<H, F>(&self, handler: &H, (socket, peer): Accepted<L>, deadlines: Option<Box<Deadlines>>)
    where
        H: Fn(StreamReader<Transport<L>>, StreamWriter<Transport<L>>) -> F,
        F: Future<Output: HandlerOutput> + 'static,
    {
        let host = L::host_of(&peer);
        if !self.connections.has_room_for(host) {
            return; // and the connection is closed
        }
        let (reader, writer) = split(SystemTransport::with_deadlines(socket, peer, deadlines));
        // A panic of the future is the loop's business; one of the call that makes it would end the accept loop.
        match catch_unwind(AssertUnwindSafe(|| handler(reader, writer))) {
            Ok(future) => self.connections.admit(host, HandlerOutput::reported(future)),
            Err(panic) => get_event_loop().call_exception_handler(&ExceptionContext::new(
                "the handler of a server panicked",
                Exception::Panic(&Panic::new(panic)),
            )),
        }
    }

    fn end(&self, error: Option<io::Error>) {
        if self.closed.replace(true) {
            return;
        }
        for (acceptor, address) in self.acceptors.iter().zip(&self.addresses) {
            L::closing(address);
            // Dropped while the cell is not borrowed: it wakes the accept loop.
            let listener = acceptor.borrow_mut().take();
            drop(listener);
        }
        for task in self.tasks.take() {
            task.cancel();
        }
        if let Some(error) = error {
            let exception = Exception::Error(&error);
            get_event_loop().call_exception_handler(&ExceptionContext::new("a server has ended", exception));
            self.error.replace(Some(error));
        }
        self.closing.wake_all();
    }
}

/// One of the sockets of a server.
struct Acceptor<'a, L: SystemListener> {
    state: &'a State<L>,
    index: usize,
}

impl<L: SystemListener> Listener for Acceptor<'_, L> {
    type Connection = Accepted<L>;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Self::Connection>>> {
        if self.state.connections.poll_room(cx).is_pending() {
            trace::waiting("a connection to end: there are as many as there may be");
            return Poll::Pending;
        }
        let listener = self.state.acceptors[self.index].borrow();
        let Some(listener) = &*listener else {
            return Poll::Ready(None);
        };
        let accepted = listener.poll_io(cx, Interest::Read, L::accept);
        if accepted.is_pending() {
            trace::waiting("a connection to accept");
        }
        let (stream, peer) = match ready!(accepted) {
            Ok(accepted) => accepted,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        Poll::Ready(Some(AsyncFd::new(stream).map(|stream| (stream, peer))))
    }
}
