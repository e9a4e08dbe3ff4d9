//! A Python environment with the clients that tests use because others have written them.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{Cargo, target_folder};

/// What is installed from PyPI, and what that needs.
const PACKAGES: [&str; 3] = ["h11==0.16.0", "websockets==17.4", "wsproto==1.3.2"];

/// Tells the tests where to find the environment, or why there is none.
pub(crate) fn for_tests(tests: Cargo) -> Cargo {
    match environment() {
        Ok(python) => tests.variable("UASYNCIO_WEB_PYTHON", python.to_string_lossy()),
        Err(why) => tests.variable("UASYNCIO_WEB_NO_PYTHON", why),
    }
}

/// Makes the environment, if it is not there from before, and gives its interpreter.
fn environment() -> Result<PathBuf, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("no Python environment: {error}");
    // Tests run in other folders.
    let folder = std::path::absolute(target_folder().join("python")).map_err(|error| wrong(&error))?;
    let python = folder.join("bin/python");
    // Written last: what is in it is in the environment.
    let (list, packages) = (folder.join("packages"), PACKAGES.join("\n"));
    if fs::read_to_string(&list).is_ok_and(|there| there == packages) && run(python.as_ref(), ["--version"]).is_ok() {
        return Ok(python);
    }
    run("python3".as_ref(), ["-c", "import ensurepip, venv"]).map_err(|_| "python3-venv is not installed".to_owned())?;
    run("python3".as_ref(), [OsStr::new("-m"), "venv".as_ref(), "--clear".as_ref(), folder.as_ref()])
        .map_err(|error| wrong(&error))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1", "--timeout=20"];
    run(python.as_ref(), [&pip[..], &PACKAGES].concat()).map_err(|error| wrong(&error))?;
    fs::write(list, packages).map_err(|error| wrong(&error))?;
    Ok(python)
}

/// The error is the last line that the program has said.
fn run(program: &OsStr, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(said.trim_end().lines().last().unwrap_or("it did not say why").to_owned())
}
