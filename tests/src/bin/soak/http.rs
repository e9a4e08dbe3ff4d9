//! What is asked and what the answer has to be, byte by byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use uasyncio_streams::{ConnectOptions, TcpReader, TcpWriter};
use uasyncio_sync::wait_for;

pub(crate) const KEEP_ALIVE: &str = "GET / HTTP/1.1\r\nHost: soak\r\n\r\n";
pub(crate) const CLOSE: &str = "GET / HTTP/1.0\r\n\r\n";

/// The length of the document in bytes.
pub(crate) const DOCUMENT: usize = 12_000;

/// What may take so long takes for ever.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A connection of a client.
pub(crate) struct Connection {
    pub(crate) reader: TcpReader,
    pub(crate) writer: TcpWriter,
}

/// What went wrong, for the report.
pub(crate) type Outcome = Result<(), String>;

fn text(what: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

/// The answer to one request, complete.
pub(crate) fn answer(keep_alive: bool) -> Vec<u8> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {DOCUMENT}\r\nConnection: {connection}\r\n\r\n");
    head.bytes().chain(b"Hello.\r\n".iter().copied().cycle().take(DOCUMENT)).collect()
}

impl Connection {
    /// Connects from 127.0.0.`host`: so the ports of one address do not run out.
    pub(crate) async fn open(server: SocketAddr, host: u8) -> Result<Connection, String> {
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0);
        let options = ConnectOptions::default().local_addr(local);
        let opened = wait_for(options.open("127.0.0.1", server.port()), LIMIT).await;
        let (reader, writer) = opened.map_err(|_| "connecting takes too long".to_owned())?.map_err(text("connecting"))?;
        Ok(Connection { reader, writer })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Outcome {
        let sent = wait_for(self.writer.awrite(bytes), LIMIT).await;
        sent.map_err(|_| "sending takes too long".to_owned())?.map_err(text("sending"))
    }

    /// Reads exactly these bytes.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) -> Outcome {
        let read = wait_for(self.reader.readexactly(bytes.len()), LIMIT).await;
        match read.map_err(|_| "no answer".to_owned())?.map_err(|error| format!("reading: {error}"))? {
            answer if answer == bytes => Ok(()),
            answer => {
                let place = answer.iter().zip(bytes).position(|(one, other)| one != other).unwrap_or(0);
                Err(format!("a wrong answer, from byte {place} of {} on", bytes.len()))
            }
        }
    }

    /// Reads the rest, and the end of the connection. A reset is an end too.
    pub(crate) async fn rest(&mut self) -> Result<Vec<u8>, String> {
        let mut rest = Vec::new();
        loop {
            let filled = wait_for(self.reader.fill_buf(), LIMIT).await.map_err(|_| "it does not end".to_owned())?;
            let count = match filled {
                Ok(bytes) => {
                    rest.extend_from_slice(bytes);
                    bytes.len()
                }
                Err(_) => 0,
            };
            if count == 0 {
                return Ok(rest);
            }
            self.reader.consume(count);
        }
    }

    /// Reads nothing but the end of the connection, without a reset.
    pub(crate) async fn expect_end(&mut self) -> Outcome {
        let end = wait_for(self.reader.fill_buf(), LIMIT).await.map_err(|_| "it does not end".to_owned())?;
        match end.map_err(text("at the end"))?.len() {
            0 => Ok(()),
            _ => Err("there is more than was asked for".into()),
        }
    }

    /// Asks, and checks the answer.
    pub(crate) async fn ask(&mut self, expected: &[u8]) -> Outcome {
        self.send(KEEP_ALIVE.as_bytes()).await?;
        self.expect(expected).await
    }

    pub(crate) fn reset(mut self) {
        self.writer.abort();
    }
}
