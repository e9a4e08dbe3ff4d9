//! Datagrams of 100 bytes over loopback: nanoseconds each.

use crate::Options;
use crate::child::{self, Contender, say};
use crate::measure::{in_task, median};
use crate::report::{Report, Samples, number};
use crate::runtimes::*;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use std::array::from_fn;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::take;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

pub const ROSTER: &[Contender] = &[
    Contender { name: Floor::NAME, unavailable: || None, run: run_floor },
    Contender { name: OURS[1], unavailable: UasyncioIo::unavailable, run: run_ours },
    Contender::of::<TokioCurrentThread>(run::<TokioCurrentThread>),
    Contender::of::<TokioLocalSet>(run::<TokioLocalSet>),
    Contender::of::<Smol>(run::<Smol>),
    Contender::of::<Compio<IoUring>>(run::<Compio<IoUring>>),
    Contender::of::<Compio<Polling>>(run::<Compio<Polling>>),
    Contender::of::<Monoio<Uring>>(run::<Monoio<Uring>>),
    Contender::of::<Monoio<Legacy>>(run::<Monoio<Legacy>>),
];

const RECEIVE: &str = "receive";
const SEND: &str = "send";
const ECHO: &str = "echo";
const RECEIVE_BATCH: &str = "receive 32";
const SEND_BATCH: &str = "send 32";
const ROWS: [&str; 5] = [RECEIVE, SEND, ECHO, RECEIVE_BATCH, SEND_BATCH];

/// So many datagrams wait at most: they fit the system's buffer, and tokio gives way after 128 operations.
const QUEUE: usize = 96;
const BATCH: usize = 32;
const DATA: [u8; 100] = [7; 100];
const ROUND_TRIPS: usize = 200;

/// What the rows need of a runtime. A receive fills the buffer up to its capacity; a send leaves it as it was.
trait Datagrams: Runtime {
    type Socket: 'static;

    fn socket(socket: UdpSocket) -> io::Result<Self::Socket>;
    fn receive(socket: &Self::Socket, buffer: &mut Vec<u8>) -> impl Future<Output = io::Result<(usize, SocketAddr)>>;
    fn send(socket: &Self::Socket, buffer: &mut Vec<u8>, to: SocketAddr) -> impl Future<Output = io::Result<()>>;
}

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    socket.set_nonblocking(true).expect("a socket can be non-blocking");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

/// The median, over so long, of what `work` takes for each datagram; `before` and `after` are not counted.
async fn measure(time: Duration, mut before: impl FnMut(), mut work: impl AsyncFnMut(), mut after: impl FnMut()) -> f64 {
    let mut samples = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time || samples.len() < 10 {
        before();
        let begin = Instant::now();
        work().await;
        samples.push(begin.elapsed().as_nanos() as f64 / QUEUE as f64);
        after();
    }
    median(&samples)
}

fn fill(sender: &UdpSocket, to: SocketAddr) {
    for _ in 0..QUEUE {
        sender.send_to(&DATA, to).expect("loopback takes a datagram");
    }
}

/// Takes out what was sent, which must be all of it.
fn drain(receiver: &UdpSocket) {
    for _ in 0..QUEUE {
        assert_eq!(receiver.recv(&mut [0; 200]).expect("nothing was lost"), DATA.len());
    }
    assert!(receiver.recv(&mut [0; 200]).is_err());
}

fn time_of(arguments: &[String]) -> Duration {
    Duration::from_millis(arguments[0].parse().expect("milliseconds for each row"))
}

fn run<R: Datagrams>(arguments: &[String]) {
    let time = time_of(arguments);
    say(RECEIVE, in_task::<R, _>(receive::<R>(time)));
    say(SEND, in_task::<R, _>(send::<R>(time)));
    say(ECHO, in_task::<R, _>(echo::<R>(time)));
}

async fn receive<R: Datagrams>(time: Duration) -> f64 {
    let (socket, to) = bound();
    let (socket, (sender, _)) = (R::socket(socket).expect("it is taken over"), bound());
    let mut buffer = Vec::with_capacity(2048);
    let work = async || {
        for _ in 0..QUEUE {
            let received = R::receive(&socket, &mut buffer).await;
            assert_eq!(received.expect("a datagram is there").0, DATA.len());
        }
    };
    measure(time, || fill(&sender, to), work, || ()).await
}

async fn send<R: Datagrams>(time: Duration) -> f64 {
    let ((receiver, to), (socket, _)) = (bound(), bound());
    let socket = R::socket(socket).expect("it is taken over");
    let mut buffer = DATA.to_vec();
    let work = async || {
        for _ in 0..QUEUE {
            R::send(&socket, &mut buffer, to).await.expect("loopback takes a datagram");
        }
    };
    measure(time, || (), work, || drain(&receiver)).await
}

