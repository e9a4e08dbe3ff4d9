//! compio, on io_uring and on its polling driver.

use super::{Net, OneUse, Renewable, Runtime, Timers};
use compio::BufResult;
use compio::buf::{IntoInner, IoBuf};
use compio::driver::{DriverType, ProactorBuilder};
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::RuntimeBuilder;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::mem::take;
use std::time::Duration;

pub struct Compio<D>(PhantomData<D>);
pub struct IoUring;
pub struct Polling;

pub trait Driver: 'static {
    const NAME: &'static str;
    const DRIVER: DriverType;
}

impl Driver for IoUring {
    const NAME: &'static str = "compio io_uring";
    const DRIVER: DriverType = DriverType::IoUring;
}

impl Driver for Polling {
    const NAME: &'static str = "compio polling";
    const DRIVER: DriverType = DriverType::Poll;
}

fn build<D: Driver>() -> io::Result<compio::runtime::Runtime> {
    let mut proactor = ProactorBuilder::new();
    proactor.driver_type(D::DRIVER);
    RuntimeBuilder::new().with_proactor(proactor).build()
}

impl<D: Driver> Runtime for Compio<D> {
    const NAME: &'static str = D::NAME;

    fn unavailable() -> Option<String> {
        build::<D>().err().map(|error| error.to_string())
    }

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        build::<D>().expect("compio's runtime starts").block_on(future)
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        compio::runtime::spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        compio::runtime::spawn(future).detach();
    }
}

impl<D: Driver> Timers for Compio<D> {
    fn sleep(time: Duration) -> impl Renewable {
        OneUse { future: compio::time::sleep(time) }
    }
}

impl<D: Driver> Net for Compio<D> {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn listen(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }

    async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let filled = buffer.len();
        let BufResult(result, slice) = stream.read(take(buffer).slice(filled..)).await;
        *buffer = slice.into_inner();
        result
    }

    async fn write(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
        let BufResult(result, bytes) = stream.write_all(take(buffer)).await;
        *buffer = bytes;
        buffer.clear();
        result
    }

    async fn write_static(stream: &mut TcpStream, bytes: &'static [u8]) -> io::Result<()> {
        stream.write_all(bytes).await.0
    }
}
