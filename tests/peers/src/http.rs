//! HTTP with a document of 12 000 bytes: instructions in user mode by callgrind, processor time by the kernel's count.

use crate::Options;
use crate::child;
use crate::client::{Load, Mode};
use crate::document;
use crate::report::{Report, Samples, cell, print_table};
use crate::runtimes::{OURS, Runtime, TokioCurrentThread};
use crate::serve::{self, RAW, Server};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::{fs, process};

pub const CONNECTIONS: usize = 20;

/// The name of the row of the parser, which every server shares.
const PARSER: &str = "of which the parser";

const INSTRUCTIONS: &str = "instructions";
const KEEP_ALIVE: &str = "keep-alive";
const EACH: &str = "connection each";

/// Where callgrind leaves its count.
struct Count(PathBuf);

impl Count {
    fn new() -> Count {
        Count(std::env::temp_dir().join(format!("peers-callgrind-{}", process::id())))
    }

    /// Runs a command under callgrind.
    fn wrapper(&self) -> [String; 4] {
        let log = format!("--log-file={}", self.0.to_string_lossy());
        ["valgrind".into(), "--tool=callgrind".into(), "--callgrind-out-file=/dev/null".into(), log]
    }

    fn read(&self) -> Result<f64, String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let count = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
        count.ok_or_else(|| "callgrind counted nothing; it knows not all of io_uring".into())
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Instructions in user mode of a server process that answers this number of batches, start and end included.
fn instructions(name: &str, service: &str, batches: usize) -> Result<f64, String> {
    let count = Count::new();
    let wrapper = count.wrapper();
    let server = Server::start(name, service, &wrapper.each_ref().map(String::as_str))?;
    let run = || Load::new(server.address, Mode::KeepAlive, CONNECTIONS)?.run_in_batches(&server, batches);
    let result = run().map_err(|error: std::io::Error| error.to_string());
    server.stop();
    result.and_then(|()| count.read())
}

/// Instructions in user mode for each request: the difference of a short and a long run.
pub fn instructions_per_request(name: &str, service: &str, few: usize, many: usize) -> Result<f64, String> {
    let (less, more) = (instructions(name, service, few)?, instructions(name, service, many)?);
    Ok((more - less) / ((many - few) * CONNECTIONS) as f64)
}

/// The child that only parses, the request of the load again and again.
pub fn parse(arguments: &[String]) {
    let times: usize = arguments[0].parse().expect("how often");
    for _ in 0..times {
        assert!(matches!(document::parse(black_box(Mode::KeepAlive.request())), Ok(Some(_))));
    }
}

/// Instructions of a process that parses the request this number of times.
fn parser_instructions(times: usize) -> Result<f64, String> {
    let count = Count::new();
    let [tool, options @ ..] = count.wrapper();
    let arguments = child::arguments("parse", PARSER, &[&times.to_string()]);
    let status = Command::new(tool).args(options).arg(child::this_program()).args(arguments).status();
    status.map_err(|error| error.to_string())?;
    count.read()
}

/// Microseconds of processor time for each request.
fn processor_time(server: &Server, load: &mut Load, requests: usize) -> Result<f64, String> {
    let mut run = || {
        server.wait_until_asleep()?;
        let before = server.processor_time()?;
        load.run(requests)?;
        server.wait_until_asleep()?;
        Ok(server.processor_time()? - before)
    };
    let spent = run().map_err(|error: std::io::Error| error.to_string())?;
    Ok(spent as f64 / 1000.0 / requests as f64)
}

/// Runs each server in turn with the raw loop. The ratios go under the server's name, the raw loop's own times under its.
fn compare(names: &[&'static str], mode: Mode, row: &str, requests: usize, rounds: usize, samples: &mut Samples) {
    // The servers on one processor, the load on another.
    let places = Places::new();
    let start = |name: &'static str| {
        places.go_to(1);
        let server = Server::start(name, "http", &[])?;
        let load = Load::new(server.address, mode, CONNECTIONS).map_err(|error| error.to_string())?;
        Ok::<_, String>((server, load))
    };
    let started = names.iter().map(|name| start(name).map(|pair| (*name, pair)));
    let mut running: Vec<_> = started.filter_map(|result| result.map_err(|reason| println!("SKIPPED, {reason}")).ok()).collect();
    places.go_to(0);
    for (name, (server, load)) in &mut running {
        if let Err(reason) = processor_time(server, load, requests / 10) {
            println!("{name}, {row}: {reason}");
        }
    }
    let Some(place) = running.iter().position(|(name, _)| *name == RAW) else {
        return;
    };
    let (_, (raw_server, mut raw_load)) = running.remove(place);
    for _ in 0..rounds {
        for (name, (server, load)) in &mut running {
            let raw = processor_time(&raw_server, &mut raw_load, requests);
            let theirs = processor_time(server, load, requests);
            match (raw, theirs) {
                (Ok(raw), Ok(theirs)) => {
                    samples.add(RAW, row, raw);
                    samples.add(name, row, theirs);
                    samples.add(name, &format!("{row} ratio"), theirs / raw);
                }
                (Err(reason), _) | (_, Err(reason)) => println!("{name}, {row}: {reason}"),
            }
        }
    }
}

/// Moves this process, and what it starts from then on, between the processors it may use.
pub struct Places(Option<CpuSet>);

impl Places {
    pub fn new() -> Places {
        Places(sched_getaffinity(None).ok())
    }

