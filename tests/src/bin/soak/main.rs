//! A soak of the example `http_server`: clients of every bad kind, few descriptors, and honest clients that must notice nothing.
//!
//! `cargo xtask soak` builds the server and runs this. Everything stays on the loopback, and every wait is bounded.

#![forbid(unsafe_code)]

mod crowd;
mod exhaustion;
mod honest;
mod hostile;
mod http;
mod process;
mod siege;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use table::Table;
use uasyncio_sync::wait_for;

const HELP: &str = "\
Soaks a server that is like the example http_server.

usage: soak --server PROGRAM [--seconds N]

  --server PROGRAM   takes the options of http_server
  --seconds N        how long it takes, about (60), at least 20
  --help             this text";

/// How many connections are opened and closed, however long it takes.
const CONNECTIONS: u32 = 20_000;

/// What the second phase and the ends of both take, in seconds.
const OVERHEAD: u32 = 15;

fn main() -> ExitCode {
    let (program, seconds) = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("error: {why}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if !cfg!(target_os = "linux") {
        eprintln!("error: what a process holds is told by Linux only");
        return ExitCode::from(2);
    }
    let begin = Instant::now();
    // Should a wait without bound have slipped in. Dropping what waits ends the servers.
    let limit = Duration::from_secs(u64::from(seconds) * 3 + 120);
    let failures = uasyncio_io::run(wait_for(soak(&program, seconds), limit)).unwrap_or_else(|_| {
        println!("FAILED: no end after more than three times the time");
        1
    });
    println!("{:.0} s, {failures} failures", begin.elapsed().as_secs_f32());
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Both phases, and the number of failures.
async fn soak(program: &Path, seconds: u32) -> usize {
    let mut failures = 0;
    for phase in ["siege", "exhaustion"] {
        let mut table = Table::default();
        println!("{phase}");
        let outcome = match phase {
            "siege" => siege::run(program, (seconds - OVERHEAD) * 1_000, CONNECTIONS, &mut table).await,
            _ => exhaustion::run(program, &mut table).await,
        };
        if let Err(why) = outcome {
            table.check("the phase", why, "to its end", false);
        }
        table.print();
        failures += table.failures();
    }
    failures
}

/// The server and the seconds; `None` when help is wanted.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<(PathBuf, u32)>, String> {
    let (mut program, mut seconds) = (None, 60);
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            return Ok(None);
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--server" => program = Some(PathBuf::from(value)),
            "--seconds" => {
                let number = value.parse().ok().filter(|number| (20..=3_600).contains(number));
                seconds = number.ok_or_else(|| format!("--seconds needs a number from 20 to 3600, not {value:?}"))?;
            }
            _ => return Err(format!("unknown argument {argument:?}")),
        }
    }
    let program = program.ok_or("--server is missing")?;
    Ok(Some((program, seconds)))
}
