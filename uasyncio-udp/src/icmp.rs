//! What ICMP messages said about earlier datagrams.
//!
//! A socket has room for one such error (`sk_err`). Whatever is called next takes it out and fails with it, having done
//! nothing: no datagram was taken, none was sent. So the call is simply made again. That is right for receiving,
//! which cannot fail in these ways by itself. Sending can (no route), so there an error that comes back at once is
//! the datagram's own, but for `ConnectionRefused`, which never is.

use std::cell::Cell;
use std::io;

use uasyncio_io::Interest;

use crate::sys;

/// So many in a row cannot be old news: a receive that fails all the time has to say so rather than spin.
const MOST_IN_A_ROW: u32 = 32;

/// The errors that a socket met and what it does with them.
#[derive(Default)]
pub(crate) struct IcmpErrors {
    /// Each is the result of an operation, in place of being skipped.
    pub(crate) reported: Cell<bool>,
    count: Cell<u64>,
    last: Cell<Option<io::Error>>,
}

impl IcmpErrors {
    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    pub(crate) fn take_last(&self) -> Option<io::Error> {
        self.last.take()
    }

    /// Keeps an error that was counted already, or that is none of ICMP's, for `take_error`.
    pub(crate) fn keep(&self, error: io::Error) {
        self.last.set(Some(error));
    }

    /// Counts an error and keeps it.
    pub(crate) fn note(&self, error: io::Error) {
        self.count.set(self.count.get() + 1);
        self.last.set(Some(error));
    }

    /// Does an operation, again if an old error got in its way.
    #[inline]
    pub(crate) fn skip<R>(&self, interest: Interest, mut operation: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        match operation() {
            Err(error) if is_icmp(&error) => self.repeat(interest, error, operation),
            result => result,
        }
    }

    #[cold]
    fn repeat<R>(&self, interest: Interest, first: io::Error, mut operation: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        if self.reported.get() {
            self.count.set(self.count.get() + 1);
            return Err(first);
        }
        let mut skipped = first;
        for _ in 1..MOST_IN_A_ROW {
            let result = operation();
            match result {
                Err(error) if interest == Interest::Write && is_own(&skipped, &error) => return Err(error),
                Err(error) if is_icmp(&error) => self.note(std::mem::replace(&mut skipped, error)),
                result => {
                    self.note(skipped);
                    return result;
                }
            }
        }
        Err(skipped)
    }
}

/// Whether an error of sending that came twice in a row is the datagram's own.
fn is_own(before: &io::Error, error: &io::Error) -> bool {
    let what = |error: &io::Error| (error.kind(), error.raw_os_error());
    error.kind() != io::ErrorKind::ConnectionRefused && what(error) == what(before)
}

/// Whether an error may be what an ICMP message said of an earlier datagram.
fn is_icmp(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
        || error.raw_os_error().is_some_and(|number| sys::ICMP_ERRORS.contains(&number))
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use uasyncio_io::Interest;

    use super::{IcmpErrors, MOST_IN_A_ROW};

    /// Skips what a scripted operation meets, and gives the result, the errors that were noted and the calls.
    fn skip(interest: Interest, script: &[Option<ErrorKind>]) -> (io::Result<usize>, u64, usize) {
        let errors = IcmpErrors::default();
        let mut calls = 0;
        let result = errors.skip(interest, || {
            calls += 1;
            match script[(calls - 1).min(script.len() - 1)] {
                Some(kind) => Err(kind.into()),
                None => Ok(calls),
            }
        });
        (result, errors.count(), calls)
    }

    #[test]
    fn old_news_is_skipped_and_counted() {
        let script = [Some(ErrorKind::ConnectionRefused), Some(ErrorKind::HostUnreachable), None];
        for interest in [Interest::Read, Interest::Write] {
            let (result, noted, calls) = skip(interest, &script);
            assert_eq!((result.unwrap(), noted, calls), (3, 2, 3));
        }
        let (result, noted, calls) = skip(Interest::Read, &[Some(ErrorKind::ConnectionRefused), Some(ErrorKind::WouldBlock)]);
        assert_eq!((result.unwrap_err().kind(), noted, calls), (ErrorKind::WouldBlock, 1, 2));
    }

    #[test]
    fn a_datagram_that_has_no_route_says_so_and_is_not_taken_for_old_news() {
        let (result, noted, calls) = skip(Interest::Write, &[Some(ErrorKind::NetworkUnreachable)]);
        assert_eq!((result.unwrap_err().kind(), noted, calls), (ErrorKind::NetworkUnreachable, 0, 2));
        // After old news of another kind.
        let script = [Some(ErrorKind::ConnectionRefused), Some(ErrorKind::NetworkUnreachable)];
        let (result, noted, calls) = skip(Interest::Write, &script);
        assert_eq!((result.unwrap_err().kind(), noted, calls), (ErrorKind::NetworkUnreachable, 1, 3));
    }

    #[test]
    fn an_error_that_never_ends_is_reported_rather_than_spun_on() {
        let (result, _, calls) = skip(Interest::Read, &[Some(ErrorKind::NetworkUnreachable)]);
        assert_eq!((result.unwrap_err().kind(), calls), (ErrorKind::NetworkUnreachable, MOST_IN_A_ROW as usize));
    }

    #[test]
    fn other_errors_are_nothing_to_skip() {
        let (result, noted, calls) = skip(Interest::Read, &[Some(ErrorKind::InvalidInput)]);
        assert_eq!((result.unwrap_err().kind(), noted, calls), (ErrorKind::InvalidInput, 0, 1));
    }
}
