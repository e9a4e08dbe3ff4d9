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

use service::Document;
use uasyncio_streams::{ServerOptions, TcpReader, TcpWriter};

const HELP: &str = "\
Serves one document over HTTP/1.0 and HTTP/1.1.

usage: http_server [--listen HOST:PORT] [--bytes N] [--tls CERT KEY]

  --listen HOST:PORT   where to listen (127.0.0.1:8081); port 0 takes any free one
  --bytes N            the length of the document (12000)
  --tls CERT KEY       HTTPS, with certificates and a key from PEM files; needs the feature `tls`
  --help               this text

Try it with: curl -i http://127.0.0.1:8081/   or   ab -n 10000 -c 100 http://127.0.0.1:8081/";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let tls = take_tls(&mut arguments);
    let [listen, bytes] = args::parse_from(arguments.into_iter(), HELP, [("--listen", "127.0.0.1:8081"), ("--bytes", "12000")]);
    let (host, port) = args::host_and_port(&listen);
    let Ok(bytes) = bytes.parse() else {
        args::fail(&format!("--bytes needs a number, not {bytes:?}"));
    };
    limits::raise_open_files();
    match uasyncio_io::try_run(serve(host, port, bytes, tls)) {
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

async fn serve(host: &str, port: u16, bytes: usize, tls: Option<[String; 2]>) -> io::Result<()> {
    let document = Rc::new(Document::hello(bytes));
    let options = ServerOptions::default().backlog(4096);
    #[cfg(feature = "tls")]
    if let Some([certificates, key]) = &tls {
        let acceptor = tls::acceptor(certificates, key)?;
        let handler = move |reader: TcpReader, writer: TcpWriter| {
            let (document, acceptor) = (document.clone(), acceptor.clone());
            async move {
                // Nor does one whose handshake fails.
                if let Ok((mut reader, mut writer)) = acceptor.accept(reader, writer).await {
                    let _ = service::serve(&document, &mut reader, &mut writer).await;
                    let _ = writer.aclose().await;
                }
            }
        };
        let server = options.start(handler, host, port).await?;
        println!("serving {bytes} bytes at https://{}/", server.local_addr());
        return server.wait_closed().await;
    }
    let handler = move |mut reader: TcpReader, mut writer: TcpWriter| {
        let document = document.clone();
        async move {
            // A connection that fails concerns nobody else.
            let _ = service::serve(&document, &mut reader, &mut writer).await;
        }
    };
    drop(tls);
    let server = options.start(handler, host, port).await?;
    println!("serving {bytes} bytes at http://{}/", server.local_addr());
    server.wait_closed().await
}
