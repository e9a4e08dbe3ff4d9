//! Answers every request with one document: the original's benchmark. Try it with `curl -i http://127.0.0.1:8081/`.

#[path = "../support/args.rs"]
mod args;
mod http;
#[path = "../support/limits.rs"]
mod limits;
mod service;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use service::Document;
use uasyncio_streams::{ServerOptions, TcpReader, TcpWriter};

const HELP: &str = "\
Serves one document over HTTP/1.0 and HTTP/1.1.

usage: http_server [--listen HOST:PORT] [--bytes N]

  --listen HOST:PORT   where to listen (127.0.0.1:8081); port 0 takes any free one
  --bytes N            the length of the document (12000)
  --help               this text

Try it with: curl -i http://127.0.0.1:8081/   or   ab -n 10000 -c 100 http://127.0.0.1:8081/";

fn main() -> ExitCode {
    let [listen, bytes] = args::parse(HELP, [("--listen", "127.0.0.1:8081"), ("--bytes", "12000")]);
    let (host, port) = args::host_and_port(&listen);
    let Ok(bytes) = bytes.parse() else {
        args::fail(&format!("--bytes needs a number, not {bytes:?}"));
    };
    limits::raise_open_files();
    match uasyncio_io::try_run(serve(host, port, bytes)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}

async fn serve(host: &str, port: u16, bytes: usize) -> io::Result<()> {
    let document = Rc::new(Document::hello(bytes));
    let handler = move |mut reader: TcpReader, mut writer: TcpWriter| {
        let document = document.clone();
        async move {
            // A connection that fails concerns nobody else.
            let _ = service::serve(&document, &mut reader, &mut writer).await;
        }
    };
    let server = ServerOptions::default().backlog(4096).start(handler, host, port).await?;
    println!("serving {bytes} bytes at http://{}/", server.local_addr());
    server.wait_closed().await
}
