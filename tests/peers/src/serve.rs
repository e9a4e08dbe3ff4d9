//! The servers, each in a process of its own, and the handle by which a section drives one.

use crate::child::{self, Contender};
use crate::document::{DOCUMENT_RESPONSE, parse};
use crate::floor::raw_loop;
use crate::runtimes::*;
use crate::serve_ours;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// The name of the hand-written epoll loop.
pub const RAW: &str = "raw epoll loop";

pub const ROSTER: &[Contender] = &[
    Contender { name: RAW, unavailable: || None, run: raw },
    Contender { name: OURS[1], unavailable: UasyncioIo::unavailable, run: |arguments| serve_ours::run(&arguments[0], tell) },
    Contender::of::<TokioCurrentThread>(run::<TokioCurrentThread>),
    Contender::of::<Smol>(run::<Smol>),
    Contender::of::<Compio<IoUring>>(run::<Compio<IoUring>>),
    Contender::of::<Compio<Polling>>(run::<Compio<Polling>>),
    Contender::of::<Monoio<Uring>>(run::<Monoio<Uring>>),
    Contender::of::<Monoio<Legacy>>(run::<Monoio<Legacy>>),
];

/// The bytes of the buffer of an echo connection; small, since the memory of idle connections is compared.
const ECHO_BUFFER: usize = 256;
/// The bytes of the buffer of an HTTP connection.
pub(crate) const HTTP_BUFFER: usize = 2048;

/// Binds a free port and tells the parent.
pub(crate) fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket takes it");
    tell(listener.local_addr().expect("it is bound").port());
    listener
}

/// Tells the parent where the server listens.
pub(crate) fn tell(port: u16) {
    println!("{port} {}", std::process::id());
    io::stdout().flush().expect("the parent listens");
}

fn raw(arguments: &[String]) {
    let result = match arguments[0].as_str() {
        "echo" => raw_loop::run::<raw_loop::Echo>(listen()),
        "once" => raw_loop::run::<raw_loop::Once>(listen()),
        _ => raw_loop::run::<raw_loop::Http>(listen()),
    };
    result.expect("the loop runs until it is killed");
}

fn run<R: Net>(arguments: &[String]) {
    let service = arguments[0].clone();
    R::block_on(async move {
        let listener = Rc::new(R::listen(listen()).expect("the runtime takes a socket"));
        loop {
            let Ok(stream) = R::accept(&listener).await else {
                continue;
            };
            match service.as_str() {
                "echo" => R::detach(async { drop(echo::<R>(stream).await) }),
                "once" => R::detach(async { drop(once::<R>(stream).await) }),
                _ => R::detach(async { drop(http::<R>(stream).await) }),
            }
        }
    });
}

/// Sends back what comes, until the end.
async fn echo<R: Net>(mut stream: R::Stream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(ECHO_BUFFER);
    while R::read(&mut stream, &mut buffer).await? > 0 {
        R::write(&mut stream, &mut buffer).await?;
    }
    Ok(())
}

/// Sends back what comes first, and closes.
async fn once<R: Net>(mut stream: R::Stream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(ECHO_BUFFER);
    R::read(&mut stream, &mut buffer).await?;
    R::write(&mut stream, &mut buffer).await
}

/// Answers every request with the document.
async fn http<R: Net>(mut stream: R::Stream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(HTTP_BUFFER);
    loop {
        match parse(&buffer) {
            Ok(Some(request)) => {
                let (head, keep_alive) = (request.head, request.keep_alive);
                buffer.drain(..head);
                R::write_static(&mut stream, DOCUMENT_RESPONSE).await?;
                if !keep_alive {
                    return Ok(());
                }
            }
            Ok(None) if buffer.len() < HTTP_BUFFER => {
                if R::read(&mut stream, &mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// A server process. It is killed on drop.
pub struct Server {
    child: Child,
    pid: Pid,
    pub address: SocketAddr,
}

impl Server {
    /// Starts the server, under the command `wrapper` if it is not empty.
    pub fn start(name: &str, service: &str, wrapper: &[&str]) -> Result<Server, String> {
        let text = |error: io::Error| error.to_string();
        let program = child::this_program();
        let mut command = match wrapper {
            [] => Command::new(program),
            [tool, rest @ ..] => {
                let mut command = Command::new(tool);
                command.args(rest).arg(program);
                command
            }
        };
        command.args(child::arguments("serve", name, &[service]));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(text)?;
        let mut line = String::new();
        if let Some(pipe) = child.stdout.take() {
            BufReader::new(pipe).read_line(&mut line).map_err(text)?;
        }
        let parse = |line: &str| {
            let (port, pid) = line.trim().split_once(' ')?;
            Some((port.parse::<u16>().ok()?, Pid::from_raw(pid.parse().ok()?)?))
        };
        let Some((port, pid)) = parse(&line) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the server said {line:?}"));
        };
        Ok(Server { child, pid, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// Ends the server and waits for its wrapper to write what it has to say.
    pub fn stop(mut self) {
        let _ = kill_process(self.pid, Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn file(&self, rest: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{rest}", self.pid.as_raw_nonzero()))
    }

    /// One text for each thread.
    fn of_threads(&self, file: &str) -> io::Result<Vec<String>> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero()))?;
        tasks.map(|task| fs::read_to_string(task?.path().join(file))).collect()
    }

    pub fn threads(&self) -> io::Result<usize> {
        Ok(self.of_threads("comm")?.len())
    }

    /// Nanoseconds on a processor, of all threads. Exact only while they sleep.
    pub fn processor_time(&self) -> io::Result<u64> {
        let first = |text: &String| text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        Ok(self.of_threads("schedstat")?.iter().filter_map(first).sum())
    }

    /// The bytes of anonymous memory that are resident.
    pub fn anonymous_memory(&self) -> io::Result<u64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Waits until every thread is in one of the states, in three looks one after another.
    fn wait_for_state(&self, states: &[char]) -> io::Result<()> {
        let start = Instant::now();
        let mut seen = 0;
        while seen < 3 {
            let stats = self.of_threads("stat")?;
            // The state follows the name, which stands in brackets.
            let state = |stat: &String| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            let there = stats.iter().all(|stat| state(stat).is_some_and(|state| states.contains(&state)));
            seen = if there { seen + 1 } else { 0 };
            if start.elapsed() > Duration::from_secs(5) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not come to rest"));
            }
            thread::yield_now();
        }
        Ok(())
    }

    /// Waits until the server sleeps.
    pub fn wait_until_asleep(&self) -> io::Result<()> {
        self.wait_for_state(&['S'])
    }

    /// Stops the server's threads where they are.
    pub fn freeze(&self) -> io::Result<()> {
        kill_process(self.pid, Signal::STOP)?;
        self.wait_for_state(&['T', 't'])
    }

    /// Lets them go on.
    pub fn thaw(&self) -> io::Result<()> {
        Ok(kill_process(self.pid, Signal::CONT)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
