//! What tasks coordinate with: nanoseconds per operation.

mod embassy;
mod futures;
mod local_sync;
mod ours;
mod pair;
mod rows;
mod seam;
mod smol;
mod timeouts;
mod tokio;

use self::embassy::Embassy;
use self::futures::{Futures, Unordered};
use self::local_sync::LocalSync;
use self::ours::Ours;
use self::pair::Pair;
use self::rows::*;
use self::smol::SmolCrates;
use self::tokio::Tokio;
use crate::Options;
use crate::child::{self, Contender};
use crate::measure::median;
use crate::report::{Report, Samples, number, print_table};
use crate::runtimes::*;
use std::hint::black_box;
use std::time::Duration;

/// One library on one executor.
const fn pair<R: Runtime>(name: &'static str, run: fn(&[String])) -> Contender {
    Contender { name, unavailable: R::unavailable, run }
}

pub const ROSTER: &[Contender] = &[
    pair::<Floor>(NEUTRAL[0], |words| ours::<Floor>(begin(words))),
    pair::<Floor>(NEUTRAL[1], |words| tokio::<Floor>(begin(words))),
    pair::<Floor>(NEUTRAL[2], |words| smol::<Floor>(begin(words))),
    pair::<Floor>(NEUTRAL[3], |words| futures::<Floor>(begin(words))),
    pair::<Floor>(NEUTRAL[4], |words| gathers::<Unordered, Floor>(begin(words))),
    pair::<Floor>(NEUTRAL[5], |words| local_sync::<Floor>(begin(words))),
    pair::<Floor>(NEUTRAL[6], |words| embassy::<Floor>(begin(words))),
    pair::<Floor>(LEAST, |words| {
        let time = begin(words);
        shared_lock::<Pair, Floor, true>(time, LOCK_2, 2);
        lock_again::<Pair, Floor>(time);
    }),
    pair::<UasyncioCore>(HOME[0], |words| {
        let time = begin(words);
        ours::<UasyncioCore>(time);
        timeouts::<UasyncioCore>(time);
    }),
    pair::<TokioLocalSet>(HOME[1], |words| {
        let time = begin(words);
        tokio::<TokioLocalSet>(time);
        timeouts::<TokioLocalSet>(time);
    }),
    pair::<TokioCurrentThread>(HOME[2], |words| {
        let time = begin(words);
        tokio::<TokioCurrentThread>(time);
        timeouts::<TokioCurrentThread>(time);
    }),
    pair::<Smol>(HOME[3], |words| {
        let time = begin(words);
        smol::<Smol>(time);
        timeouts::<Smol>(time);
    }),
    pair::<LocalPool>(HOME[4], |words| futures::<LocalPool>(begin(words))),
    pair::<Monoio<Legacy>>(HOME[5], |words| {
        let time = begin(words);
        local_sync::<Monoio<Legacy>>(time);
        timeouts::<Monoio<Legacy>>(time);
    }),
    pair::<Compio<Polling>>(HOME[6], |words| timeouts::<Compio<Polling>>(begin(words))),
];

/// Libraries on the floor's executor, so that the primitives alone differ.
const NEUTRAL: [&str; 7] =
    ["uasyncio-sync", "tokio::sync", "async-lock ...", "futures", "FuturesUnordered", "local-sync", "embassy-sync"];

/// Not a library, and in no table; also on the floor's executor.
const LEAST: &str = "the least for two tasks";

/// Libraries on the executors that they come with.
const HOME: [&str; 7] = [
    "uasyncio-sync, uasyncio-core",
    "tokio::sync, LocalSet",
    "tokio::sync, current_thread",
    "async-lock ..., smol",
    "futures, LocalPool",
    "local-sync, monoio (epoll)",
    "compio (polling)",
];

/// Where on the heap a process may have what it measures.
const PLACES: usize = 8;

/// All rows, and how many times the best of the others ours may take.
const ROWS: [(&str, f64); 12] = [
    (LOCK, 1.0),
    (LOCK_2, 1.0),
    (LOCK_AGAIN, 1.0),
    (LOCK_64, 1.0),
    (SEMAPHORE, 1.0),
    (SEMAPHORE_64, 1.0),
    (QUEUE_1, 1.0),
    (QUEUE_8, 1.0),
    (EVENT, 1.0),
    (GATHER, 1.2),
    (GATHER_SINGLY, 1.2),
    (TIMEOUT, 1.2),
];

/// Puts what is measured at one of the places, which are 16 bytes apart and so go over two lines of the cache.
///
/// By where in their lines tasks and locks begin a row moves by some per cent, and left alone they begin where the length of this
/// program's path puts them.
fn begin(words: &[String]) -> Duration {
    let place: usize = words[1].parse().expect("the number of a place");
    std::mem::forget(black_box(Vec::<u8>::with_capacity(1024 + 16 * place)));
    Duration::from_millis(words[0].parse().expect("milliseconds for each row"))
}

fn ours<R: Runtime>(time: Duration) {
    locks::<Ours, R>(time);
    lock_again::<Ours, R>(time);
    semaphores::<Ours, R>(time);
    queues::<Ours, R>(time);
    events::<Ours, R>(time);
    gathers::<Ours, R>(time);
}

fn tokio<R: Runtime>(time: Duration) {
    locks::<Tokio, R>(time);
    lock_again::<Tokio, R>(time);
    semaphores::<Tokio, R>(time);
    queues::<Tokio, R>(time);
    events::<Tokio, R>(time);
}

