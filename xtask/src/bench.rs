//! `cargo xtask bench`: builds the benches beside other runtimes and runs them, one section after the other.
//!
//! They are a workspace of their own (tests/peers), so that nobody who tests this one builds the other runtimes.

use std::process::{Command, ExitCode, Stdio};

use crate::command::target_folder;
use crate::workspace;

const SECTIONS: [&str; 8] = ["sched", "timers", "sync", "memory", "syscalls", "http", "hyper", "udp"];

/// The sections that time single operations. On Intel's processors they are built so that no jump touches the end of 32 bytes: from Skylake
/// to Cascade Lake such a jump is decoded anew each time (Intel's erratum SKX102), and which ones do would be a matter of luck, up to a
/// fifth of a row. The others count instructions, where what fills the gaps would be counted too.
const ALIGNED: [&str; 3] = ["sched", "timers", "sync"];

/// What is handed on to every section.
const OPTIONS: [&str; 2] = ["--quick", "--million"];

/// The programs that a section cannot do without.
const TOOLS: [(&str, &str); 3] = [("syscalls", "strace"), ("http", "valgrind"), ("hyper", "valgrind")];

pub(crate) fn check_arguments(arguments: &[String]) -> Result<(), String> {
    for argument in arguments.iter().map(String::as_str) {
        if !OPTIONS.contains(&argument) && !SECTIONS.contains(&argument) {
            return Err(format!(
                "`bench` knows the sections {} and the options {}, not {argument}",
                SECTIONS.join(", "),
                OPTIONS.join(", ")
            ));
        }
    }
    Ok(())
}

/// Runs the sections that are named, or all. A failure if one misses a target; the others run all the same.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let (options, named): (Vec<_>, Vec<_>) = arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    let sections = if named.is_empty() { SECTIONS.to_vec() } else { named };
    let missing = TOOLS.iter().filter(|(section, tool)| sections.contains(section) && !starts(tool));
    for (section, tool) in missing.clone() {
        eprintln!("error: `bench {section}` needs {tool}; on Debian and Ubuntu: apt-get install {tool}");
    }
    if missing.count() > 0 {
        return ExitCode::FAILURE;
    }
    let mut failed = Vec::new();
    for section in sections {
        println!("\n==> bench {section} {}", options.join(" "));
        if !bench(section, &options) {
            failed.push(section);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nFAILED, or a target missed: {}", failed.join(", "));
    ExitCode::FAILURE
}

fn starts(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Where the system does not tell, it might be.
fn is_intel() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").map_or(true, |cpu| cpu.contains("GenuineIntel"))
}

fn bench(section: &str, options: &[&str]) -> bool {
    let mut cargo = Command::new("cargo");
    let mut folder = "peers";
    if cfg!(target_arch = "x86_64") && ALIGNED.contains(&section) && is_intel() {
        folder = "peers-aligned";
        let given = std::env::var("RUSTFLAGS").unwrap_or_default();
        cargo.env("RUSTFLAGS", format!("{given} -Cllvm-args=-x86-branches-within-32B-boundaries"));
    }
    let status = cargo
        .args(["run", "--quiet", "--release", "--bin", "bench", "--manifest-path"])
        .arg(workspace::root().join("tests/peers/Cargo.toml"))
        .args(["--", section])
        .args(options)
        .env("CARGO_TARGET_DIR", target_folder().join(folder))
        .current_dir(workspace::root())
        .status();
    match status {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("error: cargo does not start: {error}");
            false
        }
    }
}
