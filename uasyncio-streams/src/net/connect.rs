//! `open_connection`.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpStream};

use uasyncio_core::trace;
use uasyncio_io::{AsyncFd, Interest};

use super::connecting::Connecting;
use super::happy_eyeballs::{interleave, race};
use super::options::ConnectOptions;
use super::resolver::resolve;
use super::sys;
use super::tcp::{TcpReader, TcpTransport, TcpWriter};
use crate::split;

/// Connects to a port of a host and gives the two halves of the stream. asyncio's `open_connection`.
///
/// `host` is an address, such as `127.0.0.1` or `::1`, or a name. A name is looked up on another thread, by
/// [`SystemResolver`](crate::SystemResolver); an address, or `localhost`, never starts one. The addresses of a name are tried
/// by RFC 8305, *Happy Eyeballs*: the families alternating, a new attempt every 250 ms and after each failure, until one is
/// connected; the others are closed. `TCP_NODELAY` is set. [`ConnectOptions`] has what can be chosen.
///
/// With the feature `tls`, `open_connection(host, port).tls(host)` gives the two halves of a TLS session: see [`Connecting`].
///
/// ```
/// use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
///
/// uasyncio_io::run(async {
///     let hello = |_: TcpReader, mut writer: TcpWriter| async move { writer.awritestr("hello\n").await };
///     let server = start_server(hello, "127.0.0.1", 0).await?;
///
///     let (mut reader, _writer) = open_connection("127.0.0.1", server.local_addr().port()).await?;
///     assert_eq!(reader.readline().await?, b"hello\n");
///     Ok::<_, std::io::Error>(())
/// })
/// .unwrap();
/// ```
///
/// # Errors
/// What the look-up says, or a [`ConnectError`] as the inner error, which names each address that was tried. Its kind, for
/// example [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), is that of the first that failed. Unlike in the originals, a
/// connection that failed is an error here and not on first use. `Unsupported` when no loop with a reactor is running;
/// `uasyncio_io::run` starts one.
///
/// # Cancel safety
/// When the future is dropped, its sockets are closed, so a timeout around it bounds the whole: the look-up and all attempts.
/// A look-up that has begun ends on its thread, unseen.
pub fn open_connection(host: &str, port: u16) -> Connecting<impl Future<Output = io::Result<(TcpReader, TcpWriter)>>> {
    Connecting::new(async move { open(&ConnectOptions::default(), host, port).await })
}

pub(crate) async fn open(options: &ConnectOptions, host: &str, port: u16) -> io::Result<(TcpReader, TcpWriter)> {
    let addresses = interleave(resolve(&*options.resolver, host, port).await?);
    match race(addresses, options.stagger, |&address| connect(address, options)).await {
        Ok((socket, peer)) => Ok(split(TcpTransport::new(socket, peer))),
        Err(failures) => {
            let kind = failures.first().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
            Err(io::Error::new(kind, ConnectError { host: host.to_owned(), port, failures }))
        }
    }
}

async fn connect(address: SocketAddr, options: &ConnectOptions) -> io::Result<(AsyncFd<TcpStream>, SocketAddr)> {
    if options.local_addr.is_some_and(|local| local.is_ipv4() != address.is_ipv4()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not of the family of the local address"));
    }
    let socket = AsyncFd::new(sys::connect(&address, options)?)?;
    loop {
        // The operation that may have to wait is the connecting; this is how it is said to the reactor.
        let attempt = socket.try_io(Interest::Write, |stream| match stream.take_error()? {
            Some(error) => Err(error),
            None => match stream.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
                result => result.map(drop),
            },
        });
        match attempt {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll_fn(|cx| {
                    let ready = socket.poll_ready(cx, Interest::Write);
                    if ready.is_pending() {
                        trace::waiting("a connection to be established");
                    }
                    ready
                })
                .await?;
            }
            Err(error) => return Err(error),
        }
    }
    if socket.get_ref().local_addr()? == address {
        // To a local port in the range of ephemeral ports, where nobody listens, TCP may connect a socket to itself.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok((socket, address))
}

/// Why no connection was made: what each address that was tried has answered. The inner error of the [`io::Error`] that
/// [`open_connection`] gives.
///
/// ```
/// use uasyncio_streams::{ConnectError, open_connection};
///
/// # uasyncio_io::run(async {
/// # let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
/// let error = open_connection("127.0.0.1", port).await.unwrap_err(); // nobody listens there
/// let error = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectError>()).unwrap();
/// let (address, refused) = &error.failures()[0];
/// assert_eq!(address.port(), port);
/// assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
/// # });
/// ```
#[derive(Debug)]
pub struct ConnectError {
    host: String,
    port: u16,
    failures: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    /// The addresses that were tried and why each failed, in the order in which they failed.
    pub fn failures(&self) -> &[(SocketAddr, io::Error)] {
        &self.failures
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {:?} port {}: {}", self.host, self.port, list_failures(&self.failures))
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures.first().map(|(_, error)| error as _)
    }
}

/// Names each address and its error.
pub(crate) fn list_failures(failures: &[(SocketAddr, io::Error)]) -> String {
    let texts: Vec<String> = failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    texts.join("; ")
}
