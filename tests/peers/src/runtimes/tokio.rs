//! tokio's current-thread runtime with all drivers on, as its users have it: tasks by `spawn`, and by `spawn_local` in a `LocalSet`.

use super::{Net, Renewable, Runtime, Timers};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

pub struct TokioCurrentThread;
pub struct TokioLocalSet;

fn build() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("tokio's runtime starts")
}

pin_project_lite::pin_project! {
    /// A future that stays on one thread, for `tokio::spawn`, which wants `Send`.
    struct OnOneThread<F> { #[pin] future: F }
}

// SAFETY: a current-thread runtime polls and drops its tasks on the thread that is in `block_on`, and these benches call that
// from one thread for the whole life of the runtime.
unsafe impl<F> Send for OnOneThread<F> {}

impl<F: Future> Future for OnOneThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl Runtime for TokioCurrentThread {
    const NAME: &'static str = "tokio current_thread";

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        build().block_on(future)
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        tokio::spawn(OnOneThread { future })
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        tokio::spawn(OnOneThread { future });
    }
}

impl Runtime for TokioLocalSet {
    const NAME: &'static str = "tokio LocalSet";

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        tokio::task::LocalSet::new().block_on(&build(), future)
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        tokio::task::spawn_local(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        tokio::task::spawn_local(future);
    }
}

impl Renewable for tokio::time::Sleep {
    fn renew(self: Pin<&mut Self>, time: Duration) -> bool {
        self.reset(tokio::time::Instant::now() + time);
        true
    }
}

impl Timers for TokioCurrentThread {
    fn sleep(time: Duration) -> impl Renewable {
        tokio::time::sleep(time)
    }
}

impl Timers for TokioLocalSet {
    fn sleep(time: Duration) -> impl Renewable {
        tokio::time::sleep(time)
    }
}

impl Net for TokioCurrentThread {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn listen(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
        stream.read_buf(buffer).await
    }

    async fn write(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
        stream.write_all(buffer).await?;
        buffer.clear();
        Ok(())
    }

    async fn write_static(stream: &mut TcpStream, bytes: &'static [u8]) -> io::Result<()> {
        stream.write_all(bytes).await
    }
}
