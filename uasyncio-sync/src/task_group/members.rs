//! The members of a group: the body, the gate, the children; and who of them is ready.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use uasyncio_core::{SubWaker, SubWakers};

/// The body's index among the members.
pub(super) const BODY: usize = 0;
/// The index of the member that takes in what was spawned.
pub(super) const GATE: usize = 1;
/// The index of the first child.
const FIRST_CHILD: usize = 2;

pub(super) type Child<'env, E> = Pin<Box<dyn Future<Output = Result<(), E>> + 'env>>;

/// The children, and who is ready.
pub(super) struct Members<'env, E> {
    /// Child `i` is member `i + FIRST_CHILD`.
    children: Vec<Option<Child<'env, E>>>,
    /// How many there are.
    running: usize,
    /// Members without a child, to be used again.
    idle: Vec<usize>,
    /// Room for those that are being taken in.
    arriving: Vec<Child<'env, E>>,
    /// Who was ready and has not been polled since.
    turn: VecDeque<usize>,
    wakers: SubWakers,
}

impl<'env, E> Members<'env, E> {
    /// The body, which is ready, and the gate, which is not.
    pub(super) fn new() -> Self {
        let wakers = SubWakers::new(FIRST_CHILD);
        let turn = wakers.ready().filter(|index| *index == BODY).collect();
        Members { children: Vec::new(), running: 0, idle: Vec::new(), arriving: Vec::new(), turn, wakers }
    }

    pub(super) fn waker(&self, index: usize) -> SubWaker<'_> {
        self.wakers.waker(index)
    }

    /// From now on this is who is woken when a member is.
    pub(super) fn register(&self, waker: &Waker) {
        self.wakers.register(waker);
    }

    /// The number of children that have not ended.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// How many members are ready at this moment; [`next`](Members::next) gives them.
    pub(super) fn begin_turn(&mut self) -> usize {
        self.turn.extend(self.wakers.ready());
        self.turn.len()
    }

    pub(super) fn next(&mut self) -> Option<usize> {
        self.turn.pop_front()
    }

    /// Takes in what was spawned, and polls it.
    pub(super) fn admit(&mut self, spawned: &RefCell<Vec<Child<'env, E>>>, fail: &mut impl FnMut(E)) {
        let mut arriving = mem::take(&mut self.arriving);
        mem::swap(&mut arriving, &mut spawned.borrow_mut());
        for child in arriving.drain(..) {
            let index = self.idle.pop().unwrap_or_else(|| self.grow());
            self.children[index - FIRST_CHILD] = Some(child);
            self.running += 1;
            self.poll_child(index, fail);
        }
        self.arriving = arriving;
    }

    pub(super) fn poll_child(&mut self, index: usize, fail: &mut impl FnMut(E)) {
        // There may be no child any more: who kept a waker of one may wake it late.
        let Some(child) = &mut self.children[index - FIRST_CHILD] else {
            return;
        };
        if let Poll::Ready(end) = child.as_mut().poll(&mut Context::from_waker(&self.wakers.waker(index))) {
            self.children[index - FIRST_CHILD] = None;
            self.running -= 1;
            self.idle.push(index);
            if let Err(error) = end {
                fail(error);
            }
        }
    }

    /// In the order of their places. No member may be polled after this.
    pub(super) fn take_children(&mut self) -> Vec<Option<Child<'env, E>>> {
        mem::take(&mut self.children)
    }

    /// Makes room for as many children again, and gives one of the new members; there are no idle ones.
    fn grow(&mut self) -> usize {
        let first = FIRST_CHILD + self.children.len();
        for _ in 0..self.children.len().max(4) {
            self.wakers.add();
            self.children.push(None);
        }
        // New members count as ready, and these are not.
        for index in self.wakers.ready() {
            if index > first {
                self.idle.push(index);
            } else if index < first {
                self.turn.push_back(index);
            }
        }
        self.idle.reverse();
        first
    }
}
