//! The bytes that `write` could not hand to the transport at once.
//!
//! A writer has such a buffer only from the first time on that it needs one. Its storage comes from the same pool as that of
//! the readers, and goes back when it is empty. When it is dropped with bytes in it, it tries once to write them,
//! and tells the loop's exception handler about those that are lost.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;

use uasyncio_core::{Exception, ExceptionContext, try_get_event_loop};

use crate::buffer::ReadBuffer;
use crate::error::WriteError;
use crate::io;
use crate::reader::DEFAULT_LIMIT;
use crate::storage::BufferedWrites;
use crate::transport::{Transport, TryError};
use crate::write::Drain;
use crate::writer::StreamWriter;

/// Writing without waiting. It needs the feature `alloc`, for the buffer.
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
impl<T: Transport> StreamWriter<T> {
    pub(crate) fn new(transport: Rc<T>) -> Self {
        StreamWriter::with(transport, None)
    }

    /// Writes without waiting: what the transport does not accept at once waits in a buffer, for [`drain`](Self::drain).
    /// asyncio's `write`, and MicroPython's, but bounded.
    ///
    /// Nothing writes the buffer in the background. `drain` does, and so do `awrite` and its like, `write_eof` and
    /// `aclose`, before their own work: the order of the bytes is the order of the calls.
    ///
    /// ```
    /// # use uasyncio_streams::{WriteError, duplex, split};
    /// # uasyncio_core::run(async {
    /// let (near, far) = duplex(4);
    /// let (_reader, mut writer) = split(near);
    /// writer.set_write_limit(8);
    /// writer.write(b"head")?; // the pipe is full now
    /// writer.write(b"body\n")?;
    /// assert_eq!(writer.unwritten(), b"body\n");
    /// assert!(matches!(writer.write(b"more"), Err(WriteError::Full { buffered: 5, limit: 8 })));
    ///
    /// let (mut far_reader, _far_writer) = split(far);
    /// let task = uasyncio_core::create_task(async move { far_reader.readline().await.map(<[u8]>::to_vec) });
    /// writer.drain().await?;
    /// assert_eq!(task.await.unwrap()?, b"headbody\n");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// A buffer with bytes in it that is dropped, with the writer, is tried once more without waiting. What the transport does
    /// not accept then is lost, and the loop's exception handler is told how much that was.
    ///
    /// # Errors
    /// [`WriteError::Full`], with nothing accepted, when the buffer would hold more than the [limit](Self::set_write_limit) if the
    /// transport accepted nothing: whether a call fits does not depend on the speed of the peer. [`WriteError::Io`] with the
    /// transport's error; [`written`](Self::written) tells how much went before it.
    pub fn write(&mut self, data: &[u8]) -> Result<(), WriteError> {
        let (buffered, limit) = (self.unwritten().len(), self.write_limit());
        // The limit may have been lowered since.
        if data.len() > limit.saturating_sub(buffered) {
            return Err(WriteError::Full { buffered, limit });
        }
        let mut rest = data;
        while buffered == 0 && !rest.is_empty() {
            match self.transport.try_write(rest) {
                Ok(count) => rest = &rest[self.accepted(count)?..],
                Err(TryError::Blocked(_)) => break,
                Err(TryError::Failed(error)) => return Err(WriteError::Io(error)),
            }
        }
        if !rest.is_empty() {
            self.buffer_mut().push(rest);
        } else if let Err(TryError::Failed(error)) = self.transport.try_flush() {
            return Err(WriteError::Io(error));
        }
        Ok(())
    }

