//! Memory: requested heap bytes, counted by the global allocator, and what 10 000 idle connections cost a server process.

use crate::Options;
use crate::child::{self, Contender, say};
use crate::client::echo_once;
use crate::heap;
use crate::measure::{Countdown, yield_now};
use crate::report::{Report, Samples, cell, print_table};
use crate::runtimes::*;
use crate::serve::{self, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::{TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub const ROSTER: &[Contender] = &[
    Contender::of::<Floor>(run_with_timers::<Floor>),
    Contender::of::<UasyncioCore>(run_with_timers::<UasyncioCore>),
    Contender::of::<UasyncioIo>(run_ours),
    Contender::of::<TokioCurrentThread>(run_with_sockets::<TokioCurrentThread>),
    Contender::of::<TokioLocalSet>(run_with_timers::<TokioLocalSet>),
    Contender::of::<Smol>(run_with_sockets::<Smol>),
    Contender::of::<CompioExecutor>(run::<CompioExecutor>),
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

/// Each row has a process of its own: what a runtime keeps for later would be missing from the next row.
fn run<R: Runtime>(arguments: &[String]) {
    heap::start_counting();
    match arguments[0].as_str() {
        IDLE => {
            let before = heap::live();
            let bytes = R::block_on(async move {
                yield_now().await;
                heap::live() - before
            });
            say(IDLE, bytes as f64);
        }
        DETACHED => say(DETACHED, R::block_on(per_task(|| R::detach(Idle(0)))) - IDLE_FUTURE),
        JOINABLE => {
            let mut handles = Vec::with_capacity(TASKS);
            let bytes = R::block_on(per_task(move || handles.push(R::spawn(Idle(0)))));
            say(JOINABLE, bytes - IDLE_FUTURE);
        }
        _ => {}
    }
}

fn run_with_timers<R: Timers>(arguments: &[String]) {
    if arguments[0] != ASLEEP {
        return run::<R>(arguments);
    }
    heap::start_counting();
    let task = || {
        R::detach(async {
            UNPOLLED.with(Countdown::one_less);
            R::sleep(Duration::from_secs(3600)).await;
        });
    };
    say(ASLEEP, R::block_on(per_task(task)));
}

fn run_with_sockets<R: Net + Timers>(arguments: &[String]) {
    if arguments[0] != FULL {
        return run_with_timers::<R>(arguments);
    }
    say_full::<R>(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket takes it");
        let listener = R::listen(listener).expect("the runtime takes a socket");
        R::detach(async move { drop(R::accept(&listener).await) });
    });
}

fn run_ours(arguments: &[String]) {
    if arguments[0] != FULL {
        return run_with_timers::<UasyncioIo>(arguments);
    }
    say_full::<UasyncioIo>(async {
        let server = uasyncio_streams::start_server(|_, _| async {}, "127.0.0.1", 0).await;
        UasyncioIo::detach(async { drop(server.expect("a free port").wait_closed().await) });
    });
}

/// What a loop holds that has slept and has a task that waits for a connection.
fn say_full<R: Timers>(listen: impl Future<Output = ()> + 'static) {
    heap::start_counting();
    let before = heap::live();
    let bytes = R::block_on(async move {
        listen.await;
        R::sleep(Duration::from_millis(5)).await;
        heap::live() - before
    });
    say(FULL, bytes as f64);
}

thread_local! {
    static UNPOLLED: Countdown = const { Countdown::new(0) };
    /// The wakers of the idle tasks: a task that nobody can wake would be freed by some runtimes.
    static WAKERS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Waits for ever. It has the size of a pointer, so that no padding goes for the runtime's.
struct Idle(#[allow(dead_code)] usize);

const IDLE_FUTURE: f64 = size_of::<Idle>() as f64;

impl Future for Idle {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        WAKERS.with_borrow_mut(|wakers| wakers.push(cx.waker().clone()));
        UNPOLLED.with(Countdown::one_less);
        Poll::Pending
    }
}

/// The heap bytes of each of many tasks that were polled and wait.
async fn per_task(mut start: impl FnMut()) -> f64 {
    yield_now().await;
    WAKERS.with_borrow_mut(|wakers| wakers.reserve_exact(TASKS));
    UNPOLLED.with(|unpolled| unpolled.restart(TASKS));
    let before = heap::live();
    for _ in 0..TASKS {
        start();
    }
    poll_fn(|cx| UNPOLLED.with(|unpolled| pin!(unpolled.wait()).poll(cx))).await;
    let bytes = heap::live() - before;
    WAKERS.take();
    bytes as f64 / TASKS as f64
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
    samples.add(name, CONNECTION, (after as f64 - before as f64) / count as f64);
    samples.add(name, THREADS, server.threads().map_err(text)? as f64);
    Ok(())
}

/// Lets this process and its children have `count` descriptors, or as many as may be.
fn raise_descriptor_limit(count: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wish = Rlimit { current: Some(count), maximum: limit.maximum.map(|maximum| maximum.max(count)) };
    let modest = Rlimit { current: limit.maximum.map(|maximum| maximum.min(count)), maximum: limit.maximum };
    if setrlimit(Resource::Nofile, wish).is_err() {
        let _ = setrlimit(Resource::Nofile, modest);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(count)
}

pub fn report(options: &Options) -> Report {
    let mut names = child::present(ROSTER);
    let mut samples = Samples::default();
    for row in [IDLE, DETACHED, JOINABLE, ASLEEP, FULL] {
        child::rounds("memory", &mut names, 1, &[row], &mut samples);
    }
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
    let mut table = vec![std::iter::once("").chain(ROWS).map(str::to_owned).collect::<Vec<_>>()];
    for name in &names {
        let figures = ROWS.iter().map(|row| cell(samples.median(name, row)));
        table.push(std::iter::once((*name).to_owned()).chain(figures).collect());
    }
    print_table(
        &format!("bytes (tasks: beyond a future of 8 bytes; asleep: everything; {count} connections: user memory each)"),
        &table,
    );
    let mut report = Report::default();
    for ours in OURS {
        report.target(format!("{ours}, {DETACHED}"), samples.median(ours, DETACHED), 32.0, " B");
        report.target(format!("{ours}, {JOINABLE}"), samples.median(ours, JOINABLE), 52.0, " B");
        report.target(format!("{ours}, {ASLEEP}"), samples.median(ours, ASLEEP), 112.0, " B");
    }
    let [core, io] = OURS;
    report.target(format!("{core}, {IDLE}"), samples.median(core, IDLE), 2048.0, " B");
    report.target(format!("{io}, {FULL}"), samples.median(io, FULL), 8192.0, " B");
    report.target(format!("{io}, {CONNECTION}"), samples.median(io, CONNECTION), 1024.0, " B");
    report.target(format!("{io}, {THREADS} of the server"), samples.median(io, THREADS), 1.0, "");
    report
}
