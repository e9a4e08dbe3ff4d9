//! `open_connection`.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};

use uasyncio_core::trace;
use uasyncio_io::{AsyncFd, Interest, ThreadError, to_thread};

use super::sys;
use super::tcp::{TcpReader, TcpTransport, TcpWriter};
use crate::split;

/// Connects to a port of a host and gives the two halves of the stream. asyncio's `open_connection`.
///
/// `host` is an address, such as `127.0.0.1` or `::1`, or a name. A name is looked up on another thread, by
/// `uasyncio_io::to_thread`; an address never starts one. The addresses of a name are tried in turn until one is
/// connected. `TCP_NODELAY` is set.
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
/// What the look-up or the connection says, for example [`ConnectionRefused`](io::ErrorKind::ConnectionRefused): unlike the
/// originals, a connection that failed is an error here and not on first use. When several addresses failed, the
/// error names each. `Unsupported` when no loop with a reactor is running; `uasyncio_io::run` starts one.
///
/// # Cancel safety
/// When the future is dropped, the socket is closed. A look-up that has begun ends on its thread, unseen.
pub async fn open_connection(host: &str, port: u16) -> io::Result<(TcpReader, TcpWriter)> {
    let mut failures = Vec::new();
    for address in resolve(host, port).await? {
        match connect(address).await {
            Ok(socket) => return Ok(split(TcpTransport::new(socket, address))),
            Err(error) => failures.push((address, error)),
        }
    }
    Err(one_error(failures))
}

/// The addresses of `host`, at least one.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let name = host.to_owned();
    let found = to_thread(move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter)).await;
    let addresses = found.map_err(|error| match error {
        ThreadError::Refused(error) => error,
        panicked => io::Error::other(panicked.to_string()),
    })?;
    let addresses = addresses.map_err(|error| io::Error::new(error.kind(), format!("cannot look up {host:?}: {error}")))?;
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host:?} has no address")));
    }
    Ok(addresses)
}

async fn connect(address: SocketAddr) -> io::Result<AsyncFd<TcpStream>> {
    let socket = AsyncFd::new(sys::connect(&address)?)?;
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
    let stream = socket.get_ref();
    if stream.local_addr()? == address {
        // To a local port in the range of ephemeral ports, where nobody listens, TCP may connect a socket to itself.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(socket)
}

/// The error of one address as it is; of several, one that names them all and has the kind of the first.
pub(crate) fn one_error(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    if failures.len() == 1 {
        return failures.remove(0).1;
    }
    let kind = failures.first().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
    let texts: Vec<String> = failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    io::Error::new(kind, texts.join("; "))
}
