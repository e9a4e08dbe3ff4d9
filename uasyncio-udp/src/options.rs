//! Options of a socket.

use std::cell::Cell;
use std::io;

use crate::{Family, UdpSocket, sys};

/// What the system is asked to tell with each datagram.
#[derive(Debug, Default)]
pub(crate) struct Ancillary {
    /// The address that it was sent to.
    pub(crate) packet_info: Cell<bool>,
    /// The size of the datagrams that it joined.
    pub(crate) gro: Cell<bool>,
}

impl Ancillary {
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.packet_info.get() || self.gro.get()
    }

    pub(crate) fn copy_from(&self, other: &Ancillary) {
        self.packet_info.set(other.packet_info.get());
        self.gro.set(other.gro.get());
    }
}

/// Each fails with what the operating system says, with [`Unsupported`](io::ErrorKind::Unsupported) where it has no such
/// option, and with [`NotConnected`](io::ErrorKind::NotConnected) after [`close`](UdpSocket::close).
impl UdpSocket {
    /// Whether datagrams may be sent to a broadcast address (`SO_BROADCAST`). Off at first.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.with(|socket| socket.set_broadcast(on))
    }

    /// See [`set_broadcast`](UdpSocket::set_broadcast).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.with(|socket| socket.broadcast())
    }

    /// Through how many routers a datagram may go, 1 to 255 (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.set_ttl(3)?;
    /// assert_eq!(socket.ttl()?, 3);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "set_unicast_hops_v6")]
    pub fn set_ttl(&self, hops: u8) -> io::Result<()> {
        self.with(|socket| match self.family() {
            Family::V4 => socket.set_ttl(hops.into()),
            Family::V6 => sys::set_hops_v6(socket, hops),
            Family::Dual => sys::set_hops_v6(socket, hops).and_then(|()| v4_too(sys::set_ttl_v4(socket, hops))),
        })
    }

    /// See [`set_ttl`](UdpSocket::set_ttl).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn ttl(&self) -> io::Result<u8> {
        self.with(|socket| match self.family() {
            Family::V4 => Ok(u8::try_from(socket.ttl()?).unwrap_or(u8::MAX)),
            Family::V6 | Family::Dual => sys::hops_v6(socket),
        })
    }

    /// What routers are asked to do with the datagrams: DSCP and ECN, the byte once called type of service (`IP_TOS`,
    /// `IPV6_TCLASS`).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.set_tos(46 << 2)?; // expedited forwarding, as for voice
    /// assert_eq!(socket.tos()?, 46 << 2);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "set_tclass_v6")]
    #[doc(alias = "dscp")]
    pub fn set_tos(&self, tos: u8) -> io::Result<()> {
        self.with(|socket| match self.family() {
            Family::V4 => sys::set_tos_v4(socket, tos),
            Family::V6 => sys::set_tclass_v6(socket, tos),
            Family::Dual => sys::set_tclass_v6(socket, tos).and_then(|()| v4_too(sys::set_tos_v4(socket, tos))),
        })
    }

    /// See [`set_tos`](UdpSocket::set_tos).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn tos(&self) -> io::Result<u8> {
        self.with(|socket| match self.family() {
            Family::V4 => sys::tos_v4(socket),
            Family::V6 | Family::Dual => sys::tclass_v6(socket),
        })
    }

    /// Whether the address may be one that another socket has already (`SO_REUSEADDR`): several programs then hear one
    /// multicast group. Before [`bind_to`](UdpSocket::bind_to). Off at first.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// use uasyncio_udp::{Family, socket};
    ///
    /// # uasyncio_io::run(async {
    /// let first = socket(Family::V4)?;
    /// first.set_reuse_address(true)?;
    /// first.bind_to(([127, 0, 0, 1], 0))?;
    /// let second = socket(Family::V4)?;
    /// second.set_reuse_address(true)?;
    /// # #[cfg(target_os = "linux")]
    /// second.bind_to(first.local_addr()?)?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_reuse_address(&self, on: bool) -> io::Result<()> {
        self.with(|socket| sys::set_reuse_address(socket, on))
    }

    /// See [`set_reuse_address`](UdpSocket::set_reuse_address).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn reuse_address(&self) -> io::Result<bool> {
        self.with(sys::reuse_address)
    }

    /// Whether several sockets, of one user, share an address and the datagrams for it (`SO_REUSEPORT`): one loop on each
    /// core, for example. Before [`bind_to`](UdpSocket::bind_to). Off at first.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`Unsupported`](io::ErrorKind::Unsupported) on Windows, Solaris and illumos.
    ///
    /// ```
    /// use uasyncio_udp::{Family, socket};
    ///
    /// # #[cfg(target_os = "linux")]
    /// # uasyncio_io::run(async {
    /// let first = socket(Family::V4)?;
    /// first.set_reuse_port(true)?;
    /// first.bind_to(([127, 0, 0, 1], 0))?;
    /// let second = socket(Family::V4)?;
    /// second.set_reuse_port(true)?;
    /// second.bind_to(first.local_addr()?)?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_reuse_port(&self, on: bool) -> io::Result<()> {
        self.with(|socket| sys::set_reuse_port(socket, on))
    }

    /// See [`set_reuse_port`](UdpSocket::set_reuse_port).
    ///
    /// # Errors
    ///
    /// As [`set_reuse_port`](UdpSocket::set_reuse_port).
    pub fn reuse_port(&self) -> io::Result<bool> {
        self.with(sys::reuse_port)
    }

    /// How many bytes may wait to be received (`SO_RCVBUF`); what comes on top is lost. A wish: systems have limits, and
    /// Linux doubles the figure for its own bookkeeping.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.set_recv_buffer_size(100_000)?;
    /// assert!(socket.recv_buffer_size()? >= 100_000);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.with(|socket| sys::set_recv_buffer_size(socket, bytes))
    }

    /// See [`set_recv_buffer_size`](UdpSocket::set_recv_buffer_size).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.with(sys::recv_buffer_size)
    }

    /// How many bytes may wait to be sent (`SO_SNDBUF`); then [`send`](UdpSocket::send) waits. A wish, as with
    /// [`set_recv_buffer_size`](UdpSocket::set_recv_buffer_size).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.set_send_buffer_size(100_000)?;
    /// assert!(socket.send_buffer_size()? >= 100_000);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.with(|socket| sys::set_send_buffer_size(socket, bytes))
    }

    /// See [`set_send_buffer_size`](UdpSocket::set_send_buffer_size).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.with(sys::send_buffer_size)
    }

    /// Whether datagrams come with the address that they were sent to: [`Received::local`](crate::Received::local)
    /// (`IP_PKTINFO`, `IPV6_RECVPKTINFO`). Off at first.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`Unsupported`](io::ErrorKind::Unsupported) without the feature `batch`, and
    /// elsewhere than on Linux and Android.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([0, 0, 0, 0], 0))?;
    /// match socket.set_packet_info(true) {
    ///     Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
    ///     result => result?,
    /// }
    /// socket.send_to(b"hello", ([127, 0, 0, 2], socket.local_addr()?.port())).await?;
    /// let local = socket.recv(&mut [0; 16]).await?.local.unwrap();
    /// assert_eq!(local.address.to_string(), "127.0.0.2");
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "IP_PKTINFO")]
    pub fn set_packet_info(&self, on: bool) -> io::Result<()> {
        self.with(|socket| sys::set_packet_info(socket, self.family(), on))?;
        self.ancillary().packet_info.set(on);
        Ok(())
    }

    /// Whether the system may join datagrams of one sender and one length (`UDP_GRO`). Off at first.
    ///
    /// [`recv_many`](UdpSocket::recv_many) takes them apart again; its buffers should have 64 KB for it, because what
    /// does not fit is lost. [`recv`](UdpSocket::recv) is an error as long as this is on.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`Unsupported`](io::ErrorKind::Unsupported) without the feature `batch`, and
    /// elsewhere than on Linux and Android.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use uasyncio_udp::{RecvBatch, UdpSocket};
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// match socket.set_gro(true) {
    ///     Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
    ///     result => result?,
    /// }
    /// // One buffer, one call, ten datagrams.
    /// socket.send_segments(&[7; 10_000], 1_000, Some(socket.local_addr()?)).await?;
    /// let mut batch = RecvBatch::new(1, 65_535);
    /// socket.recv_many(&mut batch).await?;
    /// assert_eq!(batch.iter().map(|datagram| datagram.data.len()).collect::<Vec<_>>(), [1_000; 10]);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "UDP_GRO")]
    pub fn set_gro(&self, on: bool) -> io::Result<()> {
        self.with(|socket| sys::set_gro(socket, on))?;
        self.ancillary().gro.set(on);
        Ok(())
    }
}

/// Some systems have no IPv4 options on a socket of both families.
fn v4_too(result: io::Result<()>) -> io::Result<()> {
    if cfg!(any(target_os = "linux", target_os = "android")) { result } else { Ok(()) }
}
