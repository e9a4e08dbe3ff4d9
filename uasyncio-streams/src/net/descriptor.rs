//! Pipes, terminals and other descriptors as transports.
//!
//! Non-blocking mode belongs to the *open file description*, which a descriptor shares with its duplicates, in this process and in others. So
//! it is set only where it matters, not on files, and put back when the transport closes; `stdio.rs` says more of the standard streams.
//!
//! A short read of a TCP socket proves that nothing is left. One of a terminal does not (it gives one line at a time), and neither does one of
//! an `inotify` or of a pipe of packets: so here nobody concludes anything, at the price of one more call.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use uasyncio_io::AsyncFd;

use super::stdio;
use super::system_transport::{SystemStream, SystemTransport};
use crate::{StreamReader, StreamWriter, split};

/// What reads from a pipe, terminal or other descriptor. Unix only.
pub type PipeReader = StreamReader<DescriptorTransport>;

/// What writes to a pipe, terminal or other descriptor. Unix only.
pub type PipeWriter = StreamWriter<DescriptorTransport>;

/// A pipe, FIFO, terminal, eventfd, file or any other descriptor as a [`Transport`](crate::Transport). Unix only.
///
/// [`connect_read_pipe`] and [`connect_write_pipe`] make it for one direction; for a terminal, a serial line or whatever else is both read and written
/// there is [`from_fd`](DescriptorTransport::from_fd), and [`split`](crate::split). Windows has no readiness for such things.
///
/// * **Non-blocking mode** is set, and put back when the transport closes if it was not set before. It belongs to the open file description: while the
///   transport is there, every duplicate of the descriptor has it too, in other processes as well. A program that shares it and does not expect that sees errors
///   ("resource temporarily unavailable"). Two transports over one description: the first to close puts it back, so use one for both directions.
/// * **Regular files** are always ready and never wait; [`is_always_ready`](DescriptorTransport::is_always_ready) says so. Reading one
///   blocks the thread while the disk works, as it does in asyncio; [`to_thread`](uasyncio_io::to_thread) is for that.
/// * **Writing to a pipe that nobody reads** gives the error `BrokenPipe`. The system raises `SIGPIPE` as well, which the
///   programs of Rust ignore unless they say otherwise.
/// * **The end of writing**, [`write_eof`](crate::StreamWriter::write_eof), closes what is only written: nothing else tells the reader. On a
///   descriptor that is also read it fails with `Unsupported`, except on a socket.
pub type DescriptorTransport = SystemTransport<Descriptor>;

/// Makes a stream of what can be read: the reading end of a pipe, a FIFO, a terminal, the output of a child process. asyncio's `connect_read_pipe`. Unix only.
///
/// Closed when the reader is dropped. See [`DescriptorTransport`] for non-blocking mode, and for files.
///
/// ```
/// use std::process::{Command, Stdio};
/// use uasyncio_streams::connect_read_pipe;
///
/// # uasyncio_io::run(async {
/// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let mut output = connect_read_pipe(child.stdout.take().unwrap())?;
/// assert_eq!(output.read_to_end(1000).await?, b"hello\n");
/// # child.wait()?;
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// `InvalidInput` when it cannot be read; `Unsupported` when no loop with a reactor is running; `uasyncio_io::run` starts one. Some systems
/// cannot wait for some kinds of descriptors, such as macOS for `/dev/tty`: then the first read that would have to wait fails.
pub fn connect_read_pipe(pipe: impl Into<OwnedFd>) -> io::Result<PipeReader> {
    Ok(split(DescriptorTransport::connect(Descriptor::new(pipe.into(), Directions::Read)?)?).0)
}

/// Makes a stream of what can be written: the writing end of a pipe, a FIFO, a terminal, the input of a child process. asyncio's `connect_write_pipe`. Unix only.
///
/// Closed, for the reader to see the end, when the writer is dropped, and by [`write_eof`](crate::StreamWriter::write_eof) and
/// [`aclose`](crate::StreamWriter::aclose). See [`DescriptorTransport`] for non-blocking mode, and for files.
///
/// ```
/// use std::process::{Command, Stdio};
/// use uasyncio_streams::{connect_read_pipe, connect_write_pipe};
///
/// # uasyncio_io::run(async {
/// let mut child = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut input = connect_write_pipe(child.stdin.take().unwrap())?;
/// let mut output = connect_read_pipe(child.stdout.take().unwrap())?;
/// input.awritestr("one\ntwo\nthree\n").await?;
/// input.write_eof().await?;
/// assert_eq!(output.read_to_end(1000).await?, b"one\nthree\ntwo\n");
/// # child.wait()?;
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// `InvalidInput` when it cannot be written; else as [`connect_read_pipe`].
pub fn connect_write_pipe(pipe: impl Into<OwnedFd>) -> io::Result<PipeWriter> {
    Ok(split(DescriptorTransport::connect(Descriptor::new(pipe.into(), Directions::Write)?)?).1)
}

/// What a stream does with a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directions {
    Read,
    Write,
    Both,
}

/// As far as it makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file, a directory or a disk: always ready.
    File,
    Socket,
    /// A pipe, a terminal, an eventfd ...
    Other,
}

impl Kind {
    pub(super) fn of(descriptor: &File) -> io::Result<Kind> {
        let kind = descriptor.metadata()?.file_type();
        Ok(match () {
            () if kind.is_file() || kind.is_dir() || kind.is_block_device() => Kind::File,
            () if kind.is_socket() => Kind::Socket,
            () => Kind::Other,
        })
    }
}

