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
        ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted | PermissionDenied | TimedOut | NetworkDown
        | NetworkUnreachable | HostUnreachable => Fault::Connection,
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

#[cfg(all(test, unix))]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use rustix::io::Errno;
    use uasyncio_core::{EventLoop, VirtualTime};

    use super::*;

    /// Answers from a script: a connection, an error, or "would block" once. Then it is closed.
    struct Script {
        answers: RefCell<Vec<Result<u32, Errno>>>,
        /// When it was asked, in milliseconds.
        asked: RefCell<Vec<u32>>,
    }

    impl Listener for Script {
        type Connection = u32;

        fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<u32>>> {
            self.asked.borrow_mut().push(get_event_loop().time().as_millis());
            let mut answers = self.answers.borrow_mut();
            if answers.is_empty() {
                return Poll::Ready(None);
            }
            match answers.remove(0) {
                Err(Errno::AGAIN) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                answer => Poll::Ready(Some(answer.map_err(io::Error::from))),
            }
        }
    }

    struct Outcome {
        result: io::Result<()>,
        served: Vec<u32>,
        asked: Vec<u32>,
        reports: Vec<(u32, String)>,
    }

    fn play(answers: Vec<Result<u32, Errno>>) -> Outcome {
        let listener = Script { answers: RefCell::new(answers), asked: RefCell::default() };
        let served = RefCell::new(Vec::new());
        let reports = Rc::new(RefCell::new(Vec::new()));
        let log = reports.clone();
        let result = EventLoop::with_platform(VirtualTime::new())
            .run_until_complete(async {
                get_event_loop().set_exception_handler(move |context| {
                    log.borrow_mut().push((get_event_loop().time().as_millis(), context.to_string()));
                });
                accept_loop(&listener, |connection| served.borrow_mut().push(connection)).await
            })
            .unwrap();
        Outcome { result, served: served.take(), asked: listener.asked.take(), reports: reports.take() }
    }

    #[test]
    fn t_02_errors_of_one_connection_cost_no_time_and_are_not_reported() {
        for error in [
            Errno::CONNABORTED,
            Errno::INTR,
            Errno::PROTO,
            Errno::PERM,
            Errno::AGAIN,
            Errno::NETDOWN,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NETUNREACH,
        ] {
            let outcome = play(vec![Ok(1), Err(error), Err(error), Ok(2)]);
            assert!(outcome.result.is_ok(), "{error}");
            assert_eq!(outcome.served, [1, 2], "{error}");
            let start = outcome.asked[0];
            assert!(outcome.asked.iter().all(|&asked| asked == start), "{error}");
            assert!(outcome.reports.is_empty(), "{error}");
        }
    }

    #[test]
    fn t_02_a_listener_that_is_none_any_more_ends_the_loop_with_its_error() {
        for error in [Errno::BADF, Errno::INVAL, Errno::NOTSOCK] {
            let outcome = play(vec![Ok(1), Err(error), Ok(2)]);
            assert_eq!(outcome.result.unwrap_err().raw_os_error(), Some(error.raw_os_error()));
            assert_eq!(outcome.served, [1]);
        }
    }

    #[test]
    fn t_01_a_lack_of_resources_is_waited_for_and_reported_now_and_then() {
        for error in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::OPNOTSUPP] {
            let outcome = play([vec![Ok(1)], vec![Err(error); 30], vec![Ok(2), Err(error), Ok(3)]].concat());
            assert!(outcome.result.is_ok(), "{error}");
            assert_eq!(outcome.served, [1, 2, 3], "{error}");
            let start = outcome.asked[0];
            // One call for the first connection, then one after each pause.
            let pauses: Vec<u32> = outcome.asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let wished = [5, 10, 20, 40, 80, 160, 320, 640].into_iter().chain(std::iter::repeat_n(1000, 22));
            let wished: Vec<u32> = [0].into_iter().chain(wished).chain([0, 5, 0]).collect();
            assert_eq!(pauses, wished, "{error}");
            assert!(outcome.asked.iter().filter(|&&asked| asked - start < 2000).count() <= 30, "{error}");
            // The oracle of the rate: the first failure, and each that is 10 s after the last report.
            let mut expected: Vec<u32> = Vec::new();
            for &failure in &outcome.asked[1..31] {
                if expected.last().is_none_or(|last| failure >= last + 10_000) {
                    expected.push(failure);
                }
            }
            let reported: Vec<u32> = outcome.reports.iter().map(|(time, _)| *time).collect();
            assert_eq!(reported, expected, "{error}");
            assert_eq!(reported.len(), 3, "{error}");
            assert!(outcome.reports[0].1.contains("cannot accept"), "{:?}", outcome.reports[0]);
        }
    }

    #[test]
    fn errors_of_single_connections_without_end_do_not_spin() {
        let outcome = play([vec![Err(Errno::PERM); 103], vec![Ok(1)]].concat());
        assert_eq!(outcome.served, [1]);
        let start = outcome.asked[0];
        assert_eq!(outcome.asked.iter().filter(|&&asked| asked == start).count(), 101);
        assert_eq!(outcome.reports.len(), 1);
    }
}
