//! Which way bytes go, and what can be waited for.

use crate::sys::BorrowedSource;

/// A direction of a descriptor: what an operation waits for.
///
/// `Interest::Read` is asyncio's *reader* side (`add_reader`), `Interest::Write` its *writer* side.
///
/// ```
/// use uasyncio_io::Interest;
///
/// assert_ne!(Interest::Read, Interest::Write);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interest {
    /// Something to read: data, a connection to accept, the end of the stream, or an error.
    Read = 0,
    /// Room to write, a finished `connect`, or an error.
    Write = 1,
}

impl Interest {
    /// What a task that waits for this direction waits for, as `tasks()` shows it.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Interest::Read => "readable",
            Interest::Write => "writable",
        }
    }
}

/// Anything with a descriptor (Unix) or a socket (Windows): sockets, pipes, terminals, eventfds, inotify ...
///
/// You never implement it: every `T: AsFd` has it, and on Windows every `T: AsSocket`. As those traits ask, the object
/// must give the same open descriptor each time.
///
/// ```
/// fn wants_pollable<T: uasyncio_io::Pollable>(_: &T) {}
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// wants_pollable(&listener);
/// # std::io::Result::Ok(())
/// ```
#[cfg(unix)]
pub trait Pollable: std::os::fd::AsFd {}
#[cfg(unix)]
impl<T: std::os::fd::AsFd + ?Sized> Pollable for T {}

/// Anything with a descriptor (Unix) or a socket (Windows): sockets, pipes, terminals, eventfds, inotify ...
///
/// You never implement it: every `T: AsSocket` has it, and on Unix every `T: AsFd`. As those traits ask, the object
/// must give the same open socket each time.
#[cfg(windows)]
pub trait Pollable: std::os::windows::io::AsSocket {}
#[cfg(windows)]
impl<T: std::os::windows::io::AsSocket + ?Sized> Pollable for T {}

/// The descriptor or socket behind an object.
#[inline]
pub(crate) fn source_of<T: Pollable + ?Sized>(object: &T) -> BorrowedSource<'_> {
    #[cfg(unix)]
    return object.as_fd();
    #[cfg(windows)]
    return object.as_socket();
}
