//! When the operating system is asked to watch a descriptor, and what happens when the number is reused.
//! One test at a time: they look at descriptor numbers, which all threads of the process share.

#![cfg(unix)]

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::support::{Act, Count, EPOLL, ONE_SHOT, fill, poll_once, read, run, stats, unix_pair, until, until_parked, write_all};
use uasyncio_core::{Platform, create_task};
use uasyncio_io::{AsyncFd, Interest, Reactor};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_connection_that_never_has_to_wait_is_never_registered() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = unix_pair();
        for _ in 0..10 {
            theirs.write_all(b"question").unwrap();
            let mut buffer = [0; 64];
            assert_eq!(read(&ours, &mut buffer).await.unwrap(), 8);
            write_all(&ours, b"answer").await.unwrap();
            assert_eq!(theirs.read(&mut buffer).unwrap(), 6);
        }
        drop(ours);
        assert_eq!(stats().registrations, 0);
        assert_eq!(stats().events, 0);
    });
}

/// The counted form of "3 system calls per echo": no registration after the first, and one attempt per event.
#[test]
fn a_connection_that_waits_is_registered_once_for_reading_alone() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = unix_pair();
        let attempts = Rc::new(Cell::new(0));
        let counted = attempts.clone();
        let reader = create_task(async move {
            let mut buffer = [0; 64];
            let mut total = 0;
            loop {
                let read = |mut stream: &UnixStream| {
                    counted.set(counted.get() + 1);
                    stream.read(&mut buffer)
                };
                match ours.io(Interest::Read, read).await.unwrap() {
                    0 => return total,
                    length => total += length,
                }
                ours.drained(Interest::Read);
            }
        });
        until_parked(1).await;
        assert_eq!((stats().registrations, attempts.get()), (1, 1));
        Reactor::current().unwrap().wait(Some(0));
        for round in 1..=10 {
            theirs.write_all(b"question").unwrap();
            until(|| attempts.get() >= if EPOLL { 1 + round } else { 1 + 2 * round }).await;
            until_parked(1).await;
        }
        let now = stats();
        // One-shot: armed again after each event.
        assert_eq!(now.registrations, if ONE_SHOT { 11 } else { 1 });
        assert_eq!(now.events, 10, "writability was not asked for, so nobody is told of it");
        assert_eq!(attempts.get(), if EPOLL { 11 } else { 21 });
        drop(theirs);
        assert_eq!(reader.await.unwrap(), 80);
        assert_eq!(stats().registrations, now.registrations + 1, "deregistered before it closed");
    });
}

#[test]
fn the_other_direction_is_added_when_it_waits_first() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = unix_pair();
        let (_, waker) = Count::new();
        let mut context = Context::from_waker(&waker);
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        assert!(ours.poll_ready(&mut context, Interest::Read).is_pending());
        assert_eq!(stats().registrations, 1);
        fill(&ours);
        assert_eq!(stats().registrations, 1);
        let (count, waker) = Count::new();
        let mut writable = ours.writable();
        assert!(poll_once(&mut writable, &waker).is_pending());
        assert_eq!(stats().registrations, 2);
        theirs.set_nonblocking(true).unwrap();
        let mut buffer = [0; 65536];
        while theirs.read(&mut buffer).is_ok() {}
        until(|| count.get() == 1).await;
        assert!(poll_once(&mut writable, &waker).is_ready());
    });
}

/// T-09, U10: in one batch of events, the waker of one source closes the other source and opens a new one that gets the same
/// number. The event of the closed one must not reach the new one.
#[test]
fn fd_reuse_in_one_batch() {
    struct Scene {
        sources: Vec<(AsyncFd<UnixStream>, UnixStream)>,
        fresh: Option<(AsyncFd<UnixStream>, UnixStream)>,
        fresh_count: Arc<Count>,
    }
    thread_local!(static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) });

    /// Closes the source that was not woken yet and puts a new one in its place.
    fn act(woken: usize) {
        let closed = SCENE.with_borrow_mut(|scene| {
            let scene = scene.as_mut().unwrap();
            (scene.sources.len() == 2).then(|| scene.sources.remove(1 - woken))
        });
        // Closing wakes who waits for the closed one: that is this function again, which has nothing to do then.
        let Some((closed, _peer)) = closed else { return };
        let number = closed.get_ref().as_raw_fd();
        drop(closed);
        SCENE.with_borrow_mut(|scene| {
            let scene = scene.as_mut().unwrap();
            let (one, other) = UnixStream::pair().unwrap();
            let (ours, theirs) = if one.as_raw_fd() == number { (one, other) } else { (other, one) };
            assert_eq!(ours.as_raw_fd(), number, "the number was not reused, so this tests nothing");
            ours.set_nonblocking(true).unwrap();
            let fresh = AsyncFd::new(ours).unwrap();
            assert!(fresh.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
            let waker = Waker::from(scene.fresh_count.clone());
            assert!(fresh.poll_ready(&mut Context::from_waker(&waker), Interest::Read).is_pending());
            scene.fresh = Some((fresh, theirs));
        });
    }

    let _alone = alone();
    run(async {
        let sources: Vec<_> = (0..2).map(|_| unix_pair()).collect();
        for (number, (ours, _)) in sources.iter().enumerate() {
            assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
            let waker = Waker::from(Arc::new(Act(move || act(number))));
            assert!(ours.poll_ready(&mut Context::from_waker(&waker), Interest::Read).is_pending());
        }
        for (_, theirs) in &sources {
            (&*theirs).write_all(b"x").unwrap();
        }
        let (fresh_count, _) = Count::new();
        SCENE.set(Some(Scene { sources, fresh: None, fresh_count: fresh_count.clone() }));

        let before = stats();
        let reactor = Reactor::current().unwrap();
        reactor.wait(Some(0));
        let after = stats();
        assert_eq!(after.events - before.events, 2, "both events were in one batch");
        assert_eq!(after.stale_events - before.stale_events, 1);
        reactor.wait(Some(0));
        assert_eq!(fresh_count.get(), 0);

        // The new source lives: its own events reach it.
        let Scene { fresh, sources, .. } = SCENE.take().unwrap();
        let (fresh, mut theirs) = fresh.unwrap();
        theirs.write_all(b"y").unwrap();
        until(|| fresh_count.get() == 1).await;
        let mut byte = [0];
        assert_eq!(read(&fresh, &mut byte).await.unwrap(), 1);
        assert_eq!(&byte, b"y");
        drop(sources);
    });
}

