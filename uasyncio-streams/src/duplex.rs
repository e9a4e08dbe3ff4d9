//! A two-way pipe in memory.
//!
//! Needs no reactor, no loop and no system call, so it carries simulated networks under virtual time, and tests.
//! Each direction is a queue of bounded size: writing waits while it is full, reading while it is empty.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::transport::{Direction, Transport, TryError, closed_error};

/// Makes a pipe of two ends: what is written to one is read from the other, and the reverse. `capacity` is the number of bytes
/// in flight in each direction before writing waits.
///
/// ```
/// use uasyncio_streams::{duplex, split};
///
/// uasyncio_core::run(async {
///     let (client, server) = duplex(1024);
///     let (mut reader, mut writer) = split(client);
///     uasyncio_core::create_task(async move {
///         let (mut reader, mut writer) = split(server);
///         let question = reader.readline().await?.to_vec();
///         writer.awriteiter([b"you said: ", &question[..]]).await
///     });
///     writer.awritestr("hello\n").await?;
///     assert_eq!(reader.readline().await?, b"you said: hello\n");
///     Ok::<_, std::io::Error>(())
/// })
/// .unwrap();
/// ```
///
/// # Panics
/// When `capacity` is 0.
pub fn duplex(capacity: usize) -> (Duplex, Duplex) {
    assert!(capacity > 0, "a pipe with a capacity of 0 bytes could carry nothing");
    let one = Rc::new(RefCell::new(Pipe::new(capacity)));
    let two = Rc::new(RefCell::new(Pipe::new(capacity)));
    (Duplex { incoming: one.clone(), outgoing: two.clone() }, Duplex { incoming: two, outgoing: one })
}

/// One end of a pipe made by [`duplex`]: a [`Transport`].
///
/// When it is closed or dropped, the other end still reads what was written, then the end of the stream, and its
/// writes fail with [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Debug)]
pub struct Duplex {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The writing end will write no more.
    ended: bool,
    /// The reading end was closed.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Pipe { bytes: VecDeque::new(), capacity, ended: false, broken: false, reader: None, writer: None }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TryError> {
        if self.broken {
            return Err(closed_error().into());
        }
        if self.bytes.is_empty() && !self.ended && !buffer.is_empty() {
            return Err(TryError::Blocked(Direction::Read));
        }
        // Reading from a queue into a slice does not fail.
        Ok(io::Read::read(&mut self.bytes, buffer)?)
    }

    fn write(&mut self, data: &[u8]) -> Result<usize, TryError> {
        if self.broken || self.ended {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        let count = data.len().min(self.capacity - self.bytes.len());
        if count == 0 && !data.is_empty() {
            return Err(TryError::Blocked(Direction::Write));
        }
        self.bytes.extend(&data[..count]);
        Ok(count)
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

impl Transport for Duplex {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        let count = self.incoming.borrow_mut().read(buffer)?;
        let waker = self.incoming.borrow_mut().writer.take();
        wake(waker);
        Ok(count)
    }

    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        if self.incoming.borrow().broken {
            return Err(closed_error().into());
        }
        let count = self.outgoing.borrow_mut().write(data)?;
        let waker = self.outgoing.borrow_mut().reader.take();
        wake(waker);
        Ok(count)
    }

    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let mut pipe;
        let (ready, slot) = match direction {
            Direction::Read => {
                pipe = self.incoming.borrow_mut();
                (!pipe.bytes.is_empty() || pipe.ended || pipe.broken, &mut pipe.reader)
            }
            Direction::Write => {
                pipe = self.outgoing.borrow_mut();
                (pipe.bytes.len() < pipe.capacity || pipe.ended || pipe.broken, &mut pipe.writer)
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

    fn close_write(&self) -> Result<(), TryError> {
        if self.incoming.borrow().broken {
            return Err(closed_error().into());
        }
        self.outgoing.borrow_mut().ended = true;
        let wakers = self.outgoing.borrow_mut().take_wakers();
        wakers.into_iter().for_each(wake);
        Ok(())
    }

    fn close(&self) {
        {
            let mut incoming = self.incoming.borrow_mut();
            incoming.broken = true;
            incoming.bytes = VecDeque::new();
            self.outgoing.borrow_mut().ended = true;
        }
        let incoming = self.incoming.borrow_mut().take_wakers();
        let outgoing = self.outgoing.borrow_mut().take_wakers();
        incoming.into_iter().chain(outgoing).for_each(wake);
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        self.close();
    }
}
