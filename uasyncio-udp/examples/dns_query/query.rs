//! Sends a question, waits for the answer, and asks again now and then.

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use uasyncio_core::sleep;
use uasyncio_udp::UdpSocket;

use crate::message::{Kind, LONGEST, Record, answer, question};

/// How long to wait before asking again.
const AGAIN: Duration = Duration::from_secs(1);

/// Asks a server for the addresses of a name.
pub(crate) async fn query(name: &str, kind: Kind, server: SocketAddr, limit: Duration) -> io::Result<Vec<Record>> {
    let asked = async {
        let socket = match server {
            SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
            SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
        };
        // Nobody else can answer, and if no server is there we learn it at once.
        socket.connect(server)?;
        socket.report_icmp(true);
        // Random, so that it cannot be guessed.
        let question = question(RandomState::new().hash_one(name) as u16, name, kind)?;
        loop {
            socket.send(&question).await?;
            if let Some(records) = within(AGAIN, wait_for_answer(&socket, &question)).await {
                return records;
            }
        }
    };
    match within(limit, asked).await {
        Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(io::Error::new(error.kind(), format!("nobody listens at {server}")))
        }
        Some(result) => result,
        None => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{server} has not answered within {limit:?}"))),
    }
}

async fn wait_for_answer(socket: &UdpSocket, question: &[u8]) -> io::Result<Vec<Record>> {
    let mut buffer = [0; LONGEST];
    loop {
        let received = socket.recv(&mut buffer).await?;
        if let Some(records) = answer(question, &buffer[..received.len]) {
            return records;
        }
    }
}

/// What the future gives, if it does so in time.
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut limit) = (pin!(future), pin!(sleep(limit)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}
