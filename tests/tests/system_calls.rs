//! How many system calls a blocking echo round trip costs, counted by `strace` over every thread of the server.
//!
//! The server is this test program itself, started again with a variable set; beside a run without one, a run shows what a round trip adds.

#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::env;
use std::fs;
use std::future::{Future, poll_fn};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::process::{Command, Stdio};

use uasyncio_streams::{TcpReader, TcpWriter, start_server};

const SERVE: &str = "UASYNCIO_TESTS_SERVE_ONE_CONNECTION";

/// The most that one round trip may cost: `epoll_wait`, `read`, `write`. The portable poller makes more calls in each wait.
const MOST: f64 = if cfg!(uasyncio_poller = "oneshot") {
    9.0
} else if cfg!(uasyncio_poller = "portable") {
    8.0
} else {
    3.0
};

#[test]
fn echo_round_trips_cost_three_system_calls() -> io::Result<()> {
    if env::var_os(SERVE).is_some() {
        return serve_one_connection();
    }
    if Command::new("strace").arg("--version").output().is_err() {
        // Past the test harness, which hides what a passing test prints.
        return writeln!(io::stdout().lock(), "\nSKIPPED: system calls of an echo round trip (strace is not installed)");
    }
    let (none, many) = (count_calls(0)?, count_calls(1_000)?);
    let each = many.saturating_sub(none) as f64 / 1_000.0;
    // Two at least, a read and a write, where a slow server finds the next message there; the start of the two runs may differ by a few.
    assert!(each >= 1.95, "{none} and {many} calls: the count cannot be right");
    assert!(each <= MOST + 0.05, "{each} system calls for each round trip");
    Ok(())
}

/// Serves a client under strace and counts the calls of the server's whole life.
fn count_calls(round_trips: u32) -> io::Result<u64> {
    let summary = env::temp_dir().join(format!("uasyncio-strace-{}-{round_trips}", std::process::id()));
    let mut server = Command::new("strace")
        .args(["-f", "-c", "-q", "-o"])
        .arg(&summary)
        .arg(env::current_exe()?)
        .args(["--exact", "echo_round_trips_cost_three_system_calls", "--nocapture", "--test-threads", "1"])
        .env(SERVE, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(server.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let mut client = TcpStream::connect(format!("127.0.0.1:{}", said(&mut lines, "port=")?))?;
    client.set_nodelay(true)?;
    // From here on the server has to wait for each message: before, it would find it there and never learn of epoll.
    said(&mut lines, "waiting=")?;
    let mut buffer = [7; 64];
    for _ in 0..round_trips {
        client.write_all(&buffer)?;
        client.read_exact(&mut buffer)?;
    }
    drop(client);
    lines.for_each(drop);
    assert!(server.wait()?.success());
    let text = fs::read_to_string(&summary)?;
    fs::remove_file(&summary)?;
    let total = text.lines().find(|line| line.trim_end().ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    calls.ok_or_else(|| io::Error::other(format!("strace's summary has no total:\n{text}")))
}

/// What the server says after `key`, amid what the test harness says.
fn said(lines: &mut impl Iterator<Item = io::Result<String>>, key: &str) -> io::Result<String> {
    for line in lines {
        if let Some((_, value)) = line?.split_once(key) {
            return Ok(value.trim().to_owned());
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Echoes to one client until that closes.
fn serve_one_connection() -> io::Result<()> {
    uasyncio_io::run(async {
        let (done, ended) = uasyncio_streams::duplex(1);
        let end = Cell::new(Some(uasyncio_streams::split(done).1));
        let server = start_server(
            move |reader, writer| {
                let end = end.take();
                async move {
                    let result = echo(reader, writer).await;
                    drop(end); // the main future reads the end of this pipe
                    result
                }
            },
            "127.0.0.1",
            0,
        )
        .await?;
        writeln!(io::stdout().lock(), "port={}", server.local_addr().port())?;
        uasyncio_streams::split(ended).0.read(&mut [0]).await?;
        Ok(())
    })
}

async fn echo(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    let mut buffer = [0; 256];
    let mut said = false;
    loop {
        let length = {
            let mut read = reader.read(&mut buffer);
            let read = poll_fn(|cx| {
                let polled = Pin::new(&mut read).poll(cx);
                if polled.is_pending() && !said {
                    said = true;
                    writeln!(io::stdout().lock(), "waiting=yes")?;
                }
                polled
            });
            read.await?
        };
        if length == 0 {
            return Ok(());
        }
        writer.awrite(&buffer[..length]).await?;
    }
}
