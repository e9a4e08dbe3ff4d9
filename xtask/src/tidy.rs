//! House rules that a compiler does not check.
//!
//! * Every source file opens with a `//!` comment and keeps to one idea: at most [`LONGEST`] lines.
//! * Unsafe code stays where it is listed, and says why it is sound: see [`unsafe_code`].
//! * No white space at the end of a line, no line end missing, no path of somebody's machine, no `#[ignore]` without a
//!   reason, no package from anywhere but crates.io.
//! * Every library crate holds the same licence files.

use std::fs;
use std::process::Command;

use crate::source::code_lines;
use crate::steps::{Problem, StepResult};
use crate::unsafe_code;
use crate::workspace;

/// Lines of a source file, comments and tests included.
const LONGEST: usize = 600;

/// Top folders of machines. Without slashes here, or this file would break its own rule.
const MACHINE_FOLDERS: [&str; 5] = ["work", "tmp", "farm", "root", "home"];

/// A file of the repository: its path from the top, with slashes, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The library crate whose source it is part of.
    pub(crate) fn library(&self) -> Option<&str> {
        let (library, inside) = self.path.split_once('/')?;
        (self.is_rust() && library.starts_with("uasyncio-") && inside.starts_with("src/")).then_some(library)
    }

    /// Is it part of a program for microcontrollers?
    pub(crate) fn is_firmware(&self) -> bool {
        self.is_rust() && self.path.starts_with("tests/firmware/")
    }
}

pub(crate) fn check() -> StepResult {
    let files = files()?;
    let mut wrong = Vec::new();
    for file in &files {
        text_rules(file, &mut wrong);
        if file.is_rust() {
            source_rules(file, &mut wrong);
        }
    }
    unsafe_code::rules(&files, &mut wrong);
    licence_rules(&files, &mut wrong)?;
    for line in &wrong {
        println!("{line}");
    }
    println!("{} files read", files.len());
    if wrong.is_empty() { Ok(()) } else { Err(Problem::Failed(format!("{} untidy places", wrong.len()))) }
}

/// All text files that are in the repository or would be with `git add`.
fn files() -> Result<Vec<File>, Problem> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| Problem::Missing(format!("git does not start ({error})")))?;
    if !listed.status.success() {
        return Err(Problem::Missing("this folder is not a git repository".into()));
    }
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        // A file that is deleted but not yet committed so is still listed; one that is not text has no lines.
        if let Ok(text) = fs::read_to_string(workspace::root().join(path)) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn text_rules(file: &File, wrong: &mut Vec<String>) {
    let path = &file.path;
    for (number, line) in (1..).zip(file.text.lines()) {
        if line.ends_with([' ', '\t', '\r']) {
            wrong.push(format!("{path}:{number}: white space at the end of the line"));
        }
        if names_machine_folder(line) {
            wrong.push(format!("{path}:{number}: a path of somebody's machine"));
        }
        if path.ends_with("Cargo.lock") && line.starts_with("source = ") && !line.contains("/crates.io-index\"") {
            wrong.push(format!("{path}:{number}: a package that is not from crates.io"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        wrong.push(format!("{path}: the last line has no end"));
    }
}

fn names_machine_folder(line: &str) -> bool {
    MACHINE_FOLDERS.iter().any(|folder| {
        let start = format!("/{folder}/");
        line.match_indices(&start).any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric()))
    })
}

fn source_rules(file: &File, wrong: &mut Vec<String>) {
    let path = &file.path;
    if !file.text.starts_with("//!") {
        wrong.push(format!("{path}: does not open with a `//!` comment that says what it holds"));
    }
    let length = file.text.lines().count();
    if length > LONGEST {
        wrong.push(format!("{path}: {length} lines; does it hold one idea? (at most {LONGEST})"));
    }
    for (number, line) in (1..).zip(code_lines(&file.text)) {
        if line.contains("#[ignore]") {
            wrong.push(format!("{path}:{number}: `#[ignore]` without a reason"));
        }
    }
}

fn licence_rules(files: &[File], wrong: &mut Vec<String>) -> Result<(), Problem> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| &file.text);
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        for library in workspace::libraries()? {
            if text(name).is_none() || text(&format!("{library}/{name}")) != text(name) {
                wrong.push(format!("{library}/{name}: is not there, or not the same as {name}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{File, names_machine_folder, text_rules};

    #[test]
    fn machine_paths_are_seen_and_other_paths_are_not() {
        assert!(names_machine_folder(&format!("see {}/me/x", "/home")));
        assert!(names_machine_folder(&format!("\"{}/x\"", "/tmp")));
        assert!(!names_machine_folder("net/work/frame"));
        assert!(!names_machine_folder("the /tmpfs"));
    }

    #[test]
    fn lines_end_cleanly() {
        let mut wrong = Vec::new();
        let text = "source = \"git+https://example.org/x\"\nspace \n  tab\t\nno end";
        text_rules(&File { path: "Cargo.lock".to_owned(), text: text.to_owned() }, &mut wrong);
        assert_eq!(wrong.len(), 4, "{wrong:?}");
    }
}
