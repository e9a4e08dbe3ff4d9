//! Members of several types, one in the other: a list of the first one and the rest.

use core::convert::Infallible;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::member::{KeepAll, Member, Rule, StopAtError};
use super::{Gather, TryGather};

/// A list of members.
pub trait List {
    /// The values, nested as the list is.
    type Values;
    type Error;

    /// Polls all that are running. `Ready`: none is any more.
    fn poll_all(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;
    fn take(self: Pin<&mut Self>) -> Self::Values;
    fn clear(self: Pin<&mut Self>);
}

/// The end of a list.
#[derive(Debug)]
pub struct End<E>(PhantomData<E>);

impl<E> List for End<E> {
    type Values = ();
    type Error = E;

    fn poll_all(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn take(self: Pin<&mut Self>) {}

    fn clear(self: Pin<&mut Self>) {}
}

pin_project_lite::pin_project! {
    pub struct Link<F, R, L>
    where
        F: Future,
        R: Rule<F::Output>,
    {
        #[pin]
        first: Member<F, R>,
        #[pin]
        rest: L,
    }
}

impl<F, R, L> List for Link<F, R, L>
where
    F: Future,
    R: Rule<F::Output>,
    L: List<Error = R::Error>,
{
    type Values = (R::Value, L::Values);
    type Error = R::Error;

    fn poll_all(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), R::Error>> {
        let this = self.project();
        let first = this.first.poll(cx)?;
        let rest = this.rest.poll_all(cx)?;
        if first.is_ready() && rest.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn take(self: Pin<&mut Self>) -> Self::Values {
        let this = self.project();
        (this.first.take(), this.rest.take())
    }

    fn clear(self: Pin<&mut Self>) {
        let this = self.project();
        this.first.clear();
        this.rest.clear();
    }
}

/// Nested values as one tuple.
pub trait Flatten {
    type Flat;

    fn flatten(self) -> Self::Flat;
}

pin_project_lite::pin_project! {
    pub struct Tuple<L> {
        #[pin]
        list: L,
    }
}

impl<L: List<Values: Flatten>> Future for Tuple<L> {
    type Output = Result<<L::Values as Flatten>::Flat, L::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut list = self.project().list;
        match list.as_mut().poll_all(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(list.take().flatten())),
            Poll::Ready(Err(error)) => {
                list.clear();
                Poll::Ready(Err(error))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Types, values and patterns that are nested as a [`List`] is.
macro_rules! nested {
    (type $rule:ty, $error:ty;) => { End<$error> };
    (type $rule:ty, $error:ty; $first:ident $($rest:ident)*) => {
        Link<$first, $rule, nested!(type $rule, $error; $($rest)*)>
    };
    (list) => { End(PhantomData) };
    (list $first:ident $($rest:ident)*) => { Link { first: Member::new($first), rest: nested!(list $($rest)*) } };
    (values) => { () };
    (values $first:ident $($rest:ident)*) => { ($first, nested!(values $($rest)*)) };
}

macro_rules! gather_tuple {
    ($($future:ident $value:ident),*) => {
        impl<$($value),*> Flatten for nested!(values $($value)*) {
            type Flat = ($($value,)*);

            #[allow(non_snake_case, clippy::unused_unit, reason = "the types' names, and there may be none")]
            fn flatten(self) -> Self::Flat {
                let nested!(values $($value)*) = self;
                ($($value,)*)
            }
        }

        impl<$($future: Future),*> Gather for ($($future,)*) {
            type Output = ($($future::Output,)*);
            type Members = Tuple<nested!(type KeepAll, Infallible; $($future)*)>;

            #[allow(non_snake_case, reason = "the types' names")]
            fn into_members(self) -> Self::Members {
                let ($($future,)*) = self;
                Tuple { list: nested!(list $($future)*) }
            }
        }
    };
}

macro_rules! try_gather_tuple {
    ($($future:ident $value:ident),+) => {
        impl<E, $($value, $future: Future<Output = Result<$value, E>>),+> TryGather for ($($future,)+) {
            type Output = ($($value,)+);
            type Error = E;
            type Members = Tuple<nested!(type StopAtError, E; $($future)+)>;

            #[allow(non_snake_case, reason = "the types' names")]
            fn into_members(self) -> Self::Members {
                let ($($future,)+) = self;
                Tuple { list: nested!(list $($future)+) }
            }
        }
    };
}

/// For the tuple with all of these, and each that is one shorter.
macro_rules! gather_tuples {
    () => {
        gather_tuple!();
    };
    ($future:ident $value:ident $(, $futures:ident $values:ident)*) => {
        gather_tuple!($future $value $(, $futures $values)*);
        try_gather_tuple!($future $value $(, $futures $values)*);
        gather_tuples!($($futures $values),*);
    };
}

gather_tuples!(F1 T1, F2 T2, F3 T3, F4 T4, F5 T5, F6 T6, F7 T7, F8 T8, F9 T9, F10 T10, F11 T11, F12 T12);

impl TryGather for () {
    type Output = ();
    type Error = Infallible;
    type Members = Tuple<End<Infallible>>;

    fn into_members(self) -> Self::Members {
        Tuple { list: End(PhantomData) }
    }
}
