//! `AsyncFd`: any pollable object, awaitable.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use uasyncio_core::budget;

use crate::interest::source_of;
use crate::ready::Ready;
use crate::registration::Registration;
use crate::sys::Trigger;
use crate::{Interest, Pollable};

/// A descriptor or socket that tasks can wait for.
///
/// It owns any [`Pollable`] object that is **in non-blocking mode** (`AsyncFd` does not change the mode). Operations are
/// tried first; only one that would block makes the reactor watch the descriptor, once, until the `AsyncFd` is dropped.
/// Two tasks may use it at the same time, one for each direction.
///
/// Do operations through [`try_io`](AsyncFd::try_io), [`poll_io`](AsyncFd::poll_io) or [`io`](AsyncFd::io): that is how
/// the reactor learns that the descriptor is not ready any more. After a plain `get_ref().read()` that would block,
/// `readable()` still says "ready".
///
/// asyncio has this in `loop.sock_recv` and its kind, MicroPython in `IOQueue`, pycopy in `IORead` and `IOWrite`.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use uasyncio_io::{AsyncFd, Interest};
///
/// uasyncio_io::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?)?;
///     let (server, _) = listener.accept()?;
///     server.set_nonblocking(true)?;
///
///     let server = AsyncFd::new(server)?;
///     client.write_all(b"hello")?;
///     let mut buffer = [0; 16];
///     let length = server.io(Interest::Read, |mut stream| stream.read(&mut buffer)).await?;
///     assert_eq!(&buffer[..length], b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # A connection in progress
///
/// A new `AsyncFd` is taken for ready until an operation would block. Where the operation has begun already, as with a
/// non-blocking `connect`, say so: `try_io(Interest::Write, |_| Err(WouldBlock.into()))`, then wait until it is writable.
pub struct AsyncFd<T: Pollable + 'static> {
    // Declared before the object, hence given back before that closes.
    registration: Registration,
    /// Taken only by `into_inner`.
    object: Option<T>,
}

