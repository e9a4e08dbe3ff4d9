//! TLS with other programs: `openssl s_client`, `openssl s_server`, `curl`.
#![cfg(target_os = "linux")]

#[path = "../../examples/http_server/main.rs"]
#[allow(dead_code)]
mod http_server;

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::again::{again, role};
use crate::certificates::Certificates;
use uasyncio_io::to_thread;
use uasyncio_streams::tls::{TlsAcceptor, TlsConnector};
use uasyncio_streams::{Server, TcpReader, TcpWriter, open_connection, start_server};

/// Whether a program is there; if it is not, the test says that it was left out.
fn is_installed(program: &str, what: &str) -> bool {
    let found = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        // Past the test harness, which hides what a passing test prints.
        writeln!(io::stdout().lock(), "\nSKIPPED: {what} ({program} is not installed)").unwrap();
    }
    found
}

/// Certificates in files, in a folder that is gone when this is dropped.
struct Files {
    made: Certificates,
    folder: PathBuf,
}

impl Files {
    fn new(name: &str) -> Files {
        let folder = env::temp_dir().join(format!("uasyncio-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let made = Certificates::new();
        fs::write(folder.join("authority.pem"), &made.authority_pem).unwrap();
        fs::write(folder.join("certificate.pem"), &made.certificate_pem).unwrap();
        fs::write(folder.join("key.pem"), &made.key_pem).unwrap();
        Files { made, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A child process that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn say(&mut self, text: &str) {
        self.0.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first line with `text` in it.
fn wait_for(lines: &mut impl BufRead, text: &str) -> String {
    let mut all = String::new();
    loop {
        let start = all.len();
        assert!(lines.read_line(&mut all).unwrap() > 0, "no {text:?} in {all:?}");
        if all[start..].contains(text) {
            return all[start..].to_owned();
        }
    }
}

/// A server that sends each line back, in capital letters.
async fn shouting(files: &Files) -> Server {
    let acceptor = TlsAcceptor::new(files.made.server());
    let handler = move |reader: TcpReader, writer: TcpWriter| {
        let acceptor = acceptor.clone();
        async move {
            let (mut reader, mut writer) = acceptor.accept(reader, writer).await?;
            loop {
                let line = reader.readline().await?.to_ascii_uppercase();
                if line.is_empty() || line == b"BYE\n" {
                    return writer.aclose().await;
                }
                writer.awrite(&line).await?;
            }
        }
    };
    start_server(handler, "127.0.0.1", 0).await.unwrap()
}

fn s_client(files: &Files, port: u16) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"]);
    command.args(["-verify_return_error", "-verify_hostname", "localhost", "-CAfile"]).arg(files.path("authority.pem"));
    command
}

#[test]
fn a_server_understands_openssl_s_client() {
    if !is_installed("openssl", "a TLS server with openssl s_client") {
        return;
    }
    let files = Files::new("s-client");
    uasyncio_io::run(async {
        let server = shouting(&files).await;
        for version in ["-tls1_2", "-tls1_3"] {
            let mut command = s_client(&files, server.local_addr().port());
            command.args(["-quiet", version]);
            let answer = to_thread(move || {
                let mut client = Running::start(&mut command);
                client.say("hello\nworld\nbye\n");
                // Ends because the server has said that it has ended.
                io::read_to_string(client.0.stdout.take().unwrap()).unwrap()
            });
            assert_eq!(answer.await.unwrap(), "HELLO\nWORLD\n", "{version}");
        }
    });
}

// The server has to write while it reads: the client asks for new keys of both sides.
#[test]
fn a_server_changes_its_keys_when_openssl_s_client_asks() {
    if !is_installed("openssl", "a change of TLS keys with openssl s_client") {
        return;
    }
    let files = Files::new("key-update");
    uasyncio_io::run(async {
        let server = shouting(&files).await;
        let mut command = s_client(&files, server.local_addr().port());
        command.arg("-tls1_3");
        let talk = to_thread(move || {
            let mut client = Running::start(&mut command);
            let mut heard = BufReader::new(client.0.stdout.take().unwrap());
            let mut told = BufReader::new(client.0.stderr.take().unwrap());
            client.say("before\n");
            wait_for(&mut heard, "BEFORE");
            for round in 0..3 {
                // A line of its own that begins with this letter is a command.
                client.say("K\n");
                wait_for(&mut told, "KEYUPDATE");
                client.say(&format!("after {round}\n"));
                wait_for(&mut heard, &format!("AFTER {round}"));
            }
        });
        talk.await.unwrap();
    });
}

#[test]
fn a_client_understands_openssl_s_server() {
    if !is_installed("openssl", "a TLS client with openssl s_server") {
        return;
    }
    let files = Files::new("s-server");
    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", version, "-alpn", "reversed", "-cert"]);
        command.arg(files.path("certificate.pem")).arg("-key").arg(files.path("key.pem"));
        let mut server = Running::start(&mut command);
        let mut lines = BufReader::new(server.0.stdout.take().unwrap());
        let accepting = wait_for(&mut lines, "ACCEPT");
        let port = accepting.trim().rsplit(':').next().unwrap().parse().unwrap();
        let mut config = files.made.client();
        config.alpn_protocols = vec![b"reversed".to_vec()];
        uasyncio_io::run(async {
            // By its address, which the certificate has too.
            let connector = TlsConnector::new(config);
            let (mut reader, mut writer) = open_connection("127.0.0.1", port).tls_with(&connector, "127.0.0.1").await.unwrap();
            assert_eq!(reader.transport().alpn_protocol(), Some(&b"reversed"[..]), "{version}");
            for line in ["desserts", "stressed"] {
                writer.awritestr(&format!("{line}\n")).await.unwrap();
                let expected: String = line.chars().rev().chain(['\n']).collect();
                assert_eq!(reader.readline().await.unwrap(), expected.as_bytes(), "{version}");
            }
            // Told to close, it says `close_notify`.
            writer.awritestr("CLOSE\n").await.unwrap();
            assert_eq!(reader.read_to_end(0).await.unwrap(), b"", "{version}");
            writer.aclose().await.unwrap();
        });
    }
}

#[test]
fn the_example_http_server_serves_curl_over_tls() {
    if let Some(arguments) = role() {
        http_server::run(arguments.lines().map(str::to_owned).collect());
        return;
    }
    if !is_installed("curl", "http_server over TLS with curl") {
        return;
    }
    let files = Files::new("curl");
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| files.path(name).into_os_string().into_string().unwrap());
    let arguments = ["--listen", "127.0.0.1:0", "--bytes", "100000", "--tls", &certificate, &key].join("\n");
    let mut server = Running::start(&mut again("tls_peers::the_example_http_server_serves_curl_over_tls", &arguments));
    let line = wait_for(&mut BufReader::new(server.0.stdout.take().unwrap()), "https://127.0.0.1:");
    let address = line.trim().rsplit(':').next().unwrap().trim_end_matches('/');
    let url = format!("https://localhost:{address}/");
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "60", "--noproxy", "*", "--cacert"]).arg(files.path("authority.pem")).args(more);
        command.output().unwrap()
    };
    // Two requests over one connection.
    for version in ["--tls-max=1.2", "--tlsv1.3"] {
        let version: Vec<&str> = version.split('=').collect();
        let answer = curl(&[&version[..], &[&url, &url, "-w", "%{num_connects} "]].concat());
        let text = String::from_utf8(answer.stdout).unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        assert_eq!(text.matches("Hello.").count(), 25_000);
        assert!(text.ends_with("0 "), "one connection, kept");
    }
    // One that does not trust the certificate, and one that speaks no TLS, concern nobody else.
    assert!(!curl(&["--cacert", "/dev/null", &url]).status.success());
    assert!(!curl(&[&url.replace("https", "http")]).status.success());
    assert!(curl(&[&url]).status.success());
}
