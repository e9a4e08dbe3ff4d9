//! Streams that read bytes, as those of Python do.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use uasyncio_streams::{HandlerOutput, ReadError, Server, ServerOptions, TcpTransport, Transport};

/// `StreamReader`: reads give bytes of their own. Every other method is that of
/// [`uasyncio_streams::StreamReader`], to which this dereferences: `readinto`, which is its `read`, `readuntil`, `aclose`, and so on.
#[derive(Debug)]
pub struct StreamReader<T: Transport = TcpTransport> {
    reader: uasyncio_streams::StreamReader<T>,
}

impl<T: Transport> StreamReader<T> {
    /// `read(n)`: up to `n` bytes; a negative `n` reads to the end of the stream, however much that is. Empty at the end. It may
    /// give fewer than `n`, as there; uasyncio's `read(-1)` gave what was there now.
    ///
    /// # Errors
    ///
    /// The transport's error.
    ///
    /// # Cancel safety
    ///
    /// No byte is lost when the future is dropped.
    ///
    /// ```
    /// use uasyncio_compat::names::StreamReader;
    /// use uasyncio_streams::{duplex, split};
    ///
    /// uasyncio_core::run(async {
    ///     let (near, far) = duplex(64);
    ///     split(far).1.awritestr("hello").await?;
    ///     let mut reader = StreamReader::from(split(near).0);
    ///     assert_eq!(reader.read(2).await?, b"he");
    ///     assert_eq!(reader.read(-1).await?, b"llo");
    ///     assert_eq!(reader.read(100).await?, b"");
    ///     std::io::Result::Ok(())
    /// })
    /// .unwrap();
    /// ```
    pub async fn read(&mut self, n: isize) -> io::Result<Vec<u8>> {
        let Ok(most) = usize::try_from(n) else {
            return Ok(self.reader.read_to_end(usize::MAX).await?.to_vec());
        };
        if most == 0 {
            return Ok(Vec::new());
        }
        let bytes = self.reader.fill_buf().await?;
        let count = bytes.len().min(most);
        let bytes = bytes[..count].to_vec();
        self.reader.consume(count);
        Ok(bytes)
    }

    /// `readinto(buf)`: reads into a buffer, up to its length, and gives the number of bytes; 0 at the end.
    ///
    /// # Errors
    ///
    /// The transport's error.
    ///
    /// # Cancel safety
    ///
    /// No byte is lost when the future is dropped.
    pub async fn readinto(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf).await
    }

    /// `readexactly(n)`: just so many bytes. There is a limit, of the reader, which there is not there.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`] with the bytes that came, where `EOFError` or `IncompleteReadError` is raised there.
    ///
    /// # Cancel safety
    ///
    /// No byte is lost when the future is dropped.
    pub async fn readexactly(&mut self, n: usize) -> Result<Vec<u8>, ReadError> {
        Ok(self.reader.readexactly(n).await?.to_vec())
    }

    /// `readline()`: a line with its end; without one at the end of the stream, then empty. There is a limit, of the reader, which
    /// MicroPython has not.
    ///
    /// # Errors
    ///
    /// The transport's error, or one that says that the line is longer than the limit; see [`ReadError`].
    ///
    /// # Cancel safety
    ///
    /// No byte is lost when the future is dropped.
    pub async fn readline(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.reader.readline().await?.to_vec())
    }

    /// The reader itself.
    pub fn into_inner(self) -> uasyncio_streams::StreamReader<T> {
        self.reader
    }
}

impl<T: Transport> From<uasyncio_streams::StreamReader<T>> for StreamReader<T> {
    fn from(reader: uasyncio_streams::StreamReader<T>) -> Self {
        StreamReader { reader }
    }
}

impl<T: Transport> Deref for StreamReader<T> {
    type Target = uasyncio_streams::StreamReader<T>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

impl<T: Transport> DerefMut for StreamReader<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.reader
    }
}

/// `StreamWriter`. Every other method is that of [`uasyncio_streams::StreamWriter`], to which this dereferences: `write` (with a limit, over
/// which it is an error), `drain`, `awritestr`, `awriteiter`, `write_eof`, `aclose`.
#[derive(Debug)]
pub struct StreamWriter<T: Transport = TcpTransport> {
    writer: uasyncio_streams::StreamWriter<T>,
}

