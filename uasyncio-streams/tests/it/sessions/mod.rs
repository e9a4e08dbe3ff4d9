//! TLS sessions in memory, on virtual time.
#![allow(dead_code, unreachable_pub)]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use uasyncio_core::{EventLoop, VirtualTime, create_task};
use uasyncio_streams::tls::{TlsAcceptor, TlsConnector, TlsReader, TlsWriter, rustls};
use uasyncio_streams::{Transport, split};

use super::certificates::both;

pub fn run<F: Future<Output = ()>>(test: F) {
    EventLoop::with_platform(VirtualTime::new()).run_until_complete(test).unwrap();
}

pub type Halves<T> = (TlsReader<T>, TlsWriter<T>);

pub async fn try_sessions<T: Transport + 'static>(
    (connector, acceptor): (TlsConnector, TlsAcceptor),
    near: T,
    far: T,
) -> (io::Result<Halves<T>>, io::Result<Halves<T>>) {
    let (reader, writer) = split(far);
    let accepting = create_task(async move { acceptor.accept(reader, writer).await });
    let (reader, writer) = split(near);
    (connector.connect("localhost", reader, writer).await, accepting.await.unwrap())
}

pub async fn sessions<T: Transport + 'static>(near: T, far: T) -> (Halves<T>, Halves<T>) {
    let (near, far) = try_sessions(both(), near, far).await;
    (near.unwrap(), far.unwrap())
}

/// Polls once, and says whether that was not enough.
pub async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// The error of rustls in an error of a stream.
pub fn tls_error(error: io::Error) -> rustls::Error {
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    *error.into_inner().unwrap().downcast().unwrap()
}
