//! What may go to other threads, type by type (T-26, U8): the table is the promise.

#![cfg(all(feature = "std", feature = "virtual-time"))]

use std::cell::Cell;
use std::future::{Pending, Ready};
use std::marker::PhantomData;
use std::rc::Rc;

use uasyncio_core::{
    Attention, CancelOnDrop, CancelledError, CatchCancel, Deadlock, EventLoop, Exception, ExceptionContext, Hold, LockCell,
    LockCellAcquire, LockCellGuard, Loop, LoopClosed, LoopContext, Panic, ReadyMembers, Remote, RemoteTask, Report, Resume,
    RunError, SharedRing, SharedWaker, Sleep, SubWaker, SubWakers, Task, TaskError, TaskId, TaskInfo, TaskState, ThreadPark,
    Ticks, VirtualTime, WaitList, WaitNode, YieldNow,
};

/// Says what a type may do: where the bounds hold, the constants of its own hide those of the trait.
struct May<T: ?Sized>(PhantomData<T>);

trait MayNot {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
}

impl<T: ?Sized> MayNot for May<T> {}

impl<T: ?Sized + Send> May<T> {
    const SEND: bool = true;
}

impl<T: ?Sized + Sync> May<T> {
    const SYNC: bool = true;
}

impl<T: ?Sized + Unpin> May<T> {
    const UNPIN: bool = true;
}

macro_rules! table {
    ($($type:ty: $send:literal, $sync:literal;)*) => {
        [$((stringify!($type), [May::<$type>::SEND, May::<$type>::SYNC], [$send, $sync])),*]
    };
}

fn check(table: &[(&str, [bool; 2], [bool; 2])]) {
    for (name, is, should_be) in table {
        assert_eq!(is, should_be, "{name}: [Send, Sync]");
    }
}

/// The probe itself: it tells what it should of types that are known.
#[test]
fn the_probe_works() {
    check(&table! {
        u32: true, true;
        Cell<u32>: true, false;
        Rc<u32>: false, false;
        std::sync::MutexGuard<'static, u32>: false, true;
    });
    assert_eq!([May::<u32>::UNPIN, May::<std::marker::PhantomPinned>::UNPIN], [true, false]);
}

/// All that touches the state of a loop stays on its thread.
#[test]
fn what_stays_on_the_loops_thread() {
    check(&table! {
        EventLoop: false, false;
        EventLoop<VirtualTime>: false, false;
        Loop: false, false;
        Task<()>: false, false;
        Task<Rc<()>>: false, false;
        CancelOnDrop<()>: false, false;
        Sleep: false, false;
        CatchCancel<Ready<()>>: false, false;
        CatchCancel<Pending<Rc<()>>>: false, false;
        VirtualTime: false, false;
        LoopContext: false, false;
        ExceptionContext<'static>: false, false;
        Exception<'static>: false, false;
        LockCell<u32>: false, false;
        LockCellAcquire<'static, u32>: false, false;
        LockCellGuard<'static, u32>: false, false;
        WaitList: false, false;
        WaitNode<'static>: false, false;
    });
}

/// What is made for other threads, and plain values.
#[test]
fn what_may_go_to_other_threads() {
    check(&table! {
        Remote: true, true;
        RemoteTask<u32>: true, true;
        RemoteTask<Cell<u32>>: true, true;
        Hold: true, true;
        Ticks: true, true;
        Attention: true, true;
        TaskId: true, true;
        TaskState: true, true;
        TaskInfo: true, true;
        Deadlock: true, true;
        RunError: true, true;
        CancelledError: true, true;
        YieldNow: true, true;
        Resume: true, true;
        ThreadPark: true, true;
        SharedWaker: true, true;
        std::task::Waker: true, true;
    });
}

/// The owner of wakers for members may move; what borrows it stays, and the wakers that are cloned from it are anybody's.
#[test]
fn what_may_move_but_not_be_shared() {
    check(&table! {
        SubWakers: true, false;
        SubWaker<'static>: false, false;
        ReadyMembers<'static>: false, false;
    });
}

/// What is as its content is. A panic's payload may be sent, but not shared.
#[test]
fn what_is_as_its_content() {
    check(&table! {
        Panic: true, false;
        TaskError: true, false;
        LoopClosed<u32>: true, true;
        LoopClosed<Rc<()>>: false, false;
        Report<Ready<Result<(), u32>>>: true, true;
        Report<Ready<Result<(), Rc<()>>>>: false, false;
        RemoteTask<Rc<()>>: false, false;
        SharedRing<Cell<u32>, 2>: true, true;
        SharedRing<Rc<()>, 2>: false, false;
    });
}

/// A sleep's place is known to the wheel and a wait node's to its neighbours, so they must be pinned; handles and lists are known
/// to nobody.
#[test]
fn what_must_be_pinned() {
    assert_eq!([May::<WaitNode<'static>>::UNPIN, May::<WaitList>::UNPIN], [false, true]);
    assert_eq!([May::<LockCellAcquire<'static, u32>>::UNPIN, May::<LockCell<u32>>::UNPIN], [false, true]);
    assert_eq!([May::<Sleep>::UNPIN, May::<CatchCancel<Sleep>>::UNPIN, May::<Report<Sleep>>::UNPIN], [false; 3]);
    assert_eq!([May::<Task<Sleep>>::UNPIN, May::<CancelOnDrop<Sleep>>::UNPIN, May::<YieldNow>::UNPIN], [true; 3]);
    assert_eq!([May::<RemoteTask<u32>>::UNPIN, May::<Remote>::UNPIN], [true; 2]);
}
