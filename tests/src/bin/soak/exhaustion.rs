//! The second server: it may have few descriptors, and more clients come than it has. It waits without spinning, and goes on.
//!
//! An honest client that is connected notices nothing. One that comes meanwhile waits in the kernel's queue behind the others:
//! it may wait for as long as they hold the descriptors, and must be served once they have left.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use uasyncio_core::sleep_ms;

use crate::crowd::Crowd;
use crate::honest;
use crate::http::{Connection, LIMIT};
use crate::process::Server;
use crate::siege::{idle_time, settled};
use crate::table::Table;

const DESCRIPTORS: u32 = 40;
const HOLDERS: usize = 100;
const WAITING: u32 = 10;
const ROUNDS: usize = 2;
const QUIET: u32 = 2_000;

/// From when the holders have left: the longest pause of the accept loop and some time to work.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) async fn run(program: &Path, table: &mut Table) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    // The clients that hold the descriptors are not to be thrown out.
    let options = ["--idle", "600", "--request", "600"];
    let mut server = Server::start(program, Some(DESCRIPTORS), &options).map_err(text)?;
    honest::one_request(server.address).await?;
    let start = settled(&server, 0).await.map_err(text)?;
    let begin = Instant::now();
    for round in 1..=ROUNDS {
        let connected = Crowd::default();
        honest::keep_alive(&connected, server.address);
        while connected.deeds(honest::KEEP_ALIVE).done == 0 {
            sleep_ms(5).await;
        }
        let mut holders = Vec::new();
        for _ in 0..HOLDERS {
            holders.push(Connection::open(server.address, 2).await?);
        }
        while server.holdings().map_err(text)?.descriptors < DESCRIPTORS as usize {
            if begin.elapsed() > LIMIT * round as u32 {
                return Err(format!("{HOLDERS} clients do not use {DESCRIPTORS} descriptors up"));
            }
            sleep_ms(5).await;
        }
        let waiting = Crowd::default();
        for _ in 0..WAITING {
            honest::connection_each(&waiting, server.address, 1);
        }
        let during = connected.deeds(honest::KEEP_ALIVE).done;
        sleep_ms(500).await;
        let during = connected.deeds(honest::KEEP_ALIVE).done - during;
        connected.stop().await;
        let spent = idle_time(&server, QUIET).await.map_err(text)?;
        let early = waiting.deeds(honest::EACH);

        let release = Instant::now();
        for (number, holder) in holders.into_iter().enumerate() {
            if number % 2 == 0 {
                holder.reset();
            }
        }
        waiting.stop().await;
        let late = release.elapsed();
        let (deeds, served) = (connected.deeds(honest::KEEP_ALIVE), waiting.deeds(honest::EACH));
        let failure = deeds.first_failure.or(served.first_failure).map_or(String::new(), |why| format!(": {why}"));
        table.check(
            format!("round {round}: requests of a client that is connected"),
            format!("{during} meanwhile, {} failed", deeds.failed),
            format!("more than 20, none failed{failure}"),
            deeds.failed == 0 && during > 20,
        );
        table.check(
            "  honest clients that have to wait: served early, late, failed",
            format!("{}, {}, {}", early.done, served.done, served.failed),
            format!("0, {WAITING}, 0"),
            early.done == 0 && served.done == WAITING && served.failed == 0,
        );
        table.check(
            "  the last of them served, ms after the others have left",
            late.as_millis(),
            format!("at most {}", PATIENCE.as_millis()),
            late <= PATIENCE,
        );
        table.check(
            format!("  processor time of {QUIET} ms without descriptors, ms"),
            spent.as_millis(),
            "at most 20",
            spent <= Duration::from_millis(20),
        );
    }
    let end = settled(&server, start.descriptors).await.map_err(text)?;
    let figure = format!("{} -> {}", start.descriptors, end.descriptors);
    table.check("descriptors", figure, "as at the start", end.descriptors == start.descriptors);
    let complaints = server.complaints();
    let most = 1 + begin.elapsed().as_secs() as usize / 10;
    let are_few = (1..=most).contains(&complaints.len()) && complaints.iter().all(|line| line.contains("cannot accept"));
    table.check("complaints of the server", complaints.len(), format!("1 to {most}"), are_few);
    table.check("the server is alive", server.is_alive(), true, server.is_alive());
    Ok(())
}
