//! Tasks and wakes: nanoseconds per operation.

use crate::Options;
use crate::child::{self, Contender, say};
use crate::measure::{Countdown, in_task, repeat, yield_now};
use crate::report::{Report, Samples, cell, print_table};
use crate::runtimes::*;
use atomic_waker::AtomicWaker;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

pub const ROSTER: &[Contender] = &[
    Contender::of::<Floor>(run::<Floor>),
    Contender::of::<UasyncioCore>(run::<UasyncioCore>),
    Contender::of::<UasyncioIo>(run::<UasyncioIo>),
    Contender::of::<TokioCurrentThread>(run::<TokioCurrentThread>),
    Contender::of::<TokioLocalSet>(run::<TokioLocalSet>),
    Contender::of::<Smol>(run::<Smol>),
    Contender::of::<CompioExecutor>(run::<CompioExecutor>),
    Contender::of::<Compio<IoUring>>(run::<Compio<IoUring>>),
    Contender::of::<Compio<Polling>>(run::<Compio<Polling>>),
    Contender::of::<Monoio<Uring>>(run::<Monoio<Uring>>),
    Contender::of::<Monoio<Legacy>>(run::<Monoio<Legacy>>),
    Contender::of::<LocalPool>(run::<LocalPool>),
];

const YIELD: &str = "yield";
const RING: &str = "ring of 1000";
const SPAWN: &str = "spawn+await";
const JOIN: &str = "spawn 1000, join";
const PING: &str = "cross-thread ping-pong";
const ROWS: [&str; 5] = [YIELD, RING, SPAWN, JOIN, PING];

fn run<R: Runtime>(arguments: &[String]) {
    let time = Duration::from_millis(arguments[0].parse().expect("milliseconds for each row"));
    say(YIELD, in_task::<R, _>(repeat(time, 10_000, async || yields(10_000).await)));
    say(RING, in_task::<R, _>(ring::<R>(time)));
    say(SPAWN, in_task::<R, _>(repeat(time, 2_000, async || spawn_and_await::<R>(2_000).await)));
    say(JOIN, in_task::<R, _>(repeat(time, 1_000, async || spawn_and_join::<R>(1_000).await)));
    say(PING, ping_pong::<R>(time));
}