    /// To the processor of this number among the allowed ones; nowhere if there is only one.
    pub fn go_to(&self, number: usize) {
        let Some(allowed) = &self.0 else { return };
        let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor));
        if let (Some(processor), true) = (processors.nth(number), allowed.count() > 1) {
            let mut one = CpuSet::new();
            one.set(processor);
            let _ = sched_setaffinity(None, &one);
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if let Some(allowed) = &self.0 {
            let _ = sched_setaffinity(None, allowed);
        }
    }
}

pub fn report(options: &Options) -> Report {
    let mut samples = Samples::default();
    let names = child::present(serve::ROSTER);
    let (few, many) = options.either((5, 55), (5, 25));
    match parser_instructions(1_000).and_then(|few| Ok((few, parser_instructions(2_000)?))) {
        Ok((less, more)) => samples.add(PARSER, INSTRUCTIONS, (more - less) / 1_000.0),
        Err(reason) => println!("{PARSER}: SKIPPED, {reason}"),
    }
    for name in &names {
        match instructions_per_request(name, "http", few, many) {
            Ok(count) => samples.add(name, INSTRUCTIONS, count),
            Err(reason) => println!("{name}, instructions: SKIPPED, {reason}"),
        }
    }
    let rounds = options.either(9, 3);
    compare(&names, Mode::KeepAlive, KEEP_ALIVE, options.either(5_000, 2_000), rounds, &mut samples);
    compare(&names, Mode::ConnectionEach, EACH, options.either(2_500, 1_000), rounds, &mut samples);

    let header = ["", "instructions", "to raw", "to tokio", "keep-alive us", "to raw", "connection each us", "to raw"];
    let mut table = vec![header.map(str::to_owned).to_vec()];
    let tokio = TokioCurrentThread::NAME;
    for name in [PARSER].iter().chain(&names) {
        let row = |row: &str| cell(samples.median(name, row));
        let ratio = |row: &str| match *name {
            RAW => cell(samples.median(RAW, row).map(|_| 1.0)),
            _ => cell(samples.median(name, &format!("{row} ratio"))),
        };
        table.push(vec![
            (*name).to_owned(),
            row(INSTRUCTIONS),
            cell(samples.ratio(name, RAW, INSTRUCTIONS)),
            cell(samples.ratio(name, tokio, INSTRUCTIONS)),
            row(KEEP_ALIVE),
            ratio(KEEP_ALIVE),
            row(EACH),
            ratio(EACH),
        ]);
    }
    print_table("for each request: instructions in user mode; processor time, medians of pairs run in turn", &table);
    let mut report = Report::default();
    let ours = OURS[1];
    report.target(format!("{ours}, instructions to raw"), samples.ratio(ours, RAW, INSTRUCTIONS), 1.5, " x");
    report.target(format!("{ours}, instructions to tokio"), samples.ratio(ours, tokio, INSTRUCTIONS), 0.5, " x");
    for row in [KEEP_ALIVE, EACH] {
        report.target(format!("{ours}, {row}, processor time to raw"), samples.median(ours, &format!("{row} ratio")), 1.05, " x");
    }
    report
}
