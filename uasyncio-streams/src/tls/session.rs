//! The machine without I/O, and what it is fed and emptied with.

use std::io::{self, IoSlice, Write};

use rustls::pki_types::CertificateDer;
use rustls::{Connection, ProtocolVersion};

use crate::buffer::ReadBuffer;
use crate::pool::BLOCK;
use crate::transport::{Direction, Transport, TryError};

/// How many bytes of plain text are encrypted before they have to be passed on.
const MOST_HELD: usize = 64 * 1024;

/// What the handshake has settled. Kept apart from the session, which is in use while wakers run.
pub(super) struct Agreed {
    pub(super) alpn_protocol: Option<Vec<u8>>,
    pub(super) peer_certificates: Option<Vec<CertificateDer<'static>>>,
    pub(super) protocol_version: Option<ProtocolVersion>,
    pub(super) server_name: Option<String>,
}

impl Agreed {
    pub(super) fn of(session: &Connection) -> Agreed {
        let owned = |certificates: &[CertificateDer<'_>]| certificates.iter().map(|one| one.clone().into_owned()).collect();
        Agreed {
            alpn_protocol: session.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: session.peer_certificates().map(owned),
            protocol_version: session.protocol_version(),
            server_name: match session {
                Connection::Server(session) => session.server_name().map(str::to_owned),
                Connection::Client(_) => None,
            },
        }
    }
}

/// A session between two operations.
pub(super) struct State {
    pub(super) session: Connection,
    /// Bytes that were read from the transport below.
    incoming: ReadBuffer,
    /// Where the transport below was last blocked when it was asked to read, and to write.
    pub(super) blocked: [Direction; 2],
    /// Nothing more will be written.
    pub(super) ended: bool,
    /// The peer's records are not right. The session knows that too, but it would take in more of them first.
    failed: Option<rustls::Error>,
}

impl State {
    pub(super) fn new(mut session: Connection, read_ahead: Vec<u8>) -> State {
        session.set_buffer_limit(Some(MOST_HELD));
        let blocked = [Direction::Read, Direction::Write];
        State { session, incoming: ReadBuffer::holding(read_ahead), blocked, ended: false, failed: None }
    }

    /// Passes on what the session holds.
    pub(super) fn push<T: Transport>(&mut self, inner: &T) -> Result<(), TryError> {
        while self.session.wants_write() {
            let mut below = Below { inner, blocked: None };
            match self.session.write_tls(&mut below) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(_) => {}
                Err(error) => {
                    let Some(direction) = below.blocked else {
                        return Err(TryError::Failed(error));
                    };
                    self.blocked[Direction::Write as usize] = direction;
                    return Err(TryError::Blocked(direction));
                }
            }
        }
        match inner.try_flush() {
            Err(TryError::Blocked(direction)) => {
                self.blocked[Direction::Write as usize] = direction;
                Err(TryError::Blocked(direction))
            }
            result => result,
        }
    }

    /// Takes in records. 0: the transport below has ended.
    pub(super) fn pull<T: Transport>(&mut self, inner: &T) -> Result<usize, TryError> {
        if let Some(error) = &self.failed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, error.clone()).into());
        }
        if self.incoming.is_empty() {
            // The session by itself would read no more than 4 KiB at a time.
            match inner.try_read(self.incoming.spare(BLOCK)) {
                Ok(count) => self.incoming.filled(count),
                Err(error) => {
                    self.incoming.release();
                    if let TryError::Blocked(direction) = error {
                        self.blocked[Direction::Read as usize] = direction;
                    }
                    return Err(error);
                }
            }
        }
        let count = self.session.read_tls(&mut self.incoming.bytes())?;
        self.incoming.consume(count);
        self.incoming.release();
        if let Err(error) = self.session.process_new_packets() {
            // The peer is told why, if that is possible.
            let _ = self.push(inner);
            self.failed = Some(error.clone());
            return Err(io::Error::new(io::ErrorKind::InvalidData, error).into());
        }
        Ok(count)
    }

    pub(super) fn holds_tickets_only(&self) -> bool {
        let is_server = matches!(self.session, Connection::Server(_));
        is_server && self.session.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    pub(super) fn say_farewell(&mut self) {
        if !self.ended {
            self.ended = true;
            self.session.send_close_notify();
        }
    }
}

/// The transport below as the session writes to it.
struct Below<'a, T> {
    inner: &'a T,
    blocked: Option<Direction>,
}

impl<T> Below<'_, T> {
    fn io(&mut self, result: Result<usize, TryError>) -> io::Result<usize> {
        result.map_err(|error| match error {
            TryError::Failed(error) => error,
            TryError::Blocked(direction) => {
                self.blocked = Some(direction);
                io::ErrorKind::WouldBlock.into()
            }
        })
    }
}

impl<T: Transport> Write for Below<'_, T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let result = self.inner.try_write(data);
        self.io(result)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let result = self.inner.try_write_vectored(slices);
        self.io(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
