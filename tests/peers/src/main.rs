//! Measures uasyncio beside other runtimes and beside hand-written floors. README.md says what each figure means.

mod child;
mod client;
mod document;
mod floor;
mod heap;
mod http;
mod hyper;
mod measure;
mod memory;
mod report;
mod runtimes;
mod sched;
mod serve;
mod serve_ours;
mod sync;
mod syscalls;
mod timers;
mod udp;

use std::process::ExitCode;

const USAGE: &str = "usage: bench sched|timers|sync|memory|syscalls|http|hyper|udp [--quick] [--million]

Prints a table and exits with 1 if a target is missed.
  --quick     a shorter run, with coarser figures
  --million   timers: also with a million timers";

/// What the command line asks for.
pub struct Options {
    quick: bool,
    million: bool,
}

impl Options {
    /// The first value, or the second with `--quick`.
    fn either<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "child") {
        return child::main(&words[1..]);
    }
    let (flags, sections): (Vec<_>, Vec<_>) = words.iter().map(String::as_str).partition(|word| word.starts_with("--"));
    let options = Options { quick: flags.contains(&"--quick"), million: flags.contains(&"--million") };
    let known = flags.iter().all(|flag| ["--quick", "--million"].contains(flag));
    let report = match sections[..] {
        ["sched"] if known => sched::report(&options),
        ["timers"] if known => timers::report(&options),
        ["sync"] if known => sync::report(&options),
        ["memory"] if known => memory::report(&options),
        ["syscalls"] if known => syscalls::report(&options),
        ["http"] if known => http::report(&options),
        ["hyper"] if known => hyper::report(&options),
        ["udp"] if known => udp::report(&options),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if report.conclude() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