/// Two tasks, two sockets, each waits for the other: a round trip.
async fn echo<R: Datagrams>(time: Duration) -> f64 {
    let ((client, _), (server, to)) = (bound(), bound());
    R::detach(async move {
        let server = R::socket(server).expect("it is taken over");
        let mut buffer = Vec::with_capacity(2048);
        while let Ok((count, from)) = R::receive(&server, &mut buffer).await {
            buffer.truncate(count);
            if R::send(&server, &mut buffer, from).await.is_err() {
                break;
            }
        }
    });
    let client = R::socket(client).expect("it is taken over");
    let (mut data, mut buffer) = (DATA.to_vec(), Vec::with_capacity(2048));
    let mut samples = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time || samples.len() < 3 {
        let begin = Instant::now();
        for _ in 0..ROUND_TRIPS {
            R::send(&client, &mut data, to).await.expect("loopback takes a datagram");
            R::receive(&client, &mut buffer).await.expect("it comes back");
        }
        samples.push(begin.elapsed().as_nanos() as f64 / ROUND_TRIPS as f64);
    }
    median(&samples)
}

fn run_ours(arguments: &[String]) {
    use uasyncio_udp::{Outgoing, RecvBatch, UdpSocket};

    run::<UasyncioIo>(arguments);
    let time = time_of(arguments);
    let received = in_task::<UasyncioIo, _>(async move {
        let ((socket, to), (sender, sender_address)) = (bound(), bound());
        let socket = UdpSocket::from_std(socket).expect("it is taken over");
        let mut batch = RecvBatch::new(BATCH, 2048);
        let work = async || {
            let mut count = 0;
            while count < QUEUE {
                count += socket.recv_many(&mut batch).await.expect("datagrams are there");
                for datagram in batch.iter() {
                    assert_eq!((datagram.data.len(), datagram.received.from), (DATA.len(), sender_address));
                }
            }
        };
        measure(time, || fill(&sender, to), work, || ()).await
    });
    say(RECEIVE_BATCH, received);
    let sent = in_task::<UasyncioIo, _>(async move {
        let ((receiver, to), (socket, _)) = (bound(), bound());
        let socket = UdpSocket::from_std(socket).expect("it is taken over");
        let datagrams = [Outgoing::to(&DATA, to); BATCH];
        let work = async || {
            for _ in 0..QUEUE / BATCH {
                assert_eq!(socket.send_many(&datagrams).await.expect("loopback takes them"), BATCH);
            }
        };
        measure(time, || (), work, || drain(&receiver)).await
    });
    say(SEND_BATCH, sent);
}

/// The system calls alone, in a loop.
fn run_floor(arguments: &[String]) {
    let time = time_of(arguments);
    let ((receiver, to), (sender, sender_address)) = (bound(), bound());
    let mut buffer = [0; 2048];
    let one = async || {
        for _ in 0..QUEUE {
            assert_eq!(receiver.recv_from(&mut buffer).expect("a datagram is there").0, DATA.len());
        }
    };
    say(RECEIVE, futures_executor::block_on(measure(time, || fill(&sender, to), one, || ())));
    let one = async || {
        for _ in 0..QUEUE {
            sender.send_to(&DATA, to).expect("loopback takes a datagram");
        }
    };
    say(SEND, futures_executor::block_on(measure(time, || (), one, || drain(&receiver))));

    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut buffers = vec![0; BATCH * 2048];
    let many = async || {
        for _ in 0..QUEUE / BATCH {
            let mut parts = buffers.chunks_exact_mut(2048);
            let mut slices: [_; BATCH] = from_fn(|_| [IoSliceMut::new(parts.next().unwrap_or_default())]);
            let got = recvmmsg(receiver.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::empty(), None);
            // A loop that could answer: it looks at each length and at who sent it.
            for message in got.expect("datagrams are there") {
                let from = message.address.as_ref().and_then(SockaddrStorage::as_sockaddr_in).expect("an address of IPv4");
                assert_eq!((message.bytes, SocketAddr::from((from.ip(), from.port()))), (DATA.len(), sender_address));
            }
        }
    };
    say(RECEIVE_BATCH, futures_executor::block_on(measure(time, || fill(&sender, to), many, || ())));
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let addresses = [Some(SockaddrStorage::from(to)); BATCH];
    let many = async || {
        for _ in 0..QUEUE / BATCH {
            let slices: [_; BATCH] = from_fn(|_| [IoSlice::new(&DATA)]);
            let sent = sendmmsg(sender.as_raw_fd(), &mut headers, &slices, addresses, [], MsgFlags::empty());
            assert_eq!(sent.expect("loopback takes them").count(), BATCH);
        }
    };
    say(SEND_BATCH, futures_executor::block_on(measure(time, || (), many, || drain(&receiver))));
}

