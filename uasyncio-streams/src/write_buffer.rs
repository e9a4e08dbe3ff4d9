//! The bytes that `write` could not hand to the transport at once.
//!
//! A writer has such a buffer only from the first time on that it needs one. Its storage comes from the same pool as that of
//! the readers, and goes back when it is empty. When it is dropped with bytes in it, it tries once to write them,
//! and tells the loop's exception handler about those that are lost.

use std::fmt;
use std::rc::Rc;

use uasyncio_core::{Exception, ExceptionContext, try_get_event_loop};

use crate::buffer::ReadBuffer;
use crate::reader::DEFAULT_LIMIT;
use crate::transport::{Transport, TryError};

pub(crate) struct WriteBuffer<T> {
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
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

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

    /// Takes the first `count` bytes out.
    pub(crate) fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
        self.bytes.release();
    }

    /// Throws everything away.
    pub(crate) fn clear(&mut self) {
        self.consume(self.bytes.len());
    }
}

/// Writes what can be written without waiting.
fn write_out<T: Transport>(transport: &T, bytes: &mut ReadBuffer) -> Result<(), TryError> {
    while !bytes.is_empty() {
        match transport.try_write(bytes.bytes())? {
            0 => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
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
            None => eprintln!("{message}: {lost}"),
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
