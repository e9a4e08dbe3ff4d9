//! One member of a gather: the future, and then what it gave.

use core::convert::Infallible;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// What an output means: a value to be kept, or the end of it all.
pub trait Rule<O> {
    type Value;
    type Error;

    fn judge(output: O) -> Result<Self::Value, Self::Error>;
}

/// Every output is a value: `gather`.
#[derive(Debug)]
pub struct KeepAll;

/// An error ends it: `try_gather`.
#[derive(Debug)]
pub struct StopAtError;

impl<O> Rule<O> for KeepAll {
    type Value = O;
    type Error = Infallible;

    fn judge(output: O) -> Result<O, Infallible> {
        Ok(output)
    }
}

impl<T, E> Rule<Result<T, E>> for StopAtError {
    type Value = T;
    type Error = E;

    fn judge(output: Result<T, E>) -> Result<T, E> {
        output
    }
}

pin_project_lite::pin_project! {
    #[project = MemberProjection]
    #[project_replace = MemberReplaced]
    pub enum Member<F, R>
    where
        F: Future,
        R: Rule<F::Output>,
    {
        Running {
            #[pin]
            future: F,
        },
        Finished {
            value: R::Value,
        },
        // The value was taken, or it was an error.
        Gone {
            rule: PhantomData<R>,
        },
    }
}

impl<F: Future, R: Rule<F::Output>> Member<F, R> {
    const GONE: Self = Member::Gone { rule: PhantomData };

    pub(super) fn new(future: F) -> Self {
        Member::Running { future }
    }

    #[cfg(feature = "alloc")]
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Member::Running { .. })
    }

    /// Polls the future, unless it has ended. The future is dropped when it ends.
    pub(super) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), R::Error>> {
        if let MemberProjection::Running { future } = self.as_mut().project() {
            match R::judge(ready!(future.poll(cx))) {
                Ok(value) => self.set(Member::Finished { value }),
                Err(error) => {
                    self.set(Self::GONE);
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the value of a member that has finished.
    #[track_caller]
    pub(super) fn take(self: Pin<&mut Self>) -> R::Value {
        match self.project_replace(Self::GONE) {
            MemberReplaced::Finished { value } => value,
            _ => super::ended(),
        }
    }

    /// Drops what is there, the future or the value.
    pub(super) fn clear(mut self: Pin<&mut Self>) {
        self.set(Self::GONE);
    }
}
