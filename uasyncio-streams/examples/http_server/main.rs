//! Answers every request with one document: the original's benchmark. Try it with `curl -i http://127.0.0.1:8081/`.

#[path = "../support/args.rs"]
mod args;
mod http;
#[path = "../support/limits.rs"]
mod limits;
mod service;
#[cfg(feature = "tls")]
mod tls;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use service::Service;
use uasyncio_streams::{ServerOptions, TcpReader, TcpWriter};

const HELP: &str = "\
Serves one document over HTTP/1.0 and HTTP/1.1.

usage: http_server [--listen HOST:PORT] [--bytes N] [--max-connections N] [--idle SECONDS] [--request SECONDS] [--tls CERT KEY]

  --listen HOST:PORT   where to listen (127.0.0.1:8081); port 0 takes any free one
  --bytes N            the length of the document (12000)
  --max-connections N  how many clients are served at a time (10000); further ones wait until others leave
  --idle SECONDS       how long a client may neither send nor take a byte (60); then its connection is closed
  --request SECONDS    how long the head of a request may take from its first byte to its last (10); then the answer is 408.
                       Its body has as long again, and so has a new connection until its first byte
  --tls CERT KEY       HTTPS, with certificates and a key from PEM files; needs the feature `tls`
  --help               this text

Try it with: curl -i http://127.0.0.1:8081/   or   ab -n 10000 -c 100 http://127.0.0.1:8081/";

fn main() -> ExitCode {
    run(std::env::args().skip(1).collect())
}

/// What `main` does, with these arguments: the test of TLS calls it, too.
pub(crate) fn run(mut arguments: Vec<String>) -> ExitCode {
    let tls = take_tls(&mut arguments);
    let defaults = [
        ("--listen", "127.0.0.1:8081"),
        ("--bytes", "12000"),
        ("--max-connections", "10000"),
        ("--idle", "60"),
        ("--request", "10"),
    ];
    let [listen, bytes, most, idle, request] = args::parse_from(arguments.into_iter(), HELP, defaults);
    let (host, port) = args::host_and_port(&listen);
    let bytes = args::number("--bytes", &bytes, 0);
    let request = Duration::from_secs(args::number("--request", &request, 1));
    let options = ServerOptions::default()
        .backlog(4096)
        .max_connections(args::number("--max-connections", &most, 1))
        .idle_deadline(Duration::from_secs(args::number("--idle", &idle, 1)))
        .first_byte_deadline(request);
    limits::raise_open_files();
    match uasyncio_io::try_run(serve(host, port, options, Service::hello(bytes, request), tls)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}

/// The values of `--tls`, which has two, taken out of the arguments.
fn take_tls(arguments: &mut Vec<String>) -> Option<[String; 2]> {
    let place = arguments.iter().position(|argument| argument == "--tls")?;
    let values: Vec<String> = arguments.drain(place..arguments.len().min(place + 3)).skip(1).collect();
    let Ok(values) = values.try_into() else { args::fail("--tls needs a certificate and a key; try --help") };
    if cfg!(not(feature = "tls")) {
        args::fail("this http_server was built without TLS; build it with --features tls");
    }
    Some(values)
}

async fn serve(host: &str, port: u16, options: ServerOptions, service: Service, tls: Option<[String; 2]>) -> io::Result<()> {
    let (bytes, service) = (service.length(), Rc::new(service));
    #[cfg(feature = "tls")]
    if let Some([certificates, key]) = &tls {
        let acceptor = tls::acceptor(certificates, key)?;
        let handler = move |reader: TcpReader, writer: TcpWriter| {
            let (service, acceptor) = (service.clone(), acceptor.clone());
            async move {
                // Nor does one whose handshake fails.
                if let Ok((mut reader, mut writer)) = acceptor.accept(reader, writer).await {
                    let _ = service.serve(&mut reader, &mut writer).await;
                    let _ = writer.aclose().await;
                }
            }
        };
        let server = options.start(handler, host, port).await?;
        println!("serving {bytes} bytes at https://{}/", server.local_addr());
        return server.wait_closed().await;
    }
    let handler = move |mut reader: TcpReader, mut writer: TcpWriter| {
        let service = service.clone();
        async move {
            // A connection that fails concerns nobody else.
            let _ = service.serve(&mut reader, &mut writer).await;
        }
    };
    drop(tls);
    let server = options.start(handler, host, port).await?;
    println!("serving {bytes} bytes at http://{}/", server.local_addr());
    server.wait_closed().await
}
