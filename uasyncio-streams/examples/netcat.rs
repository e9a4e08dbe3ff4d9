//! Connects the terminal with a server, as `nc` does: what you type goes there, and what comes is shown.
//!
//! A task for each direction, and nothing else: the standard streams are streams like any other.

#[path = "support/args.rs"]
#[cfg_attr(not(unix), allow(dead_code))]
mod args;

use std::process::ExitCode;

const HELP: &str = "\
Connects the terminal with a server.

usage: netcat [--connect HOST:PORT | --connect PATH]

  --connect HOST:PORT   a server on TCP (127.0.0.1:8082, where echo_server is)
  --connect PATH        a server on a Unix socket; a path has a / in it
  --help                this text

Ends when the server does. Try it with: printf 'hello\\n' | netcat";

#[cfg(unix)]
fn main() -> ExitCode {
    let [server] = args::parse(HELP, [("--connect", "127.0.0.1:8082")]);
    match uasyncio_io::try_run(both_ways::connect(&server)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    let [_] = args::parse(HELP, [("--connect", "127.0.0.1:8082")]);
    args::fail("the standard streams are streams on Unix only")
}

#[cfg(unix)]
pub(crate) mod both_ways {
    use std::io;

    use uasyncio_core::create_task;
    use uasyncio_streams::{StreamReader, StreamWriter, Transport, open_connection, open_unix_connection, stdin, stdout};

    pub(crate) async fn connect(server: &str) -> io::Result<()> {
        if server.contains('/') {
            let (reader, writer) = open_unix_connection(server).await?;
            return exchange(reader, writer).await;
        }
        let (host, port) = super::args::host_and_port(server);
        let (reader, writer) = open_connection(host, port).await?;
        exchange(reader, writer).await
    }

    /// Until the server has ended. It is told when the input has.
    async fn exchange<T: Transport + 'static>(mut reader: StreamReader<T>, mut writer: StreamWriter<T>) -> io::Result<()> {
        let (mut input, mut output) = (stdin()?, stdout()?);
        let sending = create_task(async move {
            copy(&mut input, &mut writer).await?;
            writer.write_eof().await
        });
        copy(&mut reader, &mut output).await?;
        // Who sits at a terminal may have nothing to say for ever.
        sending.cancel();
        sending.await.unwrap_or(Ok(()))
    }

    async fn copy<F: Transport, T: Transport>(from: &mut StreamReader<F>, to: &mut StreamWriter<T>) -> io::Result<()> {
        loop {
            let data = from.fill_buf().await?;
            if data.is_empty() {
                return Ok(());
            }
            let count = data.len();
            to.awrite(data).await?;
            from.consume(count);
        }
    }
}
