//! Making the halves of a stream of a transport, and the reverse.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use crate::io;
use crate::reader::StreamReader;
use crate::transport::Transport;
use crate::writer::StreamWriter;

/// Makes the two halves of a stream over `transport`. The connection is closed when both are dropped, or by `aclose` on
/// either.
///
/// ```
/// use uasyncio_streams::{duplex, split};
///
/// let (near, far) = duplex(64);
/// let (reader, writer) = split(near);
/// assert!(reader.buffered().is_empty());
/// assert_eq!(writer.written(), 0);
/// # drop(far);
/// ```
pub fn split<T: Transport>(transport: T) -> (StreamReader<T>, StreamWriter<T>) {
    let transport = Rc::new(transport);
    (StreamReader::new(transport.clone()), StreamWriter::new(transport))
}

/// Puts the two halves of a stream together again: the reverse of [`split`], for handing the connection over to other code. The
/// bytes that the reader has read ahead come with it.
///
/// ```
/// use uasyncio_streams::{duplex, split, unsplit};
///
/// uasyncio_core::run(async {
///     let (near, far) = duplex(64);
///     let (mut reader, writer) = split(near);
///     split(far).1.awritestr("upgrade\nwhat follows is binary").await?;
///     assert_eq!(reader.readline().await?, b"upgrade\n");
///
///     let parts = unsplit(reader, writer)?;
///     assert_eq!(parts.read_ahead, b"what follows is binary");
///     // A reader that begins with those bytes:
///     let (mut reader, _writer) = parts.split();
///     assert_eq!(reader.readexactly(4).await?, b"what");
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })
/// .unwrap();
/// ```
///
/// # Errors
/// [`UnsplitError`], with both halves in it, when they are not halves of one stream, or when
/// [`write`](StreamWriter::write) has buffered bytes that are not yet written: await [`drain`](StreamWriter::drain) first.
pub fn unsplit<T: Transport>(reader: StreamReader<T>, writer: StreamWriter<T>) -> Result<Parts<T>, UnsplitError<T>> {
    let reason = if !Rc::ptr_eq(reader.shared(), writer.shared()) {
        "the reader and the writer are not halves of one stream"
    } else if !writer.unwritten().is_empty() {
        "there are bytes that `write` has buffered; await `drain` first"
    } else if Rc::strong_count(reader.shared()) != 2 + usize::from(writer.has_buffer()) {
        "the transport is in use elsewhere"
    } else {
        ""
    };
    if !reason.is_empty() {
        return Err(UnsplitError { reader, writer, reason });
    }
    drop(writer);
    let (transport, read_ahead) = reader.into_parts();
    let transport = Rc::into_inner(transport).expect("counted above");
    Ok(Parts { transport, read_ahead })
}

/// A connection as a whole: its transport, and what was read from it and not used yet.
#[derive(Debug)]
pub struct Parts<T> {
    /// What carries the bytes.
    pub transport: T,
    /// The bytes that come before those that the transport gives next.
    pub read_ahead: Vec<u8>,
}

impl<T: Transport> Parts<T> {
    /// Makes the two halves of a stream, as [`split`] does. The reader gives `read_ahead` first, however small its limit is.
    pub fn split(self) -> (StreamReader<T>, StreamWriter<T>) {
        let transport = Rc::new(self.transport);
        (StreamReader::beginning_with(transport.clone(), self.read_ahead), StreamWriter::new(transport))
    }
}

/// Why [`unsplit`] could not put two halves together, and the halves.
#[non_exhaustive]
pub struct UnsplitError<T> {
    /// As it was given.
    pub reader: StreamReader<T>,
    /// As it was given.
    pub writer: StreamWriter<T>,
    reason: &'static str,
}

impl<T> fmt::Debug for UnsplitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnsplitError").field(&self.reason).finish()
    }
}

impl<T> fmt::Display for UnsplitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl<T> core::error::Error for UnsplitError<T> {}

impl<T> From<UnsplitError<T>> for io::Error {
    fn from(error: UnsplitError<T>) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error.reason)
    }
}
