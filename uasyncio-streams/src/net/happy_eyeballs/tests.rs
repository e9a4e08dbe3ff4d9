//! Exact traces of (tick, event) on a clock that jumps, and a naive oracle.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

use uasyncio_core::{EventLoop, VirtualTime, get_event_loop, sleep_ms};

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Begun(usize),
    /// Dropped before it was done.
    Dropped(usize),
    Won(usize),
    Lost(Vec<usize>),
}

use Event::*;

type Trace = Rc<RefCell<Vec<(u32, Event)>>>;

/// What becomes of an attempt, and after how many milliseconds.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Succeeds(u32),
    Fails(u32),
    Hangs,
}

use Fate::*;

fn note(trace: &Trace, event: Event) {
    trace.borrow_mut().push((get_event_loop().time().as_millis(), event));
}

struct Unfinished {
    index: usize,
    trace: Trace,
    done: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            note(&self.trace, Dropped(self.index));
        }
    }
}

async fn attempt(index: usize, fate: Fate, trace: Trace) -> io::Result<usize> {
    note(&trace, Begun(index));
    let mut unfinished = Unfinished { index, trace, done: false };
    match fate {
        // No time at all is no suspension either: a connection on this machine.
        Succeeds(0) | Fails(0) => {}
        Succeeds(millis) | Fails(millis) => sleep_ms(millis).await,
        Hangs => std::future::pending().await,
    }
    unfinished.done = true;
    if matches!(fate, Fails(_)) { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(index) }
}

/// Runs a race and gives its trace. With `cancel_at` it is dropped at that tick.
fn play(fates: &[Fate], stagger: u32, cancel_at: Option<u32>) -> Vec<(u32, Event)> {
    let trace = Trace::default();
    let log = trace.clone();
    let fates = fates.to_vec();
    let run = EventLoop::with_platform(VirtualTime::new()).run_until_complete(async move {
        let targets: Vec<usize> = (0..fates.len()).collect();
        let stagger = Duration::from_millis(stagger.into());
        let mut race = race(targets, stagger, |&index| attempt(index, fates[index], log.clone()));
        let mut limit = pin!(sleep(cancel_at.map_or(Duration::MAX, |millis| Duration::from_millis(millis.into()))));
        let end = poll_fn(|cx| match Pin::new(&mut race).poll(cx) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
        });
        match end.await {
            Some(Ok(winner)) => note(&log, Won(winner)),
            Some(Err(failures)) => note(&log, Lost(failures.into_iter().map(|(index, _)| index).collect())),
            None => drop(race),
        }
    });
    run.unwrap();
    trace.take()
}

// T-38, RFC 8305: a first address that is a black hole costs one stagger.
#[test]
fn a_black_hole_is_overtaken_after_one_stagger_and_closed() {
    let trace = play(&[Hangs, Succeeds(30), Succeeds(1)], 250, None);
    assert_eq!(trace, [(0, Begun(0)), (250, Begun(1)), (280, Dropped(0)), (280, Won(1))]);
}

#[test]
fn a_failure_begins_the_next_attempt_at_once_and_the_stagger_anew() {
    let trace = play(&[Fails(10), Hangs, Hangs, Succeeds(5)], 250, None);
    let begun = [(0, Begun(0)), (10, Begun(1)), (260, Begun(2)), (510, Begun(3))];
    assert_eq!(trace[..4], begun);
    assert_eq!(trace[4..], [(515, Dropped(1)), (515, Dropped(2)), (515, Won(3))]);
    // So does the failure of an attempt that is not the latest.
    let trace = play(&[Fails(260), Hangs, Succeeds(5)], 250, None);
    assert_eq!(trace, [(0, Begun(0)), (250, Begun(1)), (260, Begun(2)), (265, Dropped(1)), (265, Won(2))]);
}

