//! System calls of the server process, all its threads, counted by strace: the difference of a short and a long run.

use crate::Options;
use crate::child;
use crate::client::{echo_alone, echo_in_batches, short_connections};
use crate::report::{Report, Samples, cell, number, print_table};
use crate::runtimes::OURS;
use crate::serve::{self, RAW, Server};
use std::collections::BTreeMap;
use std::{fs, io, process};

const ALONE: &str = "echo, 1 connection";
const BATCHED: &str = "echo, 64 connections";
const SHORT: &str = "short connection";

const CONNECTIONS: usize = 64;
const BURST: usize = 32;

/// A row: its name, the service, what one unit of load does and how many operations it is.
struct Row {
    name: &'static str,
    service: &'static str,
    load: fn(&Server, usize) -> io::Result<()>,
    operations: usize,
    full: usize,
    quick: usize,
}

const ROWS: [Row; 3] = [
    Row { name: ALONE, service: "echo", load: echo_alone, operations: 1, full: 600, quick: 200 },
    Row {
        name: BATCHED,
        service: "echo",
        load: |server, units| echo_in_batches(server, CONNECTIONS, units),
        operations: CONNECTIONS,
        full: 20,
        quick: 8,
    },
    Row {
        name: SHORT,
        service: "once",
        load: |server, units| short_connections(server, BURST, units),
        operations: BURST,
        full: 20,
        quick: 8,
    },
];

/// Calls by name.
type Calls = BTreeMap<String, f64>;

/// Calls that wait. Freezing a process ends its wait with an error, which is the benchmark's doing: those are not counted.
const WAITS: [&str; 6] = ["epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "io_uring_enter"];

fn count(name: &str, row: &Row, units: usize) -> Result<Calls, String> {
    let file = std::env::temp_dir().join(format!("peers-strace-{}", process::id()));
    let path = file.to_string_lossy().into_owned();
    let server = Server::start(name, row.service, &["strace", "-f", "-c", "-U", "name,calls,errors", "-o", &path])?;
    let result = (row.load)(&server, units).map_err(|error| format!("{}: {error}", row.name));
    server.stop();
    let summary = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(&file);
    result?;
    let calls: Calls = summary.lines().filter_map(parse_line).collect();
    if calls.is_empty() { Err("strace said nothing".into()) } else { Ok(calls) }
}

/// A line of the summary: the name, the calls and perhaps the errors.
fn parse_line(line: &str) -> Option<(String, f64)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let calls: f64 = words.next()?.parse().ok()?;
    let errors: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let counted = if WAITS.contains(&name) { calls - errors } else { calls };
    (name != "total").then(|| (name.to_owned(), counted))
}

/// Calls for each operation.
fn measure(name: &str, row: &Row, options: &Options) -> Result<Calls, String> {
    let long = options.either(row.full, row.quick);
    let short = long / 4;
    let few = count(name, row, short)?;
    let mut calls = count(name, row, long)?;
    let operations = ((long - short) * row.operations) as f64;
    for (call, number) in &mut calls {
        *number = (*number - few.get(call).copied().unwrap_or(0.0)) / operations;
    }
    calls.retain(|_, number| *number > 0.0005);
    Ok(calls)
}

pub fn report(options: &Options) -> Report {
    let mut samples = Samples::default();
    let names = child::present(serve::ROSTER);
    let mut details = Vec::new();
    for name in &names {
        for row in &ROWS {
            match measure(name, row, options) {
                Ok(calls) => {
                    samples.add(name, row.name, calls.values().fold(0.0, |sum, count| sum + count));
                    let list: Vec<String> = calls.iter().map(|(call, count)| format!("{call} {}", number(*count))).collect();
                    details.push(vec![format!("{name}, {}", row.name), format!(" {}", list.join(", "))]);
                }
                Err(reason) => println!("{name}, {}: SKIPPED, {reason}", row.name),
            }
        }
    }
    let mut table = vec![std::iter::once("").chain(ROWS.iter().map(|row| row.name)).map(str::to_owned).collect::<Vec<_>>()];
    for name in &names {
        let figures = ROWS.iter().map(|row| cell(samples.median(name, row.name)));
        table.push(std::iter::once((*name).to_owned()).chain(figures).collect());
    }
    print_table("system calls of the server for each operation", &table);
    println!("\nof which");
    for line in details {
        println!("  {}:{}", line[0], line[1]);
    }
    let mut report = Report::default();
    let ours = OURS[1];
    report.target(format!("{ours}, {ALONE}"), samples.median(ours, ALONE), 3.0, "");
    report.target(format!("{ours}, {BATCHED}"), samples.median(ours, BATCHED), 2.06, "");
    let raw = samples.median(RAW, SHORT).unwrap_or(4.0);
    report.target(format!("{ours}, {SHORT}, beside the raw loop"), samples.median(ours, SHORT), raw, "");
    report
}
