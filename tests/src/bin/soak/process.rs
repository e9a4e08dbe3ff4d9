//! The server under test: a process of its own, of which the kernel tells what it holds.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A server that runs; it is killed on drop.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    complaints: Arc<Mutex<Vec<String>>>,
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// The memory that is its own, in KB.
    pub(crate) memory: usize,
}

impl Server {
    /// Starts a program on a free port of the loopback, with no more than so many descriptors if that is said.
    pub(crate) fn start(program: &Path, descriptors: Option<u32>, options: &[&str]) -> io::Result<Server> {
        let limit = descriptors.map_or_else(String::new, |most| format!("ulimit -n {most} && "));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" \"$@\"")])
            .arg(program)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let complaints = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stderr.take() {
            let list = complaints.clone();
            // Ends with the server.
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    list.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        let mut server = Server { child, address: SocketAddr::from(([0; 4], 0)), complaints };
        let mut line = String::new();
        if let Some(pipe) = server.child.stdout.take() {
            BufReader::new(pipe).read_line(&mut line)?;
        }
        let address = line.trim().split_once("http://").and_then(|(_, url)| url.trim_end_matches('/').parse().ok());
        server.address = address.ok_or_else(|| io::Error::other(format!("the server said {line:?}")))?;
        Ok(server)
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }

    pub(crate) fn holdings(&self) -> io::Result<Holdings> {
        let status = fs::read_to_string(self.file("status"))?;
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok());
        Ok(Holdings {
            descriptors: fs::read_dir(self.file("fd"))?.count(),
            threads: fs::read_dir(self.file("task"))?.count(),
            memory: memory.ok_or_else(|| io::Error::other("the kernel does not tell the memory"))?,
        })
    }

    /// The processor time that it has used, to 10 ms.
    pub(crate) fn processor_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(self.file("stat"))?;
        // After the name, which may hold anything: the state is field 3, utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
        match ticks[..] {
            [user, system] => Ok(Duration::from_millis((user + system) * 10)),
            _ => Err(io::Error::other("the kernel does not tell the processor time")),
        }
    }

    /// What it has written to its standard error.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
