//! The buffer of a stream on the heap, for what was read ahead or waits to be written.
//!
//! A connection that waits for bytes holds no buffer: [`ReadBuffer::spare`] takes a block from the [`pool`](crate::pool), and
//! [`ReadBuffer::release`] gives it back as soon as it is empty again. A buffer that had to grow, for a long line, is never
//! pooled: a few long lines do not make the whole program hold large buffers for ever.
//!
//! ```text
//!   0        start            end          storage.len()
//!   ├──────────┼────────────────┼───────────────┤
//!   │ consumed │ bytes()        │ spare()       │
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::error::ReadError;
use crate::pool::{give_back, take_block};
use crate::storage::BufferedReads;

/// Bytes that were read and not yet consumed.
#[derive(Default)]
pub struct ReadBuffer {
    storage: Box<[u8]>,
    start: usize,
    end: usize,
}

impl ReadBuffer {
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        ReadBuffer { start: 0, end: bytes.len(), storage: bytes.into_boxed_slice() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Marks the first `count` bytes as consumed. They stay in place until the next call of `spare` or `release`.
    ///
    /// Panics when there are fewer.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "cannot consume {count} bytes: only {} are buffered", self.len());
        self.start += count;
    }

    /// Consumes the first `count` bytes and lends them.
    pub(crate) fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.consume(count);
        &self.storage[start..start + count]
    }

    /// Room for more bytes, at least one. Grows the storage if it must, up to `limit` bytes, of which fewer are in use.
    #[inline]
    pub(crate) fn spare(&mut self, limit: usize) -> &mut [u8] {
        debug_assert!(self.len() < limit);
        if self.is_empty() {
            if self.storage.is_empty() {
                self.storage = take_block();
            }
            self.start = 0;
            self.end = 0;
            return &mut self.storage;
        }
        let room = self.storage.len() - self.end;
        // Moving is paid for by the bytes consumed since the last move, except when there is no room at all.
        if room == 0 || (room < self.storage.len() / 2 && self.len() <= self.start) {
            self.make_room(limit);
        }
        &mut self.storage[self.end..]
    }

    #[cold]
    fn make_room(&mut self, limit: usize) {
        if self.start > 0 {
            self.storage.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        } else {
            let size = (self.storage.len() * 2).min(limit).max(self.storage.len() + 1);
            let mut storage = core::mem::take(&mut self.storage).into_vec();
            storage.resize(size, 0);
            self.storage = storage.into_boxed_slice();
        }
    }

    /// Says that the first `count` bytes of [`spare`](Self::spare) were filled.
    ///
    /// Panics when the room is smaller: the transport claims to have read more than it was given room for.
    pub(crate) fn filled(&mut self, count: usize) {
        let room = self.storage.len() - self.end;
        assert!(count <= room, "the transport says that it read {count} bytes into a buffer of {room}");
        self.end += count;
    }

    /// Gives the storage back to the pool if no byte is left in it.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.is_empty() && !self.storage.is_empty() {
            self.start = 0;
            self.end = 0;
            give_back(core::mem::take(&mut self.storage));
        }
    }
}

impl BufferedReads for ReadBuffer {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        ReadBuffer::bytes(self)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        ReadBuffer::len(self)
    }

    #[inline(always)]
    fn is_empty(&self) -> bool {
        ReadBuffer::is_empty(self)
    }

    #[inline(always)]
    fn is_held(&self) -> bool {
        !self.storage.is_empty()
    }

    /// It grows.
    #[inline(always)]
    fn most(&self, wanted: usize) -> usize {
        wanted
    }

    #[inline(always)]
    fn consume(&mut self, count: usize) {
        ReadBuffer::consume(self, count);
    }

    #[inline(always)]
    fn take(&mut self, count: usize) -> &[u8] {
        ReadBuffer::take(self, count)
    }

    #[inline(always)]
    fn spare(&mut self, limit: usize) -> &mut [u8] {
        ReadBuffer::spare(self, limit)
    }

    #[inline(always)]
    fn filled(&mut self, count: usize) {
        ReadBuffer::filled(self, count);
    }

    #[inline(always)]
    fn release(&mut self) {
        ReadBuffer::release(self);
    }

    /// The bytes are taken out, as in asyncio.
    fn incomplete(&mut self) -> ReadError {
        let partial = self.bytes().to_vec();
        self.consume(partial.len());
        self.release();
        ReadError::Incomplete { partial }
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        self.start = self.end;
        self.release();
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer").field("buffered", &self.len()).field("capacity", &self.storage.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;

    use super::*;
    use crate::pool::BLOCK;

    fn put(buffer: &mut ReadBuffer, bytes: &[u8], limit: usize) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = buffer.spare(limit);
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            buffer.filled(count);
            rest = &rest[count..];
        }
    }

    #[test]
    fn agrees_with_a_plain_queue() {
        let mut buffer = ReadBuffer::default();
        let mut oracle = VecDeque::new();
        let mut random = 88_172_645_463_325_252_u64;
        let mut next_byte = 0_u8;
        for _ in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let amount = (random >> 8) as usize % 3000;
            if random & 1 == 0 {
                let bytes: Vec<u8> = (0..amount.min(30_000 - oracle.len()))
                    .map(|_| {
                        next_byte = next_byte.wrapping_add(1);
                        next_byte
                    })
                    .collect();
                put(&mut buffer, &bytes, 30_001);
                oracle.extend(bytes);
            } else {
                let amount = amount.min(oracle.len());
                let expected: Vec<u8> = oracle.drain(..amount).collect();
                assert_eq!(buffer.take(amount), expected);
            }
            assert_eq!(buffer.len(), oracle.len());
            if random & 2 == 0 {
                buffer.release();
            }
        }
        assert!(oracle.iter().eq(buffer.bytes()));
    }

    #[test]
    fn a_grown_buffer_is_not_pooled() {
        let mut grown = ReadBuffer::default();
        put(&mut grown, &[7; BLOCK + 1], 4 * BLOCK);
        drop(grown);
        let mut next = ReadBuffer::default();
        assert_eq!(next.spare(BLOCK).len(), BLOCK);
    }

    #[test]
    fn growth_stops_at_the_limit() {
        let mut buffer = ReadBuffer::default();
        put(&mut buffer, &[1; 20_000], 20_000);
        assert_eq!(buffer.storage.len(), 20_000);
    }
}
