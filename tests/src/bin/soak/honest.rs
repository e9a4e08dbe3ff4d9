//! Clients that want nothing but their document, and check each byte of it.

use std::cell::Cell;
use std::net::SocketAddr;

use crate::crowd::{ALWAYS, Crowd};
use crate::http::{CLOSE, Connection, Outcome, answer};

/// The names of both kinds.
pub(crate) const KEEP_ALIVE: &str = "honest, one connection";
pub(crate) const EACH: &str = "honest, a connection each";

/// One connection for all requests. It must never end.
pub(crate) fn keep_alive(crowd: &Crowd, server: SocketAddr) {
    let (place, expected) = (Cell::new(None), answer(true));
    crowd.client(KEEP_ALIVE, ALWAYS, 5, async move |_| {
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => Connection::open(server, 1).await?,
        };
        connection.ask(&expected).await?;
        place.set(Some(connection));
        Ok(())
    });
}

/// A connection for each of so many requests.
pub(crate) fn connection_each(crowd: &Crowd, server: SocketAddr, turns: u32) {
    crowd.client(EACH, turns, 5, async move |_| one_request(server).await);
}

pub(crate) async fn one_request(server: SocketAddr) -> Outcome {
    let mut connection = Connection::open(server, 1).await?;
    connection.send(CLOSE.as_bytes()).await?;
    connection.expect(&answer(false)).await?;
    connection.expect_end().await
}
