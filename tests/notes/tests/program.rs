//! The program itself, as cargo has built it beside the tests.
#![cfg(unix)]

mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{Database, answer, run};
use uasyncio_io::to_thread;
use uasyncio_streams::open_connection;

/// `None`, and a line that says so, when cargo was asked for some tests only.
fn program() -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("notes");
    if !program.is_file() {
        writeln!(io::stdout().lock(), "\nSKIPPED: the program notes (the example was not built)").unwrap();
        return None;
    }
    Some(program)
}

#[test]
fn it_tells_its_usage_and_what_is_wrong_with_a_command_line() {
    let Some(program) = program() else { return };
    let help = Command::new(&program).arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("usage: notes"));
    let folder = std::env::temp_dir();
    let arguments = [&["--listen", "nowhere"][..], &["--colour", "red"], &["--database", folder.to_str().unwrap()]];
    for arguments in arguments {
        let output = Command::new(&program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text.starts_with("error: ") && text.lines().count() == 1, "{text}");
    }
}

/// A signal ends it: with a request in hand, which is answered, and a page open, whose stream ends.
fn ends_on(signal: &'static str) {
    let Some(program) = program() else { return };
    let database = Database::new(signal);
    let folder = database.0.with_extension("folder");
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(&program);
    // Without `--database`: the file is then in the current folder.
    command.args(["--listen", "127.0.0.1:0"]).current_dir(&folder).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let id = child.id().to_string();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let port: u16 = line.trim().trim_start_matches("notes at http://127.0.0.1:").trim_end_matches('/').parse().unwrap();
    run(async move {
        let (mut events, mut writer) = open_connection("127.0.0.1", port).await.unwrap();
        writer.awritestr("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        while events.readline().await.unwrap() != b"retry: 1000\n" {}
        let (mut idle, _idle) = open_connection("127.0.0.1", port).await.unwrap();
        let (mut reader, mut writer) = open_connection("127.0.0.1", port).await.unwrap();
        let head = "POST /api/notes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n";
        writer.awritestr(&format!("{head}{{\"title\"")).await.unwrap();
        // The server has seen that request when it answers one that comes later.
        let (mut later, mut asks) = open_connection("127.0.0.1", port).await.unwrap();
        asks.awritestr("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        assert_eq!(answer(&mut later).await.0, 200);
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        // By now it has begun to end.
        assert!(idle.read_to_end(10).await.unwrap().is_empty());
        assert!(events.read_to_end(1_000).await.unwrap().ends_with(b"0\r\n\r\n"));
        writer.awritestr(":\"late\"}").await.unwrap();
        assert_eq!(answer(&mut reader).await.0, 201);
        let end = to_thread(move || child.wait()).await.unwrap().unwrap();
        assert!(end.success(), "{end}");
    });
    line.clear();
    output.read_to_string(&mut line).unwrap();
    assert_eq!(line, "", "one line, and no other");
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["notes.sqlite"], "the database was closed");
    let connection = rusqlite::Connection::open(folder.join("notes.sqlite")).unwrap();
    let title: String = connection.query_row("SELECT title FROM notes", [], |row| row.get(0)).unwrap();
    assert_eq!(title, "late");
    drop(connection);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn ctrl_c_ends_it_and_loses_nothing() {
    ends_on("-INT");
}

#[test]
fn the_signal_of_service_managers_does_the_same() {
    ends_on("-TERM");
}