impl Datagrams for UasyncioIo {
    type Socket = uasyncio_udp::UdpSocket;

    fn socket(socket: UdpSocket) -> io::Result<Self::Socket> {
        uasyncio_udp::UdpSocket::from_std(socket)
    }

    async fn receive(socket: &Self::Socket, buffer: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        buffer.resize(buffer.capacity(), 0);
        let received = socket.recv(buffer).await?;
        Ok((received.len, received.from))
    }

    async fn send(socket: &Self::Socket, buffer: &mut Vec<u8>, to: SocketAddr) -> io::Result<()> {
        socket.send_to(buffer, to).await
    }
}

macro_rules! tokio_datagrams {
    ($($runtime:ty),*) => {$(
        impl Datagrams for $runtime {
            type Socket = tokio::net::UdpSocket;

            fn socket(socket: UdpSocket) -> io::Result<Self::Socket> {
                tokio::net::UdpSocket::from_std(socket)
            }

            async fn receive(socket: &Self::Socket, buffer: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
                buffer.resize(buffer.capacity(), 0);
                socket.recv_from(buffer).await
            }

            async fn send(socket: &Self::Socket, buffer: &mut Vec<u8>, to: SocketAddr) -> io::Result<()> {
                socket.send_to(buffer, to).await.map(drop)
            }
        }
    )*};
}
tokio_datagrams!(TokioCurrentThread, TokioLocalSet);

impl Datagrams for Smol {
    type Socket = async_io::Async<UdpSocket>;

    fn socket(socket: UdpSocket) -> io::Result<Self::Socket> {
        async_io::Async::new(socket)
    }

    async fn receive(socket: &Self::Socket, buffer: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        buffer.resize(buffer.capacity(), 0);
        socket.recv_from(buffer).await
    }

    async fn send(socket: &Self::Socket, buffer: &mut Vec<u8>, to: SocketAddr) -> io::Result<()> {
        socket.send_to(buffer, to).await.map(drop)
    }
}

impl<D> Datagrams for Compio<D>
where
    Compio<D>: Runtime,
{
    type Socket = compio::net::UdpSocket;

    fn socket(socket: UdpSocket) -> io::Result<Self::Socket> {
        compio::net::UdpSocket::from_std(socket)
    }

    async fn receive(socket: &Self::Socket, buffer: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        buffer.clear();
        let compio::BufResult(result, bytes) = socket.recv_from(take(buffer)).await;
        *buffer = bytes;
        result
    }

    async fn send(socket: &Self::Socket, buffer: &mut Vec<u8>, to: SocketAddr) -> io::Result<()> {
        let compio::BufResult(result, bytes) = socket.send_to(take(buffer), to).await;
        *buffer = bytes;
        result.map(drop)
    }
}

impl<D> Datagrams for Monoio<D>
where
    Monoio<D>: Runtime,
{
    type Socket = monoio::net::udp::UdpSocket;

    fn socket(socket: UdpSocket) -> io::Result<Self::Socket> {
        monoio::net::udp::UdpSocket::from_std(socket)
    }

    async fn receive(socket: &Self::Socket, buffer: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        buffer.clear();
        let (result, bytes) = socket.recv_from(take(buffer)).await;
        *buffer = bytes;
        result
    }

    async fn send(socket: &Self::Socket, buffer: &mut Vec<u8>, to: SocketAddr) -> io::Result<()> {
        let (result, bytes) = socket.send_to(take(buffer), to).await;
        *buffer = bytes;
        result.map(drop)
    }
}

pub fn report(options: &Options) -> Report {
    let mut names = child::present(ROSTER);
    let mut samples = Samples::default();
    child::rounds("udp", &mut names, options.either(9, 3), &[options.either("150", "50")], &mut samples);
    crate::sched::print_rows(
        "ns per datagram: median of rounds (minimum; to the floor; to the best peer)",
        &samples,
        &names,
        &ROWS,
    );
    let per_second = ROWS.map(|row| format!("{row} {}", number(samples.median(OURS[1], row).map_or(0.0, |time| 1e6 / time))));
    println!("\n{}, thousands a second: {}", OURS[1], per_second.join(", "));
    let mut report = Report::default();
    for row in [RECEIVE, SEND, ECHO] {
        let best = crate::sched::best_peer(&samples, &names, row);
        let to_best = samples.median(OURS[1], row).zip(best).map(|(ours, best)| ours / best);
        report.target(format!("{row}, to the best peer"), to_best, 1.0, " x");
    }
    for row in [RECEIVE_BATCH, SEND_BATCH] {
        report.target(format!("{row}, to the raw loop"), samples.ratio(OURS[1], Floor::NAME, row), 1.1, " x");
    }
    report
}
