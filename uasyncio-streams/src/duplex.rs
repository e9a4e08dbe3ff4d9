//! A two-way pipe in memory.
//!
//! Needs no reactor, no loop and no system call, so it carries simulated networks under virtual time, and tests.
//! Each direction is a queue of bounded size: writing waits while it is full, reading while it is empty.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;

use crate::pipe::{Bytes, End, Pipe, transport_of_end};

/// Makes a pipe of two ends: what is written to one is read from the other, and the reverse. `capacity` is the number of bytes
/// in flight in each direction before writing waits.
///
/// ```
/// use uasyncio_streams::{duplex, split};
///
/// uasyncio_core::run(async {
///     let (client, server) = duplex(1024);
///     let (mut reader, mut writer) = split(client);
///     uasyncio_core::create_task(async move {
///         let (mut reader, mut writer) = split(server);
///         let question = reader.readline().await?.to_vec();
///         writer.awriteiter([b"you said: ", &question[..]]).await
///     });
///     writer.awritestr("hello\n").await?;
///     assert_eq!(reader.readline().await?, b"you said: hello\n");
///     Ok::<_, std::io::Error>(())
/// })
/// .unwrap();
/// ```
///
/// # Panics
/// When `capacity` is 0.
pub fn duplex(capacity: usize) -> (Duplex, Duplex) {
    assert!(capacity > 0, "a pipe with a capacity of 0 bytes could carry nothing");
    let pipe = || Rc::new(RefCell::new(Pipe::new(Queue { bytes: VecDeque::new(), capacity })));
    let (one, two) = (pipe(), pipe());
    let near = End { incoming: one.clone(), outgoing: two.clone() };
    (Duplex(near), Duplex(End { incoming: two, outgoing: one }))
}

/// One end of a pipe made by [`duplex`]: a [`Transport`](crate::Transport).
///
/// When it is closed or dropped, the other end still reads what was written, then the end of the stream, and its
/// writes fail with [`BrokenPipe`](crate::io::ErrorKind::BrokenPipe).
#[derive(Debug)]
pub struct Duplex(End<Rc<RefCell<Pipe<Queue>>>>);

transport_of_end!([] Duplex);

/// A queue that grows up to its capacity.
#[derive(Debug)]
struct Queue {
    bytes: VecDeque<u8>,
    capacity: usize,
}

impl Bytes for Queue {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn room(&self) -> usize {
        self.capacity - self.bytes.len()
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let split = front.len().min(count);
        buffer[..split].copy_from_slice(&front[..split]);
        buffer[split..count].copy_from_slice(&back[..count - split]);
        self.bytes.drain(..count);
        count
    }

    fn write(&mut self, data: &[u8]) {
        self.bytes.extend(data);
    }

    fn clear(&mut self) {
        self.bytes = VecDeque::new();
    }
}
