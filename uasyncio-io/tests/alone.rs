//! What has to be looked at in a process of its own: how many threads there are, and signals. No test harness, because that
//! has threads.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("wait-under-signals") => linux::wait_under_signals(),
        _ => {
            linux::one_thread();
            println!("one_thread ... ok");
            linux::eintr_storm();
            println!("eintr_storm ... ok");
        }
    }
}

#[cfg(target_os = "linux")]
#[path = "it/support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{BufRead, BufReader};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    use uasyncio_core::{create_task, sleep_ms};
    use uasyncio_io::{AsyncFd, to_thread};

    use crate::support::{read, run, stats, write_all};

    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").unwrap().count()
    }

    /// a loop with I/O and timers is one thread; the offload pool starts when it is used.
    pub(crate) fn one_thread() {
        assert_eq!(threads(), 1);
        run(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            theirs.set_nonblocking(true).unwrap();
            let (ours, theirs) = (AsyncFd::new(ours).unwrap(), AsyncFd::new(theirs).unwrap());
            let echo = create_task(async move {
                let mut buffer = [0; 16];
                let length = read(&theirs, &mut buffer).await.unwrap();
                write_all(&theirs, &buffer[..length]).await.unwrap();
            });
            sleep_ms(1).await;
            write_all(&ours, b"question").await.unwrap();
            assert_eq!(read(&ours, &mut [0; 16]).await.unwrap(), 8);
            echo.await.unwrap();
            assert_eq!(threads(), 1);
            to_thread(|| ()).await.unwrap();
            assert!(threads() >= 2);
            for _ in 0..20 {
                to_thread(|| ()).await.unwrap();
            }
            // A call that comes before the thread of the last one has gone back to wait starts another thread, up to 4. A
            // sanitizer may have one of its own.
            assert!((2..=6).contains(&threads()), "{} threads", threads());
        });
    }

    /// The child: waits until its input ends, while its parent stops and continues it, and says how often it waited.
    pub(crate) fn wait_under_signals() {
        let input = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
        input.set_nonblocking(true).unwrap();
        let waits = run(async {
            let input = AsyncFd::new(input).unwrap();
            let sleep = create_task(sleep_ms(3_600_000));
            let before = stats();
            println!("ready");
            assert_eq!(read(&input, &mut [0]).await.unwrap(), 0);
            assert!(!sleep.done(), "the sleep ended early");
            stats().waits - before.waits
        });
        println!("{waits}");
    }

    /// Whether the process sleeps; `None`: it has ended.
    fn is_asleep(process: Pid) -> Option<bool> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
        // The name, in parentheses, may hold anything.
        match stat[stat.rfind(')')? + 2..].chars().next()? {
            'Z' => None,
            state => Some(state == 'S'),
        }
    }

    /// T-13: epoll ends with EINTR when its process is stopped and continued. Neither does the loop fail, nor is a sleep shorter
    /// for that. (A handler would do the same, but setting one needs `unsafe`.)
    pub(crate) fn eintr_storm() {
        const INTERRUPTIONS: u64 = 50;
        let (ours, theirs) = UnixStream::pair().unwrap();
        #[allow(clippy::zombie_processes, reason = "waited for by waitpid, which also says when it stopped")]
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("wait-under-signals")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Pid::from_child(&child);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(output.next().unwrap().unwrap(), "ready");
        let until_it_waits = || while !is_asleep(process).expect("the child waits") {};
        for _ in 0..INTERRUPTIONS {
            until_it_waits();
            kill_process(process, Signal::STOP).unwrap();
            let (_, status) = waitpid(Some(process), WaitOptions::UNTRACED).unwrap().unwrap();
            assert!(status.stopped(), "{status:?}");
            kill_process(process, Signal::CONT).unwrap();
        }
        until_it_waits();
        drop(ours);
        let (_, status) = waitpid(Some(process), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(0), "{status:?}");
        let waits: u64 = output.next().unwrap().unwrap().parse().unwrap();
        // `polling` goes on waiting by itself; so do we, by waiting again.
        assert_eq!(waits, if crate::support::EPOLL { INTERRUPTIONS + 1 } else { 1 });
    }
}
