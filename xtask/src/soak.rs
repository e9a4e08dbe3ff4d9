//! `cargo xtask soak`: the example `http_server` under clients of every bad kind; see `tests/src/bin/soak`.

use std::env::consts::EXE_SUFFIX;
use std::process::{Command, ExitCode};

use crate::command::{Cargo, target_folder};
use crate::steps::Problem;

/// How long it takes unless that is said.
const SECONDS: u32 = 60;

/// The seconds that are asked for.
pub(crate) fn parse(arguments: &[String]) -> Result<u32, String> {
    match arguments {
        [] => Ok(SECONDS),
        [option, seconds] if option == "--seconds" => {
            let number = seconds.parse().ok().filter(|number| (20..=3_600).contains(number));
            number.ok_or_else(|| format!("--seconds needs a number from 20 to 3600, not {seconds}"))
        }
        _ => Err(format!("`soak` knows the option --seconds N, not {}", arguments.join(" "))),
    }
}

pub(crate) fn run(seconds: u32) -> ExitCode {
    match soak(seconds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Problem::Failed(why) | Problem::Missing(why) | Problem::Unavailable(why)) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the server and its clients, optimised, and lets them at each other.
pub(crate) fn soak(seconds: u32) -> Result<(), Problem> {
    if !cfg!(target_os = "linux") {
        return Err(Problem::Unavailable("what a process holds is told by Linux only".into()));
    }
    Cargo::new("build --release -p uasyncio-streams --example http_server").run()?;
    Cargo::new("build --release -p uasyncio-tests --bin soak").run()?;
    let folder = target_folder().join("release");
    let status = Command::new(folder.join(format!("soak{EXE_SUFFIX}")))
        .args(["--seconds", &seconds.to_string(), "--server"])
        .arg(folder.join("examples").join(format!("http_server{EXE_SUFFIX}")))
        .status()?;
    if status.success() { Ok(()) } else { Err(Problem::Failed("the soak has found something; see above".into())) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_soak_takes_a_minute_unless_told_otherwise() {
        let parse_words = |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse_words(""), Ok(60));
        assert_eq!(parse_words("--seconds 20"), Ok(20));
        for line in ["--seconds", "--seconds 1", "--seconds x", "60", "--seconds 60 --fast"] {
            assert!(parse_words(line).is_err(), "{line}");
        }
    }
}
