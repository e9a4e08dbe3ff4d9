//! What the tests share: the built examples, run as processes.
#![allow(dead_code, unreachable_pub)]

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Says that a test leaves something out: past the test harness, which hides what a passing test prints.
pub fn skipped(what: &str, why: &str) {
    writeln!(io::stdout().lock(), "\nSKIPPED: {what} ({why})").unwrap();
}

/// One of the examples, which cargo builds with the tests, unless it was told to build one test only.
pub fn example(name: &str) -> Option<Command> {
    let program = env::current_exe().unwrap();
    let program = program.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    if !program.with_extension(env::consts::EXE_EXTENSION).is_file() {
        skipped(&format!("{name} as a program"), "the example was not built");
        return None;
    }
    Some(Command::new(program))
}

/// A process that does not outlive its test.
pub struct Running {
    pub child: Child,
    pub lines: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(command: &mut Command) -> io::Result<Running> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().unwrap());
        Ok(Running { child, lines })
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Ctrl-C.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    }

    /// The exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `ws_echo` with these options, and its port.
pub fn ws_echo(options: &[&str]) -> Option<(Running, u16)> {
    let mut server = Running::start(example("ws_echo")?.args(["--listen", "127.0.0.1:0"]).args(options)).unwrap();
    let line = server.line();
    let port = line.split_once("ws://127.0.0.1:").and_then(|(_, rest)| rest.split_once('/')).unwrap().0;
    let port = port.parse().unwrap();
    Some((server, port))
}
