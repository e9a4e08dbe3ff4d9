//! Happy Eyeballs, version 2 (RFC 8305): which address to try when, so that a dead address costs a quarter of a second
//! and not a minute.
//!
//! * The addresses are tried in turn, the two families alternating, beginning with the one that the resolver put first
//!   (section 4; the *First Address Family Count* is 1).
//! * The next attempt begins when the one before it has not succeeded within the *Connection Attempt Delay* (section 5), or at
//!   once when any attempt fails. Each failure begins one attempt.
//! * The first that succeeds wins; the others are dropped, which closes their sockets.
//!
//! The answers for both families come together from the system's resolver, so there is no *Resolution Delay* (section 3).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use uasyncio_core::{Sleep, sleep};

/// Puts addresses into the order in which they are tried.
pub(crate) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv4() == first_is_ipv4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::new();
    while first.len() + second.len() > 0 {
        turns.extend(first.next());
        turns.extend(second.next());
    }
    turns
}

/// Tries targets in turn, with a stagger between the beginnings, and gives what the first that succeeds gives; or all
/// failures, in the order in which they happened. The clock is that of the loop that polls it.
pub(crate) fn race<A, F, M>(targets: Vec<A>, stagger: Duration, attempt: M) -> Race<A, F, M>
where
    M: FnMut(&A) -> F,
{
    Race { left: targets.into_iter(), attempt, stagger, timer: None, running: Vec::new(), failures: Vec::new() }
}

/// The future of [`race`].
#[must_use = "a future does nothing until it is awaited"]
pub(crate) struct Race<A, F, M> {
    left: std::vec::IntoIter<A>,
    attempt: M,
    stagger: Duration,
    /// Until the next attempt. There is none for a single target.
    timer: Option<Pin<Box<Sleep>>>,
    running: Vec<(A, Pin<Box<F>>)>,
    failures: Vec<(A, io::Error)>,
}

// The futures are in boxes.
impl<A, F, M> Unpin for Race<A, F, M> {}

impl<A, F, M: FnMut(&A) -> F> Race<A, F, M> {
    /// Begins the next attempt, if there is one, and the wait for the one after it.
    fn begin_next(&mut self) {
        let Some(target) = self.left.next() else { return };
        let attempt = Box::pin((self.attempt)(&target));
        self.running.push((target, attempt));
        if self.left.len() == 0 {
            self.timer = None;
        } else if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(self.stagger);
        } else {
            self.timer = Some(Box::pin(sleep(self.stagger)));
        }
    }
}

impl<A, F, M, T> Future for Race<A, F, M>
where
    F: Future<Output = io::Result<T>>,
    M: FnMut(&A) -> F,
{
    type Output = Result<T, Vec<(A, io::Error)>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.running.is_empty() {
            this.begin_next();
        }
        // Each wake polls all attempts: they are few. What is begun here is polled here, too.
        let mut index = 0;
        loop {
            while let Some((_, attempt)) = this.running.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => index += 1,
                    Poll::Ready(Ok(winner)) => {
                        this.running.remove(index);
                        // The losers are closed now, not when this future is dropped.
                        this.running.clear();
                        return Poll::Ready(Ok(winner));
                    }
                    Poll::Ready(Err(error)) => {
                        let (target, _) = this.running.remove(index);
                        this.failures.push((target, error));
                        this.begin_next();
                    }
                }
            }
            if this.running.is_empty() {
                return Poll::Ready(Err(std::mem::take(&mut this.failures)));
            }
            let time_is_up = this.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
            if !time_is_up {
                return Poll::Pending;
            }
            this.begin_next();
        }
    }
}

#[cfg(test)]
mod tests;
