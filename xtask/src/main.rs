//! `cargo xtask`: the one command that tests, checks and measures this workspace.
//!
//! It starts `cargo`, `rustup` and `git` as other programs and depends on no crate. A task is a list of named steps
//! ([`steps`]); a step is made of commands ([`command`]) that need toolchains ([`toolchain`]).

mod bench;
mod ci;
mod command;
mod dependencies;
mod firmware;
mod matrix;
mod miri;
mod package;
mod poller;
mod processes;
mod python;
mod soak;
mod source;
mod steps;
mod tidy;
mod toolchain;
mod unsafe_code;
mod workspace;

use std::process::ExitCode;

use steps::Steps;

const HELP: &str = "\
cargo xtask <task> [options]

  test [--full] [--list] [FILTER]
      The test matrix: every crate alone and all together, feature sets, every poller, examples, loom, Miri,
      checks for other systems, dependencies, tidiness. Installs the Rust toolchains that it needs.
      --full   also all of core and sync under Miri, with more seeds, all crates over every poller, sizes beside embassy's,
               AddressSanitizer, ThreadSanitizer and repeated runs (over an hour)
      --list   print the names of the steps and run none
      FILTER   run only the steps whose name contains it, such as `miri` or `poller`

  ci [--list] [FILTER]
      What must pass before a change lands: fmt, clippy, rustdoc, the test matrix, firmware sizes beside embassy's,
      the oldest supported Rust, the packages of all crates.

  bench [SECTION...] [--quick] [--million]
      Tables of uasyncio beside other runtimes. Builds them first (tests/peers, a workspace of its own).
      SECTION    sched, timers, sync, memory, syscalls, http, hyper, udp; all of them when none is named
      --quick    fewer and shorter runs: the shape of the result, not figures to publish
      --million  timers: also with a million of them

  firmware build | run [PROGRAM] | test | size
      The programs for microcontrollers (tests/firmware), in QEMU: a micro:bit with 16 KB RAM.
      run      with the serial port at this terminal; PROGRAM is uart (a command line) if none is named
      size     flash, RAM and stack beside embassy's; fails over the budgets in tests/firmware/budget.txt

  soak [--seconds N]
      The example http_server for a minute under slow clients, resets, garbage, silence, 20 000 short connections and a lack of
      descriptors, while honest clients check every byte. Fails if one of them notices, or if anything is left over.

  help, --help, -h
      This text.

With CI=true in the environment, a step that cannot run fails instead of being skipped.
";

/// A task that was asked for, with its arguments understood.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Test { full: bool, list: bool, filter: Option<String> },
    Ci { list: bool, filter: Option<String> },
    Bench(Vec<String>),
    Soak(u32),
    Firmware(firmware::Action),
}

fn main() -> ExitCode {
    if let Some(code) = poller::compile() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let task = match parse(&arguments) {
        Ok(task) => task,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    let finish = |mut steps: Steps, add: &dyn Fn(&mut Steps)| {
        add(&mut steps);
        steps.finish()
    };
    match task {
        Task::Help => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Task::Test { full, list, filter } => finish(Steps::new(filter, list, strict), &|steps| matrix::add(steps, full)),
        Task::Ci { list, filter } => finish(Steps::new(filter, list, strict), &ci::add),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Soak(seconds) => soak::run(seconds),
        Task::Firmware(action) => firmware::act(&action, Steps::new(None, false, strict)),
    }
}

fn parse(arguments: &[String]) -> Result<Task, String> {
    let Some((name, rest)) = arguments.split_first() else {
        return Err("which task?".into());
    };
    if rest.iter().any(|argument| argument == "--help" || argument == "-h") {
        return Ok(Task::Help);
    }
    match name.as_str() {
        "help" | "--help" | "-h" => Ok(Task::Help),
        "bench" => bench::check_arguments(rest).map(|()| Task::Bench(rest.to_vec())),
        "soak" => soak::parse(rest).map(Task::Soak),
        "firmware" => firmware::parse(rest).map(Task::Firmware),
        "test" | "ci" => {
            let (mut full, mut list, mut filter) = (false, false, None);
            for argument in rest {
                match argument.as_str() {
                    "--full" if name == "test" => full = true,
                    "--list" => list = true,
                    option if option.starts_with('-') => {
                        return Err(format!("`{name}` has no option {option}"));
                    }
                    text if filter.is_none() => filter = Some(text.to_owned()),
                    text => return Err(format!("one filter at a time: what is {text}?")),
                }
            }
            Ok(if name == "test" { Task::Test { full, list, filter } } else { Task::Ci { list, filter } })
        }
        other => Err(format!("there is no task {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Task, parse};

    fn parse_words(line: &str) -> Result<Task, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_understood_in_any_order() {
        let expected = Task::Test { full: true, list: false, filter: Some("miri".into()) };
        assert_eq!(parse_words("test miri --full").as_ref(), Ok(&expected));
        assert_eq!(parse_words("test --full miri"), Ok(expected));
        assert_eq!(parse_words("ci"), Ok(Task::Ci { list: false, filter: None }));
        assert_eq!(parse_words("ci --help"), Ok(Task::Help));
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for line in
            ["", "tests", "test --fast", "ci --full", "test core io", "bench disk", "bench sched http -x", "firmware flash"]
        {
            assert!(parse_words(line).is_err(), "{line}");
        }
    }

    #[test]
    fn bench_passes_its_arguments_on() {
        let expected = Task::Bench(vec!["http".into(), "--quick".into()]);
        assert_eq!(parse_words("bench http --quick"), Ok(expected));
    }
}