impl<T: Transport> StreamWriter<T> {
    /// `awrite(buf, off, sz)`: writes `buf[off:off + sz]`; a negative `sz` is up to the end. Offsets and sizes past the end are cut, as
    /// Python's slices are. Sizes are bytes; there, those of a string were characters.
    ///
    /// # Errors
    ///
    /// The transport's error.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, a prefix was written; the difference of `written` says how much.
    ///
    /// ```
    /// use uasyncio_compat::names::StreamWriter;
    /// use uasyncio_streams::{duplex, split};
    ///
    /// uasyncio_core::run(async {
    ///     let (near, far) = duplex(64);
    ///     let mut writer = StreamWriter::from(split(near).1);
    ///     writer.awrite("hello, world", 7, 3).await?;
    ///     writer.awrite(b"d\n", 0, -1).await?;
    ///     assert_eq!(split(far).0.readline().await?, b"word\n");
    ///     std::io::Result::Ok(())
    /// })
    /// .unwrap();
    /// ```
    pub async fn awrite(&mut self, buf: impl AsRef<[u8]>, off: usize, sz: isize) -> io::Result<()> {
        let buf = buf.as_ref();
        let start = off.min(buf.len());
        let length = usize::try_from(sz).unwrap_or(usize::MAX).min(buf.len() - start);
        self.writer.awrite(&buf[start..start + length]).await
    }

    /// `close()`: nothing yet; [`wait_closed`](Self::wait_closed) does it, as in MicroPython.
    pub fn close(&mut self) {}

    /// `wait_closed()`: writes what is buffered, and closes the connection, both directions of it: `aclose`.
    ///
    /// # Errors
    ///
    /// The transport's error. The connection is closed nevertheless.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it completes, the connection is open; call it again.
    pub async fn wait_closed(&mut self) -> io::Result<()> {
        self.writer.aclose().await
    }

    /// The writer itself.
    pub fn into_inner(self) -> uasyncio_streams::StreamWriter<T> {
        self.writer
    }
}

impl StreamWriter<TcpTransport> {
    /// `get_extra_info(name)`: `"peername"` and `"sockname"`, as addresses; `None` for every other name, and for the latter after the
    /// connection was closed. Original writers of clients have none, those of servers give raw bytes.
    ///
    /// ```
    /// use uasyncio_compat::names as asyncio;
    ///
    /// asyncio::run(async {
    ///     let server = asyncio::start_server(|_, _| async {}, "127.0.0.1", 0, 5).await?;
    ///     let (_reader, writer) = asyncio::open_connection("127.0.0.1", server.local_addr().port()).await?;
    ///     assert_eq!(writer.get_extra_info("peername"), Some(server.local_addr()));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_extra_info(&self, name: &str) -> Option<SocketAddr> {
        match name {
            "peername" => Some(self.writer.peer_addr()),
            "sockname" => self.writer.local_addr().ok(),
            _ => None,
        }
    }
}

impl<T: Transport> From<uasyncio_streams::StreamWriter<T>> for StreamWriter<T> {
    fn from(writer: uasyncio_streams::StreamWriter<T>) -> Self {
        StreamWriter { writer }
    }
}

impl<T: Transport> Deref for StreamWriter<T> {
    type Target = uasyncio_streams::StreamWriter<T>;

    fn deref(&self) -> &Self::Target {
        &self.writer
    }
}

impl<T: Transport> DerefMut for StreamWriter<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.writer
    }
}

/// `open_connection(host, port)`: [`uasyncio_streams::open_connection`] with the streams of this module. A connection that is refused is
/// an error here, not one of the first read.
///
/// # Errors
///
/// As there.
///
/// # Cancel safety
///
/// When the future is dropped, its sockets are closed; the originals leak them.
pub async fn open_connection(host: &str, port: u16) -> io::Result<(StreamReader, StreamWriter)> {
    let (reader, writer) = uasyncio_streams::open_connection(host, port).await?;
    Ok((reader.into(), writer.into()))
}

/// `start_server(callback, host, port, backlog)`: [`uasyncio_streams::start_server`] with the streams of this module.
///
/// It gives a [`Server`], as MicroPython's and asyncio's do; uasyncio's never came back, and was made a task. Await
/// `wait_closed` of it for that. An error of a handler is reported, and the server goes on.
///
/// # Errors
///
/// When the address cannot be listened on.
///
/// # Cancel safety
///
/// Dropping the future before it completes leaves nothing behind.
pub async fn start_server<H, F>(callback: H, host: &str, port: u16, backlog: u32) -> io::Result<Server>
where
    H: Fn(StreamReader, StreamWriter) -> F + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    let handler = move |reader, writer| callback(StreamReader::from(reader), StreamWriter::from(writer));
    ServerOptions::default().backlog(backlog).start(handler, host, port).await
}
