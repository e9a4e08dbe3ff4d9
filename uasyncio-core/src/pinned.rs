//! Pinned slices: a pinned slice's elements are pinned with it.
//!
//! `std` has no way from `Pin<&mut [T]>` to an element, which `gather` of many futures needs. A `Box<[T]>` becomes such a slice
//! by `Box::into_pin` and `as_mut`, and a `Pin<&mut [T; N]>` is taken for one where one is asked for.

use core::iter::FusedIterator;
use core::pin::Pin;

/// One element of a pinned slice. `None`: there are fewer.
///
/// ```
/// use std::future::{Future, ready};
/// use std::pin::Pin;
/// use std::task::{Context, Poll, Waker};
/// use uasyncio_core::pinned;
///
/// let mut members = Box::into_pin(vec![ready(1), ready(2)].into_boxed_slice());
/// let second = pinned::get(members.as_mut(), 1).unwrap();
/// assert_eq!(second.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(2));
/// assert!(pinned::get(members.as_mut(), 2).is_none());
/// ```
#[inline]
pub fn get<T>(slice: Pin<&mut [T]>, index: usize) -> Option<Pin<&mut T>> {
    let (first, length) = parts(slice);
    // SAFETY: U14. It is inside the slice, and stays pinned.
    (index < length).then(|| unsafe { Pin::new_unchecked(&mut *first.add(index)) })
}

/// The elements of a pinned slice, one after the other.
///
/// ```
/// use std::future::{Future, ready};
/// use std::pin::{Pin, pin};
/// use std::task::{Context, Poll, Waker};
/// use uasyncio_core::pinned;
///
/// let members = pin!([ready(1), ready(2)]);
/// let mut sum = 0;
/// for member in pinned::iter(members) {
///     if let Poll::Ready(value) = member.poll(&mut Context::from_waker(Waker::noop())) {
///         sum += value;
///     }
/// }
/// assert_eq!(sum, 3);
/// ```
#[inline]
pub fn iter<T>(slice: Pin<&mut [T]>) -> impl DoubleEndedIterator<Item = Pin<&mut T>> + ExactSizeIterator + FusedIterator {
    let (first, length) = parts(slice);
    // SAFETY: U14, as in `get`; a range gives each index once.
    (0..length).map(move |index| unsafe { Pin::new_unchecked(&mut *first.add(index)) })
}

/// The first element and the number of them. Not by way of a slice's own methods: those take a shared reference to all of it, which
/// elements that borrow from themselves must not see.
#[inline]
fn parts<T>(slice: Pin<&mut [T]>) -> (*mut T, usize) {
    // SAFETY: U14. Nothing is moved out.
    let slice: *mut [T] = unsafe { slice.get_unchecked_mut() };
    (slice.cast(), slice.len())
}
