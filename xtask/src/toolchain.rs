//! Rust toolchains, components and targets: there already, or installed now by `rustup`.

use std::process::{Command, Output};

use crate::steps::Problem;

pub(crate) const NIGHTLY: &str = "nightly";
/// The oldest Rust that the crates promise to build with, as in `rust-version` of the workspace.
pub(crate) const OLDEST: &str = "1.85.0";

/// Makes sure that `cargo +name` works.
pub(crate) fn toolchain(name: &str) -> Result<(), Problem> {
    if rustup(&["run", name, "rustc", "--version"])?.status.success() {
        return Ok(());
    }
    install(&["toolchain", "install", name, "--profile", "minimal", "--no-self-update"])
}

/// Makes sure that a toolchain, or else the one in use, has these components.
pub(crate) fn components(name: Option<&str>, components: &[&str]) -> Result<(), Problem> {
    let mut of = Vec::new();
    if let Some(name) = name {
        toolchain(name)?;
        of.extend(["--toolchain", name]);
    }
    let listed = rustup(&[&["component", "list", "--installed"], &of[..]].concat())?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for component in components {
        // A line is the name, with the host's triple after a hyphen for most.
        if !listed.lines().any(|line| line == *component || line.starts_with(&format!("{component}-"))) {
            install(&[&["component", "add", component], &of[..]].concat())?;
        }
    }
    Ok(())
}

/// Makes sure that the default toolchain can check for this target.
pub(crate) fn target(name: &str) -> Result<(), Problem> {
    let listed = rustup(&["target", "list", "--installed"])?;
    if String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == name) {
        return Ok(());
    }
    install(&["target", "add", name])
}

/// The network may fail once.
const ATTEMPTS: u32 = 3;

fn install(arguments: &[&str]) -> Result<(), Problem> {
    let line = format!("rustup {}", arguments.join(" "));
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        println!("$ {line}");
        let output = rustup(arguments)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let error = said.lines().find(|line| line.starts_with("error")).unwrap_or("it did not say why");
        why = format!("`{line}`: {error}");
        // Not every release of Rust comes with every target.
        if error.contains("is unavailable for download") || error.contains("does not support target") {
            return Err(Problem::Unavailable(why));
        }
    }
    Err(Problem::Missing(why))
}

fn rustup(arguments: &[&str]) -> Result<Output, Problem> {
    Command::new("rustup")
        .args(arguments)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .env("RUST_BACKTRACE", "0")
        .output()
        .map_err(|error| Problem::Missing(format!("rustup does not start ({error}); see https://rustup.rs")))
}
