//! Unsafe code stays where it is listed, and says why it is sound.
//!
//! ARCHITECTURE.md lists the files that may hold `unsafe`, one on a line in backquotes, between `<!-- unsafe files -->` and
//! `<!-- end of unsafe files -->`, and those of the firmware between `<!-- unsafe files of the firmware -->` and its end. A `SAFETY:` note
//! names an invariant that ARCHITECTURE.md defines (`U1`, ...; the firmware's are `F1`, ...), or the caller's promise, or the note above it.
//! A library crate without such a file forbids unsafe code. That each block has a note is clippy's to say (`undocumented_unsafe_blocks`).

use std::collections::BTreeSet;

use crate::source::{code_lines, find_word};
use crate::tidy::File;

pub(crate) fn rules(files: &[File], wrong: &mut Vec<String>) {
    let architecture = files.iter().find(|file| file.path == "ARCHITECTURE.md").map_or("", |file| &file.text);
    let mut allowed = unsafe_files(architecture, "unsafe files");
    if allowed.is_empty() {
        wrong.push("ARCHITECTURE.md: no list of files between `<!-- unsafe files -->` and its end".into());
    }
    allowed.extend(unsafe_files(architecture, "unsafe files of the firmware"));
    let mut with_unsafe = BTreeSet::new();
    for file in files.iter().filter(|file| file.library().is_some() || file.is_firmware()) {
        if code_lines(&file.text).iter().any(|line| find_word(line, "unsafe").is_some()) {
            with_unsafe.insert(file.path.as_str());
            if !allowed.contains(file.path.as_str()) {
                wrong.push(format!("{}: ARCHITECTURE.md does not list it among the files with `unsafe`", file.path));
            }
        }
        for (number, note) in safety_notes(&file.text) {
            if !names_invariant(&note, architecture) {
                let path = &file.path;
                wrong.push(format!("{path}:{number}: the safety note names no invariant of ARCHITECTURE.md"));
            }
        }
    }
    for listed in allowed.iter().filter(|listed| !with_unsafe.contains(*listed)) {
        wrong.push(format!("ARCHITECTURE.md: lists {listed} among the files with `unsafe`, which has none"));
    }
    for file in files.iter().filter(|file| file.path.ends_with("/src/lib.rs")) {
        let Some(library) = file.library() else {
            continue;
        };
        let source = format!("{library}/src/");
        let forbids = code_lines(&file.text).iter().any(|line| line.contains("#![forbid(unsafe_code)]"));
        if !forbids && !allowed.iter().any(|listed| listed.starts_with(&source)) {
            wrong.push(format!("{}: has no unsafe code and does not forbid it", file.path));
        }
    }
}

/// The first path in backquotes on each line of the marked list.
fn unsafe_files<'a>(architecture: &'a str, mark: &str) -> BTreeSet<&'a str> {
    let marked = architecture.split_once(&format!("<!-- {mark} -->")).map_or("", |(_, after)| after);
    let marked = marked.split_once(&format!("<!-- end of {mark} -->")).map_or("", |(list, _)| list);
    marked.lines().filter_map(|line| line.split('`').nth(1)).filter(|path| path.ends_with(".rs")).collect()
}

/// Each `SAFETY:` comment with the comment lines that go on with it, and the number of its first line.
fn safety_notes(source: &str) -> Vec<(usize, String)> {
    let mut notes: Vec<(usize, String)> = Vec::new();
    let mut in_note = false;
    for (number, line) in (1..).zip(source.lines()) {
        match line.trim_start().strip_prefix("//") {
            Some(comment) if comment.trim_start().starts_with("SAFETY:") => {
                notes.push((number, comment.to_owned()));
                in_note = true;
            }
            Some(comment) if in_note => {
                if let Some((_, note)) = notes.last_mut() {
                    note.push_str(comment);
                }
            }
            _ => in_note = false,
        }
    }
    notes
}

/// Does the note rest on an invariant that is written down, on the caller's promise, or on the note before it?
fn names_invariant(note: &str, architecture: &str) -> bool {
    let mut words = note.split(|character: char| !character.is_alphanumeric());
    let is_name = |word: &str| {
        let digits = word.strip_prefix(['U', 'F']).unwrap_or_default();
        !digits.is_empty() && digits.chars().all(|character| character.is_ascii_digit())
    };
    words.any(|word| is_name(word) && find_word(architecture, word).is_some())
        || note.contains("caller's promise")
        || note.contains("as above")
}

