//! Our streams with tokio's traits, and tokio's objects under our streams.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use uasyncio_compat::tokio_io::{AsTokio, FromTokio};
use uasyncio_core::{create_task, run, yield_now};
use uasyncio_streams::{Transport, duplex, split};
use uasyncio_sync::wait_for_ms;

#[test]
fn ours_reads_in_parts_and_to_the_end() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsTokio::new(split(near));
        let (_, mut far) = split(far);
        far.awritestr("hello").await.unwrap();
        let mut buffer = [0; 3];
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(&buffer, b"hel");
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 2);
        assert_eq!(&buffer[..2], b"lo");
        drop(far);
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn ours_appends_to_a_buffer_that_is_filled_in_part() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsTokio::new(split(near).0);
        split(far).1.awritestr("world").await.unwrap();
        let mut room = [0; 8];
        let mut buffer = ReadBuf::new(&mut room);
        buffer.put_slice(b"hello ");
        poll_fn(|cx| Pin::new(&mut ours).poll_read(cx, &mut buffer)).await.unwrap();
        assert_eq!(buffer.filled(), b"hello wo");
        // A full buffer takes nothing, and that is no end.
        poll_fn(|cx| Pin::new(&mut ours).poll_read(cx, &mut buffer)).await.unwrap();
        assert_eq!(buffer.filled(), b"hello wo");
        let mut rest = String::new();
        ours.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "rld");
    });
}

#[test]
fn what_our_reader_has_read_ahead_comes_first() {
    run(async {
        let (near, far) = duplex(64);
        let (mut reader, _writer) = split(near);
        split(far).1.awritestr("head\nbody\nrest").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"head\n");
        let mut lines = AsTokio::new(reader).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("body"));
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("rest"));
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn ours_says_how_much_of_a_write_was_accepted() {
    run(async {
        let (near, far) = duplex(8);
        let mut ours = AsTokio::new(split(near).1);
        let (mut far, _far_writer) = split(far);
        assert_eq!(ours.write(b"hello world").await.unwrap(), 8);
        assert!(wait_for_ms(ours.write(b"rld"), 2).await.is_err(), "the pipe is full");
        assert_eq!(far.readexactly(8).await.unwrap(), b"hello wo");
        assert_eq!(ours.write(b"rld").await.unwrap(), 3);
        assert_eq!(ours.get_ref().written(), 11);
        assert_eq!(ours.write(b"").await.unwrap(), 0);
    });
}

#[test]
fn ours_writes_several_slices() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsTokio::new(split(near).1);
        assert!(ours.is_write_vectored());
        let slices = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!(ours.write_vectored(&slices).await.unwrap(), 7);
        ours.flush().await.unwrap();
        assert_eq!(split(far).0.readexactly(7).await.unwrap(), b"one two");
    });
}

#[test]
fn ours_flushes_what_write_has_buffered() {
    run(async {
        let (near, far) = duplex(2);
        let (_, mut writer) = split(near);
        writer.write(b"abcd").unwrap();
        let mut ours = AsTokio::new(writer);
        let reader = create_task(async move { split(far).0.readexactly(4).await.map(<[u8]>::to_vec) });
        ours.flush().await.unwrap();
        assert!(ours.get_ref().unwritten().is_empty());
        assert_eq!(reader.await.unwrap().unwrap(), b"abcd");
    });
}

#[test]
fn a_shutdown_of_ours_ends_one_direction() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsTokio::new(split(near));
        let (mut reader, mut writer) = split(far);
        ours.shutdown().await.unwrap();
        ours.shutdown().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"");
        writer.awritestr("still").await.unwrap();
        let mut buffer = [0; 5];
        ours.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"still");
        assert_eq!(ours.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_read_of_ours_that_is_dropped_loses_nothing() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsTokio::new(split(near));
        let (_, mut far) = split(far);
        let mut buffer = [0; 8];
        assert!(wait_for_ms(ours.read(&mut buffer), 1).await.is_err());
        far.awritestr("late").await.unwrap();
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer[..4], b"late");
    });
}

