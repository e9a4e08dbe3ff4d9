//! smol's parts: async-executor's `LocalExecutor` in async-io's `block_on`, with async-io's timers and sockets.

use super::{Net, Renewable, Runtime, Timers};
use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use rustix::buffer::spare_capacity;
use std::future::Future;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub struct Smol;

scoped_tls::scoped_thread_local!(static EXECUTOR: LocalExecutor<'static>);

impl Runtime for Smol {
    const NAME: &'static str = "smol";

    fn block_on<F: Future + 'static>(future: F) -> F::Output {
        let executor = LocalExecutor::new();
        EXECUTOR.set(&executor, || async_io::block_on(executor.run(future)))
    }

    fn spawn<F: Future<Output = ()> + 'static>(future: F) -> impl Future + 'static {
        EXECUTOR.with(|executor| executor.spawn(future))
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        EXECUTOR.with(|executor| executor.spawn(future)).detach();
    }
}

struct Sleep(Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Renewable for Sleep {
    fn renew(mut self: Pin<&mut Self>, time: Duration) -> bool {
        self.0.set_after(time);
        true
    }
}

impl Timers for Smol {
    fn sleep(time: Duration) -> impl Renewable {
        Sleep(Timer::after(time))
    }
}

impl Net for Smol {
    type Listener = Async<TcpListener>;
    type Stream = Async<TcpStream>;

    fn listen(listener: TcpListener) -> io::Result<Async<TcpListener>> {
        Async::new(listener)
    }

    async fn accept(listener: &Async<TcpListener>) -> io::Result<Async<TcpStream>> {
        Ok(listener.accept().await?.0)
    }

    async fn read(stream: &mut Async<TcpStream>, buffer: &mut Vec<u8>) -> io::Result<usize> {
        stream.read_with(|stream| Ok(rustix::io::read(stream, spare_capacity(buffer))?)).await
    }

    async fn write(stream: &mut Async<TcpStream>, buffer: &mut Vec<u8>) -> io::Result<()> {
        write_all(stream, buffer).await?;
        buffer.clear();
        Ok(())
    }

    async fn write_static(stream: &mut Async<TcpStream>, bytes: &'static [u8]) -> io::Result<()> {
        write_all(stream, bytes).await
    }
}

async fn write_all(stream: &Async<TcpStream>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = stream.write_with(|stream| Ok(rustix::io::write(stream, bytes)?)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}
