//! The readiness interfaces beside the system's own, which `cfg(uasyncio_poller)` selects.
//!
//! RUSTFLAGS would give the `cfg` to all crates that these are built from, and build them all anew. Only those of the workspace
//! look at it, and for these cargo calls a wrapper of rustc: this program itself, under a name that says which poller it is. Cargo asks
//! the wrapper, too, which `cfg`s hold, and so adds the crate `polling`; arguments behind Clippy's `--` would not tell it that.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::command::{Cargo, target_folder};
use crate::steps::Problem;

/// The values of `cfg(uasyncio_poller)`; without it Linux has epoll.
pub(crate) const OTHERS: [&str; 2] = ["portable", "oneshot"];

const WRAPPER: &str = "rustc-for-poller-";

pub(crate) fn flags(poller: &str) -> String {
    format!("--cfg uasyncio_poller=\"{poller}\"")
}

/// The command, with this poller for the crates of the workspace.
pub(crate) fn with(poller: &str, cargo: Cargo) -> Result<Cargo, Problem> {
    let wrapper = wrapper(poller)?;
    Ok(cargo.variable("RUSTC_WORKSPACE_WRAPPER", wrapper.to_string_lossy()).variable("RUSTDOCFLAGS", flags(poller)))
}

/// This program under the wrapper's name.
fn wrapper(poller: &str) -> Result<PathBuf, Problem> {
    let this = std::env::current_exe()?;
    let wrapper = target_folder().join(format!("{WRAPPER}{poller}{}", std::env::consts::EXE_SUFFIX));
    let _there_was_none = std::fs::remove_file(&wrapper);
    std::fs::copy(this, &wrapper)?;
    Ok(wrapper)
}

/// If this program was called as the wrapper, which has the compiler and its arguments behind its own name: calls it.
pub(crate) fn compile() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next()?;
    let poller = Path::new(&name).file_stem()?.to_str()?.strip_prefix(WRAPPER)?.to_owned();
    let mut compiler = Command::new(words.next()?);
    match compiler.args(words).args(flags(&poller).splitn(2, ' ')).status() {
        Ok(status) => Some(ExitCode::from(if status.success() { 0 } else { 1 })),
        Err(error) => {
            eprintln!("error: the compiler does not start: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}
