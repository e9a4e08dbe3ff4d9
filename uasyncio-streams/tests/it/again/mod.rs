//! Runs a test of this program once more, in a process of its own, where it does something else.
#![allow(dead_code, unreachable_pub)]

use std::env;
use std::io::{self, Write};
use std::process::{Command, Stdio};

const ROLE: &str = "UASYNCIO_STREAMS_ROLE";

/// What this process is there for, if it was started by [`again`].
pub fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// The test `name`, in a process with this role.
pub fn again(name: &str, role: &str) -> Command {
    this_program(Command::new(env::current_exe().unwrap()), name, role)
}

/// The same in a network of its own, which has a loopback interface, and which a shell has prepared by these commands. Where that cannot
/// be had, says that `what` is left out.
pub fn again_in_a_network(prepare: &str, name: &str, role: &str, what: &str) -> Option<Command> {
    let with_network = |then: &str| {
        let mut command = Command::new("unshare");
        let script = format!("ip link set lo up; {prepare}; {then}");
        command.args(["--user", "--map-root-user", "--net", "sh", "-ec", &script, "sh"]);
        command
    };
    let tried = with_network("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        // Past the test harness, which hides what a passing test prints.
        writeln!(io::stdout().lock(), "\nSKIPPED: {what} (no network of its own by unshare and ip)").unwrap();
        return None;
    }
    let mut command = with_network("exec \"$@\"");
    command.arg(env::current_exe().unwrap());
    Some(this_program(command, name, role))
}

fn this_program(mut command: Command, name: &str, role: &str) -> Command {
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
