//! The accept loop: it survives what can be survived, and never spins.
//!
//! | the error | what happens |
//! |---|---|
//! | of one connection: aborted, refused by a firewall, a network error | the next connection, at once |
//! | of resources: no descriptor, no memory, and whatever is unknown | the exception handler is told, at most every 10 s; a pause |
//! | of the listener: it is no listening socket any more | the loop ends with that error |
//!
//! The pauses grow from 5 ms to 1 s and start over with the next connection. While the loop pauses, the kernel keeps
//! the connections in its queue. Errors of single connections that follow each other without end are one of resources too.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use uasyncio_core::{Exception, ExceptionContext, Ticks, get_event_loop, sleep_ms};

use super::sys;

const FIRST_PAUSE: u32 = 5;
const LONGEST_PAUSE: u32 = 1_000;
const REPORT_EVERY: u32 = 10_000;
const MOST_IN_A_ROW: u32 = 100;

/// What connections come from.
pub(crate) trait Listener {
    type Connection;

    /// The next connection; `None` when the listener was closed.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Self::Connection>>>;
}

/// Gives each connection to `serve`. Ends when the listener was closed, or with the error that ended it.
pub(crate) async fn accept_loop<L: Listener>(listener: &L, serve: impl Fn(L::Connection)) -> io::Result<()> {
    let mut trouble = Trouble::default();
    while let Some(result) = poll_fn(|cx| listener.poll_accept(cx)).await {
        match result {
            Ok(connection) => {
                trouble.over();
                serve(connection);
            }
            Err(error) => match fault_of(&error) {
                Fault::Listener => return Err(error),
                Fault::Connection if trouble.is_bearable() => {}
                Fault::Connection | Fault::Resources => sleep_ms(trouble.pause(&error)).await,
            },
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Connection,
    Resources,
    Listener,
}

fn fault_of(error: &io::Error) -> Fault {
    use io::ErrorKind::*;
    let is_any_of = |numbers: &[i32]| error.raw_os_error().is_some_and(|number| numbers.contains(&number));
    match error.kind() {
        InvalidInput => Fault::Listener,
        _ if is_any_of(sys::NO_SOCKET) => Fault::Listener,
        ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted | PermissionDenied | TimedOut
        | NetworkDown | NetworkUnreachable | HostUnreachable => Fault::Connection,
        _ if is_any_of(sys::OF_ONE_CONNECTION) => Fault::Connection,
        _ => Fault::Resources,
    }
}

/// What went wrong since the last connection.
#[derive(Default)]
struct Trouble {
    pause: u32,
    in_a_row: u32,
    /// Survives the next connection, so that trouble that comes and goes is not told of each time.
    reported: Option<Ticks>,
}

impl Trouble {
    fn over(&mut self) {
        self.pause = 0;
        self.in_a_row = 0;
    }

    fn is_bearable(&mut self) -> bool {
        self.in_a_row += 1;
        self.in_a_row <= MOST_IN_A_ROW
    }

    /// How long to pause, in milliseconds.
    fn pause(&mut self, error: &io::Error) -> u32 {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        let now = get_event_loop().time();
        // After 24 days the difference turns negative: then it is time as well.
        let recent = |then: Ticks| (0..REPORT_EVERY as i32).contains(&now.diff(then));
        if !self.reported.is_some_and(recent) {
            self.reported = Some(now);
            get_event_loop().call_exception_handler(&ExceptionContext::new(
                "a server cannot accept connections for now, and tries again",
                Exception::Error(error),
            ));
        }
        self.pause
    }
}
