//! `UdpSocket`: how it is made, what it is, and how it ends.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::rc::Rc;

use uasyncio_io::{AsyncFd, Interest};

use crate::icmp::IcmpErrors;
use crate::options::Ancillary;
use crate::{Family, sys};

/// A UDP socket.
///
/// It lives on the loop that was running when it was made. Dropping it closes it, and so does
/// [`close`](UdpSocket::close).
///
/// The docs of the [crate](crate) say how tasks share a socket, and what becomes of ICMP errors.
///
/// ```
/// use uasyncio_udp::UdpSocket;
///
/// # uasyncio_io::run(async {
/// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
/// println!("listening at {}", socket.local_addr()?);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UdpSocket {
    /// Gone once the socket was closed.
    descriptor: RefCell<Option<Rc<AsyncFd<net::UdpSocket>>>>,
    family: Family,
    /// Which directions a task waits for, by `Interest`.
    claims: [Cell<bool>; 2],
    icmp: IcmpErrors,
    ancillary: Ancillary,
}

/// Makes a socket that is not bound yet, so that options can be set first. pycopy's `uasyncio.udp.socket`.
///
/// It gets a port of its own with [`bind_to`](UdpSocket::bind_to), or with the first datagram that it sends.
///
/// # Errors
///
/// [`Unsupported`](io::ErrorKind::Unsupported) where no loop with a reactor is running (`uasyncio_io::run` starts one),
/// or for a family that this machine does not have; else what the operating system says.
///
/// ```
/// use uasyncio_udp::{Family, socket};
///
/// # uasyncio_io::run(async {
/// let socket = socket(Family::V4)?;
/// socket.set_reuse_address(true)?;
/// socket.bind_to(([127, 0, 0, 1], 0))?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub fn socket(family: Family) -> io::Result<UdpSocket> {
    UdpSocket::new(sys::open(family)?, family)
}

impl UdpSocket {
    pub(crate) fn new(socket: net::UdpSocket, family: Family) -> io::Result<UdpSocket> {
        Ok(UdpSocket {
            descriptor: RefCell::new(Some(Rc::new(AsyncFd::new(socket)?))),
            family,
            claims: Default::default(),
            icmp: IcmpErrors::default(),
            ancillary: Ancillary::default(),
        })
    }

