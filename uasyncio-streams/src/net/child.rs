//! The end of a child process.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use uasyncio_io::{AsyncFd, Interest};

/// Waits until a child process has ended, and gives its exit status. asyncio's `Process.wait`. Linux (5.3 and later) and Android.
///
/// It needs neither a thread nor a signal: the system gives a descriptor for the process, and the reactor waits for that. As [`Child::wait`] does, it first
/// closes the input of the child, if that is still in `child`, and it gives the same status again when it is called again.
///
/// A child that writes much waits for somebody to read it: read its output first, or in another task.
///
/// ```
/// use std::process::{Command, Stdio};
/// use uasyncio_streams::{connect_read_pipe, wait_child};
///
/// # uasyncio_io::run(async {
/// let mut child = Command::new("sh").args(["-c", "echo hello; exit 3"]).stdout(Stdio::piped()).spawn()?;
/// let mut output = connect_read_pipe(child.stdout.take().unwrap())?;
/// assert_eq!(output.read_to_end(1000).await?, b"hello\n");
/// assert_eq!(wait_child(&mut child).await?.code(), Some(3));
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// The system's: `Unsupported` where it gives no such descriptors, or when no loop with a reactor is running.
///
/// # Cancel safety
/// When the future is dropped, the child runs on, and can be waited for again.
pub async fn wait_child(child: &mut Child) -> io::Result<ExitStatus> {
    drop(child.stdin.take());
    if let Some(status) = child.try_wait()? {
        return Ok(status);
    }
    // Nobody has waited for the child yet, so its number is not given to another process.
    let process: OwnedFd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let process = AsyncFd::new(process)?;
    process.io(Interest::Read, |_| child.try_wait()?.ok_or(io::ErrorKind::WouldBlock.into())).await
}
