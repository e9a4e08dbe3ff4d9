//! TLS as a transport over another transport.
//!
//! ```text
//!             plain text                    records
//!   stream ──────────────► rustls session ────────────► the transport below
//!          ◄──────────────   (bounded)    ◄────────────
//! ```
//!
//! The session is a machine without I/O. Writing encrypts up to 64 KiB and passes the records on; while some of them are held, no
//! more is accepted, so memory is bounded. Reading passes held records on first, for the peer may wait for them, then takes
//! in records until there is plain text. So a half that reads may wait for both directions of the transport below, and
//! `Blocked` always names the half that asked: `poll_ready` knows what that half waits for.
//!
//! A waker that is woken by the transport below may run anything, even another operation of this session. That one finds the
//! session in use, waits, and is woken when the first one is done.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustls::pki_types::CertificateDer;
use rustls::{Connection, ProtocolVersion};

use super::session::{Agreed, State};
use super::waiters::Waiters;
use crate::transport::{Direction, Transport, TryError, closed_error};

/// How many bytes are thrown away when a session is closed, so that TCP does not answer them with a reset: mostly the session
/// tickets of a server that nobody has read.
const MOST_DISCARDED: usize = 16 * 1024;

/// A TLS session over another [`Transport`], made by [`TlsConnector`](super::TlsConnector) and
/// [`TlsAcceptor`](super::TlsAcceptor). Its handshake is done.
///
/// The end of a stream is known to be meant: the peer has sent `close_notify`. When the transport below ends without it, because
/// somebody has cut the connection, reading fails with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). Broken records fail with
/// [`InvalidData`](io::ErrorKind::InvalidData).
///
/// `write_eof` sends `close_notify`, and reading goes on. `aclose` of the writer sends it, waits until it is on its way,
/// and closes the transport below; dropping both halves, and `aclose` of the reader, send it if that is possible without waiting.
/// `abort` does not send it: the peer sees an error.
///
/// A session holds about 20 KiB while records are coming in, and up to 64 KiB that wait to be passed on.
pub struct TlsTransport<T: Transport> {
    inner: T,
    state: RefCell<State>,
    agreed: OnceCell<Agreed>,
    closed: Cell<bool>,
    /// An operation found the session in use.
    contended: Cell<bool>,
    /// Who waits in each direction of `inner`.
    waiters: [Arc<Waiters>; 2],
    /// The same as wakers.
    wakers: [Waker; 2],
}

impl<T: Transport> TlsTransport<T> {
    pub(super) fn new(inner: T, read_ahead: Vec<u8>, session: Connection) -> Self {
        let waiters: [Arc<Waiters>; 2] = Default::default();
        let wakers = waiters.clone().map(Waker::from);
        TlsTransport {
            inner,
            state: RefCell::new(State::new(session, read_ahead)),
            agreed: OnceCell::new(),
            closed: Cell::new(false),
            contended: Cell::new(false),
            waiters,
            wakers,
        }
    }

    /// The transport below: to learn the peer's address, for one. What is read or written there breaks the session.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The protocol that both sides have agreed on by ALPN, such as `h2`.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.agreed.get()?.alpn_protocol.as_deref()
    }

    /// The peer's certificates, its own first. A server has asked for them only if its configuration says so. asyncio's
    /// `get_extra_info("peercert")`.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.agreed.get()?.peer_certificates.as_deref()
    }

    /// TLS 1.2 or TLS 1.3.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.agreed.get()?.protocol_version
    }

    /// On a server, the name that the client has asked for (SNI).
    pub fn server_name(&self) -> Option<&str> {
        self.agreed.get()?.server_name.as_deref()
    }

    /// Goes on with the handshake, as far as it goes without waiting. Wait for the direction `Read`.
    pub(super) fn try_handshake(&self) -> Result<(), TryError> {
        self.attempt(Direction::Read, |state, _| {
            loop {
                let pushed = state.push(&self.inner);
                if !state.session.is_handshaking() {
                    self.agreed.get_or_init(|| Agreed::of(&state.session));
                    // The last that a server of TLS 1.3 sends are session tickets: nobody waits for them, nor for a peer that takes none.
                    return if state.holds_tickets_only() { Ok(()) } else { pushed.map_err(|error| error.of(Direction::Read)) };
                }
                match state.pull(&self.inner) {
                    Ok(0) if state.session.is_handshaking() => {
                        let why = "the peer closed the connection during the TLS handshake";
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why).into());
                    }
                    Ok(_) => {}
                    // The error of writing, unless the peer has said what it does not like.
                    Err(TryError::Blocked(_)) => {
                        return match pushed {
                            Err(TryError::Failed(error)) => Err(TryError::Failed(error)),
                            _ => Err(TryError::Blocked(Direction::Read)),
                        };
                    }
                    failed => return failed.map(drop),
                }
            }
        })
    }

    /// Runs an operation of one half. It says by the cell whether it has passed on what the other half may wait for.
    fn attempt<R>(
        &self,
        half: Direction,
        operation: impl FnOnce(&mut State, &Cell<bool>) -> Result<R, TryError>,
    ) -> Result<R, TryError> {
        if self.closed.get() {
            return Err(closed_error().into());
        }
        let Ok(mut state) = self.state.try_borrow_mut() else {
            self.contended.set(true);
            return Err(TryError::Blocked(half));
        };
        let passed_on = Cell::new(false);
        let result = operation(&mut state, &passed_on);
        drop(state);
        if passed_on.get() && half == Direction::Read {
            self.waiters.iter().for_each(|waiters| waiters.wake_half(Direction::Write));
        }
        if self.contended.take() {
            self.wake_all();
        }
        result
    }

    fn wake_all(&self) {
        self.wakers.iter().for_each(Waker::wake_by_ref);
    }
}

