//! What is the same in all pipes in memory: two queues of bytes, and who waits for them.

use core::cell::RefCell;
use core::ops::Deref;
use core::task::{Context, Poll, Waker};

use crate::io;
use crate::transport::{Direction, TryError, closed_error};

/// A queue of bytes of bounded size.
pub(crate) trait Bytes {
    fn is_empty(&self) -> bool;

    /// How many more bytes there is room for.
    fn room(&self) -> usize;

    /// Moves as many bytes as there are and as fit.
    fn read(&mut self, buffer: &mut [u8]) -> usize;

    /// Appends `data`, for which there is room.
    fn write(&mut self, data: &[u8]);

    /// Throws everything away.
    fn clear(&mut self);
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe<B> {
    bytes: B,
    /// The writing end will write no more.
    ended: bool,
    /// The reading end was closed.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<B> Pipe<B> {
    pub(crate) const fn new(bytes: B) -> Self {
        Pipe { bytes, ended: false, broken: false, reader: None, writer: None }
    }
}

impl<B: Bytes> Pipe<B> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TryError> {
        if self.broken {
            return Err(closed_error().into());
        }
        if self.bytes.is_empty() && !self.ended && !buffer.is_empty() {
            return Err(TryError::Blocked(Direction::Read));
        }
        Ok(self.bytes.read(buffer))
    }

    fn write(&mut self, data: &[u8]) -> Result<usize, TryError> {
        if self.broken || self.ended {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        let (now, _) = data.split_at_checked(self.bytes.room()).unwrap_or((data, &[]));
        if now.is_empty() && !data.is_empty() {
            return Err(TryError::Blocked(Direction::Write));
        }
        self.bytes.write(now);
        Ok(now.len())
    }

    /// The state changed: both sides have something to look at.
    fn take_wakers(&mut self) -> [Option<Waker>; 2] {
        [self.reader.take(), self.writer.take()]
    }
}

/// Wakes after the borrow of the pipe has ended: a waker may run anything.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// One end of two pipes: [`Transport`](crate::Transport), but for the names of those who own the pipes.
#[derive(Debug)]
pub(crate) struct End<P> {
    pub(crate) incoming: P,
    pub(crate) outgoing: P,
}

impl<P: Deref<Target = RefCell<Pipe<B>>>, B: Bytes> End<P> {
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        let count = self.incoming.borrow_mut().read(buffer)?;
        let waker = self.incoming.borrow_mut().writer.take();
        wake(waker);
        Ok(count)
    }

    pub(crate) fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        if self.incoming.borrow().broken {
            return Err(closed_error().into());
        }
        let count = self.outgoing.borrow_mut().write(data)?;
        let waker = self.outgoing.borrow_mut().reader.take();
        wake(waker);
        Ok(count)
    }

    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let mut pipe;
        let (ready, slot) = match direction {
            Direction::Read => {
                pipe = self.incoming.borrow_mut();
                (!pipe.bytes.is_empty() || pipe.ended || pipe.broken, &mut pipe.reader)
            }
            Direction::Write => {
                pipe = self.outgoing.borrow_mut();
                (pipe.bytes.room() > 0 || pipe.ended || pipe.broken, &mut pipe.writer)
            }
        };
        if ready {
            return Poll::Ready(Ok(()));
        }
        let old = match slot {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            slot => slot.replace(cx.waker().clone()),
        };
        drop(pipe);
        // Dropping a waker may run anything too.
        drop(old);
        Poll::Pending
    }

    pub(crate) fn close_write(&self) -> Result<(), TryError> {
        if self.incoming.borrow().broken {
            return Err(closed_error().into());
        }
        self.outgoing.borrow_mut().ended = true;
        let wakers = self.outgoing.borrow_mut().take_wakers();
        wakers.into_iter().for_each(wake);
        Ok(())
    }

    pub(crate) fn close(&self) {
        {
            let mut incoming = self.incoming.borrow_mut();
            incoming.broken = true;
            incoming.bytes.clear();
            self.outgoing.borrow_mut().ended = true;
        }
        let incoming = self.incoming.borrow_mut().take_wakers();
        let outgoing = self.outgoing.borrow_mut().take_wakers();
        incoming.into_iter().chain(outgoing).for_each(wake);
    }
}

/// Makes a type with one field, an [`End`], a transport that closes when it is dropped.
macro_rules! transport_of_end {
    ([$($generics:tt)*] $name:ty) => {
        impl $($generics)* $crate::Transport for $name {
            fn try_read(&self, buffer: &mut [u8]) -> Result<usize, $crate::TryError> {
                self.0.try_read(buffer)
            }

            fn try_write(&self, data: &[u8]) -> Result<usize, $crate::TryError> {
                self.0.try_write(data)
            }

            fn poll_ready(
                &self,
                cx: &mut core::task::Context<'_>,
                direction: $crate::Direction,
            ) -> core::task::Poll<$crate::io::Result<()>> {
                self.0.poll_ready(cx, direction)
            }

            fn close_write(&self) -> Result<(), $crate::TryError> {
                self.0.close_write()
            }

            fn close(&self) {
                self.0.close();
            }
        }

        impl $($generics)* Drop for $name {
            fn drop(&mut self) {
                self.0.close();
            }
        }
    };
}

pub(crate) use transport_of_end;
