//! How connections are made: over TCP, or, in tests, over whatever a test likes.

use std::io;

use uasyncio_streams::{ConnectOptions, StreamReader, StreamWriter, TcpReader, TcpTransport, TcpWriter, Transport};

/// What opens connections.
pub(crate) trait Network {
    /// What carries the bytes.
    type Transport: Transport + 'static;

    /// Opens a connection to a port of a host.
    async fn open(&self, host: &str, port: u16) -> io::Result<(StreamReader<Self::Transport>, StreamWriter<Self::Transport>)>;
}

/// The network of this machine.
#[derive(Debug, Default)]
pub(crate) struct Tcp {
    options: ConnectOptions,
}

impl Network for Tcp {
    type Transport = TcpTransport;

    async fn open(&self, host: &str, port: u16) -> io::Result<(TcpReader, TcpWriter)> {
        self.options.open(host, port).await
    }
}
