//! The standard streams, and the example `netcat`, which is made of them. A process has them once, so each test runs this program again, with streams of its choice.
#![cfg(target_os = "linux")]

#[path = "../examples/netcat.rs"]
#[allow(dead_code)]
mod netcat;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags, fcntl_getfl};
use rustix::pty::OpenptFlags;
use uasyncio_streams::{stderr, stdin, stdout};

const CHILD: &str = "UASYNCIO_STREAMS_STDIO";

/// What the child does: it sends back what it reads, with its modes in front; and then it says which modes are left.
fn child() {
    uasyncio_io::run(async {
        let (mut reader, mut writer, mut errors) = (stdin().unwrap(), stdout().unwrap(), stderr().unwrap());
        errors.awritestr("ready\n").await.unwrap();
        loop {
            let line = reader.readline().await.unwrap();
            if line.is_empty() || line == b"end\n" {
                break;
            }
            writer.awritestr(&modes()).await.unwrap();
            writer.awrite(line).await.unwrap();
        }
        // The others still need it.
        drop(reader);
        writer.awritestr(&modes()).await.unwrap();
        writer.write_eof().await.unwrap();
        errors.awritestr(&format!("{}done\n", modes())).await.unwrap();
    });
    // `write_eof` has ended a socket for all.
    let _ = io::stdout().write_all(format!("{}end\n", modes()).as_bytes());
    // Past the test harness, which has more to say.
    std::process::exit(0);
}

/// A letter for each standard stream: blocking or non-blocking.
fn modes() -> String {
    let letter = |flags: OFlags| if flags.contains(OFlags::NONBLOCK) { 'n' } else { 'b' };
    let flags = [fcntl_getfl(io::stdin()), fcntl_getfl(io::stdout()), fcntl_getfl(io::stderr())];
    flags.map(|flags| letter(flags.unwrap())).iter().collect::<String>() + " "
}

/// Runs this program again; in it, does what the child does.
fn start(name: &str, input: Stdio, output: Stdio) -> Option<Child> {
    if std::env::var_os(CHILD).is_some() {
        child();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    Some(command.stdin(input).stdout(output).stderr(Stdio::piped()).spawn().unwrap())
}

/// The output of the child without what the test harness says before it.
fn without_heading(output: &str) -> &str {
    let heading = "running 1 test\n";
    output.split_once(heading).map_or(output, |(_, rest)| rest).trim_start_matches("test ")
}

fn ended(mut child: Child) -> String {
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(child.wait().unwrap().success(), "{errors}");
    errors
}

#[test]
fn pipes_are_opened_anew_and_keep_their_mode() {
    let Some(mut child) = start("pipes_are_opened_anew_and_keep_their_mode", Stdio::piped(), Stdio::piped()) else { return };
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"one\ntwo\n").unwrap();
    drop(input);
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(output.ends_with("bbb one\nbbb two\nbbb bbb end\n"), "{output}");
    assert_eq!(ended(child), "ready\nbbb done\n");
}

#[test]
fn files_are_read_and_written_as_they_are() {
    let name = "files_are_read_and_written_as_they_are";
    let path = |end: &str| std::env::temp_dir().join(format!("uasyncio-stdio-{end}-{}", std::process::id()));
    let (input, output) = (path("input"), path("output"));
    if std::env::var_os(CHILD).is_none() {
        std::fs::write(&input, "one\ntwo\n").unwrap();
    }
    let open = |path, write: bool| File::options().read(!write).write(write).create(write).truncate(write).open(path);
    let (from, to) = match std::env::var_os(CHILD) {
        None => (open(&input, false).unwrap().into(), open(&output, true).unwrap().into()),
        Some(_) => (Stdio::null(), Stdio::null()),
    };
    let Some(child) = start(name, from, to) else { return };
    assert_eq!(ended(child), "ready\nbbb done\n");
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(text.ends_with("bbb one\nbbb two\nbbb bbb end\n"), "{text}");
    std::fs::remove_file(input).unwrap();
    std::fs::remove_file(output).unwrap();
}

// Nothing opens a socket anew: the mode is set for all, as long as one of the streams is there.
#[test]
fn sockets_are_changed_and_put_back_with_the_last_stream() {
    let name = "sockets_are_changed_and_put_back_with_the_last_stream";
    let (mut near, far) = UnixStream::pair().unwrap();
    let shared = far.try_clone().unwrap();
    let far = OwnedFd::from(far);
    let Some(mut child) = start(name, far.try_clone().unwrap().into(), far.into()) else { return };
    let is_non_blocking = || fcntl_getfl(&shared).unwrap().contains(OFlags::NONBLOCK);
    let mut errors = child.stderr.take().unwrap();
    let mut ready = [0; 6];
    errors.read_exact(&mut ready).unwrap();
    assert!(is_non_blocking());
    near.write_all(b"one\nend\n").unwrap();
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    // The output is still open by then.
    assert_eq!(rest, "nnb done\n");
    assert!(child.wait().unwrap().success());
    assert!(!is_non_blocking());
    drop(shared);
    let mut output = String::new();
    near.read_to_string(&mut output).unwrap();
    // After `write_eof`, which ends the writing of a socket for all its descriptors, the child has nothing more to say.
    assert!(without_heading(&output).ends_with("nnb one\nnnb "), "{output}");
}

#[test]
fn a_terminal_is_opened_anew_and_keeps_its_mode() {
    let name = "a_terminal_is_opened_anew_and_keeps_its_mode";
    let person = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    rustix::pty::unlockpt(&person).unwrap();
    let path = rustix::pty::ptsname(&person, Vec::new()).unwrap();
    let terminal = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let other = || terminal.as_fd().try_clone_to_owned().unwrap();
    let Some(child) = start(name, other().into(), other().into()) else { return };
    let mut person = File::from(person);
    person.write_all(b"one\ntwo\nend\n").unwrap();
    assert_eq!(ended(child), "ready\nbbb done\n");
    let mut shown = Vec::new();
    while !shown.ends_with(b"end\r\n") || shown.windows(3).filter(|text| text == b"end").count() < 2 {
        let mut more = [0; 1000];
        let count = person.read(&mut more).unwrap();
        shown.extend(&more[..count]);
    }
    let shown = String::from_utf8(shown).unwrap();
    for line in ["bbb one\r\n", "bbb two\r\n", "bbb bbb end\r\n"] {
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn netcat_tells_the_server_when_the_input_ends_and_ends_with_the_server() {
    const SERVER: &str = "UASYNCIO_STREAMS_NETCAT";
    if let Ok(server) = std::env::var(SERVER) {
        uasyncio_io::run(netcat::both_ways::connect(&server)).unwrap();
        std::process::exit(0);
    }
    let path = std::env::temp_dir().join(format!("uasyncio-netcat-{}", std::process::id()));
    let server = UnixListener::bind(&path).unwrap();
    let name = "netcat_tells_the_server_when_the_input_ends_and_ends_with_the_server";
    let client = |input: Stdio| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(SERVER, &path);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for input_ends in [true, false] {
        let mut child = client(Stdio::piped());
        let mut input = child.stdin.take();
        input.as_mut().unwrap().write_all(b"hello\n").unwrap();
        let mut connection = server.accept().unwrap().0;
        let mut heard = [0; 6];
        connection.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello\n");
        if input_ends {
            drop(input.take());
            assert_eq!(connection.read(&mut heard).unwrap(), 0);
        }
        connection.write_all(b"and to you\n").unwrap();
        drop(connection);
        let mut output = String::new();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(output.ends_with("and to you\n"), "{output}");
        ended(child);
    }
    std::fs::remove_file(path).unwrap();
}
