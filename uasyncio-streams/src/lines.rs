//! The lines of a reader as a `Stream`.

use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use crate::error::ReadError;
use crate::read::ReadLine;
use crate::reader::StreamReader;
use crate::storage::{Heap, Storage};
use crate::transport::Transport;

/// The lines of a [`StreamReader`], made by [`StreamReader::lines`].
///
/// An item is a line with its `\n`; the last one may be without. Each is a `Vec` of its own, because a `Stream` cannot lend;
/// [`readline`](StreamReader::readline) can.
///
/// After an error it has ended. The reader has not: what it has read ahead is still there, and after
/// [`ReadError::LimitExceeded`], for one, [`skip_until`](StreamReader::skip_until) leads on.
///
/// # Cancel safety
/// Dropping it, or a future of its next item, loses no byte.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct Lines<'a, T, S: Storage<T> = Heap> {
    reader: &'a mut StreamReader<T, S>,
    /// How much of what is buffered is known to have no end of a line.
    scanned: usize,
    limit: usize,
    ended: bool,
}

impl<'a, T: Transport, S: Storage<T>> Lines<'a, T, S> {
    pub(crate) fn new(reader: &'a mut StreamReader<T, S>) -> Self {
        Lines { limit: reader.limit(), reader, scanned: 0, ended: false }
    }

    /// Uses this limit in bytes for each line instead of the reader's.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = self.reader.most(limit);
        self
    }
}

impl<T: Transport, S: Storage<T>> Stream for Lines<'_, T, S> {
    type Item = Result<Vec<u8>, ReadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let mut line = ReadLine::going_on(this.reader, this.scanned, this.limit);
        let polled = Pin::new(&mut line).poll(cx).map_ok(<[u8]>::to_vec);
        this.scanned = if polled.is_pending() { line.scanned() } else { 0 };
        let line = ready!(polled);
        this.ended = line.as_ref().map_or(true, Vec::is_empty);
        Poll::Ready(match line {
            Ok(line) if line.is_empty() => None,
            line => Some(line),
        })
    }
}

impl<T: Transport, S: Storage<T>> FusedStream for Lines<'_, T, S> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}
