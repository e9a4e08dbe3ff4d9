//! Who waits for a socket, who gets what, and what it costs. DIF-19, trap 25, trap 44.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::support::{EPOLL, ONE_SHOT, bound, bound_aside, pair, poll_once, run, stats, until_parked};
use uasyncio_core::{create_task, sleep_ms, spawn, yield_now};
use uasyncio_udp::{RecvBatch, UdpSocket};

#[test]
fn a_second_receiver_is_refused_and_the_first_one_gets_its_datagram() {
    run(async {
        let (socket, address) = bound();
        let socket = Rc::new(socket);
        let waiting = socket.clone();
        let first = create_task(async move { waiting.recv(&mut [0; 16]).await });
        until_parked(1).await;
        for _ in 0..2 {
            assert_eq!(socket.recv(&mut [0; 16]).await.unwrap_err().kind(), ErrorKind::ResourceBusy);
            let error = socket.recv_many(&mut RecvBatch::new(1, 1)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ResourceBusy);
            assert!(error.to_string().contains("try_clone"));
        }
        // The other direction is nobody's.
        socket.send_to(b"hello", address).await.unwrap();
        // The datagram is there and the first has not run yet: it is its own all the same.
        assert_eq!(socket.recv(&mut [0; 16]).await.unwrap_err().kind(), ErrorKind::ResourceBusy);
        assert_eq!(first.await.unwrap().unwrap().len, 5);
        // Now anybody may.
        socket.send_to(b"again", address).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 16]).await.unwrap().len, 5);
    });
}

#[test]
fn a_receiver_that_is_dropped_has_taken_nothing_and_makes_room_for_the_next() {
    run(async {
        let (socket, address) = bound();
        let mut buffer = [0; 16];
        for _ in 0..3 {
            assert!(poll_once(&mut socket.recv(&mut buffer)).is_pending());
        }
        socket.send_to(b"one", address).await.unwrap();
        // Not polled at all.
        drop(socket.recv(&mut buffer));
        // Polled, then woken, then dropped.
        let mut recv = Box::pin(socket.recv(&mut buffer));
        let taken = poll_once(&mut recv);
        drop(recv);
        match taken {
            Poll::Pending => assert_eq!(socket.recv(&mut buffer).await.unwrap().len, 3),
            Poll::Ready(received) => assert_eq!(received.unwrap().len, 3),
        }
        assert_eq!(socket.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        let waiting = Rc::new(socket);
        let cancelled = waiting.clone();
        let task = create_task(async move { cancelled.recv(&mut [0; 16]).await });
        until_parked(1).await;
        waiting.send_to(b"two", address).await.unwrap();
        task.cancel();
        assert!(task.await.is_err());
        assert_eq!(waiting.recv(&mut buffer).await.unwrap().len, 3);
    });
}

#[test]
fn a_wait_that_is_given_up_leaves_the_socket_as_it_was() {
    run(async {
        let (socket, address) = bound();
        let mut buffer = [0; 16];
        let gave_up = {
            let (mut recv, mut limit) = (pin!(socket.recv(&mut buffer)), pin!(sleep_ms(1)));
            poll_fn(|cx| match recv.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(false),
                Poll::Pending => limit.as_mut().poll(cx).map(|()| true),
            })
            .await
        };
        assert!(gave_up);
        socket.send_to(b"late", address).await.unwrap();
        assert_eq!(socket.recv(&mut buffer).await.unwrap().len, 4);
    });
}

#[test]
fn two_tasks_receive_through_two_sockets_of_one_address() {
    run(async {
        let (first, address) = bound();
        let second = first.try_clone().unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        let got = Rc::new(RefCell::new(Vec::new()));
        for socket in [first, second] {
            let got = got.clone();
            spawn(async move {
                let mut buffer = [0; 16];
                loop {
                    let received = socket.recv(&mut buffer).await.unwrap();
                    assert_eq!(received.len, 1);
                    got.borrow_mut().push(buffer[0]);
                }
            });
        }
        until_parked(2).await;
        let (sender, _) = bound();
        for number in 0..100 {
            sender.send_to(&[number], address).await.unwrap();
            let so_far = usize::from(number) + 1;
            crate::support::until(|| got.borrow().len() == so_far).await;
        }
        // Each datagram once.
        assert_eq!(*got.borrow(), (0..100).collect::<Vec<u8>>());
    });
}

