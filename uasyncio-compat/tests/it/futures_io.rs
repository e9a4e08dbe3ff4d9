//! Our streams with the traits of futures-io, and objects with those under our streams.

use std::io::{ErrorKind, IoSlice};

use futures_util::io::Cursor;
use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use uasyncio_compat::futures_io::{AsFutures, FromFutures};
use uasyncio_core::{create_task, run};
use uasyncio_streams::{Transport, duplex, split};
use uasyncio_sync::wait_for_ms;

#[test]
fn ours_reads_in_parts_and_to_the_end() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsFutures::new(split(near));
        let (_, mut far) = split(far);
        far.awritestr("hello\nrest").await.unwrap();
        let mut buffer = [0; 2];
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 2);
        let mut line = String::new();
        assert_eq!(ours.read_line(&mut line).await.unwrap(), 4);
        assert_eq!(line, "llo\n");
        // What `read_line` has read ahead is the reader's, and comes next.
        assert_eq!(ours.get_ref().0.buffered(), b"rest");
        drop(far);
        let mut rest = String::new();
        ours.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "rest");
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn ours_says_how_much_was_accepted() {
    run(async {
        let (near, far) = duplex(8);
        let mut ours = AsFutures::new(split(near).1);
        assert_eq!(ours.write(b"hello world").await.unwrap(), 8);
        assert!(wait_for_ms(ours.write(b"rld"), 1).await.is_err());
        let (mut far, _writer) = split(far);
        assert_eq!(far.readexactly(8).await.unwrap(), b"hello wo");
        let slices = [IoSlice::new(b"r"), IoSlice::new(b"ld")];
        assert_eq!(ours.write_vectored(&slices).await.unwrap(), 3);
        ours.flush().await.unwrap();
        assert_eq!(far.readexactly(3).await.unwrap(), b"rld");
    });
}

#[test]
fn a_close_of_ours_ends_one_direction() {
    run(async {
        let (near, far) = duplex(64);
        let mut ours = AsFutures::new(split(near));
        let (mut reader, mut writer) = split(far);
        ours.close().await.unwrap();
        ours.close().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"");
        writer.awritestr("still").await.unwrap();
        drop((reader, writer));
        let mut text = String::new();
        ours.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "still");
    });
}

#[test]
fn futures_copy_runs_from_one_of_ours_to_another() {
    run(async {
        let (source, source_far) = duplex(5);
        let (target, target_far) = duplex(7);
        let copied = create_task(async move {
            let mut target = AsFutures::new(split(target).1);
            let count = futures_util::io::copy(AsFutures::new(split(source).0), &mut target).await?;
            target.close().await?;
            std::io::Result::Ok(count)
        });
        let (_, mut writer) = split(source_far);
        let written = create_task(async move { writer.awrite(&[7; 1_000]).await });
        assert_eq!(split(target_far).0.read_to_end(2_000).await.unwrap(), [7; 1_000]);
        written.await.unwrap().unwrap();
        assert_eq!(copied.await.unwrap().unwrap(), 1_000);
    });
}

#[test]
fn our_streams_run_over_theirs() {
    run(async {
        let (near, far) = duplex(4);
        let (mut reader, mut writer) = split(FromFutures::new(AsFutures::new(split(near))));
        let (mut far_reader, mut far_writer) = split(far);
        let echo = create_task(async move {
            loop {
                let line = far_reader.readline().await?.to_vec();
                if line.is_empty() {
                    return far_writer.awritestr("end\n").await;
                }
                far_writer.awrite(&line).await?;
            }
        });
        for number in 0..20 {
            let line = format!("line number {number}\n");
            let (sent, back) = uasyncio_sync::gather((writer.awritestr(&line), reader.readline())).await;
            sent.unwrap();
            assert_eq!(back.unwrap(), line.as_bytes());
        }
        writer.write_eof().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"end\n");
        echo.await.unwrap().unwrap();
        writer.aclose().await.unwrap();
        assert_eq!(writer.awrite(b"x").await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn an_object_that_is_always_ready_is_one_too() {
    run(async {
        let (mut reader, _writer) = split(FromFutures::new(Cursor::new(b"one\ntwo\n".to_vec())));
        assert_eq!(reader.readline().await.unwrap(), b"one\n");
        assert_eq!(reader.readline().await.unwrap(), b"two\n");
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

#[test]
fn the_object_comes_back() {
    let transport = FromFutures::new(Cursor::new(vec![1, 2, 3]));
    assert_eq!(transport.try_read(&mut [0; 2]).unwrap(), 2);
    assert_eq!(transport.into_inner().unwrap().position(), 2);
}
