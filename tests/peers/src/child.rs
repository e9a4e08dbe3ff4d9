//! One process for each measurement, so that no runtime sees what another left behind.

use crate::report::Samples;
use crate::runtimes::Runtime;
use crate::{http, hyper, memory, sched, serve, sync, timers, udp};
use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What takes part in a section: a runtime or a floor.
pub struct Contender {
    pub name: &'static str,
    /// Why it cannot run here.
    pub unavailable: fn() -> Option<String>,
    /// Runs in the child, with the child's arguments, and prints lines of a row's name, a tab and a figure.
    pub run: fn(&[String]),
}

impl Contender {
    pub const fn of<R: Runtime>(run: fn(&[String])) -> Contender {
        Contender { name: R::NAME, unavailable: R::unavailable, run }
    }
}

/// The entry of a child: `child SECTION CONTENDER ARGUMENT...`.
pub fn main(words: &[String]) -> ExitCode {
    let [section, name, arguments @ ..] = words else {
        return ExitCode::from(2);
    };
    let roster = match section.as_str() {
        "sched" => sched::ROSTER,
        "timers" => timers::ROSTER,
        "sync" => sync::ROSTER,
        "memory" => memory::ROSTER,
        "udp" => udp::ROSTER,
        "serve" if arguments.first().is_some_and(|service| service == hyper::SERVICE) => hyper::ROSTER,
        "serve" => serve::ROSTER,
        "parse" => {
            http::parse(arguments);
            return ExitCode::SUCCESS;
        }
        _ => return ExitCode::from(2),
    };
    // A child never outlives the one that asked for it.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    match roster.iter().find(|contender| contender.name == name) {
        Some(contender) => (contender.run)(arguments),
        None => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// Prints a figure for the parent.
pub fn say(row: &str, value: f64) {
    println!("{row}\t{value}");
}

/// The arguments that make this program a child.
pub fn arguments(section: &str, name: &str, rest: &[&str]) -> Vec<String> {
    ["child", section, name].iter().chain(rest).map(|word| (*word).to_owned()).collect()
}

pub fn this_program() -> std::path::PathBuf {
    std::env::current_exe().expect("a program knows its own file")
}

/// How long a child may take.
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// Reads to the end and keeps the beginning, on one line.
fn beginning(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 512];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        if kept.len() < buffer.len() {
            kept.extend_from_slice(&buffer[..count]);
        }
    }
    String::from_utf8_lossy(&kept).split_whitespace().take(40).collect::<Vec<_>>().join(" ")
}

/// Runs a child to its end and gives its figures.
pub fn figures(section: &str, name: &str, rest: &[&str]) -> Result<Vec<(String, f64)>, String> {
    let mut command = Command::new(this_program());
    command.args(arguments(section, name, rest)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let complaints = child.stderr.take().map(|pipe| thread::spawn(|| beginning(pipe)));
    let start = Instant::now();
    let end = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break Some(status);
        }
        if start.elapsed() > TIME_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let mut output = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut output).map_err(|error| error.to_string())?;
    }
    let complaints = complaints.and_then(|reader| reader.join().ok()).unwrap_or_default();
    match end {
        None => return Err(format!("no end after {} s. {complaints}", TIME_LIMIT.as_secs())),
        Some(status) if !status.success() => return Err(format!("the child ended with {status}. {complaints}")),
        Some(_) => {}
    }
    let parse = |line: &str| {
        let (row, value) = line.split_once('\t')?;
        Some((row.to_owned(), value.parse().ok()?))
    };
    output.lines().map(|line| parse(line).ok_or_else(|| format!("the child said {line:?}"))).collect()
}

/// The contenders that can run here; says which cannot, and why.
pub fn present(roster: &'static [Contender]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for contender in roster {
        match (contender.unavailable)() {
            None => names.push(contender.name),
            Some(reason) => println!("{}: SKIPPED, {reason}", contender.name),
        }
    }
    names
}

/// Runs every contender once a round, the order turned round each time.
pub fn rounds(section: &str, names: &mut Vec<&'static str>, count: usize, rest: &[&str], samples: &mut Samples) {
    for round in 0..count {
        let mut order = names.clone();
        if round % 2 == 1 {
            order.reverse();
        }
        for name in order {
            match figures(section, name, rest) {
                Ok(figures) => figures.iter().for_each(|(row, value)| samples.add(name, row, *value)),
                Err(reason) => {
                    println!("{name}: SKIPPED, {reason}");
                    names.retain(|other| *other != name);
                }
            }
        }
    }
}
