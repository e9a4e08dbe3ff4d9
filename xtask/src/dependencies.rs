//! What the library crates may depend on, and how many crates a small server costs.
//!
//! ```text
//! streams, udp ─► io ─► core ◄─ sync          nothing depends on xtask or on the tests
//! ```

use std::collections::BTreeSet;
use std::fs;

use crate::command::Cargo;
use crate::steps::{Problem, StepResult, Steps};
use crate::workspace;

/// Each library crate and all that it may depend on directly, on any system, with any feature.
/// A crate from outside also needs its reason in ARCHITECTURE.md, which names it in backquotes.
const MAY_DEPEND_ON: [(&str, &[&str]); 5] = [
    ("uasyncio-core", &["critical-section", "pin-project-lite"]),
    ("uasyncio-io", &["uasyncio-core", "polling", "rustix"]),
    ("uasyncio-sync", &["uasyncio-core", "critical-section", "futures-core", "pin-project-lite"]),
    ("uasyncio-streams", &["uasyncio-core", "uasyncio-io", "futures-core", "rustix", "rustls", "socket2", "libc"]),
    ("uasyncio-udp", &["uasyncio-core", "uasyncio-io", "nix", "rustix", "socket2"]),
];

/// A server with `uasyncio-streams` builds at most so many crates beside itself, on Linux.
const SERVER_CRATES: usize = 8;

pub(crate) fn add(steps: &mut Steps) {
    steps.step("dependencies: arrows point down", |_| arrows());
    steps.step("dependencies: an echo server's", |_| server());
}

fn arrows() -> StepResult {
    let mut wrong = Vec::new();
    let architecture = fs::read_to_string(workspace::root().join("ARCHITECTURE.md")).unwrap_or_default();
    for library in workspace::libraries()? {
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|row| row.0 == library) else {
            wrong.push(format!("{library} is not in the table of xtask/src/dependencies.rs"));
            continue;
        };
        let direct = tree(&library, "--all-features --target all --depth 1 --edges normal,build")?;
        println!("{library}: {}", list(&direct));
        for name in direct.iter().filter(|name| !allowed.contains(&name.as_str())) {
            wrong.push(format!("{library} must not depend on {name}"));
        }
        let from_outside = |name: &&String| !name.starts_with("uasyncio-");
        for name in direct.iter().filter(from_outside).filter(|name| !architecture.contains(&format!("`{name}`"))) {
            wrong.push(format!("{library} depends on {name}: ARCHITECTURE.md does not say why"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::Failed(wrong.join("; "))) }
}

fn server() -> StepResult {
    let mut crates = tree("uasyncio-streams", "--edges normal,build --target x86_64-unknown-linux-gnu")?;
    crates.insert("uasyncio-streams".to_owned());
    println!("{} crates: {}", crates.len(), list(&crates));
    if crates.len() > SERVER_CRATES {
        return Err(Problem::Failed(format!("{} dependency crates; at most {SERVER_CRATES}", crates.len())));
    }
    Ok(())
}

/// The crates below `package`.
fn tree(package: &str, options: &str) -> Result<BTreeSet<String>, Problem> {
    let command = Cargo::new("tree --locked --prefix none --package").arguments([package]);
    Ok(names(package, &command.arguments(options.split_whitespace()).output()?))
}

fn names(package: &str, listed: &str) -> BTreeSet<String> {
    let first_words = listed.lines().filter_map(|line| line.split_whitespace().next());
    first_words.filter(|name| *name != package).map(str::to_owned).collect()
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{list, names};

    #[test]
    fn a_tree_gives_each_crate_once_and_not_itself() {
        let listed = "a v0.1.0 (/some/where)\nb v1.2.3\nc v0.3.0 (proc-macro)\n\nb v1.2.3 (*)\n";
        assert_eq!(list(&names("a", listed)), "b, c");
    }
}
