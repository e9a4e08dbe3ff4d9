//! A loop inside another loop: the host waits in poll(2) for its own descriptor and for the reactor's, and gives our loop a
//! turn whenever that asks for one. The host here reads lines from standard input; the loop answers them and ticks.
//!
//! ```text
//! $ cargo run --example foreign_loop
//! ready: type a line, end with Ctrl-D
//! ```

#[cfg(not(unix))]
fn main() {
    eprintln!("this example waits in poll(2), which this system does not have");
}

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    unix::main()
}

#[cfg(unix)]
mod unix {
    use std::io::{self, Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::TryRecvError;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use uasyncio_core::{Attention, EventLoop, sleep_ms};
    use uasyncio_io::{AsyncFd, Interest, Reactor};

    const HELP: &str = "\
Usage: foreign_loop [--help]

Drives an event loop from a poll(2) loop. Type lines; a task of the loop shows them, and another one ticks every five
seconds. Ends at the end of the input.";

    pub(crate) fn main() -> io::Result<()> {
        if let Some(argument) = std::env::args().nth(1) {
            println!("{HELP}");
            let known = argument == "--help" || argument == "-h";
            return if known { Ok(()) } else { Err(io::Error::other(format!("unknown argument {argument:?}"))) };
        }

        let event_loop = EventLoop::with_platform(Reactor::new()?);
        // The host hands its bytes to the loop through a socket, which a task reads like any other descriptor.
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let (done, is_done) = std::sync::mpsc::channel();
        event_loop.spawn(async move {
            if let Err(error) = show(reader).await {
                eprintln!("{error}");
            }
            let _ = done.send(());
        });
        event_loop.spawn(async {
            loop {
                sleep_ms(5_000).await;
                println!("tick");
            }
        });

        println!("ready: type a line, end with Ctrl-D");
        let mut input = Some((io::stdin(), writer));
        loop {
            let attention = event_loop.turn().map_err(io::Error::other)?;
            if !matches!(is_done.try_recv(), Err(TryRecvError::Empty)) {
                return Ok(());
            }
            let timeout = match attention {
                Attention::Now => continue,
                Attention::Within(milliseconds) => Some(Timespec {
                    tv_sec: i64::from(milliseconds / 1_000),
                    tv_nsec: i64::from(milliseconds % 1_000 * 1_000_000),
                }),
                Attention::Idle => None,
            };
            let loops = PollFd::from_borrowed_fd(event_loop.platform().as_fd(), PollFlags::IN);
            let readable = match &input {
                None => {
                    poll(&mut [loops], timeout.as_ref())?;
                    false
                }
                Some((stdin, _)) => {
                    let mut descriptors = [loops, PollFd::new(stdin, PollFlags::IN)];
                    poll(&mut descriptors, timeout.as_ref())?;
                    !descriptors[1].revents().is_empty()
                }
            };
            if readable {
                input = pass_on(input)?;
            }
        }
    }

    type Input = Option<(io::Stdin, UnixStream)>;

    /// The host's own work: takes what was typed. At the end of the input the socket is closed.
    fn pass_on(input: Input) -> io::Result<Input> {
        let Some((stdin, mut writer)) = input else { return Ok(None) };
        let mut buffer = [0; 1_024];
        let length = stdin.lock().read(&mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        writer.write_all(&buffer[..length])?;
        Ok(Some((stdin, writer)))
    }

    /// A task of the loop.
    async fn show(reader: UnixStream) -> io::Result<()> {
        let reader = AsyncFd::new(reader)?;
        let mut buffer = [0; 1_024];
        loop {
            match reader.io(Interest::Read, |mut socket| socket.read(&mut buffer)).await? {
                0 => return Ok(()),
                length => println!("{}", String::from_utf8_lossy(&buffer[..length]).trim_end()),
            }
        }
    }
}
