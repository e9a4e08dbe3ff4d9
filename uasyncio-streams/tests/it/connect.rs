//! `open_connection`: names, several addresses, options, and what is left behind.
#![cfg(unix)]

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::common::refusing;
use uasyncio_core::{EventLoop, VirtualTime, create_task, get_event_loop, sleep, sleep_ms};
use uasyncio_streams::{ConnectError, ConnectOptions, Resolver, Resolving, TcpReader, TcpWriter, start_server};

/// Gives these addresses for every name, and counts the questions.
struct Fixed {
    addresses: Vec<SocketAddr>,
    asked: Rc<Cell<usize>>,
}

impl Fixed {
    fn new(addresses: impl Into<Vec<SocketAddr>>) -> Self {
        Fixed { addresses: addresses.into(), asked: Rc::default() }
    }
}

impl Resolver for Fixed {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        self.asked.set(self.asked.get() + 1);
        Box::pin(async { Ok(self.addresses.clone()) })
    }
}

/// Never answers; says when it was given up.
struct Silent(Rc<Cell<bool>>);

impl Resolver for Silent {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        struct Dropped<'a>(&'a Cell<bool>);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let dropped = Dropped(&self.0);
        Box::pin(async move {
            let _dropped = dropped;
            pending().await
        })
    }
}