/// One task wakes itself `count` times.
async fn yields(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// 1000 tasks in a ring; each waits for the token, wakes the next one and waits again. An operation is one hop.
async fn ring<R: Runtime>(time: Duration) -> f64 {
    const TASKS: usize = 1_000;
    const HOPS: usize = 10_000;

    struct Ring {
        wakers: Vec<Cell<Option<Waker>>>,
        token: Cell<Option<usize>>,
        hops: Countdown,
    }

    let ring = Rc::new(Ring {
        wakers: (0..TASKS).map(|_| Cell::new(None)).collect(),
        token: Cell::new(None),
        hops: Countdown::new(TASKS),
    });
    let wake = |ring: &Ring, place: usize| {
        if let Some(waker) = ring.wakers[place].take() {
            waker.wake();
        }
    };
    for place in 0..TASKS {
        let ring = ring.clone();
        R::detach(poll_fn(move |cx| {
            match ring.token.get() {
                // The first polls, before the token starts.
                None => drop(ring.hops.one_less()),
                Some(token) if token == place => {
                    let next = (place + 1) % TASKS;
                    ring.token.set(Some(next));
                    if !ring.hops.one_less() {
                        wake(&ring, next);
                    }
                }
                Some(_) => {}
            }
            ring.wakers[place].set(Some(cx.waker().clone()));
            Poll::<()>::Pending
        }));
    }
    ring.hops.wait().await;
    ring.token.set(Some(0));
    repeat(time, HOPS, async || {
        ring.hops.restart(HOPS);
        wake(&ring, ring.token.get().unwrap_or(0));
        ring.hops.wait().await;
    })
    .await
}

/// One task starts another and awaits it, again and again.
async fn spawn_and_await<R: Runtime>(count: usize) {
    for _ in 0..count {
        R::spawn(async {}).await;
    }
}

/// One task starts `count` others, which each yield once, and awaits them in order.
async fn spawn_and_join<R: Runtime>(count: usize) {
    thread_local!(static DONE: RefCell<usize> = const { RefCell::new(0) });
    let mut handles = Vec::with_capacity(count);
    DONE.set(0);
    for _ in 0..count {
        handles.push(R::spawn(async {
            yield_now().await;
            DONE.with_borrow_mut(|done| *done += 1);
        }));
    }
    for handle in handles {
        handle.await;
    }
    assert_eq!(DONE.take(), count);
}

/// A flag that a task waits for and another thread raises.
#[derive(Default)]
struct Flag {
    up: AtomicBool,
    waker: AtomicWaker,
}

impl Flag {
    fn raise(&self) {
        self.up.store(true, Ordering::Release);
        self.waker.wake();
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.up.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Two runtimes on two threads wake each other in turn. An operation is a wake there and a wake back.
fn ping_pong<R: Runtime>(time: Duration) -> f64 {
    const TRIPS: usize = 200;

    #[derive(Default)]
    struct Table {
        here: Flag,
        there: Flag,
        over: AtomicBool,
    }

    let table = Arc::new(Table::default());
    let other = table.clone();
    let thread = std::thread::spawn(move || {
        in_task::<R, _>(async move {
            loop {
                other.there.wait().await;
                if other.over.load(Ordering::Relaxed) {
                    return;
                }
                other.here.raise();
            }
        });
    });
    let result = in_task::<R, _>(async move {
        let result = repeat(time, TRIPS, async || {
            for _ in 0..TRIPS {
                table.there.raise();
                table.here.wait().await;
            }
        })
        .await;
        table.over.store(true, Ordering::Relaxed);
        table.there.raise();
        result
    });
    thread.join().expect("the other side ends well");
    result
}

/// Those that park their thread and cannot wait for I/O. A wake from another thread costs them less, so they are not compared
/// with a loop on a reactor in that row.
const WITHOUT_IO: [&str; 2] = [CompioExecutor::NAME, LocalPool::NAME];

/// The lowest median of a row among all but the floor and ours.
pub fn best_peer(samples: &Samples, names: &[&str], row: &str) -> Option<f64> {
    let peers = names.iter().filter(|name| **name != Floor::NAME && !OURS.contains(name));
    peers.filter_map(|name| samples.median(name, row)).min_by(f64::total_cmp)
}

pub fn report(options: &Options) -> Report {
    let mut names = child::present(ROSTER);
    let mut samples = Samples::default();
    child::rounds("sched", &mut names, options.either(9, 3), &[options.either("60", "30")], &mut samples);
    let mut report = Report::default();
    print_rows("ns per operation: median of rounds (minimum; to the floor; to the best peer)", &samples, &names, &ROWS);
    for row in ROWS {
        for ours in OURS {
            let limit = if row == PING { 1.1 } else { 1.0 };
            let alike = |name: &&&str| row != PING || ours == OURS[0] || !WITHOUT_IO.contains(name);
            let others: Vec<&str> = names.iter().filter(alike).copied().collect();
            let to_best = samples.median(ours, row).zip(best_peer(&samples, &others, row)).map(|(ours, best)| ours / best);
            report.target(format!("{ours}, {row}, to the best peer"), to_best, limit, " x");
        }
        if row != PING {
            report.target(format!("{}, {row}, to the floor", OURS[0]), samples.ratio(OURS[0], Floor::NAME, row), 1.3, " x");
        }
    }
    report
}

/// The table of a section whose figures are nanoseconds.
pub fn print_rows(title: &str, samples: &Samples, names: &[&str], rows: &[&str]) {
    let mut table = vec![std::iter::once("").chain(rows.iter().copied()).map(str::to_owned).collect::<Vec<_>>()];
    for name in names {
        let mut line = vec![(*name).to_owned()];
        for row in rows {
            let figure = samples.median(name, row).map(|median| {
                let minimum = cell(samples.minimum(name, row));
                let floor = cell(samples.ratio(name, Floor::NAME, row));
                let best = cell(best_peer(samples, names, row).map(|best| median / best));
                format!("{} ({minimum}; {floor}; {best})", cell(Some(median)))
            });
            line.push(figure.unwrap_or("-".into()));
        }
        table.push(line);
    }
    print_table(title, &table);
}
