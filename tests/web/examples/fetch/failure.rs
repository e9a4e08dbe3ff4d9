//! Why nothing was fetched, and the exit code that says so.

use std::fmt;

/// What went wrong. The numbers are exit codes, and part of what `--help` promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line makes no sense.
    Usage = 2,
    /// There is no connection: the name is unknown, nobody listens.
    Connect = 3,
    /// There is no trust: a wrong certificate, a wrong name.
    Tls = 4,
    /// It took too long.
    TimedOut = 5,
    /// The answer is not HTTP, or was cut short.
    Protocol = 6,
    /// Redirected too often, in a circle, or to where we do not go.
    Redirect = 7,
    /// The server says that it cannot, or will not.
    Status = 8,
    /// There is more than we want.
    TooLong = 9,
    /// What came could not be written.
    Output = 10,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why nothing was fetched.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    why: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, why: impl fmt::Display) -> Failure {
        Failure { kind, why: why.to_string() }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.kind as u8
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}
