//! Groups that datagrams are sent to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{Family, UdpSocket, sys};

/// Multicast. The options of a [`Dual`](Family::Dual) socket are those of IPv6.
impl UdpSocket {
    /// Receives what is sent to a group, through the interface with this address (`0.0.0.0`: the system chooses).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let group = Ipv4Addr::new(239, 255, 77, 77);
    /// let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    /// socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    /// socket.set_multicast_interface_v4(Ipv4Addr::LOCALHOST)?;
    /// # #[cfg(target_os = "linux")] {
    /// socket.send_to(b"to all", (group, socket.local_addr()?.port())).await?;
    /// assert_eq!(socket.recv(&mut [0; 16]).await?.len, 6);
    /// # }
    /// socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.with(|socket| socket.join_multicast_v4(&group, &interface))
    }

    /// Undoes [`join_multicast_v4`](UdpSocket::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// What the operating system says, for example that the socket was not in the group.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.with(|socket| socket.leave_multicast_v4(&group, &interface))
    }

    /// Receives what is sent to a group, through the interface of this number (0: the system chooses).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// use std::net::Ipv6Addr;
    /// use uasyncio_udp::UdpSocket;
    ///
    /// let mdns = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    /// let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 5353))?;
    /// socket.join_multicast_v6(mdns, 0)?;
    /// # Ok(()) }
    /// ```
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.with(|socket| socket.join_multicast_v6(&group, interface))
    }

    /// Undoes [`join_multicast_v6`](UdpSocket::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// What the operating system says, for example that the socket was not in the group.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.with(|socket| socket.leave_multicast_v6(&group, interface))
    }

    /// Receives what one source sends to a group, and nothing of what others send to it, through the interface with this address
    /// (`0.0.0.0`: the system chooses). Once for each source. Source-specific multicast, which has groups of its own: 232.0.0.0/8.
    ///
    /// For IPv6 no crate below this one has it.
    ///
    /// # Errors
    ///
    /// What the operating system says, for example that the socket has joined the group for all sources;
    /// [`Unsupported`](io::ErrorKind::Unsupported) on NetBSD, OpenBSD and DragonFly BSD.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let (group, source) = (Ipv4Addr::new(232, 1, 77, 77), Ipv4Addr::LOCALHOST);
    /// let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    /// socket.join_multicast_source_v4(group, source, Ipv4Addr::LOCALHOST)?;
    /// # #[cfg(target_os = "linux")] {
    /// let sender = UdpSocket::bind((source, 0))?;
    /// sender.set_multicast_interface_v4(Ipv4Addr::LOCALHOST)?;
    /// sender.send_to(b"to all", (group, socket.local_addr()?.port())).await?;
    /// assert_eq!(socket.recv(&mut [0; 16]).await?.len, 6);
    /// # }
    /// socket.leave_multicast_source_v4(group, source, Ipv4Addr::LOCALHOST)?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "IP_ADD_SOURCE_MEMBERSHIP")]
    #[doc(alias = "ssm")]
    pub fn join_multicast_source_v4(&self, group: Ipv4Addr, source: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.with(|socket| sys::join_source_v4(socket, group, source, interface))
    }

    /// Undoes [`join_multicast_source_v4`](UdpSocket::join_multicast_source_v4), for one source.
    ///
    /// # Errors
    ///
    /// What the operating system says, for example that the source was not joined.
    pub fn leave_multicast_source_v4(&self, group: Ipv4Addr, source: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.with(|socket| sys::leave_source_v4(socket, group, source, interface))
    }

    /// Whether what this socket sends to a group comes back to this machine, when it is in the group too. On at first.
    ///
    /// On Windows it is the receiver's option.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// assert!(socket.multicast_loop()?);
    /// socket.set_multicast_loop(false)?;
    /// assert!(!socket.multicast_loop()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_multicast_loop(&self, on: bool) -> io::Result<()> {
        self.with(|socket| match self.family() {
            Family::V4 => socket.set_multicast_loop_v4(on),
            Family::V6 | Family::Dual => socket.set_multicast_loop_v6(on),
        })
    }

    /// See [`set_multicast_loop`](UdpSocket::set_multicast_loop).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn multicast_loop(&self) -> io::Result<bool> {
        self.with(|socket| match self.family() {
            Family::V4 => socket.multicast_loop_v4(),
            Family::V6 | Family::Dual => socket.multicast_loop_v6(),
        })
    }

    /// Through how many routers a datagram to a group may go. 1 at first: it stays in the local network; 0: on this
    /// machine.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.set_multicast_ttl(4)?;
    /// assert_eq!(socket.multicast_ttl()?, 4);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "set_multicast_hops_v6")]
    pub fn set_multicast_ttl(&self, hops: u8) -> io::Result<()> {
        self.with(|socket| match self.family() {
            Family::V4 => socket.set_multicast_ttl_v4(hops.into()),
            Family::V6 | Family::Dual => sys::set_multicast_hops_v6(socket, hops),
        })
    }

    /// See [`set_multicast_ttl`](UdpSocket::set_multicast_ttl).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn multicast_ttl(&self) -> io::Result<u8> {
        self.with(|socket| match self.family() {
            Family::V4 => Ok(u8::try_from(socket.multicast_ttl_v4()?).unwrap_or(u8::MAX)),
            Family::V6 | Family::Dual => sys::multicast_hops_v6(socket),
        })
    }

    /// Through which interface datagrams to groups leave: the one with this address (`0.0.0.0`: the system chooses).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.set_multicast_interface_v4(Ipv4Addr::LOCALHOST)?;
    /// assert_eq!(socket.multicast_interface_v4()?, Ipv4Addr::LOCALHOST);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "IP_MULTICAST_IF")]
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        self.with(|socket| sys::set_multicast_interface_v4(socket, interface))
    }

    /// See [`set_multicast_interface_v4`](UdpSocket::set_multicast_interface_v4).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn multicast_interface_v4(&self) -> io::Result<Ipv4Addr> {
        self.with(sys::multicast_interface_v4)
    }

    /// Through which interface datagrams to groups leave: the one of this number (0: the system chooses).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    #[doc(alias = "IPV6_MULTICAST_IF")]
    pub fn set_multicast_interface_v6(&self, interface: u32) -> io::Result<()> {
        self.with(|socket| sys::set_multicast_interface_v6(socket, interface))
    }

    /// See [`set_multicast_interface_v6`](UdpSocket::set_multicast_interface_v6).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn multicast_interface_v6(&self) -> io::Result<u32> {
        self.with(sys::multicast_interface_v6)
    }
}
