//! Each library crate can be published: its package holds what it must, and builds from the packages alone.
//!
//! `cargo package` can build what it packed, but finds crates that are not published yet by unpacking them where downloaded
//! crates go, once for each version: a second run would build against what the first had packed. So the packages are
//! unpacked here, into a workspace of their own that takes each of them for the published one.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{Cargo, target_folder};
use crate::steps::{Problem, StepResult, Steps};
use crate::workspace;

/// What every package holds beside its sources.
const CONTENTS: [&str; 5] = ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"];

pub(crate) fn add(steps: &mut Steps) {
    steps.step("package: contents", |_| contents());
    steps.step("package: every crate builds from its package", |_| build());
}

fn contents() -> StepResult {
    let mut missing = Vec::new();
    for library in workspace::libraries()? {
        let listed = Cargo::new("package --list --allow-dirty -p").arguments([library.as_str()]).output()?;
        for file in CONTENTS {
            if !listed.lines().any(|line| line == file) {
                missing.push(format!("{library} would be published without {file}"));
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Problem::Failed(missing.join("; "))) }
}

fn build() -> StepResult {
    let libraries = workspace::libraries()?;
    let packed = target_folder().join("packages");
    if packed.exists() {
        fs::remove_dir_all(&packed)?;
    }
    // One command for all: packed one by one, a crate would not find the unpublished ones that it depends on.
    let mut cargo = Cargo::new("package --no-verify --allow-dirty").folder("packages");
    for library in &libraries {
        cargo = cargo.arguments(["-p", library]);
    }
    cargo.run()?;

    let unpacked = packed.join("unpacked");
    fs::create_dir(&unpacked)?;
    let mut members = Vec::new();
    for entry in fs::read_dir(packed.join("package"))? {
        let archive = entry?.path();
        if archive.extension().is_some_and(|extension| extension == "crate") {
            unpack(&archive, &unpacked)?;
            members.push(archive.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    if members.len() != libraries.len() {
        return Err(Problem::Failed(format!("packed {} of {} crates", members.len(), libraries.len())));
    }
    fs::write(unpacked.join("Cargo.toml"), manifest(&libraries, &members))?;
    fs::copy(workspace::root().join("Cargo.lock"), unpacked.join("Cargo.lock"))?;
    // Each by itself, so that none lives on a feature that another has switched on; then all with their tests and examples.
    let check = |selection: &[&str]| {
        let manifest = unpacked.join("Cargo.toml");
        let cargo = Cargo::new("check --manifest-path").arguments([manifest.to_string_lossy()]);
        cargo.arguments(selection.iter().copied()).folder("packages").run()
    };
    for library in &libraries {
        check(&["-p", library])?;
    }
    check(&["--workspace", "--all-targets"])
}

fn unpack(archive: &Path, folder: &Path) -> StepResult {
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder).status();
    let status = status.map_err(|error| Problem::Missing(format!("tar does not start ({error})")))?;
    if status.success() { Ok(()) } else { Err(Problem::Failed(format!("{} does not unpack", archive.display()))) }
}

/// A workspace of the unpacked crates (`members` are their folders), each standing in for the published crate of its name.
fn manifest(libraries: &[String], members: &[String]) -> String {
    let mut text = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[patch.crates-io]\n");
    for library in libraries {
        let folder = members.iter().find(|folder| {
            folder.strip_prefix(library.as_str()).is_some_and(|version| {
                version.strip_prefix('-').is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
            })
        });
        if let Some(folder) = folder {
            text.push_str(&format!("{library} = {{ path = {folder:?} }}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::manifest;

    #[test]
    fn every_package_stands_in_for_the_published_crate() {
        let names = ["a-core".to_owned(), "a".to_owned()];
        let folders = ["a-0.1.0".to_owned(), "a-core-0.2.0-rc.1".to_owned()];
        let text = manifest(&names, &folders);
        assert!(text.contains("members = [\"a-0.1.0\", \"a-core-0.2.0-rc.1\"]"), "{text}");
        assert!(text.ends_with("a-core = { path = \"a-core-0.2.0-rc.1\" }\na = { path = \"a-0.1.0\" }\n"), "{text}");
    }
}
