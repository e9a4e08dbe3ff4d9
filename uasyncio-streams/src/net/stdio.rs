//! The standard streams.
//!
//! They are shared with the program that started this one and with the children of either, and mostly with each other: one terminal is often all three. So
//! non-blocking mode is not set on them where it can be avoided. Linux opens a terminal or a pipe anew through `/proc`: that gives a
//! description of our own, and nobody else sees its mode. Where that is not to be had, the mode of the shared description is
//! set, and put back when the last of the standard streams is gone: an earlier one would take it away from the others.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::descriptor::{Descriptor, DescriptorTransport, Directions, Kind, PipeReader, PipeWriter, put_back};
use crate::split;

/// The standard input as a stream: a terminal, a pipe or a file. asyncio's `connect_read_pipe(.., sys.stdin)`. Unix only.
///
/// Dropping it leaves the descriptor itself open. Do not use [`std::io::stdin`] beside it: each keeps what it has read ahead. Call it once and keep the
/// reader, for the same reason.
///
/// # Non-blocking mode
/// The descriptor is shared with other processes, such as the shell, and often with the standard output, and so is its mode. On Linux and Android a terminal or
/// a pipe is opened anew through `/proc`, so that nobody is concerned. Where that is impossible (another system, a socket, a
/// terminal of another user) the mode is set for all, and put back when the last stream of [`stdin`], [`stdout`] and [`stderr`] is dropped. Until then `println!` may
/// fail when the terminal is slow; a process that ends by `exit` or by a signal leaves the mode as it is.
///
/// ```no_run
/// use uasyncio_streams::stdin;
///
/// # uasyncio_io::run(async {
/// let mut input = stdin()?;
/// let name = input.readline().await?;
/// println!("a name of {} bytes", name.trim_ascii_end().len());
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// `InvalidInput` when it was not opened for reading; `Unsupported` when no loop with a reactor is running; `uasyncio_io::run` starts one.
pub fn stdin() -> io::Result<PipeReader> {
    Ok(split(connect(0)?).0)
}

/// The standard output as a stream: a terminal, a pipe or a file. asyncio's `connect_write_pipe(.., sys.stdout)`. Unix only.
///
/// Dropping or closing it, or [`write_eof`](crate::StreamWriter::write_eof), leaves the descriptor itself open: whoever reads the output sees its end when
/// the process ends. (A socket is the exception: `write_eof` ends it for all.) What `print!` has buffered comes when it is flushed. For
/// non-blocking mode, see [`stdin`].
///
/// ```
/// use uasyncio_streams::stdout;
///
/// uasyncio_io::run(async { stdout()?.awritestr("hello\n").await })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`stdin`].
pub fn stdout() -> io::Result<PipeWriter> {
    Ok(split(connect(1)?).1)
}

/// The standard error output as a stream; see [`stdout`]. Unix only.
///
/// # Errors
/// As [`stdin`].
pub fn stderr() -> io::Result<PipeWriter> {
    Ok(split(connect(2)?).1)
}

fn connect(number: usize) -> io::Result<DescriptorTransport> {
    let directions = if number == 0 { Directions::Read } else { Directions::Write };
    let shared = with_standard(number, |descriptor| descriptor.try_clone_to_owned())?.into();
    let kind = Kind::of(&shared)?;
    let flags = fcntl_getfl(&shared)?;
    let wrong = if number == 0 { OFlags::WRONLY } else { OFlags::RDONLY };
    if flags & OFlags::RWMODE == wrong {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor was opened for the other direction"));
    }
    if kind == Kind::File {
        return DescriptorTransport::connect(Descriptor::standard(shared, kind, directions, false));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(own) = open_anew(&shared, number, kind) {
        return DescriptorTransport::connect(Descriptor::standard(own, kind, directions, false));
    }
    enter(number, flags)?;
    DescriptorTransport::connect(Descriptor::standard(shared, kind, directions, true))
}

/// A description of our own of the same terminal or pipe. `None` where that is impossible.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_anew(shared: &std::fs::File, number: usize, kind: Kind) -> Option<std::fs::File> {
    use std::fs::File;
    use std::io::IsTerminal;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

    let before = shared.metadata().ok()?;
    // Opening other devices may do something to them; the controlling side of a terminal would be that of a new one.
    let controlling_side = rustix::fs::makedev(5, 2);
    let is_terminal = shared.is_terminal() && before.rdev() != controlling_side;
    if kind != Kind::Other || !(is_terminal || before.file_type().is_fifo()) {
        return None;
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let mut options = File::options();
    options.read(number == 0).write(number != 0).custom_flags(flags);
    let own = options.open(format!("/proc/self/fd/{number}")).ok()?;
    let after = own.metadata().ok()?;
    let is_same = (before.dev(), before.ino(), before.rdev()) == (after.dev(), after.ino(), after.rdev());
    is_same.then_some(own)
}

fn with_standard<R>(number: usize, function: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
    match number {
        0 => function(io::stdin().as_fd()),
        1 => function(io::stdout().as_fd()),
        _ => function(io::stderr().as_fd()),
    }
}

/// The standard streams of this process whose shared description had to be changed.
struct Shared {
    streams: usize,
    /// Where non-blocking mode was set.
    changed: [bool; 3],
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { streams: 0, changed: [false; 3] });

fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the mode, if it is not set.
fn enter(number: usize, flags: OFlags) -> io::Result<()> {
    let mut shared = shared();
    if !flags.contains(OFlags::NONBLOCK) {
        with_standard(number, |descriptor| fcntl_setfl(descriptor, flags | OFlags::NONBLOCK))?;
        shared.changed[number] = true;
    }
    shared.streams += 1;
    Ok(())
}

/// A stream for which `enter` was called is gone.
pub(super) fn leave() {
    let mut shared = shared();
    shared.streams -= 1;
    if shared.streams == 0 {
        for number in 0..3 {
            if std::mem::take(&mut shared.changed[number]) {
                with_standard(number, |descriptor| put_back(descriptor));
            }
        }
    }
}