/// What is known of a descriptor, also after it was closed.
#[derive(Debug)]
pub struct Facts {
    kind: Kind,
    /// `write_eof` has closed it.
    ended: Cell<bool>,
}

/// What is to be done about non-blocking mode at the end.
#[derive(Debug, PartialEq, Eq)]
enum Afterwards {
    Nothing,
    /// It was set for this stream.
    PutBack,
    /// It was set for the standard streams.
    TellStandardStreams,
}

/// A descriptor in non-blocking mode.
pub struct Descriptor {
    descriptor: File,
    kind: Kind,
    directions: Directions,
    afterwards: Afterwards,
}

impl Descriptor {
    fn new(descriptor: OwnedFd, directions: Directions) -> io::Result<Descriptor> {
        let descriptor = File::from(descriptor);
        let kind = Kind::of(&descriptor)?;
        let flags = fcntl_getfl(&descriptor)?;
        let mode = flags & OFlags::RWMODE;
        let missing = match directions {
            Directions::Read => mode == OFlags::WRONLY,
            Directions::Write => mode == OFlags::RDONLY,
            Directions::Both => mode != OFlags::RDWR,
        };
        if missing {
            let text = "the descriptor was not opened for reading, or not for writing, as the stream needs it";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut afterwards = Afterwards::Nothing;
        if kind != Kind::File && !flags.contains(OFlags::NONBLOCK) {
            fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?;
            afterwards = Afterwards::PutBack;
        }
        Ok(Descriptor { descriptor, kind, directions, afterwards })
    }

    /// One that is in the right mode already, for the standard streams.
    pub(super) fn standard(descriptor: File, kind: Kind, directions: Directions, counted: bool) -> Descriptor {
        let afterwards = if counted { Afterwards::TellStandardStreams } else { Afterwards::Nothing };
        Descriptor { descriptor, kind, directions, afterwards }
    }
}

/// Puts blocking mode back. There is nobody to tell of an error, and no reason for one.
pub(super) fn put_back(descriptor: impl AsFd) {
    if let Ok(flags) = fcntl_getfl(&descriptor) {
        let _ = fcntl_setfl(&descriptor, flags - OFlags::NONBLOCK);
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        match self.afterwards {
            Afterwards::Nothing => {}
            Afterwards::PutBack => put_back(&self.descriptor),
            Afterwards::TellStandardStreams => stdio::leave(),
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Descriptor").field(&self.as_fd()).field(&self.kind).field(&self.directions).finish()
    }
}

impl SystemStream for Descriptor {
    type Peer = Facts;

    const SHORT_MEANS_BLOCKED: bool = false;

    fn ended(facts: &Facts) -> Option<&Cell<bool>> {
        Some(&facts.ended)
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self, buffer)?)
    }

    fn write(&self, data: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self, data)?)
    }

    fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self, slices)?)
    }

    fn end_writing(&self) -> io::Result<bool> {
        match (self.kind, self.directions) {
            (Kind::Socket, _) => Ok(rustix::net::shutdown(self, rustix::net::Shutdown::Write).map(|()| false)?),
            (_, Directions::Both) => {
                let text = "only closing ends the writing of this descriptor, and it is read as well";
                Err(io::Error::new(io::ErrorKind::Unsupported, text))
            }
            _ => Ok(true),
        }
    }
}

impl DescriptorTransport {
    pub(super) fn connect(descriptor: Descriptor) -> io::Result<Self> {
        let facts = Facts { kind: descriptor.kind, ended: Cell::new(false) };
        Ok(DescriptorTransport::new(AsyncFd::new(descriptor)?, facts))
    }

    /// Takes over a descriptor that is both read and written, and sets it to non-blocking mode: a terminal, a serial line, an eventfd. Unix only.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use uasyncio_streams::{DescriptorTransport, split};
    ///
    /// # uasyncio_io::run(async {
    /// # let (near, far) = UnixStream::pair()?;
    /// let (mut reader, _writer) = split(DescriptorTransport::from_fd(near)?);
    /// let (_reader, mut writer) = split(DescriptorTransport::from_fd(far)?);
    /// writer.awritestr("hello\n").await?;
    /// assert_eq!(reader.readline().await?, b"hello\n");
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` when it is not open for both; else as [`connect_read_pipe`].
    pub fn from_fd(descriptor: impl Into<OwnedFd>) -> io::Result<Self> {
        DescriptorTransport::connect(Descriptor::new(descriptor.into(), Directions::Both)?)
    }

    /// Whether it is a regular file, a directory or a disk. Such a thing is ready at all times: nothing ever waits for it, and a read blocks the thread as long as the disk
    /// needs. (Some devices are always ready too, such as `/dev/null`, and cannot be told from others.) Unix only.
    ///
    /// ```
    /// use uasyncio_streams::connect_read_pipe;
    ///
    /// # uasyncio_io::run(async {
    /// # let path = std::env::current_exe()?;
    /// let reader = connect_read_pipe(std::fs::File::open(path)?)?;
    /// assert!(reader.transport().is_always_ready());
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn is_always_ready(&self) -> bool {
        self.peer.kind == Kind::File
    }

    /// A second descriptor of the same description: to set options of a terminal, for example. asyncio's `get_extra_info("pipe")`.
    ///
    /// It is in non-blocking mode as long as this one is open. The other end of a pipe sees its end when both are closed.
    ///
    /// # Errors
    /// `NotConnected` when it was closed here; the system's error when it has no descriptor left.
    #[doc(alias = "get_extra_info")]
    pub fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.with_stream(|stream| stream.as_fd().try_clone_to_owned())
    }
}
