//! How long a connection may wait for its peer.
//!
//! Requests come by the ten thousand, and deadlines hardly ever pass. So a wait neither reads the clock nor arms a timer, as a
//! rule, but counts the steps of one that runs on through many waits:
//!
//! ```text
//!   steps      |-------|-------|-------|-------|-------|-------|-------|-------|-     each a quarter of the idle deadline
//!   waits      ######  ##### ####    ## ###  ##################################X
//!                                            begins: 5 left   4   3   2   1   0: too long
//! ```
//!
//! The first of the five steps had begun before the wait, so when the fifth is over the deadline has passed, by a quarter at most. A
//! wait that finds no running timer starts it, and has four whole steps. A connection that never waits has no timer, and one
//! without deadlines has one null pointer.
//!
//! The *idle* deadline is that of each wait, in each direction. The *first byte* has a deadline of its own, counted from
//! the beginning of the connection: bytes that come one by one do not put it off, and after the first one it is gone.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use uasyncio_core::{Sleep, Ticks, get_event_loop, sleep};

use crate::Direction;

/// The whole steps of the idle deadline.
const STEPS: u8 = 4;

/// There is no wait, and the timer, if there is one, is of use for another.
const NO_WAIT: u8 = 0;

/// There is no wait, and the timer, if there is one, does not run in steps.
const NO_STEPS: u8 = u8::MAX;

/// The deadlines of one connection.
pub(crate) struct Deadlines {
    /// A part of the idle deadline.
    step: Option<Duration>,
    /// Until when a byte has to have come. `None`: one has, or it does not matter.
    first_byte: Cell<Option<Ticks>>,
    read: Wait,
    write: Wait,
}

/// A wait in one direction, or none.
struct Wait {
    /// How many steps are left, the one that goes on included.
    left: Cell<u8>,
    /// `None` until the first wait, and while it is in use.
    timer: Cell<Option<Pin<Box<Sleep>>>>,
}

impl Default for Wait {
    fn default() -> Self {
        Wait { left: Cell::new(NO_STEPS), timer: Cell::default() }
    }
}

impl Deadlines {
    /// Begins now; `None` where there is nothing to watch.
    pub(crate) fn begin(idle: Option<Duration>, first_byte: Option<Duration>) -> Option<Box<Deadlines>> {
        /// Twelve days: what a tick can be ahead with room to spare.
        const FARTHEST: u128 = 1 << 30;
        if idle.is_none() && first_byte.is_none() {
            return None;
        }
        let first_byte = first_byte.map(|time| {
            let millis = time.as_nanos().div_ceil(1_000_000).min(FARTHEST) as u32;
            get_event_loop().time_rounded_up().wrapping_add(millis)
        });
        let step = idle.map(|time| time / u32::from(STEPS));
        Some(Box::new(Deadlines { step, first_byte: Cell::new(first_byte), read: Wait::default(), write: Wait::default() }))
    }

