//! Sending a file.
//!
//! Where the kernel has `sendfile` (Linux, Android), the bytes never come into the program. Elsewhere, and for files that it
//! refuses, they go through one buffer of the readers' pool.

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::sys;
use super::tcp::TcpWriter;
use crate::buffer::ReadBuffer;
use crate::pool::BLOCK;
use crate::transport::{TryError, WRITING, poll_attempt};

impl TcpWriter {
    /// Sends `count` bytes of `file` from `offset` on, or as many as there are up to its end, and gives their number. `u64::MAX`
    /// means up to the end. The file's own position neither counts nor changes, except on Windows. asyncio's `loop.sendfile`.
    ///
    /// On Linux and Android the kernel copies the bytes. Elsewhere they go through a buffer of 8 KiB.
    ///
    /// **Reading the file blocks this thread** when its bytes are not in the system's cache: a disk has no readiness to wait for.
    /// A fast disk costs the other tasks less than a millisecond at a time; a network file system may cost seconds.
    ///
    /// ```
    /// use std::io::Write;
    /// use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
    ///
    /// # uasyncio_io::run(async {
    /// let path = std::env::temp_dir().join(format!("uasyncio-send-file-{}", std::process::id()));
    /// std::fs::File::create(&path)?.write_all(b"the contents of a file\n")?;
    /// let file = std::fs::File::open(&path)?;
    /// # std::fs::remove_file(&path)?;
    /// let handler = move |_: TcpReader, mut writer: TcpWriter| {
    ///     let file = file.try_clone();
    ///     async move { writer.send_file(&file?, 4, u64::MAX).await.map(drop) }
    /// };
    /// let server = start_server(handler, "127.0.0.1", 0).await?;
    /// let (mut reader, _writer) = open_connection("127.0.0.1", server.local_addr().port()).await?;
    /// assert_eq!(reader.readline().await?, b"contents of a file\n");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The file's or the connection's error, as for [`awrite`](crate::StreamWriter::awrite). Unlike `awrite`, the kernel's `sendfile` does raise
    /// `SIGPIPE` in a program that does not ignore it; programs in Rust do.
    ///
    /// # Cancel safety
    /// When the future is dropped, or fails, a prefix was sent. Its length is in [`SendFile::sent`] before the drop and in the
    /// difference of [`written`](crate::StreamWriter::written) after it.
    pub fn send_file<'a>(&'a mut self, file: &'a File, offset: u64, count: u64) -> SendFile<'a> {
        SendFile { writer: self, file, offset, count, sent: 0, copy: None }
    }
}

/// The future of [`TcpWriter::send_file`](crate::StreamWriter::send_file).
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct SendFile<'a> {
    writer: &'a mut TcpWriter,
    file: &'a File,
    offset: u64,
    count: u64,
    sent: u64,
    /// The bytes that come next, once the kernel has refused to do the work.
    copy: Option<ReadBuffer>,
}

impl SendFile<'_> {
    /// How many bytes of the file were sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends some of the bytes; 0 at the end of the file.
    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        /// Other tasks have their turn after so many bytes.
        const MOST_AT_ONCE: u64 = 1024 * 1024;
        let SendFile { writer, file, offset, count, sent, copy } = self;
        let (from, most) = (*offset + *sent, (*count - *sent).min(MOST_AT_ONCE) as usize);
        if copy.is_none() {
            let sent = poll_attempt(writer.transport(), cx, WRITING, |transport| transport.try_send_file(file, from, most));
            match ready!(sent) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => *copy = Some(ReadBuffer::default()),
                Ok(0) => return Poll::Ready(Ok(0)),
                result => return Poll::Ready(writer.accepted(result?)),
            }
        }
        let Some(buffer) = copy else { return Poll::Ready(Ok(0)) };
        if buffer.is_empty() {
            let room = buffer.spare(BLOCK);
            let most = most.min(room.len());
            let length = read_at(file, &mut room[..most], from)?;
            buffer.filled(length);
            if length == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        let count = ready!(writer.poll_first_write(cx, buffer.bytes()))?;
        buffer.consume(count);
        Poll::Ready(Ok(count))
    }
}

impl Future for SendFile<'_> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.count = this.count.min(u64::MAX - this.offset);
        ready!(this.writer.poll_drain(cx))?;
        while this.sent < this.count {
            match ready!(this.poll_some(cx))? {
                0 => break,
                some => this.sent += some as u64,
            }
        }
        Poll::Ready(Ok(this.sent))
    }
}

impl super::TcpTransport {
    fn try_send_file(&self, file: &File, offset: u64, count: usize) -> Result<usize, TryError> {
        // Less than was asked for may be the end of the file: it says nothing of the socket.
        self.attempt(crate::Direction::Write, |_| false, |stream| sys::send_file(stream, file, offset, count))
    }
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, buffer, offset);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
