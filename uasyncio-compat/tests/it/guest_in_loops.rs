//! Our event loop inside loops that have no futures: one around `poll(2)`, and one in the manner of GLib.
#![cfg(all(unix, not(miri)))]

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use uasyncio_core::{Attention, EventLoop, create_task, sleep_ms};
use uasyncio_io::Reactor;
use uasyncio_streams::{TcpReader, TcpWriter, open_connection, start_server};
use uasyncio_sync::ThreadSafeFlag;

async fn echo(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.awrite(line).await?;
    }
}

/// What a program of ours does, whatever runs it.
async fn program() -> u32 {
    let flag = Arc::new(ThreadSafeFlag::new());
    let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
    let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await.unwrap();
    let ticks = create_task(async {
        for _ in 0..5 {
            sleep_ms(3).await;
        }
        5
    });
    for _ in 0..50 {
        writer.awritestr("hello\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
    }
    let setter = flag.clone();
    std::thread::spawn(move || setter.set());
    flag.wait().await;
    ticks.await.unwrap()
}

fn timespec(timeout: Duration) -> Timespec {
    Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() }
}

fn duration_of(attention: Attention) -> Option<Duration> {
    match attention {
        Attention::Now => Some(Duration::ZERO),
        Attention::Within(millis) => Some(Duration::from_millis(millis.into())),
        Attention::Idle => None,
    }
}

#[test]
fn a_loop_around_poll_runs_it_beside_a_socket_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let event_loop = EventLoop::with_platform(Reactor::new().unwrap());
    let task = event_loop.create_task(program());
    // The loop's own business: a connection that a thread makes.
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"for the host").unwrap();
    });
    let mut heard = String::new();
    let mut waits = 0;
    while !task.done() || heard.is_empty() {
        let timeout = duration_of(event_loop.turn().unwrap()).map(timespec);
        let mut watched = [PollFd::new(event_loop.platform(), PollFlags::IN), PollFd::new(&listener, PollFlags::IN)];
        // A task that is done does not make the loop want a turn, so look before waiting.
        let timeout = if task.done() && heard.is_empty() { None } else { timeout };
        waits += 1;
        if !task.done() || heard.is_empty() {
            poll(&mut watched, timeout.as_ref()).unwrap();
        }
        if watched[1].revents().contains(PollFlags::IN) {
            listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
        }
    }
    client.join().unwrap();
    assert_eq!(heard, "for the host");
    let sum = uasyncio_core::run(task).unwrap();
    assert_eq!(sum, 5);
    assert!(waits < 10_000, "{waits} waits: it waits in earnest");
}

/// A main loop in the manner of GLib's: sources that say before a wait how long it may be and what to watch, and afterwards are
/// dispatched if they are ready; the most urgent first.
#[derive(Default)]
struct MainLoop {
    sources: RefCell<Vec<Rc<dyn Source>>>,
    quit: Cell<bool>,
}

trait Source {
    /// Ready at once (`Some(0)`), at the latest in so long, or whenever.
    fn prepare(&self) -> Option<Duration>;

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// `false` takes the source out.
    fn dispatch(&self, main: &MainLoop) -> bool;
}

impl MainLoop {
    fn run(&self) {
        while !self.quit.get() {
            let sources = self.sources.borrow().clone();
            let waits: Vec<_> = sources.iter().map(|source| source.prepare()).collect();
            let start = Instant::now();
            let shortest = waits.iter().flatten().min().copied();
            let watched = sources.iter().filter_map(|source| source.descriptor());
            let mut watched: Vec<_> = watched.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN)).collect();
            poll(&mut watched, shortest.map(timespec).as_ref()).unwrap();
            let mut ready = watched.iter().map(|entry| !entry.revents().is_empty());
            let mut dispatched = Vec::new();
            for (source, wait) in sources.iter().zip(&waits) {
                let readable = source.descriptor().is_some() && ready.next().unwrap();
                if readable || wait.is_some_and(|wait| start.elapsed() >= wait) {
                    dispatched.push(source.clone());
                }
            }
            drop(watched);
            for source in dispatched {
                if !source.dispatch(self) {
                    self.sources.borrow_mut().retain(|other| !Rc::ptr_eq(other, &source));
                }
            }
        }
    }
}

/// Our event loop as a source.
struct Ours {
    event_loop: EventLoop<Reactor>,
    /// When the next turn is due; the host may ask several times until then.
    due: Cell<Option<Instant>>,
}

impl Source for Ours {
    fn prepare(&self) -> Option<Duration> {
        Some(self.due.get()?.saturating_duration_since(Instant::now()))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.event_loop.platform().as_fd())
    }

    fn dispatch(&self, _: &MainLoop) -> bool {
        let attention = self.event_loop.turn().unwrap();
        self.due.set(duration_of(attention).map(|wait| Instant::now() + wait));
        true
    }
}

struct Timeout<F> {
    period: Duration,
    next: Cell<Instant>,
    callback: F,
}

impl<F: Fn(&MainLoop) -> bool> Source for Timeout<F> {
    fn prepare(&self) -> Option<Duration> {
        Some(self.next.get().saturating_duration_since(Instant::now()))
    }

    fn dispatch(&self, main: &MainLoop) -> bool {
        self.next.set(Instant::now() + self.period);
        (self.callback)(main)
    }
}

#[test]
fn a_loop_in_the_manner_of_glib_runs_it_beside_its_timeouts() {
    let main = MainLoop::default();
    let ours =
        Rc::new(Ours { event_loop: EventLoop::with_platform(Reactor::new().unwrap()), due: Cell::new(Some(Instant::now())) });
    let done = Rc::new(Cell::new(0));
    // What a callback of the host asks of the loop, between two turns, wakes it.
    let handle = ours.clone();
    let noted = done.clone();
    let ticks = Cell::new(0);
    let timeout = Timeout {
        period: Duration::from_millis(2),
        next: Cell::new(Instant::now()),
        callback: move |main: &MainLoop| {
            ticks.set(ticks.get() + 1);
            match ticks.get() {
                3 => {
                    let noted = noted.clone();
                    handle.event_loop.spawn(async move { noted.set(program().await) });
                }
                4.. if noted.get() > 0 => main.quit.set(true),
                _ => {}
            }
            true
        },
    };
    main.sources.borrow_mut().extend([ours as Rc<dyn Source>, Rc::new(timeout)]);
    main.run();
    assert_eq!(done.get(), 5);
}
