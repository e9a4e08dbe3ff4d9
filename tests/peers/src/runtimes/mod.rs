//! The seam: what a row needs from a runtime, so that every row is written once.

mod compio;
mod compio_executor;
mod local_pool;
mod monoio;
mod smol;
mod tokio;
mod uasyncio;

pub use self::compio::{Compio, IoUring, Polling};
pub use self::compio_executor::CompioExecutor;
pub use self::local_pool::LocalPool;
pub use self::monoio::{Legacy, Monoio, Uring};
pub use self::smol::Smol;
pub use self::tokio::{TokioCurrentThread, TokioLocalSet};
pub use self::uasyncio::{UasyncioCore, UasyncioIo};
pub use crate::floor::Floor;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Tasks on one thread.
pub trait Runtime: 'static {
    const NAME: &'static str;

    /// Why this runtime cannot run on this machine.
    fn unavailable() -> Option<String> {
        None
    }

    /// Runs the future in a fresh runtime.
    fn block_on<F: Future + 'static>(future: F) -> F::Output;

    /// Starts a task that is going to be awaited; what the handle gives is not looked at.
    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static;

    /// Starts a task whose handle nobody wants, by the means that costs least.
    fn detach<F: Future<Output = ()> + 'static>(future: F);
}

/// A sleep that may have a way of its own to begin again.
pub trait Renewable: Future<Output = ()> {
    /// Begins again with `time`; false where a new sleep must take its place.
    fn renew(self: Pin<&mut Self>, time: Duration) -> bool {
        let _ = time;
        false
    }
}

pub trait Timers: Runtime {
    fn sleep(time: Duration) -> impl Renewable + 'static;
}

/// Sockets. A read appends to the buffer within its capacity and gives the number of bytes, 0 at the end.
pub trait Net: Runtime {
    type Listener: 'static;
    type Stream: 'static;

    fn listen(listener: TcpListener) -> io::Result<Self::Listener>;
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;
    fn read(stream: &mut Self::Stream, buffer: &mut Vec<u8>) -> impl Future<Output = io::Result<usize>>;
    /// Writes what the buffer holds and empties it.
    fn write(stream: &mut Self::Stream, buffer: &mut Vec<u8>) -> impl Future<Output = io::Result<()>>;
    fn write_static(stream: &mut Self::Stream, bytes: &'static [u8]) -> impl Future<Output = io::Result<()>>;
}

pin_project_lite::pin_project! {
    /// A future that cannot be renewed.
    pub struct OneUse<F> { #[pin] pub future: F }
}

impl<F: Future> Future for OneUse<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx).map(drop)
    }
}

impl<F: Future> Renewable for OneUse<F> {}

/// Our names in the tables, the core alone first.
pub const OURS: [&str; 2] = ["uasyncio-core", "uasyncio-io"];
