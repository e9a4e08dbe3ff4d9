//! What the tests share: a loop with a watchdog, sockets on loopback, a waker that does nothing.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::env;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::iter;
use std::net::{Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::{Context, Poll, Waker};

use uasyncio_core::{sleep_ms, yield_now};
use uasyncio_io::{Reactor, Stats};
use uasyncio_udp::UdpSocket;

/// Which poller these tests run on, and with it which sockets.
pub(crate) const EPOLL: bool =
    cfg!(all(target_os = "linux", not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))));
pub(crate) const ONE_SHOT: bool = cfg!(uasyncio_poller = "oneshot");

/// Whether datagrams come many at once, and with their local address.
pub(crate) fn batches() -> bool {
    EPOLL && cfg!(feature = "batch")
}

/// Runs a test on a loop of its own. A test that hangs fails after a while.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    uasyncio_io::run(async {
        let mut future = pin!(future);
        let mut watchdog = pin!(sleep_ms(30_000));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            assert!(watchdog.as_mut().poll(cx).is_pending(), "the test hangs");
            Poll::Pending
        })
        .await
    })
}

pub(crate) fn stats() -> Stats {
    Reactor::current().unwrap().stats()
}

/// Lets the other tasks run until this many wakers are parked.
pub(crate) async fn until_parked(wakers: usize) {
    while stats().parked != wakers {
        yield_now().await;
    }
}

/// Lets the other tasks run until the condition holds.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// A socket on loopback, and its address.
pub(crate) fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(([127, 0, 0, 1], 0)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// The same on a port that nobody gets who leaves the choice to the system: so it is free again when the socket is closed.
pub(crate) fn bound_aside() -> (UdpSocket, SocketAddr) {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let mut ports = iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed)).take_while(|port| *port < 30_000);
    let bind = |port| UdpSocket::bind(([127, 0, 0, 1], port)).ok();
    let socket = ports.find_map(bind).expect("a free port between 20000 and 30000");
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Two sockets that are connected to each other.
pub(crate) fn pair() -> (UdpSocket, UdpSocket) {
    let ((first, first_address), (second, second_address)) = (bound(), bound());
    first.connect(second_address).unwrap();
    second.connect(first_address).unwrap();
    (first, second)
}

/// An address of loopback that nobody listens at.
pub(crate) fn nobody() -> SocketAddr {
    bound().1
}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn skipped(what: &str, why: &str) {
    // Past the test harness, which hides what a passing test prints.
    let _ = writeln!(io::stdout().lock(), "\nSKIPPED: {what} ({why})");
}

/// Whether this machine has IPv6; else says that the test is left out.
pub(crate) fn has_ipv6(what: &str) -> bool {
    let has = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        skipped(what, "this machine has no IPv6");
    }
    has
}

/// Runs the test `name` of this program again, in a network of its own that has a loopback interface, prepared by commands for a shell.
/// `false`: this machine lets nobody have one.
pub(crate) fn again_in_a_network(prepare: &str, name: &str) -> bool {
    let with_network = |then: &str| {
        let mut command = Command::new("unshare");
        let script = format!("ip link set lo up; {prepare}; {then}");
        command.args(["--user", "--map-root-user", "--net", "sh", "-ec", &script, "sh"]);
        command
    };
    if !with_network("true").output().is_ok_and(|output| output.status.success()) {
        return false;
    }
    let mut command = with_network("exec \"$@\"");
    let output =
        command.arg(env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]).env(AGAIN, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    true
}

/// Whether this is a program that was started so.
pub(crate) fn is_again() -> bool {
    env::var_os(AGAIN).is_some()
}

const AGAIN: &str = "UASYNCIO_UDP_AGAIN";
