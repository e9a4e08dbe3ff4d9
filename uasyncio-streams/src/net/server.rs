//! `start_server`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use uasyncio_core::{Exception, ExceptionContext, Panic, Task, create_task, get_event_loop, report, spawn, trace};
use uasyncio_io::{AsyncFd, Interest};

use super::accept::{Listener, accept_loop};
use super::connect::list_failures;
use super::resolver::{SystemResolver, resolve};
use super::sys;
use super::tcp::{TcpReader, TcpTransport, TcpWriter};
use crate::split;

/// Listens on a port of a host and runs `handler` as a task for each connection. asyncio's `start_server`.
///
/// `host` is an address or a name. `0.0.0.0` means every IPv4 address of this machine, `::` every IPv6 address, and IPv4
/// too where the system has it so. A name with several addresses is listened on at all of them. With port 0 the system
/// chooses one; [`Server::local_addr`] tells which.
///
/// The server runs until [`Server::close`]; dropping the [`Server`] lets it run on. `TCP_NODELAY` is set on each connection.
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
    ServerOptions::default().start(handler, host, port).await
}

/// What a handler may give: `()`, or a `Result` whose error can be displayed.
pub trait HandlerOutput: Sized + 'static {
    /// Runs the handler's future as a task of the current loop.
    #[doc(hidden)]
    fn run<F: Future<Output = Self> + 'static>(future: F);
}

impl HandlerOutput for () {
    fn run<F: Future<Output = Self> + 'static>(future: F) {
        spawn(future);
    }
}

impl<T: 'static, E: Display + 'static> HandlerOutput for Result<T, E> {
    fn run<F: Future<Output = Self> + 'static>(future: F) {
        spawn(report(future));
    }
}

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
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { backlog: 1024, reuse_address: true }
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
    /// Windows). Yes unless set here.
    pub fn reuse_address(mut self, yes: bool) -> Self {
        self.reuse_address = yes;
        self
    }

    /// Starts a server with these options; see [`start_server`].
    ///
    /// # Errors
    /// As [`start_server`].
    ///
    /// # Cancel safety
    /// As [`start_server`].
    pub async fn start<H, F>(self, handler: H, host: &str, port: u16) -> io::Result<Server>
    where
        H: Fn(TcpReader, TcpWriter) -> F + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        let listeners = self.listen(resolve(&SystemResolver, host, port).await?)?;
        let addresses: io::Result<Vec<_>> = listeners.iter().map(TcpListener::local_addr).collect();
        let listeners: io::Result<Vec<_>> = listeners.into_iter().map(TcpAcceptor::new).collect();
        let state = Rc::new(State {
            listeners: listeners?,
            addresses: addresses?,
            tasks: RefCell::default(),
            closed: Cell::new(false),
            error: RefCell::default(),
            waiting: RefCell::default(),
        });
        let handler = Rc::new(handler);
        for index in 0..state.listeners.len() {
            let (running, handler) = (state.clone(), handler.clone());
            let task = create_task(async move {
                let serve = |connection| serve(&*handler, connection);
                let result = accept_loop(&running.listeners[index], serve).await;
                running.end(result.err());
            });
            task.set_name("server");
            state.tasks.borrow_mut().push(task);
        }
        Ok(Server { state })
    }

    /// Listens on each address that can be listened on; fails if there is none, or if one is in use.
    fn listen(&self, addresses: Vec<SocketAddr>) -> io::Result<Vec<TcpListener>> {
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut failures = Vec::new();
        for mut address in addresses {
            if let (0, Some(first)) = (address.port(), listeners.first()) {
                // All addresses of a name get the same port.
                address.set_port(first.local_addr()?.port());
            }
            match sys::listen(&address, self) {
                Ok(listener) => listeners.push(listener),
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
}

/// Starts the handler of one connection.
fn serve<H, F>(handler: &H, (socket, peer): (AsyncFd<TcpStream>, SocketAddr))
where
    H: Fn(TcpReader, TcpWriter) -> F,
    F: Future<Output: HandlerOutput> + 'static,
{
    let (reader, writer) = split(TcpTransport::new(socket, peer));
    // A panic of the future is the loop's business; one of the call that makes it would end the accept loop.
    match catch_unwind(AssertUnwindSafe(|| handler(reader, writer))) {
        Ok(future) => HandlerOutput::run(future),
        Err(panic) => get_event_loop().call_exception_handler(&ExceptionContext::new(
            "the handler of a server panicked",
            Exception::Panic(&Panic::new(panic)),
        )),
    }
}

/// A server that was started by [`start_server`]. asyncio's `Server`.
///
/// Dropping it lets the server run on; [`close`](Server::close) ends it. Clones stand for the same server.
#[derive(Clone)]
pub struct Server {
    state: Rc<State>,
}

impl Server {
    /// Stops accepting and closes the listening sockets at once, so the port is free on return. Connections that were
    /// accepted run on; those that the kernel still queued are reset. Closing twice does nothing. asyncio's `Server.close`.
    pub fn close(&self) {
        self.state.end(None);
    }

    /// Completes when the server was closed. asyncio's `Server.wait_closed`. It does not wait for connections.
    ///
    /// # Errors
    /// The error that ended the server, if it was one: its listening socket was closed behind its back.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_closed(&self) -> io::Result<()> {
        poll_fn(|cx| self.state.poll_closed(cx)).await
    }

    /// The address that the server listens on, the first if there are several.
    pub fn local_addr(&self) -> SocketAddr {
        self.state.addresses[0]
    }

    /// All addresses that the server listens on, or has listened on if it is closed.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.state.addresses
    }

    /// Second descriptors of the listening sockets, to set socket options; none when the server is closed. asyncio's
    /// `Server.sockets`.
    ///
    /// # Errors
    /// The system's error when it has no descriptor left.
    pub fn sockets(&self) -> io::Result<Vec<TcpListener>> {
        self.state.listeners.iter().filter_map(TcpAcceptor::try_clone).collect()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (addresses, closed) = (&self.state.addresses, self.state.closed.get());
        f.debug_struct("Server").field("addresses", addresses).field("closed", &closed).finish()
    }
}

