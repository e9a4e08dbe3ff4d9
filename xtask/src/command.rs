//! A `cargo` command of a step: its toolchain, flags and target folder, a time limit, and a count of the tests it ran.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::processes;
use crate::steps::Problem;
use crate::workspace;

/// How long a command may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// The same for one that is known to be slow.
const SLOW_LIMIT: Duration = Duration::from_secs(60 * 60);

/// How long it may take after the test harness said that a test has been running for over 60 seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How tests are built, unless the environment says otherwise: a sixth of the time goes into line tables, which only backtraces need, and
/// a third into what would make the next build of a crate that has changed a little shorter.
const BUILD: [(&str, &str); 2] = [("CARGO_PROFILE_DEV_DEBUG", "none"), ("CARGO_INCREMENTAL", "0")];

/// What the test programs of a step said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// The names of the tests that failed.
    pub(crate) failures: Vec<String>,
    /// What tests said that they left out, on a line `SKIPPED: what (why)`.
    pub(crate) skips: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures.iter().cloned());
        self.skips.extend(other.skips.iter().cloned());
    }

    /// Reads one line of a test program's output.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        } else if let Some((_, what)) = line.split_once("SKIPPED: ") {
            self.skips.push(what.to_owned());
        }
    }
}

/// The number that stands before `word`: 12 for " passed" in "ok. 12 passed; 0 failed".
fn number_before(text: &str, word: &str) -> u32 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// A `cargo` command.
#[derive(Debug)]
pub(crate) struct Cargo {
    arguments: Vec<String>,
    toolchain: Option<&'static str>,
    variables: Vec<(&'static str, String)>,
    folder: Option<String>,
    slow: bool,
}

impl Cargo {
    /// From a line of arguments without quotes: `Cargo::new("test -p some-crate")`.
    pub(crate) fn new(line: &str) -> Cargo {
        Cargo {
            arguments: line.split_whitespace().map(str::to_owned).collect(),
            toolchain: None,
            variables: Vec::new(),
            folder: None,
            slow: false,
        }
    }

    pub(crate) fn arguments(mut self, more: impl IntoIterator<Item = impl Into<String>>) -> Cargo {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    pub(crate) fn toolchain(mut self, name: &'static str) -> Cargo {
        self.toolchain = Some(name);
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Cargo {
        self.variables.push((name, value.into()));
        self
    }

    /// Adds to RUSTFLAGS. Give the command a [`folder`](Cargo::folder) too, or it rebuilds what others built.
    pub(crate) fn rustflags(self, flags: &str) -> Cargo {
        let given = std::env::var("RUSTFLAGS").unwrap_or_default();
        self.variable("RUSTFLAGS", format!("{given} {flags}").trim().to_owned())
    }

    /// Builds in this sub-folder of the target folder.
    pub(crate) fn folder(mut self, name: impl Into<String>) -> Cargo {
        self.folder = Some(name.into());
        self
    }

    /// It may take up to an hour, and a single test of it more than two minutes.
    pub(crate) fn slow(mut self) -> Cargo {
        self.slow = true;
        self
    }

    /// Runs it; an error if it fails.
    pub(crate) fn run(self) -> Result<(), Problem> {
        self.execute(&mut Tally::default())
    }

    /// Runs a test command and counts the tests; an error if it fails or if there was not one test to run.
    pub(crate) fn test(self, tally: &mut Tally) -> Result<(), Problem> {
        let mut mine = Tally::default();
        let shown = self.shown();
        let result = self.execute(&mut mine);
        tally.add(&mine);
        result?;
        if mine.passed + mine.failed == 0 {
            return Err(Problem::Failed(format!("`{shown}` ran no test")));
        }
        Ok(())
    }

    /// Runs it and gives what it printed, which is not shown.
    pub(crate) fn output(self) -> Result<String, Problem> {
        let output = self.command().stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(Problem::Failed(format!("`{}` failed", self.shown())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn execute(self, tally: &mut Tally) -> Result<(), Problem> {
        println!("$ {}", self.shown());
        let mut child = self.command().stdout(Stdio::piped()).spawn()?;
        let (send, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            // The thread ends with the pipe, when the command and all that it started have ended.
            thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                    if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            });
        }
        let mut deadline = Instant::now() + if self.slow { SLOW_LIMIT } else { LIMIT };
        let mut suspects = Vec::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    println!("{line}");
                    tally.read(&line);
                    if !self.slow && line.ends_with(" has been running for over 60 seconds") {
                        deadline = deadline.min(Instant::now() + PATIENCE);
                        suspects.push(line);
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    processes::kill_family(&mut child);
                    child.wait()?;
                    let why = if suspects.is_empty() { "it took too long as a whole".to_owned() } else { suspects.join(", ") };
                    return Err(Problem::Failed(format!("`{}` was killed: {why}", self.shown())));
                }
            }
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(Problem::Failed(format!("`{}`: {status}", self.shown()))) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("cargo");
        if let Some(toolchain) = self.toolchain {
            command.arg(format!("+{toolchain}"));
        }
        command.args(&self.arguments).current_dir(workspace::root()).stdin(Stdio::null());
        // `cargo run` told us about the package `xtask`; a build script or a test must not take that for its own.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name.as_ref());
            }
        }
        command.envs(BUILD.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()));
        if let Some(folder) = &self.folder {
            command.env("CARGO_TARGET_DIR", target_folder().join(folder));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn shown(&self) -> String {
        let mut shown = String::new();
        for (name, value) in &self.variables {
            shown.push_str(&format!("{name}='{value}' "));
        }
        shown.push_str("cargo ");
        if let Some(toolchain) = self.toolchain {
            shown.push_str(&format!("+{toolchain} "));
        }
        shown.push_str(&self.arguments.join(" "));
        shown
    }
}

/// Runs test commands side by side, one on each processor; what they print is mixed line by line. An error if one fails, or if not one
/// test ran.
pub(crate) fn side_by_side(commands: Vec<Cargo>, tally: &mut Tally) -> Result<(), Problem> {
    let queue = Mutex::new(commands.into_iter());
    let ended = Mutex::new((Tally::default(), Vec::new()));
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while let Some(command) = next(&queue) {
                    let mut mine = Tally::default();
                    let result = command.execute(&mut mine);
                    let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                    ended.0.add(&mine);
                    ended.1.extend(result.err());
                }
            });
        }
    });
    let (sum, problems) = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.add(&sum);
    match problems.into_iter().next() {
        Some(problem) => Err(problem),
        None if sum.passed + sum.failed == 0 => Err(Problem::Failed("there was no test to run".into())),
        None => Ok(()),
    }
}

fn next(queue: &Mutex<impl Iterator<Item = Cargo>>) -> Option<Cargo> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// Where builds go: CARGO_TARGET_DIR, or `target` of the workspace.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace::root().join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test fifo ... ok",
            "test src/lib.rs - sleep (line 7) ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.02s",
            "SKIPPED: syscalls_per_echo (strace is not installed)",
            "test result: ok. 40 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
        ] {
            tally.read(line);
        }
        let expected = Tally {
            passed: 42,
            failed: 1,
            failures: vec!["src/lib.rs - sleep (line 7)".into()],
            skips: vec!["syscalls_per_echo (strace is not installed)".into()],
        };
        assert_eq!(tally, expected);
    }
}
