//! TCP and Unix sockets with other programs: `nc`, `socat`, `curl`.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use uasyncio_streams::{
    PipeReader, ReadError, StreamReader, StreamWriter, Transport, UnixReader, UnixWriter, connect_read_pipe, connect_write_pipe,
    open_connection, open_unix_connection, start_server, start_unix_server, wait_child,
};

/// Whether a program is there; if it is not, the test says that it was left out.
fn is_installed(program: &str, what: &str) -> bool {
    let found = Command::new(program).arg("-h").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        // Past the test harness, which hides what a passing test prints.
        writeln!(io::stdout().lock(), "\nSKIPPED: {what} ({program} is not installed)").unwrap();
    }
    found
}

/// A child process that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn output(&mut self) -> PipeReader {
        connect_read_pipe(self.0.stdout.take().unwrap()).unwrap()
    }

    fn errors(&mut self) -> PipeReader {
        connect_read_pipe(self.0.stderr.take().unwrap()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("uasyncio-unix-peers-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn shout<T: Transport>(mut reader: StreamReader<T>, mut writer: StreamWriter<T>) -> Result<(), ReadError> {
    loop {
        let line = reader.readline().await?.to_ascii_uppercase();
        if line.is_empty() {
            return writer.aclose().await.map_err(ReadError::from);
        }
        writer.awrite(&line).await.map_err(ReadError::from)?;
    }
}

/// Talks to a program that is a client of `shout`.
async fn assert_shouted_at(command: &mut Command) {
    let mut client = Running::start(command);
    let mut input = connect_write_pipe(client.0.stdin.take().unwrap()).unwrap();
    let mut output = client.output();
    for number in 0..3 {
        input.awritestr(&format!("hello {number}\n")).await.unwrap();
        assert_eq!(output.readline().await.unwrap(), format!("HELLO {number}\n").as_bytes());
    }
    // The end goes all the way there and back.
    input.write_eof().await.unwrap();
    assert_eq!(output.readline().await.unwrap(), b"");
    assert!(wait_child(&mut client.0).await.unwrap().success());
}

#[test]
fn a_server_understands_nc_and_socat() {
    let folder = Folder::new("server");
    let path = folder.0.join("socket");
    uasyncio_io::run(async {
        let _server = start_unix_server(shout, &path).await.unwrap();
        if is_installed("nc", "a Unix server with nc") {
            assert_shouted_at(Command::new("nc").args(["-N", "-U"]).arg(&path)).await;
        }
        if is_installed("socat", "a Unix server with socat") {
            assert_shouted_at(Command::new("socat").args(["-t", "10", "-"]).arg(address("UNIX-CONNECT", &path))).await;
        }
    });
}

#[test]
fn a_server_in_the_abstract_namespace_understands_socat() {
    if !is_installed("socat", "an abstract Unix server with socat") {
        return;
    }
    let name = format!("uasyncio-unix-peers-{}", std::process::id());
    uasyncio_io::run(async {
        let _server = start_unix_server(shout, format!("\0{name}")).await.unwrap();
        assert_shouted_at(Command::new("socat").args(["-t", "10", "-", &format!("ABSTRACT-CONNECT:{name}")])).await;
    });
}

fn address(kind: &str, path: &Path) -> String {
    format!("{kind}:{}", path.display())
}

#[test]
fn a_client_understands_socat() {
    if !is_installed("socat", "a Unix client with socat") {
        return;
    }
    let folder = Folder::new("client");
    let path = folder.0.join("socket");
    uasyncio_io::run(async {
        // It says when it listens; `tr` gives each line back when its input has ended.
        let mut command = Command::new("socat");
        command.args(["-d", "-d", "-t", "10", &address("UNIX-LISTEN", &path), "EXEC:tr a-z A-Z"]);
        let mut server = Running::start(&mut command);
        until_it_listens(&mut server).await;
        assert_answers(open_unix_connection(&path).await.unwrap()).await;
    });
}

#[test]
fn a_tcp_server_understands_nc_and_socat() {
    uasyncio_io::run(async {
        let server = start_server(shout, "127.0.0.1", 0).await.unwrap();
        let port = server.local_addr().port();
        if is_installed("nc", "a TCP server with nc") {
            assert_shouted_at(Command::new("nc").args(["-N", "127.0.0.1", &port.to_string()])).await;
        }
        if is_installed("socat", "a TCP server with socat") {
            assert_shouted_at(Command::new("socat").args(["-t", "10", "-", &format!("TCP:127.0.0.1:{port}")])).await;
        }
    });
}

#[test]
fn a_tcp_client_understands_socat() {
    if !is_installed("socat", "a TCP client with socat") {
        return;
    }
    uasyncio_io::run(async {
        let mut command = Command::new("socat");
        command.args(["-d", "-d", "-t", "10", "TCP-LISTEN:0,bind=127.0.0.1", "EXEC:tr a-z A-Z"]);
        let mut server = Running::start(&mut command);
        let said = until_it_listens(&mut server).await;
        let port = said.trim().rsplit(':').next().unwrap().parse().unwrap();
        assert_answers(open_connection("127.0.0.1", port).await.unwrap()).await;
    });
}

/// What `socat -d -d` says about where it listens.
async fn until_it_listens(server: &mut Running) -> String {
    let mut errors = server.errors();
    loop {
        let line = String::from_utf8_lossy(errors.readline().await.unwrap()).into_owned();
        assert!(!line.is_empty(), "socat has ended");
        if line.contains("listening on") {
            return line;
        }
    }
}

/// A server that gives all in capital letters, when its input has ended.
async fn assert_answers<T: Transport + 'static>((mut reader, mut writer): (StreamReader<T>, StreamWriter<T>)) {
    let data = "hello, world\n".repeat(20_000);
    let sent = data.clone();
    let sending = uasyncio_core::create_task(async move {
        writer.awritestr(&sent).await.unwrap();
        writer.write_eof().await.unwrap();
        writer
    });
    assert!(reader.read_to_end(1_000_000).await.unwrap() == data.to_ascii_uppercase().as_bytes());
    sending.await.unwrap();
}

#[test]
fn a_server_understands_curl() {
    if !is_installed("curl", "a Unix server with curl") {
        return;
    }
    async fn answer(mut reader: UnixReader, mut writer: UnixWriter) -> Result<(), ReadError> {
        reader.readuntil(b"\r\n\r\n").await?;
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
        writer.awritestr(text).await.map_err(ReadError::from)
    }
    let folder = Folder::new("curl");
    let path = folder.0.join("socket");
    uasyncio_io::run(async {
        let _server = start_unix_server(answer, &path).await.unwrap();
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--unix-socket"]).arg(&path).arg("http://localhost/");
        let mut client = Running::start(&mut command);
        let mut output = client.output();
        assert_eq!(output.read_to_end(1000).await.unwrap(), b"hello\n");
        let status = wait_child(&mut client.0).await.unwrap();
        let mut errors = String::new();
        client.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(status.success(), "{errors}");
    });
}