#[test]
fn failures_at_once_take_no_time_and_all_of_them_are_told() {
    let trace = play(&[Fails(0), Fails(0), Fails(0)], 250, None);
    assert_eq!(trace, [(0, Begun(0)), (0, Begun(1)), (0, Begun(2)), (0, Lost(vec![0, 1, 2]))]);
    // In the order in which they happened.
    let trace = play(&[Fails(400), Fails(10)], 250, None);
    assert_eq!(trace, [(0, Begun(0)), (250, Begun(1)), (400, Lost(vec![1, 0]))]);
    assert_eq!(play(&[], 250, None), [(0, Lost(vec![]))]);
}

#[test]
fn an_earlier_attempt_may_still_win_and_success_comes_before_the_timer() {
    let trace = play(&[Succeeds(700), Hangs], 250, None);
    assert_eq!(trace, [(0, Begun(0)), (250, Begun(1)), (700, Dropped(1)), (700, Won(0))]);
    assert_eq!(play(&[Succeeds(250), Hangs], 250, None), [(0, Begun(0)), (250, Won(0))]);
}

#[test]
fn a_race_that_is_dropped_drops_its_attempts() {
    let trace = play(&[Hangs, Hangs, Hangs], 250, Some(300));
    assert_eq!(trace, [(0, Begun(0)), (250, Begun(1)), (300, Dropped(0)), (300, Dropped(1))]);
}

/// The same by looking at every tick, without timers or futures.
fn oracle(fates: &[Fate], stagger: u32) -> Vec<(u32, Event)> {
    let (mut trace, mut failures) = (Vec::new(), Vec::new());
    // The attempts that run, and when each began, if it did; the next to begin, and when. One that is due in the tick in which
    // another wins may never begin.
    let mut running: Vec<(usize, Option<u32>)> = Vec::new();
    let (mut next, mut due) = (0, 0);
    for now in 0.. {
        let mut index = 0;
        loop {
            let mut begin = index == running.len() && now >= due;
            if let Some((attempt, begun)) = running.get_mut(index) {
                let attempt = *attempt;
                let begun = *begun.get_or_insert_with(|| {
                    trace.push((now, Begun(attempt)));
                    now
                });
                match fates[attempt] {
                    Succeeds(after) if now >= begun + after => {
                        running.remove(index);
                        let begun = running.iter().filter(|(_, begun)| begun.is_some());
                        trace.extend(begun.map(|&(other, _)| (now, Dropped(other))));
                        trace.push((now, Won(attempt)));
                        return trace;
                    }
                    Fails(after) if now >= begun + after => {
                        running.remove(index);
                        failures.push(attempt);
                        begin = true;
                    }
                    _ => {
                        index += 1;
                        continue;
                    }
                }
            }
            if begin && next < fates.len() {
                running.push((next, None));
                (next, due) = (next + 1, now + stagger);
            } else if index == running.len() {
                break;
            }
        }
        if running.is_empty() {
            trace.push((now, Lost(failures)));
            break;
        }
    }
    trace
}

#[test]
fn every_race_goes_as_the_oracle_says() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % bound) as u32
    };
    for _ in 0..2_000 {
        let stagger = 1 + below(30);
        let mut fates: Vec<Fate> = (0..1 + below(6))
            .map(|_| match below(7) {
                0 => Succeeds(below(60)),
                1 => Hangs,
                _ => Fails(below(60)),
            })
            .collect();
        if fates.iter().any(|fate| matches!(fate, Hangs)) {
            // A race that hangs has no end to compare.
            fates.push(Succeeds(200));
        }
        assert_eq!(play(&fates, stagger, None), oracle(&fates, stagger), "{fates:?} every {stagger} ms");
    }
}

#[test]
fn families_alternate_and_the_resolver_s_order_is_kept() {
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
    assert_eq!(interleave(given), addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]));
    let given = addresses(&["1.1.1.1:1", "[::1]:1", "2.2.2.2:1", "3.3.3.3:1"]);
    assert_eq!(interleave(given.clone()), given);
    assert_eq!(interleave(Vec::new()), []);
}
