//! Why a read gave no result, or a write was not accepted.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

use crate::io;

/// The error of the reads that wait for a certain amount of bytes: [`readexactly`](crate::StreamReader::readexactly),
/// [`readline`](crate::StreamReader::readline), [`readuntil`](crate::StreamReader::readuntil) and
/// [`fill_more`](crate::StreamReader::fill_more).
///
/// It turns into an [`io::Error`] with `?`, of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof),
/// [`InvalidData`](io::ErrorKind::InvalidData) or that of the transport's error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended first. asyncio's `IncompleteReadError`.
    ///
    /// Those bytes of what was asked for that came before the end are in `partial`, and taken out of the reader. A reader with a
    /// [lent](crate::split_with) buffer keeps them in [`buffered`](crate::StreamReader::buffered), and `partial` is empty.
    /// Without the feature `alloc` there is no `partial`.
    #[cfg_attr(not(feature = "alloc"), non_exhaustive)]
    Incomplete {
        /// The bytes that came before the end.
        #[cfg(feature = "alloc")]
        partial: Vec<u8>,
    },
    /// More bytes are needed than the limit allows to buffer. asyncio's `LimitOverrunError`.
    ///
    /// Nothing is taken out of the reader: the bytes so far are in [`buffered`](crate::StreamReader::buffered). Go on
    /// with a larger limit, or pass over the bytes with [`skip_until`](crate::StreamReader::skip_until) or
    /// [`consume`](crate::StreamReader::consume).
    LimitExceeded {
        /// The limit that was exceeded, in bytes.
        limit: usize,
    },
    /// The transport failed. Bytes read before are kept in the reader.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "alloc")]
            ReadError::Incomplete { partial } if !partial.is_empty() => {
                write!(f, "the stream ended early, after {} bytes of what was asked for", partial.len())
            }
            ReadError::Incomplete { .. } => f.write_str("the stream ended early"),
            ReadError::LimitExceeded { limit } => {
                write!(f, "more than {limit} bytes would have to be buffered; raise the limit, or skip with `skip_until`")
            }
            ReadError::Io(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            ReadError::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match error {
            ReadError::Io(error) => return error,
            ReadError::Incomplete { .. } => io::ErrorKind::UnexpectedEof,
            ReadError::LimitExceeded { .. } => io::ErrorKind::InvalidData,
        };
        #[cfg(feature = "std")]
        return io::Error::new(kind, error);
        #[cfg(not(feature = "std"))]
        return kind.into();
    }
}

/// The error of [`StreamWriter::write`](crate::StreamWriter::write).
///
/// It turns into an [`io::Error`] with `?`, of the kind [`WouldBlock`](io::ErrorKind::WouldBlock) or that of the
/// transport's error.
#[cfg(feature = "alloc")]
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The data does not fit in the buffer. Nothing of it was accepted.
    ///
    /// Await [`drain`](crate::StreamWriter::drain) and try again; data that is longer than the limit goes with
    /// [`awrite`](crate::StreamWriter::awrite).
    Full {
        /// How many bytes wait in the buffer.
        buffered: usize,
        /// How many may.
        limit: usize,
    },
    /// The transport failed.
    Io(io::Error),
}

#[cfg(feature = "alloc")]
impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Full { buffered, limit } => {
                write!(f, "{buffered} of at most {limit} bytes wait to be written; await `drain` first, or use `awrite`")
            }
            WriteError::Io(error) => error.fmt(f),
        }
    }
}

#[cfg(feature = "alloc")]
impl core::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            WriteError::Io(error) => error.source(),
            WriteError::Full { .. } => None,
        }
    }
}

#[cfg(feature = "alloc")]
impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        WriteError::Io(error)
    }
}

#[cfg(feature = "alloc")]
impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Io(error) => error,
            #[cfg(feature = "std")]
            full => io::Error::new(io::ErrorKind::WouldBlock, full),
            #[cfg(not(feature = "std"))]
            WriteError::Full { .. } => io::ErrorKind::WouldBlock.into(),
        }
    }
}
