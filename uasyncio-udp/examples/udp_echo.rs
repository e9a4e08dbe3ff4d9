//! Sends every datagram back to where it came from. Try it with `nc -u 127.0.0.1 8083`.

#[path = "support/args.rs"]
mod args;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use uasyncio_udp::{Outgoing, RecvBatch, UdpSocket};

const HELP: &str = "\
Sends every datagram back to where it came from.

usage: udp_echo [--listen ADDRESS:PORT]

  --listen ADDRESS:PORT   where to listen (127.0.0.1:8083); port 0 takes any free one
  --help                  this text

Try it with: nc -u 127.0.0.1 8083";

fn main() -> ExitCode {
    let [listen] = args::parse(HELP, [("--listen", "127.0.0.1:8083")]);
    let Ok(listen) = listen.parse::<SocketAddr>() else {
        args::fail(&format!("{listen:?} is not of the form address:port; try --help"));
    };
    match uasyncio_io::try_run(serve(listen)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}

async fn serve(listen: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(listen)?;
    println!("udp echo on {}", socket.local_addr()?);
    let mut batch = RecvBatch::new(32, 65_535);
    loop {
        socket.recv_many(&mut batch).await?;
        let answers: Vec<_> = batch.iter().map(|datagram| Outgoing::to(datagram.data, datagram.received.from)).collect();
        let mut rest = &answers[..];
        while !rest.is_empty() {
            // One that cannot be sent, for want of a route perhaps, concerns nobody else.
            let sent = socket.send_many(rest).await.unwrap_or(1);
            rest = &rest[sent..];
        }
    }
}
