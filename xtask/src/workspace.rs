//! Where things are in this workspace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The top folder.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The names of the library crates, which are the names of their folders. A new crate joins every check by being there.
pub(crate) fn libraries() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("uasyncio-") && entry.path().join("Cargo.toml").is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The names of a crate's examples.
pub(crate) fn examples(library: &str) -> io::Result<Vec<String>> {
    let folder = root().join(library).join("examples");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let single = path.extension().is_some_and(|extension| extension == "rs");
        if let (Some(name), true) = (path.file_stem(), single || path.join("main.rs").is_file()) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The names of a crate's test programs that are one file each, in order.
pub(crate) fn test_programs(library: &str) -> io::Result<Vec<String>> {
    rust_files(&root().join(library).join("tests"))
}

/// The names of the modules of a crate's test program `it`, in order.
pub(crate) fn test_modules(library: &str) -> io::Result<Vec<String>> {
    let mut names = rust_files(&root().join(library).join("tests/it"))?;
    names.retain(|name| name != "main");
    Ok(names)
}

/// The names of the Rust files in a folder, without the ending.
fn rust_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|extension| extension == "rs")) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
