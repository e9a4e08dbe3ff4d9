//! How the halves of a stream hold what they share, and their buffers.
//!
//! The code of the streams exists once. What differs between a program with a heap and one without is in three types,
//! and chosen by the second parameter of [`StreamReader`](crate::StreamReader) and
//! [`StreamWriter`](crate::StreamWriter):
//!
//! | | [`Heap`], made by `split` | [`Lent`], made by [`split_with`](crate::split_with) |
//! |---|---|---|
//! | the transport | an `Rc`; dropped and so closed with the last half | a reference |
//! | the read buffer | from the thread's pool when bytes come; grows up to the limit | a slice; its length is the limit |
//! | what `write` has buffered | boxed at the first need | there is no `write` |

#[cfg(feature = "alloc")]
use alloc::{boxed::Box, rc::Rc};
use core::marker::PhantomData;
use core::ops::Deref;

#[cfg(feature = "alloc")]
use crate::buffer::ReadBuffer;
use crate::error::ReadError;
#[cfg(feature = "alloc")]
use crate::write_buffer::WriteBuffer;

/// How a stream holds its transport and its buffers: [`Heap`], or [`Lent`]. There are no others.
#[diagnostic::on_unimplemented(
    message = "a stream cannot hold its transport and buffers in `{Self}`",
    note = "streams on the heap (`split`, and `StreamReader<T>` with no further parameter) need the feature `alloc` of uasyncio-streams",
    note = "without a heap there are `split_with`, `LentReader<'_, T>` and `LentWriter<'_, T>`"
)]
pub trait Storage<T>: Holds<T> {}

/// The transport is shared by counting, and buffers come from the heap when they are needed. Needs the feature `alloc`.
#[derive(Debug)]
pub enum Heap {}

/// The transport is borrowed, and the read buffer is a slice that was lent for the time.
#[derive(Debug)]
pub struct Lent<'a>(PhantomData<&'a mut [u8]>);

/// The three types. Nobody outside of this crate can name this trait.
pub trait Holds<T> {
    type Handle: Deref<Target = T>;
    type ReadBuffer: BufferedReads;
    type WriteBuffer: BufferedWrites;
}

#[cfg(feature = "alloc")]
impl<T> Holds<T> for Heap {
    type Handle = Rc<T>;
    type ReadBuffer = ReadBuffer;
    type WriteBuffer = Option<Box<WriteBuffer<T>>>;
}

#[cfg(feature = "alloc")]
impl<T> Storage<T> for Heap {}

/// Bytes that were read and not yet consumed.
#[allow(unreachable_pub, reason = "older compilers do not see that `Storage` leads here")]
pub trait BufferedReads {
    fn bytes(&self) -> &[u8];

    fn len(&self) -> usize;

    fn is_empty(&self) -> bool;

    /// Whether there is storage that [`release`](Self::release) may give back, or bytes in it.
    fn is_held(&self) -> bool;

    /// How many of `wanted` bytes the buffer may hold.
    fn most(&self, wanted: usize) -> usize;

    /// Marks the first `count` bytes as consumed. Panics when there are fewer.
    fn consume(&mut self, count: usize);

    /// Consumes the first `count` bytes, which are there, and lends them.
    fn take(&mut self, count: usize) -> &[u8];

    /// Room for more bytes, at least one, while there are fewer than `limit` of the [`most`](Self::most).
    fn spare(&mut self, limit: usize) -> &mut [u8];

    /// Says that the first `count` bytes of [`spare`](Self::spare) were filled.
    fn filled(&mut self, count: usize);

    /// Gives the storage back if no byte is left in it.
    fn release(&mut self);

    /// The error of a stream that ended too early.
    fn incomplete(&mut self) -> ReadError;
}

/// Bytes that `write` has accepted and the transport has not.
#[allow(unreachable_pub, reason = "older compilers do not see that `Storage` leads here")]
pub trait BufferedWrites {
    /// Whether there has ever been a need for a buffer.
    fn is_there(&self) -> bool;

    fn bytes(&self) -> &[u8];

    /// Takes the first `count` bytes out.
    fn consume(&mut self, count: usize);

    /// Throws everything away.
    fn clear(&mut self);
}
