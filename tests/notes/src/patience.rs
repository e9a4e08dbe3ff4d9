//! A connection that fails when its peer takes nothing for too long: without that, whoever asks and does not read holds a place for ever.
//!
//! Only writes are watched. What a client sends has deadlines that know HTTP: an open page sends nothing for hours, and rightly so.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use uasyncio_compat::hyper::HyperIo;
use uasyncio_core::{Sleep, sleep};

pub(crate) struct Patience<S> {
    connection: HyperIo<S>,
    limit: Duration,
    /// The wait that goes on.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Patience<S> {
        Patience { connection: HyperIo::new(stream), limit, stuck: None }
    }

    /// What has come of a write, or an error if such a wait has been going on for too long.
    fn limited<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stuck = None;
            return result;
        }
        let limit = self.limit;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S> Read for Patience<S>
where
    HyperIo<S>: Read + Unpin,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_read(cx, buffer)
    }
}

impl<S> Write for Patience<S>
where
    HyperIo<S>: Write + Unpin,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.connection).poll_write(cx, data);
        this.limited(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.connection).poll_write_vectored(cx, slices);
        this.limited(cx, result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.connection).poll_flush(cx);
        this.limited(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.connection).poll_shutdown(cx);
        this.limited(cx, result)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io;
    use std::pin::Pin;
    use std::time::Duration;

    use hyper::rt::Write;
    use uasyncio_core::{EventLoop, VirtualTime, create_task, sleep_ms, time};
    use uasyncio_streams::{duplex, split};

    use super::Patience;

    #[test]
    fn a_peer_that_takes_nothing_is_given_up_and_one_that_is_slow_is_not() {
        let test = async {
            let (near, far) = duplex(4);
            let (mut reader, _writer) = split(far);
            let mut connection = Patience::new(split(near), Duration::from_millis(1_000));
            let mut write = async || poll_fn(|cx| Pin::new(&mut connection).poll_write(cx, b"four")).await;
            assert_eq!(write().await.unwrap(), 4);
            let slow = create_task(async move {
                for _ in 0..3 {
                    sleep_ms(900).await;
                    assert_eq!(reader.readexactly(4).await.unwrap(), b"four");
                }
                reader
            });
            for _ in 0..3 {
                assert_eq!(write().await.unwrap(), 4);
            }
            let _reader = slow.await.unwrap();
            let begin = time();
            assert_eq!(write().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(time().diff(begin), 1_000);
        };
        EventLoop::with_platform(VirtualTime::new()).run_until_complete(test).unwrap();
    }
}