    fn wait(&self, direction: Direction) -> &Wait {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// Bytes were moved: the wait in this direction, if there was one, is over.
    #[inline]
    pub(crate) fn moved(&self, direction: Direction) {
        let wait = self.wait(direction);
        if direction == Direction::Read && self.first_byte.take().is_some() {
            wait.left.set(NO_STEPS);
        } else if wait.left.get() != NO_STEPS {
            wait.left.set(NO_WAIT);
        }
    }

    /// Says of a connection that waits when it has waited too long.
    pub(crate) fn poll_expired(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Error> {
        let wait = self.wait(direction);
        if wait.left.get() == NO_STEPS && !self.start_timer(wait, direction) {
            return Poll::Pending;
        }
        let begins = wait.left.get() == NO_WAIT;
        if begins {
            wait.left.set(STEPS + 1);
        }
        // The cell is empty meanwhile: a waker that is replaced may run anything.
        let Some(mut timer) = wait.timer.take() else {
            return Poll::Pending;
        };
        let mut step = timer.as_mut().poll(cx);
        if step.is_ready() {
            step = self.next_step(wait, begins, &mut timer, cx);
        }
        wait.timer.set(Some(timer));
        ready!(step);
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer was waited for too long"))
    }

    /// Starts the timer of a first wait; `false` where there is no deadline.
    #[cold]
    fn start_timer(&self, wait: &Wait, direction: Direction) -> bool {
        let first_byte = self.first_byte.get().filter(|_| direction == Direction::Read);
        let until_then = first_byte.map(|deadline| {
            let left = deadline.diff(get_event_loop().time_rounded_up());
            Duration::from_millis(u64::try_from(left).unwrap_or(0))
        });
        let (steps, step) = match (self.step, until_then) {
            (Some(step), None) => (STEPS, step),
            (Some(step), Some(until_then)) if step.saturating_mul(STEPS.into()) <= until_then => (STEPS, step),
            (_, Some(until_then)) => (1, until_then),
            (None, None) => return false,
        };
        let timer = wait.timer.take();
        wait.left.set(steps);
        let mut timer = timer.unwrap_or_else(|| Box::pin(sleep(step)));
        timer.as_mut().reset(step);
        wait.timer.set(Some(timer));
        true
    }

    /// A step is over: completes if it was the last one.
    #[cold]
    fn next_step(&self, wait: &Wait, begins: bool, timer: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
        match (wait.left.get(), self.step) {
            (left @ 2.., Some(step)) => {
                // What was over before the wait began does not count, and so none of the others is cut short.
                wait.left.set(if begins { STEPS } else { left - 1 });
                timer.as_mut().reset(step);
                timer.as_mut().poll(cx)
            }
            _ => Poll::Ready(()),
        }
    }
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadlines").field("step", &self.step).field("first_byte", &self.first_byte).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use uasyncio_core::{EventLoop, VirtualTime, sleep_ms, spawn};

    use super::*;
    use crate::{Duplex, StreamReader, StreamWriter, Transport, TryError, duplex, split};

    /// What the transport of a socket does, over a pipe in memory.
    struct Watched {
        pipe: Duplex,
        deadlines: Box<Deadlines>,
    }

    impl Watched {
        fn attempt(&self, direction: Direction, result: Result<usize, TryError>) -> Result<usize, TryError> {
            result.inspect(|_| self.deadlines.moved(direction))
        }
    }

    impl Transport for Watched {
        fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
            self.attempt(Direction::Read, self.pipe.try_read(buffer))
        }

        fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
            self.attempt(Direction::Write, self.pipe.try_write(data))
        }

        fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
            match self.pipe.poll_ready(cx, direction) {
                Poll::Pending => self.deadlines.poll_expired(cx, direction).map(Err),
                ready => ready,
            }
        }

        fn close_write(&self) -> Result<(), TryError> {
            self.pipe.close_write()
        }

