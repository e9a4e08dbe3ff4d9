//! The connections that a server has: how many there may be, and how they end.
//!
//! ```text
//!   accept loop ──► has_room? ──► admit ──► a task with a Seat ──► the seat is given up when the handler ends in any way
//!                      ▲                                              │
//!                      └────────── woken: there is room ◄─────────────┴──► woken: `drain`, when it was the last
//! ```
//!
//! At the limit the accept loop does not accept: the kernel's queue takes over, and a client that waits there costs
//! nothing here. How many connections a host has is known only after accepting, so one too many is closed then.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use uasyncio_core::{Task, TaskId, WaitList, WaitNode, create_task, current_task, sleep, yield_now};

/// What became of the connections of a server that was shut down; see [`Server::shutdown`](crate::Server::shutdown).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many handlers ended by themselves within the time of grace.
    pub drained: usize,
    /// How many were cancelled after it.
    pub aborted: usize,
}

/// The accept loops that wait for room. A task is woken once, however often it asked.
#[derive(Default)]
struct Waiting(RefCell<Vec<Waker>>);

impl Waiting {
    fn add(&self, cx: &mut Context<'_>) {
        let mut wakers = self.0.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
    }

    fn wake_all(&self) {
        // Not borrowed while they are woken.
        let wakers = self.0.take();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A place for the task of a connection.
enum Place {
    /// And the next free one.
    Free(Option<u32>),
    /// The task is about to be made.
    Taken,
    Running {
        task: Task<()>,
        aborted: bool,
    },
}

/// The connections of each host.
#[derive(Default)]
struct Hosts {
    limit: usize,
    counts: RefCell<HashMap<IpAddr, usize>>,
    of_place: RefCell<HashMap<u32, IpAddr>>,
}

/// The connections of one server.
pub(crate) struct Connections {
    limit: usize,
    count: Cell<usize>,
    aborted: Cell<usize>,
    places: RefCell<Vec<Place>>,
    first_free: Cell<Option<u32>>,
    hosts: Option<Hosts>,
    for_room: Waiting,
    /// Those who drain.
    for_end: WaitList,
}

impl Connections {
    pub(crate) fn new(limit: usize, limit_per_host: Option<usize>) -> Connections {
        Connections {
            limit,
            count: Cell::new(0),
            aborted: Cell::new(0),
            places: RefCell::default(),
            first_free: Cell::new(None),
            hosts: limit_per_host.map(|limit| Hosts { limit, ..Hosts::default() }),
            for_room: Waiting::default(),
            for_end: WaitList::new(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.get()
    }

    /// Completes when there may be one more.
    #[inline]
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.count.get() < self.limit {
            return Poll::Ready(());
        }
        self.for_room.add(cx);
        Poll::Pending
    }

    /// Whether a host may have one more.
    #[inline]
    pub(crate) fn has_room_for(&self, host: Option<IpAddr>) -> bool {
        let (Some(hosts), Some(host)) = (&self.hosts, host) else { return true };
        hosts.counts.borrow().get(&network_of(host)).is_none_or(|&count| count < hosts.limit)
    }

    /// Makes a handler a task, which is counted until it ends.
    pub(crate) fn admit<F: Future<Output = ()> + 'static>(self: &Rc<Self>, host: Option<IpAddr>, handler: F) {
        let place = self.take_place();
        self.count.set(self.count.get() + 1);
        if let (Some(hosts), Some(host)) = (&self.hosts, host.map(network_of)) {
            *hosts.counts.borrow_mut().entry(host).or_default() += 1;
            hosts.of_place.borrow_mut().insert(place, host);
        }
        let seat = Seat { connections: self.clone(), place };
        let task = create_task(Seated { handler, seat });
        self.places.borrow_mut()[place as usize] = Place::Running { task, aborted: false };
    }

    fn take_place(&self) -> u32 {
        let mut places = self.places.borrow_mut();
        let Some(place) = self.first_free.get() else {
            places.push(Place::Taken);
            return (places.len() - 1) as u32;
        };
        if let Place::Free(next) = std::mem::replace(&mut places[place as usize], Place::Taken) {
            self.first_free.set(next);
        }
        place
    }

    fn give_up(&self, place: u32) {
        let next = self.first_free.replace(Some(place));
        let old = std::mem::replace(&mut self.places.borrow_mut()[place as usize], Place::Free(next));
        let count = self.count.get();
        self.count.set(count - 1);
        if let Some(hosts) = &self.hosts {
            hosts.give_up(place);
        }
        // Detaches the task, which is ending, while nothing is borrowed: a panic that it ends with is reported then.
        drop(old);
        if count == self.limit {
            self.for_room.wake_all();
        }
        if !self.for_end.is_empty() {
            self.for_end.wake_all();
        }
    }

    /// Cancels the handlers, except that of `spared`.
    pub(crate) fn abort(&self, spared: Option<TaskId>) -> usize {
        let mut cancelled = 0;
        for index in 0.. {
            // One by one: a waker that is called may run anything.
            let mut places = self.places.borrow_mut();
            let Some(place) = places.get_mut(index) else { break };
            let Place::Running { task, aborted } = place else { continue };
            if *aborted || (spared.is_some() && task.id() == spared) {
                continue;
            }
            *aborted = true;
            let place = std::mem::replace(place, Place::Taken);
            drop(places);
            if let Place::Running { task, .. } = &place {
                cancelled += usize::from(task.cancel());
            }
            let ended = std::mem::replace(&mut self.places.borrow_mut()[index], place);
            debug_assert!(matches!(ended, Place::Taken), "a cancel ends a task in its turn, not at once");
        }
        self.aborted.set(self.aborted.get() + cancelled);
        cancelled
    }

    /// Waits for the handlers to end, and cancels those that have not after `grace`. That of the task which calls this is left alone.
    pub(crate) async fn drain(&self, grace: Duration) -> Summary {
        let own = current_task().filter(|own| self.has(own));
        let left_over = usize::from(own.is_some());
        let (before, aborted_before) = (self.count.get() - left_over, self.aborted.get());
        let (mut over, mut an_end) = (pin!(sleep(grace)), pin!(WaitNode::new(&self.for_end)));
        let ended = poll_fn(|cx| {
            loop {
                if self.count.get() <= left_over {
                    return Poll::Ready(true);
                }
                if over.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                ready!(an_end.as_mut().poll_wait(&self.for_end, cx, 0, "connections to end"));
            }
        });
        if !ended.await {
            self.abort(own);
            // They end in their next turn, which comes before ours. Those that catch the cancel clean up as long as they like.
            yield_now().await;
        }
        let aborted = self.aborted.get() - aborted_before;
        Summary { drained: before.saturating_sub(aborted), aborted }
    }

    fn has(&self, id: &TaskId) -> bool {
        let is_it = |place: &Place| matches!(place, Place::Running { task, .. } if task.id().as_ref() == Some(id));
        self.places.borrow().iter().any(is_it)
    }
}

impl Hosts {
    fn give_up(&self, place: u32) {
        let Some(host) = self.of_place.borrow_mut().remove(&place) else { return };
        let mut counts = self.counts.borrow_mut();
        if let Some(count) = counts.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&host);
            }
        }
    }
}

/// What counts as one host: an IPv4 address, or an IPv6 network of 64 bits, which is the least that one customer has.
fn network_of(host: IpAddr) -> IpAddr {
    match host.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        ipv4 => ipv4,
    }
}

/// The right to be one of the connections.
struct Seat {
    connections: Rc<Connections>,
    place: u32,
}

impl Drop for Seat {
    #[inline]
    fn drop(&mut self) {
        self.connections.give_up(self.place);
    }
}

pin_project_lite::pin_project! {
    /// A handler in its seat. The handler is dropped first.
    struct Seated<F> {
        #[pin]
        handler: F,
        seat: Seat,
    }
}

impl<F: Future<Output = ()>> Future for Seated<F> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().handler.poll(cx)
    }
}

#[cfg(test)]
mod tests;