impl<T: Pollable + 'static> AsyncFd<T> {
    /// Takes a non-blocking object. Makes no system call.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where no loop with a reactor is running; see [`run`](crate::run).
    ///
    /// ```
    /// use std::net::UdpSocket;
    /// use uasyncio_io::AsyncFd;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// let error = AsyncFd::new(socket).unwrap_err();
    /// assert!(error.to_string().contains("use uasyncio_io::run"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(object: T) -> io::Result<AsyncFd<T>> {
        let registration = Registration::new(Trigger::Edge, true)?;
        Ok(AsyncFd { registration, object: Some(object) })
    }

    /// An object that is reported as long as it is ready, and not taken for ready before.
    pub(crate) fn level_triggered(object: T) -> io::Result<AsyncFd<T>> {
        let registration = Registration::new(Trigger::Level, false)?;
        Ok(AsyncFd { registration, object: Some(object) })
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The object.
    ///
    /// ```
    /// # use std::net::UdpSocket;
    /// # use uasyncio_io::AsyncFd;
    /// # uasyncio_io::run(async {
    /// let socket = AsyncFd::new(UdpSocket::bind("127.0.0.1:0")?)?;
    /// assert!(socket.get_ref().local_addr()?.port() > 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn get_ref(&self) -> &T {
        match &self.object {
            Some(object) => object,
            None => unreachable!("into_inner takes the object and the AsyncFd with it"),
        }
    }

    /// Stops watching the object and gives it back.
    ///
    /// ```
    /// # use std::net::UdpSocket;
    /// # use uasyncio_io::AsyncFd;
    /// # uasyncio_io::run(async {
    /// let socket = AsyncFd::new(UdpSocket::bind("127.0.0.1:0")?)?;
    /// let socket: UdpSocket = socket.into_inner();
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(mut self) -> T {
        self.registration.deregister(source_of(self.get_ref()));
        match self.object.take() {
            Some(object) => object,
            None => unreachable!("into_inner takes the object and the AsyncFd with it"),
        }
    }

    /// Tries an operation now, without waiting.
    ///
    /// When the descriptor is known not to be ready the answer is "would block" without a system call. `operation` is
    /// repeated when a signal interrupts it; when it says "would block" itself, the descriptor counts as not ready until
    /// the next event.
    ///
    /// # Errors
    ///
    /// What `operation` says; [`io::ErrorKind::WouldBlock`] means: wait with [`poll_ready`](AsyncFd::poll_ready) or
    /// [`ready`](AsyncFd::ready).
    ///
    /// ```
    /// # use std::{io, net::UdpSocket};
    /// # use uasyncio_io::{AsyncFd, Interest};
    /// # uasyncio_io::run(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// let socket = AsyncFd::new(socket)?;
    /// let result = socket.try_io(Interest::Read, |socket| socket.recv(&mut [0; 16]));
    /// assert_eq!(result.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn try_io<R>(&self, interest: Interest, mut operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        if self.registration.source().must_wait(interest) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let object = self.get_ref();
        self.registration.attempt(interest, || operation(object))
    }

    /// Waits until an operation is worth trying again: for hand-written futures.
    ///
    /// `Ready(Ok)` means "may be ready". `Pending` means that the waker of `cx` will be woken at the next event of this
    /// direction; it replaces the waker of an earlier call, so one task at a time may use a direction this way.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] while a [`readable`](AsyncFd::readable) or [`writable`](AsyncFd::writable) future
    /// of another task waits for the direction. Else what the operating system says when it is asked to watch the
    /// descriptor: it is closed, of a kind that cannot be waited for, or watched by another `AsyncFd` already.
    ///
    /// # Cancel safety
    ///
    /// There is nothing to undo: a waker that nobody waits for any more costs one spurious wake-up.
    ///
    /// ```
    /// # use std::{future::poll_fn, io::Read, os::unix::net::UnixStream};
    /// # use uasyncio_io::{AsyncFd, Interest};
    /// # uasyncio_io::run(async {
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// let stream = AsyncFd::new(ours)?;
    /// drop(theirs);
    /// poll_fn(|cx| stream.poll_ready(cx, Interest::Read)).await?;
    /// assert_eq!(stream.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 16]))?, 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        if self.registration.source().is_ready(interest) {
            return Poll::Ready(Ok(()));
        }
        if self.registration.source().may_park(interest) {
            self.registration.park(cx, interest);
            return Poll::Pending;
        }
        self.poll_armed(cx, interest)
    }

    /// Parks the waker of a direction that first has to be armed.
    #[cold]
    fn poll_armed(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        self.registration.prepare(interest, source_of(self.get_ref()))?;
        self.registration.park(cx, interest);
        Poll::Pending
    }

    /// Does an operation, or waits until it can be done: for hand-written futures.
    ///
    /// Gives way to other tasks after many operations in one poll (`uasyncio_core::budget`), so that a stream that is
    /// always ready starves nobody. Wakers as in [`poll_ready`](AsyncFd::poll_ready).
    ///
    /// # Errors
    ///
    /// What `operation` says, except "would block"; else as [`poll_ready`](AsyncFd::poll_ready).
    ///
    /// # Cancel safety
    ///
    /// `operation` has not happened when this gives `Pending`.
    ///
    /// ```
    /// # use std::{future::poll_fn, io::Write, os::unix::net::UnixStream};
    /// # use uasyncio_io::{AsyncFd, Interest};
    /// # uasyncio_io::run(async {
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// let stream = AsyncFd::new(ours)?;
    /// let sent = poll_fn(|cx| stream.poll_io(cx, Interest::Write, |mut stream| stream.write(b"hi"))).await?;
    /// assert_eq!(sent, 2);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline(always)]
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let object = self.get_ref();
        loop {
            ready!(self.poll_ready(cx, interest))?;
            ready!(budget::poll_proceed(cx));
            match self.registration.attempt(interest, || operation(object)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => budget::refund(),
                result => return Poll::Ready(result),
            }
        }
    }

    /// Says that a read or write moved fewer bytes than it could have: nothing is left, or there is no room.
    ///
    /// Saves the next operation where that would surely say "would block". Where it is not sure (the peer may have closed
    /// meanwhile, or the system does not tell) nothing happens, so it is always right to call it after a short read.
    /// Of use for streams only: a datagram says nothing about the next one.
    ///
    /// ```
    /// # use std::{io::Read, os::unix::net::UnixStream};
    /// # use uasyncio_io::{AsyncFd, Interest};
    /// # fn read(stream: &AsyncFd<UnixStream>, buffer: &mut [u8]) -> std::io::Result<usize> {
    /// let length = stream.try_io(Interest::Read, |mut stream| stream.read(buffer))?;
    /// if length < buffer.len() {
    ///     stream.drained(Interest::Read);
    /// }
    /// # Ok(length) }
    /// ```
    #[inline]
    pub fn drained(&self, interest: Interest) {
        self.registration.source().drained(interest);
    }

    /// Does an operation as soon as it can be done. asyncio's `sock_recv`, `sock_sendall`, `sock_accept`, in one.
    ///
    /// # Errors
    ///
    /// What `operation` says, except "would block"; else as [`ready`](AsyncFd::ready).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the operation has not happened.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use uasyncio_io::{AsyncFd, Interest};
    ///
    /// # uasyncio_io::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_nonblocking(true)?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let listener = AsyncFd::new(listener)?;
    /// let (_server, peer) = listener.io(Interest::Read, TcpListener::accept).await?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn io<R>(&self, interest: Interest, mut operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        loop {
            poll_fn(budget::poll_proceed).await;
            match self.try_io(interest, &mut operation) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    budget::refund();
                    self.ready(interest).await?;
                }
                result => return result,
            }
        }
    }

    /// Waits until an operation of this direction is worth trying: there is something to read or room to write, the
    /// peer closed, or there is an error.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] when another such future waits for the direction already; else as
    /// [`poll_ready`](AsyncFd::poll_ready).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees the direction for others and leaves the other direction alone.
    ///
    /// ```
    /// # use std::{io::Read, os::unix::net::UnixStream};
    /// # use uasyncio_io::{AsyncFd, Interest};
    /// # uasyncio_io::run(async {
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # drop(theirs);
    /// let stream = AsyncFd::new(ours)?;
    /// let length = loop {
    ///     stream.ready(Interest::Read).await?;
    ///     match stream.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 16])) {
    ///         Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
    ///         result => break result?,
    ///     }
    /// };
    /// assert_eq!(length, 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn ready(&self, interest: Interest) -> Ready<'_, T> {
        Ready::new(self, interest)
    }

    /// [`ready(Interest::Read)`](AsyncFd::ready).
    ///
    /// ```
    /// # use std::os::unix::net::UnixStream;
    /// # use uasyncio_io::AsyncFd;
    /// # uasyncio_io::run(async {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// AsyncFd::new(stream)?.readable().await?; // Nothing was tried yet, so it may be.
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> Ready<'_, T> {
        self.ready(Interest::Read)
    }

    /// [`ready(Interest::Write)`](AsyncFd::ready).
    ///
    /// ```
    /// # use std::os::unix::net::UnixStream;
    /// # use uasyncio_io::AsyncFd;
    /// # uasyncio_io::run(async {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// AsyncFd::new(stream)?.writable().await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn writable(&self) -> Ready<'_, T> {
        self.ready(Interest::Write)
    }
}

impl<T: Pollable + 'static> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        if let Some(object) = &self.object {
            self.registration.deregister(source_of(object));
        }
    }
}

impl<T: Pollable + fmt::Debug + 'static> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncFd").field(self.get_ref()).finish()
    }
}
