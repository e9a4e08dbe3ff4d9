//! What the tests share: an executor of their own, a transport that follows a script, and random numbers.
#![allow(dead_code, unreachable_pub)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::net::{SocketAddr, TcpStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use uasyncio_streams::{Direction, Transport, TryError, io};

/// Counts its wakes.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn new() -> (Arc<Wakes>, Waker) {
        let wakes = Arc::new(Wakes::default());
        (wakes.clone(), Waker::from(wakes))
    }

    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An address that refuses connections as long as its socket is kept: nobody else can listen there.
#[cfg(feature = "net")]
pub fn refusing() -> (SocketAddr, impl Sized) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}

/// Nobody listens there any more, but for a child process that another test is starting: until it runs its program, it holds whatever was
/// open.
pub fn assert_refuses(address: SocketAddr) {
    let error = std::iter::repeat_with(|| TcpStream::connect(address)).take(10_000).find_map(Result::err);
    assert_eq!(error.map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionRefused));
}

/// Polls until completion. A future that waits without having been woken would wait for ever: that is a failure.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let (wakes, waker) = Wakes::new();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(wakes.take() > 0, "the future waits, and nothing woke it");
    }
}

/// One poll with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A small generator of random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// What a [`Script`] answers to one attempt.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reading: these bytes, in several attempts if the buffer is small. Writing: accepts this many bytes.
    Bytes(Vec<u8>),
    /// Would block until ready in this direction; ready as soon as it is waited for.
    Block(Direction),
    /// Fails.
    Fail(io::ErrorKind),
}

/// A transport that follows a script. After the script, reading gives the end of the stream, and writing accepts everything.
#[derive(Debug, Default)]
pub struct Script {
    pub reads: RefCell<VecDeque<Step>>,
    pub writes: RefCell<VecDeque<Step>>,
    /// Everything that was accepted.
    pub written: RefCell<Vec<u8>>,
    /// Attempts, of either kind.
    pub attempts: Cell<usize>,
    /// The directions that were waited for.
    pub waits: RefCell<Vec<Direction>>,
}

impl Script {
    pub fn reading(steps: impl IntoIterator<Item = Step>) -> Self {
        Script { reads: RefCell::new(steps.into_iter().collect()), ..Script::default() }
    }

    pub fn writing(steps: impl IntoIterator<Item = Step>) -> Self {
        Script { writes: RefCell::new(steps.into_iter().collect()), ..Script::default() }
    }
}

pub fn bytes(bytes: impl AsRef<[u8]>) -> Step {
    Step::Bytes(bytes.as_ref().to_vec())
}

pub fn accept(count: usize) -> Step {
    Step::Bytes(vec![0; count])
}

pub const BLOCK_READ: Step = Step::Block(Direction::Read);
pub const BLOCK_WRITE: Step = Step::Block(Direction::Write);

impl Transport for Script {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        self.attempts.set(self.attempts.get() + 1);
        assert!(!buffer.is_empty(), "a read into no room looks like the end of the stream");
        let mut reads = self.reads.borrow_mut();
        match reads.pop_front() {
            None => Ok(0),
            Some(Step::Bytes(mut bytes)) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                if count < bytes.len() {
                    reads.push_front(Step::Bytes(bytes.split_off(count)));
                }
                Ok(count)
            }
            Some(Step::Block(direction)) => Err(TryError::Blocked(direction)),
            Some(Step::Fail(kind)) => Err(TryError::Failed(kind.into())),
        }
    }

    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        self.attempts.set(self.attempts.get() + 1);
        assert!(!data.is_empty(), "an empty write is no business of the transport");
        let count = match self.writes.borrow_mut().pop_front() {
            None => data.len(),
            Some(Step::Bytes(bytes)) => bytes.len().min(data.len()),
            Some(Step::Block(direction)) => return Err(TryError::Blocked(direction)),
            Some(Step::Fail(kind)) => return Err(TryError::Failed(kind.into())),
        };
        self.written.borrow_mut().extend(&data[..count]);
        Ok(count)
    }

    fn try_write_vectored(&self, slices: &[io::IoSlice<'_>]) -> Result<usize, TryError> {
        self.try_write(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>())
    }

    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        self.waits.borrow_mut().push(direction);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn close_write(&self) -> Result<(), TryError> {
        Ok(())
    }

    fn close(&self) {}
}
