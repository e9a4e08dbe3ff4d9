//! monoio, on io_uring and on its legacy driver (epoll by way of mio).

use super::{Net, Renewable, Runtime, Timers};
use monoio::buf::SliceMut;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::mem::take;
use std::pin::Pin;
use std::time::Duration;

pub struct Monoio<D>(PhantomData<D>);
pub struct Legacy;
pub struct Uring;

pub trait Driver: 'static {
    const NAME: &'static str;
    fn check() -> io::Result<()>;
    fn block_on<F: Future>(future: F) -> F::Output;
}

impl Driver for Legacy {
    const NAME: &'static str = "monoio legacy";

    fn check() -> io::Result<()> {
        RuntimeBuilder::<LegacyDriver>::new().enable_timer().build().map(drop)
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build();
        runtime.expect("monoio's runtime starts").block_on(future)
    }
}

impl Driver for Uring {
    const NAME: &'static str = "monoio io_uring";

    fn check() -> io::Result<()> {
        RuntimeBuilder::<IoUringDriver>::new().enable_timer().build().map(drop)
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = RuntimeBuilder::<IoUringDriver>::new().enable_timer().build();
        runtime.expect("monoio's runtime starts").block_on(future)
    }
}

impl<D: Driver> Runtime for Monoio<D> {
    const NAME: &'static str = D::NAME;

    fn unavailable() -> Option<String> {
        D::check().err().map(|error| error.to_string())
    }

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        D::block_on(future)
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        monoio::spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        drop(monoio::spawn(future));
    }
}

impl Renewable for monoio::time::Sleep {
    fn renew(self: Pin<&mut Self>, time: Duration) -> bool {
        self.reset(monoio::time::Instant::now() + time);
        true
    }
}

impl<D: Driver> Timers for Monoio<D> {
    fn sleep(time: Duration) -> impl Renewable {
        monoio::time::sleep(time)
    }
}

impl<D: Driver> Net for Monoio<D> {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn listen(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let (filled, capacity) = (buffer.len(), buffer.capacity());
        let (result, slice) = stream.read(SliceMut::new(take(buffer), filled, capacity)).await;
        *buffer = slice.into_inner();
        result
    }

    async fn write(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (result, bytes) = stream.write_all(take(buffer)).await;
        *buffer = bytes;
        buffer.clear();
        result.map(drop)
    }

    async fn write_static(stream: &mut TcpStream, bytes: &'static [u8]) -> io::Result<()> {
        stream.write_all(bytes).await.0.map(drop)
    }
}