    /// Completes when everything that [`write`](Self::write) has buffered was accepted by the transport. asyncio's `drain`, but it
    /// waits for the whole of it.
    ///
    /// # Errors
    /// The transport's error. What was not accepted stays in the buffer.
    ///
    /// # Cancel safety
    /// No byte is lost or written twice when the future is dropped: the rest stays in the buffer.
    pub fn drain(&mut self) -> Drain<'_, T> {
        Drain { writer: self }
    }

    /// What [`write`](Self::write) has buffered and the transport has not accepted yet.
    pub fn unwritten(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// How many bytes [`write`](Self::write) may buffer; 64 KiB unless changed.
    pub fn write_limit(&self) -> usize {
        self.buffer.as_ref().map_or(DEFAULT_LIMIT, |buffer| buffer.limit())
    }

    /// Sets how many bytes [`write`](Self::write) may buffer. Less than what is buffered now loses nothing.
    ///
    /// # Panics
    /// When `limit` is 0.
    pub fn set_write_limit(&mut self, limit: usize) {
        assert!(limit > 0, "a writer with a limit of 0 bytes could never write; use `awrite`");
        self.buffer_mut().set_limit(limit);
    }

    #[cold]
    fn buffer_mut(&mut self) -> &mut WriteBuffer<T> {
        self.buffer.get_or_insert_with(|| Box::new(WriteBuffer::new(self.transport.clone())))
    }

    pub(crate) fn shared(&self) -> &Rc<T> {
        &self.transport
    }
}

pub struct WriteBuffer<T> {
    bytes: ReadBuffer,
    limit: usize,
    transport: Rc<T>,
    /// [`write_out`] for this transport: dropping knows no trait bounds.
    write_out: fn(&T, &mut ReadBuffer) -> Result<(), TryError>,
}

impl<T: Transport> WriteBuffer<T> {
    pub(crate) fn new(transport: Rc<T>) -> Self {
        WriteBuffer { bytes: ReadBuffer::default(), limit: DEFAULT_LIMIT, transport, write_out }
    }
}

impl<T> WriteBuffer<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Appends `data`, for which there is room.
    pub(crate) fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = self.bytes.spare(self.limit);
            let (now, later) = data.split_at(room.len().min(data.len()));
            room[..now.len()].copy_from_slice(now);
            self.bytes.filled(now.len());
            data = later;
        }
    }
}

impl<T> BufferedWrites for Option<Box<WriteBuffer<T>>> {
    #[inline(always)]
    fn is_there(&self) -> bool {
        self.is_some()
    }

    fn bytes(&self) -> &[u8] {
        self.as_ref().map_or(&[], |buffer| buffer.bytes.bytes())
    }

    fn consume(&mut self, count: usize) {
        if let Some(buffer) = self {
            buffer.bytes.consume(count);
            buffer.bytes.release();
        }
    }

    fn clear(&mut self) {
        self.consume(self.bytes().len());
    }
}

/// Writes what can be written without waiting.
fn write_out<T: Transport>(transport: &T, bytes: &mut ReadBuffer) -> Result<(), TryError> {
    while !bytes.is_empty() {
        match transport.try_write(bytes.bytes())? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            count => bytes.consume(count),
        }
    }
    transport.try_flush()
}

impl<T> Drop for WriteBuffer<T> {
    fn drop(&mut self) {
        if self.is_empty() {
            return;
        }
        let Err(reason) = (self.write_out)(&self.transport, &mut self.bytes) else {
            return;
        };
        let lost = Lost { bytes: self.bytes.len(), reason };
        let message = "a stream was dropped before everything was written; await `drain` or `aclose`";
        match try_get_event_loop() {
            Some(running) => running.call_exception_handler(&ExceptionContext::new(message, Exception::Error(&lost))),
            #[cfg(feature = "std")]
            None => std::eprintln!("{message}: {lost}"),
            #[cfg(not(feature = "std"))]
            None => {}
        }
    }
}

struct Lost {
    bytes: usize,
    reason: TryError,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of `write` are lost: {}", self.bytes, self.reason)
    }
}

impl<T> fmt::Debug for WriteBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBuffer").field("buffered", &self.bytes.len()).field("limit", &self.limit).finish()
    }
}
