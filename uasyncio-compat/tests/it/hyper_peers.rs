//! hyper on our loop with other programs: `curl` and `h2load` as clients, `nghttpd` as a server.
#![cfg(all(target_os = "linux", not(miri)))]

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use crate::common::carriers::tls;
use crate::common::{Client, State, Version, body_of, serve, text};
use uasyncio_compat::hyper::HyperIo;
use uasyncio_core::sleep_ms;
use uasyncio_io::to_thread;
use uasyncio_streams::tls::{TlsAcceptor, TlsConnector};
use uasyncio_streams::{Server, TcpReader, TcpWriter, open_connection, start_server};
use uasyncio_sync::wait_for_ms;

/// Whether a program is there; if it is not, the test says that it was left out.
fn is_installed(program: &str, what: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        // Past the test harness, which hides what a passing test prints.
        writeln!(io::stdout().lock(), "\nSKIPPED: {what} ({program} is not installed)").unwrap();
    }
    found
}

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = env::temp_dir().join(format!("uasyncio-hyper-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves what comes: over TLS the version that was agreed on, otherwise the given one.
async fn start(below: Option<TlsAcceptor>, version: Version, state: Rc<State>) -> Server {
    let handler = move |reader: TcpReader, writer: TcpWriter| {
        let (below, state) = (below.clone(), state.clone());
        async move {
            let served = match below {
                None => serve(HyperIo::new((reader, writer)), version, state).await,
                Some(acceptor) => {
                    let (reader, writer) = acceptor.accept(reader, writer).await?;
                    let agreed = reader.transport().alpn_protocol() == Some(tls::name_of(Version::Two));
                    let version = if agreed { Version::Two } else { Version::One };
                    serve(HyperIo::new((reader, writer)), version, state).await
                }
            };
            served.map_err(io::Error::other)
        }
    };
    start_server(handler, "127.0.0.1", 0).await.unwrap()
}

async fn output_of(program: &str, arguments: Vec<String>) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(&arguments).stdin(Stdio::null());
    let output = to_thread(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn curl_uploads_and_downloads_by_either_version_plain_and_by_tls() {
    if !is_installed("curl", "hyper on our loop and curl") {
        return;
    }
    let folder = Folder::new("curl");
    let (_, mut config, certificate) = tls::configurations_and_certificate();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::new(config);
    let authority = folder.write("certificate.pem", certificate);
    let long: Vec<u8> = (0..1_500_000_u32).map(|number| (number % 251) as u8).collect();
    let file = folder.write("long", &long);
    let cases = [
        (None, Version::One, "--http1.1", "1.1"),
        (None, Version::Two, "--http2-prior-knowledge", "2"),
        (Some(&acceptor), Version::One, "--http1.1", "1.1"),
        (Some(&acceptor), Version::Two, "--http2", "2"),
    ];
    uasyncio_io::run(async {
        for (below, version, option, name) in cases {
            let state = Rc::<State>::default();
            let server = start(below.cloned(), version, state.clone()).await;
            let port = server.local_addr().port();
            let scheme = if below.is_some() { "https" } else { "http" };
            let url = format!("{scheme}://localhost:{port}");
            let arguments = ["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", "--cacert", &authority, option];
            let mut arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string()).collect();
            arguments.extend(["--resolve".to_owned(), format!("localhost:{port}:127.0.0.1")]);
            let mut short = arguments.clone();
            short.extend(["-w".to_owned(), "|%{http_version} %{num_connects}|".to_owned(), format!("{url}/hello")]);
            let mut expected = format!("hello|{name} 1|");
            // A second request on the connection; with prior knowledge, some versions of curl fail at that with any server.
            if option != "--http2-prior-knowledge" {
                short.push(format!("{url}/slow"));
                expected += &format!("slow|{name} 0|");
            }
            assert_eq!(String::from_utf8_lossy(&output_of("curl", short).await), expected, "{option} {scheme}");
            // As long in either direction as no buffer is, and at the same time.
            arguments.extend(["--data-binary".to_owned(), format!("@{file}"), format!("{url}/echo")]);
            assert!(output_of("curl", arguments).await == long, "{option} {scheme}");
            assert_eq!(state.given_up.get(), 0);
        }
    });
}

#[test]
fn h2load_gets_an_answer_to_each_of_its_requests() {
    if !is_installed("h2load", "hyper on our loop under the load of h2load") {
        return;
    }
    let (_, mut config, _) = tls::configurations_and_certificate();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::new(config);
    let cases = [
        (None, Version::One, Some("--h1")),
        (None, Version::Two, None),
        (Some(&acceptor), Version::One, Some("--h1")),
        (Some(&acceptor), Version::Two, None),
    ];
    uasyncio_io::run(async {
        for (below, version, option) in cases {
            let state = Rc::<State>::default();
            let server = start(below.cloned(), version, state.clone()).await;
            let scheme = if below.is_some() { "https" } else { "http" };
            let url = format!("{scheme}://127.0.0.1:{}/hello", server.local_addr().port());
            let arguments = ["--requests=2000", "--clients=50", "--max-concurrent-streams=10"];
            let arguments = arguments.into_iter().chain(option).chain([url.as_str()]).map(str::to_owned);
            let report = String::from_utf8(output_of("h2load", arguments.collect()).await).unwrap();
            assert!(report.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
            assert!(report.contains("status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{report}");
            assert_eq!((state.begun.get(), state.given_up.get()), (2_000, 0));
        }
    });
}

#[test]
fn our_client_fetches_from_nghttpd() {
    if !is_installed("nghttpd", "hyper's client on our loop and nghttpd") {
        return;
    }
    let folder = Folder::new("nghttpd");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = folder.write("key.pem", made.signing_key.serialize_pem());
    let certificate = folder.write("certificate.pem", made.cert.pem());
    let page = "a page of some length. ".repeat(20_000);
    folder.write("page", &page);
    let config = tls::client_that_trusts(made.cert.der().clone());
    for secure in [false, true] {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("nghttpd");
        command.args(["--address=127.0.0.1", "-d"]).arg(&folder.0).arg(port.to_string());
        if secure {
            command.args([&key, &certificate])
        } else {
            command.arg("--no-tls")
        };
        let _server = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        uasyncio_io::run(async {
            let connected = wait_for_ms(
                async {
                    loop {
                        match open_connection("127.0.0.1", port).await {
                            Ok(stream) => return stream,
                            // It is still starting.
                            Err(_) => sleep_ms(5).await,
                        }
                    }
                },
                20_000,
            );
            let (reader, writer) = connected.await.expect("the server starts");
            let mut client = if secure {
                let mut config = config.clone();
                config.alpn_protocols = vec![tls::name_of(Version::Two).to_vec()];
                let stream = TlsConnector::new(config).connect("localhost", reader, writer).await.unwrap();
                Client::new(HyperIo::new(stream), Version::Two).await
            } else {
                Client::new(HyperIo::new((reader, writer)), Version::Two).await
            };
            for _ in 0..5 {
                assert!(text(client.send("/page", body_of("")).await).await == page);
            }
            assert_eq!(client.send("/nowhere", body_of("")).await.status(), 404);
        });
    }
}