#[cfg(test)]
mod tests {
    use super::{names_invariant, rules, safety_notes, unsafe_files};
    use crate::tidy::File;

    const ARCHITECTURE: &str = "\
U1: never freed.
<!-- unsafe files -->
- `uasyncio-core/src/slot.rs`: pages
<!-- end of unsafe files -->
F1: at addresses.
<!-- unsafe files of the firmware -->
- `tests/firmware/board/src/registers.rs`: registers
<!-- end of unsafe files of the firmware -->
- `uasyncio-core/src/other.rs`
";

    fn untidy(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        let files: Vec<File> = files.iter().map(file).collect();
        let mut wrong = Vec::new();
        rules(&files, &mut wrong);
        wrong
    }

    #[test]
    fn unsafe_stays_where_it_is_listed() {
        let without_firmware = ARCHITECTURE.replace("tests/firmware/board/src/registers.rs", "");
        let listed = ("uasyncio-core/src/slot.rs", "// SAFETY: U1.\nunsafe { f() }\n");
        let architecture = ("ARCHITECTURE.md", without_firmware.as_str());
        assert_eq!(untidy(&[architecture, listed]), Vec::<String>::new());
        let elsewhere = ("uasyncio-core/src/pass.rs", "// SAFETY: U1.\nunsafe { f() }\n");
        assert_eq!(untidy(&[architecture, listed, elsewhere]).len(), 1);
        let no_longer = ("uasyncio-core/src/slot.rs", "fn f() {}\n");
        assert_eq!(untidy(&[architecture, no_longer]).len(), 1);
        let unnamed = ("uasyncio-core/src/slot.rs", "// SAFETY: fine.\nunsafe { f() }\n");
        assert_eq!(untidy(&[architecture, unnamed]).len(), 1);
        let not_forbidden = ("uasyncio-io/src/lib.rs", "//! Io.\n");
        assert_eq!(untidy(&[architecture, listed, not_forbidden]).len(), 1);
        let forbidden = ("uasyncio-io/src/lib.rs", "//! Io.\n#![forbid(unsafe_code)]\n");
        assert_eq!(untidy(&[architecture, listed, forbidden]), Vec::<String>::new());
    }

    #[test]
    fn the_firmware_has_a_list_of_its_own() {
        let (architecture, slot) =
            (("ARCHITECTURE.md", ARCHITECTURE), ("uasyncio-core/src/slot.rs", "// SAFETY: U1.\nunsafe { f() }\n"));
        let listed = ("tests/firmware/board/src/registers.rs", "// SAFETY: F1.\nunsafe { f() }\n");
        assert_eq!(untidy(&[architecture, slot, listed]), Vec::<String>::new());
        let elsewhere = ("tests/firmware/microbit/src/bin/blink.rs", "// SAFETY: F1.\nunsafe { f() }\n");
        assert_eq!(untidy(&[architecture, slot, listed, elsewhere]).len(), 1);
    }

    #[test]
    fn the_list_ends_at_its_marker() {
        assert_eq!(unsafe_files(ARCHITECTURE, "unsafe files").into_iter().collect::<Vec<_>>(), ["uasyncio-core/src/slot.rs"]);
        assert!(unsafe_files("`uasyncio-core/src/slot.rs`", "unsafe files").is_empty());
    }

    #[test]
    fn a_safety_note_names_what_it_rests_on() {
        let notes = safety_notes("x\n    // SAFETY: the slot\n    // is in a page (U1).\n    unsafe {}\n// U1\n");
        assert_eq!(notes, [(2, " SAFETY: the slot is in a page (U1).".to_owned())]);
        assert!(names_invariant(&notes[0].1, ARCHITECTURE));
        assert!(names_invariant(" SAFETY: the caller's promise.", ARCHITECTURE));
        assert!(!names_invariant(" SAFETY: U12 is not written down.", ARCHITECTURE));
        assert!(!names_invariant(" SAFETY: Usually fine.", ARCHITECTURE));
    }
}
