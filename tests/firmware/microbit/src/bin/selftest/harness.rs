//! Runs tests one after the other and reports as the host's test programs do, by semihosting.

use core::cell::Cell;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use board::semihosting::{self, Console};
use critical_section::Mutex;

static NAME: Mutex<Cell<&str>> = Mutex::new(Cell::new("start"));
static PASSED: AtomicU32 = AtomicU32::new(0);

/// Runs one test; it fails by a panic, which ends the program.
pub(crate) fn test(name: &'static str, body: impl FnOnce()) {
    critical_section::with(|section| NAME.borrow(section).set(name));
    body();
    PASSED.store(PASSED.load(Relaxed) + 1, Relaxed);
    say(format_args!("test {name} ... ok"));
}

/// All of them have passed.
pub(crate) fn finish() -> ! {
    say(format_args!("test result: ok. {} passed; 0 failed", PASSED.load(Relaxed)));
    semihosting::exit(true)
}

/// A line for whoever reads the report.
pub(crate) fn say(line: core::fmt::Arguments<'_>) {
    let _ = writeln!(Console, "{line}"); // the console takes everything
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let name = critical_section::with(|section| NAME.borrow(section).get());
    say(format_args!("{info}\ntest {name} ... FAILED"));
    say(format_args!("test result: FAILED. {} passed; 1 failed", PASSED.load(Relaxed)));
    semihosting::exit(false)
}

/// What happened, in order: a character for each event.
pub(crate) struct Trace {
    events: [Cell<u8>; 64],
    length: Cell<usize>,
}

impl Trace {
    pub(crate) const fn new() -> Trace {
        Trace { events: [const { Cell::new(0) }; 64], length: Cell::new(0) }
    }

    pub(crate) fn mark(&self, event: char) {
        self.events[self.length.get()].set(event as u8);
        self.length.set(self.length.get() + 1);
    }

    /// Exactly this has happened.
    #[track_caller]
    pub(crate) fn is(&self, expected: &str) {
        let mut seen = [0; 64];
        for (place, event) in seen.iter_mut().zip(&self.events) {
            *place = event.get();
        }
        assert_eq!(core::str::from_utf8(&seen[..self.length.get()]), Ok(expected));
    }
}
