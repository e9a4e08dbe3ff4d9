//! Waiting for the end of a child process.
#![cfg(any(target_os = "linux", target_os = "android"))]

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::Poll;

use uasyncio_core::{create_task, yield_now};
use uasyncio_io::Reactor;
use uasyncio_streams::{connect_read_pipe, connect_write_pipe, wait_child};

/// Ends with this status as soon as its input ends.
fn child_that_ends_with(status: u8) -> Child {
    let script = format!("cat; exit {status}");
    Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_end_of_a_child_is_waited_for_while_others_run() {
    uasyncio_io::run(async {
        let mut child = child_that_ends_with(7);
        let mut input = connect_write_pipe(child.stdin.take().unwrap()).unwrap();
        let waiting = create_task(async move {
            let status = wait_child(&mut child).await.unwrap();
            // Again, and as the standard library has it.
            assert_eq!(wait_child(&mut child).await.unwrap(), status);
            assert_eq!(child.wait().unwrap(), status);
            status
        });
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!waiting.done());
        input.write_eof().await.unwrap();
        assert_eq!(waiting.await.unwrap().code(), Some(7));
    });
}

#[test]
fn the_input_of_a_child_is_closed_before_it_is_waited_for() {
    uasyncio_io::run(async {
        let mut child = child_that_ends_with(0);
        assert!(wait_child(&mut child).await.unwrap().success());
        assert!(child.stdin.is_none());
    });
}

#[test]
fn a_wait_that_is_cancelled_leaves_the_child_as_it_is() {
    uasyncio_io::run(async {
        let mut child = child_that_ends_with(3);
        let input = child.stdin.take();
        for _ in 0..3 {
            let mut waiting = pin!(wait_child(&mut child));
            assert!(std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending());
            yield_now().await;
        }
        assert!(Reactor::current().unwrap().stats().registrations > 0, "a thread does not wait for it");
        drop(input);
        assert_eq!(wait_child(&mut child).await.unwrap().code(), Some(3));
    });
}

#[test]
fn a_child_that_is_killed_has_ended_by_a_signal() {
    uasyncio_io::run(async {
        let mut child = child_that_ends_with(0);
        let _input = child.stdin.take();
        child.kill().unwrap();
        assert_eq!(wait_child(&mut child).await.unwrap().signal(), Some(9));
    });
}

#[test]
fn a_conversation_with_a_child() {
    uasyncio_io::run(async {
        let mut child = child_that_ends_with(1);
        let mut input = connect_write_pipe(child.stdin.take().unwrap()).unwrap();
        let mut output = connect_read_pipe(child.stdout.take().unwrap()).unwrap();
        for line in ["one\n", "two\n"] {
            input.awritestr(line).await.unwrap();
            assert_eq!(output.readline().await.unwrap(), line.as_bytes());
        }
        // More than the pipes hold: both directions at a time.
        let writing = create_task(async move {
            input.awrite(&vec![b'x'; 1_000_000]).await.unwrap();
            input.aclose().await.unwrap();
        });
        assert_eq!(output.read_to_end(2_000_000).await.unwrap().len(), 1_000_000);
        writing.await.unwrap();
        assert_eq!(wait_child(&mut child).await.unwrap().code(), Some(1));
    });
}

#[test]
fn without_a_reactor_a_child_that_runs_is_an_error() {
    let mut child = child_that_ends_with(0);
    child.stdin.take();
    let status = child.wait().unwrap();
    // One that has ended needs none.
    assert_eq!(uasyncio_core::run(wait_child(&mut child)).unwrap(), status);
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    assert_eq!(uasyncio_core::run(wait_child(&mut child)).unwrap_err().kind(), io::ErrorKind::Unsupported);
    child.kill().unwrap();
    child.wait().unwrap();
}
