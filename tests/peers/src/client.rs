//! The load: closed loops over loopback that check every byte that comes back.

use crate::document::DOCUMENT_RESPONSE;
use crate::serve::Server;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{Timespec, epoll::CreateFlags};
use rustix::fd::OwnedFd;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

const MESSAGE: [u8; 64] = *b"sixty-four bytes go to the server and the same ones must be back";

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Sends one message and reads it back.
pub fn echo_once(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&MESSAGE)?;
    expect_message(stream)
}

fn expect_message(stream: &mut TcpStream) -> io::Result<()> {
    let mut back = [0; MESSAGE.len()];
    stream.read_exact(&mut back)?;
    if back == MESSAGE { Ok(()) } else { Err(wrong("the echo differs")) }
}

fn connect(server: &Server) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One connection, one message at a time; the server sleeps before each.
pub fn echo_alone(server: &Server, trips: usize) -> io::Result<()> {
    let mut stream = connect(server)?;
    for _ in 0..trips {
        server.wait_until_asleep()?;
        echo_once(&mut stream)?;
    }
    drop(stream);
    server.wait_until_asleep()
}

/// Many connections; all messages of a batch are there before the server, which is frozen meanwhile, can see the first.
pub fn echo_in_batches(server: &Server, connections: usize, batches: usize) -> io::Result<()> {
    let streams: io::Result<Vec<TcpStream>> = (0..connections).map(|_| connect(server)).collect();
    let mut streams = streams?;
    // One after another, so that what comes before the batches is the same in every run.
    for stream in &mut streams {
        server.wait_until_asleep()?;
        echo_once(stream)?;
    }
    for _ in 0..batches {
        server.wait_until_asleep()?;
        server.freeze()?;
        streams.iter_mut().try_for_each(|stream| stream.write_all(&MESSAGE))?;
        server.thaw()?;
        streams.iter_mut().try_for_each(expect_message)?;
    }
    drop(streams);
    server.wait_until_asleep()
}

/// Bursts of connections; their messages are there before the server, which is frozen meanwhile, can accept the first.
pub fn short_connections(server: &Server, burst: usize, bursts: usize) -> io::Result<()> {
    for _ in 0..bursts {
        server.wait_until_asleep()?;
        server.freeze()?;
        let mut streams = Vec::with_capacity(burst);
        for _ in 0..burst {
            let mut stream = connect(server)?;
            stream.write_all(&MESSAGE)?;
            streams.push(stream);
        }
        server.thaw()?;
        for stream in &mut streams {
            expect_message(stream)?;
            if stream.read(&mut [0])? != 0 {
                return Err(wrong("bytes after the end"));
            }
        }
    }
    server.wait_until_asleep()
}

/// Whether a connection carries one request or many.
#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    KeepAlive,
    ConnectionEach,
}

impl Mode {
    /// What wrk sends.
    pub fn request(self) -> &'static [u8] {
        match self {
            Mode::KeepAlive => b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8081\r\n\r\n",
            Mode::ConnectionEach => b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8081\r\nConnection: close\r\n\r\n",
        }
    }
}

/// A closed loop of HTTP requests over a number of connections at once.
pub struct Load {
    address: SocketAddr,
    mode: Mode,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    received: usize,
}

impl Load {
    pub fn new(address: SocketAddr, mode: Mode, connections: usize) -> io::Result<Load> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut load = Load { address, mode, epoll, connections: Vec::new(), scratch: Vec::with_capacity(64 * 1024) };
        for key in 0..connections {
            let connection = load.open(key)?;
            load.connections.push(connection);
        }
        Ok(load)
    }

    fn open(&self, key: usize) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nonblocking(true)?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(key as u64), EventFlags::IN)?;
        Ok(Connection { stream, received: 0 })
    }

    /// Makes this number of requests and waits for every byte of every response.
    pub fn run(&mut self, requests: usize) -> io::Result<()> {
        let first = requests.min(self.connections.len());
        for connection in &mut self.connections[..first] {
            connection.stream.write_all(self.mode.request())?;
        }
        self.finish(requests - first, first)
    }

    /// Reads the responses that are due and makes further requests instead of those that are done.
    fn finish(&mut self, mut further: usize, mut due: usize) -> io::Result<()> {
        let mut events = Vec::with_capacity(self.connections.len());
        while due > 0 {
            events.clear();
            let timeout = Timespec { tv_sec: 3, tv_nsec: 0 };
            if epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout))? == 0 {
                return Err(wrong("no answer for 3 seconds"));
            }
            for event in &events {
                let key = event.data.u64() as usize;
                if !self.receive(key)? {
                    continue;
                }
                due -= 1;
                if self.mode == Mode::ConnectionEach {
                    self.connections[key] = self.open(key)?;
                }
                if further > 0 {
                    self.connections[key].stream.write_all(self.mode.request())?;
                    further -= 1;
                    due += 1;
                }
            }
        }
        Ok(())
    }

    /// Makes this number of batches of a request on every connection. All requests of a batch are there before the server, which is
    /// frozen meanwhile, can see the first: each of its waits gives the same number of events in every run.
    pub fn run_in_batches(&mut self, server: &Server, batches: usize) -> io::Result<()> {
        for _ in 0..batches {
            server.wait_until_asleep()?;
            server.freeze()?;
            for connection in &mut self.connections {
                connection.stream.write_all(self.mode.request())?;
            }
            server.thaw()?;
            self.finish(0, self.connections.len())?;
        }
        Ok(())
    }

    /// Reads once; true at the end of a response.
    fn receive(&mut self, key: usize) -> io::Result<bool> {
        let connection = &mut self.connections[key];
        self.scratch.clear();
        let count = rustix::io::read(&connection.stream, spare_capacity(&mut self.scratch))?;
        let rest = &DOCUMENT_RESPONSE[connection.received..];
        if count == 0 {
            return match self.mode {
                Mode::ConnectionEach if rest.is_empty() => Ok(true),
                _ => Err(wrong("the response ends too early")),
            };
        }
        if !rest.starts_with(&self.scratch) {
            return Err(wrong("the response differs"));
        }
        connection.received += count;
        if self.mode == Mode::KeepAlive && connection.received == DOCUMENT_RESPONSE.len() {
            connection.received = 0;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for connection in &self.connections {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }
}
