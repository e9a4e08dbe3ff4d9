//! The transport of whatever the operating system has a descriptor for: TCP, Unix sockets, pipes, terminals, files.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use uasyncio_core::trace;
use uasyncio_io::{AsyncFd, Interest, Pollable};

use super::deadlines::Deadlines;
use crate::transport::{Direction, READING, Transport, TryError, closed_error};

/// What differs between the descriptors. The objects are in non-blocking mode.
pub trait SystemStream: Pollable + fmt::Debug + Sized + 'static {
    /// What is known of the peer without asking.
    type Peer: fmt::Debug;

    /// Whether a read or write of fewer bytes than there were asked for says that the next one would block.
    #[doc(hidden)]
    const SHORT_MEANS_BLOCKED: bool = true;

    #[doc(hidden)]
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    #[doc(hidden)]
    fn write(&self, data: &[u8]) -> io::Result<usize>;

    #[doc(hidden)]
    fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Tells the peer that nothing more will come. `true`: only closing does that.
    #[doc(hidden)]
    fn end_writing(&self) -> io::Result<bool>;

    /// Where it is noted that only closing could end the writing, and has.
    #[doc(hidden)]
    fn ended(_: &Self::Peer) -> Option<&Cell<bool>> {
        None
    }

    /// Sees to it that closing tells the peer of an abort, where there is a way to.
    #[doc(hidden)]
    fn before_abort(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection, pipe or other descriptor as a [`Transport`]; see [`TcpTransport`](crate::TcpTransport) and its kin.
#[derive(Debug)]
pub struct SystemTransport<S: SystemStream> {
    /// Gone once the connection was closed.
    stream: RefCell<Option<AsyncFd<S>>>,
    pub(super) peer: S::Peer,
    deadlines: Option<Box<Deadlines>>,
}

impl<S: SystemStream> SystemTransport<S> {
    pub(crate) fn new(stream: AsyncFd<S>, peer: S::Peer) -> Self {
        SystemTransport::with_deadlines(stream, peer, None)
    }

    pub(crate) fn with_deadlines(stream: AsyncFd<S>, peer: S::Peer, deadlines: Option<Box<Deadlines>>) -> Self {
        SystemTransport { stream: RefCell::new(Some(stream)), peer, deadlines }
    }

    pub(super) fn with_stream<R>(&self, function: impl FnOnce(&S) -> io::Result<R>) -> io::Result<R> {
        match &*self.stream.borrow() {
            Some(stream) => function(stream.get_ref()),
            None => Err(self.gone()),
        }
    }

    fn has_ended(&self) -> bool {
        S::ended(&self.peer).is_some_and(Cell::get)
    }

    /// The error of every attempt after the end.
    #[cold]
    fn gone(&self) -> io::Error {
        if self.has_ended() {
            io::Error::new(io::ErrorKind::BrokenPipe, "the stream was closed by `write_eof`")
        } else {
            closed_error()
        }
    }

    /// Moves bytes in one direction. `is_short` says of their number whether more were asked for.
    #[inline(always)]
    pub(super) fn attempt(
        &self,
        direction: Direction,
        is_short: impl FnOnce(usize) -> bool,
        operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Result<usize, TryError> {
        let stream = self.stream.borrow();
        let Some(stream) = &*stream else {
            return Err(TryError::Failed(self.gone()));
        };
        let interest = interest_of(direction);
        match stream.try_io(interest, operation) {
            Ok(count) => {
                if S::SHORT_MEANS_BLOCKED && count > 0 && is_short(count) {
                    stream.drained(interest);
                }
                self.moved(direction);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(TryError::Blocked(direction)),
            Err(error) => Err(TryError::Failed(error)),
        }
    }

    #[inline(always)]
    fn moved(&self, direction: Direction) {
        if let Some(deadlines) = &self.deadlines {
            deadlines.moved(direction);
        }
    }

    /// A wait, which a deadline may end. Out of line, because mostly there is none.
    #[inline]
    fn pending<R>(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<R>> {
        match &self.deadlines {
            None => Poll::Pending,
            Some(deadlines) => deadlines.poll_expired(cx, direction).map(Err),
        }
    }
}

#[inline]
fn interest_of(direction: Direction) -> Interest {
    match direction {
        Direction::Read => Interest::Read,
        Direction::Write => Interest::Write,
    }
}

impl<S: SystemStream> Transport for SystemTransport<S> {
    #[inline(always)]
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        let room = buffer.len();
        self.attempt(Direction::Read, |count| count < room, |stream| stream.read(buffer))
    }

    #[inline(always)]
    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        self.attempt(Direction::Write, |count| count < data.len(), |stream| stream.write(data))
    }

    #[inline]
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Result<usize, TryError> {
        let is_short = |mut count: usize| {
            // A sum of the lengths would do; this leaves off early.
            for slice in slices {
                if count < slice.len() {
                    return true;
                }
                count -= slice.len();
            }
            false
        };
        self.attempt(Direction::Write, is_short, |stream| stream.write_vectored(slices))
    }

    #[inline(always)]
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let stream = self.stream.borrow();
        let Some(stream) = &*stream else {
            return Poll::Ready(Err(self.gone()));
        };
        let done = stream.poll_io(cx, Interest::Read, |stream| stream.read(buffer));
        match done {
            Poll::Ready(Ok(count)) => {
                if S::SHORT_MEANS_BLOCKED && count > 0 && count < buffer.len() {
                    stream.drained(Interest::Read);
                }
                self.moved(Direction::Read);
            }
            Poll::Pending => {
                let pending = self.pending(cx, Direction::Read);
                trace::waiting(READING);
                return pending;
            }
            Poll::Ready(Err(_)) => {}
        }
        done
    }

    #[inline(always)]
    fn poll_unblocked(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        // The reactor knows.
        self.poll_ready(cx, direction)
    }

    #[inline(always)]
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        match &*self.stream.borrow() {
            Some(stream) => match stream.poll_ready(cx, interest_of(direction)) {
                Poll::Pending => self.pending(cx, direction),
                ready => ready,
            },
            None => Poll::Ready(Err(self.gone())),
        }
    }

    fn close_write(&self) -> Result<(), TryError> {
        match self.with_stream(S::end_writing) {
            // The peer has reset the connection: it will see no more bytes from here, as was asked.
            Err(error) if error.kind() == io::ErrorKind::NotConnected && self.stream.borrow().is_some() => Ok(()),
            Err(_) if self.has_ended() => Ok(()),
            Err(error) => Err(error.into()),
            Ok(false) => Ok(()),
            Ok(true) => {
                if let Some(ended) = S::ended(&self.peer) {
                    ended.set(true);
                }
                self.close();
                Ok(())
            }
        }
    }

    fn discard(&self, most: usize) {
        // Past the reactor, which may not have heard of the latest bytes.
        let _ = self.with_stream(|stream| {
            let (mut room, mut discarded) = ([0; 1024], 0);
            while discarded < most {
                match stream.read(&mut room)? {
                    0 => break,
                    count => discarded += count,
                }
            }
            Ok(())
        });
    }

    fn close(&self) {
        // Wakes both directions; dropped while the cell is not borrowed, because a waker may run anything.
        let stream = self.stream.borrow_mut().take();
        drop(stream);
    }

    fn abort(&self) {
        // If it fails, the connection has ended already, and closing it is all that is left.
        let _ = self.with_stream(S::before_abort);
        self.close();
    }
}