impl TryError {
    /// The same error, with the half that has to wait.
    fn of(self, half: Direction) -> TryError {
        match self {
            TryError::Blocked(_) => TryError::Blocked(half),
            failed => failed,
        }
    }
}

impl<T: Transport> Transport for TlsTransport<T> {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        self.attempt(Direction::Read, |state, passed_on| {
            loop {
                let mut pushed = Ok(());
                if state.session.wants_write() {
                    pushed = state.push(&self.inner);
                    passed_on.set(!matches!(pushed, Err(TryError::Blocked(_))));
                }
                match state.session.reader().read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Ok(result?),
                }
                match state.pull(&self.inner) {
                    Ok(_) => {}
                    // Only now: there may have been something to read from a peer that reads no more.
                    Err(TryError::Blocked(_)) => {
                        return match pushed {
                            Err(TryError::Failed(error)) => Err(TryError::Failed(error)),
                            _ => Err(TryError::Blocked(Direction::Read)),
                        };
                    }
                    // What came before it comes first.
                    Err(failed) => return state.session.reader().read(buffer).ok().filter(|&count| count > 0).ok_or(failed),
                }
            }
        })
    }

    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        self.try_write_vectored(&[IoSlice::new(data)])
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Result<usize, TryError> {
        self.attempt(Direction::Write, |state, _| {
            if state.ended {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
            state.push(&self.inner).map_err(|error| error.of(Direction::Write))?;
            let count = state.session.writer().write_vectored(slices)?;
            match state.push(&self.inner) {
                Err(TryError::Failed(error)) => Err(TryError::Failed(error)),
                // What is blocked is held, and passed on by the next operation: by `try_flush`, mostly.
                _ => Ok(count),
            }
        })
    }

    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        let half = direction;
        let Ok(state) = self.state.try_borrow() else {
            self.contended.set(true);
            self.waiters[0].register(half, cx.waker());
            return Poll::Pending;
        };
        let [to_read, to_write] = state.blocked;
        let needed = match half {
            Direction::Read => [Some(to_read), state.session.wants_write().then_some(to_write)],
            Direction::Write => [Some(to_write), None],
        };
        drop(state);
        for below in needed.into_iter().flatten() {
            self.waiters[below as usize].register(half, cx.waker());
            let ready = self.inner.poll_ready(&mut Context::from_waker(&self.wakers[below as usize]), below);
            if ready.is_ready() {
                return ready;
            }
        }
        Poll::Pending
    }

    fn try_flush(&self) -> Result<(), TryError> {
        self.attempt(Direction::Write, |state, _| state.push(&self.inner).map_err(|error| error.of(Direction::Write)))
    }

    fn close_write(&self) -> Result<(), TryError> {
        self.attempt(Direction::Write, |state, _| {
            state.say_farewell();
            state.push(&self.inner).map_err(|error| error.of(Direction::Write))
        })
    }

    fn try_finish(&self) -> Result<(), TryError> {
        if self.closed.get() {
            return Ok(());
        }
        self.attempt(Direction::Write, |state, _| {
            let with_data = !state.ended && state.session.wants_write();
            state.say_farewell();
            match state.push(&self.inner) {
                // Nobody is left to say farewell to.
                Err(TryError::Failed(_)) if !with_data => Ok(()),
                result => result.map_err(|error| error.of(Direction::Write)),
            }
        })
    }

    fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.say_farewell();
            let _ = state.push(&self.inner);
            self.inner.discard(MOST_DISCARDED);
        }
        self.inner.close();
        self.wake_all();
    }

    fn abort(&self) {
        self.closed.set(true);
        self.inner.abort();
        self.wake_all();
    }
}

impl<T: Transport> Drop for TlsTransport<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T: Transport> fmt::Debug for TlsTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The session knows keys, and plain text.
        f.debug_struct("TlsTransport").field("closed", &self.closed.get()).finish_non_exhaustive()
    }
}