    /// Makes a socket and binds it to an address; port 0 takes any free one.
    ///
    /// An IPv6 address gives a socket for IPv6 alone, on every system; for both families take
    /// [`socket(Family::Dual)`](socket) and [`bind_to`](UdpSocket::bind_to).
    ///
    /// # Errors
    ///
    /// As [`socket`] and [`bind_to`](UdpSocket::bind_to).
    ///
    /// ```
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// assert!(socket.local_addr()?.port() > 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(address: impl Into<SocketAddr>) -> io::Result<UdpSocket> {
        let address = address.into();
        let socket = socket(Family::of(address))?;
        socket.bind_to(address)?;
        Ok(socket)
    }

    /// Takes over a socket, and sets it to non-blocking mode.
    ///
    /// # Errors
    ///
    /// When no loop with a reactor is running, or the object is no UDP socket.
    ///
    /// ```
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// socket.send_to(b"hello", socket.local_addr()?).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(socket: net::UdpSocket) -> io::Result<UdpSocket> {
        socket.set_nonblocking(true)?;
        let family = match Family::of(socket.local_addr()?) {
            Family::V6 if !sys::only_v6(&socket)? => Family::Dual,
            family => family,
        };
        UdpSocket::new(socket, family)
    }

    /// A second descriptor of the same socket, of the standard library's type: to set an option that has no method here.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`NotConnected`](io::ErrorKind::NotConnected) after [`close`](UdpSocket::close).
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// assert_eq!(socket.try_clone_std()?.local_addr()?, socket.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_clone_std(&self) -> io::Result<net::UdpSocket> {
        self.with(net::UdpSocket::try_clone)
    }

    /// A second socket with the same address and the same options, for a second task that receives, or that sends.
    ///
    /// Each datagram goes to one of the two. What [`take_error`](UdpSocket::take_error) and its like know, each has for
    /// itself. The port is free again when both are closed.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`NotConnected`](io::ErrorKind::NotConnected) after [`close`](UdpSocket::close).
    ///
    /// ```
    /// use uasyncio_core::create_task;
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let second = socket.try_clone()?;
    /// let task = create_task(async move { second.recv(&mut [0; 16]).await });
    /// socket.send_to(b"a", socket.local_addr()?).await?;
    /// assert_eq!(task.await.unwrap()?.len, 1);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        let clone = UdpSocket::new(self.try_clone_std()?, self.family)?;
        clone.ancillary.copy_from(&self.ancillary);
        clone.icmp.reported.set(self.icmp.reported.get());
        Ok(clone)
    }

    /// Gives the socket its own address; port 0 takes any free one.
    ///
    /// # Errors
    ///
    /// What the operating system says, such as [`AddrInUse`](io::ErrorKind::AddrInUse), or that it has an address
    /// already.
    ///
    /// ```
    /// use uasyncio_udp::{Family, socket};
    ///
    /// # uasyncio_io::run(async {
    /// let socket = socket(Family::V4)?;
    /// socket.bind_to(([127, 0, 0, 1], 0))?;
    /// assert!(socket.bind_to(([127, 0, 0, 1], 0)).is_err());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind_to(&self, address: impl Into<SocketAddr>) -> io::Result<()> {
        let address = self.family.to_system(address.into());
        self.with(|socket| sys::bind(socket, &address))
    }

    /// Chooses the peer: [`send`](UdpSocket::send) sends to it, and datagrams of others are not received any more.
    ///
    /// Nothing is sent, so nothing can be refused yet. It may be called again for another peer.
    ///
    /// # Errors
    ///
    /// What the operating system says, for example that there is no way to that address.
    ///
    /// ```
    /// use uasyncio_udp::{Family, UdpSocket, socket};
    ///
    /// # uasyncio_io::run(async {
    /// let server = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let client = socket(Family::V4)?;
    /// client.connect(server.local_addr()?)?;
    /// client.send(b"hello").await?;
    /// assert_eq!(server.recv(&mut [0; 16]).await?.from, client.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn connect(&self, address: impl Into<SocketAddr>) -> io::Result<()> {
        let address = self.family.to_system(address.into());
        self.with(|socket| socket.connect(address))
    }

    /// The socket's own address.
    ///
    /// # Errors
    ///
    /// What the operating system says; [`NotConnected`](io::ErrorKind::NotConnected) after [`close`](UdpSocket::close).
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// assert!(socket.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.family.normalise(self.with(net::UdpSocket::local_addr)?))
    }

    /// The address of the peer that the socket is connected to.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) when it has none.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// assert_eq!(socket.peer_addr().unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    /// socket.connect(socket.local_addr()?)?;
    /// assert_eq!(socket.peer_addr()?, socket.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "getpeername")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.family.normalise(self.with(net::UdpSocket::peer_addr)?))
    }

    /// Which addresses it speaks to.
    ///
    /// ```
    /// # use uasyncio_udp::{Family, UdpSocket};
    /// # uasyncio_io::run(async {
    /// assert_eq!(UdpSocket::bind(([127, 0, 0, 1], 0))?.family(), Family::V4);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Closes the socket. A task that waits for it, and whatever is called later, gets
    /// [`NotConnected`](io::ErrorKind::NotConnected). Closing it again does nothing.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// socket.close();
    /// assert_eq!(socket.recv(&mut [0; 16]).await.unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        // Wakes both directions; dropped while the cell is not borrowed, because a waker may run anything.
        let descriptor = self.descriptor.borrow_mut().take();
        drop(descriptor);
    }

    /// The error that an ICMP message left last, if there was any since this was called before.
    ///
    /// It says of some datagram sent earlier that it did not arrive, most often `ConnectionRefused`: nobody listens there.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) after [`close`](UdpSocket::close).
    ///
    /// ```
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let nobody = UdpSocket::bind(([127, 0, 0, 1], 0))?.local_addr()?;
    /// socket.connect(nobody)?;
    /// socket.send(b"hello").await?;
    /// # #[cfg(target_os = "linux")]
    /// assert_eq!(socket.take_error()?.unwrap().kind(), std::io::ErrorKind::ConnectionRefused);
    /// assert!(socket.take_error()?.is_none());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        // One that the system still keeps is the latest.
        if let Some(error) = self.with(net::UdpSocket::take_error)? {
            self.icmp.note(error);
        }
        Ok(self.icmp.take_last())
    }

    /// How many ICMP errors the socket has met.
    ///
    /// ```
    /// # use uasyncio_udp::UdpSocket;
    /// # uasyncio_io::run(async {
    /// assert_eq!(UdpSocket::bind(([127, 0, 0, 1], 0))?.icmp_errors(), 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn icmp_errors(&self) -> u64 {
        self.icmp.count()
    }

    /// Makes each ICMP error the result of one operation, in place of skipping it. Off at first.
    ///
    /// For a client that wants to know at once that nobody will answer. The socket is as good as before: the next
    /// operation goes on.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use uasyncio_udp::UdpSocket;
    ///
    /// # uasyncio_io::run(async {
    /// let client = UdpSocket::bind(([127, 0, 0, 1], 0))?;
    /// let nobody = UdpSocket::bind(([127, 0, 0, 1], 0))?.local_addr()?;
    /// client.report_icmp(true);
    /// client.connect(nobody)?;
    /// client.send(b"hello").await?;
    /// # #[cfg(target_os = "linux")]
    /// assert_eq!(client.recv(&mut [0; 16]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn report_icmp(&self, on: bool) {
        self.icmp.reported.set(on);
    }

    /// Looks at the socket; an error when it was closed.
    pub(crate) fn with<R>(&self, function: impl FnOnce(&net::UdpSocket) -> io::Result<R>) -> io::Result<R> {
        function(self.descriptor()?.get_ref())
    }

    /// Does an operation now or not at all.
    pub(crate) fn try_operation<R>(
        &self,
        interest: Interest,
        operation: impl FnMut(&net::UdpSocket) -> io::Result<R>,
    ) -> io::Result<R> {
        self.descriptor()?.try_io(interest, operation)
    }

    /// The descriptor, alive for an operation even if a waker closes the socket in the midst of it.
    #[inline]
    pub(crate) fn descriptor(&self) -> io::Result<Rc<AsyncFd<net::UdpSocket>>> {
        match &*self.descriptor.borrow() {
            Some(descriptor) => Ok(descriptor.clone()),
            None => Err(io::Error::new(io::ErrorKind::NotConnected, "the socket was closed")),
        }
    }

    #[inline]
    pub(crate) fn claim(&self, interest: Interest) -> &Cell<bool> {
        &self.claims[interest as usize]
    }

    #[inline]
    pub(crate) fn icmp(&self) -> &IcmpErrors {
        &self.icmp
    }

    #[inline]
    pub(crate) fn ancillary(&self) -> &Ancillary {
        &self.ancillary
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("UdpSocket");
        match self.local_addr() {
            Ok(address) => debug.field("local_addr", &address),
            Err(_) => debug.field("family", &self.family),
        };
        debug.finish_non_exhaustive()
    }
}
