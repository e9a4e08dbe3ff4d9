//! The example `ws_echo` with two clients that others have written, in Python. `cargo xtask test` makes the environment for them.
#![cfg(unix)]

mod common;

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Running, skipped, ws_echo};

#[test]
fn clients_in_python_are_understood() {
    let what = "ws_echo with Python's websockets and wsproto";
    let Some(python) = env::var_os("UASYNCIO_WEB_PYTHON") else {
        let why =
            env::var("UASYNCIO_WEB_NO_PYTHON").unwrap_or_else(|_| "cargo xtask test makes the environment for it".to_owned());
        return skipped(what, &why);
    };
    let Some((mut server, port)) = ws_echo(&["--max-message", "2000000", "--max-frame", "1500000"]) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ws_client.py");
    let mut client = Running::start(Command::new(python).arg(script).arg(port.to_string()).stderr(Stdio::inherit())).unwrap();
    let mut tests = Vec::new();
    while let Some(("ok", name)) = client.line().split_once(' ') {
        tests.push(name.to_owned());
    }
    assert_eq!(tests.len(), 10, "{tests:?}");
    // It waits for the server to end.
    server.interrupt();
    assert_eq!(client.line(), "closed 1001 1001");
    assert_eq!(client.wait(), Some(0));
    assert_eq!((server.line(), server.wait()), ("1 connections closed, 0 aborted".to_owned(), Some(0)));
}
