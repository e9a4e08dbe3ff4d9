//! What the library crates may depend on, and how many crates a small server costs.
//!
//! ```text
//! compat ─► streams, udp ─► io ─► core ◄─ sync          nothing depends on xtask or on the tests
//! ```

use std::collections::BTreeSet;
use std::fs;

use crate::command::Cargo;
use crate::steps::{Problem, StepResult, Steps};
use crate::workspace;

/// Each library crate and all that it may depend on directly, on any system, with any feature.
/// A crate from outside also needs its reason in ARCHITECTURE.md, which names it in backquotes.
const MAY_DEPEND_ON: [(&str, &[&str]); 6] = [
    (
        COMPAT,
        &[
            "uasyncio-core",
            "uasyncio-io",
            "uasyncio-streams",
            "uasyncio-sync",
            "uasyncio-udp",
            "async-io",
            "embedded-io-async",
            "futures-io",
            "hyper",
            "tokio",
        ],
    ),
    ("uasyncio-core", &["critical-section", "pin-project-lite", "portable-atomic"]),
    ("uasyncio-io", &["uasyncio-core", "polling", "rustix"]),
    ("uasyncio-sync", &["uasyncio-core", "critical-section", "futures-core", "pin-project-lite"]),
    (
        "uasyncio-streams",
        &[
            "uasyncio-core",
            "uasyncio-io",
            "futures-core",
            "libc",
            "nix",
            "pin-project-lite",
            "rustix",
            "rustls",
            "rustls-native-certs",
            "socket2",
        ],
    ),
    ("uasyncio-udp", &["uasyncio-core", "uasyncio-io", "nix", "rustix", "socket2"]),
];

/// The crate of adapters, whose features bring one crate each.
pub(crate) const COMPAT: &str = "uasyncio-compat";

/// Each of its features and what it brings, in order.
pub(crate) const BRINGS: [(&str, &[&str]); 8] = [
    ("embedded-io-async", &["embedded-io-async"]),
    ("futures-io", &["futures-io"]),
    ("guest-smol", &["async-io"]),
    ("guest-tokio", &["tokio"]),
    ("host-tokio", &["tokio"]),
    ("hyper", &["hyper"]),
    ("names", &["uasyncio-sync", "uasyncio-udp"]),
    ("tokio-io", &["tokio"]),
];

/// A server with `uasyncio-streams` builds at most so many crates beside itself, on Linux.
const SERVER_CRATES: usize = 8;

pub(crate) fn add(steps: &mut Steps) {
    steps.step("dependencies: arrows point down", |_| arrows());
    steps.step("dependencies: an echo server's", |_| server());
    steps.step("dependencies: compat's, feature by feature", |_| adapters());
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

/// Without a feature there is nothing that `uasyncio-streams` has not; each feature brings its crate and no other.
fn adapters() -> StepResult {
    let edges = "--no-default-features --target all --edges normal,build";
    let with = |feature: &str| tree(COMPAT, &format!("{edges} --depth 1 --features={feature}"));
    let mut known = tree("uasyncio-streams", "--target all --edges normal,build")?;
    known.insert("uasyncio-streams".to_owned());
    let mut wrong = without_features(&tree(COMPAT, edges)?, &known);
    let bare = with("")?;
    for (feature, brings) in BRINGS {
        let with_it = with(feature)?;
        println!("{feature}: {}", list(&brought(&with_it, &bare)));
        wrong.extend(with_feature(feature, brings, &brought(&with_it, &bare)));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Problem::Failed(wrong.join("; "))) }
}

fn brought(with: &BTreeSet<String>, without: &BTreeSet<String>) -> BTreeSet<String> {
    with.difference(without).cloned().collect()
}

/// What is wrong with the crates below the crate of adapters when no feature is on.
fn without_features(below: &BTreeSet<String>, known: &BTreeSet<String>) -> Vec<String> {
    below.difference(known).map(|name| format!("{COMPAT} without features depends on {name}")).collect()
}

/// What is wrong with what a feature brings.
fn with_feature(feature: &str, brings: &[&str], brought: &BTreeSet<String>) -> Option<String> {
    let right = brought.iter().eq(brings);
    (!right).then(|| format!("the feature {feature} is to bring {}, and brings {}", brings.join(", "), list(brought)))
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
    use super::{BTreeSet, list, names, with_feature, without_features};

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_crate_that_comes_without_a_feature_is_named() {
        let known = set(&["uasyncio-core", "uasyncio-streams"]);
        assert!(without_features(&known, &known).is_empty());
        let wrong = without_features(&set(&["hyper", "uasyncio-core"]), &known);
        assert_eq!(wrong, ["uasyncio-compat without features depends on hyper"]);
    }

    #[test]
    fn a_feature_brings_what_it_says_no_more_and_no_less() {
        assert_eq!(with_feature("f", &["a", "b"], &set(&["a", "b"])), None);
        for brought in [&["a"][..], &[], &["a", "b", "c"], &["a", "c"]] {
            assert!(with_feature("f", &["a", "b"], &set(brought)).is_some(), "{brought:?}");
        }
    }

    #[test]
    fn a_tree_gives_each_crate_once_and_not_itself() {
        let listed = "a v0.1.0 (/some/where)\nb v1.2.3\nc v0.3.0 (proc-macro)\n\nb v1.2.3 (*)\n";
        assert_eq!(list(&names("a", listed)), "b, c");
    }
}
