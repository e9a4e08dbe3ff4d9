//! `cargo xtask firmware`: the programs for microcontrollers (tests/firmware), built, and run in QEMU.
//!
//! Everything here needs the Rust targets, which `rustup` gets, and QEMU. The programs with the same exact machine give
//! the same answers every time; only the dialogue with the command line runs in real time.

mod blink;
mod dialogue;
mod elf;
mod qemu;
mod size;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::command::{Cargo, Tally, target_folder};
use crate::steps::{Problem, StepResult, Steps};
use crate::toolchain;
use crate::workspace;
use qemu::{EXACT, Machine};

/// What may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Build,
    /// A program, with its serial port at the terminal.
    Run(String),
    Test,
    Size,
}

type Build = (&'static str, &'static str);

/// How long the tests on the target may take.
const LIMIT: Duration = Duration::from_secs(120);

const MANIFEST: &str = "tests/firmware/Cargo.toml";
const FOLDER: &str = "firmware";
const WITH_TIME: &str = "firmware-with-time";
const CORTEX_M0: &str = "thumbv6m-none-eabi";
const CORTEX_M3: &str = "thumbv7m-none-eabi";
const WASM: &str = "wasm32-unknown-unknown";

/// What is built: package and features, and for what.
const OURS: [Build; 6] = [
    ("-p microbit", CORTEX_M0),
    ("-p heap", CORTEX_M0),
    ("-p uart", CORTEX_M0),
    ("-p footprint", CORTEX_M0),
    ("-p footprint", CORTEX_M3),
    ("-p footprint --features time", CORTEX_M0),
];

/// The same for what the sizes are compared with.
const EMBASSY: [Build; 3] = [("-p embassy", CORTEX_M0), ("-p embassy", CORTEX_M3), ("-p embassy --features time", CORTEX_M0)];

pub(crate) fn parse(arguments: &[String]) -> Result<Action, String> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["build"] => Ok(Action::Build),
        ["run"] => Ok(Action::Run("uart".into())),
        ["run", name] => Ok(Action::Run(name.into())),
        ["test"] => Ok(Action::Test),
        ["size"] => Ok(Action::Size),
        _ => Err("`firmware` knows build, run [PROGRAM], test and size".into()),
    }
}

pub(crate) fn act(action: &Action, mut steps: Steps) -> ExitCode {
    match action {
        Action::Build => steps.step("firmware: build", |_| build().and_then(|()| build_embassy())),
        Action::Run(name) => return run(name),
        Action::Test => add_tests(&mut steps),
        Action::Size => add_embassy(&mut steps),
    }
    steps.finish()
}

/// Adds the steps to the test matrix.
pub(crate) fn add(steps: &mut Steps) {
    add_tests(steps);
    steps.step("firmware: size", |_| size::check(false));
}

/// Adds the step that compares sizes with embassy's, whose programs take long to build.
pub(crate) fn add_embassy(steps: &mut Steps) {
    steps.step("firmware: size beside embassy", |_| size::check(true));
}

/// Adds the step to what must pass before a change lands.
pub(crate) fn add_clippy(steps: &mut Steps) {
    steps.step("clippy: firmware", |_| {
        let mut builds = OURS.iter().chain(&EMBASSY);
        builds.try_for_each(|build| cargo("clippy --keep-going", build).arguments(["--", "-D", "warnings"]).run())
    });
}

fn add_tests(steps: &mut Steps) {
    steps.step("firmware: build", |_| build());
    for program in ["selftest", "heap"] {
        steps.step(&format!("firmware: {program}"), |tally| selftest(program, tally));
    }
    steps.step("firmware: blink", |_| blink::check());
    steps.step("firmware: command line", |_| dialogue::check());
    steps.step("firmware: turns driven by JavaScript", |_| host_loop());
}

/// Builds all of ours, once in each run of this program.
fn build() -> StepResult {
    static BUILT: AtomicBool = AtomicBool::new(false);
    if BUILT.load(Relaxed) {
        return Ok(());
    }
    toolchain::target(CORTEX_M0)?;
    toolchain::target(CORTEX_M3)?;
    OURS.iter().try_for_each(|build| cargo("build", build).run())?;
    BUILT.store(true, Relaxed);
    Ok(())
}

