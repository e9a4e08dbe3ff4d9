//! An epoll loop by hand, level-triggered: a connection whose request is there when it is accepted is answered before it is
//! registered, a message costs a wait, a read and a write.

use crate::document::{DOCUMENT_RESPONSE, parse};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, send};
use std::io;
use std::net::TcpListener;

/// What the server says to bytes that have come.
pub trait Service: 'static {
    fn answer(bytes: &[u8]) -> Answer<'_>;
}

pub struct Answer<'a> {
    /// How many of the bytes are dealt with; 0: more must come first.
    used: usize,
    reply: &'a [u8],
    then: Then,
}

#[derive(PartialEq)]
enum Then {
    GoOn,
    Close,
}

pub struct Echo;
pub struct Once;
pub struct Http;

impl Service for Echo {
    fn answer(bytes: &[u8]) -> Answer<'_> {
        Answer { used: bytes.len(), reply: bytes, then: Then::GoOn }
    }
}

impl Service for Once {
    fn answer(bytes: &[u8]) -> Answer<'_> {
        Answer { used: bytes.len(), reply: bytes, then: Then::Close }
    }
}

impl Service for Http {
    fn answer(bytes: &[u8]) -> Answer<'_> {
        match parse(bytes) {
            Ok(Some(request)) => {
                let then = if request.keep_alive { Then::GoOn } else { Then::Close };
                Answer { used: request.head, reply: DOCUMENT_RESPONSE, then }
            }
            Ok(None) => Answer { used: 0, reply: &[], then: Then::GoOn },
            Err(_) => Answer { used: 0, reply: &[], then: Then::Close },
        }
    }
}

/// A connection. Both vectors are empty, and own no memory, unless a request or a reply was cut.
struct Connection {
    socket: OwnedFd,
    input: Vec<u8>,
    output: Vec<u8>,
    close_after_output: bool,
    wants_write: bool,
}

/// The key of the listener; connections go by their descriptors.
const LISTENER: u64 = u64::MAX;

struct Loop {
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    /// What is read goes here first; it is copied only if it is not a whole request.
    scratch: Vec<u8>,
}

pub fn run<S: Service>(listener: TcpListener) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut this = Loop { epoll, connections: Vec::new(), scratch: Vec::with_capacity(4096) };
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(&this.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => this.accept::<S>(&listener)?,
                key => this.attend::<S>(key as usize)?,
            }
        }
    }
}

impl Loop {
    fn accept<S: Service>(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => {
                    let mut connection = Connection {
                        socket,
                        input: Vec::new(),
                        output: Vec::new(),
                        close_after_output: false,
                        wants_write: false,
                    };
                    if connection.serve::<S>(&mut self.scratch) {
                        self.keep(connection)?;
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Registers a new connection.
    fn keep(&mut self, mut connection: Connection) -> io::Result<()> {
        let key = connection.socket.as_raw_fd() as usize;
        connection.wants_write = !connection.output.is_empty();
        epoll::add(&self.epoll, &connection.socket, EventData::new_u64(key as u64), connection.interest())?;
        if self.connections.len() <= key {
            self.connections.resize_with(key + 1, || None);
        }
        self.connections[key] = Some(connection);
        Ok(())
    }

    fn attend<S: Service>(&mut self, key: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[key] else {
            return Ok(());
        };
        let open = if connection.output.is_empty() { connection.serve::<S>(&mut self.scratch) } else { connection.flush() };
        if !open {
            // The last descriptor of the socket: closing takes it out of epoll too.
            self.connections[key] = None;
        } else if connection.wants_write == connection.output.is_empty() {
            connection.wants_write = !connection.wants_write;
            epoll::modify(&self.epoll, &connection.socket, EventData::new_u64(key as u64), connection.interest())?;
        }
        Ok(())
    }
}

impl Connection {
    fn interest(&self) -> EventFlags {
        if self.wants_write { EventFlags::OUT } else { EventFlags::IN }
    }

    /// Reads once and answers what is whole; false when the connection is over.
    fn serve<S: Service>(&mut self, scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        match rustix::io::read(&self.socket, spare_capacity(scratch)) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Err(_) => return false,
        }
        if self.input.is_empty() {
            let (open, used) = self.answer_all::<S>(scratch);
            self.input.extend_from_slice(&scratch[used..]);
            open
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(scratch);
            let (open, used) = self.answer_all::<S>(&input);
            if used < input.len() {
                input.drain(..used);
                self.input = input;
            }
            open
        }
    }

    fn answer_all<S: Service>(&mut self, bytes: &[u8]) -> (bool, usize) {
        let mut used = 0;
        while used < bytes.len() {
            let answer = S::answer(&bytes[used..]);
            let closing = answer.then == Then::Close;
            if answer.used == 0 {
                return (!closing, used);
            }
            used += answer.used;
            if !self.send(answer.reply) {
                return (false, used);
            }
            if closing {
                self.close_after_output = true;
                return (!self.output.is_empty(), used);
            }
        }
        (true, used)
    }

    /// Sends what the socket takes and keeps the rest; false when the connection is over.
    fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = if self.output.is_empty() {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => sent,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                Err(_) => return false,
            }
        } else {
            0
        };
        self.output.extend_from_slice(&bytes[sent..]);
        true
    }

    fn flush(&mut self) -> bool {
        match send(&self.socket, &self.output, SendFlags::NOSIGNAL) {
            Ok(sent) => {
                self.output.drain(..sent);
                if self.output.is_empty() {
                    self.output = Vec::new();
                    return !self.close_after_output;
                }
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }
}
