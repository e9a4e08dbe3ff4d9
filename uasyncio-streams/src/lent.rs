//! Streams without a heap: over a borrowed transport, with a read buffer that the caller lends.

use core::cell::Cell;
use core::fmt;

use crate::error::ReadError;
use crate::reader::StreamReader;
use crate::storage::{BufferedReads, BufferedWrites, Holds, Lent, Storage};
use crate::transport::Transport;
use crate::writer::StreamWriter;

/// The reading half of a stream without a heap; see [`split_with`].
pub type LentReader<'a, T> = StreamReader<T, Lent<'a>>;

/// The writing half of a stream without a heap; see [`split_with`].
pub type LentWriter<'a, T> = StreamWriter<T, Lent<'a>>;

/// Makes the two halves of a stream over a transport that is borrowed, with `buffer` to read into. Nothing is allocated: this is
/// how a microcontroller reads lines from its UART. With a `static` transport and a `&'static mut` buffer the halves are
/// `'static`, and may go to different tasks.
///
/// The length of `buffer` is the limit of what the reader can lend at a time, such as the longest line with its `\n`; everything
/// else is as with `split`. When the halves are dropped, the transport stays open, and what was read ahead is lost: take it
/// from [`buffered`](StreamReader::buffered) first, if somebody is to go on reading.
///
/// ```
/// use uasyncio_streams::{Storage, StreamReader, StreamWriter, Transport, Wire, io, split_with};
///
/// // For streams with a heap and without.
/// async fn echo<T, S>(mut reader: StreamReader<T, S>, mut writer: StreamWriter<T, S>) -> io::Result<()>
/// where
///     T: Transport,
///     S: Storage<T>,
/// {
///     loop {
///         match reader.readline().await? {
///             b"" => return Ok(()),
///             line => writer.awrite(line).await?,
///         }
///     }
/// }
///
/// # uasyncio_core::run(async {
/// let mut wire = Wire::<64>::new();
/// let (near, far) = wire.ends();
/// let (mut far_buffer, mut line) = ([0; 32], [0; 32]);
/// let (mut far_reader, mut far_writer) = split_with(&far, &mut far_buffer);
/// far_writer.awritestr("one\ntwo\n").await?;
/// far_writer.write_eof().await?;
///
/// let (reader, writer) = split_with(&near, &mut line);
/// echo(reader, writer).await?;
/// assert_eq!(far_reader.readline().await?, b"one\n");
/// assert_eq!(far_reader.readline().await?, b"two\n");
/// # Ok::<_, io::Error>(())
/// # }).unwrap();
/// ```
///
/// A transport has one waker for each direction. So there is to be one reader and one writer of it at a time: with a second
/// one that waits, the first might wait for ever.
///
/// # Panics
/// When `buffer` is empty.
pub fn split_with<'a, T: Transport>(transport: &'a T, buffer: &'a mut [u8]) -> (LentReader<'a, T>, LentWriter<'a, T>) {
    (StreamReader::over(transport, buffer), StreamWriter::over(transport))
}

impl<'a, T: Transport + 'a> StreamReader<T, Lent<'a>> {
    /// A reader alone, over a transport that nobody else reads from; otherwise as [`split_with`].
    ///
    /// # Panics
    /// When `buffer` is empty.
    pub fn over(transport: &'a T, buffer: &'a mut [u8]) -> Self {
        assert!(!buffer.is_empty(), "a reader with a buffer of 0 bytes could never read");
        let limit = buffer.len();
        StreamReader::with(transport, Slice { storage: buffer, start: 0, end: 0 }, limit)
    }
}

impl<'a, T: Transport + 'a> StreamWriter<T, Lent<'a>> {
    /// A writer alone, over a transport that nobody else writes to; otherwise as [`split_with`].
    pub fn over(transport: &'a T) -> Self {
        StreamWriter::with(transport, NoBuffer)
    }
}

impl<'a, T: 'a> Holds<T> for Lent<'a> {
    type Handle = &'a T;
    type ReadBuffer = Slice<'a>;
    type WriteBuffer = NoBuffer;
}

impl<'a, T: 'a> Storage<T> for Lent<'a> {}

/// A read buffer of a fixed size.
///
/// Written so that the compiler sees that nothing can be out of bounds: no code for panics is left.
pub struct Slice<'a> {
    storage: &'a mut [u8],
    start: usize,
    end: usize,
}

impl BufferedReads for Slice<'_> {
    fn bytes(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[inline]
    fn is_held(&self) -> bool {
        !self.is_empty()
    }

    #[inline]
    fn most(&self, wanted: usize) -> usize {
        wanted.min(self.storage.len())
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "cannot consume more bytes than are buffered");
        self.start += count;
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start = (start + count).min(self.end);
        self.storage.get(start..self.start).unwrap_or_default()
    }

    fn spare(&mut self, _: usize) -> &mut [u8] {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.storage.len() {
            self.move_to_start();
        }
        self.storage.get_mut(self.end..).unwrap_or_default()
    }

    /// A transport that claims more than there was room for is not believed.
    fn filled(&mut self, count: usize) {
        debug_assert!(
            count <= self.storage.len() - self.end,
            "the transport says that it read more bytes than there was room for"
        );
        self.end = (self.end + count).min(self.storage.len());
    }

    fn release(&mut self) {}

    /// The bytes stay where they are.
    fn incomplete(&mut self) -> ReadError {
        ReadError::Incomplete {
            #[cfg(feature = "alloc")]
            partial: alloc::vec::Vec::new(),
        }
    }
}

impl Slice<'_> {
    fn move_to_start(&mut self) {
        let kept = self.len();
        // As `copy_within`, which has code for panics, and a `memmove`.
        let places = Cell::from_mut(&mut *self.storage).as_slice_of_cells();
        for (to, from) in places.iter().zip(places.get(self.start..self.end).unwrap_or_default()) {
            to.set(from.get());
        }
        (self.start, self.end) = (0, kept);
    }
}

impl fmt::Debug for Slice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slice").field("buffered", &self.len()).field("capacity", &self.storage.len()).finish()
    }
}

/// Without a heap there is no `write`, and so nothing that it could have buffered.
#[derive(Debug)]
pub struct NoBuffer;

impl BufferedWrites for NoBuffer {
    #[inline(always)]
    fn is_there(&self) -> bool {
        false
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        &[]
    }

    #[inline(always)]
    fn consume(&mut self, _: usize) {}

    #[inline(always)]
    fn clear(&mut self) {}
}
