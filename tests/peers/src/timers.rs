//! Timers: nanoseconds per timer.

use crate::Options;
use crate::child::{self, Contender, say};
use crate::measure::{Countdown, Random, in_task, median, repeat, yield_now};
use crate::report::{Report, Samples};
use crate::runtimes::*;
use rustix::time::{ClockId, clock_gettime};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub const ROSTER: &[Contender] = &[
    Contender::of::<Floor>(run::<Floor>),
    Contender::of::<UasyncioCore>(run::<UasyncioCore>),
    Contender::of::<UasyncioIo>(run::<UasyncioIo>),
    Contender::of::<TokioCurrentThread>(run::<TokioCurrentThread>),
    Contender::of::<TokioLocalSet>(run::<TokioLocalSet>),
    Contender::of::<Smol>(run::<Smol>),
    Contender::of::<Compio<IoUring>>(run::<Compio<IoUring>>),
    Contender::of::<Monoio<Uring>>(run::<Monoio<Uring>>),
    Contender::of::<Monoio<Legacy>>(run::<Monoio<Legacy>>),
];

const EXPIRE: &str = "expire 100k";
const TIMEOUT: &str = "timeout+yield";

/// The sizes, and the rows of each.
const SIZES: [(usize, &str, &str); 3] = [
    (1_000, "insert+cancel 1k", "reset 1k"),
    (100_000, "insert+cancel 100k", "reset 100k"),
    (1_000_000, "insert+cancel 1M", "reset 1M"),
];

fn run<R: Timers>(arguments: &[String]) {
    let time = Duration::from_millis(arguments[0].parse().expect("milliseconds for each row"));
    let largest: usize = arguments[1].parse().expect("the largest number of timers");
    for (count, insert, reset) in SIZES.into_iter().filter(|(count, ..)| *count <= largest) {
        let (insert_time, reset_time) = in_task::<R, _>(insert_and_reset::<R>(time, count));
        say(insert, insert_time);
        say(reset, reset_time);
    }
    say(TIMEOUT, in_task::<R, _>(repeat(time, 2_000, async || timeouts::<R>(2_000).await)));
    say(EXPIRE, in_task::<R, _>(expire::<R>(100_000)));
}

type Slot<S> = Pin<Box<Option<S>>>;

/// Polls the timers in this order, a hundred for each poll of the task (tokio gives way after 128 operations), and gives the
/// time inside.
async fn touch<S>(slots: &mut [Slot<S>], mut each: impl FnMut(&mut Slot<S>, &mut Context<'_>)) -> Duration {
    let mut total = Duration::ZERO;
    for chunk in slots.chunks_mut(100) {
        yield_now().await;
        poll_fn(|cx| {
            let begin = Instant::now();
            chunk.iter_mut().for_each(|slot| each(slot, cx));
            total += begin.elapsed();
            Poll::Ready(())
        })
        .await;
    }
    total
}

fn poll_pending<S: Future>(slot: &mut Slot<S>, cx: &mut Context<'_>) {
    let pending = slot.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(cx).is_pending());
    assert!(pending, "no timer is due yet");
}

/// `count` timers at random places in memory with random deadlines up to an hour ahead: the first poll of each, and in another
/// random order the drop of each. Then the same number of timeouts of 30 s, begun again and polled.
async fn insert_and_reset<R: Timers>(time: Duration, count: usize) -> (f64, f64) {
    let mut random = Random::new();
    let mut slots = Vec::new();
    slots.resize_with(count, || Box::pin(None));
    let (mut inserts, mut resets) = (Vec::new(), Vec::new());
    let per_timer = |time: Duration| time.as_nanos() as f64 / count as f64;

    let start = Instant::now();
    while start.elapsed() < time || inserts.is_empty() {
        random.shuffle(&mut slots);
        for slot in &mut slots {
            slot.set(Some(R::sleep(Duration::from_millis(10_000 + random.below(3_600_000)))));
        }
        let insert = touch(&mut slots, poll_pending).await;
        random.shuffle(&mut slots);
        let cancel = touch(&mut slots, |slot, _| slot.set(None)).await;
        inserts.push(per_timer(insert + cancel));
    }

    const TIMEOUT: Duration = Duration::from_secs(30);
    for slot in &mut slots {
        slot.set(Some(R::sleep(TIMEOUT)));
    }
    touch(&mut slots, poll_pending).await;
    let start = Instant::now();
    while start.elapsed() < time || resets.is_empty() {
        random.shuffle(&mut slots);
        let reset = touch(&mut slots, |slot, cx| {
            if !slot.as_mut().as_pin_mut().is_some_and(|sleep| sleep.renew(TIMEOUT)) {
                slot.set(Some(R::sleep(TIMEOUT)));
            }
            poll_pending(slot, cx);
        });
        resets.push(per_timer(reset.await));
    }
    (median(&inserts), median(&resets))
}

/// A timeout round something that is ready at its second poll: a sleep made, polled once and dropped, one for each poll of the task.
async fn timeouts<R: Timers>(count: usize) {
    for _ in 0..count {
        let mut sleep = pin!(R::sleep(Duration::from_secs(30)));
        let mut yielded = pin!(yield_now());
        poll_fn(|cx| {
            if yielded.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            sleep.as_mut().poll(cx)
        })
        .await;
    }
}

/// `count` tasks asleep, all due: the processor time of all threads until all have run to their end.
async fn expire<R: Timers>(count: usize) -> f64 {
    let counts = Rc::new((Countdown::new(count), Countdown::new(count)));
    let (asleep, awake) = &*counts;
    let mut random = Random::new();
    for _ in 0..count {
        let counts = counts.clone();
        let time = Duration::from_millis(700 + random.below(100));
        R::detach(async move {
            counts.0.one_less();
            R::sleep(time).await;
            counts.1.one_less();
        });
    }
    asleep.wait().await;
    assert_eq!(awake.left(), count, "all sleep before the first is due");
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    let begin = cpu();
    std::thread::sleep(Duration::from_millis(810));
    awake.wait().await;
    (cpu() - begin) / count as f64
}

pub fn report(options: &Options) -> Report {
    let mut names = child::present(ROSTER);
    let largest = if options.million { "1000000" } else { "100000" };
    let count = if options.million { 2 } else { options.either(5, 2) };
    let mut samples = Samples::default();
    child::rounds("timers", &mut names, count, &[options.either("60", "30"), largest], &mut samples);
    let mut rows: Vec<&str> = SIZES.into_iter().flat_map(|(_, insert, reset)| [insert, reset]).collect();
    rows.truncate(if options.million { 6 } else { 4 });
    rows.extend([TIMEOUT, EXPIRE]);
    let mut report = Report::default();
    crate::sched::print_rows("ns per timer: median of rounds (minimum; to the floor; to the best peer)", &samples, &names, &rows);
    for row in rows {
        for ours in OURS {
            let to_best =
                samples.median(ours, row).zip(crate::sched::best_peer(&samples, &names, row)).map(|(ours, best)| ours / best);
            report.target(format!("{ours}, {row}, to the best peer"), to_best, 1.0, " x");
        }
        report.target(format!("{}, {row}, to the floor", OURS[0]), samples.ratio(OURS[0], Floor::NAME, row), 1.3, " x");
    }
    report
}