#[test]
fn tokios_copy_runs_over_two_of_ours() {
    run(async {
        let (client, proxy_front) = duplex(16);
        let (proxy_back, server) = duplex(5);
        let proxy = create_task(async move {
            let (mut front, mut back) = (AsTokio::new(split(proxy_front)), AsTokio::new(split(proxy_back)));
            tokio::io::copy_bidirectional(&mut front, &mut back).await
        });
        let server = create_task(async move {
            let (mut reader, mut writer) = split(server);
            let question = reader.read_to_end(1_000).await?.to_vec();
            writer.awrite(&question).await?;
            writer.write_eof().await
        });
        let (mut reader, mut writer) = split(client);
        let question = "twelve bytes".repeat(40);
        let asked = create_task({
            let question = question.clone();
            async move {
                writer.awritestr(&question).await?;
                writer.write_eof().await
            }
        });
        assert_eq!(reader.read_to_end(1_000).await.unwrap(), question.as_bytes());
        asked.await.unwrap().unwrap();
        server.await.unwrap().unwrap();
        assert_eq!(proxy.await.unwrap().unwrap(), (480, 480));
    });
}

#[test]
fn our_streams_run_over_a_pipe_of_tokios() {
    run(async {
        let (near, far) = tokio::io::duplex(4);
        let (mut reader, mut writer) = split(FromTokio::new(near));
        let (mut far_reader, mut far_writer) = split(FromTokio::new(far));
        let echo = create_task(async move {
            loop {
                let line = far_reader.readline().await?;
                if line.is_empty() {
                    far_writer.awritestr("end\n").await?;
                    return far_writer.aclose().await;
                }
                far_writer.awrite(line).await?;
            }
        });
        for number in 0..20 {
            let line = format!("line number {number}\n");
            // Longer than the pipe: both have to go on at a time.
            let (sent, back) = uasyncio_sync::gather((writer.awritestr(&line), reader.readline())).await;
            sent.unwrap();
            assert_eq!(back.unwrap(), line.as_bytes());
        }
        writer.awritev(&[IoSlice::new(b"two "), IoSlice::new(b"p\n")]).await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"two p\n");
        writer.write_eof().await.unwrap();
        writer.write_eof().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"end\n");
        assert_eq!(reader.readline().await.unwrap(), b"");
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn closing_ours_shuts_theirs_down_and_drops_it() {
    run(async {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut reader, mut writer) = split(FromTokio::new(near));
        writer.awritestr("bye").await.unwrap();
        let waiting = create_task(async move { reader.readline().await.map(<[u8]>::to_vec) });
        yield_now().await;
        writer.aclose().await.unwrap();
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "bye");
        assert_eq!(far.write(b"anyone?").await.unwrap_err().kind(), ErrorKind::BrokenPipe, "it was dropped");
        let error = io::Error::from(waiting.await.unwrap().unwrap_err());
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        writer.aclose().await.unwrap();
        assert_eq!(writer.awrite(b"more").await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn errors_of_theirs_are_given_to_the_caller() {
    run(async {
        let (near, far) = tokio::io::duplex(64);
        drop(far);
        let (mut reader, mut writer) = split(FromTokio::new(near));
        assert_eq!(writer.awritestr("hello").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

#[test]
fn what_theirs_holds_back_is_flushed_with_each_write() {
    run(async {
        let (near, far) = tokio::io::duplex(64);
        let (_, mut writer) = split(FromTokio::new(BufWriter::new(near)));
        writer.awritestr("held\n").await.unwrap();
        assert_eq!(split(FromTokio::new(far)).0.readline().await.unwrap(), b"held\n");
    });
}

#[test]
fn a_read_over_theirs_that_is_dropped_loses_nothing() {
    run(async {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut reader, _writer) = split(FromTokio::new(near));
        far.write_all(b"half").await.unwrap();
        assert!(wait_for_ms(reader.readline(), 1).await.is_err());
        far.write_all(b" a line\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"half a line\n");
    });
}

#[test]
fn the_object_comes_back() {
    run(async {
        let (near, mut far) = tokio::io::duplex(64);
        let (reader, writer) = split(FromTokio::new(near));
        let parts = uasyncio_streams::unsplit(reader, writer).unwrap();
        let mut near = parts.transport.into_inner().unwrap();
        near.write_all(b"x").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'x');

        let closed = FromTokio::new(near);
        closed.close();
        assert!(closed.into_inner().is_none());
    });
}

#[test]
fn wakes_from_another_thread_arrive() {
    let (near, far) = tokio::io::duplex(3);
    let thread = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async move {
            let (mut reader, mut writer) = tokio::io::split(far);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap()
        })
    });
    run(async {
        let (mut reader, mut writer) = split(FromTokio::new(near));
        let rounds = if cfg!(miri) { 5 } else { 500 };
        for number in 0..rounds {
            let line = format!("{number:07}\n");
            let (sent, back) = uasyncio_sync::gather((writer.awritestr(&line), reader.readline())).await;
            sent.unwrap();
            assert_eq!(back.unwrap(), line.as_bytes());
        }
        writer.aclose().await.unwrap();
    });
    assert!(thread.join().unwrap() >= 40);
}

/// An object whose first read waits, and whose waker is woken before that read has returned.
struct Hasty {
    asked: bool,
    calls: Rc<RefCell<Vec<&'static str>>>,
}

impl AsyncRead for Hasty {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.calls.borrow_mut().push("read");
        if !std::mem::replace(&mut self.asked, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        buffer.put_slice(b"\n");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Hasty {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.calls.borrow_mut().push("write");
        Poll::Ready(Ok(data.len().min(2)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.borrow_mut().push("flush");
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.borrow_mut().push("shutdown");
        Poll::Ready(Ok(()))
    }
}

#[test]
fn each_call_reaches_the_object_once() {
    run(async {
        let calls = Rc::new(RefCell::new(Vec::new()));
        let (mut reader, mut writer) = split(FromTokio::new(Hasty { asked: false, calls: calls.clone() }));
        assert_eq!(reader.readline().await.unwrap(), b"\n");
        assert_eq!(calls.take(), ["read", "read"]);
        writer.awrite(b"abc").await.unwrap();
        assert_eq!(calls.take(), ["write", "write", "flush"]);
        writer.aclose().await.unwrap();
        writer.aclose().await.unwrap();
        let calls = calls.take();
        assert_eq!(calls.iter().filter(|call| **call == "shutdown").count(), 1, "{calls:?}");
    });
}

/// A waker that comes back into the transport while the object is in use.
#[test]
fn an_operation_inside_another_one_waits_for_its_end() {
    struct Reentrant(Rc<dyn Fn()>);
    impl AsyncRead for Reentrant {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            (self.0)();
            buffer.put_slice(b"x");
            Poll::Ready(Ok(()))
        }
    }
    impl AsyncWrite for Reentrant {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(data.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    run(async {
        let write: Rc<RefCell<Box<dyn Fn()>>> = Rc::new(RefCell::new(Box::new(|| {})));
        let call = write.clone();
        let (mut reader, writer) = split(FromTokio::new(Reentrant(Rc::new(move || call.borrow()()))));
        let writer = Rc::new(RefCell::new(writer));
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (inside, noted) = (writer.clone(), seen.clone());
        *write.borrow_mut() = Box::new(move || {
            let mut writer = inside.borrow_mut();
            let done = pin!(writer.awrite(b"hello")).poll(&mut Context::from_waker(std::task::Waker::noop()));
            noted.borrow_mut().push(done.is_pending());
        });
        let mut buffer = [0; 4];
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(seen.take(), [true]);
        // Later it is let through.
        *write.borrow_mut() = Box::new(|| {});
        let mut writer = Rc::into_inner(writer).expect("the closure had the other one").into_inner();
        wait_for_ms(writer.awrite(b"hello"), 1_000).await.expect("woken").unwrap();
    });
}