#[test]
fn one_task_receives_while_another_sends() {
    run(async {
        let (socket, address) = bound();
        let socket = Rc::new(socket);
        let receiving = socket.clone();
        let received = Rc::new(Cell::new(0));
        let counter = received.clone();
        let receiver = create_task(async move {
            for number in 0..1_000_u32 {
                let mut buffer = [0; 4];
                receiving.recv(&mut buffer).await.unwrap();
                assert_eq!(u32::from_le_bytes(buffer), number);
                counter.set(number + 1);
            }
        });
        for number in 0..1_000_u32 {
            socket.send_to(&number.to_le_bytes(), address).await.unwrap();
            if number % 100 == 99 {
                // So that the system's buffer does not run over.
                crate::support::until(|| received.get() == number + 1).await;
            }
        }
        receiver.await.unwrap();
    });
}

#[test]
fn a_socket_that_never_waits_is_never_registered() {
    run(async {
        let (socket, address) = bound();
        for _ in 0..300 {
            socket.send_to(b"hello", address).await.unwrap();
            assert_eq!(socket.recv(&mut [0; 16]).await.unwrap().len, 5);
        }
        assert_eq!(stats().registrations, 0);
    });
}

#[test]
fn a_socket_is_registered_once_however_often_it_waits() {
    const ROUNDS: u64 = 100;
    run(async {
        let (ping, pong) = pair();
        spawn(async move {
            let mut buffer = [0; 16];
            loop {
                let received = pong.recv(&mut buffer).await.unwrap();
                pong.send(&buffer[..received.len]).await.unwrap();
            }
        });
        let mut buffer = [0; 16];
        for _ in 0..ROUNDS {
            ping.send(b"ping").await.unwrap();
            ping.recv(&mut buffer).await.unwrap();
        }
        let stats = stats();
        if EPOLL || !ONE_SHOT {
            assert_eq!(stats.registrations, 2);
        } else {
            // Each wait arms its source again.
            assert!((ROUNDS..=2 * ROUNDS + 2).contains(&stats.registrations), "{stats:?}");
        }
        if EPOLL {
            // An edge for each datagram that arrived and nothing else.
            assert!(stats.events <= 2 * ROUNDS + 2, "{stats:?}");
        }
    });
}

#[test]
fn a_socket_that_is_always_ready_starves_nobody() {
    run(async {
        let rounds = Rc::new(Cell::new(0));
        let counter = rounds.clone();
        spawn(async move {
            let (socket, address) = bound();
            let mut buffer = [0; 16];
            loop {
                socket.send_to(b"hello", address).await.unwrap();
                socket.recv(&mut buffer).await.unwrap();
                counter.set(counter.get() + 1);
            }
        });
        let mut turns = Vec::new();
        for _ in 0..5 {
            yield_now().await;
            turns.push(rounds.replace(0));
        }
        // 128 operations a poll, two in each round.
        assert_eq!(turns, [64; 5]);
    });
}

#[test]
fn the_datagrams_of_a_batch_count_one_by_one() {
    run(async {
        let rounds = Rc::new(Cell::new(0));
        let counter = rounds.clone();
        spawn(async move {
            let (socket, address) = bound();
            let mut batch = RecvBatch::new(32, 16);
            let datagrams = [uasyncio_udp::Outgoing::to(b"hello", address); 16];
            loop {
                assert_eq!(socket.send_many(&datagrams).await.unwrap(), 16);
                assert_eq!(socket.recv_many(&mut batch).await.unwrap(), 16);
                counter.set(counter.get() + 1);
            }
        });
        let mut turns = Vec::new();
        for _ in 0..5 {
            yield_now().await;
            turns.push(rounds.replace(0));
        }
        assert_eq!(turns, [4; 5]);
    });
}

/// A foreign waker that closes the socket when it is woken; it lives on one thread only.
struct Close(std::thread::ThreadId);

thread_local!(static TO_CLOSE: RefCell<Option<Rc<UdpSocket>>> = const { RefCell::new(None) });

impl Wake for Close {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        assert_eq!(self.0, std::thread::current().id());
        let socket = TO_CLOSE.with_borrow_mut(Option::take);
        if let Some(socket) = socket {
            socket.close();
        }
    }
}

#[test]
fn a_waker_may_close_the_socket_in_the_midst_of_an_operation() {
    run(async {
        let (socket, address) = bound_aside();
        let socket = Rc::new(socket);
        TO_CLOSE.set(Some(socket.clone()));
        let waker = Waker::from(Arc::new(Close(std::thread::current().id())));
        poll_fn(|_| {
            let mut cx = Context::from_waker(&waker);
            // Until the budget of the poll is spent, and the waker is woken because of that.
            loop {
                match pin!(socket.send_to(b"", address)).poll(&mut cx) {
                    Poll::Ready(result) => result.unwrap(),
                    Poll::Pending => return Poll::Ready(()),
                }
            }
        })
        .await;
        assert_eq!(socket.send_to(b"", address).await.unwrap_err().kind(), ErrorKind::NotConnected);
        UdpSocket::bind(address).unwrap();
    });
}
