//! Ends a test that hangs.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Ends the process if the test hangs, so that a lost wake-up is a failure and not a wait.
pub(crate) struct Watchdog {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub(crate) fn new(scenario: &'static str) -> Watchdog {
        let (end, ended) = mpsc::channel::<()>();
        // Miri's clock runs with its instructions, and those are slow.
        let patience = Duration::from_secs(if cfg!(miri) { 36_000 } else { 60 });
        let thread = thread::spawn(move || {
            if ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{scenario}: no progress, a wake-up was lost");
                std::process::abort();
            }
        });
        Watchdog { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