fn build_embassy() -> StepResult {
    EMBASSY.iter().try_for_each(|build| cargo("build", build).run())
}

/// A command for one of the builds. Programs with the same name and other features have another folder.
fn cargo(verb: &str, (options, target): &Build) -> Cargo {
    let folder = if options.contains("time") { WITH_TIME } else { FOLDER };
    let command = Cargo::new(verb).arguments(["--release", "--manifest-path", MANIFEST, "--target", target]);
    command.arguments(options.split_whitespace()).folder(folder)
}

/// Looks for QEMU, and for the programs.
fn prepare() -> StepResult {
    qemu::installed()?;
    build()
}

/// The file of a program.
fn program(name: &str, machine: Machine) -> PathBuf {
    let with_time = name == "embassy_blink" || name.contains("timers");
    let (folder, target) = match machine {
        Machine::Microbit if with_time => (WITH_TIME, CORTEX_M0),
        Machine::Microbit => (FOLDER, CORTEX_M0),
        Machine::Stellaris => (FOLDER, CORTEX_M3),
    };
    target_folder().join(folder).join(target).join("release").join(name)
}

fn run(name: &str) -> ExitCode {
    let file = program(name, Machine::Microbit);
    let built = prepare().and_then(|()| if name.starts_with("embassy") { build_embassy() } else { Ok(()) });
    match built {
        Ok(()) if file.is_file() => {}
        Ok(()) => {
            eprintln!("error: there is no program {name}: blink, heap, selftest and uart are");
            return ExitCode::FAILURE;
        }
        Err(Problem::Failed(why) | Problem::Missing(why) | Problem::Unavailable(why)) => {
            eprintln!("error: {why}");
            return ExitCode::FAILURE;
        }
    }
    println!("Ctrl-A, then X, ends it.");
    let mut command = qemu::command(Machine::Microbit, &file);
    command.args(["-serial", "mon:stdio", "-semihosting-config", "enable=on,target=native"]);
    let well = command.status().is_ok_and(|status| status.success());
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tests that run on the target. It prints a line for each, as the host's tests do.
fn selftest(name: &str, tally: &mut Tally) -> StepResult {
    prepare()?;
    let mut command = qemu::command(Machine::Microbit, &program(name, Machine::Microbit));
    command.args(EXACT);
    qemu::run_to_end(command, LIMIT, |line| {
        println!("{line}");
        tally.read(line);
    })?;
    if tally.passed == 0 {
        return Err(Problem::Failed("the target ran no test".into()));
    }
    Ok(())
}

/// The example for wasm32, with Node's loop as its host.
fn host_loop() -> StepResult {
    toolchain::target(WASM)?;
    cargo("build", &("-p wasm", WASM)).run()?;
    let module = target_folder().join(FOLDER).join(WASM).join("release/wasm.wasm");
    let output = Command::new("node").arg(file_of_firmware("wasm/host.mjs")).arg(module).stderr(Stdio::inherit()).output();
    let output =
        output.map_err(|error| Problem::Missing(format!("node does not start ({error}); on Debian: apt-get install nodejs")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let as_expected = output.status.success() && said.lines().eq(["waiting", "tick 1", "tick 2", "tick 3", "done"]);
    if as_expected { Ok(()) } else { Err(Problem::Failed("the host's loop did not drive the program to its end".into())) }
}

/// For commands whose paths are from the top of the workspace.
fn file_of_firmware(name: &str) -> PathBuf {
    workspace::root().join("tests/firmware").join(name)
}

#[cfg(test)]
mod tests {
    use super::{Action, parse};

    fn parse_words(line: &str) -> Result<Action, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn actions_are_understood() {
        assert_eq!(parse_words("run"), Ok(Action::Run("uart".into())));
        assert_eq!(parse_words("run blink"), Ok(Action::Run("blink".into())));
        assert_eq!(parse_words("size"), Ok(Action::Size));
        for line in ["", "flash", "test blink", "run a b"] {
            assert!(parse_words(line).is_err(), "{line}");
        }
    }
}