/// What `wait_for` of uasyncio-sync does.
async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut timer) = (pin!(future), pin!(sleep(time)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// A listener whose queue is full: connecting to it neither succeeds nor fails.
fn black_hole() -> (SocketAddr, impl Sized) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = TcpListener::from(socket.try_clone().unwrap()).local_addr().unwrap();
    let queued = TcpStream::connect(address).unwrap();
    (address, (socket, queued))
}

async fn hello(_: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    writer.awritestr("hello\n").await
}

// T-36: the look-up is inside the deadline, and nobody else waits for it. On virtual time, to the millisecond.
#[test]
fn t_36_a_resolver_that_never_answers_holds_up_nobody_and_is_dropped_on_time() {
    let given_up = Rc::new(Cell::new(false));
    let resolver = Silent(given_up.clone());
    EventLoop::with_platform(VirtualTime::new())
        .run_until_complete(async {
            let ticks = Rc::new(Cell::new(0));
            let counter = ticks.clone();
            let ticker = create_task(async move {
                loop {
                    sleep_ms(10).await;
                    counter.set(counter.get() + 1);
                }
            });
            let options = ConnectOptions::default().resolver(resolver);
            assert!(within(Duration::from_millis(1_005), options.open("example.org", 80)).await.is_none());
            assert_eq!(get_event_loop().time().as_millis(), 1_005);
            assert_eq!(ticks.get(), 100);
            ticker.cancel();
        })
        .unwrap();
    assert!(given_up.get());
}

#[test]
fn a_resolver_is_asked_once_for_names_and_never_for_addresses() {
    uasyncio_io::run(async {
        let server = start_server(hello, "localhost", 0).await.unwrap();
        let port = server.local_addr().port();
        let resolver = Fixed::new([SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
        let asked = resolver.asked.clone();
        let options = ConnectOptions::default().resolver(resolver);
        for address in server.local_addrs() {
            options.open(&address.ip().to_string(), port).await.unwrap();
        }
        options.open("localhost", port).await.unwrap();
        assert_eq!(asked.get(), 0);
        options.open("example.org", port).await.unwrap();
        assert_eq!(asked.get(), 1);

        let error = ConnectOptions::default().resolver(Fixed::new([])).open("example.org", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("example.org"), "{error}");
    });
}

// T-38, RFC 8305, with real sockets: a dead address costs one stagger, a refusing one nothing.
#[test]
fn t_38_a_black_hole_and_a_refusal_are_overtaken() {
    let ((hole, _hole), (refusing, _refusing)) = (black_hole(), refusing());
    uasyncio_io::run(async {
        let server = start_server(hello, "127.0.0.1", 0).await.unwrap();
        for first in [hole, refusing] {
            let resolver = Fixed::new([first, server.local_addr()]);
            let options = ConnectOptions::default().resolver(resolver).stagger(Duration::from_millis(10));
            let (mut reader, _writer) = options.open("example.org", 1).await.unwrap();
            assert_eq!(reader.peer_addr(), server.local_addr());
            assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        }
    });
}

#[test]
fn t_38_the_error_names_every_address_and_its_reason() {
    let [(one, _one), (other, _other)] = [refusing(), refusing()];
    let ports = [one, other];
    uasyncio_io::run(async {
        let error = ConnectOptions::default().resolver(Fixed::new(ports)).open("example.org", 7).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(text.starts_with("cannot connect to \"example.org\" port 7: "), "{text}");
        assert!(ports.iter().all(|port| text.contains(&format!("{port}: "))), "{text}");
        let error = error.into_inner().unwrap().downcast::<ConnectError>().unwrap();
        assert_eq!(error.failures().iter().map(|(address, _)| *address).collect::<Vec<_>>(), ports);
    });
}

// T-38: the losers too, at every moment at which the whole may be dropped.
#[cfg(target_os = "linux")]
#[test]
fn t_38_losers_and_cancelled_attempts_leave_no_descriptor() {
    // In a process of its own: the other tests open descriptors too.
    const CHILD: &str = "UASYNCIO_STREAMS_LOSERS";
    let name = "connect::t_38_losers_and_cancelled_attempts_leave_no_descriptor";
    if std::env::var_os(CHILD).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args([name, "--exact", "--test-threads=1"]).env(CHILD, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (hole, _keep) = black_hole();
    uasyncio_io::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let resolver = Fixed::new([hole, hole, listener.local_addr().unwrap()]);
        // `hole` twice is once: addresses are tried one time each.
        let options = ConnectOptions::default().resolver(resolver).stagger(Duration::from_millis(10));
        let before = descriptors();
        let (reader, writer) = options.open("example.org", 1).await.unwrap();
        assert_eq!(descriptors(), before + 1, "the winner's alone");
        drop((reader, writer));
        assert_eq!(descriptors(), before);

        let options = ConnectOptions::default().resolver(Fixed::new([hole])).stagger(Duration::from_millis(10));
        for polls in 0..5 {
            let mut open = Box::pin(options.open("example.org", 1));
            for _ in 0..polls {
                assert!(poll_fn(|cx| Poll::Ready(open.as_mut().poll(cx))).await.is_pending());
                sleep_ms(1).await;
            }
            drop(open);
            assert_eq!(descriptors(), before);
        }
    });
}

#[test]
fn options_reach_the_socket() {
    uasyncio_io::run(async {
        let server = start_server(hello, "localhost", 0).await.unwrap();
        let port = server.local_addr().port();
        let socket_of = |(reader, _): (TcpReader, TcpWriter)| reader.transport().try_clone_std().unwrap();
        let socket = socket_of(ConnectOptions::default().open("127.0.0.1", port).await.unwrap());
        assert!(socket.nodelay().unwrap());
        assert!(!socket2::SockRef::from(&socket).keepalive().unwrap());

        let local = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // free again
        let options = ConnectOptions::default().nodelay(false).keep_alive(Duration::from_millis(1)).local_addr(local);
        // The name has addresses of both families; only those of the local address's are tried.
        let socket = socket_of(options.open("localhost", port).await.unwrap());
        assert_eq!(socket.local_addr().unwrap(), local);
        assert!(!socket.nodelay().unwrap());
        assert!(socket2::SockRef::from(&socket).keepalive().unwrap());

        let error = options.open("::1", port).await.unwrap_err();
        assert!(error.to_string().contains("family of the local address"), "{error}");
    });
}

#[test]
fn options_can_be_used_again_and_shown() {
    let options = ConnectOptions::default().stagger(Duration::ZERO);
    assert!(format!("{options:?}").contains("stagger: 10ms"), "{options:?}");
    let open: Pin<Box<dyn Future<Output = _>>> = Box::pin(options.open("127.0.0.1", 1));
    drop(open);
    drop(options.clone());
}
