//! What the tests share: a loop with a watchdog, pairs of connected sockets, wakers that count.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use uasyncio_core::{sleep_ms, yield_now};
use uasyncio_io::{AsyncFd, Interest, Reactor, Stats};

/// Which poller these tests run on.
pub(crate) const EPOLL: bool =
    cfg!(all(target_os = "linux", not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))));
pub(crate) const ONE_SHOT: bool = cfg!(uasyncio_poller = "oneshot");

/// Runs a test on a loop of its own. A test that hangs fails after a while.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    uasyncio_io::run(watched(future))
}

/// A future that panics if it takes half a minute.
pub(crate) async fn watched<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut watchdog = pin!(sleep_ms(30_000));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        assert!(watchdog.as_mut().poll(cx).is_pending(), "the test hangs");
        Poll::Pending
    })
    .await
}

pub(crate) fn stats() -> Stats {
    Reactor::current().unwrap().stats()
}

/// Lets the other tasks run until this many wakers are parked.
pub(crate) async fn until_parked(wakers: usize) {
    while stats().parked != wakers {
        yield_now().await;
    }
}

/// Lets the other tasks run until the condition holds.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// A connected pair; ours is non-blocking.
pub(crate) fn unix_pair() -> (AsyncFd<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (AsyncFd::new(ours).unwrap(), theirs)
}

/// A connected pair of TCP sockets; ours is non-blocking.
pub(crate) fn tcp_pair() -> (AsyncFd<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    ours.set_nodelay(true).unwrap();
    theirs.set_nodelay(true).unwrap();
    (AsyncFd::new(ours).unwrap(), theirs)
}

/// Reads what is there, as a stream would: with the short-read rule.
pub(crate) async fn read<T>(stream: &AsyncFd<T>, buffer: &mut [u8]) -> io::Result<usize>
where
    T: uasyncio_io::Pollable + 'static,
    for<'a> &'a T: Read,
{
    let length = stream.io(Interest::Read, |mut stream| stream.read(buffer)).await?;
    if length < buffer.len() {
        stream.drained(Interest::Read);
    }
    Ok(length)
}

/// Writes all of it, as a stream would: with the short-write rule.
pub(crate) async fn write_all<T>(stream: &AsyncFd<T>, mut bytes: &[u8]) -> io::Result<()>
where
    T: uasyncio_io::Pollable + 'static,
    for<'a> &'a T: Write,
{
    while !bytes.is_empty() {
        let length = stream.io(Interest::Write, |mut stream| stream.write(bytes)).await?;
        bytes = &bytes[length..];
        if !bytes.is_empty() {
            stream.drained(Interest::Write);
        }
    }
    Ok(())
}

/// Fills the stream until a write would block.
pub(crate) fn fill<T>(stream: &AsyncFd<T>)
where
    T: uasyncio_io::Pollable + 'static,
    for<'a> &'a T: Write,
{
    let block = [7; 16384];
    while stream.try_io(Interest::Write, |mut stream| stream.write(&block)).is_ok() {}
}

/// A foreign waker that counts.
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        (count.clone(), Waker::from(count))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A foreign waker that does something.
pub(crate) struct Act<F>(pub(crate) F);

impl<F: Fn() + Send + Sync + 'static> Wake for Act<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Polls a future once, with this waker.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(waker))
}
