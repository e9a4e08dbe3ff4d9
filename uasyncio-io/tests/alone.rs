//! What has to be looked at in a process of its own: how many threads there are, and signals. No test harness, because that
//! has threads.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("sleep-under-signals") => linux::sleep_under_signals(),
        _ => {
            linux::one_thread();
            println!("one_thread ... ok");
            linux::eintr_storm();
            println!("eintr_storm ... ok");
        }
    }
}

#[cfg(target_os = "linux")]
#[path = "support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

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

    const SLEEP: u32 = 200;

    /// The child: sleeps while its parent stops and continues it, and says how often its waits were interrupted.
    pub(crate) fn sleep_under_signals() {
        let waits = run(async {
            let (before, begin) = (stats(), Instant::now());
            sleep_ms(SLEEP).await;
            assert!(begin.elapsed() >= Duration::from_millis(SLEEP.into()), "the sleep ended early");
            stats().waits - before.waits
        });
        println!("{waits}");
    }

    /// T-13: epoll ends with EINTR when its process is stopped and continued. The sleep is neither shorter for that nor does the
    /// loop fail. (A handler would do the same, but setting one needs `unsafe`.)
    pub(crate) fn eintr_storm() {
        #[allow(clippy::zombie_processes, reason = "waited for by waitpid, which also says when it stopped")]
        let child =
            Command::new(std::env::current_exe().unwrap()).arg("sleep-under-signals").stdout(Stdio::piped()).spawn().unwrap();
        let process = Pid::from_child(&child);
        let mut interruptions = 0;
        let status = loop {
            kill_process(process, Signal::STOP).unwrap();
            let (_, status) = waitpid(Some(process), WaitOptions::UNTRACED).unwrap().unwrap();
            if !status.stopped() {
                break status;
            }
            kill_process(process, Signal::CONT).unwrap();
            interruptions += 1;
        };
        assert_eq!(status.exit_status(), Some(0), "{status:?}");
        let output = std::io::read_to_string(child.stdout.unwrap()).unwrap();
        let waits: u64 = output.trim().parse().unwrap();
        assert!(interruptions > 10, "{interruptions} signals in {SLEEP} ms are no storm");
        // `polling` goes on waiting by itself; so do we, by waiting again.
        let expected = if crate::support::EPOLL { 5..=interruptions + 3 } else { 1..=3 };
        assert!(expected.contains(&waits), "{waits} waits under {interruptions} signals");
    }
}
