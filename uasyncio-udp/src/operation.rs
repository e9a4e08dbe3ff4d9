//! One operation of one task on a socket: what the futures are made of.

use std::io;
use std::net;
use std::task::{Context, Poll};

use uasyncio_core::budget;
use uasyncio_io::Interest;

use crate::UdpSocket;

/// A future's use of one direction of a socket.
///
/// From the first poll that has to wait until the future is done or dropped, the direction is *claimed*: the reactor has
/// one place for a waker, and a second task would take it away from the first.
#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) socket: &'a UdpSocket,
    interest: Interest,
    claims: bool,
}

impl<'a> Operation<'a> {
    pub(crate) fn new(socket: &'a UdpSocket, interest: Interest) -> Operation<'a> {
        Operation { socket, interest, claims: false }
    }

    /// Does the operation, or waits until it can be done.
    #[inline]
    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        operation: impl FnMut(&net::UdpSocket) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let claim = self.socket.claim(self.interest);
        if claim.get() && !self.claims {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ResourceBusy, self.busy())));
        }
        let polled = match self.socket.descriptor() {
            Ok(descriptor) => descriptor.poll_io(cx, self.interest, operation),
            Err(closed) => Poll::Ready(Err(closed)),
        };
        self.claims = polled.is_pending();
        claim.set(self.claims);
        polled
    }

    fn busy(&self) -> &'static str {
        match self.interest {
            Interest::Read => "another task waits for a datagram of this socket already; use two sockets (try_clone)",
            Interest::Write => "another task waits to send through this socket already; use two sockets (try_clone)",
        }
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        if self.claims {
            self.socket.claim(self.interest).set(false);
        }
    }
}

/// Takes the share of so many datagrams from the budget, one of which is paid for already.
pub(crate) fn pay_for(datagrams: usize, cx: &mut Context<'_>) {
    for _ in 1..datagrams {
        if budget::poll_proceed(cx).is_pending() {
            // Nothing is left: the task's next operation finds that out too.
            break;
        }
    }
}
