//! The errors and slices of the streams' interface: those of `std::io`, or small ones of the same shape.
//!
//! With the feature `std` these are [`std::io`]'s own items. Without it `core` has none, so this module has its own:
//! a part of what `std` offers, under the same names. Code that imports them from here builds with either.
//!
//! | here | without `std` |
//! |---|---|
//! | `Error` | one byte: a kind. `Error::new(kind, "message")` and `Error::other` forget the message, because a microcontroller has no room for it |
//! | `ErrorKind` | those kinds of `std`'s that a stream may have to do with |
//! | `IoSlice` | a `&[u8]`, for `awritev` |
//! | `Result` | the same |
//!
//! The small `Error` is `Copy` and can be compared, `std`'s is not and cannot: code that builds with either uses its
//! `kind()` for that.

#[cfg(feature = "std")]
pub use std::io::{Error, ErrorKind, IoSlice, Result};

#[cfg(not(feature = "std"))]
pub use self::small::{Error, ErrorKind, IoSlice, Result};

#[cfg(not(feature = "std"))]
mod small {
    use core::fmt;
    use core::ops::Deref;

    /// The result of an operation of a transport.
    pub type Result<T> = core::result::Result<T, Error>;

    macro_rules! kinds {
        ($($(#[$documentation:meta])* $kind:ident $description:literal)*) => {
            /// The kind of an [`Error`]. The names and meanings are `std`'s.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            #[non_exhaustive]
            pub enum ErrorKind { $($(#[$documentation])* $kind,)* }

            impl ErrorKind {
                fn description(self) -> &'static str {
                    match self { $(ErrorKind::$kind => $description,)* }
                }
            }
        };
    }

    kinds! {
        /// What was asked for does not exist.
        NotFound "entity not found"
        /// It is not allowed.
        PermissionDenied "permission denied"
        /// The peer does not take the connection.
        ConnectionRefused "connection refused"
        /// The peer ended the connection without a proper end.
        ConnectionReset "connection reset"
        /// The connection was ended on this side.
        ConnectionAborted "connection aborted"
        /// There is no connection, or no longer.
        NotConnected "not connected"
        /// The peer reads no more.
        BrokenPipe "broken pipe"
        /// It would have to wait, and may not.
        WouldBlock "operation would block"
        /// A parameter that cannot be.
        InvalidInput "invalid input parameter"
        /// Data that cannot be: a framing or parity error of a UART, for example.
        InvalidData "invalid data"
        /// Its time is over.
        TimedOut "timed out"
        /// The transport accepts nothing.
        WriteZero "write zero"
        /// It was interrupted and can be done again.
        Interrupted "operation interrupted"
        /// The transport cannot do that.
        Unsupported "unsupported"
        /// The stream ended too early.
        UnexpectedEof "unexpected end of file"
        /// There is no memory left.
        OutOfMemory "out of memory"
        /// None of the others.
        Other "other error"
    }

    impl fmt::Display for ErrorKind {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.description())
        }
    }

    /// Why an operation of a transport failed: a kind, in one byte.
    ///
    /// ```
    /// use uasyncio_streams::io::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::InvalidData, "a framing error");
    /// assert_eq!(error.kind(), ErrorKind::InvalidData);
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Error(ErrorKind);

    impl Error {
        /// An error of this kind. The message is for programs with `std`; here it is not kept.
        #[inline]
        pub fn new(kind: ErrorKind, message: &'static str) -> Error {
            let _ = message;
            Error(kind)
        }

        /// An error of the kind [`Other`](ErrorKind::Other). The message is not kept, as in [`new`](Self::new).
        #[inline]
        pub fn other(message: &'static str) -> Error {
            Error::new(ErrorKind::Other, message)
        }

        /// What kind of an error it is.
        #[inline]
        pub fn kind(&self) -> ErrorKind {
            self.0
        }
    }

    impl From<ErrorKind> for Error {
        #[inline]
        fn from(kind: ErrorKind) -> Error {
            Error(kind)
        }
    }

    impl fmt::Display for Error {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    impl core::error::Error for Error {}

    /// Bytes to be written, one of several slices.
    #[derive(Clone, Copy, Debug)]
    pub struct IoSlice<'a>(&'a [u8]);

    impl<'a> IoSlice<'a> {
        /// Borrows the bytes.
        #[inline]
        pub fn new(bytes: &'a [u8]) -> IoSlice<'a> {
            IoSlice(bytes)
        }
    }

    impl Deref for IoSlice<'_> {
        type Target = [u8];

        #[inline]
        fn deref(&self) -> &[u8] {
            self.0
        }
    }
}
