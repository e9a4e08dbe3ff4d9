//! A two-way pipe in memory that needs no heap.

use core::cell::RefCell;
use core::fmt;

use crate::pipe::{Bytes, End, Pipe, transport_of_end};

/// The storage of a two-way pipe: `N` bytes in flight in each direction before writing waits. What `duplex` is with a heap.
///
/// ```
/// use uasyncio_streams::{Wire, io, split_with};
///
/// # uasyncio_core::run(async {
/// let mut wire = Wire::<64>::new();
/// let (near, far) = wire.ends();
/// let (mut buffer, mut far_buffer) = ([0; 16], [0; 16]);
/// let (mut reader, mut writer) = split_with(&near, &mut buffer);
/// let (mut far_reader, mut far_writer) = split_with(&far, &mut far_buffer);
///
/// writer.awritestr("ping\n").await?;
/// assert_eq!(far_reader.readline().await?, b"ping\n");
/// far_writer.awritestr("pong\n").await?;
/// assert_eq!(reader.readline().await?, b"pong\n");
/// # Ok::<_, io::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Wire<const N: usize> {
    one: RefCell<Pipe<Ring<N>>>,
    two: RefCell<Pipe<Ring<N>>>,
}

impl<const N: usize> Wire<N> {
    /// A pipe with nothing in it. `N` must not be zero; the compiler says so.
    pub const fn new() -> Self {
        const { assert!(N > 0, "a pipe with a capacity of 0 bytes could carry nothing") };
        Wire { one: RefCell::new(Pipe::new(Ring::new())), two: RefCell::new(Pipe::new(Ring::new())) }
    }

    /// The two ends: what is written to one is read from the other, and the reverse. Called again, it begins anew, with an empty pipe.
    pub fn ends(&mut self) -> (WireEnd<'_, N>, WireEnd<'_, N>) {
        *self = Wire::new();
        let Wire { one, two } = &*self;
        (WireEnd(End { incoming: one, outgoing: two }), WireEnd(End { incoming: two, outgoing: one }))
    }
}

impl<const N: usize> Default for Wire<N> {
    fn default() -> Self {
        Wire::new()
    }
}

/// One end of a [`Wire`]: a [`Transport`](crate::Transport).
///
/// When it is closed or dropped, the other end still reads what was written, then the end of the stream, and its
/// writes fail with [`BrokenPipe`](crate::io::ErrorKind::BrokenPipe).
#[derive(Debug)]
pub struct WireEnd<'a, const N: usize>(End<&'a RefCell<Pipe<Ring<N>>>>);

transport_of_end!([<const N: usize>] WireEnd<'_, N>);

/// A queue in an array: `length` bytes from `start` on, and around the end.
struct Ring<const N: usize> {
    bytes: [u8; N],
    start: usize,
    length: usize,
}

impl<const N: usize> Ring<N> {
    const fn new() -> Self {
        Ring { bytes: [0; N], start: 0, length: 0 }
    }
}

impl<const N: usize> Bytes for Ring<N> {
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn room(&self) -> usize {
        N - self.length
    }

    // Byte by byte: the code is small, and the pipe is for small messages.

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.length);
        for place in buffer.iter_mut().take(count) {
            *place = self.bytes[self.start % N];
            self.start = (self.start + 1) % N;
        }
        self.length -= count;
        count
    }

    fn write(&mut self, data: &[u8]) {
        for &byte in data {
            self.bytes[(self.start + self.length) % N] = byte;
            self.length += 1;
        }
    }

    fn clear(&mut self) {
        self.length = 0;
    }
}

impl<const N: usize> fmt::Debug for Ring<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("length", &self.length).field("capacity", &N).finish()
    }
}
