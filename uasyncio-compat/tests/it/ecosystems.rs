//! The adapters under the test tools of their ecosystems: `futures-test`, `tokio-test`, the codecs of `tokio-util`, and other people's
//! adapters between the same traits (`tokio-util`'s `compat`, `embedded-io-adapters`).
//!
//! There is no suite that checks an implementation of these traits as such; these tools make objects that are awkward in every way the
//! traits allow, and check what is done to them.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use embedded_io_async::{BufRead as _, Read as _, Write as _};
use futures_test::io::{AsyncReadTestExt, AsyncWriteTestExt};
use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, SinkExt, StreamExt, TryStreamExt};
use hyper::body::Bytes;
use tokio_test::io::Builder;
use tokio_util::codec::{Framed, FramedRead, LengthDelimitedCodec, LinesCodec, LinesCodecError};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use uasyncio_compat::embedded_io::{AsEmbedded, FromEmbedded};
use uasyncio_compat::futures_io::{AsFutures, FromFutures};
use uasyncio_compat::tokio_io::{AsTokio, FromTokio};
use uasyncio_core::{EventLoop, VirtualTime, create_task, spawn};
use uasyncio_streams::{Duplex, ReadError, StreamReader, StreamWriter, Transport, duplex, split};

fn run<F: Future>(test: F) -> F::Output {
    EventLoop::with_platform(VirtualTime::new()).run_until_complete(test).unwrap()
}

type Halves = (StreamReader<Duplex>, StreamWriter<Duplex>);

fn pair(capacity: usize) -> (Halves, Halves) {
    let (near, far) = duplex(capacity);
    (split(near), split(far))
}

/// Some bytes, each other than its neighbours.
fn bytes(length: u32) -> Vec<u8> {
    (0..length).map(|number| (number % 251) as u8).collect()
}

/// Sends back what comes, to the end.
fn echo((mut reader, mut writer): Halves) {
    spawn(async move {
        loop {
            let piece = reader.fill_buf().await.unwrap().to_vec();
            if piece.is_empty() {
                return writer.aclose().await.unwrap();
            }
            writer.awrite(&piece).await.unwrap();
            reader.consume(piece.len());
        }
    });
}

/// Writes and reads at the same time through a stream whose other end sends everything back.
async fn there_and_back<T: Transport + 'static>((mut reader, mut writer): (StreamReader<T>, StreamWriter<T>)) {
    let data = bytes(20_000);
    let sent = data.clone();
    let writing = create_task(async move {
        for piece in sent.chunks(777) {
            writer.awrite(piece).await?;
        }
        writer.write_eof().await?;
        io::Result::Ok(writer)
    });
    assert!(reader.readexactly(10_000).await.unwrap() == &data[..10_000]);
    assert!(reader.read_to_end(20_000).await.unwrap() == &data[10_000..]);
    writing.await.unwrap().unwrap().aclose().await.unwrap();
}

#[test]
fn our_streams_over_an_object_that_hesitates_and_takes_little() {
    run(async {
        for limit in [1, 3, 1_000] {
            let (near, far) = pair(100);
            echo(far);
            let object = AsFutures::new(near).interleave_pending().limited(limit).interleave_pending_write().limited_write(limit);
            there_and_back(split(FromFutures::new(object))).await;
        }
    });
}

#[test]
fn ours_under_copies_that_hesitate() {
    run(async {
        let data = bytes(20_000);
        let (near, far) = pair(61);
        echo(far);
        let (reader, writer) = near;
        let mut writer = AsFutures::new(writer).interleave_pending_write().limited_write(7);
        let mut reader = AsFutures::new(reader).interleave_pending().limited(11);
        let mut received = Vec::new();
        let writing = async {
            writer.write_all(&data).await?;
            writer.close().await
        };
        let (written, read) = uasyncio_sync::gather((writing, reader.read_to_end(&mut received))).await;
        written.unwrap();
        assert_eq!(read.unwrap(), data.len());
        assert!(received == data);
    });
}