        fn close(&self) {
            self.pipe.close();
        }
    }

    type Ends = (StreamReader<Watched>, StreamWriter<Watched>, StreamReader<Duplex>, StreamWriter<Duplex>);

    /// Runs `test` with the two ends of a pipe, one of them watched, on a clock that starts at `start`.
    fn on_virtual_time<F>(start: u32, idle: Option<u64>, first_byte: Option<u64>, test: impl FnOnce(Ends) -> F)
    where
        F: Future<Output = ()>,
    {
        let clock = VirtualTime::starting_at(Ticks::from_millis(start));
        EventLoop::with_platform(clock)
            .run_until_complete(async {
                let (near, far) = duplex(16);
                let deadlines = Deadlines::begin(idle.map(Duration::from_millis), first_byte.map(Duration::from_millis));
                let (reader, writer) = split(Watched { pipe: near, deadlines: deadlines.unwrap() });
                let (far_reader, far_writer) = split(far);
                test((reader, writer, far_reader, far_writer)).await;
            })
            .unwrap();
    }

    fn now() -> u32 {
        get_event_loop().time().as_millis()
    }

    fn assert_timed_out<T: std::fmt::Debug>(result: io::Result<T>) {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    // T-03: a byte every 10 s puts the idle deadline off, again and again; then silence does not. Steps of 3.75 s, the first at 0: the
    // fifth that ends after the last byte is the one at 67.5 s.
    #[test]
    fn t_03_the_idle_deadline_starts_over_with_each_byte() {
        on_virtual_time(0, Some(15_000), None, async |(mut reader, _writer, _far_reader, mut far_writer)| {
            spawn(async move {
                for _ in 0..5 {
                    sleep_ms(10_000).await;
                    far_writer.awrite(b"x").await.unwrap();
                }
                std::future::pending().await
            });
            for byte in 1..=5 {
                reader.read(&mut [0]).await.unwrap();
                assert_eq!(now(), byte * 10_000);
            }
            assert_timed_out(reader.read(&mut [0]).await);
            assert_eq!(now(), 67_500);
            // And again at once: the wait goes on.
            assert_timed_out(reader.read(&mut [0]).await);
            assert_eq!(now(), 67_500);
        });
    }

    #[test]
    fn no_wait_is_too_short_and_none_longer_by_more_than_a_quarter() {
        // A wait that ends at each moment inside a step; then one that does not end.
        for moment in (0..100).filter(|moment| moment % 25 > 0) {
            on_virtual_time(0, Some(100), None, async |(mut reader, _writer, _far_reader, mut far_writer)| {
                spawn(async move {
                    sleep_ms(moment).await;
                    far_writer.awrite(b"x").await.unwrap();
                    std::future::pending().await
                });
                reader.read(&mut [0]).await.unwrap();
                assert_timed_out(reader.read(&mut [0]).await);
                assert_eq!(now(), moment.next_multiple_of(25) + 100);
            });
        }
    }

    #[test]
    fn after_a_pause_that_outlasts_the_timer_the_steps_are_whole_ones() {
        on_virtual_time(0, Some(100), None, async |(mut reader, _writer, _far_reader, mut far_writer)| {
            let mut buffer = [0];
            let mut read = reader.read(&mut buffer);
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx).is_pending())).await;
            far_writer.awrite(b"x").await.unwrap();
            reader.read(&mut [0]).await.unwrap();
            sleep_ms(1_000).await;
            assert_timed_out(reader.read(&mut [0]).await);
            assert_eq!(now(), 1_100);
        });
    }

    // T-03: waits that are given up and begun again, and looks in between, do not put a deadline off. Across the clock's wrap.
    #[test]
    fn t_03_the_deadline_of_the_first_byte_is_absolute() {
        let start = 0_u32.wrapping_sub(2_500);
        on_virtual_time(start, Some(60_000), Some(5_000), async |(mut reader, _writer, _far_reader, mut far_writer)| {
            for _ in 0..4 {
                let mut buffer = [0];
                let mut read = reader.read(&mut buffer);
                std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx).is_pending())).await;
                sleep_ms(1_000).await;
            }
            assert_timed_out(reader.read(&mut [0]).await);
            assert_eq!(now().wrapping_sub(start), 5_000);
            // It has come after all: from now on the other deadline holds.
            far_writer.awrite(b"x").await.unwrap();
            reader.read(&mut [0]).await.unwrap();
            assert_timed_out(reader.read(&mut [0]).await);
            assert_eq!(now().wrapping_sub(start), 65_000);
        });
    }

    #[test]
    fn the_first_byte_alone_may_have_a_deadline_and_the_shorter_one_counts() {
        on_virtual_time(0, None, Some(5_000), async |(mut reader, _writer, _far_reader, mut far_writer)| {
            far_writer.awrite(b"x").await.unwrap();
            reader.read(&mut [0]).await.unwrap();
            spawn(async move {
                sleep_ms(1_000_000).await;
                far_writer.awrite(b"y").await.unwrap();
            });
            reader.read(&mut [0]).await.unwrap();
            assert_eq!(now(), 1_000_000);
        });
        on_virtual_time(0, Some(1_000), Some(5_000), async |(mut reader, ..)| {
            assert_timed_out(reader.read(&mut [0]).await);
            assert_eq!(now(), 1_000);
        });
    }

    #[test]
    fn a_peer_that_reads_nothing_is_idle_too_and_the_directions_are_apart() {
        on_virtual_time(0, Some(1_000), Some(1), async |(mut reader, mut writer, mut far_reader, _far_writer)| {
            spawn(async move {
                for _ in 0..3 {
                    sleep_ms(900).await;
                    far_reader.read(&mut [0; 1]).await.unwrap();
                }
                std::future::pending().await
            });
            // 16 bytes have room; each of the next three waits for 900 ms; then nobody reads.
            let reading = Rc::new(Cell::new(0));
            let end = reading.clone();
            spawn(async move {
                assert_timed_out(reader.read(&mut [0]).await);
                end.set(now());
                std::future::pending().await
            });
            assert_timed_out(writer.awrite(&[7; 20]).await);
            assert_eq!(now(), 2_700 + 1_000 + 50, "to the end of a step");
            assert_eq!(reading.get(), 1);
        });
    }

    #[test]
    fn without_deadlines_there_is_nothing() {
        assert!(Deadlines::begin(None, None).is_none());
        assert_eq!(size_of::<Option<Box<Deadlines>>>(), size_of::<usize>());
    }
}
