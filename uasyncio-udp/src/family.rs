//! IPv4, IPv6, or both.

use std::net::{IpAddr, SocketAddr};

/// Which addresses a socket speaks to.
///
/// ```
/// use uasyncio_udp::{Family, socket};
///
/// # uasyncio_io::run(async {
/// // Both families on one port; IPv4 peers have IPv4 addresses, as ever.
/// # if std::net::UdpSocket::bind("[::1]:0").is_err() { return Ok(()); }
/// let server = socket(Family::Dual)?;
/// server.bind_to((std::net::Ipv6Addr::UNSPECIFIED, 0))?;
/// let client = socket(Family::V4)?;
/// client.send_to(b"hello", ([127, 0, 0, 1], server.local_addr()?.port())).await?;
/// assert!(server.recv(&mut [0; 16]).await?.from.is_ipv4());
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// IPv4. Python's `AF_INET`.
    V4,
    /// IPv6 and nothing else. Python's `AF_INET6`, with `IPV6_V6ONLY` set.
    V6,
    /// An IPv6 socket that speaks IPv4 too. Bind it to the unspecified address, `[::]`.
    Dual,
}

impl Family {
    pub(crate) fn of(address: SocketAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The form of an address that the system wants on a socket of this family.
    #[inline]
    pub(crate) fn to_system(self, address: SocketAddr) -> SocketAddr {
        match (self, address) {
            (Family::Dual, SocketAddr::V4(v4)) => SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port()),
            _ => address,
        }
    }

    /// The address that a peer of a socket of this family has: IPv4 peers of an IPv6 socket have IPv4 addresses.
    #[inline]
    pub(crate) fn normalise(self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V6(v6) if self == Family::Dual => match v6.ip().to_ipv4_mapped() {
                Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
                None => address,
            },
            _ => address,
        }
    }
}
