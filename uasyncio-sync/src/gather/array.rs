//! Members of one type, a fixed number of them.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use uasyncio_core::pinned;

use super::member::{KeepAll, Member, Rule, StopAtError};
use super::{Gather, TryGather};

pin_project_lite::pin_project! {
    /// `A` is an array of members.
    pub struct Array<A> {
        #[pin]
        members: A,
    }
}

impl<F: Future, R: Rule<F::Output>, const N: usize> Array<[Member<F, R>; N]> {
    fn new(futures: [F; N]) -> Self {
        Array { members: futures.map(Member::new) }
    }
}

impl<F: Future, R: Rule<F::Output>, const N: usize> Future for Array<[Member<F, R>; N]> {
    type Output = Result<[R::Value; N], R::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut members: Pin<&mut [Member<F, R>]> = self.project().members;
        let running = pinned::iter(members.as_mut()).try_fold(false, |running, member| match member.poll(cx) {
            Poll::Ready(end) => end.map(|()| running),
            Poll::Pending => Ok(true),
        });
        let mut members = pinned::iter(members);
        match running {
            Ok(true) => Poll::Pending,
            Ok(false) => {
                let values = core::array::from_fn(|_| members.next().map_or_else(|| super::ended(), Member::take));
                Poll::Ready(Ok(values))
            }
            Err(error) => {
                members.for_each(Member::clear);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F: Future, const N: usize> Gather for [F; N] {
    type Output = [F::Output; N];
    type Members = Array<[Member<F, KeepAll>; N]>;

    fn into_members(self) -> Self::Members {
        Array::new(self)
    }
}

impl<T, E, F: Future<Output = Result<T, E>>, const N: usize> TryGather for [F; N] {
    type Output = [T; N];
    type Error = E;
    type Members = Array<[Member<F, StopAtError>; N]>;

    fn into_members(self) -> Self::Members {
        Array::new(self)
    }
}
