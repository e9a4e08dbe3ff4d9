//! Members of one type, any number of them: only those that were woken are polled.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use uasyncio_core::{SubWakers, pinned};

use super::member::{KeepAll, Member, Rule, StopAtError};
use super::{Gather, TryGather};

/// The members; `None` once they have ended.
pub struct Block<F: Future, R: Rule<F::Output>>(Option<Running<F, R>>);

struct Running<F: Future, R: Rule<F::Output>> {
    members: Pin<Box<[Member<F, R>]>>,
    wakers: SubWakers,
    /// How many have not finished.
    left: usize,
}

impl<F: Future, R: Rule<F::Output>> Block<F, R> {
    pub(super) fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let members: Box<[_]> = futures.into_iter().map(Member::new).collect();
        let left = members.len();
        Block(Some(Running { members: members.into(), wakers: SubWakers::new(left), left }))
    }
}

impl<F: Future, R: Rule<F::Output>> Running<F, R> {
    /// `Ready`: none is running any more, or there was an error.
    fn poll_woken(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), R::Error>> {
        self.wakers.register(cx.waker());
        for index in self.wakers.ready() {
            // One that has finished may be woken yet, by who kept its waker.
            let Some(member) = pinned::get(self.members.as_mut(), index).filter(|member| member.is_running()) else {
                continue;
            };
            if member.poll(&mut Context::from_waker(&self.wakers.waker(index)))?.is_ready() {
                self.left -= 1;
            }
        }
        if self.left == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl<F: Future, R: Rule<F::Output>> Unpin for Block<F, R> {}

impl<F: Future, R: Rule<F::Output>> fmt::Debug for Block<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("left", &self.0.as_ref().map(|running| running.left)).finish_non_exhaustive()
    }
}

impl<F: Future, R: Rule<F::Output>> Future for Block<F, R> {
    type Output = Result<Vec<R::Value>, R::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(running) = &mut self.0 else {
            super::ended();
        };
        let end = match running.poll_woken(cx) {
            Poll::Ready(Ok(())) => Ok(pinned::iter(running.members.as_mut()).map(Member::take).collect()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => return Poll::Pending,
        };
        self.0 = None;
        Poll::Ready(end)
    }
}

impl<F: Future> Gather for Vec<F> {
    type Output = Vec<F::Output>;
    type Members = Block<F, KeepAll>;

    fn into_members(self) -> Self::Members {
        Block::new(self)
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> TryGather for Vec<F> {
    type Output = Vec<T>;
    type Error = E;
    type Members = Block<F, StopAtError>;

    fn into_members(self) -> Self::Members {
        Block::new(self)
    }
}
