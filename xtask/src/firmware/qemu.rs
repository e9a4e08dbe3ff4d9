//! A microcontroller in QEMU: its serial port and its memory are reached over loopback connections that QEMU makes to us.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::elf::{RAM, RAM_SIZE, Sizes};
use crate::command::target_folder;
use crate::steps::Problem;

const QEMU: &str = "qemu-system-arm";

/// What the stack is painted with.
const PAINT: u8 = 0xA5;

/// How long QEMU may take to start, and to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The machines that the firmware runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// nRF51, Cortex-M0: thumbv6m.
    Microbit,
    /// LM3S6965, Cortex-M3: thumbv7m.
    Stellaris,
}

/// A fast and exact machine: about the 16 MHz of the chip, time that depends on nothing outside and does not pass while all sleep.
pub(super) const EXACT: [&str; 2] = ["-icount", "shift=6,sleep=off"];

pub(super) fn command(machine: Machine, program: &Path) -> Command {
    let name = match machine {
        Machine::Microbit => "microbit",
        Machine::Stellaris => "lm3s6965evb",
    };
    let mut command = Command::new(QEMU);
    command.args(["-machine", name, "-display", "none", "-nodefaults", "-kernel"]).arg(program);
    command
}

/// Is QEMU there?
pub(super) fn installed() -> Result<(), Problem> {
    match Command::new(QEMU).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Problem::Missing(format!("{QEMU} is not installed; on Debian and Ubuntu: apt-get install {QEMU}"))),
    }
}

/// Runs a program that ends by itself. It has failed if its exit code is not 0, or if it takes longer than `limit`. What it printed is given
/// to `line`, line by line.
pub(super) fn run_to_end(mut command: Command, limit: Duration, line: impl FnMut(&str) + Send) -> Result<(), Problem> {
    command.args(["-semihosting-config", "enable=on,target=native"]);
    // QEMU's console for programs is its standard error.
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let lines = child.stderr.take();
    let ended = thread::scope(|scope| {
        scope.spawn(move || lines_of(lines, line));
        wait(&mut child, limit)
    });
    match ended? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Problem::Failed(format!("the program on the target has failed: {status}"))),
        None => Err(Problem::Failed(format!("the program on the target did not end within {limit:?}"))),
    }
}

fn lines_of(pipe: Option<impl Read>, mut line: impl FnMut(&str)) {
    if let Some(pipe) = pipe {
        BufReader::new(pipe).lines().map_while(Result::ok).for_each(|text| line(&text));
    }
}

/// Waits for the end; kills it at the limit: `None`.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A running program whose serial port and memory we hold. Dropping it ends it.
pub(super) struct Session {
    child: Child,
    serial: TcpStream,
    monitor: BufReader<TcpStream>,
    sizes: Sizes,
    heard: String,
}

impl Session {
    /// Starts a program, with its stack painted.
    pub(super) fn start(machine: Machine, program: &Path, options: &[&str]) -> Result<Session, Problem> {
        let sizes = Sizes::of(&fs::read(program)?)?;
        let folder = target_folder().join("firmware");
        let paint = folder.join("paint.bin");
        let painted = RAM + RAM_SIZE - sizes.end;
        fs::write(&paint, vec![PAINT; painted as usize])?;
        let (serial, monitor) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let mut child = command(machine, program)
            .args(options)
            .args(["-serial", &format!("tcp:{}", serial.local_addr()?)])
            .args(["-qmp", &format!("tcp:{}", monitor.local_addr()?)])
            .args(["-device", &format!("loader,file={},addr={},force-raw=on", paint.display(), sizes.end)])
            .stdin(Stdio::null())
            .stderr(Stdio::null()) // warnings of parts of the machine that nobody uses
            .spawn()?;
        let connected = accept(&serial, &mut child).and_then(|serial| Ok((serial, accept(&monitor, &mut child)?)));
        let (serial, monitor) = match connected {
            Ok(both) => both,
            Err(problem) => {
                let _ = child.kill(); // it may have ended already
                child.wait()?;
                return Err(problem);
            }
        };
        let mut session = Session { child, serial, monitor: BufReader::new(monitor), sizes, heard: String::new() };
        session.ask("qmp_capabilities", "")?;
        Ok(session)
    }

    /// Types a line.
    pub(super) fn send(&mut self, line: &str) -> Result<(), Problem> {
        self.serial.write_all(format!("{line}\r").as_bytes())?;
        Ok(())
    }

    /// Waits until the program has said `expected`; gives what it said up to there.
    pub(super) fn hear(&mut self, expected: &str) -> Result<String, Problem> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.heard.find(expected) {
                let rest = self.heard.split_off(at + expected.len());
                return Ok(std::mem::replace(&mut self.heard, rest));
            }
            let mut bytes = [0; 256];
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.serial.set_read_timeout(Some(left))?;
            match self.serial.read(&mut bytes) {
                Ok(length) if length > 0 => self.heard.push_str(&String::from_utf8_lossy(&bytes[..length])),
                _ => return Err(Problem::Failed(format!("waited for {expected:?} and heard {:?}", self.heard))),
            }
        }
    }

    /// How deep the stack has been so far, in bytes: what is left of the paint says it.
    pub(super) fn stack(&mut self) -> Result<u32, Problem> {
        let file = target_folder().join("firmware").join("memory.bin");
        let name = file.display().to_string().replace('\\', "\\\\");
        let size = RAM + RAM_SIZE - self.sizes.end;
        self.ask("memsave", &format!("\"val\":{},\"size\":{size},\"filename\":\"{name}\"", self.sizes.end))?;
        let memory = fs::read(file)?;
        let untouched = memory.iter().take_while(|byte| **byte == PAINT).count();
        let untouched = u32::try_from(untouched).unwrap_or(u32::MAX) & !3;
        if untouched == 0 {
            return Err(Problem::Failed("the stack has run into the variables".into()));
        }
        Ok(size - untouched)
    }

    /// A command of QEMU's machine protocol.
    fn ask(&mut self, command: &str, arguments: &str) -> Result<(), Problem> {
        let line = format!("{{\"execute\":\"{command}\",\"arguments\":{{{arguments}}}}}\n");
        self.monitor.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        loop {
            answer.clear();
            if self.monitor.read_line(&mut answer)? == 0 || answer.starts_with("{\"error\"") {
                return Err(Problem::Failed(format!("QEMU did not do {command}: {answer}")));
            }
            if answer.starts_with("{\"return\"") {
                return Ok(());
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that has ended meanwhile is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The connection that QEMU makes, unless it ends first.
fn accept(listener: &TcpListener, child: &mut Child) -> Result<TcpStream, Problem> {
    let deadline = Instant::now() + PATIENCE;
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if child.try_wait()?.is_some() || Instant::now() >= deadline => {
                return Err(Problem::Failed(format!("{QEMU} did not start; version 7 or later is needed")));
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
