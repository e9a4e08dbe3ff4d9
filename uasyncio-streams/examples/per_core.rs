//! The web server `http_server`, with a loop for each core: several loops listen on one port, and the kernel spreads the connections among
//! them (`SO_REUSEPORT`). Loops share nothing, so nothing has to be `Send`, and no lock is taken.

#[path = "support/args.rs"]
mod args;
#[path = "http_server/http.rs"]
mod http;
#[path = "support/limits.rs"]
mod limits;
#[path = "http_server/service.rs"]
mod service;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use service::Service;
use uasyncio_streams::{ServerOptions, TcpReader, TcpWriter};

const HELP: &str = "\
Serves one document over HTTP, with an event loop for each core on one port.

usage: per_core [--listen HOST:PORT] [--loops N] [--bytes N]

  --listen HOST:PORT   where to listen (127.0.0.1:8084); port 0 takes any free one
  --loops N            how many loops, each on a thread of its own; as many as there are cores unless said
  --bytes N            the length of the document (12000)
  --help               this text

Try it with: curl -i http://127.0.0.1:8084/   or   wrk -c 64 -t 1 http://127.0.0.1:8084/
Linux spreads connections evenly; macOS and the BSDs do not, and Windows has nothing of the kind.";

fn main() -> ExitCode {
    let cores = thread::available_parallelism().map_or(1, usize::from).to_string();
    let defaults = [("--listen", "127.0.0.1:8084"), ("--loops", &cores[..]), ("--bytes", "12000")];
    let [listen, loops, bytes] = args::parse(HELP, defaults);
    let (host, port) = args::host_and_port(&listen);
    let (loops, bytes) = (args::number("--loops", &loops, 1), args::number("--bytes", &bytes, 0));
    limits::raise_open_files();
    let (ready, addresses) = mpsc::channel();
    let mut threads = Vec::new();
    let mut port = port;
    for number in 1..=loops {
        let (host, ready) = (host.to_owned(), ready.clone());
        threads.push(thread::spawn(move || match uasyncio_io::try_run(serve(&host, port, bytes, &ready)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => args::fail(&error.to_string()),
            Err(error) => args::fail(&error.to_string()),
        }));
        // The first one finds a port, if any will do; the others listen on the same.
        let Ok(address) = addresses.recv() else { break };
        port = address.port();
        if number == loops {
            println!("serving {bytes} bytes at http://{address}/ on {loops} loops");
        }
    }
    let results = threads.into_iter().map(thread::JoinHandle::join);
    if results.filter(Result::is_err).count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What each of the loops does.
async fn serve(host: &str, port: u16, bytes: usize, ready: &mpsc::Sender<SocketAddr>) -> io::Result<()> {
    let service = Rc::new(Service::hello(bytes, Duration::from_secs(10)));
    let handler = move |mut reader: TcpReader, mut writer: TcpWriter| {
        let service = service.clone();
        async move {
            // A connection that fails concerns nobody else.
            let _ = service.serve(&mut reader, &mut writer).await;
        }
    };
    let options = ServerOptions::default().backlog(4096).reuse_port(true).max_connections(10_000);
    let options = options.idle_deadline(Duration::from_secs(60)).first_byte_deadline(Duration::from_secs(10));
    let server = options.start(handler, host, port).await?;
    // Nobody listens any more only if the program ends.
    let _ = ready.send(server.local_addr());
    server.wait_closed().await
}
