//! Runs a test of this program once more, in a process of its own, where it does something else.
#![allow(unreachable_pub)]

use std::env;
use std::process::{Command, Stdio};

const ROLE: &str = "UASYNCIO_STREAMS_ROLE";

/// What this process is there for, if it was started by [`again`].
pub fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// The test `name`, in a process with this role.
pub fn again(name: &str, role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