struct State {
    listeners: Vec<TcpAcceptor>,
    addresses: Vec<SocketAddr>,
    /// The accept loops, one for each listener.
    tasks: RefCell<Vec<Task<()>>>,
    closed: Cell<bool>,
    error: RefCell<Option<io::Error>>,
    waiting: RefCell<Vec<Waker>>,
}

impl State {
    fn end(&self, error: Option<io::Error>) {
        if self.closed.replace(true) {
            return;
        }
        self.listeners.iter().for_each(TcpAcceptor::close);
        for task in self.tasks.take() {
            task.cancel();
        }
        if let Some(error) = error {
            let exception = Exception::Error(&error);
            get_event_loop().call_exception_handler(&ExceptionContext::new("a server has ended", exception));
            self.error.replace(Some(error));
        }
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed.get() {
            return Poll::Ready(match &*self.error.borrow() {
                None => Ok(()),
                Some(error) => Err(error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error)),
            });
        }
        trace::waiting("a server to be closed");
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// A listening socket; gone once the server was closed.
struct TcpAcceptor(RefCell<Option<AsyncFd<TcpListener>>>);

impl TcpAcceptor {
    fn new(listener: TcpListener) -> io::Result<Self> {
        Ok(TcpAcceptor(RefCell::new(Some(AsyncFd::new(listener)?))))
    }

    fn try_clone(&self) -> Option<io::Result<TcpListener>> {
        self.0.borrow().as_ref().map(|listener| listener.get_ref().try_clone())
    }

    fn close(&self) {
        // Dropped while the cell is not borrowed: it wakes the accept loop.
        let listener = self.0.borrow_mut().take();
        drop(listener);
    }
}

impl Listener for TcpAcceptor {
    type Connection = (AsyncFd<TcpStream>, SocketAddr);

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Self::Connection>>> {
        let listener = self.0.borrow();
        let Some(listener) = &*listener else {
            return Poll::Ready(None);
        };
        match listener.poll_io(cx, Interest::Read, sys::accept) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted.and_then(|(stream, peer)| Ok((AsyncFd::new(stream)?, peer))))),
            Poll::Pending => {
                trace::waiting("a connection to accept");
                Poll::Pending
            }
        }
    }
}
