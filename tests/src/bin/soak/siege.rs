//! The first server: everybody at once, for most of the time. Then all is as it was before.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use uasyncio_core::sleep_ms;
use uasyncio_sync::wait_for_ms;

use crate::crowd::Crowd;
use crate::honest;
use crate::hostile::{self, SHORT};
use crate::http::{Connection, KEEP_ALIVE, answer};
use crate::process::{Holdings, Server};
use crate::table::Table;

/// The connections that the server may have: enough for everybody.
const SEATS: usize = 300;

/// The most that the memory may have grown since the first wave, in KB. With 16 000 connections in between this is 16 bytes for each.
const GROWTH: usize = 256;

/// How long a client of the honest kind may wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(program: &Path, millis: u32, connections: u32, table: &mut Table) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let seats = SEATS.to_string();
    let options = ["--max-connections", &seats, "--idle", "2", "--request", "4"];
    let mut server = Server::start(program, None, &options).map_err(text)?;
    honest::one_request(server.address).await?;
    let start = settled(&server, 0).await.map_err(text)?;

    // A first wave, so that what is kept for reuse is there: its size is that of the crowd.
    let first = wave(&server, millis / 5, connections / 5).await;
    let warm = settled(&server, start.descriptors).await.map_err(text)?;
    let second = wave(&server, millis - millis / 5, connections - connections / 5).await;
    let end = settled(&server, start.descriptors).await.map_err(text)?;

    for kind in second.kinds() {
        let (before, deeds) = (first.deeds(kind), second.deeds(kind));
        let (done, failed) = (before.done + deeds.done, before.failed + deeds.failed);
        let longest = before.longest.max(deeds.longest);
        let failure = before.first_failure.or(deeds.first_failure).map_or(String::new(), |why| format!(": {why}"));
        let is_honest = [honest::KEEP_ALIVE, honest::EACH].contains(&kind);
        let in_time = !is_honest || longest <= PATIENCE;
        let figure = format!("{done} done, {failed} failed, longest {} ms", longest.as_millis());
        let enough = kind != SHORT || done >= connections;
        table.check(kind, figure, format!("none failed{failure}"), failed == 0 && done > 0 && in_time && enough);
    }
    let figure = |holdings: fn(&Holdings) -> usize| format!("{} -> {}", holdings(&start), holdings(&end));
    table.check("descriptors", figure(|held| held.descriptors), "as at the start", end.descriptors == start.descriptors);
    table.check("threads", figure(|held| held.threads), "one", end.threads == 1 && start.threads == 1);
    let memory = format!("{} -> {} -> {}", start.memory, warm.memory, end.memory);
    let wanted = format!("at most {GROWTH} more than after the first wave");
    table.check("memory, KB", memory, wanted, end.memory <= warm.memory + GROWTH);
    let free = free_seats(&server).await;
    let wanted = format!("{SEATS}, and one more waits");
    table.check(
        "connections that find a seat",
        free.as_ref().map_or_else(Clone::clone, usize::to_string),
        wanted,
        free == Ok(SEATS),
    );
    let idle = settled(&server, start.descriptors).await.map_err(text)?;
    table.check("descriptors after that", idle.descriptors, start.descriptors, idle.descriptors == start.descriptors);
    let rest = idle_time(&server, 1_000).await.map_err(text)?;
    table.check("processor time of an idle second, ms", rest.as_millis(), "at most 20", rest <= Duration::from_millis(20));
    let complaints = server.complaints();
    table.check("complaints of the server", complaints.first().map_or("none", String::as_str), "none", complaints.is_empty());
    table.check("the server is alive", server.is_alive(), true, server.is_alive());
    Ok(())
}

async fn wave(server: &Server, millis: u32, connections: u32) -> Crowd {
    let crowd = Crowd::default();
    for _ in 0..2 {
        honest::keep_alive(&crowd, server.address);
        honest::connection_each(&crowd, server.address, crate::crowd::ALWAYS);
    }
    hostile::attack(&crowd, server.address, connections, millis);
    let (begin, time) = (Instant::now(), Duration::from_millis(millis.into()));
    // On a busy machine the short connections may take longer.
    while begin.elapsed() < time || (begin.elapsed() < time * 2 && !crowd.has_finished(SHORT, connections)) {
        sleep_ms(20).await;
    }
    crowd.stop().await;
    crowd
}

/// What the server holds once it has closed what its clients have left, but for so many descriptors. It has some seconds for that.
pub(crate) async fn settled(server: &Server, descriptors: usize) -> io::Result<Holdings> {
    let mut before = server.holdings()?;
    for _ in 0..100 {
        sleep_ms(100).await;
        let held = server.holdings()?;
        if held.descriptors == before.descriptors && (held.descriptors <= descriptors || descriptors == 0) {
            return Ok(held);
        }
        before = held;
    }
    Ok(before)
}

/// The processor time of a stretch in which nobody asks.
pub(crate) async fn idle_time(server: &Server, millis: u32) -> io::Result<Duration> {
    let before = server.processor_time()?;
    sleep_ms(millis).await;
    Ok(server.processor_time()? - before)
}

/// Fills the server up: how many connections are served at a time. A handler that never ended would keep its seat.
async fn free_seats(server: &Server) -> Result<usize, String> {
    // As long as nobody has been idle for too long: he would make room.
    const IN_TIME: Duration = Duration::from_millis(1_500);
    for _ in 0..3 {
        let begin = Instant::now();
        let free = fill_up(server).await;
        if begin.elapsed() < IN_TIME {
            return free;
        }
        settled(server, 0).await.map_err(|error| error.to_string())?;
    }
    Err("the machine is too busy to tell".into())
}

async fn fill_up(server: &Server) -> Result<usize, String> {
    let expected = answer(true);
    let mut seated = Vec::new();
    for _ in 0..SEATS {
        let mut connection = Connection::open(server.address, 1).await?;
        match wait_for_ms(connection.ask(&expected), 300).await {
            Ok(outcome) => outcome?,
            Err(_) => return Ok(seated.len()),
        }
        seated.push(connection);
    }
    let mut one_more = Connection::open(server.address, 1).await?;
    one_more.send(KEEP_ALIVE.as_bytes()).await?;
    if wait_for_ms(one_more.reader.fill_more(), 200).await.is_ok() {
        return Ok(SEATS + 1);
    }
    seated.pop();
    one_more.expect(&expected).await?;
    Ok(seated.len() + 1)
}
