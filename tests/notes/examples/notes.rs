//! A web app for notes: pages, forms, JSON, and every open page sees every change at once. Try it with a browser, or two.

#[path = "../../../uasyncio-streams/examples/support/args.rs"]
mod args;

use std::path::Path;
use std::process::{ExitCode, exit};

use uasyncio_sync::ThreadSafeFlag;

const HELP: &str = "\
Keeps notes, and shows them in a browser.

usage: notes [--listen HOST:PORT] [--database FILE]

  --listen HOST:PORT  where to listen (127.0.0.1:8085); port 0 takes any free one
  --database FILE     where the notes are (notes.sqlite in this folder); made if it is not there
  --help              this text

Whoever can reach it can read and change everything. Ctrl-C ends it, once all that was sent is saved; twice, at once.
For programs: curl http://127.0.0.1:8085/api/notes   and   curl -N http://127.0.0.1:8085/events";

/// Somebody wants it to end.
static STOP: ThreadSafeFlag = ThreadSafeFlag::new();

fn main() -> ExitCode {
    let [listen, database] = args::parse(HELP, [("--listen", "127.0.0.1:8085"), ("--database", "notes.sqlite")]);
    let (host, port) = args::host_and_port(&listen);
    let mut asked = false;
    let stop = move || {
        // Who asks twice does not want to wait.
        if asked {
            exit(130);
        }
        asked = true;
        STOP.set();
    };
    if let Err(error) = ctrlc::set_handler(stop) {
        args::fail(&error.to_string());
    }
    let ready = |address| println!("notes at http://{address}/");
    match uasyncio_io::try_run(uasyncio_notes::serve(host, port, Path::new(&database), ready, STOP.wait())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}