#[test]
fn lines_of_futures_come_out_of_ours_however_they_are_cut() {
    run(async {
        let ((_, mut writer), (reader, _far_writer)) = pair(4);
        spawn(async move {
            writer.awritestr("one\ntwo\r\n\nthree").await.unwrap();
            writer.aclose().await.unwrap();
        });
        let lines = AsFutures::new(reader).interleave_pending().lines();
        assert_eq!(lines.try_collect::<Vec<_>>().await.unwrap(), ["one", "two", "", "three"]);
    });
}

#[test]
fn our_streams_do_to_an_object_of_tokios_what_the_script_says() {
    run(async {
        // It panics at a write that is not in the script, and when it is dropped before the script's end.
        let object = Builder::new()
            .write(b"EHLO here\r\n")
            .read(b"250-mail.example\r\n250 ")
            .read(b"8BITMIME\r\n")
            .write(b"QUIT\r\n")
            .read(b"221 Bye\r\n")
            .build();
        let (mut reader, mut writer) = split(FromTokio::new(object));
        writer.awritestr("EHLO here\r\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"250-mail.example\r\n");
        assert_eq!(reader.readline().await.unwrap(), b"250 8BITMIME\r\n");
        writer.write(b"QUIT").unwrap();
        writer.write(b"\r\n").unwrap();
        writer.drain().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"221 Bye\r\n");
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

#[test]
fn errors_of_the_script_arrive_in_their_place() {
    run(async {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let object = Builder::new().read(b"12").read_error(reset()).read(b"34\n").write(b"ab").write_error(reset()).build();
        let (mut reader, mut writer) = split(FromTokio::new(object));
        let error = io::Error::from(reader.readline().await.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        // Nothing was lost, and the object may recover.
        assert_eq!(reader.buffered(), b"12");
        assert_eq!(reader.readline().await.unwrap(), b"1234\n");
        let mut write = writer.awritestr("abcd");
        assert_eq!((&mut write).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(write.written(), 2);
    });
}

#[test]
fn an_object_of_tokios_that_waits_holds_up_only_who_needs_it() {
    // The script's clock is tokio's.
    #[cfg(all(unix, not(miri)))]
    uasyncio_compat::tokio::run(async {
        let pause = std::time::Duration::from_millis(5);
        let object = Builder::new().read(b"o").wait(pause).read(b"ne\n").wait(pause).write(b"two\n").build();
        let (mut reader, mut writer) = split(FromTokio::new(object));
        let beside = create_task(uasyncio_core::yield_now());
        assert_eq!(reader.readline().await.unwrap(), b"one\n");
        assert!(beside.done());
        writer.awritestr("two\n").await.unwrap();
    });
}

#[test]
fn frames_of_tokio_util_go_through_ours() {
    run(async {
        for capacity in [1, 10, 100_000] {
            let (near, far) = pair(capacity);
            let mut near = Framed::new(AsTokio::new(near), LengthDelimitedCodec::new());
            let mut far = Framed::new(AsTokio::new(far), LengthDelimitedCodec::new());
            let echoing = create_task(async move {
                while let Some(frame) = far.next().await {
                    far.send(frame?.freeze()).await?;
                }
                SinkExt::<Bytes>::close(&mut far).await
            });
            for length in [0, 1, 255, 256, 9_000] {
                near.send(Bytes::from(bytes(length))).await.unwrap();
                assert!(near.next().await.unwrap().unwrap() == bytes(length), "{capacity}, {length}");
            }
            SinkExt::<Bytes>::close(&mut near).await.unwrap();
            assert!(near.next().await.is_none());
            echoing.await.unwrap().unwrap();
        }
    });
}

#[test]
fn lines_of_tokio_util_stop_at_their_limit_and_go_on() {
    run(async {
        let ((_, mut writer), (reader, _far_writer)) = pair(5);
        spawn(async move {
            writer.awritestr("short\nmuch too long a line\nend").await.unwrap();
            writer.aclose().await.unwrap();
        });
        let mut lines = FramedRead::new(AsTokio::new(reader), LinesCodec::new_with_max_length(8));
        assert_eq!(lines.next().await.unwrap().unwrap(), "short");
        assert!(matches!(lines.next().await, Some(Err(LinesCodecError::MaxLineLengthExceeded))));
        // The stream of frames ends once after an error.
        assert!(lines.next().await.is_none());
        assert_eq!(lines.next().await.unwrap().unwrap(), "end");
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn adapters_of_others_over_ours_and_ours_over_theirs() {
    run(async {
        // Ours as tokio's, by tokio-util as futures-io's, and ours again.
        let (near, far) = pair(100);
        echo(far);
        there_and_back(split(FromFutures::new(AsTokio::new(near).compat()))).await;
        // The reverse.
        let (near, far) = pair(100);
        echo(far);
        there_and_back(split(FromTokio::new(AsFutures::new(near).compat()))).await;
        // Through embedded-io-async, which has two halves, by the adapters of its own people.
        let ((reader, writer), far) = pair(100);
        echo(far);
        let reader = embedded_io_adapters::tokio_1::FromTokio::new(AsTokio::new(reader));
        let writer = embedded_io_adapters::futures_03::FromFutures::new(AsFutures::new(writer));
        let (mut reader, mut writer) = split(FromEmbedded::new(reader, writer));
        writer.awritestr("hello\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        let long = bytes(5_000);
        let (written, read) = uasyncio_sync::gather((writer.awrite(&long), reader.readexactly(5_000))).await;
        written.unwrap();
        assert!(read.unwrap() == long);
    });
}

#[test]
fn ours_and_theirs_for_embedded_io_behave_alike() {
    run(async {
        for ours in [true, false] {
            let ((reader, _near_writer), (_far_reader, mut writer)) = pair(10);
            spawn(async move {
                writer.awritestr("hello, world").await.unwrap();
                writer.aclose().await.unwrap();
            });
            let mut buffer = [0; 5];
            let (filled, rest, end);
            if ours {
                let mut reader = AsEmbedded::new(reader);
                reader.read_exact(&mut buffer).await.unwrap();
                filled = reader.fill_buf().await.unwrap().first().copied();
                reader.consume(1);
                let mut most = [0; 20];
                rest = reader.read_exact(&mut most).await.is_err();
                end = reader.read(&mut most).await.unwrap();
            } else {
                let mut reader = embedded_io_adapters::tokio_1::FromTokio::new(AsTokio::new(reader));
                reader.read_exact(&mut buffer).await.unwrap();
                filled = reader.fill_buf().await.unwrap().first().copied();
                reader.consume(1);
                let mut most = [0; 20];
                rest = reader.read_exact(&mut most).await.is_err();
                end = reader.read(&mut most).await.unwrap();
            }
            assert_eq!((&buffer, filled, rest, end), (b"hello", Some(b','), true, 0));
        }
        let ((_reader, writer), (mut far_reader, _far_writer)) = pair(10);
        let mut writer = AsEmbedded::new(writer);
        assert_eq!(writer.write(&bytes(30)).await.unwrap(), 10, "what there is room for");
        drop(writer);
        drop(_reader);
        assert!(matches!(far_reader.readexactly(11).await, Err(ReadError::Incomplete { .. })));
    });
}

/// An object that is ready when another task has run, and says until then that it may be asked again at once.
struct Yielding(Rc<Cell<bool>>);

impl tokio::io::AsyncRead for Yielding {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut tokio::io::ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.0.get() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        buffer.put_slice(b"!");
        Poll::Ready(Ok(()))
    }
}

#[test]
fn an_object_that_yields_lets_other_tasks_run() {
    run(async {
        let ran = Rc::<Cell<bool>>::default();
        let other = ran.clone();
        spawn(async move {
            uasyncio_core::yield_now().await;
            other.set(true);
        });
        let object = tokio::io::join(Yielding(ran), tokio::io::sink());
        let (mut reader, _writer) = split(FromTokio::new(object));
        assert_eq!(reader.readexactly(1).await.unwrap(), b"!");
    });
}
