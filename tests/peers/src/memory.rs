//! Memory: requested heap bytes, counted by the global allocator, and what 10 000 idle connections cost a server process.

use crate::Options;
use crate::child::{self, Contender, say};
use crate::client::echo_once;
use crate::heap;
use crate::measure::yield_now;
use crate::report::{Report, Samples, cell, print_table};
use crate::runtimes::*;
use crate::serve::{self, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::{TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

pub const ROSTER: &[Contender] = &[
    Contender::of::<Floor>(run_with_timers::<Floor>),
    Contender::of::<TokioCurrentThread>(run_with_sockets::<TokioCurrentThread>),
    Contender::of::<TokioLocalSet>(run_with_timers::<TokioLocalSet>),
    Contender::of::<Smol>(run_with_sockets::<Smol>),
    Contender::of::<Compio<IoUring>>(run_with_sockets::<Compio<IoUring>>),
    Contender::of::<Compio<Polling>>(run_with_sockets::<Compio<Polling>>),
    Contender::of::<Monoio<Uring>>(run_with_sockets::<Monoio<Uring>>),
    Contender::of::<Monoio<Legacy>>(run_with_sockets::<Monoio<Legacy>>),
    Contender::of::<LocalPool>(run::<LocalPool>),
];

const DETACHED: &str = "detached task";
const JOINABLE: &str = "joinable task";
const ASLEEP: &str = "task asleep";
const IDLE: &str = "idle loop";
const FULL: &str = "loop, timer, socket";
const CONNECTION: &str = "idle connection, RSS";
const THREADS: &str = "threads";
const ROWS: [&str; 7] = [DETACHED, JOINABLE, ASLEEP, IDLE, FULL, CONNECTION, THREADS];

const TASKS: usize = 10_000;

fn run<R: Runtime>(_: &[String]) {
    heap::start_counting();
    let before = heap::live();
    say(
        IDLE,
        R::block_on(async move {
            yield_now().await;
            (heap::live() - before) as f64
        }),
    );
    say(
        DETACHED,
        R::block_on(per_task(1, || R::detach(Idle::new()))),
    );
    let mut handles = Vec::with_capacity(TASKS);
    say(
        JOINABLE,
        R::block_on(per_task(1, move || handles.push(R::spawn(Idle::new())))),
    );
}

fn run_with_timers<R: Timers>(arguments: &[String]) {
    run::<R>(arguments);
    say(
        ASLEEP,
        R::block_on(per_task(0, || {
            R::detach(async {
                POLLED.set(POLLED.get() + 1);
                R::sleep(Duration::from_secs(3600)).await;
            })
        })),
    );
}

fn run_with_sockets<R: Net + Timers>(arguments: &[String]) {
    // First, for a reactor that is one for the whole process.
    heap::start_counting();
    let before = heap::live();
    say(
        FULL,
        R::block_on(async move {
            R::sleep(Duration::from_millis(1)).await;
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.set_nonblocking(true).expect("a socket takes it");
            let listener = R::listen(listener).expect("the runtime takes a socket");
            let mut accept = pin!(R::accept(&listener));
            poll_fn(|cx| {
                assert!(accept.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            (heap::live() - before) as f64
        }),
    );
    run_with_timers::<R>(arguments);
}

thread_local!(static POLLED: Cell<usize> = const { Cell::new(0) });

/// One byte that waits for ever.
struct Idle {
    polled: bool,
}

impl Idle {
    fn new() -> Idle {
        Idle { polled: false }
    }
}

impl Future for Idle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.polled, true) {
            POLLED.set(POLLED.get() + 1);
        }
        Poll::Pending
    }
}

/// The heap bytes of each of many tasks that were polled and wait, less `future` bytes each.
async fn per_task(future: usize, mut start: impl FnMut()) -> f64 {
    yield_now().await;
    POLLED.set(0);
    let before = heap::live();
    for _ in 0..TASKS {
        start();
    }
    while POLLED.get() < TASKS {
        yield_now().await;
    }
    (heap::live() - before) as f64 / TASKS as f64 - future as f64
}

/// Opens idle connections to an echo server and looks at its process from outside.
fn idle_connections(name: &str, count: usize, samples: &mut Samples) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let server = Server::start(name, "echo", &[])?;
    let mut connections: Vec<TcpStream> = Vec::with_capacity(count);
    let open = || -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(server.address)?;
        echo_once(&mut stream)?;
        Ok(stream)
    };
    // One connection first: what the first one costs is the loop's.
    connections.push(open().map_err(text)?);
    let before = server.anonymous_memory().map_err(text)?;
    for _ in 0..count {
        connections.push(open().map_err(text)?);
    }
    let after = server.anonymous_memory().map_err(text)?;
    samples.add(
        name,
        CONNECTION,
        (after as f64 - before as f64) / count as f64,
    );
    samples.add(name, THREADS, server.threads().map_err(text)? as f64);
    Ok(())
}

/// Lets this process and its children have `count` descriptors, or as many as may be.
fn raise_descriptor_limit(count: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wish = Rlimit {
        current: Some(count),
        maximum: limit.maximum.map(|maximum| maximum.max(count)),
    };
    let modest = Rlimit {
        current: limit.maximum.map(|maximum| maximum.min(count)),
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, wish).is_err() {
        let _ = setrlimit(Resource::Nofile, modest);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(count)
}

pub fn report(options: &Options) -> Report {
    let mut names = child::present(ROSTER);
    let mut samples = child::rounds("memory", &mut names, 1, &[]);
    let wanted = options.either(10_000, 2_000);
    let allowed = raise_descriptor_limit(wanted + 500);
    let count = wanted.min(allowed.saturating_sub(100)) as usize;
    for name in serve::ROSTER.iter().map(|contender| contender.name) {
        if !names.contains(&name) && name != serve::RAW {
            continue;
        }
        if let Err(reason) = idle_connections(name, count, &mut samples) {
            println!("{name}: idle connections SKIPPED, {reason}");
        }
    }
    names.insert(0, serve::RAW);
    let mut table = vec![
        std::iter::once("")
            .chain(ROWS)
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    for name in &names {
        let figures = ROWS.iter().map(|row| cell(samples.median(name, row)));
        table.push(std::iter::once((*name).to_owned()).chain(figures).collect());
    }
    print_table(
        &format!(
            "bytes (tasks: beyond a future of 1 byte; asleep: everything; {count} connections: user memory each)"
        ),
        &table,
    );
    let mut report = Report::default();
    for ours in OURS {
        report.target(
            format!("{ours}, {DETACHED}"),
            samples.median(ours, DETACHED),
            32.0,
            " B",
        );
        report.target(
            format!("{ours}, {JOINABLE}"),
            samples.median(ours, JOINABLE),
            52.0,
            " B",
        );
        report.target(
            format!("{ours}, {ASLEEP}"),
            samples.median(ours, ASLEEP),
            112.0,
            " B",
        );
    }
    let [core, io] = OURS;
    report.target(
        format!("{core}, {IDLE}"),
        samples.median(core, IDLE),
        2048.0,
        " B",
    );
    report.target(
        format!("{io}, {FULL}"),
        samples.median(io, FULL),
        8192.0,
        " B",
    );
    report.target(
        format!("{io}, {CONNECTION}"),
        samples.median(io, CONNECTION),
        1024.0,
        " B",
    );
    report.target(
        format!("{io}, {THREADS} of the server"),
        samples.median(io, THREADS),
        1.0,
        "",
    );
    report
}
