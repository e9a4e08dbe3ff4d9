//! Handlers on a clock that jumps: limits, draining and aborting, to the millisecond.

use std::future::pending;

use uasyncio_core::{EventLoop, VirtualTime, catch_cancel, get_event_loop, sleep_ms};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn on_virtual_time<F: Future<Output = ()>>(limit: usize, per_host: Option<usize>, test: impl FnOnce(Rc<Connections>) -> F) {
    let connections = Rc::new(Connections::new(limit, per_host));
    EventLoop::with_platform(VirtualTime::new()).run_until_complete(test(connections.clone())).unwrap();
    assert_eq!(connections.count(), 0, "a handler outlives its loop");
}

fn now() -> u32 {
    get_event_loop().time().as_millis()
}

fn summary(drained: usize, aborted: usize) -> Summary {
    Summary { drained, aborted }
}

//
#[test]
fn r_10_those_that_end_in_time_are_drained_and_the_others_aborted() {
    on_virtual_time(9, None, async |connections| {
        connections.admit(None, sleep_ms(50));
        connections.admit(None, pending());
        assert_eq!(connections.drain(Duration::from_millis(100)).await, summary(1, 1));
        assert_eq!((now(), connections.count()), (100, 0));
        // All in time: no longer than the last one takes.
        connections.admit(None, sleep_ms(50));
        connections.admit(None, sleep_ms(70));
        assert_eq!(connections.drain(SECOND).await, summary(2, 0));
        assert_eq!(now(), 170);
        // No time at all.
        connections.admit(None, pending());
        assert_eq!(connections.drain(Duration::ZERO).await, summary(0, 1));
        assert_eq!((now(), connections.count()), (170, 0));
    });
}

// T-05.
#[test]
fn t_05_without_connections_it_is_over_at_once_and_twice_is_as_good_as_once() {
    on_virtual_time(9, None, async |connections| {
        assert_eq!(connections.drain(SECOND).await, summary(0, 0));
        assert_eq!(now(), 0);
        connections.admit(None, pending());
        connections.admit(None, sleep_ms(10));
        let other = connections.clone();
        let second = create_task(async move { (other.drain(Duration::from_millis(500)).await, now()) });
        assert_eq!(connections.drain(SECOND).await, summary(1, 1));
        assert_eq!(now(), 500, "the shortest grace counts");
        assert_eq!(second.await.unwrap(), (summary(1, 1), 500));
        assert_eq!(connections.drain(SECOND).await, summary(0, 0));
    });
}

// T-05.
#[test]
fn t_05_a_handler_may_shut_its_own_server_down() {
    on_virtual_time(9, None, async |connections| {
        let result = Rc::new(Cell::new(None));
        let (own, told) = (connections.clone(), result.clone());
        connections.admit(None, async move {
            told.set(Some(own.drain(Duration::from_millis(100)).await));
            sleep_ms(1).await;
        });
        connections.admit(None, sleep_ms(50));
        connections.admit(None, pending());
        sleep_ms(100).await;
        while result.get().is_none() {
            yield_now().await;
        }
        assert_eq!((result.get(), now()), (Some(summary(1, 1)), 100));
        assert_eq!(connections.count(), 1, "it goes on itself");
        assert_eq!(connections.drain(SECOND).await, summary(1, 0));
        assert_eq!(now(), 101);
    });
}

#[test]
fn a_handler_that_catches_the_cancel_cleans_up_and_nobody_waits_for_it() {
    on_virtual_time(9, None, async |connections| {
        connections.admit(None, async {
            let _ = catch_cancel(pending::<()>()).await;
            sleep_ms(1_000).await;
        });
        yield_now().await;
        assert_eq!(connections.drain(Duration::from_millis(10)).await, summary(0, 1));
        assert_eq!((now(), connections.count()), (10, 1));
        assert_eq!(connections.abort(None), 0, "once is enough");
        assert_eq!(connections.drain(Duration::from_secs(5)).await, summary(1, 0));
        assert_eq!(now(), 1_010);
    });
}

#[test]
fn a_drain_that_is_dropped_leaves_the_handlers_alone() {
    on_virtual_time(9, None, async |connections| {
        connections.admit(None, sleep_ms(50));
        let mut drain = Box::pin(connections.drain(Duration::from_millis(10)));
        assert!(poll_fn(|cx| Poll::Ready(drain.as_mut().poll(cx))).await.is_pending());
        drop(drain);
        sleep_ms(20).await;
        assert_eq!(connections.count(), 1);
        sleep_ms(40).await;
        assert_eq!(connections.count(), 0);
    });
}

// T-04.
#[test]
fn t_04_at_the_limit_there_is_no_room_until_one_ends_in_whatever_way() {
    std::panic::set_hook(Box::new(|_| ()));
    on_virtual_time(2, None, async |connections| {
        get_event_loop().set_exception_handler(|_| ());
        for round in 0..6 {
            connections.admit(None, pending());
            connections.admit(None, async move {
                sleep_ms(10).await;
                assert!(round % 2 == 0, "a panic ends it as well");
            });
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                connections.poll_room(cx)
            })
            .await;
            assert_eq!((polls, now(), connections.count()), (2, (round + 1) * 10, 1));
            assert_eq!(connections.abort(None), 1);
            yield_now().await;
            assert_eq!(connections.count(), 0);
        }
        assert_eq!(connections.places.borrow().len(), 2, "places are used again");
    });
}

#[test]
fn each_host_has_its_own_count() {
    on_virtual_time(99, Some(2), async |connections| {
        let host = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let (first, mapped, second) = (host("192.0.2.1"), host("::ffff:192.0.2.1"), host("192.0.2.2"));
        connections.admit(first, sleep_ms(10));
        assert!(connections.has_room_for(mapped));
        connections.admit(mapped, pending());
        assert!(!connections.has_room_for(first));
        assert!(connections.has_room_for(second) && connections.has_room_for(None));
        // An IPv6 network of 64 bits is one host.
        for address in ["2001:db8::1", "2001:db8::2"] {
            connections.admit(host(address), pending());
        }
        assert!(!connections.has_room_for(host("2001:db8::3")));
        assert!(connections.has_room_for(host("2001:db8:0:1::1")));
        sleep_ms(10).await;
        yield_now().await;
        assert!(connections.has_room_for(first));
        connections.abort(None);
        yield_now().await;
        let hosts = connections.hosts.as_ref().unwrap();
        assert!(hosts.counts.borrow().is_empty() && hosts.of_place.borrow().is_empty());
    });
}
