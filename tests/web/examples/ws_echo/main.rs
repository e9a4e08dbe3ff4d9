//! A WebSocket server that echoes, with a page to try it from: hyper for the handshake, tungstenite for the frames, our loop below both.
#![forbid(unsafe_code)]

#[path = "../support/interrupt.rs"]
mod interrupt;
mod service;
mod session;

use std::error::Error;
use std::ffi::OsString;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use interrupt::{catch_interrupts, interrupted};
use lexopt::{Arg, ValueExt};
use session::Limits;
use uasyncio_streams::{ServerOptions, TcpReader, TcpWriter};
use uasyncio_sync::{Event, Selected, select};

const HELP: &str = "\
A WebSocket server that sends each message back.

usage: ws_echo [options]

  --listen HOST:PORT     where to listen (127.0.0.1:8084); port 0 is any free one
  --max-connections N    how many at a time; others wait (1000)
  --max-message BYTES    the longest message (16777216)
  --max-frame BYTES      the longest frame (16777216)
  --handshake SECONDS    how long the opening request may take (10)
  --idle SECONDS         silence until a client is asked if it is there, and how long it has to answer (30)
  --grace SECONDS        how long clients have to close when the server ends (5)
  --help                 this text

The echo is at ws://HOST:PORT/echo, and a page to try it with is at http://HOST:PORT/. Ctrl-C closes every WebSocket with the code 1001 and
ends the server; a second one does not wait for the clients. Any page may connect: there is nothing here to be taken.";

struct Options {
    host: String,
    port: u16,
    connections: usize,
    grace: Duration,
    limits: Limits,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}; try --help");
            return ExitCode::from(2);
        }
    };
    let ended: Result<(), Box<dyn Error>> = match uasyncio_io::try_run(run(options)) {
        Ok(result) => result,
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    catch_interrupts()?;
    let closing = Rc::new(Event::new());
    let limits = Rc::new(options.limits);
    let for_handlers = (limits, closing.clone());
    let handler = move |reader: TcpReader, writer: TcpWriter| {
        let (limits, closing) = for_handlers.clone();
        async move {
            // A connection that fails concerns nobody else.
            let _ = service::serve(reader, writer, &limits, &closing).await;
        }
    };
    let server = ServerOptions::default().max_connections(options.connections);
    let server = server.start(handler, &options.host, options.port).await?;
    let address = server.local_addr();
    println!("echoing at ws://{address}/echo, a page at http://{address}/");
    interrupted().await;
    closing.set();
    match select(pin!(server.shutdown(options.grace)), pin!(interrupted())).await {
        Selected::First(summary, _) => println!("{} connections closed, {} aborted", summary.drained, summary.aborted),
        Selected::Second(..) => println!("{} connections aborted", server.connections()),
    }
    Ok(())
}

/// `None`: help was asked for.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, lexopt::Error> {
    let limits = Limits {
        frame: 16 << 20,
        message: 16 << 20,
        handshake: Duration::from_secs(10),
        idle: Duration::from_secs(30),
        farewell: Duration::from_secs(5),
    };
    let (host, port) = ("127.0.0.1".to_owned(), 8084);
    let mut options = Options { host, port, connections: 1000, grace: Duration::from_secs(5), limits };
    let mut arguments = lexopt::Parser::from_args(arguments);
    while let Some(argument) = arguments.next()? {
        let Arg::Long(name) = argument else { return Err(argument.unexpected()) };
        let limits = &mut options.limits;
        match name {
            "help" => return Ok(None),
            "listen" => (options.host, options.port) = arguments.value()?.parse_with(host_and_port)?,
            "max-connections" => options.connections = arguments.value()?.parse_with(positive)?,
            "max-message" => limits.message = arguments.value()?.parse_with(positive)?,
            "max-frame" => limits.frame = arguments.value()?.parse_with(positive)?,
            "handshake" => limits.handshake = arguments.value()?.parse_with(seconds)?,
            "idle" => limits.idle = arguments.value()?.parse_with(seconds)?,
            "grace" => options.grace = arguments.value()?.parse_with(seconds)?,
            _ => return Err(argument.unexpected()),
        }
    }
    options.limits.farewell = options.grace;
    Ok(Some(options))
}

/// An IPv6 address stands in brackets.
fn host_and_port(text: &str) -> Result<(String, u16), &'static str> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.ok_or("not of the form host:port")?;
    Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}

fn positive(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("not a number of at least 1")
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or("not a number of seconds above 0")
}