fn smol<R: Runtime>(time: Duration) {
    locks::<SmolCrates, R>(time);
    semaphores::<SmolCrates, R>(time);
    queues::<SmolCrates, R>(time);
    events::<SmolCrates, R>(time);
}

fn futures<R: Runtime>(time: Duration) {
    locks::<Futures, R>(time);
    queues::<Futures, R>(time);
    gathers::<Futures, R>(time);
}

fn local_sync<R: Runtime>(time: Duration) {
    semaphores::<LocalSync, R>(time);
    queues::<LocalSync, R>(time);
}

fn embassy<R: Runtime>(time: Duration) {
    locks::<Embassy, R>(time);
    semaphores::<Embassy, R>(time);
    queues::<Embassy, R>(time);
}

/// What is told about each of the two groups, and the group, ours first.
const GROUPS: [(&str, [&str; 7]); 2] = [("on the floor's executor", NEUTRAL), ("each on its own executor", HOME)];

/// A neighbour on the same processor makes everything up to this many times as slow for seconds, and not all of it alike. So there are many
/// short rounds, and more of them until the figures that decide are settled, or ours is better by more than that.
const NEIGHBOUR: f64 = 2.0;

/// The median over the places of what this part of the rounds stays below.
fn quantile(samples: &[Samples], part: f64, name: &str, row: &str) -> Option<f64> {
    let of_places: Option<Vec<f64>> = samples.iter().map(|samples| samples.quantile(part, name, row)).collect();
    of_places.as_deref().map(median)
}

/// Not the quickest round: one in some hundred is up to a tenth quicker than all others, which is chance, and would decide rows that differ
/// by less.
fn figure(samples: &[Samples], name: &str, row: &str) -> Option<f64> {
    quantile(samples, 0.1, name, row)
}

/// A figure is settled when another tenth is no more than 3 % above it.
fn is_settled(samples: &[Samples], name: &str, row: &str) -> bool {
    let figures = figure(samples, name, row).zip(quantile(samples, 0.2, name, row));
    figures.is_some_and(|(figure, next)| next <= figure * 1.03)
}

/// The lowest figure among the others, and whose it is.
fn best(samples: &[Samples], group: &[&'static str], row: &str) -> Option<(f64, &'static str)> {
    let others = group[1..].iter().filter_map(|name| Some((figure(samples, name, row)?, *name)));
    others.min_by(|a, b| a.0.total_cmp(&b.0))
}

/// The rows with a figure that decides and is not settled.
fn unsettled(samples: &[Samples]) -> Vec<String> {
    let mut rows = Vec::new();
    for (where_, group) in GROUPS {
        for (row, limit) in ROWS {
            let Some((best, name)) = best(samples, &group, row) else { continue };
            let is_clear = figure(samples, group[0], row).is_some_and(|ours| ours * NEIGHBOUR <= best * limit);
            if !is_clear && [group[0], name].iter().any(|name| !is_settled(samples, name, row)) {
                rows.push(format!("{row}, {where_}"));
            }
        }
    }
    rows
}

pub fn report(options: &Options) -> Report {
    let mut names = child::present(ROSTER);
    let mut samples: [Samples; PLACES] = Default::default();
    let (least, most) = options.either((240, 600), (60, 200));
    let mut count = 0;
    while count < least || count < most && !unsettled(&samples).is_empty() {
        for (place, samples) in samples.iter_mut().enumerate() {
            child::rounds("sync", &mut names, 2, &["3", &place.to_string()], samples); // milliseconds for each row
            count += 2;
        }
    }
    let mut report = Report::default();
    for (where_, group) in GROUPS {
        let present: Vec<&str> = group.into_iter().filter(|name| names.contains(name)).collect();
        let mut table = vec![std::iter::once("").chain(present.iter().copied()).map(str::to_owned).collect::<Vec<_>>()];
        for (row, limit) in ROWS {
            let Some((best, _)) = best(&samples, &group, row) else { continue };
            let cell = |name: &&str| {
                let figure = figure(&samples, name, row);
                figure.map_or("-".into(), |figure| format!("{} ({})", number(figure), number(figure / best)))
            };
            table.push(std::iter::once(row.to_owned()).chain(present.iter().map(cell)).collect());
            let to_best = figure(&samples, group[0], row).map(|ours| ours / best);
            report.target(format!("{row}, {where_}, to the best of the others"), to_best, limit, " x");
        }
        print_table(
            &format!(
                "ns per operation, {where_}: quickest tenth of {count} rounds, median of {PLACES} places (to the best of the others)"
            ),
            &table,
        );
    }
    println!("\nns, to {LEAST} (src/sync/pair.rs), on the floor's executor");
    for row in [LOCK_2, LOCK_AGAIN] {
        let [ours, least] = [NEUTRAL[0], LEAST].map(|name| figure(&samples, name, row));
        let ratio = ours.zip(least).map(|(ours, least)| ours / least);
        if let (Some(least), Some(ratio)) = (least, ratio) {
            println!("  {row:<22}{} ({})", number(least), number(ratio));
        }
        report.target(format!("{row}, to {LEAST}"), ratio, 1.3, " x");
    }
    let unsettled = unsettled(&samples);
    if !unsettled.is_empty() {
        println!("\nnot settled, too few rounds are near the lowest: {}", unsettled.join("; "));
    }
    report
}