/// Places of the slab are used again, for ever, and each time for a different source.
#[test]
fn sources_come_and_go() {
    let _alone = alone();
    run(async {
        let reactor = Reactor::current().unwrap();
        let (count, waker) = Count::new();
        for round in 0..5_000_usize {
            let (ours, mut theirs) = unix_pair();
            assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
            assert!(ours.poll_ready(&mut Context::from_waker(&waker), Interest::Read).is_pending());
            theirs.write_all(b"x").unwrap();
            if round % 2 == 0 {
                reactor.wait(Some(0));
                assert_eq!(count.get(), round + 1);
            } else {
                // Closed with the event on its way; who waited hears of it.
                drop(ours);
                assert_eq!(count.get(), round + 1);
            }
        }
        reactor.wait(Some(0));
        assert_eq!(count.get(), 5_000);
        assert_eq!(stats().parked, 0);
    });
}

/// An object that changes its descriptor after it was registered, so that deregistering finds one that was never registered.
struct Changing {
    first: OwnedFd,
    second: OwnedFd,
    changed: Rc<Cell<bool>>,
}

impl AsFd for Changing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        if self.changed.get() { self.second.as_fd() } else { self.first.as_fd() }
    }
}

/// T-10.
#[test]
fn deregistering_what_the_system_does_not_know_is_no_error() {
    let _alone = alone();
    run(async {
        let changed = Rc::new(Cell::new(false));
        let (first, peer) = UnixStream::pair().unwrap();
        let (second, _) = UnixStream::pair().unwrap();
        let object = AsyncFd::new(Changing { first: first.into(), second: second.into(), changed: changed.clone() }).unwrap();
        let blocked = object.try_io(Interest::Read, |_| std::io::Result::<()>::Err(ErrorKind::WouldBlock.into()));
        assert!(blocked.is_err());
        let (count, waker) = Count::new();
        assert!(object.poll_ready(&mut Context::from_waker(&waker), Interest::Read).is_pending());
        changed.set(true);
        drop(object.into_inner());
        assert_eq!(stats().parked, 0);
        assert_eq!(count.get(), 1, "who waited hears of it");

        // The place is free for the next one, and the peer's event does not reach it.
        let (ours, mut theirs) = unix_pair();
        let reader = create_task(async move { read(&ours, &mut [0; 1]).await.unwrap() });
        until_parked(1).await;
        drop(peer);
        Reactor::current().unwrap().wait(Some(0));
        assert_eq!(stats().parked, 1);
        theirs.write_all(b"x").unwrap();
        assert_eq!(reader.await.unwrap(), 1);
    });
}

#[test]
fn two_async_fds_of_one_descriptor_cannot_both_wait() {
    let _alone = alone();
    run(async {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = Rc::new(ours);
        let (first, second) = (AsyncFd::new(ours.clone()).unwrap(), AsyncFd::new(ours).unwrap());
        let (_, waker) = Count::new();
        let mut context = Context::from_waker(&waker);
        for descriptor in [&first, &second] {
            assert!(descriptor.try_io(Interest::Read, |stream| (&**stream).read(&mut [0; 1])).is_err());
        }
        assert!(first.poll_ready(&mut context, Interest::Read).is_pending());
        match second.poll_ready(&mut context, Interest::Read) {
            std::task::Poll::Ready(Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists);
                assert!(error.to_string().contains("share"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        drop(first);
        assert!(second.poll_ready(&mut context, Interest::Read).is_pending());
    });
}

#[test]
fn an_object_taken_back_is_not_watched_any_more() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = unix_pair();
        let (_, waker) = Count::new();
        assert!(ours.try_io(Interest::Read, |mut stream| stream.read(&mut [0; 1])).is_err());
        assert!(ours.poll_ready(&mut Context::from_waker(&waker), Interest::Read).is_pending());
        let mut stream = ours.into_inner();
        theirs.write_all(b"x").unwrap();
        let before = stats();
        Reactor::current().unwrap().wait(Some(0));
        assert_eq!(stats().events, before.events);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        // And it can be watched again.
        let ours = AsyncFd::new(stream).unwrap();
        let reader = create_task(async move { read(&ours, &mut [0; 1]).await.unwrap() });
        until_parked(1).await;
        theirs.write_all(b"y").unwrap();
        assert_eq!(reader.await.unwrap(), 1);
    });
}

/// Dropping a waiting `io` future is a cancel that leaves nothing behind.
#[test]
fn a_cancelled_operation_has_not_happened() {
    let _alone = alone();
    run(async {
        let (ours, mut theirs) = unix_pair();
        let ours = Rc::new(ours);
        for round in 0..100_u8 {
            let reader = ours.clone();
            let task = create_task(async move { read(&reader, &mut [0; 1]).await });
            until_parked(1).await;
            assert!(task.cancel());
            until_parked(0).await;
            theirs.write_all(&[round]).unwrap();
            let mut byte = [0];
            assert_eq!(read(&ours, &mut byte).await.unwrap(), 1);
            assert_eq!(byte[0], round);
        }
    });
}
