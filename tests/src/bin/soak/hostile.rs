//! Clients that no server wants, each with what the server owes them all the same.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use uasyncio_core::sleep_ms;

use crate::crowd::{ALWAYS, Crowd};
use crate::http::{CLOSE, Connection, DOCUMENT, KEEP_ALIVE, Outcome, answer};

/// The name of those that open and close connections, which are counted.
pub(crate) const SHORT: &str = "short connections";

/// A small generator of numbers (xorshift64).
#[derive(Clone)]
struct Random(Rc<Cell<u64>>);

impl Random {
    fn below(&self, bound: usize) -> usize {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        (state >> 33) as usize % bound
    }
}

/// Lets a crowd loose on a server. So many short connections in so many milliseconds.
pub(crate) fn attack(crowd: &Crowd, server: SocketAddr, connections: u32, millis: u32) {
    let random = Random(Rc::new(Cell::new(0x9e37_79b9_7f4a_7c15)));
    for _ in 0..8 {
        crowd.client("a byte at a time", ALWAYS, 10, async move |_| byte_by_byte(server).await);
        crowd.client("half-closed", ALWAYS, 20, async move |_| half_closed(server).await);
        crowd.client("pipelined", ALWAYS, 20, async move |_| pipelined(server).await);
        crowd.client("silent from the start", ALWAYS, 10, async move |_| silent(server).await);
        crowd.client("silent after a request", ALWAYS, 10, async move |_| idle(server).await);
        crowd.client("too slow", ALWAYS, 10, async move |_| too_slow(server).await);
        let numbers = random.clone();
        crowd.client("resets", ALWAYS, 10, async move |_| reset(server, &numbers).await);
        let numbers = random.clone();
        crowd.client("garbage", ALWAYS, 20, async move |_| garbage(server, &numbers).await);
    }
    for _ in 0..2 {
        crowd.client("reads nothing", ALWAYS, 10, async move |_| reads_nothing(server).await);
    }
    const WORKERS: u32 = 16;
    let turns = connections.div_ceil(WORKERS);
    for worker in 0..WORKERS {
        // A little less than there is, for the connections take time as well.
        crowd.client(SHORT, turns, millis / turns * 3 / 4, async move |number| short(server, number + worker).await);
    }
}

/// Its request takes some 60 ms, which is in time.
async fn byte_by_byte(server: SocketAddr) -> Outcome {
    let mut connection = Connection::open(server, 2).await?;
    for byte in KEEP_ALIVE.as_bytes().chunks(1) {
        connection.send(byte).await?;
        sleep_ms(1).await;
    }
    connection.expect(&answer(true)).await
}

async fn half_closed(server: SocketAddr) -> Outcome {
    let mut connection = Connection::open(server, 3).await?;
    connection.send(KEEP_ALIVE.as_bytes()).await?;
    connection.writer.write_eof().await.map_err(|error| error.to_string())?;
    connection.expect(&answer(true)).await?;
    connection.expect_end().await
}

async fn pipelined(server: SocketAddr) -> Outcome {
    const REQUESTS: usize = 16;
    let mut connection = Connection::open(server, 4).await?;
    connection.send(KEEP_ALIVE.repeat(REQUESTS).as_bytes()).await?;
    for _ in 0..REQUESTS {
        connection.expect(&answer(true)).await?;
    }
    Ok(())
}

/// The server ends it, and has nothing to say.
async fn silent(server: SocketAddr) -> Outcome {
    Connection::open(server, 5).await?.expect_end().await
}

async fn idle(server: SocketAddr) -> Outcome {
    let mut connection = Connection::open(server, 6).await?;
    connection.ask(&answer(true)).await?;
    connection.expect_end().await
}

/// A head that never ends: each byte comes in time for the idle deadline.
async fn too_slow(server: SocketAddr) -> Outcome {
    let mut connection = Connection::open(server, 7).await?;
    connection.send(b"GET / HTTP/1.1\r\n").await?;
    for _ in 0..200 {
        sleep_ms(100).await;
        if connection.send(b"A").await.is_err() || !connection.reader.buffered().is_empty() {
            break;
        }
        let more = uasyncio_sync::wait_for_ms(connection.reader.fill_more(), 1).await;
        if more.is_ok() {
            break;
        }
    }
    match connection.rest().await? {
        answer if answer.starts_with(b"HTTP/1.1 408 ") => Ok(()),
        answer => Err(format!("no 408 but {:?}", String::from_utf8_lossy(&answer))),
    }
}

/// Goes at any moment: before the request, inside it, before the answer, inside it.
async fn reset(server: SocketAddr, random: &Random) -> Outcome {
    let mut connection = Connection::open(server, 8).await?;
    let requests = KEEP_ALIVE.repeat(3);
    connection.send(&requests.as_bytes()[..random.below(requests.len())]).await?;
    match random.below(3) {
        0 => {}
        1 => sleep_ms(random.below(5) as u32).await,
        _ => {
            let _ = uasyncio_sync::wait_for_ms(connection.reader.fill_more(), 5).await;
        }
    }
    connection.reset();
    Ok(())
}

/// Bytes that are no request are refused, or never make one.
async fn garbage(server: SocketAddr, random: &Random) -> Outcome {
    let mut connection = Connection::open(server, 9).await?;
    let length = 1 + random.below(20_000);
    let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
    // The server may have had enough before the end.
    let _ = connection.send(&bytes).await;
    let _ = connection.writer.write_eof().await;
    match connection.rest().await? {
        answer if answer.is_empty() || answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.1 505 ") => Ok(()),
        answer => Err(format!("garbage was answered by {:?}", String::from_utf8_lossy(&answer))),
    }
}

/// Asks for more than all buffers hold. The server gives it up in time, in the middle of an answer.
async fn reads_nothing(server: SocketAddr) -> Outcome {
    const REQUESTS: usize = 2_000;
    let mut connection = Connection::open(server, 10).await?;
    connection.send(KEEP_ALIVE.repeat(REQUESTS).as_bytes()).await?;
    sleep_ms(3_500).await;
    match connection.rest().await?.len() {
        length if length < REQUESTS * DOCUMENT => Ok(()),
        length => Err(format!("the server has waited with {length} bytes")),
    }
}

/// Closed at once; closed after an answer, by either side; reset.
async fn short(server: SocketAddr, number: u32) -> Outcome {
    let mut connection = Connection::open(server, 20 + (number % 50) as u8).await?;
    match number % 4 {
        0 => Ok(()),
        1 => {
            connection.send(CLOSE.as_bytes()).await?;
            connection.expect(&answer(false)).await?;
            connection.expect_end().await
        }
        2 => connection.ask(&answer(true)).await,
        _ => {
            connection.reset();
            Ok(())
        }
    }
}
