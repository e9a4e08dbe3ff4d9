//! The line that shows, on a terminal, how far it has come.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// No more often than this.
const PAUSE: Duration = Duration::from_millis(100);

/// A line at the bottom of a terminal; it goes when this is dropped.
pub(crate) struct Progress {
    shown: bool,
    total: Option<u64>,
    received: u64,
    start: Instant,
    last: Option<Instant>,
}

impl Progress {
    /// `shown`: whether there is somebody to see it.
    pub(crate) fn new(shown: bool) -> Progress {
        Progress { shown, total: None, received: 0, start: Instant::now(), last: None }
    }

    /// The body begins; so long it is, if that is known.
    pub(crate) fn begin(&mut self, total: Option<u64>) {
        self.total = total;
        self.start = Instant::now();
        self.draw();
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.received += bytes as u64;
        self.draw();
    }

    fn draw(&mut self) {
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        // If the terminal is gone, so is the need.
        let _ = write!(io::stderr(), "\r\x1b[K{}", line(self.received, self.total, self.start.elapsed()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// `[#####---------------]  25 %  1.5 of 6.0 MB, 700 kB/s`
pub(crate) fn line(received: u64, total: Option<u64>, elapsed: Duration) -> String {
    const WIDTH: usize = 20;
    let speed = match elapsed.as_secs_f64() {
        seconds if seconds < 0.1 => String::new(),
        seconds => format!(", {}/s", bytes(received as f64 / seconds)),
    };
    let Some(total) = total.filter(|total| *total > 0) else { return format!("{}{speed}", bytes(received as f64)) };
    let part = (received as f64 / total as f64).min(1.0);
    let filled = (part * WIDTH as f64) as usize;
    let (filled, rest) = ("#".repeat(filled), "-".repeat(WIDTH - filled));
    format!("[{filled}{rest}] {:3} %  {} of {}{speed}", (part * 100.0) as u32, bytes(received as f64), bytes(total as f64))
}

fn bytes(count: f64) -> String {
    match count {
        count if count < 1e3 => format!("{count:.0} B"),
        count if count < 1e6 => format!("{:.1} kB", count / 1e3),
        count if count < 1e9 => format!("{:.1} MB", count / 1e6),
        count => format!("{:.2} GB", count / 1e9),
    }
}
