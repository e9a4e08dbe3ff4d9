//! Sends back what it gets. Try it with `nc 127.0.0.1 8082`.
//!
//! One thread, and as little memory for each connection as can be: a connection that waits has no buffer.

#[path = "support/args.rs"]
mod args;
#[path = "support/limits.rs"]
mod limits;

use std::io;
use std::process::ExitCode;

use uasyncio_streams::{TcpReader, TcpWriter, start_server};

const HELP: &str = "\
Sends back what it gets.

usage: echo_server [--listen HOST:PORT]

  --listen HOST:PORT   where to listen (127.0.0.1:8082); port 0 takes any free one
  --help               this text

Try it with: nc 127.0.0.1 8082";

fn main() -> ExitCode {
    let [listen] = args::parse(HELP, [("--listen", "127.0.0.1:8082")]);
    let (host, port) = args::host_and_port(&listen);
    limits::raise_open_files();
    match uasyncio_io::try_run(serve(host, port)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}

async fn serve(host: &str, port: u16) -> io::Result<()> {
    let server = start_server(handle, host, port).await?;
    println!("echo server on {}", server.local_addr());
    server.wait_closed().await
}

async fn handle(mut reader: TcpReader, mut writer: TcpWriter) {
    // A connection that fails concerns nobody else.
    let _ = echo(&mut reader, &mut writer).await;
}

async fn echo(reader: &mut TcpReader, writer: &mut TcpWriter) -> io::Result<()> {
    loop {
        let data = reader.fill_buf().await?;
        if data.is_empty() {
            return Ok(());
        }
        let count = data.len();
        writer.awrite(data).await?;
        reader.consume(count);
    }
}
