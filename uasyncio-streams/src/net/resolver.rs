//! From the name of a host to its addresses.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::pin::Pin;

use uasyncio_io::to_thread;

/// Looks names up. [`ConnectOptions::resolver`](crate::ConnectOptions::resolver) takes one, so that a program can have its own
/// cache, its own name server, or fixed addresses in its tests.
///
/// The trait is object-safe, which costs one allocation for each look-up. Addresses (`127.0.0.1`, `::1`) and `localhost`
/// never come here.
///
/// ```
/// use std::net::SocketAddr;
/// use uasyncio_streams::{ConnectOptions, Resolver, Resolving, TcpReader, TcpWriter, start_server};
///
/// /// Everything is on this machine.
/// struct Here;
///
/// impl Resolver for Here {
///     fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
///         Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
///     }
/// }
///
/// uasyncio_io::run(async {
///     let hello = |_: TcpReader, mut writer: TcpWriter| async move { writer.awritestr("hello\n").await };
///     let server = start_server(hello, "127.0.0.1", 0).await?;
///     let options = ConnectOptions::default().resolver(Here);
///     let (mut reader, _writer) = options.open("www.example.org", server.local_addr().port()).await?;
///     assert_eq!(reader.readline().await?, b"hello\n");
///     Ok::<_, std::io::Error>(())
/// })
/// .unwrap();
/// ```
pub trait Resolver {
    /// The addresses of a host, the best first; each with `port`, or with the port that the resolver knows to be meant.
    ///
    /// # Errors
    /// Why there is none. An empty list is an error of the kind `NotFound` too.
    ///
    /// # Cancel safety
    /// The future is dropped when the caller does not want the answer any more.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The future of a look-up, as [`Resolver::resolve`] gives it.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>>;

/// The resolver of the operating system: `getaddrinfo`, on a thread of `uasyncio_io::to_thread`.
///
/// There are at most four such threads, so look-ups that hang hold up other look-ups, and never the loop. A look-up
/// that nobody waits for any more ends on its thread, unseen.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let name = host.to_owned();
        let found = to_thread(move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter));
        Box::pin(async { found.await? })
    }
}

/// The addresses of `host`, at least one and each once. The resolver is asked only for what is not known without it.
pub(crate) async fn resolve(resolver: &dyn Resolver, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Some(known) = known_addresses(host, port) {
        return Ok(known);
    }
    let found = resolver.resolve(host, port).await;
    let found = found.map_err(|error| io::Error::new(error.kind(), format!("cannot look up {host:?}: {error}")))?;
    let mut addresses = Vec::with_capacity(found.len());
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host:?} has no address")));
    }
    Ok(addresses)
}

/// Addresses in text, and `localhost`, which is this machine whatever a name server says (RFC 6761, section 6.3).
fn known_addresses(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(address, port)]);
    }
    if host.contains('%') {
        // A link-local address with the number of its link; with the name of the link, the system has to be asked.
        return Some(vec![format!("[{host}]:{port}").parse::<SocketAddrV6>().ok()?.into()]);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last_label = name.rsplit('.').next()?;
    let loopback = || vec![SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    last_label.eq_ignore_ascii_case("localhost").then(loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_known_without_a_resolver() {
        let known = |host| known_addresses(host, 80).map(|found| found.iter().map(SocketAddr::to_string).collect::<Vec<_>>());
        assert_eq!(known("127.0.0.1").unwrap(), ["127.0.0.1:80"]);
        assert_eq!(known("::1").unwrap(), ["[::1]:80"]);
        assert_eq!(known("fe80::1%7").unwrap(), ["[fe80::1%7]:80"]);
        for name in ["localhost", "LocalHost.", "www.localhost"] {
            assert_eq!(known(name).unwrap(), ["[::1]:80", "127.0.0.1:80"]);
        }
        for name in ["", ".", "example.org", "localhost.example.org", "notlocalhost", "fe80::1%link", "127.0.0.1.", "1.2.3"] {
            assert_eq!(known(name), None, "{name}");
        }
    }
}
