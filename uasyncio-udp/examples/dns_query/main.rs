//! Asks a name server for the addresses of a name: `dns_query example.org @192.0.2.53`.
//!
//! `message.rs` writes the question and reads the answer; `query.rs` sends, waits, and asks again.

#[path = "../support/args.rs"]
mod args;
mod message;
mod query;

use std::env;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::{ExitCode, exit};
use std::time::Duration;

use message::Kind;
use query::query;

const HELP: &str = "\
Asks a name server for the addresses of a name, IPv4 and IPv6.

usage: dns_query NAME @SERVER[:PORT] [--timeout SECONDS]

  NAME               such as example.org
  @SERVER[:PORT]     the name server's address (port 53), such as @192.0.2.53 or @[2001:db8::53]:5353
  --timeout SECONDS  how long to wait for an answer, asking again each second (5)
  --help             this text";

fn main() -> ExitCode {
    let (mut words, mut options) = (Vec::new(), Vec::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("--") {
            Some("help") => {
                println!("{HELP}");
                exit(0);
            }
            Some(_) => options.push((argument, arguments.next())),
            None => words.push(argument),
        }
    }
    let mut limit = Duration::from_secs(5);
    for (name, value) in options {
        let seconds = value.as_deref().and_then(|value| value.parse().ok());
        match (name.as_str(), seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())) {
            ("--timeout", Some(value)) => limit = value,
            _ => args::fail(&format!("{name} is unknown or lacks its value; try --help")),
        }
    }
    let [name, server] = &words[..] else { args::fail("a name and a server are needed; try --help") };
    let Some(server) = server.strip_prefix('@').and_then(server_address) else {
        args::fail(&format!("{server:?} is not of the form @address or @address:port; try --help"));
    };
    match uasyncio_io::try_run(show(name, server, limit)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}

fn server_address(server: &str) -> Option<SocketAddr> {
    let whole = server.parse().ok();
    whole.or_else(|| Some(SocketAddr::new(server.trim_matches(['[', ']']).parse::<IpAddr>().ok()?, 53)))
}

async fn show(name: &str, server: SocketAddr, limit: Duration) -> io::Result<()> {
    let mut answers = Vec::new();
    let mut failed = None;
    for kind in [Kind::A, Kind::Aaaa] {
        match query(name, kind, server, limit).await {
            Ok(records) => answers.extend(records),
            // Who is silent once will be so again.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    for record in &answers {
        println!("{record}");
    }
    // Some servers refuse to say that a name has no address of one kind; the other kind is an answer too.
    match failed {
        Some(error) if answers.is_empty() => Err(error),
        _ if answers.is_empty() => {
            println!("{name} has no address");
            Ok(())
        }
        _ => Ok(()),
    }
}
