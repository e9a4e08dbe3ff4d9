//! hyper's HTTP/1 server on our loop and on tokio's, connections kept.

use crate::Options;
use crate::child::Contender;
use crate::client::{Load, Mode};
use crate::document::document;
use crate::http::{CONNECTIONS, Places, instructions_per_request};
use crate::report::{Report, Samples, cell, print_table};
use crate::runtimes::{Net, OURS, Runtime, TokioCurrentThread, UasyncioIo};
use crate::serve::{Server, listen, tell};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::time::Instant;
use uasyncio_compat::hyper::HyperIo;
use uasyncio_streams::{TcpReader, TcpWriter, start_server};

/// What the children of this section serve.
pub const SERVICE: &str = "hyper";

pub const ROSTER: &[Contender] = &[
    Contender { name: OURS[1], unavailable: UasyncioIo::unavailable, run: on_ours },
    Contender::of::<TokioCurrentThread>(on_tokio),
];

const INSTRUCTIONS: &str = "instructions";
const PROCESSOR: &str = "processor time";
const TIME: &str = "time by the clock";

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(document())));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// The same for both. The head comes out as in the section `http`, for the load compares every byte.
async fn serve(connection: impl Read + Write + Unpin) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.auto_date_header(false).title_case_headers(true);
    builder.serve_connection(connection, service_fn(answer)).await.map_err(io::Error::other)
}

fn on_ours(_: &[String]) {
    let handler = |reader: TcpReader, writer: TcpWriter| serve(HyperIo::new((reader, writer)));
    let result = uasyncio_io::run(async move {
        let server = start_server(handler, "127.0.0.1", 0).await?;
        tell(server.local_addr().port());
        server.wait_closed().await
    });
    result.expect("the server runs until it is killed");
}

fn on_tokio(_: &[String]) {
    TokioCurrentThread::block_on(async {
        let listener = TokioCurrentThread::listen(listen()).expect("the runtime takes a socket");
        loop {
            if let Ok(stream) = TokioCurrentThread::accept(&listener).await {
                TokioCurrentThread::detach(async { drop(serve(TokioIo::new(stream)).await) });
            }
        }
    });
}

/// Microseconds for each request: of processor time, and from the first request to the last response.
fn measure(server: &Server, load: &mut Load, requests: usize) -> Result<(f64, f64), String> {
    let mut run = || {
        server.wait_until_asleep()?;
        let before = server.processor_time()?;
        let start = Instant::now();
        load.run(requests)?;
        let elapsed = start.elapsed();
        server.wait_until_asleep()?;
        Ok((server.processor_time()? - before, elapsed))
    };
    let (spent, elapsed) = run().map_err(|error: io::Error| error.to_string())?;
    Ok((spent as f64 / 1e3 / requests as f64, elapsed.as_secs_f64() * 1e6 / requests as f64))
}

/// Runs the two in turn under the same load, the order turned round each time. The rounds are short and many: the machine's
/// whims meet both, and the median of the ratios forgets them.
fn compare(requests: usize, rounds: usize, samples: &mut Samples) -> Result<(), String> {
    // The servers on one processor, the load on another.
    let places = Places::new();
    places.go_to(1);
    let start = |name: &'static str| {
        let server = Server::start(name, SERVICE, &[])?;
        let load = Load::new(server.address, Mode::KeepAlive, CONNECTIONS).map_err(|error| error.to_string())?;
        Ok::<_, String>((name, server, load))
    };
    let mut running = [start(OURS[1])?, start(TokioCurrentThread::NAME)?];
    places.go_to(0);
    for (_, server, load) in &mut running {
        measure(server, load, requests)?;
    }
    for _ in 0..rounds {
        for (name, server, load) in &mut running {
            let (processor, time) = measure(server, load, requests)?;
            samples.add(name, PROCESSOR, processor);
            samples.add(name, TIME, time);
        }
        running.reverse();
    }
    Ok(())
}

pub fn report(options: &Options) -> Report {
    let mut samples = Samples::default();
    let (few, many) = options.either((5, 55), (5, 25));
    for contender in ROSTER {
        match instructions_per_request(contender.name, SERVICE, few, many) {
            Ok(count) => samples.add(contender.name, INSTRUCTIONS, count),
            Err(reason) => println!("{}, instructions: SKIPPED, {reason}", contender.name),
        }
    }
    if let Err(reason) = compare(options.either(4_000, 2_000), options.either(241, 31), &mut samples) {
        println!("SKIPPED, {reason}");
    }
    let (ours, tokio) = (OURS[1], TokioCurrentThread::NAME);
    let header = ["", "instructions", "processor us", "time us", "requests/s", "throughput to tokio's"];
    let mut table = vec![header.map(str::to_owned).to_vec()];
    for name in [ours, tokio] {
        let row = |row| cell(samples.median(name, row));
        let throughput = cell(samples.median(name, TIME).map(|micros| 1e6 / micros));
        let ratio = samples.ratio(tokio, name, TIME).map_or("-".into(), |ratio| format!("{ratio:.3}"));
        table.push(vec![name.to_owned(), row(INSTRUCTIONS), row(PROCESSOR), row(TIME), throughput, ratio]);
    }
    print_table(
        "hyper, for each request: instructions in user mode, processor time, time by the clock; throughput, and the median of the rounds' ratios",
        &table,
    );
    let mut report = Report::default();
    for row in [INSTRUCTIONS, PROCESSOR, TIME] {
        report.target(format!("hyper on {ours}, {row} to {tokio}"), samples.ratio(ours, tokio, row), 1.0, " x");
    }
    report
}
